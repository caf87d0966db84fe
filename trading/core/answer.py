"""What one rule says, and how numbers are written in its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One rule's answer: passed or refused, the sentence for people, and the number against its limit."""

    passed: bool
    sentence: str
    value: str = ""
    limit: str = ""


def money(amount: Decimal) -> str:
    """``3623.06`` as ``3,623.06``."""
    return f"{amount:,.2f}"


def plain(number: Decimal) -> str:
    """A price or a volume without idle zeros: ``166.66000000`` as ``166.66``."""
    return f"{number.normalize():f}"


def percent(part: Decimal) -> str:
    """The fraction ``0.725`` as ``72.5 %``."""
    return f"{part * 100:.1f} %"


def seconds(duration: timedelta) -> str:
    """A duration as ``3.9 s``, or in whole minutes from two minutes on."""
    total = duration.total_seconds()
    if abs(total) >= 120:
        return f"{total / 60:.0f} min"
    return f"{total:.1f} s"
