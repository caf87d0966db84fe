"""Exchanges through ccxt: what is asked, what is refused, and what its many errors become."""

import builtins
from collections.abc import Iterator

import pytest

from tests.feeds.conftest import MINUTE, PRESENT, START
from tests.standins.binance import BinanceStandin
from tests.standins.server import Request
from trading.core.types import ms_from_utc
from trading.feeds.base import FeedRejected, FeedUnavailable, Fetched, OutOfReach
from trading.feeds.ccxt import CcxtFeed

ccxt = pytest.importorskip("ccxt", reason="the optional package ccxt is not installed")


@pytest.fixture
def feed(binance: BinanceStandin) -> Iterator[CcxtFeed]:
    made = CcxtFeed("binance", url=binance.url, timeout=1.0)
    yield made
    made.close()


def ask(feed: CcxtFeed, **changes: object) -> Fetched:
    asked = {"symbol": "BTC/USDT", "since": PRESENT - 10 * MINUTE, "until": PRESENT, "now": PRESENT}
    return feed.fetch_closed(**{**asked, **changes})


def klines(server: BinanceStandin) -> list[Request]:
    return [request for request in server.requests if request.path.endswith("/klines")]


def test_only_the_public_candles_of_the_spot_market_are_asked_for(
    binance: BinanceStandin, feed: CcxtFeed
) -> None:
    ask(feed)
    ask(feed)
    assert [request.path for request in binance.requests] == [
        "/api/v3/time",
        "/api/v3/exchangeInfo",
        "/api/v3/klines",
        "/api/v3/klines",
    ]
    query = klines(binance)[0].query
    assert (query["symbol"], query["interval"], query["limit"]) == ("BTCUSDT", "1m", "290")


def test_a_key_does_not_change_what_is_asked(binance: BinanceStandin) -> None:
    feed = CcxtFeed("binance", url=binance.url, api_key="key", secret="secret")
    ask(feed)
    feed.close()
    assert {request.path for request in binance.requests} == {
        "/api/v3/time",
        "/api/v3/exchangeInfo",
        "/api/v3/klines",
    }


@pytest.mark.parametrize("kind", ["500", "503", "429", "418", "drop", "html", "stall", "cut", "empty"])
def test_a_failure_of_the_exchange_is_unavailable_and_passes(
    binance: BinanceStandin, feed: CcxtFeed, kind: str
) -> None:
    ask(feed)
    binance.fail_next(kind, path="klines", seconds=2.0)
    with pytest.raises(FeedUnavailable, match="ccxt:binance"):
        ask(feed)
    assert len(ask(feed).candles) > 5


def test_an_answer_of_another_shape_is_unavailable(binance: BinanceStandin, feed: CcxtFeed) -> None:
    ask(feed)
    binance.fail_next("list", path="klines")
    with pytest.raises(FeedUnavailable, match="without readable candles"):
        ask(feed)


def test_an_unknown_symbol_is_the_operators_matter(feed: CcxtFeed) -> None:
    with pytest.raises(FeedRejected, match="NONE/USDT"):
        ask(feed, symbol="NONE/USDT")


def test_an_unknown_exchange_is_the_operators_matter() -> None:
    with pytest.raises(FeedRejected, match="knows no exchange 'nyse'"):
        CcxtFeed("nyse")


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "ccxt":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FeedRejected, match=r"pip install --no-deps -r requirements-ccxt\.txt"):
        CcxtFeed("binance")


@pytest.mark.parametrize("minutes", [500, 899])
def test_history_that_is_gone_is_not_called_minutes_without_trades(
    binance: BinanceStandin, feed: CcxtFeed, minutes: int
) -> None:
    binance.newest_only = 300
    with pytest.raises(OutOfReach, match="does not reach back") as caught:
        ask(feed, since=PRESENT - minutes * MINUTE, until=PRESENT - (minutes - 100) * MINUTE)
    # What it still has can be asked for from there.
    assert caught.value.oldest > PRESENT - 360 * MINUTE
    answer = ask(feed, since=caught.value.oldest)
    assert answer.candles.open_ms[0] == ms_from_utc(caught.value.oldest)


def test_an_exchange_that_keeps_only_its_newest_bars_serves_the_live_edge(
    binance: BinanceStandin, feed: CcxtFeed
) -> None:
    binance.newest_only = 300
    answer = ask(feed)
    assert answer.complete_to == PRESENT.replace(second=0)
    assert len(answer.candles) > 5


def test_a_hole_at_the_start_of_a_range_is_no_end_of_history(binance: BinanceStandin, feed: CcxtFeed) -> None:
    hole = START + 300 * MINUTE
    answer = ask(feed, since=hole, until=hole + 40 * MINUTE)
    assert (len(answer.candles), answer.complete_to) == (0, hole + 40 * MINUTE)
    assert ms_from_utc(answer.complete_to) % 60_000 == 0


def test_a_slow_exchange_clock_holds_bars_back(binance: BinanceStandin, feed: CcxtFeed) -> None:
    binance.skew = -120.0
    assert ask(feed).candles.open_ms[-1] + 60_000 <= ms_from_utc(PRESENT) - 123_000


def test_every_address_of_an_exchange_moves_to_the_given_host(binance: BinanceStandin) -> None:
    feed = CcxtFeed("binance", url="http://127.0.0.1:1/")
    addresses = feed._exchange.urls["api"]
    assert addresses["public"] == "http://127.0.0.1:1/api/v3"
    assert all(address.startswith("http://127.0.0.1:1/") for address in addresses.values() if address)
    feed.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ccxt.RateLimitExceeded, FeedUnavailable),
        (ccxt.DDoSProtection, FeedUnavailable),
        (ccxt.RequestTimeout, FeedUnavailable),
        (ccxt.OnMaintenance, FeedUnavailable),
        (ccxt.ExchangeError, FeedUnavailable),
        (ccxt.BadResponse, FeedUnavailable),
        (ccxt.AuthenticationError, FeedRejected),
        (ccxt.PermissionDenied, FeedRejected),
        (ccxt.BadSymbol, FeedRejected),
        (ccxt.NotSupported, FeedRejected),
        (KeyError, FeedUnavailable),
        (ZeroDivisionError, FeedUnavailable),
    ],
)
def test_what_the_errors_of_ccxt_become(
    feed: CcxtFeed, monkeypatch: pytest.MonkeyPatch, error: type[Exception], kind: type[Exception]
) -> None:
    def fails(*parts: object) -> list:
        raise error("why")

    monkeypatch.setattr(feed._exchange, "fetch_ohlcv", fails)
    with pytest.raises(kind):
        ask(feed)


SPOILED = [
    ({0: "soon"}, 1),
    ({0: 1}, 1),
    ({1: "NaN"}, 1),
    ({2: None}, 1),
    ({3: "-5"}, 1),
    ({2: "1"}, 1),
    ({5: "-1"}, 1),
]


@pytest.mark.parametrize(("values", "lost"), SPOILED)
def test_an_impossible_row_never_becomes_a_bar(
    binance: BinanceStandin, feed: CcxtFeed, values: dict[int, object], lost: int
) -> None:
    whole = ask(feed).candles

    def twist(rows: list[list[object]]) -> list[list[object]]:
        for place, value in values.items():
            rows[4][place] = value
        return rows

    binance.twist = twist
    try:
        answer = ask(feed)
    except FeedUnavailable:
        # A row that breaks ccxt's own reader spoils the whole answer.
        assert isinstance(values.get(0), str)
        return
    assert len(answer.candles) == len(whole) - lost
    assert set(answer.candles.open_ms) < set(whole.open_ms)
