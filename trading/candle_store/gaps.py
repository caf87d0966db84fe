"""Minutes without candles, kept as stretches and told apart.

A gap is a longest run of minutes without a candle inside one covered stretch, with a candle before it
in that stretch: what lies before the first candle may be older than the market. Minutes that were never
asked for are no gap.

A gap is an OUTAGE of the source when it is at least ``OUTAGE_MINUTES`` long and the market had candles
in at least ``USUAL_DENSITY`` of the known minutes of the day before it; a long gap with less than
``LEAST_KNOWN_MINUTES`` known before it is taken for one too, because unknown must not look harmless.
Every other gap is NO_TRADES.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db import connection, transaction
from django.db.models import Count, F, Sum

from trading.candle_store.coverage import cover
from trading.core.timeframes import DAY_MS, MINUTE_MS
from trading.models import Gap, GapKind, candle_id

OUTAGE_MINUTES = 30
USUAL_DENSITY = 0.9
LEAST_KNOWN_MINUTES = 60

# The openings of a range with one neighbour on each side, all inside one covered stretch.
_OPENS = """
    SELECT open_ms FROM trading_candle
    WHERE id >= COALESCE((SELECT max(id) FROM trading_candle WHERE id >= %s AND id < %s), %s)
    AND id <= COALESCE((SELECT min(id) FROM trading_candle WHERE id >= %s AND id < %s), %s)
    ORDER BY id
"""
_OPENS_BETWEEN = "SELECT open_ms FROM trading_candle WHERE id >= %s AND id < %s ORDER BY id"
_GAPS = """
    SELECT id, start_ms, end_ms, kind FROM trading_gap
    WHERE market_id = %s AND start_ms < %s AND end_ms > %s ORDER BY start_ms
"""


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Minutes from ``start_ms`` up to, not including, ``end_ms``."""

    start_ms: int
    end_ms: int

    @property
    def minutes(self) -> int:
        return (self.end_ms - self.start_ms) // MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class GapChanges:
    """What a look at a range changed: outages seen for the first time, and outages that late bars filled."""

    outages: tuple[Stretch, ...] = field(default=())
    filled: tuple[Stretch, ...] = field(default=())


def mark_complete(market_id: int, *, from_ms: int, to_ms: int, now: datetime) -> GapChanges:
    """Note that the source showed everything it has of ``[from_ms, to_ms)``; what is missing becomes gaps.

    Call it after the candles of the range are stored, in the same transaction.  Gaps around the range
    grow, shrink, split, join or go as the stored candles demand.  Both ends are whole minutes.
    Raises ValueError for a range that is not.
    """
    if from_ms % MINUTE_MS or to_ms % MINUTE_MS or to_ms <= from_ms:
        raise ValueError(f"a range of whole minutes is needed, was {from_ms} to {to_ms}")
    with transaction.atomic(savepoint=False):
        known = Stretch(*cover(market_id, start_ms=from_ms, end_ms=to_ms))
        opens = _opens_around(market_id, Stretch(from_ms, to_ms), known)
        region = _region(opens, Stretch(from_ms, to_ms), known)
        with connection.cursor() as cursor:
            cursor.execute(_GAPS, (market_id, region.end_ms, region.start_ms))
            noted: list[tuple[int, int, int, str]] = cursor.fetchall()
        absent = _absent(opens, region)
        if not noted and not absent:
            return GapChanges()
        return _rewrite(market_id, noted=noted, absent=absent, known=known, now=now)


def _opens_around(market_id: int, asked: Stretch, known: Stretch) -> np.ndarray:
    """Openings in ``asked`` and of one neighbour on each side within ``known``, (T,) int64."""
    bounds = (
        known.start_ms,
        asked.start_ms,
        asked.start_ms,
        asked.end_ms,
        known.end_ms,
        asked.end_ms - MINUTE_MS,
    )
    with connection.cursor() as cursor:
        cursor.execute(_OPENS, [candle_id(market_id, bound) for bound in bounds])
        return np.fromiter((row[0] for row in cursor), dtype=np.int64)


def _region(opens: np.ndarray, asked: Stretch, known: Stretch) -> Stretch:
    """The minutes whose gaps may have changed: from candle to candle, or to where knowledge ends."""
    if len(opens) == 0:
        return Stretch(known.start_ms, known.end_ms)
    last = int(opens[-1])
    end = last if last >= asked.end_ms else known.end_ms
    return Stretch(int(opens[0]), end)


def _absent(opens: np.ndarray, region: Stretch) -> list[Stretch]:
    """The runs of minutes in ``region`` without an opening; before the first candle nothing is absent."""
    if len(opens) == 0:
        return []
    edges = np.append(opens, region.end_ms)
    holes = np.flatnonzero(edges[1:] - edges[:-1] > MINUTE_MS)
    starts = (edges[holes] + MINUTE_MS).tolist()
    ends = edges[holes + 1].tolist()
    return [Stretch(start, end) for start, end in zip(starts, ends, strict=True)]


def _rewrite(
    market_id: int,
    *,
    noted: list[tuple[int, int, int, str]],
    absent: list[Stretch],
    known: Stretch,
    now: datetime,
) -> GapChanges:
    """Make the rows of a region say what is absent; rows that already say it stay untouched."""
    rows = {row[1]: row for row in noted}
    wanted = set(absent)
    kept = {row[0] for row in noted if Stretch(row[1], row[2]) in wanted}
    changed = [gap for gap in absent if gap.start_ms not in rows or rows[gap.start_ms][0] not in kept]
    outages = set(_outages(market_id, changed, known))
    fresh = []
    for gap in changed:
        kind = GapKind.OUTAGE if gap in outages else GapKind.NO_TRADES
        if gap.start_ms in rows:
            pk = rows[gap.start_ms][0]
            kept.add(pk)
            Gap.objects.filter(pk=pk).update(end_ms=gap.end_ms, kind=kind)
        else:
            row = Gap(market_id=market_id, start_ms=gap.start_ms, end_ms=gap.end_ms, kind=kind, found_at=now)
            fresh.append(row)
    gone = [row[0] for row in noted if row[0] not in kept]
    for start in range(0, len(gone), 500):
        Gap.objects.filter(pk__in=gone[start : start + 500]).delete()
    if fresh:
        Gap.objects.bulk_create(fresh, batch_size=5_000)
    known_outages = [Stretch(row[1], row[2]) for row in noted if row[3] == GapKind.OUTAGE]
    return GapChanges(
        outages=tuple(sorted(gap for gap in outages if not any(_overlap(gap, old) for old in known_outages))),
        filled=tuple(old for old in known_outages if _minutes_left(old, absent) < old.minutes),
    )


def _overlap(one: Stretch, other: Stretch) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms


def _minutes_left(old: Stretch, absent: list[Stretch]) -> int:
    """How many minutes of ``old`` are still absent."""
    shares = (min(old.end_ms, gap.end_ms) - max(old.start_ms, gap.start_ms) for gap in absent)
    return sum(share for share in shares if share > 0) // MINUTE_MS


def _outages(market_id: int, gaps: list[Stretch], known: Stretch) -> list[Stretch]:
    """Those gaps that the module's rule calls outages of the source."""
    long = [gap for gap in gaps if gap.minutes >= OUTAGE_MINUTES]
    if not long:
        return []
    opens = _opens_between(market_id, long[0].start_ms - DAY_MS, long[-1].start_ms)
    found = []
    for gap in long:
        since = max(gap.start_ms - DAY_MS, known.start_ms)
        minutes = (gap.start_ms - since) // MINUTE_MS
        present = int(np.searchsorted(opens, gap.start_ms) - np.searchsorted(opens, since))
        if minutes < LEAST_KNOWN_MINUTES or present >= USUAL_DENSITY * minutes:
            found.append(gap)
    return found


def _opens_between(market_id: int, start_ms: int, end_ms: int) -> np.ndarray:
    with connection.cursor() as cursor:
        cursor.execute(_OPENS_BETWEEN, (candle_id(market_id, start_ms), candle_id(market_id, end_ms)))
        return np.fromiter((row[0] for row in cursor), dtype=np.int64)


def gap_counts(market_id: int) -> dict[str, int]:
    """Missing minutes by kind, and the number of stretches: ``{"no_trades", "outage", "stretches"}``."""
    counts = {str(kind): 0 for kind in GapKind} | {"stretches": 0}
    rows = Gap.objects.filter(market_id=market_id).values_list("kind").order_by("kind")
    length = Sum(F("end_ms") - F("start_ms"))
    for kind, milliseconds, stretches in rows.annotate(length=length, stretches=Count("id")):
        counts[kind] = milliseconds // MINUTE_MS
        counts["stretches"] += stretches
    return counts


def has_gap(
    market_id: int, start_ms: int, end_ms: int, kinds: Collection[GapKind] = (GapKind.OUTAGE,)
) -> bool:
    """Whether a gap of one of these kinds overlaps ``[start_ms, end_ms)``."""
    overlapping = Gap.objects.filter(market_id=market_id, start_ms__lt=end_ms, end_ms__gt=start_ms)
    return overlapping.filter(kind__in=kinds).exists()
