"""The measurements of ``bench/candles.py``, on the database that the settings name."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import numpy as np
from django.core.management import call_command
from django.db import connection, transaction
from psycopg2.extras import execute_values

from trading import candle_store
from trading.core.types import Candles
from trading.models import Candle, Market, candle_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_MS = 1_600_000_020_000
# The reference is slow and steady: a part of the rows gives its rate.
REFERENCE_ROWS = 100_000
WINDOW_BARS = 500
WINDOWS = 200
COLUMNS = ("open_ms", "open", "high", "low", "close", "volume")

_INSERT = 'INSERT INTO trading_candle (id, market_id, open_ms, "open", high, low, "close", volume, restated) VALUES '


def walk(rows: int) -> Candles:
    """A random walk of one-minute bars."""
    rng = np.random.default_rng(1)
    close = 60_000.0 + np.cumsum(rng.normal(0, 5, rows))
    opened = np.concatenate(([60_000.0], close[:-1]))
    spread = rng.exponential(4.0, rows)
    return Candles(
        open_ms=FIRST_MS + 60_000 * np.arange(rows, dtype=np.int64),
        open=opened,
        high=np.maximum(opened, close) + spread,
        low=np.minimum(opened, close) - spread,
        close=close,
        volume=rng.exponential(3.0, rows),
    )


def listed(market: Market, candles: Candles) -> list[tuple[float, ...]]:
    rows = zip(*(getattr(candles, name).tolist() for name in COLUMNS), strict=True)
    return [(candle_id(market.pk, row[0]), market.pk, *row) for row in rows]


def bulk_create(market: Market, candles: Candles) -> None:
    """Django's own way."""
    names = ("id", "market_id", *COLUMNS)
    Candle.objects.bulk_create(
        Candle(**dict(zip(names, row, strict=True))) for row in listed(market, candles)
    )


def values_pages(market: Market, candles: Candles) -> None:
    """psycopg2's way for many rows."""
    template = "(%s, %s, %s, %s, %s, %s, %s, %s, 0)"
    with transaction.atomic(), connection.cursor() as cursor:
        statement = _INSERT + "%s ON CONFLICT DO NOTHING"
        execute_values(cursor.cursor, statement, listed(market, candles), template=template, page_size=1000)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def report(bench: str, *, ours: float, reference: float, target: float, unit: str) -> None:
    """One line; ours and reference are rates, so a ratio above 1 is in our favour."""
    ratio = ours / reference
    line = {"bench": f"{bench}_{connection.vendor}", "ours": round(ours), "reference": round(reference)}
    line |= {"unit": unit, "ratio": round(ratio, 2), "target": target, "ok": ratio >= target}
    print(json.dumps(line), flush=True)


def empty() -> None:
    """No candles, as on the first day; the table is made anew so that no round inherits another's pages."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE trading_candle" if connection.vendor == "postgresql" else "DELETE FROM trading_candle"
        )


def ingest(market: Market, candles: Candles, rounds: int) -> None:
    """Rows a second into an empty table."""
    reference = values_pages if connection.vendor == "postgresql" else bulk_create
    part = candles[: min(REFERENCE_ROWS, len(candles))]
    ours, theirs = [], []
    for _ in range(rounds):
        empty()
        ours.append(len(candles) / seconds(lambda: candle_store.append(market.pk, candles, now=NOW)))
        empty()
        theirs.append(len(part) / seconds(lambda: reference(market, part)))
    report(
        "candle_ingest",
        ours=statistics.median(ours),
        reference=statistics.median(theirs),
        target=10,
        unit="rows/s",
    )


def windows(market: Market, candles: Candles, rounds: int) -> None:
    """Windows of the newest bars a second, as arrays, from a full table."""
    empty()
    candle_store.append(market.pk, candles, now=NOW)
    ends = candles.open_ms[-WINDOWS:].tolist()

    def through_models(until_ms: int) -> np.ndarray:
        rows = Candle.objects.stretch(market.pk, 0, until_ms).order_by("-id")[:WINDOW_BARS]
        return np.array([[getattr(row, name) for name in COLUMNS] for row in rows])[::-1]

    def ours() -> None:
        for until_ms in ends:
            candle_store.window(market.pk, until_ms=until_ms, bars=WINDOW_BARS)

    def reference() -> None:
        for until_ms in ends:
            through_models(until_ms)

    pairs = [(WINDOWS / seconds(ours), WINDOWS / seconds(reference)) for _ in range(rounds)]
    report(
        "candle_window",
        ours=statistics.median(pair[0] for pair in pairs),
        reference=statistics.median(pair[1] for pair in pairs),
        target=2,
        unit="windows/s",
    )


def minutes(market: Market, candles: Candles, rounds: int) -> None:
    """Single new bars a second, five older ones read again with each, beside the same through models."""
    empty()
    first = len(candles) - 200 * rounds
    candle_store.append(market.pk, candles[:first], now=NOW)
    pages = [candles[i - 5 : i + 1] for i in range(first, len(candles))]
    pairs = []
    for start in range(0, len(pages), 200):
        mine, theirs = pages[start : start + 100], pages[start + 100 : start + 200]
        pairs.append(
            (
                100 / seconds(partial(append_each, market, mine)),
                100 / seconds(partial(save_each, market, theirs)),
            )
        )
    report(
        "candle_minute",
        ours=statistics.median(pair[0] for pair in pairs),
        reference=statistics.median(pair[1] for pair in pairs),
        target=1.5,
        unit="minutes/s",
    )


def append_each(market: Market, pages: list[Candles]) -> None:
    for page in pages:
        candle_store.append(market.pk, page, now=NOW)


def save_each(market: Market, pages: list[Candles]) -> None:
    """Django's own way: one transaction a page, one lookup and one write a bar."""
    for page in pages:
        with transaction.atomic():
            for key, market_id, *values in listed(market, page):
                columns = dict(zip(COLUMNS, values, strict=True))
                Candle.objects.update_or_create(pk=key, defaults={"market_id": market_id, **columns})


def main() -> None:
    rows, rounds = int(sys.argv[1]), int(sys.argv[2])
    call_command("migrate", verbosity=0)
    market = Market.objects.create(key="BENCH-USD", symbol="BENCH-USD", source="replay")
    candles = walk(rows)
    ingest(market, candles, rounds)
    windows(market, candles, rounds)
    minutes(market, candles, rounds)
