"""What may be called a number: every rule reads its inputs through these."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from trading.core.types import ZERO

CENT = Decimal("0.01")
BASIS_POINT = Decimal("0.0001")


def finite(name: str, value: object) -> Decimal:
    """``value`` when it is a finite Decimal; ValueError otherwise, also for None, floats and text."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError(f"{name} must be a finite Decimal, was {value!r}")
    return value


def positive(name: str, value: object) -> Decimal:
    """``value`` when it is a finite Decimal above zero; ValueError otherwise."""
    # Asked a hundred times a decision: the usual answer needs no second call.
    if isinstance(value, Decimal) and value.is_finite() and value > ZERO:
        return value
    raise ValueError(f"{name} must be above 0, was {finite(name, value)}")


def not_negative(name: str, value: object) -> Decimal:
    """``value`` when it is a finite Decimal of zero or more; ValueError otherwise."""
    if isinstance(value, Decimal) and value.is_finite() and value >= ZERO:
        return value
    raise ValueError(f"{name} must not be negative, was {finite(name, value)}")


def fraction(name: str, value: object) -> Decimal:
    """``value`` when it is a Decimal above 0 and at most 1; ValueError otherwise."""
    number = positive(name, value)
    if number > 1:
        raise ValueError(f"{name} must be at most 1, was {number}")
    return number


def count(name: str, value: object) -> int:
    """``value`` when it is a whole number of zero or more; ValueError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} must be a whole number of 0 or more, was {value!r}")
    return value


def flag(name: str, value: object) -> bool:
    """``value`` when it is True or False; ValueError otherwise: unknown is neither."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, was {value!r}")
    return value


def aware(name: str, value: object) -> datetime:
    """``value`` when it is a datetime that knows its zone; ValueError otherwise."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(f"{name} must be an aware datetime, was {value!r}")
    return value


def span(name: str, value: object) -> timedelta:
    """``value`` when it is a duration of zero or more; ValueError otherwise."""
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise ValueError(f"{name} must be a duration of 0 or more, was {value!r}")
    return value
