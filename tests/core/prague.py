"""Prague's days by the rule of the European Union, worked out by hand: no zone data, no product code.

Clocks go forward at 01:00 UTC on the last Sunday of March and back at 01:00 UTC on the last Sunday of October.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@lru_cache
def last_sunday(year: int, month: int) -> date:
    """The last Sunday of a month of 31 days."""
    last = date(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def change(year: int, month: int) -> datetime:
    """The instant at which the clocks are changed in March or October."""
    return datetime.combine(last_sunday(year, month), time(1), UTC)


def offset(instant: datetime) -> timedelta:
    """How far Prague's clocks are ahead of UTC at an instant."""
    is_summer = change(instant.year, 3) <= instant < change(instant.year, 10)
    return 2 * HOUR if is_summer else HOUR


def day_of(instant: datetime) -> date:
    return (instant.astimezone(UTC) + offset(instant)).date()


def start_of(day: date) -> datetime:
    """The first instant of a day: at its midnight the changes of that same day are still to come."""
    is_summer = last_sunday(day.year, 3) < day <= last_sunday(day.year, 10)
    return datetime.combine(day, time(0), UTC) - (2 * HOUR if is_summer else HOUR)
