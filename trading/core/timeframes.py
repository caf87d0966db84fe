"""Bar edges, closed bars, resampling, and the prop-firm day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np

from trading.core.types import Candles, ms_from_utc

MINUTE_MS = 60_000
DAY_MS = 86_400_000

TIMEFRAMES: dict[str, int] = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": DAY_MS,
}

PROP_ZONE = "Europe/Prague"
SERVER_ZONE = "America/New_York"
SERVER_AHEAD = timedelta(hours=7)


def timeframe_ms(timeframe: str) -> int:
    """The length of a bar in milliseconds; ValueError for a timeframe that is not kept."""
    length = TIMEFRAMES.get(timeframe)
    if length is None:
        raise ValueError(f"timeframe must be one of {', '.join(TIMEFRAMES)}, was {timeframe!r}")
    return length


def bar_open_ms(instant_ms: int, timeframe: str) -> int:
    """The opening of the bar that holds ``instant_ms``, aligned to UTC midnight."""
    return instant_ms - instant_ms % timeframe_ms(timeframe)


def bar_close_ms(open_ms: int, timeframe: str) -> int:
    """The first millisecond after the bar that opens at ``open_ms``."""
    return open_ms + timeframe_ms(timeframe)


def is_closed(open_ms: int, timeframe: str, now: datetime) -> bool:
    """Whether the bar that opens at ``open_ms`` lies wholly before ``now``."""
    return bar_close_ms(open_ms, timeframe) <= ms_from_utc(now)


def last_closed_open_ms(timeframe: str, now: datetime) -> int:
    """The opening of the newest bar that is closed at ``now``."""
    return bar_open_ms(ms_from_utc(now), timeframe) - timeframe_ms(timeframe)


def resample(
    candles: Candles,
    timeframe: str,
    *,
    complete_to_ms: int,
    complete_from_ms: int | None = None,
) -> Candles:
    """Build the closed bars of a longer timeframe from one-minute bars.

    candles: (T,) one-minute bars.  complete_to_ms: epoch milliseconds up to which minutes are known;
    a bar is made only when it ends at or before it.  complete_from_ms: since when they are known, the
    first bar's opening when left out; a bar that begins earlier is not made.
    A minute without trades inside a bar leaves no mark; a bar without any minute does not exist.
    Raises ValueError when the minutes are not strictly rising.
    """
    length = timeframe_ms(timeframe)
    if len(candles) == 0:
        return Candles.empty()
    opens = candles.open_ms
    if not bool(np.all(opens[1:] > opens[:-1])):
        raise ValueError("candles must be strictly rising in time")
    known_from = int(opens[0]) if complete_from_ms is None else complete_from_ms
    buckets = opens - opens % length
    keep = (buckets >= known_from) & (buckets + length <= complete_to_ms)
    if not bool(keep.any()):
        return Candles.empty()
    first = int(np.argmax(keep))
    last = len(keep) - int(np.argmax(keep[::-1]))
    return _aggregate(candles[first:last], buckets[first:last])


def _aggregate(candles: Candles, buckets: np.ndarray) -> Candles:
    """Bars of ``candles`` grouped by equal neighbouring values of ``buckets`` (both (T,), T >= 1)."""
    starts = np.concatenate(([0], np.flatnonzero(buckets[1:] != buckets[:-1]) + 1))
    ends = np.append(starts[1:], len(candles)) - 1
    return Candles(
        open_ms=buckets[starts],
        open=candles.open[starts],
        high=np.maximum.reduceat(candles.high, starts),
        low=np.minimum.reduceat(candles.low, starts),
        close=candles.close[ends],
        volume=np.add.reduceat(candles.volume, starts),
    )


@dataclass(frozen=True, slots=True)
class DayClock:
    """When a prop firm's day begins: at midnight of ``zone``, or ``shift`` before it (less than a day).

    A day that begins at 17:00 New York and bears the next date has the zone America/New_York and a shift of
    seven hours.  Where clocks jump over the moment, the day begins with the jump; where they show it twice,
    it begins with the first.  Source: docs/risk_rules.md#the-prop-firm-day.
    """

    zone: str = PROP_ZONE
    shift: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.shift < timedelta(days=1):
            raise ValueError(f"a day begins less than 24 hours before midnight, was {self.shift!r}")

    def day(self, instant: datetime) -> date:
        """The prop-firm day of an aware instant; ValueError for a naive one."""
        if instant.utcoffset() is None:
            raise ValueError(f"an aware datetime is needed, was {instant!r}")
        wall = instant.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None) + self.shift
        day = wall.date()
        if wall.time() < LATE:
            return day
        # A wall clock may be turned back across the day's edge: then it shows the day before once more.
        return day if instant < self._start(day + timedelta(days=1)) else day + timedelta(days=1)

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """The first instant of ``day`` and of the day after it, in UTC; 23, 24 or 25 hours apart."""
        return self._start(day), self._start(day + timedelta(days=1))

    def next_reset(self, instant: datetime) -> datetime:
        """The first instant, in UTC, of the day after the one that holds ``instant``."""
        return self.bounds(self.day(instant))[1]

    def _start(self, day: date) -> datetime:
        wall, zone = datetime.combine(day, time.min) - self.shift, ZoneInfo(self.zone)
        instant = wall.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            return instant
        return _jump(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant)


# No clock is turned back by three hours: what it shows before is of its own date.
LATE = time(21)


def _jump(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The instant between two, to the second, at which the zone's clocks jump; both in UTC."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


PRAGUE = DayClock()


def server_time(instant: datetime) -> datetime:
    """The wall clock of FTMO's MT5 server: New York plus seven hours, with that offset from UTC.

    Source: docs/risk_rules.md#the-prop-firm-day.
    """
    offset = instant.astimezone(ZoneInfo(SERVER_ZONE)).utcoffset()
    if offset is None:
        raise ValueError(f"an aware datetime is needed, was {instant!r}")
    return instant.astimezone(timezone(offset + SERVER_AHEAD))


def from_server_time(wall: datetime, *, not_before: datetime | None = None) -> datetime:
    """The UTC instant of a naive wall clock of FTMO's MT5 server.

    not_before: the instant of an earlier row of the same list.  In the hour that New York's autumn shows
    twice, the first one is meant unless it would lie before that.  ValueError for an aware datetime.
    Source: docs/risk_rules.md#the-prop-firm-day.
    """
    if wall.tzinfo is not None:
        raise ValueError(f"the server's clock bears no zone, was {wall!r}")
    new_york = (wall - SERVER_AHEAD).replace(tzinfo=ZoneInfo(SERVER_ZONE), fold=0)
    first = new_york.astimezone(UTC)
    if not_before is not None and first < not_before:
        return new_york.replace(fold=1).astimezone(UTC)
    return first
