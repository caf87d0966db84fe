"""Venue truth against our rows: lost answers are found or stay UNKNOWN, deals become fills and trades.

Nothing is ever sent from here. A difference that cannot be explained is an Event and a halt, never a
silent repair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from trading.core.equity import booked
from trading.core.types import (
    ZERO,
    AccountView,
    Action,
    Deal,
    DealKind,
    IntentState,
    TradingState,
)
from trading.models import Account, Fill, Market, Order, OrderIntent, Trade, TradeState
from trading.selectors import rows
from trading.services import events, kill_switch, life
from trading.venues.base import Venue

PRICE_STEP = Decimal(1).scaleb(-8)
CLEAN_SWEEPS = 2
SWEEP_EARLY = timedelta(seconds=2)
SWEEP_LATE = timedelta(minutes=1)
EARLY_LASTS = timedelta(minutes=1)
SWEEP_LASTS = timedelta(days=1)
TRADES_LAST = timedelta(minutes=2)
UNSETTLED = (IntentState.PENDING, IntentState.SENDING, IntentState.UNKNOWN, IntentState.NOT_PLACED)
_ANY_UNSETTLED = (
    "SELECT 1 FROM trading_orderintent WHERE account_id = %s AND state IN (%s, %s, %s, %s) LIMIT 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a pass changed, and what it could not explain ("" when everything agrees).

    pending: intents that wait to be claimed, oldest first.  overdue: open trades held for too long.
    """

    fills: int = 0
    settled: int = 0
    difference: str = ""
    pending: tuple[int, ...] = ()
    overdue: tuple[int, ...] = ()


class _OpenTrade(NamedTuple):
    """What a pass needs of an open trade."""

    pk: int
    ticket: str
    lots: Decimal
    closed_lots: Decimal
    close_due_at: datetime | None


@dataclass(slots=True, kw_only=True)
class Books:
    """One venue beside our rows, with what need not be read again while nobody else may write them.

    Make a new one whenever the lease was in other hands.  last_deal: newest deal that is booked.
    resting: intents whose orders our rows still show as waiting at the venue.  trades: the open ones, as
    read at ``trades_at``.
    """

    venue: Venue
    last_deal: str
    resting: set[int]
    trades: list[_OpenTrade] = field(default_factory=list)
    trades_at: datetime | None = None


def books_for(account: Account, venue: Venue) -> Books:
    """Read where the rows of an account stand."""
    last = Fill.objects.filter(account=account).order_by("-pk").values_list("deal", flat=True).first()
    resting = Order.objects.filter(account=account, closed_at=None).values_list("intent_id", flat=True)
    return Books(venue=venue, last_deal=last or "", resting=set(resting))


def run(account: Account, books: Books, *, now: datetime) -> Reconciled:
    """One pass: orphaned sends, unknown outcomes, new deals, resting orders, positions. Repeating it changes nothing.

    Call it from the desk that holds the lease, and never while one of its own sends is under way.
    """
    waiting, moving = _unsettled(account, now=now)
    settled = sum(_orphan(intent, books, now=now) for intent in moving if intent.state == IntentState.SENDING)
    settled += sum(_look(intent, books, now=now) for intent in moving if _look_due(intent, now=now))
    fills = _book_deals(account, books, now=now)
    _close_resting(account, books, now=now)
    trades = _trades_of(account, books, fresh=fills > 0, now=now)
    difference = _differences(trades, books.venue.view(now=now))
    if difference:
        _halt(account, difference, now=now)
    return Reconciled(
        fills=fills,
        settled=settled,
        difference=difference,
        pending=tuple(waiting),
        overdue=tuple(trade.pk for trade in trades if trade.close_due_at and trade.close_due_at <= now),
    )


def settle(
    intent: OrderIntent, state: IntentState, *, answer: str, now: datetime, severity: str = "info"
) -> bool:
    """Move an intent by one conditional update with its Event; False when it had moved already."""
    with transaction.atomic():
        moved = OrderIntent.objects.filter(pk=intent.pk, state=intent.state).update(
            state=state, answer=answer[:300], settled_at=now
        )
        if moved:
            events.record(
                f"intent_{state}",
                now=now,
                text=f"{intent}: {intent.action} {intent.side} {intent.lots.normalize():f} lots: {state}. {answer}",
                severity=severity,
                account_id=intent.account_id,
                market_id=intent.market_id,
                data={"intent": intent.pk, "state": state.value},
            )
    if moved:
        intent.state = state
    return bool(moved)


def place(intent: OrderIntent, books: Books, ticket: str, *, adopted: bool, now: datetime) -> bool:
    """Note that the venue has the order; an answer that was lost and found is marked as adopted."""
    how = "found at the venue after its answer was lost" if adopted else "taken by the venue"
    with transaction.atomic():
        if not settle(intent, IntentState.PLACED, answer=f"Ticket {ticket}, {how}.", now=now):
            return False
        Order.objects.create(
            intent=intent,
            account_id=intent.account_id,
            market_id=intent.market_id,
            ticket=ticket,
            placed_at=now,
            adopted=adopted,
        )
    books.resting.add(intent.pk)
    return True


def _unsettled(account: Account, *, now: datetime) -> tuple[list[int], list[OrderIntent]]:
    """Ids of intents that wait to be claimed, and those that need a look at the venue.

    One that was given up is looked for one more day; one without an answer is never left out.
    """
    if not rows.query(_ANY_UNSETTLED, (account.pk, *UNSETTLED)):
        return [], []
    intents = OrderIntent.objects.filter(account=account, state__in=UNSETTLED).order_by("pk")
    waiting, moving = [], []
    for pk, state, claimed_at in intents.values_list("pk", "state", "claimed_at"):
        if state == IntentState.PENDING:
            waiting.append(pk)
        elif state != IntentState.NOT_PLACED or claimed_at is None or claimed_at > now - SWEEP_LASTS:
            moving.append(pk)
    return waiting, list(OrderIntent.objects.filter(pk__in=moving).order_by("pk")) if moving else []


def _orphan(intent: OrderIntent, books: Books, *, now: datetime) -> bool:
    """A send that no living desk waits for: found at the venue, or of unknown outcome."""
    ticket = books.venue.find(intent.pk)
    if ticket is not None:
        return place(intent, books, ticket, adopted=True, now=now)
    return unknown(intent, "The desk ended between sending and the answer.", now=now)


def unknown(intent: OrderIntent, why: str, *, now: datetime) -> bool:
    """Mark an intent whose order may or may not have left; it is looked for, never sent again."""
    answer = f"{why} It is looked for at the venue and counted at its full risk."
    return settle(intent, IntentState.UNKNOWN, answer=answer, now=now, severity="error")


def _look_due(intent: OrderIntent, *, now: datetime) -> bool:
    """Whether the next look for an order of unknown outcome, or given up, is due."""
    if intent.state not in (IntentState.UNKNOWN, IntentState.NOT_PLACED):
        return False
    claimed = intent.claimed_at or intent.created_at
    pause = SWEEP_EARLY if now - claimed <= EARLY_LASTS else SWEEP_LATE
    last = intent.swept_at or intent.settled_at or claimed
    return now - last >= pause


def _look(intent: OrderIntent, books: Books, *, now: datetime) -> bool:
    """Look again: a late arrival is adopted; enough looks without a trace settle an unknown outcome."""
    ticket = books.venue.find(intent.pk)
    if ticket is not None:
        return place(intent, books, ticket, adopted=True, now=now)
    intent.swept_at = now
    intent.clean_sweeps += 1
    intent.save(update_fields=("swept_at", "clean_sweeps"))
    if intent.state == IntentState.UNKNOWN and intent.clean_sweeps >= CLEAN_SWEEPS:
        answer = f"Not at the venue in {intent.clean_sweeps} looks."
        return settle(intent, IntentState.NOT_PLACED, answer=answer, now=now, severity="warning")
    return False


def _book_deals(account: Account, books: Books, *, now: datetime) -> int:
    """Book every deal of the venue that is not booked yet, in one transaction; the number booked."""
    deals = books.venue.deals(after=books.last_deal)
    if not deals:
        return 0
    markets = {market.key: market for market in Market.objects.filter(source=account.source)}
    number = 0
    with transaction.atomic():
        for deal in deals:
            if deal.kind is DealKind.BALANCE:
                number += _book_payment(account, books, deal, now=now)
            else:
                _book(account, books, markets[deal.symbol], deal, now=now)
                number += 1
    books.last_deal = deals[-1].deal
    return number


def _book_payment(account: Account, books: Books, deal: Deal, *, now: datetime) -> bool:
    """Book money paid in or out; False when it is booked. What came after it is no part of its balance."""
    later = books.venue.deals(after=deal.deal)
    balance = books.venue.view(now=now).balance - sum((booked(one) for one in later), ZERO)
    fresh = life.settle(account, deal, balance=balance, now=now)
    books.venue.log_in(account.number)
    return fresh


def _book(account: Account, books: Books, market: Market, deal: Deal, *, now: datetime) -> None:
    intent = OrderIntent.objects.filter(pk=deal.magic, account=account).select_related("signal").first()
    if intent is not None and IntentState(intent.state) in (IntentState.UNKNOWN, IntentState.NOT_PLACED):
        place(intent, books, deal.ticket, adopted=True, now=now)
    trade = _trade(account, market, deal, intent)
    Fill.objects.create(
        account=account,
        market=market,
        order=Order.objects.filter(intent=intent).first() if intent else None,
        trade=trade,
        deal=deal.deal,
        ticket=deal.ticket,
        entry=deal.entry,
        side=deal.side,
        lots=deal.lots,
        price=deal.price,
        profit=deal.profit,
        commission=deal.commission,
        swap=deal.swap,
        reason=deal.reason or "",
        at=deal.at,
        booked_at=now,
    )
    _tell(account, market, deal, trade, now=now)


def _trade(account: Account, market: Market, deal: Deal, intent: OrderIntent | None) -> Trade:
    trade = Trade.objects.filter(account=account, ticket=deal.ticket).first()
    if trade is None:
        trade = _new_trade(account, market, deal, intent)
    elif deal.entry:
        lots = trade.lots + deal.lots
        trade.entry = ((trade.entry * trade.lots + deal.price * deal.lots) / lots).quantize(PRICE_STEP)
        trade.lots = lots
    trade.profit += deal.profit
    trade.commission += deal.commission
    trade.swap += deal.swap
    if not deal.entry:
        _reduce(trade, deal)
    trade.save()
    return trade


def _new_trade(account: Account, market: Market, deal: Deal, intent: OrderIntent | None) -> Trade:
    if not deal.entry:
        raise ValueError(f"deal {deal.deal} closes position {deal.ticket}, whose entry was never seen")
    signal = intent.signal if intent else None
    return Trade(
        account=account,
        market=market,
        signal=signal,
        ticket=deal.ticket,
        side=deal.side,
        lots=deal.lots,
        entry=deal.price,
        stop=intent.stop if intent else None,
        target=intent.target if intent else None,
        contract_size=market.contract_size,
        opened_at=deal.at,
        close_due_at=deal.at + timedelta(seconds=signal.cap_seconds) if signal else None,
        risk=intent.risk if intent else ZERO,
        synthetic=market.synthetic,
    )


def _reduce(trade: Trade, deal: Deal) -> None:
    before = trade.closed_lots
    trade.closed_lots += deal.lots
    exits = (trade.exit or Decimal(0)) * before + deal.price * deal.lots
    trade.exit = (exits / trade.closed_lots).quantize(PRICE_STEP)
    if trade.closed_lots >= trade.lots:
        trade.state = TradeState.CLOSED
        trade.closed_at = deal.at
        trade.exit_reason = deal.reason or ""


def _tell(account: Account, market: Market, deal: Deal, trade: Trade, *, now: datetime) -> None:
    result = trade.profit + trade.commission + trade.swap
    amount = f"{deal.lots.normalize():f} lots at {deal.price.normalize():f}"
    what = "opened" if deal.entry else f"closed by {deal.reason}, {result:+.2f} {account.currency} with costs"
    events.record(
        "fill",
        now=now,
        text=f"{trade}: {trade.side} {market.label} {amount} {what}",
        account_id=account.pk,
        market_id=market.pk,
        data={"trade": trade.pk, "deal": deal.deal},
    )


def _close_resting(account: Account, books: Books, *, now: datetime) -> None:
    """Close the rows of orders that the venue no longer holds as waiting."""
    gone = books.resting - books.venue.resting()
    if gone:
        Order.objects.filter(account=account, closed_at=None, intent_id__in=gone).update(closed_at=now)
        books.resting -= gone


def _trades_of(account: Account, books: Books, *, fresh: bool, now: datetime) -> list[_OpenTrade]:
    """The open trades, read again after every deal and every few minutes: only this desk writes them."""
    read_at = books.trades_at
    if fresh or read_at is None or not timedelta(0) <= now - read_at <= TRADES_LAST:
        books.trades, books.trades_at = _open_trades(account), now
    return books.trades


def _open_trades(account: Account) -> list[_OpenTrade]:
    trades = Trade.objects.filter(account=account, state=TradeState.OPEN).order_by("pk")
    return [_OpenTrade(*row) for row in trades.values_list(*_OpenTrade._fields)]


def _differences(trades: list[_OpenTrade], view: AccountView) -> str:
    """What differs between the venue's positions and our open trades, in a sentence; "" when nothing does."""
    ours = {trade.ticket: trade.lots - trade.closed_lots for trade in trades}
    theirs = {position.ticket: position.lots for position in view.positions}
    if ours == theirs:
        return ""
    only_ours = sorted(set(ours) - set(theirs))
    only_theirs = sorted(set(theirs) - set(ours))
    changed = sorted(t for t in set(ours) & set(theirs) if ours[t] != theirs[t])
    return (
        f"positions differ: missing at the venue {only_ours or 'none'}, "
        f"unknown to us {only_theirs or 'none'}, other size {changed or 'none'}"
    )


def _halt(account: Account, difference: str, *, now: datetime) -> None:
    kill_switch.set_state(
        TradingState.HALTED, by="reconcile", reason=difference, now=now, account_id=account.pk
    )


def open_closes(account: Account) -> set[str]:
    """Tickets for which a close is on its way, of unknown outcome, or resting at the venue."""
    waiting = (IntentState.PENDING, IntentState.SENDING, IntentState.UNKNOWN)
    closes = OrderIntent.objects.filter(account=account, action=Action.CLOSE)
    tickets = set(closes.filter(state__in=waiting).values_list("ticket", flat=True))
    resting = Order.objects.filter(account=account, closed_at=None, intent__action=Action.CLOSE)
    return tickets | set(resting.values_list("ticket", flat=True))
