"""The timetable: synced as often as one likes, and never against an operator."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from crpbot_site import schedule
from crpbot_site.schedule import TABLE, Cron, Entry, Every

pytestmark = pytest.mark.django_db

NAMES = tuple(entry.name for entry in TABLE)


@pytest.fixture
def synced() -> None:
    schedule.sync()


def row(name: str) -> PeriodicTask:
    return PeriodicTask.objects.get(name=name)


def test_the_first_sync_makes_every_row() -> None:
    done = schedule.sync()
    assert (done.created, done.updated, done.kept) == (NAMES, (), ())
    for entry in TABLE:
        found = row(entry.name)
        assert found.task == entry.task
        assert found.enabled
        assert entry.why in found.description
        assert found.queue is None


@pytest.mark.parametrize("entry", TABLE, ids=NAMES)
def test_a_run_expires_before_the_next_one_is_due(entry: Entry, synced: None) -> None:
    slot = entry.when.slot.total_seconds()
    assert row(entry.name).expire_seconds == entry.expires == int(0.9 * slot)


def test_the_owners_times() -> None:
    by_task = {entry.task: entry.when.slot for entry in TABLE}
    assert by_task["trading.fetch_candles"] == timedelta(minutes=1)
    assert by_task["trading.scan"] == timedelta(minutes=2)
    assert by_task["trading.snapshot_risk"] == timedelta(hours=1)
    assert by_task["trading.follow_outcomes"] == timedelta(minutes=1)


def test_crontabs_stand_in_utc(synced: None) -> None:
    assert {str(cron.timezone) for cron in CrontabSchedule.objects.all()} == {"UTC"}


def test_a_second_sync_changes_nothing_and_does_not_wake_the_scheduler(synced: None) -> None:
    before = PeriodicTasks.last_change()
    done = schedule.sync()
    assert done == schedule.Synced(created=(), updated=(), kept=())
    assert PeriodicTasks.last_change() == before


def test_what_an_operator_switched_off_stays_off(synced: None) -> None:
    scan = row("scan")
    scan.enabled = False
    scan.save()
    assert schedule.sync().kept == ("scan",)
    assert not row("scan").enabled


def test_an_operators_interval_stays(synced: None) -> None:
    scan = row("scan")
    scan.crontab = None
    scan.interval = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.MINUTES)
    scan.save()
    for _ in range(2):
        schedule.sync()
    assert str(row("scan").interval) == "every 5 minutes"
    assert row("scan").crontab is None


def test_an_operators_expiry_stays_while_the_rest_follows(
    synced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = row("scan")
    scan.expire_seconds = 30
    scan.save()
    slower = Entry(
        name="scan", task="trading.scan", when=Cron("*/5", slot=timedelta(minutes=5)), why="Slower."
    )
    monkeypatch.setattr(schedule, "TABLE", (slower,))
    done = schedule.sync()
    assert (done.updated, done.kept) == (("scan",), ("scan",))
    assert row("scan").crontab.minute == "*/5"
    assert row("scan").expire_seconds == 30
    assert "Slower." in row("scan").description


def test_a_new_table_moves_rows_that_nobody_touched(synced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = Entry(name="scan", task="trading.scan", when=Every(300), why="Every five minutes.")
    monkeypatch.setattr(schedule, "TABLE", (moved,))
    assert schedule.sync().updated == ("scan",)
    assert row("scan").crontab is None
    assert row("scan").interval.every == 300
    assert row("scan").expire_seconds == 270


def test_a_row_without_our_memory_is_the_operators(synced: None) -> None:
    scan = row("scan")
    scan.description = "mine now"
    scan.expire_seconds = 1
    scan.save()
    assert schedule.sync().kept == ("scan",)
    assert row("scan").expire_seconds == 1
    assert row("scan").description == "mine now"


def test_rows_of_an_operator_are_never_touched(synced: None) -> None:
    cron = CrontabSchedule.objects.create(minute="7", timezone=ZoneInfo("Europe/Prague"))
    PeriodicTask.objects.create(name="my own", task="trading.snapshot_risk", crontab=cron)
    schedule.sync()
    assert row("my own").crontab == cron
    assert row("my own").enabled
