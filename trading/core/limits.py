"""How often and how much at once: rates, cool-down, one trade a market, positions, messages, price basis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading.core.answer import Answer, seconds
from trading.core.guards import aware, count, finite, not_negative, span
from trading.core.types import AccountView, Draft, Limits, Pending, Tier, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The owner's hard ceilings from the environment, for the numbers of ``Limits`` that have one."""

    risk_per_trade: Decimal
    max_positions: int
    signals_per_hour: int
    high_per_hour: int
    cool_down: timedelta
    signal_ttl: timedelta


def tighten(profile: Limits, ceilings: Ceilings) -> Limits:
    """The profile's numbers under the ceilings: a ceiling never loosens a profile."""
    share, cap = profile.risk_per_trade, ceilings.risk_per_trade
    positions, most = profile.max_positions, ceilings.max_positions
    signals, hourly = profile.signals_per_hour, ceilings.signals_per_hour
    high, high_most = profile.high_per_hour, ceilings.high_per_hour
    pause, least = profile.cool_down, ceilings.cool_down
    lasts, longest = profile.signal_ttl, ceilings.signal_ttl
    return replace(
        profile,
        risk_per_trade=min(not_negative("risk per trade", share), not_negative("risk per trade", cap)),
        max_positions=min(count("positions", positions), count("positions", most)),
        signals_per_hour=min(count("signals", signals), count("signals", hourly)),
        high_per_hour=min(count("high", high), count("high", high_most)),
        cool_down=max(span("cool-down", pause), span("cool-down", least)),
        signal_ttl=min(span("time to live", lasts), span("time to live", longest)),
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


def messages(usage: Usage, limits: Limits) -> Answer:
    """Refuse an entry once 80 % of the firm's messages a day are used; closes are never asked.

    Source: docs/risk_rules.md#messages.
    """
    used = count("messages today", usage.messages_today)
    allowed = count("messages a day", limits.messages_per_day)
    value, limit = f"{used:,}", f"{_entries_stop_at(allowed):,}"
    if used >= _entries_stop_at(allowed):
        text = (
            f"{value} of {allowed:,} messages sent today, entries stop at {limit}."
            " Opens by itself with the next prop-firm day."
        )
        return Answer(passed=False, sentence=text, value=value, limit=limit)
    text = f"{value} of {allowed:,} messages sent today, entries stop at {limit}."
    return Answer(passed=True, sentence=text, value=value, limit=limit)


def _entries_stop_at(allowed: int) -> int:
    """80 % of the messages, rounded down."""
    return allowed * 4 // 5


def basis(basis_bp: Decimal | None, limits: Limits) -> Answer:
    """Refuse while the venue's price is further from the signal's than allowed, or not known.

    Source: docs/risk_rules.md#basis.
    """
    allowed = not_negative("price basis allowed", limits.basis_limit_bp)
    limit = f"{allowed:.1f} bp"
    if basis_bp is None:
        text = (
            f"How far the venue is from the signal's source is not known, {limit} allowed. Waits for a price."
        )
        return Answer(passed=False, sentence=text, value="unknown", limit=limit)
    apart = finite("price basis", basis_bp)
    value = f"{apart:+.1f} bp"
    text = (
        f"Venue {abs(apart):.1f} bp {'above' if apart > 0 else 'below'} the signal's source, {limit} allowed."
    )
    if abs(apart) > allowed:
        return Answer(
            passed=False, sentence=f"{text} Opens by itself when they agree.", value=value, limit=limit
        )
    return Answer(passed=True, sentence=text, value=value, limit=limit)
