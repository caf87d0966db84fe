"""One made-up stretch of bars with holes in it, and the stand-ins that serve it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import stamina

from tests.standins.binance import BinanceStandin
from tests.standins.coinbase import CoinbaseStandin
from tests.standins.recorded import Bar, Recording, record
from trading.core.types import Candles, ms_from_utc
from trading.feeds.coinbase import CoinbaseFeed
from trading.feeds.synthetic import SyntheticFeed
from trading.feeds.validation import take

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# 25 seconds into a minute: its bar is running.
PRESENT = START + timedelta(minutes=900, seconds=25)
MINUTE = timedelta(minutes=1)


def recording(candles: Candles) -> Recording:
    """Candles as a stand-in serves them."""
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    rows = zip(candles.open_ms.tolist(), *(column.tolist() for column in columns), strict=True)
    return record([Bar(open_ms=ms, open=o, high=h, low=lo, close=c, volume=v) for ms, o, h, lo, c, v in rows])


def same(first: Candles, second: Candles) -> bool:
    """Whether two stretches agree in every bit."""
    names = ("open_ms", "open", "high", "low", "close", "volume")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def joined(parts: list[Candles]) -> Candles:
    """Stretches one after the other."""
    names = ("open_ms", "open", "high", "low", "close", "volume")
    return Candles(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def between(candles: Candles, since: datetime, until: datetime) -> Candles:
    """The bars with ``since <= open < until``."""
    first, end = np.searchsorted(candles.open_ms, [ms_from_utc(since), ms_from_utc(until)])
    return candles[first:end]


@pytest.fixture(scope="session")
def bars() -> Candles:
    """900 minutes and ten more that are still to come; a tenth absent, and one hole of 40 minutes."""
    first = ms_from_utc(START)
    whole = SyntheticFeed(seed=3).candles("X-USD", first_ms=first, end_ms=first + 910 * 60_000)
    minutes = (whole.open_ms - first) // 60_000
    hole = (minutes >= 300) & (minutes < 340)
    thin = (np.random.default_rng(1).random(len(whole)) < 0.1) & (minutes < 890)
    return take(whole, np.flatnonzero(~hole & ~thin))


@pytest.fixture
def coinbase(bars: Candles) -> Iterator[CoinbaseStandin]:
    """Coinbase with one product, its clock standing at PRESENT."""
    with CoinbaseStandin({"BTC-USD": recording(bars)}, rate_limit=None) as server:
        server.set_now(PRESENT)
        yield server


@pytest.fixture
def binance(bars: Candles) -> Iterator[BinanceStandin]:
    """Binance with one pair, its clock standing at PRESENT."""
    with BinanceStandin({("BTC", "USDT"): recording(bars)}) as server:
        server.set_now(PRESENT)
        yield server


@pytest.fixture
def make_coinbase(coinbase: CoinbaseStandin) -> Iterator[Callable[..., CoinbaseFeed]]:
    """Feeds that ask the stand-in, as fast as they like unless told otherwise."""
    with ExitStack() as open_feeds:

        def make(**options: object) -> CoinbaseFeed:
            usual = {"base_url": coinbase.url, "requests_per_second": 10_000.0, "timeout": 5.0}
            feed = CoinbaseFeed(**{**usual, **options})
            open_feeds.callback(feed.close)
            return feed

        yield make


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """Retries happen, without the pauses between them."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield
