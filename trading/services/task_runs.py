"""The record of background tasks: one row a run, and when each task last succeeded and failed."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from trading.models import Severity, TaskHealth, TaskRun, TaskState
from trading.services import events

ERROR_LENGTH = 500
RESULT_LENGTH = 200
# No task may run longer than 2,100 s: a row that says so after an hour belongs to a process that is gone.
LONGEST = timedelta(hours=1)
# For a process that knows itself to be the only one.
AT_ONCE = timedelta(0)


def start(*, task: str, run_id: str, queue: str, worker: str, now: datetime) -> None:
    """Write that a run began; a retry of the same run goes on under its row."""
    TaskRun.objects.update_or_create(
        run_id=run_id,
        defaults={"task": task, "queue": queue, "worker": worker, "state": TaskState.RUNNING, "error": ""},
        create_defaults={"task": task, "queue": queue, "worker": worker, "started_at": now},
    )


def succeed(*, task: str, run_id: str, result: object, now: datetime) -> None:
    """Write that a run ended well; a run that found nothing to do leaves no row, only the task's health."""
    with transaction.atomic():
        run = TaskRun.objects.filter(run_id=run_id)
        if result:
            run.update(state=TaskState.DONE, finished_at=now, result=str(result)[:RESULT_LENGTH])
        else:
            run.delete()
        health = _health(task)
        if health.failures_in_a_row:
            text = f"{task} succeeded again after {health.failures_in_a_row} failures in a row."
            events.record("task_recovered", now=now, text=text, data={"task": task})
        health.last_success_at, health.failures_in_a_row = now, 0
        health.save()


def fail(*, task: str, run_id: str, error: str, now: datetime) -> None:
    """Write that a run failed and why; the first failure in a row is an Event."""
    with transaction.atomic():
        TaskRun.objects.filter(run_id=run_id).update(
            state=TaskState.FAILED, finished_at=now, error=error[:ERROR_LENGTH]
        )
        health = _health(task)
        health.last_failure_at = now
        health.failures_in_a_row += 1
        health.save()
        if health.failures_in_a_row == 1:
            text = f"{task} failed: {error}"
            events.record("task_failed", now=now, text=text, severity=Severity.WARNING, data={"task": task})


def abandon(*, now: datetime, older_than: timedelta = LONGEST) -> int:
    """Mark runs whose process died: RUNNING and begun at least ``older_than`` ago. Returns how many."""
    return TaskRun.objects.filter(state=TaskState.RUNNING, started_at__lte=now - older_than).update(
        state=TaskState.ABANDONED, finished_at=now, error="its process ended before it did"
    )


def _health(task: str) -> TaskHealth:
    TaskHealth.objects.get_or_create(task=task)
    return TaskHealth.objects.select_for_update().get(task=task)
