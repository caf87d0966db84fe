"""Candles made for tests, and the slow, plain answers that stored ones are compared with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trading.core.types import Candles

MINUTE_MS = 60_000
COLUMNS = ("open_ms", "open", "high", "low", "close", "volume")


def bars(openings: Iterable[int], *, version: int = 0) -> Candles:
    """Possible bars at these openings; ``version`` gives the same minutes other values."""
    open_ms = np.array(list(openings), dtype=np.int64)
    minute = open_ms // MINUTE_MS
    base = 100.0 + (minute * 7919 % 1000) / 10 + version / 8
    return Candles(
        open_ms=open_ms, open=base, high=base + 1.5, low=base - 1.25, close=base + 0.5, volume=minute % 17 / 4
    )


Row = float | tuple[float, ...] | None


def make_candles(rows: Iterable[Row], *, start_ms: int) -> Candles:
    """One bar a minute from ``start_ms`` on: a price for a flat bar, (open, high, low, close[, volume]), or None.

    None leaves the minute out; a volume that is not named is large.
    """
    found = []
    for number, row in enumerate(rows):
        if row is not None:
            values = (row,) * 4 if isinstance(row, int | float) else row
            found.append((start_ms + number * MINUTE_MS, *values, *((1e6,) if len(values) == 4 else ())))
    columns = np.array(found, dtype=np.float64).reshape(-1, 6).T
    return Candles(
        open_ms=columns[0].astype(np.int64),
        open=columns[1],
        high=columns[2],
        low=columns[3],
        close=columns[4],
        volume=columns[5],
    )


def equal(first: Candles, second: Candles) -> bool:
    """Whether two stretches agree in every bit."""
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in COLUMNS)


def part(candles: Candles, start_ms: int, end_ms: int) -> Candles:
    """The bars with ``start_ms <= open_ms < end_ms``."""
    first, end = np.searchsorted(candles.open_ms, [start_ms, end_ms])
    return candles[int(first) : int(end)]


def absent_runs(openings: Iterable[int], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Runs of minutes in the range without an opening, after the first one that has one; minute by minute."""
    present = set(openings)
    runs: list[list[int]] = []
    seen = False
    for minute in range(start_ms, end_ms, MINUTE_MS):
        if minute in present:
            seen = True
        elif seen and runs and runs[-1][1] == minute:
            runs[-1][1] = minute + MINUTE_MS
        elif seen:
            runs.append([minute, minute + MINUTE_MS])
    return [(start, end) for start, end in runs]
