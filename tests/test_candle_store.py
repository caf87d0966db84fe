"""The store keeps every bar once, counts what was restated, tells gaps apart and invents nothing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import candles as made
from tests.candles import MINUTE_MS, bars, equal
from trading import candle_store
from trading.candle_store import Appended, Stretch
from trading.core.timeframes import resample
from trading.core.types import Candles, ms_from_utc
from trading.feeds.candle_files import load_candles
from trading.models import Candle, Coverage, Gap, GapKind, Market, candle_id

START = datetime(2026, 3, 2, tzinfo=UTC)
START_MS = ms_from_utc(START)
NOW = START + timedelta(days=60)
DAY = 1440
_numbers = count()


def new_market() -> Market:
    number = next(_numbers)
    return Market.objects.create(key=f"M{number}-USD", symbol=f"M{number}-USD", source="coinbase")


def at(minute: int) -> int:
    return START_MS + minute * MINUTE_MS


def store(market: Market, minutes: range | list[int], *, complete: tuple[int, int] | None = None) -> None:
    """Bars at these minutes, and the note that the range in minutes was asked for."""
    candle_store.append(market.pk, bars(map(at, minutes)), now=NOW)
    first, end = complete or (minutes[0], minutes[-1] + 1)
    candle_store.mark_complete(market.pk, from_ms=at(first), to_ms=at(end), now=NOW)


def gaps(market: Market) -> list[tuple[int, int, str]]:
    """The market's gaps in minutes."""
    rows = Gap.objects.filter(market=market).order_by("start_ms").values_list("start_ms", "end_ms", "kind")
    return [((a - START_MS) // MINUTE_MS, (b - START_MS) // MINUTE_MS, kind) for a, b, kind in rows]


def stored(market: Market) -> Candles:
    return candle_store.between(market.pk, 0, 2**53)


@pytest.fixture
def market(db: None) -> Market:
    return new_market()


# --- writing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4, 150, 1500], ids=["a few", "some", "many"])
def test_bars_are_new_then_same_then_restated(market: Market, size: int) -> None:
    first = bars(at(i) for i in range(size))
    assert candle_store.append(market.pk, first, now=NOW) == Appended(new=size)
    assert candle_store.append(market.pk, first, now=NOW) == Appended(same=size)

    late = bars((at(i) for i in range(size - 3, size + 2)), version=1)
    assert candle_store.append(market.pk, late, now=NOW) == Appended(new=2, restated=3)
    mixed = bars((at(i) for i in range(size + 2)), version=1)
    assert candle_store.append(market.pk, mixed, now=NOW) == Appended(restated=size - 3, same=5)

    assert equal(stored(market), mixed)
    market.refresh_from_db()
    assert market.newest_ms == at(size + 1)
    assert market.restated_candles == size
    times = Candle.objects.stretch(market.pk, 0, 2**53).values_list("restated", flat=True)
    assert sorted(times) == [0, 0, *[1] * size]


def test_a_minute_costs_three_statements(market: Market) -> None:
    candle_store.append(market.pk, bars(at(i) for i in range(50)), now=NOW)
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        candle_store.append(market.pk, bars(at(i) for i in range(45, 51)), now=NOW)
    assert len(queries) <= 3


def test_only_the_corrected_column_differs(market: Market) -> None:
    first = bars(at(i) for i in range(3))
    candle_store.append(market.pk, first, now=NOW)
    volume = first.volume.copy()
    volume[1] += 0.125
    corrected = Candles(
        open_ms=first.open_ms,
        open=first.open,
        high=first.high,
        low=first.low,
        close=first.close,
        volume=volume,
    )
    assert candle_store.append(market.pk, corrected, now=NOW) == Appended(restated=1, same=2)
    assert stored(market).volume.tolist() == volume.tolist()


def spoiled(**columns: object) -> Candles:
    whole = {name: getattr(bars(map(at, range(3))), name).copy() for name in made.COLUMNS}
    for name, value in columns.items():
        whole[name][1] = value
    return Candles(**whole)


@pytest.mark.parametrize(
    ("candles", "sentence"),
    [
        pytest.param(spoiled(high=1.0), "high is below", id="high below the body"),
        pytest.param(spoiled(low=1e9), "low is above", id="low above the body"),
        pytest.param(spoiled(low=0.0), "low is not above zero", id="nothing"),
        pytest.param(spoiled(close=float("nan")), "close is not a finite number", id="nan"),
        pytest.param(spoiled(high=float("inf")), "high is not a finite number", id="infinite"),
        pytest.param(spoiled(volume=-1.0), "volume is below zero", id="negative volume"),
        pytest.param(spoiled(open_ms=at(1) + 1), "not a multiple of 60 seconds", id="between minutes"),
        pytest.param(spoiled(open_ms=at(0)), "does not come after", id="twice"),
        pytest.param(spoiled(open_ms=at(7)), "does not come after", id="out of order"),
    ],
)
def test_an_impossible_bar_refuses_all_of_them(market: Market, candles: Candles, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        candle_store.append(market.pk, candles, now=NOW)
    assert not Candle.objects.exists()


def test_columns_of_unequal_length_are_refused(market: Market) -> None:
    whole = bars(map(at, range(3)))
    lame = Candles(
        open_ms=whole.open_ms,
        open=whole.open,
        high=whole.high,
        low=whole.low,
        close=whole.close,
        volume=whole.volume[:2],
    )
    with pytest.raises(ValueError, match="equally long"):
        candle_store.append(market.pk, lame, now=NOW)


def test_a_running_bar_is_refused(market: Market) -> None:
    running = bars([at(0)])
    with pytest.raises(ValueError, match="not closed yet"):
        candle_store.append(market.pk, running, now=START + timedelta(seconds=59))
    assert candle_store.append(market.pk, running, now=START + timedelta(seconds=60)) == Appended(new=1)


def test_an_unknown_market_is_refused(db: None) -> None:
    with pytest.raises(Market.DoesNotExist):
        candle_store.append(987_654, bars([at(0)]), now=NOW)


def test_a_row_that_is_not_named_by_its_minute_cannot_exist(market: Market) -> None:
    candle = bars([at(0)])
    values = {name: float(getattr(candle, name)[0]) for name in made.COLUMNS[1:]}
    Candle.objects.create(market=market, open_ms=at(0), **values)
    assert Candle.objects.get().pk == candle_id(market.pk, at(0))
    with pytest.raises(IntegrityError), transaction.atomic():
        Candle.objects.bulk_create([Candle(market=market, open_ms=at(5), **values)])


def test_markets_do_not_see_each_other(db: None) -> None:
    first, second = new_market(), new_market()
    store(first, range(10))
    store(second, range(5, 30))
    assert len(stored(first)) == 10
    assert len(stored(second)) == 25
    assert len(candle_store.window(first.pk, until_ms=2**53, bars=100)) == 10
    assert len(candle_store.window(second.pk, until_ms=at(30), bars=100)) == 25


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_leave_what_one_would() -> None:
    market = new_market()
    found: list[Appended] = []

    def write(first: int) -> None:
        try:
            for start in range(first, 60, 10):
                page = bars(at(i) for i in range(start, start + 20))
                found.append(candle_store.append(market.pk, page, now=NOW))
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert equal(stored(market), bars(at(i) for i in range(75)))
    total = sum(found, Appended())
    assert (total.new, total.restated) == (75, 0)


# --- reading ---------------------------------------------------------------------------------------------------


def test_a_window_is_the_newest_bars_before_an_instant(market: Market) -> None:
    whole = bars(at(i) for i in range(100) if i % 7)
    candle_store.append(market.pk, whole, now=NOW)
    read = candle_store.window(market.pk, until_ms=at(50), bars=20)
    before = made.part(whole, 0, at(50))
    assert equal(read, before[-20:])
    assert read.open.dtype == np.float64
    assert read.open_ms.dtype == np.int64
    assert read.close.flags["C_CONTIGUOUS"]
    assert equal(candle_store.window(market.pk, until_ms=at(50), bars=1000), before)
    assert len(candle_store.window(market.pk, until_ms=at(0), bars=5)) == 0
    assert equal(candle_store.between(market.pk, at(9) + 1, at(12)), made.part(whole, at(10), at(12)))


@pytest.mark.parametrize("timeframe", ["5m", "15m", "1h", "4h", "1d"])
def test_longer_bars_are_built_from_closed_minutes_only(market: Market, timeframe: str) -> None:
    minutes = [i for i in range(3 * DAY + 17) if i % 11]
    store(market, minutes, complete=(0, 3 * DAY + 17))
    whole = bars(map(at, minutes))
    for until in (at(3 * DAY + 17), at(2 * DAY), at(1000) + 30_000):
        expected = resample(
            made.part(whole, 0, until), timeframe, complete_to_ms=until, complete_from_ms=START_MS
        )
        read = candle_store.window(market.pk, until_ms=until, bars=7, timeframe=timeframe)
        assert equal(read, expected[-7:])


def test_a_longer_bar_waits_for_its_last_minute_to_be_asked_for(market: Market) -> None:
    store(market, range(13))
    opens = candle_store.window(market.pk, until_ms=at(15), bars=10, timeframe="5m").open_ms
    assert opens.tolist() == [at(0), at(5)]
    candle_store.mark_complete(market.pk, from_ms=at(13), to_ms=at(15), now=NOW)
    opens = candle_store.window(market.pk, until_ms=at(15), bars=10, timeframe="5m").open_ms
    assert opens.tolist() == [at(0), at(5), at(10)]


def test_a_longer_bar_over_minutes_never_asked_for_does_not_exist(market: Market) -> None:
    store(market, range(12))
    store(market, range(33, 50))
    opens = candle_store.window(market.pk, until_ms=at(50), bars=100, timeframe="5m").open_ms
    assert opens.tolist() == [at(0), at(5), at(35), at(40), at(45)]


def test_a_sparse_market_is_read_as_far_back_as_needed(market: Market) -> None:
    store(market, list(range(0, 3000, 60)), complete=(0, 3000))
    read = candle_store.window(market.pk, until_ms=at(3000), bars=40, timeframe="5m")
    assert read.open_ms.tolist() == [at(i) for i in range(600, 3000, 60)]


def test_longer_bars_of_an_empty_market_are_none(market: Market) -> None:
    assert len(candle_store.window(market.pk, until_ms=at(50), bars=3, timeframe="1h")) == 0


@pytest.mark.parametrize(("bars_wanted", "timeframe"), [(0, "1m"), (5, "7m")])
def test_a_window_that_makes_no_sense_is_refused(market: Market, bars_wanted: int, timeframe: str) -> None:
    with pytest.raises(ValueError, match="was"):
        candle_store.window(market.pk, until_ms=at(5), bars=bars_wanted, timeframe=timeframe)


# --- coverage and gaps -----------------------------------------------------------------------------------------


def test_what_was_never_asked_for_is_no_gap(market: Market) -> None:
    store(market, range(5))
    store(market, range(20, 25))
    assert gaps(market) == []
    assert candle_store.uncovered(market.pk, at(-2), at(30)) == [
        (at(-2), at(0)),
        (at(5), at(20)),
        (at(25), at(30)),
    ]
    assert not candle_store.is_covered(market.pk, at(4), at(6))
    candle_store.mark_complete(market.pk, from_ms=at(5), to_ms=at(20), now=NOW)
    assert gaps(market) == [(5, 20, "no_trades")]
    assert candle_store.is_covered(market.pk, at(0), at(25))


def test_before_the_first_candle_nothing_is_missing(market: Market) -> None:
    candle_store.mark_complete(market.pk, from_ms=at(0), to_ms=at(500), now=NOW)
    store(market, range(500, 510))
    assert gaps(market) == []
    store(market, [100], complete=(0, 200))
    assert gaps(market) == [(101, 500, "no_trades")]


def test_a_late_bar_splits_shrinks_and_removes_a_gap(market: Market) -> None:
    store(market, [*range(10), *range(20, 30)], complete=(0, 30))
    assert gaps(market) == [(10, 20, "no_trades")]
    store(market, [14])
    assert gaps(market) == [(10, 14, "no_trades"), (15, 20, "no_trades")]
    store(market, [10])
    assert gaps(market) == [(11, 14, "no_trades"), (15, 20, "no_trades")]
    store(market, [11, 12, 13])
    assert gaps(market) == [(15, 20, "no_trades")]
    assert candle_store.gap_counts(market.pk) == {"no_trades": 5, "outage": 0, "stretches": 1}
    store(market, range(15, 20))
    assert candle_store.gap_counts(market.pk) == {"no_trades": 0, "outage": 0, "stretches": 0}


@pytest.mark.parametrize(
    ("density", "missing", "kind"),
    [
        pytest.param(1, 29, "no_trades", id="short"),
        pytest.param(1, 30, "outage", id="long in a busy market"),
        pytest.param(2, 300, "no_trades", id="long in a thin market"),
    ],
)
def test_a_long_silence_of_a_busy_market_is_an_outage(
    market: Market, density: int, missing: int, kind: str
) -> None:
    store(market, list(range(0, 2 * DAY, density)), complete=(0, 2 * DAY))
    last = 2 * DAY - density
    store(market, [last + missing + 1], complete=(2 * DAY, last + missing + 2))
    assert gaps(market)[-1] == (last + 1, last + missing + 1, kind)
    assert candle_store.has_gap(market.pk, at(last), at(last + 5)) is (kind == "outage")
    assert candle_store.has_gap(market.pk, at(last), at(last + 5), kinds=(GapKind.NO_TRADES, GapKind.OUTAGE))
    assert not candle_store.has_gap(market.pk, at(last + missing + 1), at(last + missing + 9))


def test_a_long_silence_with_nothing_known_before_it_is_taken_for_an_outage(market: Market) -> None:
    store(market, [0, 50], complete=(0, 51))
    assert gaps(market) == [(1, 50, "outage")]


def test_an_outage_is_told_once_and_told_again_when_late_bars_fill_it(market: Market) -> None:
    store(market, range(DAY))
    told = []
    for minute in range(DAY + 1, DAY + 80):
        changes = candle_store.mark_complete(market.pk, from_ms=at(DAY), to_ms=at(minute), now=NOW)
        told += changes.outages
        assert changes.filled == ()
    assert told == [Stretch(at(DAY), at(DAY + 30))]
    assert Gap.objects.filter(market=market).count() == 1

    candle_store.append(market.pk, bars([at(DAY + 60)]), now=NOW)
    changes = candle_store.mark_complete(market.pk, from_ms=at(DAY + 55), to_ms=at(DAY + 80), now=NOW)
    assert changes.filled == (Stretch(at(DAY), at(DAY + 79)),)
    assert gaps(market) == [(DAY, DAY + 60, "outage"), (DAY + 61, DAY + 80, "no_trades")]


def test_a_range_of_broken_minutes_is_refused(market: Market) -> None:
    for first, end in ((at(0) + 1, at(5)), (at(0), at(5) + 1), (at(5), at(5)), (at(6), at(5))):
        with pytest.raises(ValueError, match="whole minutes"):
            candle_store.mark_complete(market.pk, from_ms=first, to_ms=end, now=NOW)


def test_an_unchanged_gap_is_not_written_again(market: Market) -> None:
    store(market, [*range(10), *range(20, 30)], complete=(0, 30))
    first = Gap.objects.get(market=market)
    candle_store.mark_complete(market.pk, from_ms=at(0), to_ms=at(31), now=NOW + timedelta(days=1))
    again = Gap.objects.filter(market=market).order_by("start_ms").first()
    assert again is not None
    assert (again.pk, again.found_at) == (first.pk, first.found_at)


@pytest.mark.data
def test_the_sparse_market_of_kraken_is_counted_right(market: Market, candles_dir: Path) -> None:
    whole = load_candles(candles_dir / "kraken_spot_BTCUSDC_1m_sparse.parquet")
    first, end = int(whole.open_ms[0]), int(whole.open_ms[-1]) + MINUTE_MS
    assert candle_store.append(market.pk, whole, now=NOW) == Appended(new=len(whole))
    candle_store.mark_complete(market.pk, from_ms=first, to_ms=end, now=NOW)
    assert equal(stored(market), whole)
    runs = made.absent_runs(whole.open_ms.tolist(), first, end)
    counts = candle_store.gap_counts(market.pk)
    assert counts["stretches"] == len(runs)
    assert counts["no_trades"] + counts["outage"] == sum(b - a for a, b in runs) // MINUTE_MS
    assert counts["no_trades"] + counts["outage"] == (end - first) // MINUTE_MS - len(whole)


# --- any order of pages gives the same rows --------------------------------------------------------------------

pages = st.lists(
    st.tuples(
        st.integers(0, 90),
        st.integers(1, 40),
        st.sets(st.integers(0, 39)),
        st.integers(0, 2),
    ),
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages=pages)
def test_any_order_of_overlapping_pages_gives_the_rows_of_a_plain_model(
    db: None, pages: list[tuple[int, int, set[int], int]]
) -> None:
    market = new_market()
    versions: dict[int, int] = {}
    asked: set[int] = set()
    restated = 0
    for first, length, offsets, version in pages:
        minutes = sorted(first + offset for offset in offsets if offset < length)
        result = candle_store.append(market.pk, bars(map(at, minutes), version=version), now=NOW)
        candle_store.mark_complete(market.pk, from_ms=at(first), to_ms=at(first + length), now=NOW)
        changed = sum(1 for minute in minutes if versions.get(minute, version) != version)
        assert result.restated == changed
        assert result.new == sum(1 for minute in minutes if minute not in versions)
        assert result.new + result.restated + result.same == len(minutes)
        restated += changed
        versions.update(dict.fromkeys(minutes, version))
        asked.update(range(first, first + length))

    read = stored(market)
    assert read.open_ms.tolist() == [at(minute) for minute in sorted(versions)]
    for place, minute in enumerate(sorted(versions)):
        assert equal(read[place : place + 1], bars([at(minute)], version=versions[minute]))
    market.refresh_from_db()
    assert market.restated_candles == restated
    assert market.newest_ms == (at(max(versions)) if versions else None)

    known = made.absent_runs([at(-1), *(at(i) for i in range(131) if i not in asked)], at(-1), at(131))
    rows = Coverage.objects.filter(market=market).order_by("start_ms").values_list("start_ms", "end_ms")
    assert list(rows) == known
    expected = [run for start, end in known for run in made.absent_runs(map(at, versions), start, end)]
    noted = Gap.objects.filter(market=market).order_by("start_ms").values_list("start_ms", "end_ms")
    assert list(noted) == expected
    counts = candle_store.gap_counts(market.pk)
    assert counts["no_trades"] + counts["outage"] == sum(b - a for a, b in expected) // MINUTE_MS
    assert counts["stretches"] == len(expected)
