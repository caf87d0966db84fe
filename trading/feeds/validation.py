"""What a possible candle looks like; every source's rows pass through here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles, utc_from_ms

# 2000-01-01 and 2100-01-01: a stamp outside was read in the wrong unit.
EARLIEST_MS = 946_684_800_000
LATEST_MS = 4_102_444_800_000

_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """Possible bars in rising order, and how many rows were refused with the first one named."""

    candles: Candles
    refused: int
    example: str


def faults(candles: Candles, *, step_ms: int = MINUTE_MS) -> dict[str, np.ndarray]:
    """Mark impossible rows: a sentence part for each rule, with its (T,) bool mask, strictest first.

    The order of rows is not judged here. ``step_ms`` is the bar length that openings must fall on.
    """
    o, h, low, c, v = candles.open, candles.high, candles.low, candles.close, candles.volume
    with np.errstate(invalid="ignore"):
        stamps = candles.open_ms
        marks = {
            "its opening time lies outside 2000 to 2100": (stamps < EARLIEST_MS) | (stamps >= LATEST_MS),
            f"its opening time is not a multiple of {step_ms // 1000} seconds": stamps % step_ms != 0,
        }
        for name in _PRICES:
            marks[f"{name} is not a finite number"] = ~np.isfinite(getattr(candles, name))
        marks["volume is not a finite number"] = ~np.isfinite(v)
        for name in _PRICES:
            marks[f"{name} is not above zero"] = getattr(candles, name) <= 0
        marks["high is below open or close"] = h < np.maximum(o, c)
        marks["low is above open or close"] = low > np.minimum(o, c)
        marks["volume is below zero"] = v < 0
    return marks


def first_fault(candles: Candles, *, step_ms: int = MINUTE_MS) -> tuple[int, str] | None:
    """The first impossible row as (index, sentence part), or None when every row is possible."""
    found: tuple[int, str] | None = None
    for sentence, mask in faults(candles, step_ms=step_ms).items():
        if mask.any():
            row = int(mask.argmax())
            if found is None or row < found[0]:
                found = (row, sentence)
    return found


def describe(candles: Candles, row: int) -> str:
    """One row in words, for messages about it."""
    stamp = int(candles.open_ms[row])
    known = EARLIEST_MS <= stamp < LATEST_MS
    when = f"{utc_from_ms(stamp):%Y-%m-%d %H:%M:%S} UTC" if known else f"epoch {stamp} ms"
    values = ", ".join(f"{name} {getattr(candles, name)[row]:g}" for name in (*_PRICES, "volume"))
    return f"bar of {when} ({values})"


def sift(candles: Candles, *, first_ms: int, last_ms: int) -> Sifted:
    """Keep the possible rows with ``first_ms <= open_ms <= last_ms``, sorted and unique.

    candles: rows as the source gave them, in any order.  Of two rows for one minute the one with
    more volume is kept: a bar only grows, so it is the later account of that minute.  A row
    outside the range was not asked for and is refused like an impossible one.
    """
    bad = np.zeros(len(candles), dtype=bool)
    example = ""
    marks = faults(candles)
    marks["it was not asked for"] = (candles.open_ms < first_ms) | (candles.open_ms > last_ms)
    for sentence, mask in marks.items():
        if mask.any():
            example = example or f"{describe(candles, int(mask.argmax()))}: {sentence}"
            bad |= mask
    kept = take(candles, np.flatnonzero(~bad))
    order = np.lexsort((kept.volume, kept.open_ms))
    ordered = take(kept, order)
    last_of_minute = np.append(ordered.open_ms[1:] != ordered.open_ms[:-1], True)[: len(ordered)]
    return Sifted(
        candles=take(ordered, np.flatnonzero(last_of_minute)), refused=int(bad.sum()), example=example
    )


def take(candles: Candles, rows: np.ndarray) -> Candles:
    """The rows of these indices, copied, in the order of the indices."""
    return Candles(
        open_ms=candles.open_ms[rows],
        open=candles.open[rows],
        high=candles.high[rows],
        low=candles.low[rows],
        close=candles.close[rows],
        volume=candles.volume[rows],
    )
