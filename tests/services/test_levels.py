"""Levels in rows: they latch, they survive, and only a day, a person or a new period ends them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.services.worlds import NOW, SECOND, World, make_superuser
from trading.core.levels import Latch
from trading.core.types import AccountView, Breach, Level, Position, Side, TradingState
from trading.models import Account, AccountDay, AccountRisk, DeskStatus, Event, Flatten
from trading.selectors import risk
from trading.services import flatten, kill_switch, levels, life
from trading.services.desk import Desk
from trading.services.levels import ReopenRefused

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
# The paper account has 100,000: a daily limit of 5,000 (floor 95,000) and a total one of 10,000 (floor 90,000).
Look = Callable[..., Level]


@pytest.fixture
def begun(world: World) -> World:
    """The account after the desk's first look: its day has begun and is proven."""
    Desk("one").tick(now=NOW)
    assert AccountDay.objects.get(account=world.account).proven
    return world


def position(*, stop: str | None = "90000", lots: str = "0.1", profit: str = "0") -> Position:
    return Position(
        ticket="7",
        magic=1,
        symbol="BTC-USD",
        side=Side.LONG,
        lots=D(lots),
        entry=D(100_000),
        price=D(100_000),
        stop=None if stop is None else D(stop),
        target=D(120_000),
        opened_at=NOW,
        profit=D(profit),
    )


def view_of(account: Account, equity: str, *positions: Position, now: Any = NOW) -> AccountView:
    balance = D(equity) - sum((p.profit for p in positions), D(0))
    return AccountView(
        number=account.number,
        currency=account.currency,
        balance=balance,
        equity=D(equity),
        positions=positions,
        as_of=now,
    )


@pytest.fixture
def look(begun: World) -> Look:
    """Hold what a look at the account finds when its equity is so much."""

    def at(equity: str, *positions: Position, now: Any = NOW) -> Level:
        account = Account.objects.select_related("programme__profile").get(pk=begun.account.pk)
        current = risk.headroom_of(account, view=view_of(account, equity, *positions, now=now), now=now)
        return levels.hold(account, current, now=now)

    return at


def row() -> AccountRisk:
    return AccountRisk.objects.get(account__source="replay")


def state(world: World) -> TradingState:
    return kill_switch.effective(world.account.pk).state


# -- levels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equity", "level"),
    [
        ("100000", Level.GREEN),
        ("97500.01", Level.GREEN),
        ("97500", Level.AMBER),
        ("96500.01", Level.AMBER),
        ("96500", Level.RED),
        ("96000.01", Level.RED),
        ("96000", Level.LOCKED),
        ("95000", Level.LOCKED),
        ("94999.99", Level.BREACH),
    ],
)
def test_the_level_is_kept_and_told(begun: World, look: Look, equity: str, level: Level) -> None:
    assert look(equity) is level
    assert row().level == level
    told = Event.objects.filter(kind="level")
    assert told.count() == (level is not Level.GREEN)
    if level is not Level.GREEN:
        assert f"level {level.upper()} (was GREEN)" in told.get().text
        assert row().level_since == NOW


def test_an_event_for_each_change_of_level_and_none_between(begun: World, look: Look) -> None:
    for equity in ("97400", "97300", "96400", "97400", "100000", "100000"):
        look(equity)
    told = [event.text for event in Event.objects.filter(kind="level").order_by("pk")]
    assert [text.partition("level ")[2].partition(",")[0] for text in told] == [
        "AMBER (was GREEN)",
        "RED (was AMBER)",
        "AMBER (was RED)",
        "GREEN (was AMBER)",
    ]


def test_a_look_that_finds_nothing_new_asks_the_rows_nothing(begun: World) -> None:
    account = Account.objects.select_related("programme__profile").get(pk=begun.account.pk)
    current = risk.headroom_of(account, view=view_of(account, "99000"), now=NOW)
    levels.hold(account, current, now=NOW)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert levels.hold(account, current, now=NOW + SECOND) is Level.GREEN
    assert len(asked) == 0


# -- locks ------------------------------------------------------------------------------------


def test_a_daily_lock_outlasts_the_measure_and_ends_with_the_day(begun: World, look: Look) -> None:
    assert look("96000") is Level.LOCKED
    assert look("100000", now=NOW + SECOND) is Level.LOCKED
    assert row().daily_locked_on == NOW.date()
    assert risk.latch_of(begun.account.pk) == Latch(daily_locked_on="2026-03-02")
    Desk("one").tick(now=NOW + DAY)
    assert look("100000", now=NOW + DAY) is Level.GREEN
    assert Event.objects.filter(kind="daily_lock").count() == 1
    assert state(begun) is TradingState.ACTIVE


def test_a_total_lock_outlasts_the_day(begun: World, look: Look) -> None:
    AccountDay.objects.update(balance=D(93_000))
    assert look("92000") is Level.LOCKED
    assert row().total_locked_at == NOW
    assert row().daily_locked_on is None
    later = NOW + 3 * DAY
    Desk("one").tick(now=later)
    assert look("99000", now=later) is Level.LOCKED
    assert Event.objects.filter(kind="total_lock").count() == 1


def test_an_open_position_locks_by_its_stop_and_what_is_merely_asked_for_does_not(
    begun: World, look: Look
) -> None:
    assert look("98000", position(stop="80000")) is Level.LOCKED
    assert row().daily_locked_on == NOW.date()
    assert not Flatten.objects.exists(), "equity itself has used 40 % only"


@pytest.mark.parametrize(
    ("equity", "start", "breach"), [("94999.99", 100_000, "daily"), ("89999.99", 90_500, "total")]
)
def test_a_breach_is_for_good(begun: World, look: Look, equity: str, start: int, breach: str) -> None:
    AccountDay.objects.update(balance=D(start))
    assert look(equity) is Level.BREACH
    assert (row().breach, row().breached_at) == (breach, NOW)
    assert state(begun) is TradingState.HALTED
    own = kill_switch.KillSwitch.objects.get(account=begun.account)
    assert (own.state, own.changed_by) == ("halted", "risk")
    later = NOW + 30 * DAY
    Desk("one").tick(now=later)
    assert look("105000", now=later) is Level.BREACH
    assert Event.objects.filter(kind="breach").count() == 1


def test_a_new_period_ends_locks_and_breach(begun: World, look: Look) -> None:
    look("89000")
    account = Account.objects.get(pk=begun.account.pk)
    life.begin_period(account, began_by="reset", opening_balance=D(100_000), now=NOW + SECOND)
    assert risk.latch_of(account.pk) == Latch()
    assert risk.kept_of(account.pk).level is Level.GREEN


def test_a_day_that_nobody_can_prove_locks_nothing_for_good(begun: World, look: Look) -> None:
    AccountDay.objects.update(proven=False)
    look("94000", position(stop="99000"))
    assert (row().daily_locked_on, row().breach) == (None, "")
    assert not Flatten.objects.exists()
    assert state(begun) is TradingState.ACTIVE


def test_a_total_limit_broken_on_such_a_day_is_broken(begun: World, look: Look) -> None:
    AccountDay.objects.update(proven=False)
    assert look("89999.99", position(stop="99000")) is Level.BREACH
    assert row().breach == "total"
    assert Flatten.objects.exists()


def test_what_another_process_latched_meanwhile_is_not_undone(begun: World) -> None:
    account = Account.objects.select_related("programme__profile").get(pk=begun.account.pk)
    before = risk.headroom_of(account, view=view_of(account, "97000"), now=NOW)
    AccountRisk.objects.update(total_locked_at=NOW, daily_locked_on=NOW.date())
    assert levels.hold(account, before, now=NOW + SECOND) is Level.LOCKED
    assert row().total_locked_at == NOW
    assert not Event.objects.filter(kind="total_lock").exists()


@pytest.mark.parametrize("column", ["breach", "level"])
def test_a_word_nobody_knows_is_not_taken_for_no_lock(begun: World, column: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE trading_accountrisk DROP CONSTRAINT account_risk_level")
        else:
            cursor.execute("PRAGMA ignore_check_constraints=ON")
        cursor.execute(f"UPDATE trading_accountrisk SET {column} = 'fine'")
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints=OFF")
    with pytest.raises(ValueError, match="fine"):
        risk.latch_of(begun.account.pk)


# -- flatten by a level -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equity", "held", "setting", "asked"),
    [
        ("96000", True, True, True),
        ("96000", True, False, False),
        ("96000", False, True, False),
        ("96000.01", True, True, False),
        ("94000", True, True, True),
    ],
)
def test_everything_is_closed_once_equity_itself_has_used_80_percent(
    begun: World, look: Look, equity: str, held: bool, setting: bool, asked: bool
) -> None:
    Account.objects.update(lock_flattens=setting)
    look(equity, *([position(stop="99999")] if held else []))
    look(equity, *([position(stop="99999")] if held else []), now=NOW + SECOND)
    rows = list(Flatten.objects.values_list("asked_by", "account_id"))
    assert rows == ([("level", begun.account.pk)] if asked else [])


# -- the highest equity -----------------------------------------------------------------------


@pytest.fixture
def trailing(begun: World) -> World:
    """The same account under a total floor that trails the highest equity."""
    begun.account.programme.__class__.objects.update(total_loss_mode="trailing_intraday")
    return begun


def test_the_highest_equity_is_kept_where_the_floor_trails_it(trailing: World, look: Look) -> None:
    for equity in ("100500", "103000.50", "101000"):
        look(equity)
    assert row().peak_equity == D("103000.50")
    assert risk.kept_of(trailing.account.pk).peak_equity == D("103000.50")


def test_an_unknown_highest_equity_stays_unknown(trailing: World, look: Look) -> None:
    AccountRisk.objects.update(peak_equity=None)
    with pytest.raises(ValueError, match="highest equity"):
        look("103000")
    assert row().peak_equity is None


def test_it_is_not_kept_where_nothing_trails_it(begun: World, look: Look) -> None:
    look("103000")
    assert row().peak_equity == D(100_000)


# -- reopening --------------------------------------------------------------------------------


@pytest.fixture
def ada() -> User:
    return make_superuser()


@pytest.fixture
def locked(begun: World) -> World:
    """The total limit was used to 80 % at worst; the positions that could have lost it are closed again."""
    AccountRisk.objects.filter(account=begun.account).update(total_locked_at=NOW, level="locked")
    return begun


def reopen(world: World, user: User, *, reason: str = "the hedge is off", phrase: str = "REOPEN") -> None:
    levels.reopen(world.account.pk, user.pk, reason, phrase, NOW + SECOND)


def test_a_superuser_reopens_and_it_is_written_down(locked: World, ada: User, look: Look) -> None:
    reopen(locked, ada)
    assert row().total_locked_at is None
    event = Event.objects.latest("pk")
    assert (event.kind, event.by, event.data["reason"]) == ("total_reopened", "ada", "the hedge is off")
    assert look("100000", now=NOW + SECOND) is Level.GREEN


def test_reopening_does_not_resume(locked: World, ada: User) -> None:
    kill_switch.set_state(TradingState.HALTED, by="ada", reason="x", now=NOW)
    reopen(locked, ada)
    assert state(locked) is TradingState.HALTED


@pytest.mark.parametrize("phrase", ["", "reopen", "RESUME", "REOPEN "])
def test_its_own_word_must_be_typed(locked: World, ada: User, phrase: str) -> None:
    with pytest.raises(ReopenRefused, match="REOPEN must be typed"):
        reopen(locked, ada, phrase=phrase)
    assert row().total_locked_at == NOW


@pytest.mark.parametrize("lacks", [{"is_superuser": False}, {"is_active": False}])
def test_only_an_active_superuser_reopens(locked: World, ada: User, lacks: dict[str, bool]) -> None:
    User.objects.filter(pk=ada.pk).update(**lacks)
    with pytest.raises(ReopenRefused, match="superuser"):
        reopen(locked, ada)


def against_reason(_world: World) -> dict[str, str]:
    return {"reason": " "}


def against_no_lock(_world: World) -> dict[str, str]:
    AccountRisk.objects.update(total_locked_at=None)
    return {}


def against_breach(_world: World) -> dict[str, str]:
    AccountRisk.objects.update(breach="total")
    return {}


def against_flatten(world: World) -> dict[str, str]:
    flatten.ask(account_id=world.account.pk, by="level", reason="x", now=NOW)
    return {}


def against_still_used(_world: World) -> dict[str, str]:
    DeskStatus.objects.update(balance=D(92_000), equity=D(92_000))
    return {}


def against_old_view(_world: World) -> dict[str, str]:
    DeskStatus.objects.update(seen_at=NOW - timedelta(minutes=1))
    return {}


def against_no_view(_world: World) -> dict[str, str]:
    DeskStatus.objects.all().delete()
    return {}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (against_reason, "A reason is needed"),
        (against_no_lock, "is not locked"),
        (against_breach, "broke its total limit"),
        (against_flatten, "must be done first"),
        (against_still_used, "80% of the total limit of Paper is still used"),
        (against_old_view, "cannot be told"),
        (against_no_view, "cannot be told"),
    ],
)
def test_each_thing_that_stands_against_reopening(
    locked: World, ada: User, spoil: Callable[[World], dict[str, str]], sentence: str
) -> None:
    given = spoil(locked)
    with pytest.raises(ReopenRefused) as refused:
        reopen(locked, ada, **given)
    (only,) = refused.value.missing
    assert sentence in only
    assert not Event.objects.filter(kind="total_reopened").exists()


def test_a_total_limit_still_used_at_the_stops_is_not_reopened(locked: World, ada: User) -> None:
    held = risk.position_body(replace(position(stop="20000", lots="0.1")))
    DeskStatus.objects.update(positions=[held])
    with pytest.raises(ReopenRefused, match="still used"):
        reopen(locked, ada)


# -- after a restart --------------------------------------------------------------------------


def test_a_row_that_is_missing_is_made_with_what_is_seen(begun: World, look: Look) -> None:
    AccountRisk.objects.all().delete()
    assert look("96000") is Level.LOCKED
    assert row().daily_locked_on == NOW.date()
    assert Breach(row().breach) is Breach.NONE
