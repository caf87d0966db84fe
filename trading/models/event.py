"""Facts for people and the record of task runs."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from trading.models.account import Account
from trading.models.fields import one_of, word
from trading.models.market import Market


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Event(models.Model):
    """Something that happened, written in the transaction of the fact; append-only, never pruned."""

    at = models.DateTimeField()
    kind = models.SlugField(max_length=40)
    severity = word(Severity, default=Severity.INFO)
    text = models.CharField(max_length=500)
    by = models.CharField(max_length=150, default="crpbot")
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, null=True, on_delete=models.PROTECT)
    data = models.JSONField(default=dict)
    synthetic = models.BooleanField(default=False)

    class Meta:
        ordering = ("-id",)
        constraints = (one_of("severity", Severity, "event_severity"),)
        indexes = (models.Index(fields=("kind", "-id"), name="event_kind"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind}"


class TaskState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"


class TaskRun(models.Model):
    """One run of one background task."""

    task = models.CharField(max_length=80)
    run_id = models.CharField(max_length=80, unique=True)
    queue = models.CharField(max_length=20)
    worker = models.CharField(max_length=120, blank=True)
    state = word(TaskState, default=TaskState.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)
    result = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (one_of("state", TaskState, "task_run_state"),)
        indexes = (models.Index(fields=("task", "-started_at"), name="task_run_latest"),)

    def __str__(self) -> str:
        return f"{self.task} {self.started_at:%Y-%m-%d %H:%M:%S}: {self.state}"


class TaskHealth(models.Model):
    """When each task last succeeded and last failed; kept when its runs are pruned."""

    task = models.CharField(max_length=80, unique=True)
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    failures_in_a_row = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("task",)
        verbose_name_plural = "task health"

    def __str__(self) -> str:
        return self.task
