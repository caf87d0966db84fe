"""The record of task runs: from the services, and from a real worker's threads."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.site.conftest import Done
from trading.models import Event, TaskHealth, TaskRun
from trading.services import task_runs

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def begin(run_id: str = "one", *, now: datetime = NOW) -> None:
    task_runs.start(task="trading.scan", run_id=run_id, queue="scan", worker="w", now=now)


@pytest.mark.django_db
def test_a_run_that_did_something_leaves_its_row() -> None:
    begin()
    assert TaskRun.objects.get().state == "running"
    task_runs.succeed(task="trading.scan", run_id="one", result=7, now=NOW + timedelta(seconds=2))
    run = TaskRun.objects.get()
    assert (run.state, run.result, run.finished_at) == ("done", "7", NOW + timedelta(seconds=2))
    assert TaskHealth.objects.get().last_success_at == NOW + timedelta(seconds=2)


@pytest.mark.django_db
@pytest.mark.parametrize("nothing", [0, None, [], ""])
def test_a_run_that_found_nothing_leaves_only_the_time_of_its_success(nothing: object) -> None:
    begin()
    task_runs.succeed(task="trading.scan", run_id="one", result=nothing, now=NOW)
    assert not TaskRun.objects.exists()
    assert TaskHealth.objects.get().last_success_at == NOW


@pytest.mark.django_db
def test_failures_are_counted_and_told_once_until_the_recovery() -> None:
    for number in range(3):
        begin(str(number))
        task_runs.fail(task="trading.scan", run_id=str(number), error="ValueError: no", now=NOW)
    health = TaskHealth.objects.get()
    assert (health.failures_in_a_row, health.last_failure_at, health.last_success_at) == (3, NOW, None)
    assert [run.error for run in TaskRun.objects.all()] == ["ValueError: no"] * 3
    begin("good")
    task_runs.succeed(task="trading.scan", run_id="good", result=0, now=NOW)
    assert TaskHealth.objects.get().failures_in_a_row == 0
    told = list(Event.objects.order_by("id").values_list("kind", "severity", "text"))
    assert told == [
        ("task_failed", "warning", "trading.scan failed: ValueError: no"),
        ("task_recovered", "info", "trading.scan succeeded again after 3 failures in a row."),
    ]


@pytest.mark.django_db
def test_a_retry_goes_on_under_the_same_row() -> None:
    begin()
    begin(now=NOW + timedelta(seconds=9))
    assert TaskRun.objects.get().started_at == NOW


@pytest.mark.django_db
def test_runs_of_dead_processes_are_marked() -> None:
    begin("old", now=NOW - timedelta(minutes=11))
    begin("new", now=NOW - timedelta(minutes=5))
    task_runs.start(
        task="trading.train", run_id="long", queue="research", worker="w", now=NOW - timedelta(minutes=50)
    )
    assert task_runs.abandon(now=NOW) == 1
    states = {"old": "abandoned", "new": "running", "long": "running"}
    assert dict(TaskRun.objects.values_list("run_id", "state")) == states
    assert task_runs.abandon(now=NOW, older_than=task_runs.AT_ONCE) == 2


@pytest.mark.django_db
@pytest.mark.parametrize(("succeeded_since", "failures"), [(False, 1), (True, 0)])
def test_a_task_that_its_hard_limit_ends_has_failed(succeeded_since: bool, failures: int) -> None:
    begin("hanging", now=NOW - timedelta(minutes=11))
    if succeeded_since:
        begin("good", now=NOW - timedelta(minutes=5))
        task_runs.succeed(task="trading.scan", run_id="good", result=0, now=NOW - timedelta(minutes=5))
    assert task_runs.abandon(now=NOW) == 1
    assert TaskHealth.objects.get(task="trading.scan").failures_in_a_row == failures
    assert Event.objects.filter(kind="task_failed").count() == failures


WORK = """
import json, threading, time, django
django.setup()
from django.conf import settings
from django.core.management import call_command
from celery.worker import state
from crpbot_site import appliance
from crpbot_site.celery import app
from trading.models import TaskRun, TaskHealth
call_command("migrate", verbosity=0)

@app.task(name="test.something")
def something():
    return 3

@app.task(name="test.nothing")
def nothing():
    return 0

@app.task(name="test.failing")
def failing():
    raise ValueError(f"the key is {settings.SECRET_KEY}")

role = appliance.worker(appliance.embedded(app))
thread = threading.Thread(target=role.run)
thread.start()
for name, queue in (("test.something", "scan"), ("test.nothing", "control"), ("test.failing", "research")):
    app.send_task(name, queue=queue)
deadline = time.monotonic() + 30
while TaskHealth.objects.filter(task__startswith="test.").count() < 3 and time.monotonic() < deadline:
    time.sleep(0.05)
role.stop()
thread.join(30)
ended = not thread.is_alive()
runs = TaskRun.objects.filter(task__startswith="test.").order_by("task")
well = TaskHealth.objects.filter(last_success_at__isnull=False, task__startswith="test.").order_by("task")
print(json.dumps({
    "ended": ended,
    "runs": list(runs.values_list("task", "state", "queue", "result", "error")),
    "well": list(well.values_list("task", flat=True)),
}))
"""


def test_a_real_worker_writes_the_rows_from_its_threads_and_ends_when_asked(
    program: Callable[..., Done],
) -> None:
    done = program(["-c", WORK], DJANGO_SETTINGS_MODULE="crpbot_site.settings")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ended"]
    assert found["runs"] == [
        ["test.failing", "failed", "research", "", "ValueError: the key is [redacted]"],
        ["test.something", "done", "scan", "3", ""],
    ]
    assert found["well"] == ["test.nothing", "test.something"]
