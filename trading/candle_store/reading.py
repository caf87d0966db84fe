"""Rows into arrays: windows of the newest closed bars, and ranges."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from django.db import connection

from trading.candle_store.coverage import covered
from trading.core.timeframes import MINUTE_MS, resample, timeframe_ms
from trading.core.types import Candles
from trading.models import candle_id

_FIELDS = 6

_RANGE = """
    SELECT open_ms, "open", high, low, "close", volume FROM trading_candle
    WHERE id >= %s AND id < %s ORDER BY id
"""
_LAST = """
    SELECT open_ms, "open", high, low, "close", volume FROM trading_candle
    WHERE id >= %s AND id < %s ORDER BY id DESC LIMIT %s
"""
_ENDS = """
    SELECT (SELECT open_ms FROM trading_candle WHERE id >= %s AND id < %s ORDER BY id LIMIT 1),
           (SELECT open_ms FROM trading_candle WHERE id >= %s AND id < %s ORDER BY id DESC LIMIT 1)
"""


def between(market_id: int, start_ms: int, end_ms: int) -> Candles:
    """All stored one-minute bars with ``start_ms <= open_ms < end_ms`` as (T,) arrays, oldest first."""
    return _arrays(_query(_RANGE, (candle_id(market_id, start_ms), candle_id(market_id, end_ms))))


def window(market_id: int, *, until_ms: int, bars: int, timeframe: str = "1m") -> Candles:
    """The last ``bars`` closed bars before ``until_ms`` as (T,) float64 arrays, T <= bars, oldest first.

    One-minute bars open before ``until_ms``.  A longer bar must end at or before ``until_ms`` and
    every minute of it must have been asked for; minutes without trades inside leave no mark.
    Raises ValueError for a timeframe that is not kept or when ``bars`` is below 1.
    """
    if bars < 1:
        raise ValueError(f"a window needs at least one bar, was {bars}")
    length = timeframe_ms(timeframe)
    if length == MINUTE_MS:
        table = _query(_LAST, (candle_id(market_id, 0), candle_id(market_id, until_ms), bars))
        return _arrays(table[:, ::-1])
    return _longer(market_id, until_ms=until_ms, bars=bars, timeframe=timeframe)


def _longer(market_id: int, *, until_ms: int, bars: int, timeframe: str) -> Candles:
    """The last closed bars of a timeframe above one minute."""
    length = timeframe_ms(timeframe)
    with connection.cursor() as cursor:
        cursor.execute(_ENDS, 2 * (candle_id(market_id, 0), candle_id(market_id, until_ms)))
        oldest, newest = cursor.fetchone()
    if oldest is None:
        return Candles.empty()
    known = covered(market_id, oldest, until_ms) or [(oldest, newest + MINUTE_MS)]
    edge = min(until_ms, known[-1][1])
    edge -= edge % length
    reach = bars * length
    while True:
        start = edge - reach
        minutes = between(market_id, start, edge)
        found = _within(
            resample(minutes, timeframe, complete_to_ms=edge, complete_from_ms=start), known, length
        )
        if len(found) >= bars or start <= oldest:
            return found[-bars:]
        reach *= 2


def _within(bars: Candles, known: list[tuple[int, int]], length: int) -> Candles:
    """Those bars that lie wholly inside one of the rising ``known`` stretches."""
    starts = np.array([start for start, _ in known], dtype=np.int64)
    ends = np.array([end for _, end in known], dtype=np.int64)
    places = np.searchsorted(starts, bars.open_ms, side="right") - 1
    whole = (places >= 0) & (bars.open_ms + length <= ends[places])
    if bool(whole.all()):
        return bars
    return Candles(
        open_ms=bars.open_ms[whole],
        open=bars.open[whole],
        high=bars.high[whole],
        low=bars.low[whole],
        close=bars.close[whole],
        volume=bars.volume[whole],
    )


def _query(statement: str, values: tuple[Any, ...]) -> np.ndarray:
    """The six columns of the candles a statement finds, as a (6, T) float64 array."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        # A double holds every whole number of milliseconds below 2**53, which is the year 287,396.
        flat = np.fromiter(chain.from_iterable(cursor), dtype=np.float64)
    return flat.reshape(-1, _FIELDS).T


def _arrays(table: np.ndarray) -> Candles:
    columns = np.ascontiguousarray(table)
    return Candles(
        open_ms=columns[0].astype(np.int64),
        open=columns[1],
        high=columns[2],
        low=columns[3],
        close=columns[4],
        volume=columns[5],
    )
