"""The queue `control`: what follows from signals and trades, and the upkeep of the task record."""

from celery import shared_task
from django.utils import timezone

from trading.services import outcomes, risk, task_runs


@shared_task(name="trading.follow_outcomes", soft_time_limit=42, time_limit=54)
def follow_outcomes() -> int:
    """Follow the brackets of all open signals through the newest candles; the number that were resolved."""
    return outcomes.follow_all(now=timezone.now())


@shared_task(name="trading.snapshot_risk", soft_time_limit=42, time_limit=54)
def snapshot_risk(trigger: str = "hourly") -> int:
    """Write a risk snapshot of every account; the number of snapshots."""
    return len(risk.snapshot_all(now=timezone.now(), trigger=trigger))


@shared_task(name="trading.abandon_runs", soft_time_limit=42, time_limit=54)
def abandon_runs() -> int:
    """Mark the task runs whose process is gone; the number of rows."""
    return task_runs.abandon(now=timezone.now())
