"""Sentences of the panel: one verdict a page, and lengths of time in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crpbot_site.checks import Finding
from crpbot_site.checks import Verdict as Grade
from crpbot_site.panel.glance import Glance
from trading.core.headroom import LOCKED_FROM
from trading.core.types import Level, TradingState
from trading.models import Flatten, OrderIntent
from trading.selectors.answers import Funnel
from trading.selectors.overview import Counts, OpenTrade

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
# So many ill checks are named in a verdict; all stand below it.
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence a page opens with: bold conclusion, then reason and what to do."""

    conclusion: str
    rest: str
    danger: bool = False


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun, the way it begins a sentence."""
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word} {one if number == 1 else many}"


def span(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def overview(
    glance: Glance, *, trades: list[OpenTrade], counts: Counts | None, unknown: list[OrderIntent]
) -> Verdict:
    """The overview's verdict; the gravest thing first."""
    if glance.account is None:
        return Verdict(
            "There is no account yet.", "Start the appliance once: it makes a paper account by itself.", True
        )
    grave = _grave(glance, unknown)
    if grave is not None:
        return grave
    if glance.effective.state is TradingState.REDUCING:
        text = "Open positions may be closed by their strategies. An admin ends it on the resume page."
        return Verdict("Nothing new opens: trading is REDUCING.", text)
    caution = _caution(glance)
    return caution or _calm(glance, trades, counts)


def _grave(glance: Glance, unknown: list[OrderIntent]) -> Verdict | None:
    stop = "Nothing can open or enlarge a position."
    if glance.error:
        text = (
            f"This account cannot be read: {glance.error}. Stops and targets stand at the venue. Halt works."
        )
        return Verdict(stop, text, True)
    if glance.level is Level.BREACH:
        return Verdict(stop, _breach(glance), True)
    if glance.closing is not None:
        return Verdict(stop, _closing(glance, glance.closing), True)
    if glance.halted:
        return Verdict(
            stop, f"Trading is HALTED{_why(glance)}. {_unknown(unknown)}An admin resumes it.", True
        )
    if glance.level is Level.LOCKED:
        return Verdict(stop, f"The account is LOCKED: {_used(glance)} used. {_unlocks(glance)}", True)
    if glance.room is None:
        return Verdict(
            stop, "The desk has not seen this account yet. It looks every few seconds, by itself.", True
        )
    if glance.lost:
        age = span((glance.now - (glance.as_of or glance.now)).total_seconds())
        return Verdict(
            stop, f"The venue was last seen {age} ago. It opens by itself when the desk sees it again.", True
        )
    if unknown:
        return Verdict(
            "We do not know what became of an order.", f"{_unknown(unknown)}It is looked for by itself.", True
        )
    return None


def _breach(glance: Glance) -> str:
    broken = glance.room.latch.breach if glance.room is not None else ""
    which = f"The {broken} loss limit was broken" if broken else "Equity is below a floor of the programme"
    return f"{which}: BREACH. That stays for good; only a reset, a new login or another phase ends it."


def _closing(glance: Glance, order: Flatten) -> str:
    held = len(glance.positions)
    left = (
        f"{counted(held, 'position is', 'positions are')} still open" if held else "nothing is open any more"
    )
    asked = f"asked by {order.asked_by} at {local(glance, order.asked_at):%H:%M:%S}"
    return f"Everything is being closed, {asked}: {left[:1].lower()}{left[1:]}. The desk does it before anything else."


def _unlocks(glance: Glance) -> str:
    if glance.room is not None and (
        glance.room.latch.total_locked or glance.room.room.used_total >= LOCKED_FROM
    ):
        return "That is of the total limit, which does not begin anew: an admin reopens it on the Risk page."
    return f"It opens by itself at midnight in {glance.day.place}."


def _why(glance: Glance) -> str:
    since = glance.effective.since
    when = f" since {local(glance, since):%a %H:%M:%S}" if since else ""
    return f"{when}: {glance.effective.reason.rstrip('.')}"


def _unknown(unknown: list[OrderIntent]) -> str:
    if not unknown:
        return ""
    orders = counted(len(unknown), "order has", "orders have")
    return f"{orders} an unknown outcome and {'is' if len(unknown) == 1 else 'are'} counted at full risk. "


def _used(glance: Glance) -> str:
    if glance.room is None:
        return "an unknown part of a limit"
    if glance.room.level is not glance.room.room.level:
        # What is measured has come back; the lock has not.
        return "80 % of a loss limit was"
    return f"{glance.room.room.used * 100:.1f} % of a loss limit"


def _caution(glance: Glance) -> Verdict | None:
    if glance.level is Level.RED:
        return Verdict(
            "No new risk is taken.", f"{_used(glance)} is used, 70 % ends new positions until midnight."
        )
    if glance.level is Level.AMBER:
        return Verdict(
            "Half size from here.",
            f"{_used(glance)} is used; 70 % ends new positions. Nothing for you to do.",
        )
    return None


def _calm(glance: Glance, trades: list[OpenTrade], counts: Counts | None) -> Verdict:
    stops = sum(1 for trade in trades if trade.position is not None and trade.position.stop is not None)
    if not trades:
        held = "Nothing is open."
    elif stops == len(trades):
        each = "with its stop" if len(trades) == 1 else "each with a stop"
        held = f"{counted(len(trades), 'position is', 'positions are')} open, {each} at the venue."
    else:
        held = (
            f"{counted(len(trades), 'position is', 'positions are')} open, {stops} with a stop at the venue."
        )
    return Verdict("Inside every limit.", f"{held} {_lately(glance, counts)}")


def _lately(glance: Glance, counts: Counts | None) -> str:
    if counts is None or not counts.judged:
        return "No candle has been judged today yet."
    if counts.last_order_at is None or counts.last_order_at < glance.day.start:
        return "No order today: no candle was good enough, which is normal."
    return f"The last order was at {local(glance, counts.last_order_at):%H:%M}; nothing for you to do."


def local(glance: Glance, instant: datetime) -> datetime:
    """An instant on the clock of the shown account's day."""
    return glance.day.local(instant)


def why_nothing(glance: Glance, funnel: Funnel, top: str) -> Verdict:
    """The verdict of the page that explains why nothing happens."""
    if glance.halted:
        return Verdict("Nothing can open: trading is HALTED.", f"Judging goes on{_why(glance)}.", True)
    if not funnel.judged:
        return Verdict(
            "No candle has been judged today.", "Look at Health: a feed or the scan may be silent."
        )
    if funnel.placed:
        orders = counted(funnel.placed, "order was", "orders were")
        return Verdict(
            "Something did happen.", f"{orders} placed today; of the rest, most ended at: {top or 'no rule'}."
        )
    if not funnel.signals:
        return Verdict(
            "Nothing is wrong: no candle was good enough.", f"Most often: {top}. Nothing for you to do."
        )
    if funnel.approved:
        return Verdict(
            "Signals passed, no order was placed.", "Look at the intents: each says what became of it."
        )
    return Verdict("Signals came, and a rule refused each.", f"Most often: {top}.")


def health(glance: Glance, found: Sequence[Finding]) -> Verdict:
    """The verdict of the health page over the readiness checks and the desk's view of the shown account."""
    failing = [finding.check for finding in found if finding.verdict is Grade.FAIL]
    warnings = [finding.check for finding in found if finding.verdict is Grade.WARN]
    blind = "The desk does not see the account. " if glance.lost else ""
    advice = "What to do stands beside each."
    if failing:
        failed = counted(len(failing), "check fails", "checks fail")
        return Verdict(f"{failed}: {_some(failing)}.", f"{blind}{advice}", True)
    if blind:
        return Verdict(blind.strip(), "It looks every second, by itself, while it runs.", True)
    if warnings:
        warned = counted(len(warnings), "warning", "warnings").lower()
        return Verdict(f"Everything runs, with {warned}: {_some(warnings)}.", advice)
    return Verdict("Everything runs.", "Feeds answer, tasks succeed, the desk sees the account.")


def _some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
