"""The runaway stop: from how many orders, lots, messages or losses on a desk must stop itself.

Source: Commission Delegated Regulation (EU) 2017/589 (RTS 6), articles 15 (3) and 18; docs/risk_rules.md#runaway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from trading.core.guards import count, finite, not_negative


@dataclass(frozen=True, slots=True, kw_only=True)
class RunawayLimits:
    """Crossing any of them halts the account until a person resumes it; per prop-firm day where a day is named."""

    orders_per_minute: int
    orders_per_hour: int
    orders_per_day: int
    lots_per_day: Decimal
    messages_per_day: int
    losses_in_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What an account has done until now: entries handed to the venue, their lots, and all messages to it.

    Entries and lots count from the last time a person let the account go on; messages, which the firm
    counts, do not.
    """

    orders_minute: int
    orders_hour: int
    orders_day: int
    lots_day: Decimal
    messages_day: int


def crossed_by_entry(counters: Counters, lots: Decimal, limits: RunawayLimits) -> str:
    """Which limit one more entry of ``lots`` would cross, in a sentence; "" when none.

    Raises ValueError when a number is not finite or below zero: what cannot be counted is not below its limit.
    """
    more = not_negative("lots", lots)
    orders = (
        ("a minute", counters.orders_minute, limits.orders_per_minute),
        ("an hour", counters.orders_hour, limits.orders_per_hour),
        ("a day", counters.orders_day, limits.orders_per_day),
    )
    for span, done, most in orders:
        if count(f"orders in {span}", done) + 1 > count(f"orders allowed in {span}", most):
            return f"{done} orders within {span} and one more to come, {most} allowed"
    in_all = not_negative("lots of the day", counters.lots_day) + more
    if in_all > not_negative("lots allowed a day", limits.lots_per_day):
        return f"{in_all.normalize():f} lots within a day, {limits.lots_per_day.normalize():f} allowed"
    return crossed_by_message(counters, limits)


def crossed_by_message(counters: Counters, limits: RunawayLimits) -> str:
    """Whether one more message to the venue would cross the day's limit, in a sentence; "" when not."""
    done = count("messages of the day", counters.messages_day)
    most = count("messages allowed a day", limits.messages_per_day)
    if done + 1 > most:
        return f"{done} messages to the venue within a day and one more to come, {most} allowed"
    return ""


def losses_in_row(results: Iterable[Decimal]) -> int:
    """How many of the newest round trips were losses, one after the other.

    results: money with costs, newest first.  A result of exactly zero ends the row.
    """
    found = 0
    for result in results:
        if finite("result", result) >= 0:
            break
        found += 1
    return found


def crossed_by_losses(found: int, limits: RunawayLimits) -> str:
    """Whether so many losses in a row stop the account, in a sentence; "" when not."""
    most = count("losses allowed in a row", limits.losses_in_row)
    if count("losses in a row", found) >= most:
        return f"{found} losses in a row, the account stops itself at {most}"
    return ""
