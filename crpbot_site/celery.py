"""The Celery application: it scans, follows and reports; orders never ride on it.

A worker names its queue and the queue's one module of tasks:
``celery -A crpbot_site.celery worker -Q scan -I trading.tasks.scan``. Web and beat import no task module and
send by name.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery, signals
from django.conf import settings
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crpbot_site.settings")

QUEUES = ("scan", "control", "research")
MODULES = {queue: f"trading.tasks.{queue}" for queue in QUEUES}
ROUTES = {
    "trading.fetch_candles": "scan",
    "trading.scan": "scan",
    "trading.follow_outcomes": "control",
    "trading.snapshot_risk": "control",
    "trading.abandon_runs": "control",
}
# What a start makes up for at once, and after how many seconds; the first fetch has the store for itself.
AT_START = {
    "scan": (("trading.fetch_candles", 0), ("trading.scan", 5)),
    "control": (("trading.abandon_runs", 0), ("trading.snapshot_risk", 0), ("trading.follow_outcomes", 10)),
}

REDIS = {
    "socket_timeout": 15,  # without it a half-open connection stops the worker for ever
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "retry_on_timeout": True,
    "health_check_interval": 10,
    "visibility_timeout": 3600,  # judged by wall clock; a lower one runs tasks twice
    "global_keyprefix": "crp:",
}
EMBEDDED = {"polling_interval": 0.05}


def options(redis_url: str | None) -> dict[str, Any]:
    """Every setting of Celery; the reasons stand beside those that are not obvious."""
    return {
        "broker_url": redis_url or "memory://localhost",
        "broker_transport_options": REDIS if redis_url else EMBEDDED,
        "broker_pool_acquire_timeout": 5,  # the default waits for ever, with a web request behind it
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "task_publish_retry_policy": {
            "max_retries": 3,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 1,
        },
        "result_backend": None,
        "result_expires": None,  # or beat would schedule a cleaning of results that do not exist
        "task_ignore_result": True,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_queues": [Queue(name, routing_key=name) for name in QUEUES],
        "task_default_queue": "control",
        "task_default_routing_key": "control",
        "task_create_missing_queues": False,
        "task_routes": {name: {"queue": queue} for name, queue in ROUTES.items()},
        "task_acks_late": False,  # a lost scan costs one slot, a repeated one costs more
        "task_reject_on_worker_lost": False,
        "task_retry_on_worker_lost": False,
        "task_soft_time_limit": 1800,
        "task_time_limit": 2100,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 200,
        "worker_max_memory_per_child": 1_200_000,
        "worker_soft_shutdown_timeout": 20,
        "worker_cancel_long_running_tasks_on_connection_loss": True,  # early-ack scans do not feel it
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "enable_utc": True,
        "timezone": "UTC",
        "beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler",
        "beat_max_loop_interval": 5,
        "beat_cron_starting_deadline": 60,
        "beat_sync_every": 1,
    }


app = Celery("crpbot", task_cls="crpbot_site.tasks:RecordedTask")
app.conf.update(options(settings.CRPBOT.redis_url.get_secret_value() if settings.CRPBOT.redis_url else None))


@signals.worker_ready.connect
def make_up(sender: Any, **_: Any) -> None:
    """A worker that starts does what its queue may have missed, without waiting for beat."""
    for queue in sender.task_consumer.queues:
        for name, seconds in AT_START.get(getattr(queue, "name", queue), ()):
            sender.app.send_task(name, countdown=seconds)
            # The first candle after a first start is judged when it closes, whichever turn of beat comes next.
            if name == "trading.scan":
                sender.app.send_task(name, countdown=60 - time.time() % 60)
