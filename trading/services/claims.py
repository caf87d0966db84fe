"""What the desk may send: an intent claimed under locks, or settled as expired or denied with its reason.

The switch rows and the lease stay locked until the claim has committed, so a halt or a successor that
committed first always wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from trading.core.gate import decide_close
from trading.core.types import (
    AccountView,
    Action,
    ExitReason,
    IntentState,
    Mode,
    OrderRequest,
    Side,
    TradingState,
)
from trading.models import Account, OrderIntent, Trade, TradeState
from trading.services import events, kill_switch, leases, reconcile
from trading.services.decisions import decide_entry, draft_of

LEASE = "desk"
CLOSE_TTL = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Who claims: the lease's owner and number, and the clock that is read once the locks are held.

    clock None: the tick's own ``now`` stands.
    """

    owner: str
    fencing: int
    clock: Callable[[], datetime] | None = None


def claim(account: Account, intent: OrderIntent, view: AccountView, *, hand: Hand, now: datetime) -> bool:
    """Make the intent ours, or settle it as expired or denied; True only when it may be sent."""
    with transaction.atomic():
        state = kill_switch.effective(account.pk, lock=True)
        now = hand.clock() if hand.clock else now
        if not leases.holds(name=LEASE, owner=hand.owner, fencing=hand.fencing, now=now):
            return False
        refused = refusal(account, intent, view, state, now=now)
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
) -> tuple[IntentState, str] | None:
    """Why the intent may not be sent now, with the state that follows; None when it may."""
    if now >= intent.expires_at:
        late = (now - intent.expires_at).total_seconds()
        return IntentState.EXPIRED, f"It was to be sent {late:.0f} s ago at the latest."
    if Action(intent.action) is Action.CLOSE:
        decision = decide_close(
            state=state.state,
            by_person=intent.by_person,
            state_source=state.source,
            state_reason=state.reason,
        )
    elif intent.signal is None or not Mode(account.mode).trades:
        return IntentState.DENIED, f"The account is in mode {account.mode}: nothing is opened."
    else:
        decision = decide_entry(
            draft_of(intent.signal),
            account=account,
            market=intent.signal.market,
            view=view,
            state=state,
            window_has_gap=False,
            now=now,
            without_signal=intent.signal_id,
            without_intent=intent.pk,
        )
    if not decision.approved:
        return IntentState.DENIED, " ".join(f"{r.code}: {r.sentence}" for r in decision.rejections)
    if Action(intent.action) is Action.OPEN and decision.lots < intent.lots:
        return IntentState.DENIED, f"size: {decision.lots} lots are allowed now, the order has {intent.lots}."
    return None


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


def ask_close(trade: Trade, *, reason: ExitReason, by_person: bool, now: datetime) -> int:
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
            text=f"{trade}: close of {lots.normalize():f} lots asked for ({reason}).",
            account_id=trade.account_id,
            market_id=trade.market_id,
            data={"trade": trade.pk, "intent": intent.pk},
        )
    return int(intent.pk)
