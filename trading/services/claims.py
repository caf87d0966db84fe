"""What the desk may send: an intent claimed under locks, or settled as expired or denied with its reason.

The switch rows and the lease stay locked until the claim has committed, so a halt or a successor that
committed first always wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from trading import candle_store
from trading.core import ceiling
from trading.core.gate import decide_close
from trading.core.timeframes import timeframe_ms
from trading.core.types import (
    ZERO,
    AccountView,
    Action,
    Decision,
    ExitReason,
    IntentState,
    Margin,
    Mode,
    OrderRequest,
    Side,
    TradingState,
    ms_from_utc,
)
from trading.models import Account, OrderIntent, Signal, Trade, TradeState
from trading.services import events, kill_switch, leases, reconcile, runaway
from trading.services.decisions import decide_entry, draft_of
from trading.strategies import ALL

LEASE = "desk"
CLOSE_TTL = timedelta(seconds=60)


def _always(_now: datetime) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Who claims: the lease's owner and number, and the clock that is read once the locks are held.

    clock None: the tick's own ``now`` stands.  steady: whether the wall clock may be believed at an instant.
    """

    owner: str
    fencing: int
    clock: Callable[[], datetime] | None = None
    steady: Callable[[datetime], bool] = _always


def claim(
    account: Account,
    intent: OrderIntent,
    view: AccountView,
    *,
    hand: Hand,
    now: datetime,
    margin: Margin | None = None,
) -> bool:
    """Make the intent ours, or settle it as expired or denied; True only when it may be sent.

    margin: of an entry, by the venue's own calculation.
    """
    with transaction.atomic():
        state = kill_switch.effective(account.pk, lock=True)
        now = hand.clock() if hand.clock else now
        if not hand.steady(now):
            # It was set since the round began; the next one halts, and says so.
            return False
        if not leases.holds(name=LEASE, owner=hand.owner, fencing=hand.fencing, now=now):
            return False
        refused = refusal(account, intent, view, state, now=now, margin=margin)
        if refused is not None:
            settled, answer = refused
            reconcile.settle(intent, settled, answer=answer, now=now)
            return False
        claimed = OrderIntent.objects.filter(pk=intent.pk, state=IntentState.PENDING).update(
            state=IntentState.SENDING,
            fencing=hand.fencing,
            claimed_at=now,
        )
    if claimed:
        intent.state, intent.claimed_at = IntentState.SENDING, now
    return bool(claimed)


def refusal(
    account: Account,
    intent: OrderIntent,
    view: AccountView,
    state: kill_switch.Effective,
    *,
    now: datetime,
    margin: Margin | None = None,
) -> tuple[IntentState, str] | None:
    """Why the intent may not be sent now, with the state that follows; None when it may.

    Call it in the transaction that holds the switch rows: an order that crosses a runaway limit halts the
    account here.
    """
    if now >= intent.expires_at:
        late = (now - intent.expires_at).total_seconds()
        return IntentState.EXPIRED, f"It was to be sent {late:.0f} s ago at the latest."
    action = Action(intent.action)
    if action is Action.OPEN:
        why = _entry(account, intent, view, state, now=now, margin=margin)
    else:
        why = _exit(intent, state)
    # Counted even when it only closes: a close is never refused for that, but it may halt what opens.
    why = why or runaway.check(account, lots=intent.lots if action is Action.OPEN else ZERO, now=now)
    return (IntentState.DENIED, why) if why else None


def _exit(intent: OrderIntent, state: kill_switch.Effective) -> str:
    """Why a close or a cancel may not be sent; a cancel always may, nothing can become worse by it."""
    if Action(intent.action) is Action.CANCEL:
        return ""
    decision = decide_close(
        state=state.state,
        by_person=intent.by_person,
        flatten=intent.reason == ExitReason.FLATTEN,
        state_source=state.source,
        state_reason=state.reason,
    )
    return _words(decision)


def _entry(
    account: Account,
    intent: OrderIntent,
    view: AccountView,
    state: kill_switch.Effective,
    *,
    now: datetime,
    margin: Margin | None,
) -> str:
    """Why an entry may not be sent now, the gate asked again with everything as it is at this instant."""
    # Who lowers it holds the switch rows too: while this waited for them it may have been lowered.
    account.refresh_from_db(fields=("mode",))
    crpbot, mode = settings.CRPBOT, Mode(account.mode)
    if mode not in ceiling.allowed(crpbot.trading_mode, postgresql=crpbot.postgresql):
        return (
            f"mode: The account is in mode {mode}, the ceiling is {crpbot.trading_mode}: nothing is opened."
        )
    if intent.signal is None or not mode.trades:
        return f"The account is in mode {mode}: nothing is opened."
    decision = decide_entry(
        draft_of(intent.signal),
        account=account,
        market=intent.signal.market,
        view=view,
        state=state,
        window_has_gap=window_has_gap(intent.signal),
        now=now,
        margin=margin,
        without_signal=intent.signal_id,
        without_intent=intent.pk,
    )
    if not decision.approved:
        return _words(decision)
    if decision.lots < intent.lots:
        return f"size: {decision.lots} lots are allowed now, the order has {intent.lots}."
    return ""


def _words(decision: Decision) -> str:
    return " ".join(f"{r.code}: {r.sentence}" for r in decision.rejections)


def window_has_gap(signal: Signal) -> bool:
    """Whether an outage lies in the window that a signal was judged on, as the store knows it now.

    A bar that came late may have shown one since the scan. The window of a strategy that is no longer known
    counts as the longest there is.
    """
    known = ALL.get(signal.strategy)
    bars = known.warm_up if known else max(strategy.warm_up for strategy in ALL.values())
    closed_ms = ms_from_utc(signal.closed_at)
    window = candle_store.window(signal.market_id, until_ms=closed_ms, bars=bars, timeframe=signal.timeframe)
    first_ms = closed_ms - bars * timeframe_ms(signal.timeframe)
    start_ms = min(int(window.open_ms[0]), first_ms) if len(window) else first_ms
    return candle_store.has_gap(signal.market_id, start_ms, closed_ms)


def request(intent: OrderIntent) -> OrderRequest:
    """The intent as it is handed to a venue; its number is the only identity."""
    return OrderRequest(
        magic=intent.pk,
        action=Action(intent.action),
        symbol=intent.market.key,
        side=Side(intent.side),
        lots=intent.lots,
        stop=intent.stop,
        target=intent.target,
        deadline=intent.expires_at,
        ticket=intent.ticket,
        comment=intent.reason,
    )


def ask_time_exits(account: Account, overdue: tuple[int, ...], *, now: datetime) -> list[int]:
    """Ask for the close of every trade whose longest holding time has ended; ids of the intents.

    One that was refused is asked for again a minute later, and while HALTED refuses it, not at all.
    """
    if not overdue:
        return []
    state = kill_switch.effective(account.pk)
    waiting = reconcile.open_closes(account) | _closes_refused(account, state.state, now=now)
    return [
        ask_close(trade, reason=ExitReason.TIME, by_person=False, now=now)
        for trade in Trade.objects.filter(pk__in=overdue, state=TradeState.OPEN).order_by("pk")
        if trade.ticket not in waiting
    ]


def ask_closes(
    account: Account, tickets: Sequence[str], *, reason: ExitReason, why: str, now: datetime
) -> list[int]:
    """Ask for the close of these positions, in this order; ids of the intents.

    One whose close is under way is left alone, one that was refused is asked for again after a minute.
    """
    if not tickets:
        return []
    # HALTED does not refuse these, so a refusal is the venue's and worth another try.
    waiting = reconcile.open_closes(account) | _closes_refused(account, TradingState.ACTIVE, now=now)
    trades = {
        trade.ticket: trade
        for trade in Trade.objects.filter(account=account, ticket__in=tickets, state=TradeState.OPEN)
    }
    return [
        ask_close(trades[ticket], reason=reason, by_person=False, now=now, why=why)
        for ticket in tickets
        if ticket in trades and ticket not in waiting
    ]


def _closes_refused(account: Account, state: TradingState, *, now: datetime) -> set[str]:
    """Tickets whose close was refused and whose turn has not come again."""
    refused = OrderIntent.objects.filter(
        account=account,
        action=Action.CLOSE,
        state__in=(IntentState.DENIED, IntentState.REJECTED, IntentState.EXPIRED),
    )
    if state is not TradingState.HALTED:
        refused = refused.filter(created_at__gt=now - CLOSE_TTL)
    return set(refused.values_list("ticket", flat=True))


def ask_close(trade: Trade, *, reason: ExitReason, by_person: bool, now: datetime, why: str = "") -> int:
    """Write the intent to close a trade's whole position; its id."""
    lots = Decimal(trade.lots - trade.closed_lots)
    with transaction.atomic():
        intent = OrderIntent.objects.create(
            account_id=trade.account_id,
            market_id=trade.market_id,
            signal_id=trade.signal_id,
            action=Action.CLOSE,
            reason=reason,
            by_person=by_person,
            side=Side(trade.side).opposite,
            lots=lots,
            ticket=trade.ticket,
            created_at=now,
            expires_at=now + CLOSE_TTL,
        )
        events.record(
            "close_asked",
            now=now,
            text=f"{trade}: close of {lots.normalize():f} lots asked for ({why or reason}).",
            account_id=trade.account_id,
            market_id=trade.market_id,
            data={"trade": trade.pk, "intent": intent.pk},
        )
    return int(intent.pk)
