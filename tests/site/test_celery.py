"""Celery as it must be set: each value was measured, and each has a fault that it answers."""

import json
from collections.abc import Callable

import pytest
from django.conf import settings

from crpbot_site import celery
from crpbot_site.celery import MODULES, QUEUES, ROUTES, app, options
from tests.site.conftest import Done
from trading.selectors import status

REDIS = options("redis://:secret@h:6379/1")


def test_the_broker_in_docker_survives_a_half_open_connection() -> None:
    found = REDIS["broker_transport_options"]
    assert found == {
        "socket_timeout": 15,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "retry_on_timeout": True,
        "health_check_interval": 10,
        "visibility_timeout": 3600,
        "global_keyprefix": "crp:",
    }
    assert REDIS["broker_url"] == "redis://:secret@h:6379/1"
    assert REDIS["broker_connection_max_retries"] is None
    assert REDIS["broker_connection_retry_on_startup"] is True


def test_a_web_request_never_waits_for_ever_to_send() -> None:
    assert REDIS["broker_pool_acquire_timeout"] == 5
    assert REDIS["task_publish_retry_policy"]["max_retries"] == 3


def test_without_redis_tasks_stay_inside() -> None:
    found = options(None)
    assert found["broker_url"].startswith("memory://")
    assert found["broker_transport_options"] == {"polling_interval": 0.05}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accept_content", ["json"]),
        ("task_serializer", "json"),
        ("result_serializer", "json"),
        ("result_backend", None),
        ("result_expires", None),
        ("task_ignore_result", True),
        ("task_acks_late", False),
        ("task_reject_on_worker_lost", False),
        ("task_retry_on_worker_lost", False),
        ("task_soft_time_limit", 1800),
        ("task_time_limit", 2100),
        ("worker_prefetch_multiplier", 1),
        ("worker_max_tasks_per_child", 200),
        ("worker_max_memory_per_child", 1_200_000),
        ("worker_soft_shutdown_timeout", 20),
        ("worker_cancel_long_running_tasks_on_connection_loss", True),
        ("worker_hijack_root_logger", False),
        ("timezone", "UTC"),
        ("enable_utc", True),
        ("beat_max_loop_interval", 5),
        ("beat_cron_starting_deadline", 60),
        ("beat_sync_every", 1),
    ],
)
def test_a_setting_has_reached_the_application(name: str, value: object) -> None:
    assert getattr(app.conf, name) == value


def test_the_schedule_lives_in_rows_only() -> None:
    assert app.conf.beat_scheduler == "django_celery_beat.schedulers:DatabaseScheduler"
    assert not app.conf.beat_schedule


def test_every_queue_has_its_module_and_nothing_else_exists() -> None:
    assert {queue.name for queue in app.conf.task_queues} == set(QUEUES) == set(MODULES)
    assert set(ROUTES.values()) <= set(QUEUES)
    assert app.conf.task_create_missing_queues is False
    assert not app.conf.include
    assert not app.conf.imports


@pytest.mark.parametrize(("name", "slot"), [("trading.fetch_candles", 60), ("trading.scan", 120)])
def test_a_task_that_hangs_does_not_eat_its_next_slot(
    name: str, slot: int, program: Callable[..., Done]
) -> None:
    script = (
        "import json, django; django.setup()\nfrom crpbot_site.celery import app\nimport trading.tasks.scan\n"
        f"task = app.tasks[{name!r}]\nprint(json.dumps([task.soft_time_limit, task.time_limit]))"
    )
    done = program(["-c", script], DJANGO_SETTINGS_MODULE="crpbot_site.settings")
    assert json.loads(done.stdout) == [0.7 * slot, 0.9 * slot]


def test_a_start_makes_up_for_every_task_of_its_queue() -> None:
    names = {name for tasks in celery.AT_START.values() for name, _ in tasks}
    assert names == set(ROUTES)
    assert all(ROUTES[name] == queue for queue, tasks in celery.AT_START.items() for name, _ in tasks)


def test_the_status_counts_the_same_queues_as_celery_fills() -> None:
    assert status.QUEUES == QUEUES
    assert celery.REDIS["global_keyprefix"] == status.PREFIX


def test_tests_never_reach_a_real_broker() -> None:
    assert settings.CRPBOT.redis_url is None
