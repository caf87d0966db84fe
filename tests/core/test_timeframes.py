"""Bar edges, closed bars and resampling."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core import timeframes as tf
from trading.core.types import Candles, ms_from_utc

START = ms_from_utc(datetime(2025, 3, 1, tzinfo=UTC))
LONGER = ["5m", "15m", "1h", "4h", "1d"]


def minutes(*offsets: int, start: int = START) -> Candles:
    """One bar per offset in minutes; every value tells which bar it came from."""
    open_ms = np.array([start + o * tf.MINUTE_MS for o in offsets], dtype=np.int64)
    base = np.array(offsets, dtype=np.float64) + 100.0
    return Candles(
        open_ms=open_ms,
        open=base,
        high=base + 0.5,
        low=base - 0.5,
        close=base + 0.25,
        volume=base * 0.0 + 1.0,
    )


@pytest.mark.parametrize(
    ("timeframe", "length"),
    [
        ("1m", 60_000),
        ("5m", 300_000),
        ("15m", 900_000),
        ("1h", 3_600_000),
        ("4h", 14_400_000),
        ("1d", 86_400_000),
    ],
)
def test_lengths(timeframe: str, length: int) -> None:
    assert tf.timeframe_ms(timeframe) == length
    assert tf.bar_open_ms(START + length - 1, timeframe) == START
    assert tf.bar_open_ms(START + length, timeframe) == START + length


def test_an_unknown_timeframe_is_named() -> None:
    with pytest.raises(ValueError, match="was '2m'"):
        tf.timeframe_ms("2m")


@pytest.mark.parametrize(
    ("after", "closed"),
    [
        pytest.param(timedelta(minutes=5, milliseconds=-1), False, id="a millisecond before its end"),
        pytest.param(timedelta(minutes=5), True, id="at its end"),
    ],
)
def test_a_bar_is_closed_from_its_end_on(after: timedelta, closed: bool) -> None:
    now = datetime(2025, 3, 1, tzinfo=UTC) + after
    assert tf.is_closed(START, "5m", now) is closed
    assert tf.last_closed_open_ms("5m", now) == (START if closed else START - 300_000)


def test_a_full_bucket_becomes_one_bar() -> None:
    bar = tf.resample(minutes(*range(5)), "5m", complete_to_ms=START + 300_000)
    assert bar.open_ms.tolist() == [START]
    assert (bar.open[0], bar.high[0], bar.low[0], bar.close[0], bar.volume[0]) == (
        100,
        104.5,
        99.5,
        104.25,
        5,
    )


def test_a_bucket_that_is_not_known_to_its_end_gives_no_bar() -> None:
    candles = minutes(*range(10))
    assert tf.resample(candles, "5m", complete_to_ms=START + 600_000 - 1).open_ms.tolist() == [START]
    assert len(tf.resample(candles, "5m", complete_to_ms=START + 299_999)) == 0


def test_minutes_without_trades_leave_no_mark() -> None:
    bar = tf.resample(minutes(0, 3), "5m", complete_to_ms=START + 300_000)
    assert (bar.open[0], bar.close[0], bar.volume[0]) == (100, 103.25, 2)


def test_an_empty_bucket_gives_no_bar() -> None:
    bars = tf.resample(minutes(0, 12), "5m", complete_to_ms=START + 900_000)
    assert bars.open_ms.tolist() == [START, START + 600_000]


def test_a_window_that_begins_inside_a_bucket_loses_it() -> None:
    candles = minutes(*range(3, 10))
    assert tf.resample(candles, "5m", complete_to_ms=START + 600_000).open_ms.tolist() == [START + 300_000]


def test_a_first_minute_without_trades_is_no_loss_when_it_is_known() -> None:
    bars = tf.resample(minutes(3, 4), "5m", complete_to_ms=START + 300_000, complete_from_ms=START)
    assert bars.open_ms.tolist() == [START]


def test_nothing_gives_nothing() -> None:
    assert len(tf.resample(Candles.empty(), "1h", complete_to_ms=START)) == 0


def test_minutes_must_rise() -> None:
    with pytest.raises(ValueError, match="strictly rising"):
        tf.resample(minutes(0, 2, 2), "5m", complete_to_ms=START + 300_000)


def test_one_minute_bars_pass_unchanged_when_closed() -> None:
    bars = tf.resample(minutes(0, 1, 2), "1m", complete_to_ms=START + 120_000)
    assert bars.open_ms.tolist() == [START, START + 60_000]


@given(
    offsets=st.sets(st.integers(0, 3000), min_size=30, max_size=400),
    timeframe=st.sampled_from(LONGER),
    known=st.integers(0, 3100),
)
def test_resampling_equals_a_slow_dictionary(offsets: set[int], timeframe: str, known: int) -> None:
    candles = minutes(*sorted(offsets))
    length = tf.timeframe_ms(timeframe)
    to = START + known * tf.MINUTE_MS
    groups: dict[int, list[int]] = {}
    for i, opened in enumerate(candles.open_ms.tolist()):
        groups.setdefault(opened // length * length, []).append(i)
    first = int(candles.open_ms[0])
    wanted = {o: rows for o, rows in groups.items() if o >= first and o + length <= to}
    bars = tf.resample(candles, timeframe, complete_to_ms=to)
    assert bars.open_ms.tolist() == sorted(wanted)
    for i, opened in enumerate(bars.open_ms.tolist()):
        rows = wanted[opened]
        assert bars.open[i] == candles.open[rows[0]]
        assert bars.close[i] == candles.close[rows[-1]]
        assert bars.high[i] == max(candles.high[rows])
        assert bars.low[i] == min(candles.low[rows])
        assert bars.volume[i] == len(rows)


@given(cut=st.integers(1, 2000), timeframe=st.sampled_from(LONGER))
def test_later_minutes_never_change_a_closed_bar(cut: int, timeframe: str) -> None:
    candles = minutes(*range(0, 2000, 3))
    part = candles[: int(np.searchsorted(candles.open_ms, START + cut * tf.MINUTE_MS))]
    early = tf.resample(part, timeframe, complete_to_ms=START + cut * tf.MINUTE_MS)
    late = tf.resample(candles, timeframe, complete_to_ms=START + 2000 * tf.MINUTE_MS)
    assert early.close.tolist() == late.close.tolist()[: len(early)]
    assert early.volume.tolist() == late.volume.tolist()[: len(early)]
