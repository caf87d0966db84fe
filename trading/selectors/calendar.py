"""News, closures and maintenance around an instant, as the rules and the pages read them."""

from __future__ import annotations

from datetime import datetime, timedelta

from trading.core.calendar import Entry, reach
from trading.core.programme import Programme
from trading.models import CalendarEntry


def entries_for(programme: Programme, *, now: datetime, ahead: timedelta = timedelta(0)) -> tuple[Entry, ...]:
    """Every entry that can matter to a position of this programme between ``now`` and ``ahead`` of it.

    ahead: how long before a closure somebody wants to know of it, beyond what the rules of an entry look at.
    """
    span = reach(programme)
    rows = CalendarEntry.objects.filter(ends_at__gte=now - span, starts_at__lte=now + span + ahead)
    return tuple(row.entry() for row in rows)


def listed(*, now: datetime, past: bool = False) -> list[CalendarEntry]:
    """The rows that are not over, earliest first; with ``past`` all of them."""
    rows = CalendarEntry.objects.all() if past else CalendarEntry.objects.filter(ends_at__gte=now)
    return list(rows)
