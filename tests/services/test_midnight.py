"""Before midnight, from the market to the rows: an account that would break the coming floor at 00:00 does not.

The account is example V4 of the domain notes: 200,000 at the day's start, 4,000 won since, 13,000 floating loss. It
stands above today's floor of 190,000 and below tomorrow's of 194,000.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.services.worlds import MINUTE, NOW, World, make_intent, make_signal, make_world, store
from trading.core.calendar import EntryKind
from trading.core.types import TradingState
from trading.models import (
    Account,
    AccountDay,
    AccountPeriod,
    AccountRisk,
    CalendarEntry,
    Event,
    Flatten,
    Market,
    OrderIntent,
    ProgrammeVersion,
    RiskSnapshot,
    Trade,
    TradeState,
)
from trading.services import claims, guard, kill_switch
from trading.services.desk import Desk
from trading.venues.base import VenueRejected

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
# Prague is one hour ahead of UTC in winter.
MIDNIGHT = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
LOSERS = {"A-USD": D(2), "B-USD": D(2), "C-USD": D("2.5")}


def flat(world: World, key: str, price: float, *, start: datetime, minutes: int) -> None:
    store(world.markets[key], [(price, price, price, price, 10_000.0)] * minutes, start=start)


@pytest.fixture
def v4(db: None, monkeypatch: pytest.MonkeyPatch) -> tuple[World, Desk]:
    """The account at 21:00 UTC, two hours before its midnight; nobody asked the gate whether it may come so far."""
    world = make_world(symbols=("W-USD", *LOSERS))
    Market.objects.update(
        commission_rate=0, spread_bp=0, slippage_bp=0, gap_buffer_bp=0, contract_size=1, volume_max=100
    )
    # Its level alone would close everything: 90 % of the daily limit are used. Here midnight is to do it.
    Account.objects.update(initial_balance=D(200_000), lock_flattens=False)
    AccountPeriod.objects.update(initial_balance=D(200_000), opening_balance=D(200_000))
    desk = Desk("one", lease_ttl=DAY)
    with monkeypatch.context() as patched:
        patched.setattr(claims, "_entry", lambda *_given, **_named: "")
        open_all(world)
        desk.tick(now=NOW)
    for key in world.markets:
        flat(world, key, 100_000.0, start=NOW, minutes=2)
    desk.tick(now=NOW + 2 * MINUTE)
    store(
        world.markets["W-USD"],
        [(100_000.0, 101_000.0, 100_000.0, 101_000.0, 10_000.0)],
        start=NOW + 2 * MINUTE,
    )
    minutes = (MIDNIGHT - NOW) // MINUTE - 2
    for key in LOSERS:
        flat(world, key, 98_000.0, start=NOW + 2 * MINUTE, minutes=minutes + 30)
    for minute in (3, 4):
        desk.tick(now=NOW + minute * MINUTE)
    desk.tick(now=MIDNIGHT - 120 * MINUTE)
    snapshot = RiskSnapshot.objects.filter(trigger="fill").order_by("pk").last()
    assert snapshot is not None
    view = desk._seats[world.account.pk].venue.view(now=MIDNIGHT - 120 * MINUTE)
    assert (view.balance, view.equity) == (D("204000.00"), D("191000.00"))
    assert AccountDay.objects.get().balance == D(200_000)
    return world, desk


def open_all(world: World) -> None:
    for key, lots in {"W-USD": D(4), **LOSERS}.items():
        stop = D(99_000) if key == "W-USD" else D(97_990)
        signal = make_signal(
            world,
            market=world.markets[key],
            stop=stop,
            target=D(101_000) if key == "W-USD" else D(120_000),
            entry=D(100_000),
            cap_seconds=10**6,
        )
        make_intent(world, signal=signal, lots=lots)


def through_midnight(desk: Desk, told: Callable[[datetime], None] = lambda _now: None) -> None:
    """A round a minute from 65 minutes before midnight to 10 after it."""
    for minute in range(-65, 11):
        desk.tick(now=MIDNIGHT + minute * MINUTE)
        told(MIDNIGHT + minute * MINUTE)


def breach() -> str:
    return AccountRisk.objects.get().breach


def open_trades() -> set[str]:
    return set(Trade.objects.filter(state=TradeState.OPEN).values_list("market__key", flat=True))


def test_it_is_warned_then_reduced_and_not_breached(v4: tuple[World, Desk]) -> None:
    world, desk = v4
    warned: list[datetime] = []
    closed: list[datetime] = []

    def watch(now: datetime) -> None:
        if not warned and Event.objects.filter(kind="midnight_warning").exists():
            warned.append(now)
        if not closed and OrderIntent.objects.filter(action="close").exists():
            closed.append(now)

    through_midnight(desk, watch)
    assert (warned, closed) == ([MIDNIGHT - 60 * MINUTE], [MIDNIGHT - 10 * MINUTE])
    assert Event.objects.filter(kind="midnight_warning").count() == 1
    assert len(open_trades()) == 2
    (trade,) = Trade.objects.filter(state=TradeState.CLOSED, market__key__in=LOSERS)
    assert (trade.exit_reason, trade.closed_at) == ("flatten", MIDNIGHT - 10 * MINUTE)
    assert (breach(), kill_switch.effective(world.account.pk).state) == ("", TradingState.ACTIVE)
    day = AccountDay.objects.order_by("day").last()
    assert day is not None
    assert (day.how, day.proven, day.balance) == ("seen", True, D(204_000) + trade.profit)


def test_the_same_account_breaches_without_the_last_hour(
    v4: tuple[World, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: ``guard.LAST_HOUR`` is 0."""
    world, desk = v4
    monkeypatch.setattr(guard, "LAST_HOUR", timedelta(0))
    through_midnight(desk)
    assert not Event.objects.filter(kind="midnight_warning").exists()
    assert len(open_trades()) == 3
    assert (breach(), kill_switch.effective(world.account.pk).state) == ("daily", TradingState.HALTED)


def test_flatten_closes_everything_and_cancels_what_rests(v4: tuple[World, Desk]) -> None:
    world, desk = v4
    Account.objects.update(midnight_action="flatten")
    through_midnight(desk)
    assert open_trades() == set()
    assert (breach(), kill_switch.effective(world.account.pk).state) == ("", TradingState.ACTIVE)
    flatten = Flatten.objects.get()
    assert flatten.asked_by == "midnight"
    assert flatten.asked_at == MIDNIGHT - 10 * MINUTE
    assert flatten.done_at is not None
    assert flatten.done_at < MIDNIGHT


def test_warn_only_warns(v4: tuple[World, Desk]) -> None:
    """What an owner gets who has asked for words alone: he was told, and the limit is broken."""
    _world, desk = v4
    Account.objects.update(midnight_action="warn")
    through_midnight(desk)
    assert len(open_trades()) == 3
    assert Event.objects.filter(kind="midnight_warning").count() == 1
    assert breach() == "daily"


def test_a_halt_does_not_keep_midnight_from_being_made_safe(v4: tuple[World, Desk]) -> None:
    _world, desk = v4
    kill_switch.set_state(TradingState.HALTED, by="ada", reason="x", now=MIDNIGHT - 90 * MINUTE)
    through_midnight(desk)
    assert len(open_trades()) == 2
    assert breach() == ""


def test_a_desk_that_starts_minutes_before_midnight_acts_at_once(v4: tuple[World, Desk]) -> None:
    assert v4
    late = Desk("one", lease_ttl=DAY)
    for minute in range(-3, 5):
        late.tick(now=MIDNIGHT + minute * MINUTE)
    assert len(open_trades()) == 2
    assert breach() == ""


def test_a_close_that_the_venue_refuses_is_asked_for_again(
    v4: tuple[World, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, desk = v4
    for minute in range(-65, -10):
        desk.tick(now=MIDNIGHT + minute * MINUTE)
    real = desk._seats[world.account.pk].venue.send
    refused: list[int] = []

    def send(request: Any, **named: Any) -> Any:
        if len(refused) < 2:
            refused.append(request.magic)
            raise VenueRejected("busy", "try again")
        return real(request, **named)

    monkeypatch.setattr(desk._seats[world.account.pk].venue, "send", send)
    for minute in range(-10, 5):
        desk.tick(now=MIDNIGHT + minute * MINUTE)
    assert len(refused) == 2
    assert len(open_trades()) == 2
    assert breach() == ""


@pytest.mark.parametrize(
    ("programme", "closes"), [("ftmo-2-step-funded", True), ("ftmo-2-step-challenge", False)]
)
def test_what_may_not_be_held_through_a_closure_is_closed_before_it(
    v4: tuple[World, Desk], programme: str, closes: bool
) -> None:
    assert v4
    Account.objects.update(programme=ProgrammeVersion.objects.get(profile__name=programme))
    shut = MIDNIGHT - 90 * MINUTE
    for hours, title, key in ((49, "weekend", "A-USD"), (1, "short break", "B-USD")):
        CalendarEntry.objects.create(
            kind=EntryKind.CLOSURE,
            title=title,
            starts_at=shut,
            ends_at=shut + timedelta(hours=hours),
            symbols=key,
            source="test",
            entered_at=NOW,
        )
    desk = Desk("one", lease_ttl=DAY)
    for minute in range(-15, -10):
        desk.tick(now=shut + minute * MINUTE)
    assert open_trades() == set(LOSERS)
    for minute in range(-10, 0):
        desk.tick(now=shut + minute * MINUTE)
    assert open_trades() == set(LOSERS) - ({"A-USD"} if closes else set())
    asked = Event.objects.filter(kind="close_asked", text__contains="before weekend")
    assert asked.count() == int(closes)
