"""What the appliance says of itself, to people and to machines."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pydantic import SecretStr
from redis import Redis

from tests.site.conftest import Done
from trading.core.types import ms_from_utc
from trading.models import Account, AccountRisk, DeskStatus, Market, Scan, TaskRun
from trading.selectors import status
from trading.services import bootstrap, events, flatten

pytestmark = pytest.mark.django_db

KEYS = ["mode", "state", "reason", "headroom", "candles", "scans", "signals", "refusals", "intents", "trades"]
KEYS += ["events", "queues", "accounts"]


@pytest.fixture
def started() -> None:
    sources = bootstrap.Sources(real="coinbase", symbols=("BTC-USD",), reached=False, why="No answer.")
    bootstrap.run(
        now=timezone.now(), sources=sources, owner=bootstrap.Owner(name="admin", password="long enough")
    )


def read(capsys: Any) -> dict[str, Any]:
    call_command("status", "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_an_empty_database_is_told_as_it_is(capsys: Any) -> None:
    found = read(capsys)
    assert list(found) == KEYS
    assert (found["mode"], found["state"], found["headroom"]) == ("none", "halted", None)
    assert found["candles"] == {}


def test_counts_are_whole_numbers(started: None, capsys: Any) -> None:
    found = read(capsys)
    assert list(found) == KEYS
    assert (found["mode"], found["state"]) == ("paper", "active")
    assert found["candles"] == {"TEST-USD": None}
    for key in ("scans", "signals", "refusals", "intents", "trades", "events", "queues"):
        assert all(isinstance(count, int) for count in found[key].values())
    assert found["events"]["info"] >= 3
    assert found["queues"] == {"scan": 0, "control": 0, "research": 0}


GUARD = ["id", "mode", "level", "daily_locked", "total_locked", "breach", "flatten", "orders_minute"]
GUARD += ["orders_hour", "orders_day", "lots_day", "messages_day", "losses_in_row", "state"]


def test_each_account_s_guard_is_told(started: None, capsys: Any) -> None:
    found = read(capsys)["accounts"]["Test market SYNTHETIC"]
    assert list(found) == GUARD
    assert (found["state"], found["mode"], found["level"]) == ("active", "paper", "green")
    counts = [found[key] for key in ("orders_minute", "orders_hour", "orders_day", "messages_day")]
    assert (counts, found["lots_day"], found["losses_in_row"]) == ([0, 0, 0, 0], "0", 0)
    assert (found["daily_locked"], found["total_locked"], found["breach"]) == (False, False, "")


def test_locks_breach_and_flatten_are_told_to_people_and_machines(started: None, capsys: Any) -> None:
    account = Account.objects.get(synthetic=True)
    now = timezone.now()
    risk = AccountRisk.objects.filter(account=account)
    risk.update(daily_locked_on=account.programme.clock.day(now), total_locked_at=now, level="locked")
    flatten.ask(account_id=account.pk, by="level", reason="80 % is gone", now=now)
    found = read(capsys)["accounts"]["Test market SYNTHETIC"]
    assert (found["daily_locked"], found["total_locked"], found["state"]) == (True, True, "halted")
    assert found["flatten"].endswith("by level: 80 % is gone")
    call_command("status")
    text = " ".join(capsys.readouterr().out.split())
    assert "LOCKED; daily limit locked until the next prop-firm day; total limit locked until" in text
    assert "by level: 80 % is gone" in text
    risk.update(breach="total", daily_locked_on=account.programme.clock.day(now) - timedelta(days=1))
    found = read(capsys)["accounts"]["Test market SYNTHETIC"]
    assert (found["breach"], found["daily_locked"]) == ("total", False)
    risk.delete()
    assert read(capsys)["accounts"]["Test market SYNTHETIC"]["level"] is None


def test_the_age_of_the_last_candle_counts_from_its_close(started: None) -> None:
    now = timezone.now().replace(second=30, microsecond=0)
    newest = ms_from_utc(now.replace(second=0) - timedelta(minutes=1))
    Market.objects.filter(key="TEST-USD").update(newest_ms=newest)
    assert status.read(now=now).candles == {"TEST-USD": 30}


def test_scans_are_counted_by_reason_for_a_day(started: None) -> None:
    now = timezone.now()
    account, market = Account.objects.get(synthetic=True), Market.objects.get(key="TEST-USD")
    for hours, reason in ((1, "inside_range"), (2, "inside_range"), (3, "signal"), (25, "inside_range")):
        Scan.objects.create(
            account=account,
            market=market,
            strategy="momentum",
            timeframe="1m",
            open_ms=ms_from_utc(now - timedelta(hours=hours)),
            judged_at=now,
            reason=reason,
        )
    assert status.read(now=now).scans == {"inside_range": 2, "signal": 1}


def test_events_are_counted_by_severity_for_a_day() -> None:
    now = timezone.now()
    events.record("x", now=now, text="x", severity="error")
    events.record("x", now=now - timedelta(hours=25), text="x", severity="error")
    assert status.read(now=now).events == {"error": 1}


def test_waiting_and_running_tasks_are_counted(redis_url: str, settings: Any) -> None:
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"redis_url": SecretStr(redis_url)})
    now = timezone.now()
    TaskRun.objects.create(task="t", run_id="1", queue="control", started_at=now)
    with Redis.from_url(redis_url) as broker:
        broker.lpush("crp:scan", "a", "b")
        try:
            assert status.read(now=now).queues == {"scan": 2, "control": 1, "research": 0}
        finally:
            broker.delete("crp:scan")


def test_queues_of_a_redis_that_is_away_are_unknown_not_empty(
    settings: Any, started: None, capsys: Any
) -> None:
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:9/0")})
    assert read(capsys)["queues"] == {}
    call_command("status")
    assert "not known: Redis does not answer" in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "known"), [(0, True), (29, True), (31, False), (-31, False)])
def test_headroom_of_a_view_long_past_is_unknown(started: None, seconds: int, known: bool) -> None:
    now = timezone.now()
    account = Account.objects.get(synthetic=True)
    DeskStatus.objects.create(
        account=account,
        ready=True,
        reason="reconciled",
        seen_at=now - timedelta(seconds=seconds),
        balance=account.initial_balance,
        equity=account.initial_balance,
    )
    assert (status.read(now=now).headroom is not None) is known


def test_people_read_a_table_in_their_own_time(started: None, capsys: Any, settings: Any) -> None:
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"time_zone": "Asia/Tokyo"})
    call_command("status")
    text = capsys.readouterr().out
    assert " JST" in text
    assert "TEST-USD none yet" in text
    assert "Test market SYNTHETIC" in text
    assert "not known yet" in text


def test_a_missing_database_is_an_error_not_a_zero(manage: Callable[..., Done]) -> None:
    assert manage("status", "--json").returncode != 0
