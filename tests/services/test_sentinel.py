"""The sentinel: a view that is not ours, cannot be or is not of now keeps the desk from opening anything."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.services.worlds import (
    MINUTE,
    NOW,
    SECOND,
    Broker,
    World,
    make_close,
    make_intent,
    make_signal,
    state_of,
    store,
)
from trading.core.types import AccountView, Action, IntentState, TradingState
from trading.models import (
    AccountRisk,
    DeskStatus,
    Event,
    KillSwitch,
    Market,
    OrderIntent,
    RiskSnapshot,
    Trade,
)
from trading.services import kill_switch, sentinel
from trading.services.desk import Desk
from trading.venues.paper import PaperVenue

pytestmark = pytest.mark.django_db

Change = Callable[[AccountView], AccountView]
DAY = timedelta(days=1)


class Lens:
    """What the desk sees of the account: the venue's view, changed while ``change`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.change: Change | None = None
        right = PaperVenue.view

        def view(venue: PaperVenue, *, now: Any) -> AccountView:
            seen = right(venue, now=now)
            return self.change(seen) if self.change else seen

        monkeypatch.setattr(PaperVenue, "view", view)


@pytest.fixture
def lens(monkeypatch: pytest.MonkeyPatch) -> Lens:
    return Lens(monkeypatch)


def tick(desk: Desk, seconds: float) -> Any:
    return desk.tick(now=NOW + seconds * SECOND)


def with_position(world: World, desk: Desk, minutes: int = 12) -> Trade:
    """A position that is open from a minute after NOW, with bars for so many minutes."""
    make_intent(world, signal=make_signal(world, cap_seconds=10**6))
    tick(desk, 0)
    store(world.market, [100.0] * minutes, start=NOW)
    tick(desk, 121)
    return Trade.objects.get()


def of(name: str, value: Any) -> Change:
    return lambda view: replace(view, **{name: value})


def of_position(name: str, value: Any) -> Change:
    def change(view: AccountView) -> AccountView:
        return replace(view, positions=tuple(replace(p, **{name: value}) for p in view.positions))

    return change


def aged(seconds: float) -> Change:
    return lambda view: replace(view, as_of=view.as_of - seconds * SECOND)


FOREIGN = [
    of("number", "other"),
    of("number", ""),
    of("number", None),
    of("currency", "EUR"),
    of("currency", "usd"),
]
NOT_NUMBERS = [D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"), None, "100000", 100000.0, float("nan")]
UNREADABLE = [
    *(of("balance", value) for value in (*NOT_NUMBERS, D(0), D(-1))),
    *(of("equity", value) for value in (*NOT_NUMBERS, D("-0.01"))),
    of("as_of", None),
    of("as_of", NOW.replace(tzinfo=None)),
    *(of_position(name, D("NaN")) for name in ("price", "entry", "profit", "swap", "stop", "target")),
    of_position("price", D(0)),
    of_position("lots", D("-0.01")),
]
OLD = [aged(5.001), aged(60), aged(86_400), aged(-5.001), aged(-3600)]


def entry(world: World, seconds: float) -> OrderIntent:
    """An approved entry in another market than the one that is held, so that only the view stands against it."""
    now = NOW + seconds * SECOND
    market = list(world.markets.values())[1]
    return make_intent(
        world, now=now, signal=make_signal(world, now=now, market=market, open_ms=int(seconds))
    )


@pytest.mark.parametrize("change", [*FOREIGN, *UNREADABLE, *OLD])
def test_nothing_is_opened_on_a_view_like_this(wide_world: World, lens: Lens, change: Change) -> None:
    desk = Desk("one", lease_ttl=DAY)
    with_position(wide_world, desk)
    lens.change = change
    intent = entry(wide_world, 122)
    assert tick(desk, 122).sent == 0
    assert state_of(intent) == IntentState.PENDING
    status = DeskStatus.objects.get()
    assert (status.ready, status.reason.startswith("the venue")) == (False, True), status.reason


def test_the_same_without_the_sentinel_is_sent(
    world: World, lens: Lens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the gate knows a wrong account too, but nothing else keeps a close from going there."""
    monkeypatch.setattr(sentinel, "look", lambda account, view, now: sentinel.WELL)
    desk = Desk("one", lease_ttl=DAY)
    trade = with_position(world, desk)
    lens.change = of("number", "other")
    make_close(world, ticket=trade.ticket, now=NOW + 122 * SECOND)
    assert tick(desk, 122).sent == 1
    assert kill_switch.effective(world.account.pk).state is TradingState.ACTIVE


def test_a_view_as_old_as_allowed_is_well(wide_world: World, lens: Lens) -> None:
    desk = Desk("one", lease_ttl=DAY)
    with_position(wide_world, desk)
    lens.change = aged(5)
    entry(wide_world, 122)
    assert tick(desk, 122).sent == 1
    assert DeskStatus.objects.get().ready


@pytest.mark.parametrize("change", FOREIGN)
def test_another_account_halts_at_once_and_nothing_at_all_is_sent_to_it(
    world: World, lens: Lens, change: Change
) -> None:
    desk = Desk("one", lease_ttl=DAY)
    trade = with_position(world, desk)
    lens.change = change
    make_close(world, ticket=trade.ticket, now=NOW + 122 * SECOND, by_person=True)
    assert tick(desk, 122).sent == 0
    found = kill_switch.effective(world.account.pk)
    assert (found.state, found.source) == (TradingState.HALTED, "account")
    assert "the venue shows account" in found.reason


def test_a_contract_size_that_is_not_the_trade_s_halts_at_once(wide_world: World) -> None:
    desk = Desk("one", lease_ttl=DAY)
    trade = with_position(wide_world, desk)
    assert trade.contract_size == D(1)
    Market.objects.filter(pk=trade.market_id).update(contract_size=D(10))
    intent = entry(wide_world, 122)
    close = make_close(wide_world, ticket=trade.ticket, now=NOW + 122 * SECOND, by_person=True)
    assert tick(desk, 122).sent == 1
    assert (state_of(intent), state_of(close)) == (IntentState.PENDING, IntentState.PLACED)
    found = kill_switch.effective(wide_world.account.pk)
    assert found.state is TradingState.HALTED
    assert found.reason.startswith(f"{trade} was opened at 1 units a lot, its market has 10 now")


def test_a_changed_contract_size_goes_unseen_without_the_comparison(
    wide_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the one before."""
    monkeypatch.setattr(sentinel, "_changed_sizes", lambda account, view: "")
    desk = Desk("one", lease_ttl=DAY)
    trade = with_position(wide_world, desk)
    Market.objects.filter(pk=trade.market_id).update(contract_size=D(10))
    entry(wide_world, 122)
    assert tick(desk, 122).sent == 1


@pytest.mark.parametrize("change", [of("equity", D("NaN")), aged(60)])
@pytest.mark.parametrize("held", [True, False])
def test_a_minute_without_a_usable_view_halts_only_what_is_exposed(
    world: World, lens: Lens, change: Change, held: bool
) -> None:
    desk = Desk("one", lease_ttl=DAY)
    if held:
        with_position(world, desk)
    else:
        tick(desk, 121)
    lens.change = change
    for seconds in range(122, 183):
        tick(desk, seconds)
        assert kill_switch.effective(world.account.pk).state is TradingState.ACTIVE
    tick(desk, 182.001)
    halted = kill_switch.effective(world.account.pk).state is TradingState.HALTED
    assert halted is held
    assert AccountRisk.objects.get().unseen_since == NOW + 122 * SECOND


def test_the_minute_goes_on_over_a_restart(world: World, lens: Lens) -> None:
    desk = Desk("one", lease_ttl=DAY)
    with_position(world, desk)
    lens.change = aged(60)
    for seconds in (122, 150, 170):
        tick(Desk("one", lease_ttl=DAY), seconds)
    assert kill_switch.effective(world.account.pk).state is TradingState.ACTIVE
    tick(Desk("one", lease_ttl=DAY), 183)
    assert kill_switch.effective(world.account.pk).state is TradingState.HALTED


def test_a_view_that_comes_back_in_time_ends_the_wait(wide_world: World, lens: Lens) -> None:
    desk = Desk("one", lease_ttl=DAY)
    with_position(wide_world, desk)
    for start in (122, 181):
        lens.change = aged(60)
        for seconds in range(start, start + 55, 5):
            tick(desk, seconds)
        lens.change = None
        tick(desk, start + 56)
        assert AccountRisk.objects.get().unseen_since is None
    assert DeskStatus.objects.get().ready
    assert kill_switch.effective(wide_world.account.pk).state is TradingState.ACTIVE
    entry(wide_world, 240)
    assert tick(desk, 240).sent == 1


def test_a_halt_of_the_sentinel_stays_when_the_view_is_back(world: World, lens: Lens) -> None:
    desk = Desk("one", lease_ttl=DAY)
    with_position(world, desk)
    lens.change = of("number", "other")
    tick(desk, 122)
    lens.change = None
    tick(desk, 123)
    assert DeskStatus.objects.get().ready
    assert kill_switch.effective(world.account.pk).state is TradingState.HALTED
    assert RiskSnapshot.objects.filter(trigger="state", state=TradingState.HALTED).count() == 1


def test_exits_still_go_out_on_a_view_that_is_old_or_unreadable(world: World, lens: Lens) -> None:
    for change in (aged(60), of("equity", D("NaN"))):
        OrderIntent.objects.filter(action=Action.CLOSE).update(state=IntentState.DENIED)
        desk = Desk("one", lease_ttl=DAY)
        lens.change = None
        if not Trade.objects.exists():
            with_position(world, desk)
        lens.change = change
        close = make_close(world, ticket=Trade.objects.get().ticket, now=NOW + 122 * SECOND, by_person=True)
        assert tick(desk, 122).sent == 1
        assert state_of(close) == IntentState.PLACED


@pytest.mark.parametrize("at_stake", ["position", "resting", "nothing"])
def test_a_venue_that_cannot_be_reached_for_a_minute(world: World, broker: Broker, at_stake: str) -> None:
    desk = Desk("one", lease_ttl=DAY)
    if at_stake == "position":
        with_position(world, desk)
    elif at_stake == "resting":
        make_intent(world)
        tick(desk, 0)
    else:
        tick(desk, 0)
    broker.mood = "down"
    for seconds in range(122, 183, 10):
        tick(desk, seconds)
    assert kill_switch.effective(world.account.pk).state is TradingState.ACTIVE
    tick(desk, 183)
    halted = kill_switch.effective(world.account.pk).state is TradingState.HALTED
    assert halted is (at_stake != "nothing")
    assert not DeskStatus.objects.get().ready


def test_a_wait_that_began_in_the_future_is_too_long(world: World, lens: Lens) -> None:
    """The clock was set back in between: nobody knows how long it has been."""
    desk = Desk("one", lease_ttl=DAY)
    with_position(world, desk)
    AccountRisk.objects.update(unseen_since=NOW + DAY)
    lens.change = aged(60)
    tick(desk, 122)
    assert kill_switch.effective(world.account.pk).state is TradingState.HALTED


def test_equity_is_looked_at_every_second_and_a_move_is_judged_at_once(world: World, lens: Lens) -> None:
    """Between two bars the equity falls below the daily floor: BREACH and HALTED within the same round."""
    desk = Desk("one", lease_ttl=DAY)
    with_position(world, desk)
    lens.change = of("equity", D("94999.99"))
    tick(desk, 122)
    row = AccountRisk.objects.get()
    assert (row.level, row.breach) == ("breach", "daily")
    assert kill_switch.effective(world.account.pk).state is TradingState.HALTED
    assert RiskSnapshot.objects.filter(trigger="level", level="breach").exists()
    assert Event.objects.filter(kind="breach").count() == 1


def test_a_switch_of_the_sentinel_s_account_halts_no_other(world: World, lens: Lens) -> None:
    desk = Desk("one", lease_ttl=DAY)
    with_position(world, desk)
    lens.change = of("number", "other")
    tick(desk, 122)
    assert KillSwitch.objects.get(account=None).state == TradingState.ACTIVE
    store(world.market, [100.0], start=NOW + 12 * MINUTE)
