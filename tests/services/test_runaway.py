"""The runaway stop at the desk: the order that would cross a limit stays here, and the account is HALTED with it."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.services.worlds import (
    NOW,
    SECOND,
    Broker,
    World,
    make_close,
    make_intent,
    make_signal,
    make_superuser,
    state_of,
    store,
)
from trading.core.types import IntentState, TradingState
from trading.models import Account, AccountRisk, Event, KillSwitch, Order, OrderIntent, Signal, Trade
from trading.selectors import runaway as counted
from trading.services import kill_switch, runaway
from trading.services.desk import Desk
from trading.venues.base import VenueRejected

pytestmark = [pytest.mark.proof, pytest.mark.django_db]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZERO, LOT = D(0), D("0.01")
# For how many of five minutes a strategy gone wild writes intents, whatever the switch says.
BLIND = 300 if os.environ.get("CRPBOT_NIGHTLY") else 30


def loaded(world: World) -> Account:
    return Account.objects.select_related("programme__profile").get(pk=world.account.pk)


def claimed(world: World, *, at: datetime, action: str = "open", lots: str = "0.01") -> None:
    """An order that the desk handed over at that instant."""
    if action == "open":
        signal = make_signal(world, now=at, open_ms=OrderIntent.objects.count(), approved=False)
        intent = make_intent(world, now=at, signal=signal, lots=D(lots))
    else:
        intent = make_close(world, ticket=f"t{OrderIntent.objects.count()}", now=at)
    OrderIntent.objects.filter(pk=intent.pk).update(state="rejected", claimed_at=at)


def check(world: World, *, lots: D = LOT, now: datetime = NOW) -> str:
    return runaway.check(loaded(world), lots=lots, now=now)


def state(world: World) -> TradingState:
    return kill_switch.effective(world.account.pk).state


# -- the counts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "value", "ages", "words"),
    [
        ("orders_per_minute", 3, [0, 30, 59], "3 orders within a minute"),
        ("orders_per_minute", 3, [0, 30, 60], ""),
        ("orders_per_hour", 3, [0, 1800, 3599], "3 orders within an hour"),
        ("orders_per_hour", 3, [0, 1800, 3600], ""),
        # The prop-firm day of 2 March 2026, 12:00 UTC, began thirteen hours before.
        ("orders_per_day", 3, [0, 7200, 13 * 3600], "3 orders within a day"),
        ("orders_per_day", 3, [0, 7200, 13 * 3600 + 1], ""),
        ("lots_per_day", D("0.03"), [0, 7200, 13 * 3600], "0.04 lots within a day"),
        ("lots_per_day", D("0.03"), [0, 7200, 13 * 3600 + 1], ""),
        ("messages_per_day", 3, [0, 7200, 13 * 3600], "3 messages to the venue within a day"),
        ("messages_per_day", 3, [0, 7200, 13 * 3600 + 1], ""),
    ],
)
def test_each_limit_in_its_window(world: World, limit: str, value: Any, ages: list[int], words: str) -> None:
    Account.objects.update(**{limit: value})
    AccountRisk.objects.update(losses_from=NOW - 2 * DAY)
    for age in ages:
        claimed(world, at=NOW - age * SECOND)
    found = check(world)
    assert (words in found) if words else found == ""
    assert state(world) is (TradingState.HALTED if words else TradingState.ACTIVE)
    if words:
        own = KillSwitch.objects.get(account=world.account)
        assert (own.changed_by, words in own.reason) == ("runaway", True)
        event = Event.objects.get(kind="runaway")
        assert (event.severity, event.account_id, words in event.text) == ("error", world.account.pk, True)


def test_an_account_s_counts_are_its_own_and_its_switch_alone_is_halted(world: World) -> None:
    Account.objects.update(orders_per_minute=2)
    for _ in range(2):
        claimed(world, at=NOW)
    assert check(world)
    assert kill_switch.effective().state is TradingState.ACTIVE


def test_it_is_told_once(world: World) -> None:
    Account.objects.update(orders_per_minute=0)
    for second in range(5):
        assert check(world, now=NOW + second * SECOND)
    assert Event.objects.filter(kind="runaway").count() == 1
    assert Event.objects.filter(kind="kill_switch", by="runaway").count() == 1


def test_closes_are_counted_as_messages_and_never_refused(world: World) -> None:
    Account.objects.update(messages_per_day=2, orders_per_minute=1)
    claimed(world, at=NOW, action="close")
    assert check(world, lots=ZERO) == ""
    assert state(world) is TradingState.ACTIVE
    claimed(world, at=NOW, action="close")
    assert check(world, lots=ZERO) == ""
    assert state(world) is TradingState.HALTED


def test_entries_count_from_the_last_resume_and_messages_do_not(world: World) -> None:
    Account.objects.update(orders_per_day=3, messages_per_day=4)
    for age in (300, 200, 100):
        claimed(world, at=NOW - age * SECOND)
    AccountRisk.objects.update(losses_from=NOW - 50 * SECOND)
    counters = counted.counters_of(loaded(world), now=NOW)
    assert (counters.orders_day, counters.lots_day, counters.messages_day) == (0, 0, 3)
    assert check(world) == ""


# -- losses -----------------------------------------------------------------------------------


def closed(world: World, result: str, *, minutes: int) -> None:
    Trade.objects.create(
        account=world.account,
        market=world.market,
        ticket=f"{Trade.objects.count()}",
        state="closed",
        side="long",
        lots=D("0.01"),
        closed_lots=D("0.01"),
        entry=D(100),
        exit=D(100),
        opened_at=NOW,
        closed_at=NOW + timedelta(minutes=minutes),
        profit=D(result) + 1,
        commission=D("-0.75"),
        swap=D("-0.25"),
    )


@pytest.mark.parametrize(
    ("results", "stops"),
    [
        (["-1", "-1", "-0.01"], True),
        (["-1", "-1", "0"], False),
        (["5", "-1", "-1", "-1"], True),
        (["-1", "-1", "-1", "0.01"], False),
        (["-1", "-1"], False),
    ],
)
def test_so_many_losses_in_a_row_halt(world: World, results: list[str], stops: bool) -> None:
    """Results with their costs: three trades in a row below zero."""
    Account.objects.update(losses_in_row=3)
    for minutes, result in enumerate(results, 1):
        closed(world, result, minutes=minutes)
    why = runaway.after_fills(loaded(world), now=NOW + HOUR)
    assert bool(why) is stops
    assert state(world) is (TradingState.HALTED if stops else TradingState.ACTIVE)
    if stops:
        assert "3 losses in a row" in Event.objects.get(kind="runaway").text


def test_losses_count_anew_after_a_resume(world: World) -> None:
    Account.objects.update(losses_in_row=2)
    closed(world, "-1", minutes=1)
    closed(world, "-1", minutes=2)
    assert runaway.after_fills(loaded(world), now=NOW + HOUR)
    desk = Desk("one")
    desk.tick(now=NOW + HOUR)
    kill_switch.resume(
        user_id=make_superuser().pk,
        reason="seen",
        phrase="RESUME",
        now=NOW + HOUR + SECOND,
        account_id=world.account.pk,
    )
    assert not runaway.after_fills(loaded(world), now=NOW + HOUR + SECOND)
    closed(world, "-1", minutes=70)
    assert not runaway.after_fills(loaded(world), now=NOW + 2 * HOUR)
    closed(world, "-1", minutes=80)
    assert runaway.after_fills(loaded(world), now=NOW + 2 * HOUR)


def test_the_desk_counts_a_loss_when_it_books_it(world: World, broker: Broker) -> None:
    Account.objects.update(losses_in_row=1)
    desk = Desk("one")
    store(world.market, [100.0, 100.0, 90.0], start=NOW)
    make_intent(world)
    desk.tick(now=NOW + SECOND)
    desk.tick(now=NOW + timedelta(minutes=4))
    assert Trade.objects.get().exit_reason == "stop"
    assert state(world) is TradingState.HALTED
    assert KillSwitch.objects.get(account=world.account).changed_by == "runaway"


# -- at the desk ------------------------------------------------------------------------------


@pytest.fixture
def loose(environment: Callable[..., None]) -> None:
    """The gate's own limits out of the way: what is left is the runaway stop."""
    environment(max_signals_per_hour=10**6, max_high_per_hour=10**6, cool_down_minutes=0, max_positions=1000)
    Account.objects.update(
        signals_per_hour=30_000,
        high_per_hour=30_000,
        cool_down_minutes=0,
        max_positions=1000,
        max_group_risk=D(1),
    )


@pytest.fixture
def refusing(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> list[tuple[datetime, int]]:
    """A venue that says no to every order, which is how a strategy comes to ask again and again; what reached it."""
    reached: list[tuple[datetime, int]] = []
    make = broker.venue_for

    def venue_for(account: Account) -> Any:
        venue = make(account)

        def send(request: Any, *, fencing: int, now: datetime) -> Any:
            reached.append((now, request.magic))
            raise VenueRejected("market_closed", "not now")

        venue.send = send  # type: ignore[method-assign]
        return venue

    monkeypatch.setattr("trading.services.paper.venue_for", venue_for)
    return reached


def emit(world: World, *, count: int, now: datetime) -> None:
    """So many signals at once, each with its intent, as a strategy gone wild writes them."""
    first = OrderIntent.objects.count()
    closes = now.replace(second=0, microsecond=0)
    signals = [
        Signal(
            account=world.account,
            market=world.market,
            strategy="wild",
            timeframe="1m",
            open_ms=first + number,
            closed_at=closes,
            judged_at=now,
            expires_at=closes + 90 * SECOND,
            side="long",
            entry=D(100),
            stop=D(98),
            target=D(102),
            cap_seconds=3600,
            tier="low",
            approved=False,
            programme=world.account.programme,
        )
        for number in range(count)
    ]
    made = Signal.objects.bulk_create(signals)
    OrderIntent.objects.bulk_create(
        OrderIntent(
            account=world.account,
            market=world.market,
            signal=signal,
            action="open",
            reason="signal",
            side="long",
            lots=LOT,
            stop=D(98),
            target=D(102),
            risk=D("0.04"),
            created_at=now,
            expires_at=signal.expires_at,
        )
        for signal in made
    )


def play(world: World, *, seconds: int, blind: int) -> datetime | None:
    """A thousand signals a minute for so long, the desk looking every second; when it was HALTED.

    blind: so many seconds the strategy's intents go on after the halt; then they end, as the scan ends them.
    """
    desk = Desk("one")
    halted = None
    for second in range(seconds):
        now = NOW + second * SECOND
        if second < blind or state(world) is TradingState.ACTIVE:
            emit(world, count=17 if second % 3 else 16, now=now)
        desk.tick(now=now)
        if halted is None and KillSwitch.objects.get(account=world.account).state == "halted":
            halted = now
    return halted


@pytest.mark.timeout(300)
def test_a_thousand_signals_a_minute_are_stopped_at_the_limit(
    world: World, loose: None, refusing: list[tuple[datetime, int]]
) -> None:
    halted = play(world, seconds=300, blind=BLIND)
    assert OrderIntent.objects.count() == BLIND * 50 // 3
    assert len(refusing) == Account.objects.get(pk=world.account.pk).orders_per_minute == 10
    assert halted is not None
    assert halted - refusing[-1][0] <= SECOND
    assert Event.objects.get(kind="runaway").at == halted
    sent = OrderIntent.objects.exclude(claimed_at=None)
    assert sorted(sent.values_list("pk", flat=True)) == sorted(magic for _, magic in refusing)


def test_without_its_question_in_the_claim_everything_would_leave(
    world: World,
    loose: None,
    refusing: list[tuple[datetime, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control: the claim's line ``runaway.check`` answered with ""."""
    monkeypatch.setattr(runaway, "check", lambda account, *, lots, now: "")
    assert play(world, seconds=15, blind=15) is None
    assert len(refusing) > 10


def test_the_order_that_crosses_is_denied_and_the_halt_stays(
    world: World, loose: None, broker: Broker
) -> None:
    Account.objects.update(orders_per_minute=0)
    desk = Desk("one")
    desk.tick(now=NOW)
    intent = make_intent(world)
    desk.tick(now=NOW + SECOND)
    assert state_of(intent) is IntentState.DENIED
    assert "0 orders within a minute and one more to come, 0 allowed" in OrderIntent.objects.get().answer
    assert broker.sent == []
    assert state(world) is TradingState.HALTED
    Account.objects.update(orders_per_minute=10)
    Desk("two").tick(now=NOW + DAY)
    assert state(world) is TradingState.HALTED
    assert not Order.objects.exists()
