"""The made-up market: the same for ever, each minute on its own, and something like a market."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.feeds.conftest import START, same
from trading.core.types import Candles, ms_from_utc
from trading.feeds.synthetic import SyntheticFeed
from trading.feeds.validation import first_fault

FIRST = ms_from_utc(START) // 60_000
MINUTES = st.integers(FIRST - 1_000_000, FIRST + 1_000_000)


def stretch(first: int, count: int, seed: int = 7, symbol: str = "TEST-USD") -> Candles:
    feed = SyntheticFeed(seed=seed)
    return feed.candles(symbol, first_ms=first * 60_000, end_ms=(first + count) * 60_000)


@given(first=MINUTES, count=st.integers(1, 3000), offset=st.integers(0, 2999), seed=st.integers())
def test_a_part_of_a_stretch_is_that_stretch(first: int, count: int, offset: int, seed: int) -> None:
    whole = stretch(first, count, seed)
    part = stretch(first + offset % count, 1, seed)
    place = int(np.searchsorted(whole.open_ms, (first + offset % count) * 60_000))
    assert same(part, whole[place : place + len(part)])


@given(first=MINUTES, seed=st.integers(-(2**70), 2**70))
def test_every_bar_is_possible(first: int, seed: int) -> None:
    bars = stretch(first, 500, seed)
    assert first_fault(bars) is None
    assert (bars.volume > 0).all()
    assert (np.diff(bars.open_ms) > 0).all()


def test_its_bits_are_known() -> None:
    """The same on every machine and for ever: records of replays depend on it."""
    bars = stretch(FIRST, 5, seed=0)
    assert bars.open_ms[0] == ms_from_utc(START)
    assert bars.close.tolist() == [67592.87, 67582.59, 67593.18, 67609.48, 67598.69]
    assert bars.volume.sum() == 6.387096140000001


def test_seeds_and_symbols_are_markets_of_their_own() -> None:
    closes = [stretch(FIRST, 100, seed, symbol).close for seed, symbol in [(1, "A"), (2, "A"), (1, "B")]]
    for one in closes:
        assert sum(len(one) == len(other) and np.array_equal(one, other) for other in closes) == 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_looks_like_a_market(seed: int) -> None:
    bars = stretch(FIRST, 120 * 1440, seed)
    returns = np.diff(np.log(bars.close))
    size = np.abs(returns)
    assert 10_000 < bars.low.min() < bars.high.max() < 250_000
    assert 3e-4 < returns.std() < 1.5e-3
    kurtosis = ((returns - returns.mean()) ** 4).mean() / returns.var() ** 2 - 3
    assert kurtosis > 5
    # Quiet and wild hours cluster; the direction of the next minute cannot be told from the last.
    assert np.corrcoef(size[:-60], size[60:])[0, 1] > 0.1
    assert abs(np.corrcoef(returns[:-1], returns[1:])[0, 1]) < 0.1
    daily = np.log(bars.close[1440:] / bars.close[:-1440]).std() / returns.std() / 1440**0.5
    assert 0.7 < daily < 1.3
    ranges = (bars.high - bars.low) / bars.close
    assert 3e-4 < np.median(ranges) < 3e-3
    joined = np.diff(bars.open_ms) == 60_000
    assert 0.7 < (bars.open[1:] == bars.close[:-1])[joined].mean() < 1.0
    assert np.allclose(bars.close * 100, np.round(bars.close * 100))


def test_some_minutes_are_absent_and_always_the_same() -> None:
    bars = stretch(FIRST, 14_400)
    absent = 14_400 - len(bars)
    assert 5 < absent < 80
    assert same(bars, stretch(FIRST, 14_400))


def test_a_day_takes_less_than_a_blink() -> None:
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        stretch(FIRST, 1440)
        spent.append(time.perf_counter() - start)
    # Measured at 4 ms; the rest is for a busy machine.
    assert min(spent) < 0.05
