"""An exchange that keeps only its newest bars: the live edge starts where it can."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.standins.binance import BinanceStandin
from tests.standins.recorded import Bar, record
from trading import candle_store
from trading.core.types import ms_from_utc
from trading.feeds.ccxt import CcxtFeed
from trading.models import Event, Market
from trading.services import market_data

pytest.importorskip("ccxt", reason="the optional package ccxt is not installed")

NOW = datetime(2026, 3, 2, 9, 0, 25, tzinfo=UTC)
EDGE = ms_from_utc(NOW.replace(second=0))


@pytest.fixture
def exchange() -> Iterator[BinanceStandin]:
    bars = [
        Bar(open_ms=EDGE - 60_000 * n, open=10.0, high=12.0, low=9.0, close=11.0, volume=1.0)
        for n in range(3000, -10, -1)
    ]
    with BinanceStandin({("BTC", "USDT"): record(bars)}) as server:
        server.set_now(NOW)
        server.newest_only = 720
        yield server


@pytest.mark.django_db
def test_the_first_fetch_starts_at_the_oldest_bar_that_is_left(exchange: BinanceStandin) -> None:
    market = Market.objects.create(key="few:BTC/USDT", symbol="BTC/USDT", source="ccxt:binance")
    feed = CcxtFeed("binance", url=exchange.url)
    new = market_data.fetch(market_id=market.pk, now=NOW, feed=feed)
    feed.close()
    # 720 bars, of which the newest is running.
    assert new == 719
    bars = candle_store.window(market.pk, until_ms=EDGE, bars=1000)
    assert np.array_equal(bars.open_ms, EDGE - 60_000 * np.arange(719, 0, -1))
    market.refresh_from_db()
    assert (market.fetched_to_ms, market.unavailable_since) == (EDGE, None)
    assert not Event.objects.filter(market=market, severity__in=["warning", "error"]).exists()
    asked = candle_store.uncovered(market.pk, EDGE - ms(timedelta(hours=36)), EDGE)
    assert asked == [(EDGE - ms(timedelta(hours=36)), EDGE - 719 * 60_000)]


def ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
