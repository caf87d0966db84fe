"""The gate asked with an account's own facts: the one way in which scan and desk decide."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from trading.core.gate import GateInput, decide
from trading.core.portfolio import Coming, margin_by_rate
from trading.core.types import (
    ZERO,
    AccountView,
    Confidence,
    Decision,
    Draft,
    Instrument,
    Margin,
    Mode,
    ModelState,
    Side,
    Tier,
)
from trading.models import Account, Market, Signal
from trading.selectors import calendar, risk, signals
from trading.services.kill_switch import Effective

# The venue that trades at the signal's own prices.
PAPER = "paper"


def decide_entry(
    draft: Draft,
    *,
    account: Account,
    market: Market,
    view: AccountView,
    state: Effective,
    window_has_gap: bool,
    now: datetime,
    margin: Margin | None = None,
    without_signal: int | None = None,
    without_intent: int | None = None,
) -> Decision:
    """Ask the gate about a draft with everything known of the account at ``now``.

    margin: by the venue's own calculation; without it the market's margin rate is counted.
    without_signal, without_intent: the draft's own rows when the question is asked again.
    """
    programme, kept = risk.programme_of(account), risk.kept_of(account.pk)
    instruments = risk.instruments_of(account)
    pending = risk.pending_of(account.pk, without_intent=without_intent)
    usage = signals.usage_of(
        account.pk,
        market=market,
        now=now,
        day_start=programme.clock.bounds(programme.clock.day(now))[0],
        pending=pending,
        without_signal=without_signal,
    )
    instrument = instruments[market.key]
    if margin is None:
        coming = signals.coming_of(account.pk, without_intent=without_intent) if pending else ()
        margin = _margin(draft, view, instrument, instruments, coming)
    return decide(
        GateInput(
            draft=draft,
            number=account.number,
            currency=account.currency,
            account=view,
            day=risk.day_start_of(account, programme=programme, now=now, kept=kept),
            initial=account.initial_balance,
            programme=programme,
            instrument=instrument,
            instruments=instruments,
            usage=usage,
            limits=risk.limits_of(account),
            latch=kept.latch,
            margin=margin,
            calendar=calendar.entries_for(programme, now=now),
            basis_bp=ZERO if account.venue == PAPER else None,
            # The strategies of this version are rules; there is no model that could fall silent.
            model=ModelState.NONE,
            model_reason="",
            state=state.state,
            state_source=state.source,
            state_reason=state.reason,
            mode=Mode(account.mode),
            is_synthetic=market.synthetic,
            window_has_gap=window_has_gap,
            pending=pending,
            now=now,
        )
    )


def _margin(
    draft: Draft,
    view: AccountView,
    instrument: Instrument,
    instruments: dict[str, Instrument],
    coming: tuple[Coming, ...],
) -> Margin | None:
    """The margin by the market's own rate; None when the account cannot be read: the gate refuses then."""
    try:
        return margin_by_rate(
            view=view, draft=draft, instrument=instrument, instruments=instruments, coming=coming
        )
    except (ArithmeticError, TypeError, ValueError):
        return None


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
