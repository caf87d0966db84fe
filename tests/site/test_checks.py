"""The truth on one page: what is well, what is not, and the same answer at every door."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pydantic import SecretStr

from crpbot_site import checks, feed_checks, schedule
from crpbot_site.checks import Finding, Verdict
from tests.site.conftest import Done
from trading.core.types import TradingState, ms_from_utc
from trading.models import Account, Gap, Lease, Market, TaskHealth
from trading.services import bootstrap, kill_switch, market_data, task_runs
from trading.services.claims import LEASE

pytestmark = pytest.mark.django_db

AWAY = bootstrap.Sources(real="coinbase", symbols=("BTC-USD",), reached=False, why="No answer.")


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def well(now: datetime) -> None:
    """Rows as a running appliance leaves them."""
    owner = bootstrap.Owner(name="admin", password="a good long password")
    bootstrap.run(now=now, sources=AWAY, owner=owner)
    schedule.sync()
    for entry in schedule.TABLE:
        task_runs.succeed(task=entry.task, run_id=entry.name, result=0, now=now)
    minute = ms_from_utc(now) // 60_000 * 60_000
    Market.objects.filter(key="TEST-USD").update(newest_ms=minute - 60_000, fetched_to_ms=minute)
    Lease.objects.create(
        name=LEASE, owner="d", fencing=1, expires_at=now + timedelta(seconds=15), renewed_at=now
    )


def look(now: datetime, *which: checks.Check) -> list[Finding]:
    return checks.run(which, now=now)


def verdicts(found: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.verdict.value for finding in found}


def test_a_running_appliance_is_well(well: None, now: datetime) -> None:
    bad = [f for f in checks.run(checks.READY, now=now) if f.verdict is not Verdict.OK]
    assert not bad


def test_whatever_is_not_well_says_what_to_do(now: datetime) -> None:
    found = [f for f in checks.run(checks.ALL, now=now) if f.verdict is not Verdict.OK]
    assert {"schedule", "candles", "desk", "people", "kill switch"} <= verdicts(found).keys()
    assert all(finding.advice for finding in found if finding.check != "environment")


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(timedelta(minutes=2), "ok"), (timedelta(minutes=4), "warn"), (timedelta(minutes=6), "fail")],
)
def test_the_age_of_what_is_known_of_a_market(
    age: timedelta, verdict: str, well: None, now: datetime
) -> None:
    known = ms_from_utc(now - age)
    Market.objects.filter(key="TEST-USD").update(newest_ms=known - 60_000, fetched_to_ms=known)
    assert verdicts(look(now, checks.candles)) == {"candles TEST-USD SYNTHETIC": verdict}


def test_minutes_without_trades_are_no_fault(well: None, now: datetime) -> None:
    Market.objects.filter(key="TEST-USD").update(newest_ms=ms_from_utc(now - timedelta(hours=1)))
    (finding,) = look(now, checks.candles)
    assert finding.verdict is Verdict.OK
    assert "3540 s ago" in finding.text


def test_a_source_that_is_away_is_named(well: None, now: datetime) -> None:
    Market.objects.filter(key="TEST-USD").update(unavailable_since=now, unavailable_reason="it answered 503")
    (finding,) = look(now, checks.candles)
    assert finding.verdict is Verdict.WARN
    assert "it answered 503" in finding.advice


def test_no_market_at_all_is_a_failure(now: datetime) -> None:
    assert verdicts(look(now, checks.candles)) == {"candles": "fail"}


@pytest.mark.parametrize(("slots", "verdict"), [(2, "ok"), (4, "warn"), (6, "fail")])
def test_the_age_of_a_tasks_last_success(slots: int, verdict: str, well: None, now: datetime) -> None:
    later = now + slots * timedelta(minutes=1)
    assert verdicts(look(later, checks.tasks))["task trading.fetch_candles"] == verdict
    assert verdicts(look(later, checks.tasks))["task trading.snapshot_risk"] == "ok"


def test_a_task_that_fails_and_one_that_never_ran(well: None, now: datetime) -> None:
    task_runs.fail(task="trading.scan", run_id="x", error="ValueError", now=now)
    TaskHealth.objects.filter(task="trading.fetch_candles").delete()
    found = verdicts(look(now, checks.tasks))
    assert found["task trading.scan"] == "warn"
    assert found["task trading.fetch_candles"] == "fail"


def test_a_task_that_was_switched_off_is_a_choice(well: None, now: datetime) -> None:
    scan = PeriodicTask.objects.get(name="scan")
    scan.enabled = False
    scan.save()
    assert "task trading.scan" not in verdicts(look(now + timedelta(hours=1), checks.tasks))
    (finding,) = look(now, checks.timetable)
    assert (finding.verdict, "scan" in finding.text) == (Verdict.WARN, True)


def test_a_task_that_is_missing_from_the_schedule(well: None, now: datetime) -> None:
    PeriodicTask.objects.filter(name="scan").delete()
    assert verdicts(look(now, checks.timetable)) == {"schedule": "fail"}


def test_the_desk_lease(well: None, now: datetime) -> None:
    assert verdicts(look(now, checks.desk)) == {"desk": "ok"}
    assert verdicts(look(now + timedelta(seconds=16), checks.desk)) == {"desk": "fail"}


def test_a_halt_is_a_warning_with_its_source(well: None, now: datetime) -> None:
    kill_switch.set_state(TradingState.HALTED, by="me", reason="dinner", now=now)
    (finding,) = look(now, checks.state)
    assert finding.verdict is Verdict.WARN
    assert "dinner" in finding.text
    assert "manage.py resume" in finding.advice


def test_a_halt_by_the_file_is_ended_by_removing_it(
    well: None, now: datetime, settings: Any, tmp_path: Path
) -> None:
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"data_dir": tmp_path})
    (tmp_path / "HALT").touch()
    (finding,) = look(now, checks.state)
    assert (finding.verdict, finding.advice) == (Verdict.WARN, "Remove the file when it is safe.")


def test_an_account_held_by_its_own_switch_is_named(well: None, now: datetime) -> None:
    account = Account.objects.get(name="Test market")
    kill_switch.set_state(TradingState.REDUCING, by="me", reason="dinner", now=now, account_id=account.pk)
    everything, own = look(now, checks.state)
    assert everything.verdict is Verdict.OK
    assert (own.check, own.verdict) == ("kill switch Test market SYNTHETIC", Verdict.WARN)
    assert "REDUCING by its own switch: dinner" in own.text


def test_readiness_says_that_a_task_is_switched_off(well: None, now: datetime) -> None:
    PeriodicTask.objects.filter(name="scan").update(enabled=False)
    (finding,) = [f for f in checks.run(checks.READY, now=now) if f.verdict is not Verdict.OK]
    assert (finding.verdict, finding.text) == (Verdict.WARN, "Switched off: scan.")


def test_outages_are_counted_and_quiet_minutes_are_not(well: None, now: datetime) -> None:
    market = Market.objects.get(key="TEST-USD")
    start = ms_from_utc(now - timedelta(hours=2)) // 60_000 * 60_000
    for number, kind in enumerate(("outage", "no_trades", "outage")):
        first = start + number * 600_000
        Gap.objects.create(market=market, start_ms=first, end_ms=first + 180_000, kind=kind, found_at=now)
    (finding,) = look(now, checks.gaps)
    assert finding.text == "Outages in the last day: TEST-USD 6 min."


def test_guards_of_append_only_rows_are_looked_for(now: datetime) -> None:
    assert verdicts(look(now, checks.append_only)) == {"append-only": "ok"}
    table = " ON trading_event" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER trading_event_no_update{table}")
    (finding,) = look(now, checks.append_only)
    assert finding.verdict is Verdict.FAIL
    assert "trading_event_no_update" in finding.text
    if connection.vendor == "postgresql":  # a trigger can be there and switched off
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE trading_fill DISABLE TRIGGER trading_fill_no_delete")
        (finding,) = look(now, checks.append_only)
        assert "trading_fill_no_delete" in finding.text


def test_settings_without_effect_are_named(settings: Any, now: datetime) -> None:
    assert verdicts(look(now, checks.environment)) == {"environment": "ok"}
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"s3_backups_bucket": "mine"})
    (finding,) = look(now, checks.environment)
    assert (finding.verdict, "S3_BACKUPS_BUCKET" in finding.text) == (Verdict.WARN, True)


def test_every_guard_that_the_migration_makes_is_looked_for() -> None:
    made = {name for name, *_ in import_module("trading.migrations.0002_append_only")._rules()}
    assert made == checks.GUARDS


def test_a_database_that_could_lose_rows_is_a_failure(now: datetime) -> None:
    (finding,) = look(now, checks.durability)
    if connection.vendor == "postgresql":
        # The servers of the tests do not wait for the disk.
        assert (finding.verdict, finding.text) == (Verdict.FAIL, "fsync is off, must be on.")
        return
    memory = "memory" in str(connection.settings_dict["NAME"])
    assert finding.verdict is (Verdict.FAIL if memory else Verdict.OK)


def test_a_password_that_is_easily_guessed(well: None, now: datetime) -> None:
    assert verdicts(look(now, checks.people)) == {"people": "ok"}
    owner = get_user_model().objects.get()
    owner.set_password("admin")
    owner.save()
    assert verdicts(look(now, checks.people)) == {"people": "fail"}


def test_a_broker_that_is_away(settings: Any, now: datetime) -> None:
    assert verdicts(look(now, checks.broker)) == {"broker": "ok"}
    settings.CRPBOT = settings.CRPBOT.model_copy(
        update={"redis_url": SecretStr("redis://:hunter2@127.0.0.1:9/0")}
    )
    (finding,) = look(now, checks.broker)
    assert finding.verdict is Verdict.FAIL
    assert "hunter2" not in finding.text + finding.advice


def test_a_broker_that_is_there(settings: Any, redis_url: str, now: datetime) -> None:
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"redis_url": SecretStr(redis_url)})
    assert [f.text for f in look(now, checks.broker)] == ["Redis answers."]


def test_a_source_that_gives_no_answer(well: None, now: datetime) -> None:
    assert verdicts(look(now, feed_checks.feeds)) == {"feed synthetic": "ok"}
    Market.objects.filter(key="BTC-USD").update(enabled=True)
    assert verdicts(look(now, feed_checks.feeds)) == {"feed coinbase": "fail", "feed synthetic": "ok"}


def test_the_clock_is_compared_with_the_source(
    now: datetime, well: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert feed_checks.clock("coinbase", 0.4).verdict is Verdict.OK
    assert feed_checks.clock("coinbase", -6.0).verdict is Verdict.FAIL
    feed = market_data.feed_for("synthetic")
    monkeypatch.setattr(feed, "clock_offset", timedelta(seconds=61), raising=False)
    assert verdicts(look(now, feed_checks.feeds)) == {"feed synthetic": "ok", "clock": "fail"}


def test_a_check_that_breaks_is_a_failure_not_silence(now: datetime) -> None:
    def broken(_now: datetime) -> Iterator[Finding]:
        yield Finding(check="half", verdict=Verdict.OK, text="Well.")
        raise OperationalError("no such table")

    found = look(now, broken)
    assert checks.worst(found) is Verdict.FAIL
    assert "OperationalError" in found[-1].text


def test_the_worst_counts() -> None:
    def finding(verdict: Verdict) -> Finding:
        return Finding(check="x", verdict=verdict, text="")

    assert checks.worst([]) is Verdict.OK
    assert checks.worst([finding(Verdict.WARN), finding(Verdict.OK)]) is Verdict.WARN
    assert checks.worst([finding(Verdict.FAIL), finding(Verdict.WARN)]) is Verdict.FAIL


def test_ready_answers_200_when_all_is_well(well: None, client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert answer.json()["state"] == "active"
    assert answer.json()["reasons"] == []


def test_ready_answers_503_with_the_reasons(client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    body = answer.json()
    assert body["ready"] is False
    assert body["state"] == "halted"
    assert "candles: No market is switched on." in body["reasons"]
    assert body["checks"]["database"] == "ok"


def test_a_missing_guard_makes_it_unready(well: None, client: Client) -> None:
    table = " ON trading_event" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER trading_event_no_update{table}")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "trading_event_no_update" in str(answer.json()["reasons"])


def test_a_halt_is_shown_and_does_not_make_it_unready(well: None, now: datetime, client: Client) -> None:
    kill_switch.set_state(TradingState.HALTED, by="me", reason="dinner", now=now)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["state"]) == (200, "halted")


def test_live_needs_no_rows_and_changes_nothing(client: Client) -> None:
    assert client.get("/health/live").json() == {"live": True}
    assert client.post("/health/live").status_code == 405
    assert "no-store" in client.get("/health/ready").headers["Cache-Control"]


def test_doctor_ends_with_the_code_of_the_worst(
    well: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for verdict, code in ((Verdict.OK, 0), (Verdict.WARN, 1), (Verdict.FAIL, 2)):
        finding = Finding(check="one", verdict=verdict, text="How it is.", advice="Do [this].")
        monkeypatch.setattr(checks, "ALL", (lambda _now, finding=finding: [finding],))
        monkeypatch.setattr(feed_checks, "feeds", lambda _now: [])
        with pytest.raises(SystemExit) as ended:
            call_command("doctor")
        assert ended.value.code == code
        assert "Do [this]." in capsys.readouterr().out


def test_doctor_in_a_fresh_folder_lists_everything(manage: Callable[..., Done]) -> None:
    done = manage("doctor", COLUMNS="200")
    assert done.returncode == 2
    assert re.search(
        r"^fail +migrations +\d+ migrations are not applied. Run `manage.py migrate`.", done.stdout, re.M
    )
    assert "Traceback" not in done.stderr
