"""Closed candles into rows: new ones inserted, changed ones restated and counted, equal ones left alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

import numpy as np
from django.db import connection, transaction

from trading.candle_store.copying import candle_ids, copy_rows
from trading.candle_store.reading import between
from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles, ms_from_utc
from trading.feeds.validation import describe, first_fault
from trading.models import Market

# So many rows are compared and written at a time: what is held in memory does not grow with the request.
CHUNK = 100_000
# On PostgreSQL a copy through a staging table beats single rows from about here.
COPY_FROM = 200
# Eight values a row: SQLite's smallest limit of values in one statement is 999.
ROWS_A_STATEMENT = 100

_COLUMNS = ("open", "high", "low", "close", "volume")

_LOCK = """
    UPDATE trading_market
    SET newest_ms = CASE WHEN newest_ms IS NULL OR newest_ms < %s THEN %s ELSE newest_ms END
    WHERE id = %s
"""
_COUNT_RESTATED = "UPDATE trading_market SET restated_candles = restated_candles + %s WHERE id = %s"
_INSERT = 'INSERT INTO trading_candle (id, market_id, open_ms, "open", high, low, "close", volume, restated) VALUES '
_RESTATE = """
    ON CONFLICT (id) DO UPDATE
    SET "open" = excluded."open", high = excluded.high, low = excluded.low, "close" = excluded."close",
        volume = excluded.volume, restated = trading_candle.restated + 1
"""
_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, 0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What became of the bars handed in: their three counts add up to how many there were."""

    new: int = 0
    restated: int = 0
    same: int = 0

    def __add__(self, other: Appended) -> Appended:
        return Appended(
            new=self.new + other.new,
            restated=self.restated + other.restated,
            same=self.same + other.same,
        )


def append(market_id: int, candles: Candles, *, now: datetime) -> Appended:
    """Store closed one-minute bars of one market; all of them or, on an error, none.

    candles: (T,) bars in strictly rising order.  A bar already stored with other values is restated
    and counted on the row and on its market.  Raises ValueError when a bar is impossible, out of
    order or not closed at ``now``, Market.DoesNotExist for an unknown market.
    """
    if len(candles) == 0:
        return Appended()
    _refuse_unsound(candles, closed_ms=ms_from_utc(now))
    newest = int(candles.open_ms[-1])
    total = Appended()
    with transaction.atomic(savepoint=False):
        with connection.cursor() as cursor:
            # First of all: this locks the market, so that two writers compare with the same rows.
            cursor.execute(_LOCK, (newest, newest, market_id))
            if cursor.rowcount == 0:
                raise Market.DoesNotExist(f"there is no market with the id {market_id}")
        for start in range(0, len(candles), CHUNK):
            total += _append_chunk(market_id, candles[start : start + CHUNK])
        _finish(market_id, total)
    return total


def _finish(market_id: int, total: Appended) -> None:
    with connection.cursor() as cursor:
        if total.restated:
            cursor.execute(_COUNT_RESTATED, (total.restated, market_id))
        if total.new >= CHUNK and connection.vendor == "postgresql":
            # Without fresh statistics the planner sorts a whole market to find its newest bars.
            cursor.execute("ANALYZE trading_candle")


def _append_chunk(market_id: int, candles: Candles) -> Appended:
    if connection.vendor == "postgresql" and len(candles) >= COPY_FROM:
        new, restated = copy_rows(market_id, candles)
        return Appended(new=new, restated=restated, same=len(candles) - new - restated)
    stored = between(market_id, int(candles.open_ms[0]), int(candles.open_ms[-1]) + 1)
    fresh, changed = _compare(candles, stored)
    wanted = fresh | changed
    if wanted.any():
        _upsert(market_id, candles, wanted)
    new, restated = int(fresh.sum()), int(changed.sum())
    return Appended(new=new, restated=restated, same=len(candles) - new - restated)


def _upsert(market_id: int, candles: Candles, wanted: np.ndarray) -> None:
    """Insert or restate the ``wanted`` (T,) bars, many rows to a statement."""
    columns = [getattr(candles, name)[wanted] for name in ("open_ms", *_COLUMNS)]
    # The columns' types turn the doubles of key, market and opening back into whole numbers, exactly.
    keys = candle_ids(market_id, columns[0])
    table = np.column_stack([keys, np.full(len(keys), market_id), *columns])
    full = len(table) - len(table) % ROWS_A_STATEMENT
    with connection.cursor() as cursor:
        if full:
            rows = table[:full].reshape(-1, ROWS_A_STATEMENT * table.shape[1])
            cursor.executemany(_statement(ROWS_A_STATEMENT), rows.tolist())
        if full < len(table):
            cursor.execute(_statement(len(table) - full), table[full:].ravel().tolist())


@cache
def _statement(rows: int) -> str:
    """The upsert of so many rows; at most ``ROWS_A_STATEMENT`` different ones exist."""
    return _INSERT + ", ".join([_ROW] * rows) + _RESTATE


def _compare(candles: Candles, stored: Candles) -> tuple[np.ndarray, np.ndarray]:
    """Two (T,) masks over ``candles``: those not in ``stored``, and those with other values there."""
    if len(stored) == 0:
        return np.ones(len(candles), dtype=bool), np.zeros(len(candles), dtype=bool)
    places = np.searchsorted(stored.open_ms, candles.open_ms)
    places[places == len(stored)] = 0
    fresh = stored.open_ms[places] != candles.open_ms
    differs = np.zeros(len(candles), dtype=bool)
    for name in _COLUMNS:
        differs |= getattr(stored, name)[places] != getattr(candles, name)
    return fresh, differs & ~fresh


def _refuse_unsound(candles: Candles, *, closed_ms: int) -> None:
    """Raise ValueError with a sentence when the arrays cannot be closed bars in rising order."""
    length = len(candles)
    for name in ("open_ms", *_COLUMNS):
        shape = getattr(candles, name).shape
        if shape != (length,):
            raise ValueError(f"candles need equally long columns of one dimension, {name} was {shape}")
    opens = candles.open_ms
    rising = opens[1:] > opens[:-1]
    if not rising.all():
        place = int(rising.argmin()) + 1
        raise ValueError(f"{describe(candles, place)} does not come after the bar before it")
    if fault := _fault(candles):
        raise ValueError(f"{describe(candles, fault[0])}: {fault[1]}")
    if int(opens[-1]) + MINUTE_MS > closed_ms:
        raise ValueError(f"{describe(candles, length - 1)} is not closed yet")


def _fault(candles: Candles) -> tuple[int, str] | None:
    """The first impossible row and why; the reason is looked for only when something is wrong."""
    o, h, low, c, v = candles.open, candles.high, candles.low, candles.close, candles.volume
    possible = (
        (candles.open_ms % MINUTE_MS == 0)
        & (low > 0)
        & (low <= o)
        & (low <= c)
        & (h >= o)
        & (h >= c)
        & (h < np.inf)
        & (v >= 0)
        & (v < np.inf)
    )
    return None if possible.all() else first_fault(candles)
