"""Minutes, windows and pages: the arithmetic that all sources of candles share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles, ms_from_utc, utc_from_ms
from trading.feeds.base import Feed, Fetched
from trading.feeds.validation import Sifted


def floor_minute(milliseconds: int) -> int:
    """The last full minute at or before an instant, in epoch milliseconds."""
    return milliseconds - milliseconds % MINUTE_MS


def ceil_minute(milliseconds: int) -> int:
    """The first full minute at or after an instant, in epoch milliseconds."""
    return -floor_minute(-milliseconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Minutes to ask for: openings in ``[first_ms, end_ms)``, all multiples of a minute.

    closed_ms: bars that open at or after this instant are still running.
    asked_ms: the last opening to ask the source for; it lies one bar past ``end_ms`` where the
    source may show it, because a later bar proves that the minutes before it are complete.
    """

    since_ms: int
    first_ms: int
    end_ms: int
    closed_ms: int
    asked_ms: int

    @property
    def empty(self) -> bool:
        return self.first_ms >= self.end_ms


def window(*, since: datetime, until: datetime, known_ms: int, grace_ms: int, page: int) -> Window:
    """The next page of ``[since, until)`` for a source whose clock shows ``known_ms``.

    A bar is closed when it opened a minute and ``grace_ms`` ago.  At most ``page`` openings are
    asked for, the proving one included.
    """
    since_ms = ms_from_utc(since)
    first = ceil_minute(since_ms)
    closed = floor_minute(known_ms - grace_ms)
    end = min(ceil_minute(ms_from_utc(until)), closed, first + (page - 1) * MINUTE_MS)
    return Window(since_ms=since_ms, first_ms=first, end_ms=end, closed_ms=closed, asked_ms=end)


def nothing(since: datetime) -> Fetched:
    """The answer when no minute of the range has closed yet."""
    return Fetched(candles=Candles.empty(), complete_to=since)


def conclude(sifted: Sifted, asked: Window, *, settled_ms: int) -> Fetched:
    """Turn sifted rows into an answer that claims no more than the source has shown.

    An absent minute means "no trades" when a later bar was shown, or when it closed before
    ``settled_ms``; a younger one may still be published, so ``complete_to`` stops before it.
    """
    bars = sifted.candles
    proven = max(asked.first_ms, settled_ms)
    if len(bars):
        newest = int(bars.open_ms[-1])
        proven = max(proven, newest + MINUTE_MS if newest < asked.closed_ms else newest)
    inside = int(np.searchsorted(bars.open_ms, asked.end_ms))
    return Fetched(
        candles=bars[:inside],
        complete_to=utc_from_ms(max(asked.since_ms, min(proven, asked.end_ms))),
        refused=sifted.refused,
        refused_example=sifted.example,
    )


def pages(feed: Feed, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Iterator[Fetched]:
    """Answers that together cover ``[since, until)`` as far as the source can prove it.

    Each answer goes on where the one before was complete; ends when the range is covered or the
    source shows nothing further.  Raises what the feed raises.
    """
    while since < until:
        answer = feed.fetch_closed(symbol=symbol, since=since, until=until, now=now)
        stuck = answer.complete_to <= since
        if not stuck or len(answer.candles) or answer.refused:
            yield answer
        if stuck:
            return
        since = answer.complete_to
