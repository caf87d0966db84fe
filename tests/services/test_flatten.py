"""Flatten: cancels come first, every position is closed, nothing is doubled, and it ends when nothing is left."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal as D
from itertools import pairwise
from typing import Any

import pytest
from django.db import IntegrityError, transaction

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
from trading.core.types import AccountView, IntentState, Position, Side, TradingState
from trading.models import Event, Flatten, Order, OrderIntent, Trade
from trading.selectors import flattens
from trading.services import flatten, kill_switch
from trading.services.desk import Desk

pytestmark = pytest.mark.django_db

Ask = Callable[..., int]


@pytest.fixture
def ask(world: World) -> Ask:
    return lambda **given: flatten.ask(
        **{"account_id": world.account.pk, "by": "ada", "reason": "out", "now": NOW, **given}
    )


def position(ticket: str, *, symbol: str = "BTC-USD", side: Side = Side.LONG, lots: str = "0.01") -> Position:
    return Position(
        ticket=ticket,
        magic=1,
        symbol=symbol,
        side=side,
        lots=D(lots),
        entry=D(100),
        price=D(100),
        stop=D(98) if side is Side.LONG else D(102),
        target=None,
        opened_at=NOW,
    )


def view_of(world: World, *positions: Position, now: Any = NOW) -> AccountView:
    return AccountView(
        number=world.account.number,
        currency=world.account.currency,
        balance=D(100_000),
        equity=D(100_000),
        positions=positions,
        as_of=now,
    )


def work(
    world: World, *positions: Position, resting: tuple[int, ...] = (), now: Any = NOW
) -> list[OrderIntent]:
    view = view_of(world, *positions, now=now)
    asked = flatten.work(world.account, view=view, resting=frozenset(resting), now=now)
    return [OrderIntent.objects.get(pk=pk) for pk in asked]


def settle(intents: list[OrderIntent], state: IntentState) -> None:
    OrderIntent.objects.filter(pk__in=[intent.pk for intent in intents]).update(state=state)


def resting_entry(world: World, *, ticket: str = "30") -> OrderIntent:
    intent = make_intent(world)
    OrderIntent.objects.filter(pk=intent.pk).update(state="placed")
    Order.objects.create(
        intent=intent, account=intent.account, market=intent.market, ticket=ticket, placed_at=NOW
    )
    return intent


# -- asking -----------------------------------------------------------------------------------


def test_asking_is_written_down_once(world: World, ask: Ask, kinds: Callable[[], list[str]]) -> None:
    first = ask()
    assert ask(by="level", reason="later", now=NOW + SECOND) == first
    row = Flatten.objects.get()
    assert (row.asked_by, row.reason, row.asked_at, row.done_at) == ("ada", "out", NOW, None)
    assert kinds().count("flatten_asked") == 1


def test_each_account_has_its_own(world: World, ask: Ask) -> None:
    other = second_account(world.account)
    ask()
    assert flattens.open_id(other.pk) is None
    assert flattens.open_id(world.account.pk) is not None


def test_the_rows_admit_one_open_flatten_an_account(world: World, ask: Ask) -> None:
    ask()
    with pytest.raises(IntegrityError), transaction.atomic():
        Flatten.objects.create(account=world.account, asked_at=NOW, asked_by="x", reason="x")


def test_nothing_is_done_unasked(world: World) -> None:
    assert work(world, position("7")) == []
    assert not OrderIntent.objects.exists()


# -- the orders -------------------------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
def test_every_position_is_closed_whole(world: World, ask: Ask, side: Side) -> None:
    ask()
    asked = work(world, position("7", side=side, lots="0.03"), position("8", side=side))
    assert [(i.action, i.ticket, i.side, i.lots, i.reason) for i in asked] == [
        ("close", "7", side.opposite, D("0.03"), "flatten"),
        ("close", "8", side.opposite, D("0.01"), "flatten"),
    ]


def test_resting_entries_are_cancelled_before_positions_are_closed(world: World, ask: Ask) -> None:
    entry = resting_entry(world)
    ask()
    asked = work(world, position("7"), resting=(entry.pk,))
    assert [(i.action, i.ticket) for i in asked] == [("cancel", "30"), ("close", "7")]


def test_a_position_whose_entry_still_fills_is_closed_after_the_cancel(world: World, ask: Ask) -> None:
    """The position has the ticket of its entry: a close beside the cancel would be a second order for it."""
    entry = resting_entry(world, ticket="7")
    ask()
    (cancel,) = work(world, position("7"), resting=(entry.pk,))
    assert cancel.action == "cancel"
    settle([cancel], IntentState.PLACED)
    (close,) = work(world, position("7"), now=NOW + SECOND)
    assert (close.action, close.ticket) == ("close", "7")


def test_a_position_that_our_rows_do_not_know_is_closed_too(world: World, ask: Ask) -> None:
    ask()
    (close,) = work(world, position("999"))
    assert (close.ticket, close.signal) == ("999", None)


def test_a_symbol_that_is_no_market_of_ours_holds_up_no_other_close(world: World, ask: Ask) -> None:
    ask()
    (close,) = work(world, position("7", symbol="XAUUSD"), position("8"))
    assert close.ticket == "8"
    settle([close], IntentState.PLACED)
    work(world, position("7", symbol="XAUUSD"), now=NOW + MINUTE)
    assert flattens.open_id(world.account.pk) is not None


@pytest.mark.parametrize("state", ["pending", "sending", "unknown"])
@pytest.mark.parametrize("reason", ["flatten", "time", "manual"])
def test_one_close_at_a_time(world: World, ask: Ask, state: str, reason: str) -> None:
    make_close(world, ticket="7", state=state, reason=reason)
    ask()
    assert work(world, position("7")) == []
    assert [i.ticket for i in work(world, position("7"), position("8"))] == ["8"]


def test_a_close_that_rests_at_the_venue_is_not_asked_for_again(world: World, ask: Ask) -> None:
    close = make_close(world, ticket="7", state="placed")
    order = Order.objects.create(
        intent=close, account=world.account, market=world.market, ticket="7", placed_at=NOW
    )
    ask()
    assert work(world, position("7"), now=NOW + MINUTE) == []
    order.closed_at = NOW + MINUTE
    order.save()
    assert len(work(world, position("7"), now=NOW + MINUTE)) == 1


@pytest.mark.parametrize("state", ["rejected", "denied", "expired", "not_placed"])
def test_a_refused_close_is_asked_again_after_a_pause_that_grows(world: World, ask: Ask, state: str) -> None:
    ask()
    asked_at = []
    for second in range(40):
        now = NOW + second * SECOND
        again = work(world, position("7"), now=now)
        asked_at += [second] * len(again)
        settle(again, IntentState(state))
    assert asked_at == [0, 2, 6, 14, 30]


def test_a_day_of_refusals_stays_within_the_messages_of_a_day() -> None:
    tries: list[datetime] = []
    for second in range(24 * 60 * 60):
        now = NOW + second * SECOND
        if flatten._turn(tries, now=now):
            tries.append(now)
    assert 290 < len(tries) < 300
    assert max(later - one for one, later in pairwise(tries)) == timedelta(minutes=5)


def test_a_clock_that_steps_back_holds_up_no_close(world: World, ask: Ask) -> None:
    ask(now=NOW - MINUTE)
    settle(work(world, position("7")), IntentState.REJECTED)
    assert len(work(world, position("7"), now=NOW - 30 * SECOND)) == 1


# -- the end ----------------------------------------------------------------------------------


def test_it_is_done_when_nothing_is_left(world: World, ask: Ask, kinds: Callable[[], list[str]]) -> None:
    ask()
    assert work(world, now=NOW + 5 * SECOND) == []
    assert Flatten.objects.get().done_at == NOW + 5 * SECOND
    assert kinds()[-1] == "flatten_done"
    assert "5 s after" in Event.objects.latest("pk").text
    assert kill_switch.effective(world.account.pk).source != "flatten"


@pytest.mark.parametrize("state", ["pending", "sending", "unknown"])
@pytest.mark.parametrize("entry", [True, False])
def test_it_is_not_done_while_an_order_is_on_its_way(world: World, ask: Ask, state: str, entry: bool) -> None:
    intent = make_intent(world, state=state) if entry else make_close(world, ticket="7", state=state)
    ask()
    work(world)
    assert Flatten.objects.get().done_at is None
    settle([intent], IntentState.REJECTED)
    work(world, now=NOW + SECOND)
    assert Flatten.objects.get().done_at == NOW + SECOND


def test_it_is_not_done_while_an_order_rests(world: World, ask: Ask) -> None:
    ask()
    work(world, resting=(10**6,))
    assert Flatten.objects.get().done_at is None


# -- at the desk ------------------------------------------------------------------------------


def bought(world: World, desk: Desk, broker: Broker) -> None:
    """A long of 0.01, filled in the first minute."""
    store(world.market, [100.0, 100.0], start=NOW)
    make_intent(world)
    desk.tick(now=NOW + SECOND)
    desk.tick(now=NOW + 2 * MINUTE)
    assert Trade.objects.filter(state="open").count() == 1


@pytest.mark.parametrize("by", ["person", "level"])
@pytest.mark.parametrize("own", [True, False])
def test_the_desk_closes_everything_while_halted(world: World, broker: Broker, by: str, own: bool) -> None:
    desk = Desk("one")
    bought(world, desk, broker)
    now = NOW + 2 * MINUTE + SECOND
    late = make_intent(
        world, now=now, signal=make_signal(world, now=now, market=world.market, open_ms=1, approved=False)
    )
    account_id = world.account.pk
    if by == "person":
        kill_switch.set_state(
            TradingState.HALTED,
            by="ada",
            reason="out",
            now=now,
            account_id=account_id if own else None,
            flatten=True,
        )
    else:
        flatten.ask(account_id=account_id, by="level", reason="80 % is gone", now=now)
    desk.tick(now=now)
    assert state_of(late) is IntentState.DENIED
    close = OrderIntent.objects.get(action="close")
    assert (close.state, close.reason) == ("placed", "flatten")
    store(world.market, [100.0, 101.0], start=NOW + 2 * MINUTE)
    desk.tick(now=NOW + 4 * MINUTE)
    trade = Trade.objects.get()
    assert (trade.state, trade.exit_reason) == ("closed", "flatten")
    desk.tick(now=NOW + 4 * MINUTE + SECOND)
    assert Flatten.objects.get(account=world.account).done_at is not None
    assert len(broker.orders()) == 2


def test_the_desk_cancels_a_resting_entry(world: World, broker: Broker) -> None:
    desk = Desk("one")
    desk.tick(now=NOW)
    make_intent(world)
    desk.tick(now=NOW + SECOND)
    assert Order.objects.get().closed_at is None
    flatten.ask(account_id=world.account.pk, by="ada", reason="out", now=NOW + 2 * SECOND)
    desk.tick(now=NOW + 2 * SECOND)
    desk.tick(now=NOW + 3 * SECOND)
    desk.tick(now=NOW + 4 * SECOND)
    assert Flatten.objects.get().done_at is not None
    store(world.market, [100.0] * 3, start=NOW)
    desk.tick(now=NOW + 4 * MINUTE)
    assert not Trade.objects.exists()


@pytest.mark.parametrize("mood", ["lost", "vanished", "away"])
def test_a_venue_that_fails_gets_no_close_twice(world: World, broker: Broker, mood: str) -> None:
    desk = Desk("one")
    bought(world, desk, broker)
    flatten.ask(account_id=world.account.pk, by="ada", reason="out", now=NOW + 2 * MINUTE)
    broker.mood = mood
    for second in range(1, 4):
        desk.tick(now=NOW + 2 * MINUTE + second * SECOND)
    broker.mood = ""
    for second in range(4, 90):
        desk.tick(now=NOW + 2 * MINUTE + second * SECOND)
    store(world.market, [100.0, 101.0, 101.0], start=NOW + 2 * MINUTE)
    for second in range(6):
        desk.tick(now=NOW + 5 * MINUTE + second * SECOND)
    assert Trade.objects.get().state == "closed"
    assert Flatten.objects.get().done_at is not None
    assert len(broker.orders()) == 2, "one entry and one close"


def test_without_its_passage_a_flatten_would_stand_still(
    world: World, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: closes of a flatten that ask the switch as any other machine's do."""
    desk = Desk("one")
    bought(world, desk, broker)
    right = OrderIntent.objects.create

    def plain(**given: Any) -> OrderIntent:
        return right(**{**given, "reason": "strategy"})

    monkeypatch.setattr(OrderIntent.objects, "create", plain)
    kill_switch.set_state(TradingState.HALTED, by="ada", reason="x", now=NOW + 2 * MINUTE, flatten=True)
    desk.tick(now=NOW + 2 * MINUTE + SECOND)
    assert OrderIntent.objects.get(action="close").state == "denied"
