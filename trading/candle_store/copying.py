"""Many candles at once into PostgreSQL: one packed binary buffer, a staging table, one statement."""

from __future__ import annotations

import io

import numpy as np
from django.db import connection

from trading.core.types import Candles

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_COLUMNS = ("open", "high", "low", "close", "volume")

# A row in PostgreSQL's binary form: the number of fields, then for each its length and its big-endian value.
_ROW = np.dtype(
    [("fields", ">i2"), ("open_ms_length", ">i4"), ("open_ms", ">i8")]
    + [part for name in _COLUMNS for part in ((f"{name}_length", ">i4"), (name, ">f8"))]
)

_STAGING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS candle_staging (
        open_ms bigint, "open" float8, high float8, low float8, "close" float8, volume float8
    ) ON COMMIT DROP
"""
_COPY = "COPY candle_staging FROM STDIN (FORMAT binary)"
_COUNT = """
    SELECT count(*), count(*) FILTER (
        WHERE (c."open", c.high, c.low, c."close", c.volume) <> (s."open", s.high, s.low, s."close", s.volume)
    )
    FROM candle_staging s JOIN trading_candle c ON c.market_id = %s AND c.open_ms = s.open_ms
    WHERE c.open_ms BETWEEN %s AND %s
"""
_MERGE = """
    INSERT INTO trading_candle (market_id, open_ms, "open", high, low, "close", volume, restated)
    SELECT %s, open_ms, "open", high, low, "close", volume, 0 FROM candle_staging
    ON CONFLICT (market_id, open_ms) DO UPDATE
    SET "open" = excluded."open", high = excluded.high, low = excluded.low, "close" = excluded."close",
        volume = excluded.volume, restated = trading_candle.restated + 1
    WHERE (trading_candle."open", trading_candle.high, trading_candle.low, trading_candle."close",
           trading_candle.volume)
       <> (excluded."open", excluded.high, excluded.low, excluded."close", excluded.volume)
"""


def packed(candles: Candles) -> bytes:
    """The body of ``COPY ... (FORMAT binary)`` for (T,) candles: open_ms as bigint, the rest as float8."""
    rows = np.empty(len(candles), dtype=_ROW)
    rows["fields"] = 1 + len(_COLUMNS)
    for name in ("open_ms", *_COLUMNS):
        rows[f"{name}_length"] = 8
        rows[name] = getattr(candles, name)
    return b"".join((_SIGNATURE, rows.data, _TRAILER))


def copy_rows(market_id: int, candles: Candles) -> tuple[int, int]:
    """Write candles through a staging table; returns how many are new and how many were restated.

    The caller holds the market's lock inside a transaction, so the counts are of the same rows that
    are then written.
    """
    first, last = int(candles.open_ms[0]), int(candles.open_ms[-1])
    with connection.cursor() as cursor:
        cursor.execute(_STAGING)
        cursor.execute("TRUNCATE candle_staging")
        cursor.copy_expert(_COPY, io.BytesIO(packed(candles)))
        cursor.execute(_COUNT, (market_id, first, last))
        known, changed = cursor.fetchone()
        cursor.execute(_MERGE, (market_id,))
    return len(candles) - known, changed
