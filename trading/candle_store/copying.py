"""Many candles at once into PostgreSQL: one packed binary buffer, copied, and merged where rows exist already."""

from __future__ import annotations

import io

import numpy as np
from django.db import connection

from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles
from trading.models import candle_id
from trading.models.market import MINUTES_A_MARKET

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_PRICES = ("open", "high", "low", "close", "volume")
_TYPES = {
    "id": ">i8",
    "market_id": ">i8",
    "open_ms": ">i8",
    **dict.fromkeys(_PRICES, ">f8"),
    "restated": ">i2",
}

# A row in PostgreSQL's binary form: the number of fields, then for each its length and its big-endian value.
_ROW = np.dtype(
    [("fields", ">i2")]
    + [part for name, kind in _TYPES.items() for part in ((f"{name}_length", ">i4"), (name, kind))]
)

_COLUMNS = """(id, market_id, open_ms, "open", high, low, "close", volume, restated)"""
_ANY_STORED = "SELECT EXISTS (SELECT 1 FROM trading_candle WHERE id BETWEEN %s AND %s)"
_COPY = f"COPY trading_candle {_COLUMNS} FROM STDIN (FORMAT binary)"
_STAGING = "CREATE TEMPORARY TABLE candle_staging (LIKE trading_candle) ON COMMIT DROP"
_COPY_STAGING = f"COPY candle_staging {_COLUMNS} FROM STDIN (FORMAT binary)"
_COUNT = """
    SELECT count(*), count(*) FILTER (
        WHERE (c."open", c.high, c.low, c."close", c.volume) <> (s."open", s.high, s.low, s."close", s.volume)
    )
    FROM candle_staging s JOIN trading_candle c ON c.id = s.id WHERE c.id BETWEEN %s AND %s
"""
_MERGE = """
    INSERT INTO trading_candle SELECT * FROM candle_staging
    ON CONFLICT (id) DO UPDATE
    SET "open" = excluded."open", high = excluded.high, low = excluded.low, "close" = excluded."close",
        volume = excluded.volume, restated = trading_candle.restated + 1
    WHERE (trading_candle."open", trading_candle.high, trading_candle.low, trading_candle."close",
           trading_candle.volume)
       <> (excluded."open", excluded.high, excluded.low, excluded."close", excluded.volume)
"""


def candle_ids(market_id: int, open_ms: np.ndarray) -> np.ndarray:
    """The keys of a market's candles, (T,) int64, for (T,) openings on whole minutes."""
    return market_id * MINUTES_A_MARKET + open_ms // MINUTE_MS


def packed(market_id: int, candles: Candles) -> bytes:
    """The body of ``COPY trading_candle ... (FORMAT binary)`` for (T,) candles."""
    rows = np.zeros(len(candles), dtype=_ROW)
    rows["fields"] = len(_TYPES)
    for name in _TYPES:
        rows[f"{name}_length"] = rows[name].dtype.itemsize
    rows["id"] = candle_ids(market_id, candles.open_ms)
    rows["market_id"] = market_id
    for name in ("open_ms", *_PRICES):
        rows[name] = getattr(candles, name)
    return b"".join((_SIGNATURE, rows.data, _TRAILER))


def copy_rows(market_id: int, candles: Candles) -> tuple[int, int]:
    """Write candles; returns how many are new and how many were restated.

    The caller holds the market's lock inside a transaction, so what is looked at here are the same
    rows that are then written.
    """
    body = io.BytesIO(packed(market_id, candles))
    ends = candle_id(market_id, int(candles.open_ms[0])), candle_id(market_id, int(candles.open_ms[-1]))
    with connection.cursor() as cursor:
        cursor.execute(_ANY_STORED, ends)
        if not cursor.fetchone()[0]:
            cursor.copy_expert(_COPY, body)
            return len(candles), 0
        cursor.execute("DROP TABLE IF EXISTS candle_staging")
        cursor.execute(_STAGING)
        cursor.copy_expert(_COPY_STAGING, body)
        cursor.execute(_COUNT, ends)
        known, changed = cursor.fetchone()
        cursor.execute(_MERGE)
    return len(candles) - known, changed
