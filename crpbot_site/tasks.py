"""What every background task does beside its work: it leaves a record."""

from __future__ import annotations

from typing import Any

import structlog
from celery.contrib.django.task import DjangoTask
from django.conf import settings
from django.utils import timezone

from crpbot_site.logs import Redactor
from trading.services import task_runs


class RecordedTask(DjangoTask):
    """Writes one `TaskRun` row a run and keeps the task's health; a failing record fails the run."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        structlog.contextvars.bind_contextvars(task=self.name, run=task_id)
        queue = (self.request.delivery_info or {}).get("routing_key") or "none"
        worker = self.request.hostname or ""
        task_runs.start(task=self.name, run_id=task_id, queue=queue, worker=worker, now=timezone.now())

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        task_runs.succeed(task=self.name, run_id=task_id, result=retval, now=timezone.now())

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        hidden = (settings.SECRET_KEY, *settings.CRPBOT.secret_values())
        error = Redactor(hidden).clean(f"{type(exc).__name__}: {exc}")
        task_runs.fail(task=self.name, run_id=task_id, error=error, now=timezone.now())

    def after_return(self, *_: Any) -> None:
        structlog.contextvars.unbind_contextvars("task", "run")
