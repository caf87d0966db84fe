"""The desk: it claims once, sends once, and what it cannot know stays UNKNOWN until it is found or given up."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
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
    second_account,
    state_of,
    store,
)
from trading.core import ceiling
from trading.core.types import ExitReason, IntentState, Mode, TradingState, ms_from_utc
from trading.models import (
    Account,
    AccountDay,
    DeskStatus,
    Event,
    Fill,
    Flatten,
    Gap,
    GapKind,
    KillSwitch,
    Lease,
    LifeAction,
    Order,
    OrderIntent,
    PaperBook,
    PaperEntry,
    ProgrammeVersion,
    RiskSnapshot,
    Trade,
    TradeState,
)
from trading.services import claims, flatten, kill_switch, leases, reconcile, risk
from trading.services import desk as desk_room
from trading.services.claims import CLOSE_TTL, LEASE
from trading.services.desk import Desk
from trading.strategies import ALL

pytestmark = pytest.mark.django_db

Kinds = Callable[[], list[str]]


def tick(desk: Desk, seconds: float = 0.0) -> desk_room.DeskReport:
    return desk.tick(now=NOW + seconds * SECOND)


def halt(state: TradingState = TradingState.HALTED) -> None:
    kill_switch.set_state(state, by="person", reason="the test says so", now=NOW)


def opened(world: World, desk: Desk, **signal: object) -> Trade:
    """A trade that is open since one minute after NOW, and everything the desk did on the way."""
    make_intent(world, signal=make_signal(world, **signal))
    tick(desk)
    store(world.market, [100.0, 100.0], start=NOW)
    tick(desk, 121)
    return Trade.objects.get()


# -- the way of one order ---------------------------------------------------------------------


def test_an_order_that_waited_for_its_lock_too_long_is_not_sent(world: World) -> None:
    """Expiry is judged by the clock when the locks are held, not by the beginning of the tick."""
    intent = make_intent(world)
    late = Desk("one", lease_ttl=timedelta(hours=1), clock=lambda: intent.expires_at)
    assert late.tick(now=NOW).sent == 0
    intent.refresh_from_db()
    assert intent.state == IntentState.EXPIRED


def test_a_claim_bears_the_time_at_which_it_held_its_locks(world: World) -> None:
    intent = make_intent(world)
    assert Desk("one", clock=lambda: NOW + timedelta(seconds=1)).tick(now=NOW).sent == 1
    intent.refresh_from_db()
    assert intent.claimed_at == NOW + timedelta(seconds=1)


def test_a_change_of_the_switch_or_of_the_mode_leaves_a_snapshot(world: World) -> None:
    desk = Desk("one", lease_ttl=timedelta(hours=1))
    desk.tick(now=NOW)
    kill_switch.set_state(TradingState.HALTED, by="ada", reason="x", now=NOW)
    desk.tick(now=NOW + timedelta(seconds=1))
    desk.tick(now=NOW + timedelta(seconds=2))
    assert [s.state for s in RiskSnapshot.objects.filter(trigger="state")] == [TradingState.HALTED]
    Account.objects.update(mode=Mode.OBSERVE)
    desk.tick(now=NOW + timedelta(minutes=6))
    assert RiskSnapshot.objects.filter(trigger="state", mode=Mode.OBSERVE).count() == 1


def test_an_intent_becomes_an_order_a_trade_and_its_end(world: World, kinds: Kinds) -> None:
    intent = make_intent(world)
    desk = Desk("one")
    report = tick(desk)
    assert (report.holds, report.sent, report.fills) == (True, 1, 0)
    intent.refresh_from_db()
    assert (intent.state, intent.fencing, intent.claimed_at) == (IntentState.PLACED, 1, NOW)
    order = Order.objects.get()
    assert (order.intent, order.adopted, order.closed_at) == (intent, False, None)
    store(world.market, [100.0, 100.0], start=NOW)
    assert tick(desk, 121).fills == 1
    order.refresh_from_db()
    trade = Trade.objects.get()
    assert order.closed_at == NOW + 121 * SECOND
    # Bought at the open of 12:00, 1.75 bp above 100 and up to the tick; 0.0325 % of 0.01 lots is under a cent.
    assert (trade.entry, trade.lots, trade.commission) == (D("100.02"), D("0.01"), D("0.00"))
    assert (trade.signal, trade.stop, trade.target) == (intent.signal, D(98), D(102))
    assert trade.close_due_at == NOW + timedelta(hours=1)
    store(world.market, [(100, 103, 100, 102)], start=NOW + 2 * MINUTE)
    assert tick(desk, 181).fills == 1
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason, trade.exit, trade.profit) == (
        "closed",
        "target",
        D(102),
        D("0.02"),
    )
    assert Fill.objects.filter(order=order).count() == 1 + 1
    assert [kind for kind in kinds() if kind in ("intent_placed", "fill")] == [
        "intent_placed",
        "fill",
        "fill",
    ]


def test_a_second_tick_sends_nothing_again(world: World) -> None:
    make_intent(world)
    desk = Desk("one")
    assert [tick(desk, second).sent for second in range(5)] == [1, 0, 0, 0, 0]
    assert PaperEntry.objects.filter(kind="order").count() == 1


def test_two_desks_send_one_order(world: World) -> None:
    make_intent(world)
    first, second = Desk("one"), Desk("two")
    reports = [tick(first), tick(second), tick(first, 1), tick(second, 20), tick(first, 21)]
    assert [report.holds for report in reports] == [True, False, True, True, False]
    assert PaperEntry.objects.filter(kind="order").count() == 1


@pytest.mark.parametrize("seconds", [89.0, 90.0, 3600.0])
def test_an_intent_expires_by_the_close_of_its_candle(world: World, seconds: float) -> None:
    intent = make_intent(world)
    tick(Desk("one"), seconds)
    late = seconds >= 90
    assert state_of(intent) == (IntentState.EXPIRED if late else IntentState.PLACED)
    assert PaperEntry.objects.exists() is not late


def denied(intent: OrderIntent, desk: Desk, code: str, seconds: float = 0.0) -> None:
    assert tick(desk, seconds).sent == 0
    intent.refresh_from_db()
    assert (intent.state, code in intent.answer) == (IntentState.DENIED, True), intent.answer
    assert not PaperEntry.objects.exists()
    assert Event.objects.filter(kind="intent_denied", data__intent=intent.pk).count() == 1


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
@pytest.mark.parametrize("of_account", [False, True])
def test_nothing_is_opened_unless_active(world: World, state: TradingState, of_account: bool) -> None:
    intent = make_intent(world)
    account_id = world.account.pk if of_account else None
    kill_switch.set_state(state, by="person", reason="x", now=NOW, account_id=account_id)
    denied(intent, Desk("one"), f"state: Trading is {state.upper()}")


def test_an_observing_account_opens_nothing(world: World) -> None:
    intent = make_intent(world)
    Account.objects.update(mode=Mode.OBSERVE)
    denied(intent, Desk("one"), "mode observe")


def test_a_candle_that_grew_old_is_refused_whatever_the_intent_says(world: World) -> None:
    """Judged by the candle's close, not by what was written into the intent."""
    intent = make_intent(world, expires_at=NOW + timedelta(days=1))
    denied(intent, Desk("one"), "stale", seconds=91)


def test_an_unproven_day_start_is_refused(world: World) -> None:
    desk = Desk("one")
    tick(desk)
    AccountDay.objects.update(proven=False)
    denied(make_intent(world), desk, "day_start", seconds=1)


def test_a_size_that_is_allowed_no_more_is_refused(world: World) -> None:
    denied(make_intent(world, lots=D("0.02")), Desk("one"), "size: ")


def test_the_gate_is_asked_again_with_the_positions_of_now(world: World) -> None:
    desk = Desk("one")
    opened(world, desk)
    now = NOW + 121 * SECOND
    second = make_intent(world, now=now, signal=make_signal(world, now=now, open_ms=1))
    tick(desk, 122)
    second.refresh_from_db()
    assert (second.state, second.answer.split(":")[0]) == (IntentState.DENIED, "cool_down")


def test_a_denied_intent_stays_denied(world: World) -> None:
    intent = make_intent(world)
    halt()
    desk = Desk("one")
    tick(desk)
    KillSwitch.objects.update(state=TradingState.ACTIVE)
    tick(desk, 1)
    assert state_of(intent) == IntentState.DENIED


@pytest.mark.parametrize("mode", [Mode.DEMO, Mode.MICRO, Mode.LIVE])
def test_an_account_above_the_ceiling_opens_nothing(world: World, mode: Mode, environment: Any) -> None:
    """Whoever has written that mode: TRADING_MODE and the database are asked again when the order is claimed."""
    environment(trading_mode="paper")
    intent = make_intent(world)
    Account.objects.update(mode=mode)
    denied(intent, Desk("one"), f"mode: The account is in mode {mode}, the ceiling is paper")


def test_the_ceiling_s_refusal_comes_from_the_ceiling(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: ``ceiling.allowed`` that allows every mode leaves the answer to the gate."""
    monkeypatch.setattr(ceiling, "allowed", lambda trading_mode, *, postgresql: tuple(Mode))
    intent = make_intent(world)
    Account.objects.update(mode=Mode.LIVE)
    tick(Desk("one"))
    intent.refresh_from_db()
    assert "ceiling" not in intent.answer


@pytest.mark.parametrize(
    ("mode", "postgresql", "highest"),
    [("paper", True, Mode.PAPER), ("live", False, Mode.PAPER), ("live", True, Mode.LIVE)],
)
def test_how_high_a_mode_may_stand(mode: str, postgresql: bool, highest: Mode) -> None:
    found = ceiling.allowed(mode, postgresql=postgresql)
    assert (found[0], found[-1], len(found)) == (Mode.OBSERVE, highest, highest.rank + 1)
    with pytest.raises(ValueError, match="TRADING_MODE"):
        ceiling.allowed("LIVE", postgresql=True)


def outage(world: World, first: int, minutes: int) -> None:
    """An outage of the source from so many minutes before NOW on."""
    Gap.objects.create(
        market=world.market,
        start_ms=ms_from_utc(NOW - first * MINUTE),
        end_ms=ms_from_utc(NOW - (first - minutes) * MINUTE),
        kind=GapKind.OUTAGE,
        found_at=NOW,
    )


@pytest.mark.parametrize(("first", "refused"), [(1, True), (5, True), (6, True), (7, False)])
def test_a_gap_that_was_found_after_the_scan_refuses_the_claim(
    world: World, make_strategy: Any, first: int, refused: bool
) -> None:
    """The window of the strategy is five bars; what lies before it is no matter."""
    make_strategy(name="windowed", warm_up=5)
    intent = make_intent(world, signal=make_signal(world, strategy="windowed"))
    outage(world, first, 2 if first > 1 else 1)
    if refused:
        denied(intent, Desk("one"), "gap: ")
    else:
        assert tick(Desk("one")).sent == 1


def test_the_window_of_an_unknown_strategy_is_the_longest_there_is(world: World) -> None:
    intent = make_intent(world, signal=make_signal(world, strategy="gone"))
    longest = max(strategy.warm_up for strategy in ALL.values())
    outage(world, longest, 1)
    denied(intent, Desk("one"), "gap: ")


def test_a_claim_that_does_not_look_for_gaps_sends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: ``claims.window_has_gap`` that finds none."""
    monkeypatch.setattr(claims, "window_has_gap", lambda signal: False)
    make_intent(world)
    outage(world, 1, 1)
    assert tick(Desk("one")).sent == 1


def test_an_account_whose_floor_nobody_can_tell_keeps_its_exits(world: World) -> None:
    """Its programme counts from the equity at midnight, and nobody saw that."""
    desk = Desk("one", lease_ttl=timedelta(days=1))
    trade = opened(world, desk)
    ProgrammeVersion.objects.filter(pk=world.account.programme_id).update(daily_reference="equity")
    AccountDay.objects.update(equity=None, proven=False)
    fresh = Desk("one", lease_ttl=timedelta(days=1))
    tick(fresh, 122)
    status = DeskStatus.objects.get()
    assert not status.ready
    assert status.reason.startswith("the headroom cannot be told: equity at the day's start must be")
    flatten.ask(account_id=world.account.pk, by="ada", reason="enough", now=NOW + 122 * SECOND)
    assert tick(fresh, 123).sent == 1
    assert OrderIntent.objects.get(action="close").ticket == trade.ticket


# -- flatten ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(TradingState))
def test_a_flatten_goes_first_and_passes_every_state(wide_world: World, state: TradingState) -> None:
    desk = Desk("one", lease_ttl=timedelta(days=1))
    trade = opened(wide_world, desk)
    other = list(wide_world.markets.values())[1]
    now = NOW + 122 * SECOND
    entry = make_intent(wide_world, now=now, signal=make_signal(wide_world, now=now, market=other))
    flatten.ask(account_id=wide_world.account.pk, by="ada", reason="enough", now=now)
    if state is not TradingState.ACTIVE:
        halt(state)
    assert tick(desk, 122).sent == 1
    close = OrderIntent.objects.get(action="close")
    assert (close.state, close.reason, close.ticket) == ("placed", "flatten", trade.ticket)
    assert state_of(entry) == IntentState.DENIED
    store(wide_world.market, [100.0] * 3, start=NOW + 2 * MINUTE)
    tick(desk, 301)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, "flatten")
    assert Flatten.objects.get().done_at == NOW + 301 * SECOND


def test_a_claim_that_does_not_know_of_the_flatten_opens(
    wide_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: ``kill_switch._of_account``, asked in the claim, finds nothing that halts."""
    desk = Desk("one", lease_ttl=timedelta(days=1))
    opened(wide_world, desk)
    now = NOW + 122 * SECOND
    other = list(wide_world.markets.values())[1]
    entry = make_intent(wide_world, now=now, signal=make_signal(wide_world, now=now, market=other))
    flatten.ask(account_id=wide_world.account.pk, by="ada", reason="enough", now=now)
    monkeypatch.setattr(kill_switch, "_of_account", lambda account_id: [])
    tick(desk, 122)
    entry.refresh_from_db()
    assert entry.state == IntentState.PLACED, entry.answer


def test_a_cancel_passes_halted_and_takes_the_resting_entry_away(world: World) -> None:
    desk = Desk("one", lease_ttl=timedelta(days=1))
    entry = make_intent(world)
    tick(desk, 1)
    halt()
    flatten.ask(account_id=world.account.pk, by="ada", reason="enough", now=NOW)
    assert tick(desk, 2).sent == 1
    assert OrderIntent.objects.get(action="cancel").state == IntentState.PLACED
    store(world.market, [100.0, 100.0], start=NOW)
    tick(desk, 121)
    assert not Trade.objects.exists()
    assert state_of(entry) == IntentState.PLACED
    assert Order.objects.filter(closed_at=None).count() == 0
    tick(desk, 122)
    assert Flatten.objects.get().done_at is not None


def test_exits_go_before_entries(world: World, broker: Broker) -> None:
    """What leaves the market makes room; what was asked for first is no matter."""
    entry = make_intent(world)
    close = make_close(world, ticket="1")
    tick(Desk("one"))
    assert [request.magic for request in broker.sent] == [close.pk, entry.pk]


# -- the life of an account -------------------------------------------------------------------


def test_a_step_of_the_account_s_life_waits_until_nothing_is_open(world: World) -> None:
    desk = Desk("one", lease_ttl=timedelta(days=1))
    trade = opened(world, desk, cap_seconds=180)
    LifeAction.objects.create(
        account=world.account,
        kind="deposit",
        asked_at=NOW,
        asked_by="ada",
        reason="more",
        body={"amount": "5000.00"},
    )
    store(world.market, [100.0] * 6, start=NOW + 2 * MINUTE)
    tick(desk, 122)
    assert LifeAction.objects.get().state == "asked"
    for seconds in (301, 361, 362):
        tick(desk, seconds)
    trade.refresh_from_db()
    assert trade.state == TradeState.CLOSED
    assert LifeAction.objects.get().state == "done"
    tick(desk, 366)
    assert DeskStatus.objects.get().balance > D(104_000)
    assert RiskSnapshot.objects.filter(trigger="life").count() == 1


# -- exits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "by_person", "passes"),
    [
        (TradingState.ACTIVE, False, True),
        (TradingState.REDUCING, False, True),
        (TradingState.HALTED, False, False),
        (TradingState.REDUCING, True, True),
        (TradingState.HALTED, True, True),
    ],
)
def test_who_may_close_when(world: World, state: TradingState, by_person: bool, passes: bool) -> None:
    desk = Desk("one")
    trade = opened(world, desk)
    if state is not TradingState.ACTIVE:
        halt(state)
    now = NOW + 122 * SECOND
    intent_id = claims.ask_close(trade, reason=ExitReason.MANUAL, by_person=by_person, now=now)
    tick(desk, 122)
    answered = OrderIntent.objects.get(pk=intent_id).state
    assert answered == (IntentState.PLACED if passes else IntentState.DENIED)
    store(world.market, [100.0, 101.0], start=NOW + 2 * MINUTE)
    tick(desk, 245)
    trade.refresh_from_db()
    assert (trade.state == TradeState.CLOSED) is passes
    if passes:
        assert (trade.exit, trade.exit_reason) == (D("100.98"), ExitReason.MANUAL)


def test_a_trade_that_is_held_too_long_is_closed(world: World) -> None:
    desk = Desk("one")
    trade = opened(world, desk, cap_seconds=300)
    assert trade.close_due_at == NOW + 5 * MINUTE
    store(world.market, [100.0] * 3, start=NOW + 2 * MINUTE)
    tick(desk, 299)
    assert not OrderIntent.objects.filter(action="close").exists()
    for second in range(300, 310):
        tick(desk, second)
    close = OrderIntent.objects.get(action="close")
    assert (close.state, close.reason, close.by_person, close.ticket) == (
        "placed",
        "time",
        False,
        trade.ticket,
    )
    store(world.market, [100.0], start=NOW + 5 * MINUTE)
    tick(desk, 361)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.TIME)
    tick(desk, 400)
    assert OrderIntent.objects.filter(action="close").count() == 1


@pytest.mark.parametrize(("state", "closes"), [(TradingState.REDUCING, True), (TradingState.HALTED, False)])
def test_time_exits_under_the_kill_switch(world: World, state: TradingState, closes: bool) -> None:
    desk = Desk("one")
    opened(world, desk, cap_seconds=180)
    halt(state)
    store(world.market, [100.0] * 3, start=NOW + 2 * MINUTE)
    tick(desk, 301)
    assert OrderIntent.objects.get(action="close").state == ("placed" if closes else "denied")


def test_a_halt_does_not_flood_the_record_with_refused_exits(world: World) -> None:
    desk = Desk("one")
    opened(world, desk, cap_seconds=180)
    halt()
    store(world.market, [100.0] * 15, start=NOW + 2 * MINUTE)
    before = Event.objects.count()
    for second in range(300, 1000, 7):
        tick(desk, second)
    assert OrderIntent.objects.filter(action="close").count() == 1
    assert Event.objects.count() - before <= 3
    KillSwitch.objects.update(state=TradingState.ACTIVE)
    tick(desk, 1001)
    assert list(
        OrderIntent.objects.filter(action="close").order_by("pk").values_list("state", flat=True)
    ) == [
        "denied",
        "placed",
    ]


def test_a_refused_exit_is_asked_for_again_after_a_minute(world: World) -> None:
    desk = Desk("one")
    trade = opened(world, desk, cap_seconds=180)
    make_close(world, ticket=trade.ticket, now=NOW + 4 * MINUTE, state="rejected")
    for second in range(240, 300):
        tick(desk, second)
    assert OrderIntent.objects.filter(action="close").count() == 1
    tick(desk, 240 + CLOSE_TTL.total_seconds())
    assert OrderIntent.objects.filter(action="close").count() == 2


def test_an_observing_account_s_position_is_looked_after(world: World) -> None:
    desk = Desk("one")
    opened(world, desk, cap_seconds=180)
    Account.objects.update(mode=Mode.OBSERVE)
    store(world.market, [100.0] * 4, start=NOW + 2 * MINUTE)
    tick(desk, 301)
    store(world.market, [100.0], start=NOW + 6 * MINUTE)
    tick(desk, 421)
    assert Trade.objects.get().state == TradeState.CLOSED


# -- a broker that misbehaves -----------------------------------------------------------------


def test_a_refusal_of_the_venue_is_final_and_told(world: World, broker: Broker, kinds: Kinds) -> None:
    close = make_close(world, ticket="404")
    desk = Desk("one")
    assert tick(desk).sent == 0
    close.refresh_from_db()
    assert (close.state, "no_position" in close.answer) == (IntentState.REJECTED, True)
    assert kinds()[-1] == "intent_rejected"
    tick(desk, 5)
    assert len(broker.sent) == 1


def test_a_venue_out_of_reach_took_nothing(world: World, broker: Broker, kinds: Kinds) -> None:
    intent = make_intent(world)
    desk = Desk("one")
    broker.mood = "away"
    report = tick(desk)
    assert (report.sent, report.reasons) == (0, ("no route to the broker",))
    assert state_of(intent) == IntentState.REJECTED
    assert kinds()[-2:] == ["intent_rejected", "desk_not_ready"]
    assert DeskStatus.objects.get().ready is False
    broker.mood = ""
    tick(desk, 5)
    assert DeskStatus.objects.get().ready is True
    assert (len(broker.sent), broker.orders()) == (1, [])


def test_a_lost_answer_is_found_and_adopted(world: World, broker: Broker, kinds: Kinds) -> None:
    intent = make_intent(world)
    desk = Desk("one")
    broker.mood = "lost"
    tick(desk)
    assert state_of(intent) == IntentState.UNKNOWN
    assert Event.objects.get(kind="intent_unknown").severity == "error"
    broker.mood = ""
    tick(desk, 1)
    assert state_of(intent) == IntentState.UNKNOWN, "the first look waits a moment"
    tick(desk, 2)
    order = Order.objects.get(intent=intent)
    assert (state_of(intent), order.adopted) == (IntentState.PLACED, True)
    assert broker.orders() == [intent.pk]
    assert len(broker.sent) == 1


@pytest.mark.parametrize("mood", ["vanished", "broken"])
def test_an_order_that_never_arrived_is_given_up_after_two_looks_and_never_sent_again(
    world: World, broker: Broker, mood: str
) -> None:
    intent = make_intent(world)
    desk = Desk("one")
    broker.mood = mood
    if mood == "broken":
        # Whatever else goes wrong while sending is an unknown outcome too; the loop then reads all anew.
        with pytest.raises(ConnectionResetError):
            tick(desk)
    else:
        tick(desk)
    broker.mood = ""
    states = []
    for second in range(1, 8):
        tick(desk, second)
        states.append(state_of(intent))
    assert states == ["unknown"] * 3 + ["not_placed"] * 4
    assert (len(broker.sent), broker.orders()) == (1, [])


def test_an_unknown_order_holds_its_market_and_counts_in_full(world: World, broker: Broker) -> None:
    make_intent(world)
    desk = Desk("one")
    broker.mood = "vanished"
    tick(desk)
    broker.mood = ""
    later = NOW + timedelta(seconds=1)
    other = make_intent(world, now=later, signal=make_signal(world, now=later, open_ms=1, approved=False))
    tick(desk, 1)
    other.refresh_from_db()
    assert other.state == IntentState.DENIED
    pk = risk.snapshot(world.account, now=NOW + SECOND, trigger="test")
    assert RiskSnapshot.objects.get(pk=pk).unknown_risk == D("0.04")


@pytest.mark.parametrize("after", [3, 30, 300, 3600])
def test_an_order_that_arrives_late_is_adopted(world: World, broker: Broker, after: int) -> None:
    intent = make_intent(world, expires_at=NOW + timedelta(days=1))
    desk = Desk("one")
    broker.mood = "late"
    tick(desk)
    broker.mood = ""
    for second in range(1, 12):
        tick(desk, second)
    assert state_of(intent) == IntentState.NOT_PLACED
    broker.land(world.account, now=NOW + after * SECOND)
    for second in range(after + 12, after + 12 + 70, 10):
        desk = Desk(f"again {second}")  # whoever comes next reads the book
        Lease.objects.all().update(expires_at=NOW)
        tick(desk, second)
    order = Order.objects.get(intent=intent)
    assert (state_of(intent), order.adopted) == (IntentState.PLACED, True)
    assert len(broker.sent) == 1


def test_a_late_order_that_fills_before_it_is_looked_for_is_adopted_by_its_deal(
    world: World, broker: Broker
) -> None:
    intent = make_intent(world, expires_at=NOW + timedelta(days=1))
    desk = Desk("one")
    broker.mood = "late"
    tick(desk)
    broker.mood = ""
    for second in range(1, 12):
        tick(desk, second)
    broker.land(world.account, now=NOW + 15 * SECOND)
    OrderIntent.objects.update(swept_at=NOW + 300 * SECOND)  # the next look is far away
    store(world.market, [100.0, 100.0], start=NOW)
    Lease.objects.all().update(expires_at=NOW)
    tick(Desk("two"), 121)
    trade = Trade.objects.get()
    assert (state_of(intent), trade.signal) == (IntentState.PLACED, intent.signal)
    assert Fill.objects.get().order == Order.objects.get(intent=intent, adopted=True)


def test_a_halt_by_file_and_its_end_are_events(world: World, environment: Any, tmp_path: Path) -> None:
    desk = Desk("one")
    tick(desk)
    assert not Event.objects.filter(kind="halt_outside").exists()
    (tmp_path / "HALT").touch()
    environment(halt=True)
    for seconds in (1, 2):
        tick(desk, seconds)
    told = Event.objects.get(kind="halt_outside")
    assert told.text == f"HALTED: CRPBOT_HALT is set; the file {tmp_path / 'HALT'} exists."
    (tmp_path / "HALT").unlink()
    environment(halt=False)
    tick(desk, 3)
    assert "halts any more" in Event.objects.filter(kind="halt_outside").latest("pk").text


def test_an_account_that_cannot_be_served_costs_the_others_nothing(world: World, kinds: Kinds) -> None:
    other = second_account(world.account)
    tick(Desk("one"))
    intent = make_intent(world, signal=make_signal(world, account=other))
    PaperBook.objects.filter(account=world.account).update(seen_to={"BTC-USD": "nonsense"})
    with pytest.raises(ValueError, match="unpack"):
        tick(Desk("one"), 1)
    assert state_of(intent) == IntentState.PLACED
    assert "desk_not_ready" in kinds()
    ready = dict(DeskStatus.objects.values_list("account__name", "ready"))
    assert (ready[world.account.name], ready["Second"]) == (False, True)


@pytest.mark.parametrize("step", ["claimed", "sent", "placed"])
def test_a_desk_that_dies_between_the_steps_is_followed_by_one_that_knows(world: World, step: str) -> None:
    intent = make_intent(world)

    class Died(BaseException):
        pass

    def die(name: str) -> None:
        if name == step:
            raise Died

    with pytest.raises(Died):
        tick(Desk("one", on_step=die))
    second = Desk("two")
    Lease.objects.update(expires_at=NOW)
    for seconds in range(16, 30):
        tick(second, seconds)
    expected = IntentState.NOT_PLACED if step == "claimed" else IntentState.PLACED
    assert state_of(intent) == expected
    assert PaperEntry.objects.filter(kind="order", magic=intent.pk).count() == (step != "claimed")


def test_an_orphan_that_is_found_after_days_still_comes_to_an_end(world: World) -> None:
    """The machine was off for three days, in the middle of a send."""
    claimed = make_intent(world, state="sending", claimed_at=NOW, fencing=1)
    desk = Desk("one")
    for seconds in range(0, 400, 61):
        desk.tick(now=NOW + timedelta(days=3, seconds=seconds))
    assert state_of(claimed) == IntentState.NOT_PLACED


def test_one_account_s_venue_does_not_keep_the_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broker(world)
    right = desk_room.paper.venue_for
    monkeypatch.setattr(
        desk_room.paper,
        "venue_for",
        lambda account: (broken.venue_for if account.pk == world.account.pk else right)(account),
    )
    other = second_account(world.account)
    first = make_intent(world)
    second = make_intent(world, signal=make_signal(world, account=other))
    broken.mood = "vanished"
    tick(Desk("one"))
    assert (state_of(first), state_of(second)) == (IntentState.UNKNOWN, IntentState.PLACED)


# -- status, days, snapshots ------------------------------------------------------------------


def test_not_ready_is_told_once_and_ends_by_itself(world: World, broker: Broker, kinds: Kinds) -> None:
    desk = Desk("one")
    tick(desk)
    seen = DeskStatus.objects.get()
    assert (seen.ready, seen.seen_at, seen.balance) == (True, NOW, D("100000.00"))
    broker.mood = "down"
    for second in range(1, 6):
        tick(desk, second)
    status = DeskStatus.objects.get()
    assert (status.ready, status.seen_at) == (False, NOW)
    assert "no route" in status.reason
    assert kinds().count("desk_not_ready") == 1
    broker.mood = ""
    tick(desk, 6)
    status = DeskStatus.objects.get()
    assert (status.ready, status.seen_at) == (True, NOW + 6 * SECOND)


def test_nothing_is_sent_while_the_venue_cannot_be_seen(world: World, broker: Broker) -> None:
    intent = make_intent(world)
    desk = Desk("one")
    broker.mood = "down"
    tick(desk)
    assert (state_of(intent), broker.sent) == (IntentState.PENDING, [])
    broker.mood = ""
    tick(desk, 5)
    assert state_of(intent) == IntentState.PLACED


def test_the_status_is_young_enough_for_the_gate_at_every_second(world: World) -> None:
    desk = Desk("one")
    for second in range(30):
        tick(desk, second)
        age = NOW + second * SECOND - DeskStatus.objects.get().seen_at
        assert age <= timedelta(seconds=3)


def test_the_first_tick_records_the_day_and_a_snapshot(world: World, kinds: Kinds) -> None:
    tick(Desk("one"))
    day = AccountDay.objects.get()
    assert (str(day.day), day.balance, day.how, day.proven) == (
        "2026-03-02",
        D("100000.00"),
        "first_day",
        True,
    )
    assert list(RiskSnapshot.objects.values_list("trigger", flat=True)) == ["desk_start"]
    assert "day_start" in kinds()


def test_what_changes_is_a_snapshot_and_what_does_not_is_none(world: World) -> None:
    make_intent(world)
    desk = Desk("one", lease_ttl=timedelta(days=1))
    for second in range(3):
        tick(desk, second)
    store(world.market, [100.0, 100.0], start=NOW)
    for second in range(121, 125):
        tick(desk, second)
    triggers = list(RiskSnapshot.objects.order_by("pk").values_list("trigger", flat=True))
    assert triggers == ["desk_start", "order", "fill"]


def test_the_day_of_a_long_running_desk_turns_at_midnight_in_prague(world: World) -> None:
    desk = Desk("one")
    for hours in (0, 10, 11, 12, 36):
        desk.tick(now=NOW + timedelta(hours=hours))
    days = AccountDay.objects.order_by("day").values_list("day", "how")
    assert [(str(day), how) for day, how in days] == [
        ("2026-03-02", "first_day"),
        ("2026-03-03", "seen"),
        ("2026-03-04", "reconstructed"),
    ]


def test_letting_go_at_the_end(world: World) -> None:
    stop = threading.Event()
    stop.set()
    Desk("one").run(stop)
    assert not Lease.objects.filter(name=LEASE).exists()
    desk = Desk("one")
    tick(desk)
    leases.release(name=LEASE, owner="one", now=NOW)
    assert Desk("two").tick(now=NOW).holds


def test_a_desk_that_cannot_work_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads everything anew a few times, then its supervisor must see that it does not work."""
    monkeypatch.setattr(desk_room, "PAUSE", timedelta(0))
    monkeypatch.setattr(desk_room, "close_old_connections", lambda: None)
    monkeypatch.setattr(reconcile, "books_for", lambda account, venue: 1 / 0)
    with pytest.raises(RuntimeError, match="6 times in a row"):
        Desk("one").run(threading.Event())


def test_a_day_does_not_begin_before_yesterday_s_bars_are_known(world: World) -> None:
    """The position was stopped out a minute before midnight in Prague; its bars come eight minutes after it."""
    desk = Desk("one")
    opened(world, desk, cap_seconds=10**6)
    midnight = NOW + timedelta(hours=11)
    store(world.market, [100.0] * 5, start=midnight - 6 * MINUTE)
    assert desk.tick(now=midnight + 5 * SECOND).holds
    assert AccountDay.objects.count() == 1
    later = midnight + 8 * MINUTE
    blocked = make_intent(world, now=later, signal=make_signal(world, now=later, open_ms=1))
    desk.tick(now=later)
    blocked.refresh_from_db()
    assert (blocked.state, blocked.answer.split(":")[0]) == (IntentState.DENIED, "day_start")
    store(world.market, [(100, 100, 50, 50)], start=midnight - MINUTE)
    store(world.market, [50.0], start=midnight)
    desk.tick(now=later + SECOND)
    assert Trade.objects.get().state == TradeState.CLOSED
    day = AccountDay.objects.latest("day")
    assert (str(day.day), day.how, day.proven) == ("2026-03-03", "reconstructed", True)
    # The deal is booked at the end of its bar, which is midnight: it belongs to the new day.
    assert day.balance == D("100000.00")


def test_a_loss_before_midnight_belongs_to_the_day_before(world: World) -> None:
    desk = Desk("one")
    opened(world, desk, cap_seconds=10**6)
    midnight = NOW + timedelta(hours=11)
    desk.tick(now=midnight + 5 * SECOND)
    store(world.market, [(100, 100, 50, 50)], start=midnight - 10 * MINUTE)
    store(world.market, [50.0], start=midnight)
    desk.tick(now=midnight + 61 * SECOND)
    loss = sum((fill.profit + fill.commission for fill in Fill.objects.all()), D(0))
    assert loss < 0
    day = AccountDay.objects.latest("day")
    assert (day.how, day.balance, day.peak_balance) == ("seen", 100_000 + loss, D("100000.00"))


def test_what_a_person_changes_counts_at_the_next_claim(world: World) -> None:
    """Whatever the desk remembers between its ticks, a claim reads the account afresh."""
    desk = Desk("one", lease_ttl=timedelta(days=1))
    tick(desk)
    Account.objects.update(mode=Mode.OBSERVE)
    denied(make_intent(world, signal=make_signal(world, approved=False)), desk, "mode observe", seconds=1)
    Account.objects.update(mode=Mode.PAPER, max_positions=0)
    denied(
        make_intent(world, signal=make_signal(world, open_ms=1, approved=False)),
        desk,
        "max_positions",
        seconds=2,
    )
