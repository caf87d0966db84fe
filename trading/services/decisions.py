"""The gate asked with an account's own facts: the one way in which scan and desk decide."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from trading.core.gate import GateInput, decide
from trading.core.types import (
    AccountView,
    Confidence,
    Decision,
    Draft,
    Mode,
    Side,
    Tier,
)
from trading.models import Account, Market, Signal
from trading.selectors import risk, signals
from trading.services.kill_switch import Effective


def decide_entry(
    draft: Draft,
    *,
    account: Account,
    market: Market,
    view: AccountView,
    state: Effective,
    window_has_gap: bool,
    now: datetime,
    without_signal: int | None = None,
    without_intent: int | None = None,
) -> Decision:
    """Ask the gate about a draft with everything known of the account at ``now``.

    without_signal, without_intent: the draft's own rows when the question is asked again.
    """
    programme = risk.programme_of(account)
    instruments = risk.instruments_of(account)
    usage = signals.usage_of(
        account.pk,
        market=market,
        now=now,
        day_start=programme.clock.bounds(programme.clock.day(now))[0],
        without_signal=without_signal,
        without_intent=without_intent,
    )
    return decide(
        GateInput(
            draft=draft,
            account=view,
            day=risk.day_start_of(account, programme=programme, now=now),
            initial=account.initial_balance,
            programme=programme,
            instrument=instruments[market.key],
            instruments=instruments,
            usage=usage,
            limits=risk.limits_of(account),
            state=state.state,
            state_source=state.source,
            state_reason=state.reason,
            mode=Mode(account.mode),
            is_synthetic=market.synthetic,
            window_has_gap=window_has_gap,
            pending=risk.pending_of(account.pk, without_intent=without_intent),
            now=now,
        )
    )


def draft_of(signal: Signal) -> Draft:
    """The draft that a stored signal was made from; ``signal.market`` must be loaded."""
    return Draft(
        symbol=signal.market.key,
        strategy=signal.strategy,
        timeframe=signal.timeframe,
        side=Side(signal.side),
        entry=signal.entry,
        stop=signal.stop,
        target=signal.target,
        cap=timedelta(seconds=signal.cap_seconds),
        closed_at=signal.closed_at,
        expires_at=signal.expires_at,
        tier=Tier(signal.tier),
        confidence=Confidence(
            rate=signal.confidence,
            low=signal.confidence_low,
            high=signal.confidence_high,
            n=signal.confidence_n,
        ),
        expected_value_bp=signal.expected_value_bp,
        unproven=signal.unproven,
    )


def checks_body(decision: Decision) -> list[dict[str, Any]]:
    """The gate's rows as JSON."""
    return [asdict(check) for check in decision.checks]
