"""Which minutes the source was asked about; only inside them can a missing candle mean anything."""

from __future__ import annotations

from django.db import connection

from trading.models import Coverage

_TOUCHING = """
    SELECT id, start_ms, end_ms FROM trading_coverage
    WHERE market_id = %s AND start_ms <= %s AND end_ms >= %s ORDER BY start_ms
"""
_MOVE = "UPDATE trading_coverage SET start_ms = %s, end_ms = %s WHERE id = %s"


def cover(market_id: int, *, start_ms: int, end_ms: int) -> tuple[int, int]:
    """Note that ``[start_ms, end_ms)`` is known; returns the whole known stretch that holds it now.

    The caller holds the market's lock inside a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHING, (market_id, end_ms, start_ms))
        rows: list[tuple[int, int, int]] = cursor.fetchall()
    if not rows:
        Coverage.objects.create(market_id=market_id, start_ms=start_ms, end_ms=end_ms)
        return start_ms, end_ms
    first, *others = rows
    whole = min(first[1], start_ms), max(rows[-1][2], end_ms)
    if others:
        Coverage.objects.filter(pk__in=[row[0] for row in others]).delete()
    if whole != first[1:]:
        with connection.cursor() as cursor:
            cursor.execute(_MOVE, (*whole, first[0]))
    return whole


def covered(market_id: int, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """The known stretches that overlap ``[start_ms, end_ms)``, uncut, oldest first."""
    rows = Coverage.objects.filter(market_id=market_id, start_ms__lt=end_ms, end_ms__gt=start_ms)
    return list(rows.order_by("start_ms").values_list("start_ms", "end_ms"))


def uncovered(market_id: int, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """The stretches of ``[start_ms, end_ms)`` that the source was never asked about, oldest first."""
    missing = []
    at = start_ms
    for known_from, known_to in covered(market_id, start_ms, end_ms):
        if known_from > at:
            missing.append((at, known_from))
        at = known_to
    if at < end_ms:
        missing.append((at, end_ms))
    return missing


def is_covered(market_id: int, start_ms: int, end_ms: int) -> bool:
    """Whether every minute of ``[start_ms, end_ms)`` was asked for; absent candles inside are gaps."""
    return not uncovered(market_id, start_ms, end_ms)
