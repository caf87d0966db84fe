"""Coinbase failing in every way it knows: each failure is one of two, and none becomes a candle."""

import time
from collections.abc import Callable

import pytest

from tests.feeds.conftest import MINUTE, PRESENT, same
from tests.standins.coinbase import CoinbaseStandin
from tests.standins.server import Reply
from trading.core.types import Candles
from trading.feeds.base import FeedRejected, FeedUnavailable
from trading.feeds.coinbase import CoinbaseFeed
from trading.feeds.http import retry_hint

Make = Callable[..., CoinbaseFeed]


def ask(feed: CoinbaseFeed) -> Candles:
    return feed.fetch_closed(
        symbol="BTC-USD", since=PRESENT - 10 * MINUTE, until=PRESENT, now=PRESENT
    ).candles


def candle_requests(server: CoinbaseStandin) -> list[float]:
    return [request.at for request in server.requests if request.path.endswith("/candles")]


TEMPORARY = {
    "500": "answered 500",
    "502": "answered 502",
    "503": "answered 503",
    "504": "answered 504",
    "302": "answered 302",
    "408": "answered 408",
    "429": "answered 429",
    "stall": "did not answer within",
    "slow": "did not finish within",
    "cut": "could not be reached",
    "cut-json": "not whole JSON",
    "drop": "could not be reached",
    "html": "text/html",
    "empty": "0 bytes",
    "shape": "without a list of candles",
    "list": "without a list of candles",
    "nan": "not whole JSON",
}


@pytest.mark.parametrize("kind", TEMPORARY)
def test_a_failure_that_lasts_is_unavailable(
    coinbase: CoinbaseStandin, make_coinbase: Make, no_pauses: None, kind: str
) -> None:
    coinbase.fail_next(kind, times=3, path="candles", seconds=1.2)
    with pytest.raises(FeedUnavailable, match=TEMPORARY[kind]):
        ask(make_coinbase(timeout=0.4))


@pytest.mark.parametrize("kind", sorted(set(TEMPORARY) - {"shape", "list"}))
def test_a_failure_that_passes_is_survived(
    coinbase: CoinbaseStandin, make_coinbase: Make, no_pauses: None, kind: str
) -> None:
    whole = ask(make_coinbase())
    coinbase.fail_next(kind, path="candles", seconds=1.2)
    assert same(ask(make_coinbase(timeout=0.5)), whole)


def test_after_three_attempts_it_is_left_to_the_caller(
    coinbase: CoinbaseStandin, make_coinbase: Make, no_pauses: None
) -> None:
    coinbase.fail_next("500", times=100, path="candles")
    with pytest.raises(FeedUnavailable):
        ask(make_coinbase())
    assert len(candle_requests(coinbase)) == 3


def test_the_pauses_between_attempts_grow(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    coinbase.fail_next("500", times=2, path="candles")
    ask(make_coinbase())
    first, second, third = candle_requests(coinbase)
    assert 0.2 < second - first < 1.0
    assert 0.45 < third - second < 1.5


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "410", "451"])
def test_a_refusal_is_the_operators_matter_and_asked_once(
    coinbase: CoinbaseStandin, make_coinbase: Make, status: str
) -> None:
    coinbase.fail_next(status, times=5, path="candles")
    with pytest.raises(FeedRejected, match=f"{status}: scripted failure"):
        ask(make_coinbase())
    assert len(candle_requests(coinbase)) == 1


def test_nobody_listens(make_coinbase: Make, no_pauses: None) -> None:
    with pytest.raises(FeedUnavailable, match="could not be reached"):
        ask(make_coinbase(base_url="http://127.0.0.1:9/api/v3/brokerage"))


@pytest.mark.parametrize("address", ["", "api.coinbase.com", "ftp://x", "https://", "http://[::1", "/x"])
def test_an_address_that_is_none_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(FeedRejected, match="address"):
        CoinbaseFeed(address)


# --- 429 -----------------------------------------------------------------------------------------


def test_a_short_hint_is_waited_out(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    coinbase.fail_next("429", path="candles", retry_after=1)
    ask(make_coinbase())
    first, second = candle_requests(coinbase)
    assert 1.0 <= second - first < 2.5


def test_a_long_hint_is_handed_to_the_caller_and_kept_to(
    coinbase: CoinbaseStandin, make_coinbase: Make
) -> None:
    feed = make_coinbase()
    coinbase.fail_next("429", path="candles", retry_after=30)
    for _ in range(3):
        with pytest.raises(FeedUnavailable) as caught:
            ask(feed)
        assert caught.value.retry_after is not None
        assert 29 < caught.value.retry_after <= 30
    assert len(candle_requests(coinbase)) == 1


def test_a_reset_is_as_good_as_a_hint(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    coinbase.fail_next("429", path="candles", reset=40)
    with pytest.raises(FeedUnavailable) as caught:
        ask(make_coinbase())
    assert caught.value.retry_after == 40


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"Retry-After": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "7", "x-ratelimit-reset": "9"}, 7.0),
        ({"x-ratelimit-reset": "9"}, 9.0),
        ({"x-ratelimit-reset": "1795176012"}, 12.0),
        ({"Retry-After": "999999"}, 3600.0),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "later"}, None),
        ({}, None),
    ],
)
def test_how_a_hint_is_read(headers: dict[str, str], seconds: float | None) -> None:
    # 2026-11-20 12:00:00 UTC
    assert retry_hint(headers, now=1795176000.0) == seconds


# --- time and size -------------------------------------------------------------------------------


def test_a_stalled_server_costs_at_most_two_timeouts(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    coinbase.fail_next("stall", times=5, path="candles", seconds=20)
    start = time.monotonic()
    with pytest.raises(FeedUnavailable):
        ask(make_coinbase(timeout=0.5))
    assert time.monotonic() - start < 3.0


def test_an_answer_without_end_is_not_read_to_its_end(
    coinbase: CoinbaseStandin, make_coinbase: Make, no_pauses: None
) -> None:
    coinbase.twist = lambda rows: [{**rows[0], "filling": "x" * 5_000_000}]
    with pytest.raises(FeedUnavailable, match="more than"):
        ask(make_coinbase())


def test_deep_nesting_does_not_break_the_reader(
    coinbase: CoinbaseStandin, make_coinbase: Make, no_pauses: None
) -> None:
    deep: list = []
    for _ in range(900):
        deep = [deep]
    coinbase.twist = lambda rows: [*rows, deep]
    answer = make_coinbase().fetch_closed(
        symbol="BTC-USD", since=PRESENT - 10 * MINUTE, until=PRESENT, now=PRESENT
    )
    assert answer.refused == 1


@pytest.mark.parametrize(
    "body", ["{}", '{"epochMillis": "x"}', "[]", '{"epochMillis": "-5"}', '{"epochSeconds": 1e99}']
)
def test_a_time_that_cannot_be_read_is_no_time(
    coinbase: CoinbaseStandin,
    make_coinbase: Make,
    no_pauses: None,
    body: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coinbase, "_time", lambda: Reply(body=body.encode()))
    with pytest.raises(FeedUnavailable, match="server time"):
        ask(make_coinbase())


@pytest.mark.parametrize("body", ['{"epochSeconds": "%d"}', '{"epoch": %d.25}', '{"epochMillis": %d000}'])
def test_the_time_in_any_known_shape(
    coinbase: CoinbaseStandin, make_coinbase: Make, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (body % int(PRESENT.timestamp())).encode()
    monkeypatch.setattr(coinbase, "_time", lambda: Reply(body=told))
    assert len(ask(make_coinbase())) > 5
