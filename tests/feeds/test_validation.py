"""What is possible and what is not, for any numbers at all."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.feeds.conftest import START, same
from trading.core.types import Candles, ms_from_utc
from trading.feeds.validation import describe, faults, first_fault, sift, take

FIRST = ms_from_utc(START)
ANY = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, -1.0])
STAMP = (
    st.integers(-5, 20).map(lambda minute: FIRST + 60_000 * minute)
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(FIRST, FIRST + 600_000)
)
ROW = st.tuples(STAMP, ANY, ANY, ANY, ANY, ANY)
SANE = st.tuples(
    st.integers(0, 9).map(lambda minute: FIRST + 60_000 * minute), st.floats(1, 9), st.floats(0, 99)
).map(lambda row: (row[0], row[1], row[1] + 1, row[1] - 0.5, row[1] + 0.5, row[2]))
ROWS = st.lists(ROW | SANE, max_size=30)


def columns(rows: list[tuple]) -> Candles:
    parts = list(zip(*rows, strict=True)) or [()] * 6
    floats = [np.array(part, dtype=np.float64) for part in parts[1:]]
    o, h, low, c, v = floats
    stamps = np.array(parts[0], dtype=np.int64)
    return Candles(open_ms=stamps, open=o, high=h, low=low, close=c, volume=v)


def possible(row: tuple) -> bool:
    """The rules once more, in plain Python, one row at a time."""
    stamp, o, h, low, c, v = row
    return (
        stamp % 60_000 == 0
        and 946_684_800_000 <= stamp < 4_102_444_800_000
        and all(math.isfinite(value) for value in row[1:])
        and min(o, h, low, c) > 0
        and low <= min(o, c)
        and max(o, c) <= h
        and v >= 0
    )


@given(rows=ROWS)
def test_a_row_is_marked_exactly_when_it_is_impossible(rows: list[tuple]) -> None:
    masks = faults(columns(rows)).values()
    marked = np.logical_or.reduce(list(masks)) if rows else np.zeros(0, dtype=bool)
    assert marked.tolist() == [not possible(row) for row in rows]


@given(rows=ROWS)
def test_the_first_fault_is_the_first_impossible_row(rows: list[tuple]) -> None:
    found = first_fault(columns(rows))
    impossible = [place for place, row in enumerate(rows) if not possible(row)]
    assert (found[0] if found else None) == (impossible[0] if impossible else None)


@given(rows=ROWS, first=st.integers(0, 5), count=st.integers(0, 10))
def test_sifting_keeps_the_possible_rows_of_the_range_once(rows: list[tuple], first: int, count: int) -> None:
    first_ms, last_ms = FIRST + 60_000 * first, FIRST + 60_000 * (first + count)
    sifted = sift(columns(rows), first_ms=first_ms, last_ms=last_ms)
    wanted = [row for row in rows if possible(row) and first_ms <= row[0] <= last_ms]
    kept = sifted.candles
    assert kept.open_ms.tolist() == sorted({row[0] for row in wanted})
    assert sifted.refused == len(rows) - len(wanted)
    assert bool(sifted.example) == bool(sifted.refused)
    largest = {row[0]: max(other[5] for other in wanted if other[0] == row[0]) for row in wanted}
    assert kept.volume.tolist() == [largest[stamp] for stamp in kept.open_ms.tolist()]
    assert first_fault(kept) is None
    assert same(sift(kept, first_ms=first_ms, last_ms=last_ms).candles, kept)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"open": 0.0}, "open is not above zero"),
        ({"high": math.nan}, "high is not a finite number"),
        ({"high": 10.9}, "high is below open or close"),
        ({"low": 10.1}, "low is above open or close"),
        ({"volume": -1e-300}, "volume is below zero"),
        ({"volume": 0.0}, None),
        ({"open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0}, None),
        ({"high": 1e6}, None),
    ],
)
def test_each_rule_has_its_sentence(changed: dict[str, float], words: str | None) -> None:
    usual = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1.0}
    row = {**usual, **changed}
    candles = Candles(open_ms=np.array([FIRST]), **{name: np.array([value]) for name, value in row.items()})
    assert first_fault(candles) == (None if words is None else (0, words))


def test_a_row_in_words() -> None:
    candles = columns([(FIRST, 10.0, 12.0, 9.0, 11.0, 1.5), (-1, math.nan, 1.0, 1.0, 1.0, 1.0)])
    assert describe(candles, 0) == (
        "bar of 2026-03-02 09:00:00 UTC (open 10, high 12, low 9, close 11, volume 1.5)"
    )
    assert describe(candles, 1).startswith("bar of epoch -1 ms (open nan,")


def test_bars_can_have_another_length() -> None:
    hourly = columns([(FIRST, 1.0, 1.0, 1.0, 1.0, 1.0), (FIRST + 60_000, 1.0, 1.0, 1.0, 1.0, 1.0)])
    assert first_fault(hourly, step_ms=3_600_000) == (1, "its opening time is not a multiple of 3600 seconds")


def test_taking_rows_copies_them() -> None:
    candles = columns([(FIRST, 1.0, 1.0, 1.0, 1.0, 1.0)])
    taken = take(candles, np.array([0]))
    taken.close[0] = 5.0
    assert candles.close[0] == 1.0
