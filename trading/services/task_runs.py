"""The record of background tasks: one row a run, and when each task last succeeded and failed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from trading.models import Severity, TaskHealth, TaskRun, TaskState
from trading.services import events

ERROR_LENGTH = 500
RESULT_LENGTH = 200
# No task of the research queue may run longer than 2,100 s, no other one longer than 108 s: a row that says so
# much later belongs to a process that is gone. What a hard limit ends cannot say so itself.
LONGEST_RESEARCH = timedelta(hours=1)
LONGEST = timedelta(minutes=10)
ENDED = "its process ended before it did"
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
        _count_failure(task, error, now=now)


def _count_failure(task: str, error: str, *, now: datetime) -> None:
    health = _health(task)
    health.last_failure_at = now
    health.failures_in_a_row += 1
    health.save()
    if health.failures_in_a_row == 1:
        text = f"{task} failed: {error}"
        events.record("task_failed", now=now, text=text, severity=Severity.WARNING, data={"task": task})


def abandon(*, now: datetime, older_than: timedelta | None = None) -> int:
    """Mark runs whose process died: RUNNING for longer than their queue lets them. Returns how many.

    Each counts as a failure of its task that has not succeeded since.  older_than: in place of the queues' own
    times, for the start of an appliance that was ended; that is no failure of a task.
    """
    running = TaskRun.objects.filter(state=TaskState.RUNNING)
    if older_than is not None:
        return running.filter(started_at__lte=now - older_than).update(**_ended(now))
    late = running.filter(queue="research", started_at__lte=now - LONGEST_RESEARCH)
    late |= running.exclude(queue="research").filter(started_at__lte=now - LONGEST)
    marked = 0
    for pk, task, started_at in late.order_by("pk").values_list("pk", "task", "started_at"):
        with transaction.atomic():
            if not running.filter(pk=pk).update(**_ended(now)):
                continue
            marked += 1
            succeeded_at = _health(task).last_success_at
            if succeeded_at is None or succeeded_at < started_at:
                _count_failure(task, ENDED, now=now)
    return marked


def _ended(now: datetime) -> dict[str, Any]:
    return {"state": TaskState.ABANDONED, "finished_at": now, "error": ENDED}


def _health(task: str) -> TaskHealth:
    TaskHealth.objects.get_or_create(task=task)
    return TaskHealth.objects.select_for_update().get(task=task)
