"""What past signals say: realised rates, and how often an account acted lately."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from trading.core.portfolio import Coming
from trading.core.tiers import wilson
from trading.core.types import Action, Confidence, Pending, Tier, Usage
from trading.models import Market, OrderIntent, Outcome, OutcomeState, Signal, Trade, TradeState
from trading.selectors.risk import ON_ITS_WAY, messages_since

HOUR = timedelta(hours=1)
# A time-out is no hit: the promise was "target before stop".
RESOLVED = (OutcomeState.TARGET, OutcomeState.STOP, OutcomeState.TIMEOUT)


def confidence_of(*, strategy: str, market_id: int) -> Confidence:
    """The realised rate of target before stop of a strategy's own signals in one market, taken or not.

    Signals that overlap in time are one bet, not several: each outcome counts only if its signal came
    after the counted one before it had ended.
    """
    outcomes = Outcome.objects.filter(strategy=strategy, market_id=market_id, state__in=RESOLVED)
    rows = outcomes.order_by("signal__closed_at", "pk").values_list(
        "state", "signal__closed_at", "resolved_at"
    )
    hits = n = 0
    ended: datetime | None = None
    for state, closed_at, resolved_at in rows:
        if ended is None or closed_at >= ended:
            ended = resolved_at
            n += 1
            hits += state == OutcomeState.TARGET
    return wilson(hits, n)


def usage_of(
    account_id: int,
    *,
    market: Market,
    now: datetime,
    day_start: datetime,
    pending: Sequence[Pending],
    without_signal: int | None = None,
) -> Usage:
    """How often the account acted in the hour before ``now``, leaving out the signal under decision.

    day_start: the first instant of the prop-firm day; messages count from there.  pending: the orders on their
    way, without the one under decision.
    """
    approved = Signal.objects.filter(account_id=account_id, approved=True, judged_at__lte=now)
    if without_signal is not None:
        approved = approved.exclude(pk=without_signal)
    tiers = list(approved.filter(judged_at__gt=now - HOUR).values_list("tier", flat=True))
    last = approved.filter(market=market).order_by("-judged_at").values_list("judged_at", flat=True).first()
    open_trades = set(
        Trade.objects.filter(account_id=account_id, state=TradeState.OPEN).values_list(
            "market__key", flat=True
        )
    )
    waiting = {order.symbol: order.unknown for order in pending}
    busy = "position" if market.key in open_trades else ""
    if market.key in waiting:
        busy = "unknown" if waiting[market.key] else "intent"
    return Usage(
        signals_last_hour=len(tiers),
        high_last_hour=sum(tier == Tier.HIGH for tier in tiers),
        open_positions=len(open_trades),
        last_signal_at=last,
        messages_today=messages_since(account_id, day_start),
        busy=busy,
    )


def coming_of(account_id: int, *, without_intent: int | None = None) -> tuple[Coming, ...]:
    """Orders on their way or resting at the venue, each with the worst price it can fill at.

    An entry fills between its stop and its target; without a signal and without both its price is not known.
    """
    under_way = Q(state__in=ON_ITS_WAY) | Q(order__isnull=False, order__closed_at=None)
    intents = OrderIntent.objects.filter(under_way, account_id=account_id, action=Action.OPEN)
    if without_intent is not None:
        intents = intents.exclude(pk=without_intent)
    found = intents.values_list("market__key", "lots", "stop", "target", "signal__entry")
    return tuple(
        Coming(symbol=key, lots=lots, price=_dearest(stop, target, entry))
        for key, lots, stop, target, entry in found
    )


def _dearest(stop: Decimal | None, target: Decimal | None, entry: Decimal | None) -> Decimal | None:
    """The highest price that an order can fill at."""
    if stop is None or (target is None and entry is None):
        return None
    return max(price for price in (stop, target, entry) if price is not None)
