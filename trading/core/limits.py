"""How often and how much at once: rate limits, cool-down, one trade a market, open positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from trading.core.answer import Answer, seconds
from trading.core.guards import aware, count, not_negative, span
from trading.core.types import AccountView, Draft, Limits, Pending, Tier, Usage


def tighten(profile: Limits, ceilings: Limits) -> Limits:
    """The stricter of two sets of limits, number by number: a ceiling never loosens a profile."""
    return Limits(
        risk_per_trade=min(
            not_negative("risk per trade", profile.risk_per_trade),
            not_negative("risk per trade", ceilings.risk_per_trade),
        ),
        max_positions=min(
            count("positions", profile.max_positions), count("positions", ceilings.max_positions)
        ),
        signals_per_hour=min(
            count("signals", profile.signals_per_hour), count("signals", ceilings.signals_per_hour)
        ),
        high_per_hour=min(count("high", profile.high_per_hour), count("high", ceilings.high_per_hour)),
        cool_down=max(span("cool-down", profile.cool_down), span("cool-down", ceilings.cool_down)),
        signal_ttl=min(span("time to live", profile.signal_ttl), span("time to live", ceilings.signal_ttl)),
        gap_buffer_bp=max(
            not_negative("gap buffer", profile.gap_buffer_bp),
            not_negative("gap buffer", ceilings.gap_buffer_bp),
        ),
    )


def signals_per_hour(usage: Usage, limits: Limits) -> Answer:
    """Refuse the signal that would exceed the account's signals an hour.

    Source: docs/risk_rules.md#rate_limit.
    """
    used = count("signals in the last hour", usage.signals_last_hour)
    allowed = count("signals an hour", limits.signals_per_hour)
    return _per_hour("signals", used, allowed)


def high_per_hour(draft: Draft, usage: Usage, limits: Limits) -> Answer:
    """Refuse the High signal that would exceed the account's High signals an hour.

    Source: docs/risk_rules.md#high_rate_limit.
    """
    used = count("High signals in the last hour", usage.high_last_hour)
    allowed = count("High signals an hour", limits.high_per_hour)
    if Tier(draft.tier) is not Tier.HIGH:
        text = f"This signal is {draft.tier.title()}; {used} of {allowed} High signals in the last hour."
        return Answer(passed=True, sentence=text, value=str(used), limit=str(allowed))
    return _per_hour("High signals", used, allowed)


def _per_hour(what: str, used: int, allowed: int) -> Answer:
    if used >= allowed:
        text = f"{used} {what} in the last hour, {allowed} allowed. Opens by itself within the hour."
        return Answer(passed=False, sentence=text, value=str(used), limit=str(allowed))
    text = f"{used + 1} of {allowed} {what} in the last hour, with this one."
    return Answer(passed=True, sentence=text, value=str(used + 1), limit=str(allowed))


def cool_down(usage: Usage, limits: Limits, now: datetime) -> Answer:
    """Refuse a second signal of one market before its cool-down is over.

    Source: docs/risk_rules.md#cool_down.
    """
    needed = span("cool-down", limits.cool_down)
    if usage.last_signal_at is None:
        return Answer(passed=True, sentence="No earlier signal of this market.", limit=seconds(needed))
    passed_since = aware("now", now) - aware("last signal", usage.last_signal_at)
    since, limit = seconds(passed_since), seconds(needed)
    if passed_since < needed:
        text = f"Last signal of this market {since} ago, cool-down {limit}. Opens by itself."
        return Answer(passed=False, sentence=text, value=since, limit=limit)
    text = f"Last signal of this market {since} ago."
    return Answer(passed=True, sentence=text, value=since, limit=limit)


def one_per_market(draft: Draft, usage: Usage, account: AccountView, pending: Sequence[Pending]) -> Answer:
    """Refuse a market that a position, an intent or an unknown order already occupies.

    Source: docs/risk_rules.md#duplicate.
    """
    held = [p.ticket for p in account.positions if p.symbol == draft.symbol]
    coming = [p for p in pending if p.symbol == draft.symbol]
    if not isinstance(usage.busy, str):
        raise ValueError(f"what occupies the market must be text, was {usage.busy!r}")
    busy = usage.busy or ("position" if held else "") or ("intent" if coming else "")
    if busy:
        text = f"{draft.symbol} is occupied by an earlier {busy}. Opens by itself when that has ended."
        return Answer(passed=False, sentence=text, value=busy, limit="none")
    return Answer(
        passed=True, sentence=f"Nothing else is open in {draft.symbol}.", value="none", limit="none"
    )


def open_positions(usage: Usage, account: AccountView, pending: Sequence[Pending], limits: Limits) -> Answer:
    """Refuse a position beyond the account's number of positions; those on their way count.

    Source: docs/risk_rules.md#max_positions.
    """
    counted = count("open positions", usage.open_positions)
    used = max(counted, len(account.positions) + len(pending))
    allowed = count("positions allowed", limits.max_positions)
    if used >= allowed:
        text = f"{used} positions open or on their way, {allowed} allowed. Opens by itself when one closes."
        return Answer(passed=False, sentence=text, value=str(used), limit=str(allowed))
    text = f"{used + 1} of {allowed} positions, with this one."
    return Answer(passed=True, sentence=text, value=str(used + 1), limit=str(allowed))
