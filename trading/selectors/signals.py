"""What past signals say: realised rates, and how often an account acted lately."""

from __future__ import annotations

from datetime import datetime, timedelta

from trading.core.tiers import wilson
from trading.core.types import Confidence, Tier, Usage
from trading.models import Market, Outcome, OutcomeState, Signal, Trade, TradeState
from trading.selectors.risk import messages_since, pending_of

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
    without_signal: int | None = None,
    without_intent: int | None = None,
) -> Usage:
    """How often the account acted in the hour before ``now``, leaving out the signal under decision.

    day_start: the first instant of the prop-firm day; messages count from there.
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
    waiting = {p.symbol: p.unknown for p in pending_of(account_id, without_intent=without_intent)}
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
