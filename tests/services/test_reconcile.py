"""Reconciliation: after one pass the rows show what the venue shows, and a second pass changes nothing."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.candles import Row, make_candles
from tests.services.worlds import (
    MINUTE,
    NOW,
    SECOND,
    World,
    make_close,
    make_intent,
    make_signal,
    second_account,
    state_of,
)
from trading.core.types import (
    AccountView,
    Action,
    Deal,
    DealKind,
    ExitReason,
    IntentState,
    OrderRequest,
    Side,
    TradingState,
    ms_from_utc,
)
from trading.models import (
    Account,
    AccountDay,
    BalanceOperation,
    DeskStatus,
    Event,
    Fill,
    KillSwitch,
    Order,
    OrderIntent,
    Trade,
    TradeState,
)
from trading.services import claims, kill_switch, reconcile
from trading.services.desk import Desk
from trading.venues.base import VenueRejected
from trading.venues.paper import PaperVenue
from trading.venues.paper_book import MemoryBook

pytestmark = pytest.mark.django_db

ROWS = (OrderIntent, Order, Fill, Trade, Event, KillSwitch, DeskStatus, BalanceOperation, AccountDay)


def everything() -> list[list[Any]]:
    """Every row that a pass may touch."""
    return [list(table.objects.order_by("pk").values_list()) for table in ROWS]


@dataclass
class Ledger:
    """One account with a venue in memory beside its rows."""

    world: World
    account: Account
    venue: PaperVenue

    def __post_init__(self) -> None:
        self.read_again()

    def read_again(self) -> None:
        """What a desk does that has just taken the lease: nothing remembered counts."""
        self.books = reconcile.books_for(self.account, self.venue)

    def take(self, intent: OrderIntent, *, at: float = 0.5) -> str:
        """Let the venue take an intent's order; our rows know nothing of it."""
        request = claims.request(intent)
        return self.venue.send(
            replace(request, deadline=NOW + timedelta(days=9)), fencing=1, now=NOW + at * MINUTE
        ).ticket

    def bars(self, *rows: Row, first: int = 1) -> None:
        self.venue.advance(
            self.world.market.key, make_candles(rows, start_ms=ms_from_utc(NOW) + first * 60_000)
        )

    def run(self, *, minutes: float = 60.0) -> reconcile.Reconciled:
        return reconcile.run(self.account, self.books, now=NOW + minutes * MINUTE)

    def intent(self, state: IntentState = IntentState.SENDING, **signal: Any) -> OrderIntent:
        numbered = {
            "open_ms": Order.objects.count() * 1000 + OrderIntent.objects.count(),
            "account": self.account,
        }
        made = make_signal(self.world, **{**numbered, **signal})
        return make_intent(self.world, signal=made, state=state, claimed_at=NOW, settled_at=NOW, fencing=1)


def beside(world: World, account: Account) -> Ledger:
    venue = PaperVenue(
        number=account.number,
        currency="USD",
        initial_balance=account.initial_balance,
        instruments={key: market.instrument() for key, market in world.markets.items()},
        book=MemoryBook(),
    )
    return Ledger(world, account, venue)


@pytest.fixture
def side(world: World) -> Ledger:
    return beside(world, world.account)


def agrees(side: Ledger) -> None:
    """Rows and venue say the same."""
    every_deal = side.venue.deals(after="")
    deals = [deal for deal in every_deal if deal.kind is DealKind.FILL]
    fills = Fill.objects.filter(account=side.account).order_by("pk")
    assert [(f.deal, f.lots, f.price, f.profit, f.commission) for f in fills] == [
        (d.deal, d.lots, d.price, d.profit, d.commission) for d in deals
    ]
    view = side.venue.view(now=NOW)
    trades = Trade.objects.filter(account=side.account, state=TradeState.OPEN)
    assert {t.ticket: (t.lots - t.closed_lots, t.side) for t in trades} == {
        p.ticket: (p.lots, p.side) for p in view.positions
    }
    every = Trade.objects.filter(account=side.account)
    operations = BalanceOperation.objects.filter(account=side.account).order_by("pk")
    assert [(paid.deal, paid.amount) for paid in operations] == [
        (deal.deal, deal.profit) for deal in every_deal if deal.kind is DealKind.BALANCE
    ]
    booked = sum((t.profit + t.commission + t.swap for t in every), D(0))
    booked += sum((paid.amount for paid in operations), D(0))
    assert view.balance - side.account.initial_balance == booked
    waiting = Order.objects.filter(account=side.account, closed_at=None).values_list("intent_id", flat=True)
    ours = set(OrderIntent.objects.filter(account=side.account).values_list("pk", flat=True))
    assert set(waiting) == side.venue.resting() & ours, "somebody else's orders have no rows here"


@pytest.mark.parametrize("state", [IntentState.SENDING, IntentState.UNKNOWN, IntentState.NOT_PLACED])
def test_what_the_venue_has_is_adopted_and_booked_in_one_pass(side: Ledger, state: IntentState) -> None:
    intent = side.intent(state)
    ticket = side.take(intent)
    side.bars(100.0, (100, 103, 100, 102))
    found = side.run()
    assert (found.settled, found.fills, found.difference) == (1, 2, "")
    assert (state_of(intent), Order.objects.get().adopted) == (IntentState.PLACED, True)
    trade = Trade.objects.get()
    assert (trade.ticket, trade.signal, trade.state, trade.exit_reason) == (
        ticket,
        intent.signal,
        "closed",
        "target",
    )
    agrees(side)


def test_the_second_pass_changes_nothing(side: Ledger) -> None:
    for state in IntentState:
        intent = side.intent(state)
        if state in (IntentState.SENDING, IntentState.UNKNOWN):
            side.take(intent)
    side.bars(100.0, (100, 100, 100, 100, 0.01), (100, 103, 97, 100))
    assert side.run().fills > 0
    before = everything()
    for _ in range(2):
        assert side.run().fills == 0
        assert everything() == before
    side.books = reconcile.books_for(side.account, side.venue)
    assert side.run() == replace(side.run(), fills=0, settled=0)
    assert everything() == before


def test_a_pending_intent_is_left_for_the_claim(side: Ledger) -> None:
    first, second = side.intent(IntentState.PENDING), side.intent(IntentState.PENDING)
    assert side.run().pending == (first.pk, second.pk)


def test_parts_become_one_trade_at_the_average_price(side: Ledger) -> None:
    intent = side.intent(lots=D("0.04"))
    ticket = side.take(intent)
    side.bars((100.0, 100.0, 100.0, 100.0, 0.1))
    side.run()
    side.bars((101, 101, 101, 101, 0.4), first=2)
    side.run()
    trade = Trade.objects.get()
    # Bought 1.75 bp above 100 and 101, each up to the tick: 0.01 at 100.02 and 0.03 at 101.02.
    assert (trade.lots, trade.entry) == (D("0.04"), D("100.77"))
    assert Order.objects.get().closed_at == NOW + 60 * MINUTE
    close = make_close(side.world, ticket=ticket, lots=D("0.01"), state="sending", claimed_at=NOW)
    side.take(close, at=2.5)
    side.bars(101.0, first=3)
    side.run()
    trade.refresh_from_db()
    assert (trade.state, trade.closed_lots, trade.exit) == ("open", D("0.01"), D("100.98"))
    side.bars((101, 103, 101, 102), first=4)
    side.run()
    trade.refresh_from_db()
    # 0.01 at 100.98 and 0.03 at 102.
    assert (trade.state, trade.closed_lots, trade.exit) == ("closed", D("0.04"), D("101.745"))
    assert (trade.exit_reason, trade.closed_at) == (ExitReason.TARGET, NOW + 5 * MINUTE)
    agrees(side)


def test_an_order_of_nobody_is_booked_and_counted(side: Ledger) -> None:
    """Someone traded by hand: no intent of ours carries that number."""
    request = claims.request(side.intent(IntentState.EXPIRED))
    side.venue.send(replace(request, magic=10**9, deadline=NOW + timedelta(days=1)), fencing=1, now=NOW)
    side.bars(100.0)
    side.run()
    trade = Trade.objects.get()
    assert (trade.signal, trade.close_due_at, Fill.objects.get().order) == (None, None, None)
    agrees(side)


def test_a_deal_whose_beginning_was_never_seen_is_an_error_not_a_guess(
    side: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    side.take(side.intent())
    side.bars(100.0, (100, 103, 100, 102))
    only_the_end = side.venue.deals(after="")[1:]
    monkeypatch.setattr(side.venue, "deals", lambda after: only_the_end)
    with pytest.raises(ValueError, match="never seen"):
        side.run()
    assert not Fill.objects.exists()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"ticket": "77"}, "missing at the venue ['77'], unknown to us ['1']"),
        ({"lots": D(1)}, "other size ['1']"),
        ({"state": TradeState.CLOSED}, "unknown to us ['1']"),
    ],
)
def test_a_difference_halts_the_account_and_nothing_is_repaired(
    side: Ledger, row: dict[str, Any], words: str
) -> None:
    other = second_account(side.account)
    side.take(side.intent())
    side.bars(100.0)
    side.run()
    Trade.objects.update(**row)
    side.read_again()
    found = side.run(minutes=61)
    assert words in found.difference
    assert kill_switch.effective(side.account.pk).state is TradingState.HALTED
    assert kill_switch.effective(other.pk).state is TradingState.ACTIVE
    event = Event.objects.latest("pk")
    assert (event.kind, event.by, event.account) == ("kill_switch", "reconcile", side.account)
    before = everything()
    assert side.run(minutes=62).difference == found.difference
    assert everything() == before
    # It ends by itself, the halt does not.
    Trade.objects.update(ticket="1", lots=D("0.01"), state=TradeState.OPEN)
    side.read_again()
    assert side.run(minutes=63).difference == ""
    assert kill_switch.effective(side.account.pk).state is TradingState.HALTED


def test_a_difference_keeps_the_desk_from_sending(world: World) -> None:
    desk = Desk("one", lease_ttl=timedelta(days=1))
    Trade.objects.create(
        account=world.account,
        market=world.market,
        ticket="77",
        side=Side.LONG,
        lots=D(1),
        entry=D(100),
        opened_at=NOW,
    )
    intent = make_intent(world)
    assert desk.tick(now=NOW).sent == 0
    status = DeskStatus.objects.get()
    assert (state_of(intent), status.ready) == (IntentState.PENDING, False)
    assert status.reason.startswith("positions differ")
    desk.tick(now=NOW + 200 * SECOND)
    assert state_of(intent) == IntentState.PENDING


def test_an_empty_view_is_not_taken_for_flat(side: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    side.take(side.intent())
    side.bars(100.0)
    side.run()
    empty = AccountView(number="1", currency="USD", balance=D(1), equity=D(1), positions=(), as_of=NOW)
    monkeypatch.setattr(side.venue, "view", lambda now: empty)
    assert "missing at the venue" in side.run().difference
    assert Trade.objects.get().state == TradeState.OPEN


def test_settling_twice_moves_once(side: Ledger) -> None:
    intent = side.intent()
    stale = OrderIntent.objects.get(pk=intent.pk)
    assert reconcile.settle(intent, IntentState.REJECTED, answer="no", now=NOW)
    assert not reconcile.settle(stale, IntentState.UNKNOWN, answer="?", now=NOW)
    assert not reconcile.place(stale, side.books, "1", adopted=False, now=NOW)
    assert (state_of(intent), Order.objects.count()) == (IntentState.REJECTED, 0)
    assert Event.objects.filter(kind__startswith="intent_").count() == 1


def test_looks_come_often_at_first_and_then_once_a_minute(side: Ledger) -> None:
    intent = side.intent(IntentState.NOT_PLACED)
    looks = 0
    for second in range(0, 600):
        before = OrderIntent.objects.get(pk=intent.pk).swept_at
        reconcile.run(side.account, side.books, now=NOW + second * SECOND)
        looks += OrderIntent.objects.get(pk=intent.pk).swept_at != before
    # Every 2 s of the first minute, then every 60 s.
    assert looks == 30 + 8


# -- random worlds ----------------------------------------------------------------------------

STEPS = (
    "sent",
    "lost",
    "vanished",
    "pending",
    "cancel",
    "close",
    "part",
    "foreign",
    "money",
    "reconcile",
    "bar",
)


@st.composite
def worlds_of(draw: st.DrawFn) -> list[tuple[str, float, float, int]]:
    length = draw(st.integers(14, 28))
    step = st.tuples(
        st.sampled_from(STEPS), st.floats(-3, 3), st.sampled_from([0.0, 0.12, 0.31, 1e6]), st.integers(0, 5)
    )
    return draw(st.lists(step, min_size=length, max_size=length))


def live(side: Ledger, story: list[tuple[str, float, float, int]]) -> None:
    """Orders that leave and get lost, fills while nobody looks, and a pass now and then."""
    for minute, (what, move, volume, which) in enumerate(story):
        open_now = side.venue.view(now=NOW).positions
        if what in ("sent", "lost", "vanished", "pending"):
            state = IntentState.PENDING if what == "pending" else IntentState.SENDING
            intent = side.intent(state, lots=D("0.03"), open_ms=minute)
            if what in ("sent", "lost"):
                ticket = side.take(intent, at=minute + 0.5)
                if what == "sent":
                    reconcile.place(intent, side.books, ticket, adopted=False, now=NOW)
        elif what in ("close", "part") and open_now:
            held = open_now[which % len(open_now)]
            lots = D("0.01") if what == "part" else held.lots
            request = OrderRequest(
                magic=10**6 + minute,
                action=Action.CLOSE,
                symbol=held.symbol,
                side=held.side.opposite,
                lots=lots,
                stop=None,
                target=None,
                deadline=NOW + timedelta(days=1),
                ticket=held.ticket,
                comment="manual",
            )
            side.venue.send(request, fencing=1, now=NOW + (minute + 0.5) * MINUTE)
        elif what == "foreign":
            request = claims.request(side.intent(IntentState.DENIED, open_ms=minute))
            request = replace(request, magic=10**7 + minute, deadline=NOW + timedelta(days=1))
            side.venue.send(request, fencing=1, now=NOW + (minute + 0.5) * MINUTE)
        elif what == "cancel" and side.venue.resting():
            cancel(side, which, minute=minute)
        elif what == "money":
            side.venue.pay(D(which * 10 - 25), NOW + (minute + 0.5) * MINUTE)
        elif what == "reconcile":
            side.run(minutes=minute)
        row = (100 + move / 2, 100 + abs(move), 100 - abs(move), 100 - move / 2, volume)
        side.bars(row, first=minute + 1)


def cancel(side: Ledger, which: int, *, minute: int) -> None:
    """Cancel an entry that rests; the answer is lost."""
    resting = sorted(side.venue.resting())
    ticket = side.venue.find(resting[which % len(resting)])
    signal = make_signal(side.world, account=side.account, open_ms=10**9 + minute)
    changes = {"action": Action.CANCEL, "state": IntentState.SENDING, "claimed_at": NOW, "ticket": ticket}
    intent = make_intent(side.world, signal=signal, stop=None, target=None, **changes)
    # A close that waits bears its position's ticket; the venue does not take it back.
    with suppress(VenueRejected):
        side.take(intent, at=minute + 0.5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(story=worlds_of())
def test_one_pass_makes_the_rows_equal_to_the_venue(
    world: World, story: list[tuple[str, float, float, int]]
) -> None:
    assert len(story) >= 14
    account = second_account(world.account, name=f"A{Account.objects.count()}")
    side = beside(world, account)
    live(side, story)
    after_a_start = beside(world, account)
    after_a_start.venue = side.venue
    after_a_start.books = reconcile.books_for(account, side.venue)
    found = after_a_start.run()
    assert found.difference == ""
    agrees(after_a_start)
    in_book = {entry.magic for entry in side.venue._book.entries if entry.kind == "order"}
    for intent in OrderIntent.objects.filter(account=account):
        if intent.pk in in_book:
            assert intent.state == IntentState.PLACED
            assert Order.objects.filter(intent=intent).count() == 1
    before = everything()
    assert after_a_start.run().fills == 0
    assert everything() == before
    for minutes in (62, 64, 66):
        after_a_start.run(minutes=minutes)
    left = OrderIntent.objects.filter(account=account, state__in=("sending", "unknown"))
    assert not left.exists()
    paid = any(what == "money" for what, *_ in story)
    expected = TradingState.HALTED if paid else TradingState.ACTIVE
    assert kill_switch.effective(account.pk).state is expected


def test_a_cancel_whose_answer_was_lost_is_found_and_its_order_ends(side: Ledger) -> None:
    entry = side.intent()
    side.take(entry)
    side.run()
    assert Order.objects.get().closed_at is None
    cancel(side, 0, minute=0)
    found = side.run(minutes=61)
    assert (found.settled, found.difference) == (1, "")
    assert set(OrderIntent.objects.values_list("action", "state")) == {
        ("open", "placed"),
        ("cancel", "placed"),
    }
    assert not Order.objects.filter(closed_at=None).exists()
    side.bars(100.0)
    assert side.run(minutes=62).fills == 0
    assert not side.venue.view(now=NOW).positions


def test_money_is_booked_once_whoever_reads_again(side: Ledger) -> None:
    side.venue.pay(D("12.34"), NOW)
    assert side.run().fills == 1
    for minutes in (61, 62):
        side.read_again()
        assert side.run(minutes=minutes).fills == 0
    operation = BalanceOperation.objects.get()
    assert (operation.amount, operation.deal, operation.action) == (D("12.34"), "1", None)
    assert kill_switch.effective(side.account.pk).state is TradingState.HALTED


def test_the_comparison_can_tell_a_missing_fill(side: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: rows of a pass that leaves out a deal are not taken for equal."""
    side.take(side.intent())
    side.bars(100.0, (100, 103, 100, 102))
    right = side.venue.deals

    def forgetful(*, after: str) -> list[Deal]:
        return right(after=after)[:1]

    monkeypatch.setattr(side.venue, "deals", forgetful)
    side.run()
    monkeypatch.undo()
    with pytest.raises(AssertionError):
        agrees(side)
