"""Coinbase's ways: strings, newest first, the running minute, absent minutes, its clock, its limits."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.feeds.conftest import MINUTE, PRESENT, START, between, joined, recording, same
from tests.standins.coinbase import CoinbaseStandin
from tests.standins.server import Request
from trading.core.types import Candles, ms_from_utc, utc_from_ms
from trading.feeds.base import FeedRejected, FeedUnavailable, Fetched
from trading.feeds.candle_files import load_candles
from trading.feeds.coinbase import CoinbaseFeed
from trading.feeds.paging import pages

Make = Callable[..., CoinbaseFeed]


def ask(feed: CoinbaseFeed, minutes: int = 10, **changes: object) -> Fetched:
    asked = {"symbol": "BTC-USD", "since": PRESENT - minutes * MINUTE, "until": PRESENT, "now": PRESENT}
    return feed.fetch_closed(**{**asked, **changes})


def candle_requests(server: CoinbaseStandin) -> list[Request]:
    return [request for request in server.requests if request.path.endswith("/candles")]


def test_what_goes_over_the_wire(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    ask(make_coinbase(), minutes=300)
    (request,) = candle_requests(coinbase)
    assert request.path == "/api/v3/brokerage/market/products/BTC-USD/candles"
    assert request.query["granularity"] == "ONE_MINUTE"
    asked = int(request.query["end"]) - int(request.query["start"])
    assert asked == (290 - 1) * 60
    assert int(request.query["limit"]) == 290
    assert "authorization" not in request.headers


def test_a_request_never_asks_for_more_than_the_oldest_documented_maximum(
    coinbase: CoinbaseStandin, make_coinbase: Make, bars: Candles
) -> None:
    coinbase.maximum = 290
    answers = list(pages(make_coinbase(), symbol="BTC-USD", since=START, until=PRESENT, now=PRESENT))
    assert len(answers) == 4
    with pytest.raises(FeedRejected, match="should be less than 290"):
        ask(make_coinbase(page=291), minutes=400)


def test_an_exclusive_end_loses_no_bar(coinbase: CoinbaseStandin, make_coinbase: Make, bars: Candles) -> None:
    coinbase.end_inclusive = False
    answers = list(pages(make_coinbase(), symbol="BTC-USD", since=START, until=PRESENT, now=PRESENT))
    known = joined([answer.candles for answer in answers])
    assert same(known, between(bars, START, answers[-1].complete_to))
    assert len(between(bars, answers[-1].complete_to, PRESENT)) <= 1


def test_the_running_minute_proves_the_minutes_before_it(
    coinbase: CoinbaseStandin, make_coinbase: Make
) -> None:
    answer = ask(make_coinbase())
    rows = candle_requests(coinbase)[0].query
    assert int(rows["end"]) == ms_from_utc(PRESENT.replace(second=0)) // 1000
    assert answer.complete_to == PRESENT.replace(second=0)


def test_young_absent_minutes_are_not_called_minutes_without_trades(
    coinbase: CoinbaseStandin, make_coinbase: Make, bars: Candles
) -> None:
    edge = PRESENT.replace(second=0)
    coinbase.markets["BTC-USD"] = recording(between(bars, START, edge - 3 * MINUTE))
    feed = make_coinbase()
    answer = ask(feed)
    # The minutes at -3, -2 and -1 are absent. The first closed more than 90 seconds ago.
    assert answer.complete_to == edge - 2 * MINUTE
    coinbase.set_now(PRESENT + 2 * MINUTE)
    feed.ping()
    assert ask(feed, now=PRESENT + 2 * MINUTE).complete_to == edge


def test_a_long_silence_is_covered_by_empty_pages(
    coinbase: CoinbaseStandin, make_coinbase: Make, bars: Candles
) -> None:
    coinbase.markets["BTC-USD"] = recording(between(bars, START, START + 10 * MINUTE))
    answers = list(pages(make_coinbase(), symbol="BTC-USD", since=START, until=PRESENT, now=PRESENT))
    assert [len(answer.candles) > 0 for answer in answers] == [True, False, False, False]
    assert answers[-1].complete_to > PRESENT - 3 * MINUTE


def test_a_late_correction_is_read(coinbase: CoinbaseStandin, make_coinbase: Make, bars: Candles) -> None:
    feed, last = make_coinbase(), between(bars, START, PRESENT.replace(second=0)).open_ms[-1]
    before = ask(feed).candles
    coinbase.markets["BTC-USD"].restate(int(last), volume=777.5)
    after = ask(feed).candles
    assert before.volume[-1] != 777.5
    assert after.volume[-1] == 777.5
    assert same(before[:-1], after[:-1])


def test_a_bar_that_lacks_its_last_trades_at_first(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    coinbase.markets["BTC-USD"].late_seconds = 30
    feed = make_coinbase()
    early = ask(feed).candles
    coinbase.set_now(PRESENT + 10 * timedelta(seconds=1))
    late = ask(feed).candles
    assert late.volume[-1] > early.volume[-1]


def test_an_answer_out_of_a_cache_counts_from_when_it_was_true(
    coinbase: CoinbaseStandin, make_coinbase: Make
) -> None:
    now = PRESENT.replace(second=6)
    coinbase.set_now(now)
    fresh = ask(make_coinbase(), now=now)
    # Five seconds ago the newest bar was still within its grace: it may lack its last trades.
    coinbase.age = 5
    cached = ask(make_coinbase(), now=now)
    assert fresh.candles.open_ms[-1] == cached.candles.open_ms[-1] + 60_000
    assert cached.complete_to == fresh.complete_to - MINUTE
    coinbase.age = 86_400
    ancient = ask(make_coinbase(), now=now)
    assert (len(ancient.candles), ancient.complete_to) == (0, PRESENT - 10 * MINUTE)


# --- the clock -----------------------------------------------------------------------------------


def test_a_slow_server_clock_holds_bars_back(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    feed = make_coinbase()
    coinbase.skew = -120.0
    answer = ask(feed)
    assert answer.candles.open_ms[-1] + 60_000 <= ms_from_utc(PRESENT) - 120_000 - 3_000


def test_a_fast_server_clock_shows_nothing_before_the_host_agrees(
    coinbase: CoinbaseStandin, make_coinbase: Make
) -> None:
    coinbase.skew = 120.0
    answer = ask(make_coinbase(), until=PRESENT + 5 * MINUTE)
    assert answer.complete_to == PRESENT.replace(second=0)


@pytest.mark.parametrize(("skew", "skewed"), [(0.0, False), (-20.0, True), (20.0, True), (3.0, False)])
def test_a_wrong_clock_is_noticed(
    coinbase: CoinbaseStandin, make_coinbase: Make, skew: float, skewed: bool
) -> None:
    coinbase.set_now(None)
    coinbase.skew = skew
    feed = make_coinbase()
    assert feed.clock_offset is None
    assert not feed.clock_skewed
    feed.ping()
    assert feed.clock_offset is not None
    assert abs(feed.clock_offset.total_seconds() - skew) < 1.5
    assert feed.clock_skewed is skewed


def test_the_clock_is_asked_once_a_minute(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    feed = make_coinbase()
    for _ in range(5):
        ask(feed)
    assert sum(request.path.endswith("/time") for request in coinbase.requests) == 1


def test_without_the_servers_time_nothing_counts_as_closed(
    coinbase: CoinbaseStandin, make_coinbase: Make, no_pauses: None
) -> None:
    coinbase.fail_next("503", times=3, path="/time")
    with pytest.raises(FeedUnavailable, match="503"):
        ask(make_coinbase())
    assert candle_requests(coinbase) == []


# --- rows ----------------------------------------------------------------------------------------


def spoil(place: int, **values: object) -> Callable[[list[dict]], list[dict]]:
    def twist(rows: list[dict]) -> list[dict]:
        rows[place] = {**rows[place], **values}
        return rows

    return twist


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"open": "nan"}, "open is not a finite number"),
        ({"close": "Infinity"}, "close is not a finite number"),
        ({"high": "1e999"}, "high is not a finite number"),
        ({"low": None}, "low is not a finite number"),
        ({"close": "1_000"}, "close is not a finite number"),
        ({"close": " 5"}, "close is not a finite number"),
        ({"close": True}, "close is not a finite number"),
        ({"volume": "many"}, "volume is not a finite number"),
        ({"low": "0"}, "low is not above zero"),
        ({"open": "-5"}, "open is not above zero"),
        ({"high": "1"}, "high is below open or close"),
        ({"low": "9999999"}, "low is above open or close"),
        ({"volume": "-0.1"}, "volume is below zero"),
        ({"start": "1772442001"}, "not a multiple of 60 seconds"),
        ({"start": "1772000040"}, "was not asked for"),
        ({"start": "soon"}, "outside 2000 to 2100"),
        ({"start": "99999999999999999999"}, "outside 2000 to 2100"),
        ({"start": None}, "outside 2000 to 2100"),
    ],
)
def test_an_impossible_row_is_refused_counted_and_named(
    coinbase: CoinbaseStandin, make_coinbase: Make, values: dict[str, object], words: str
) -> None:
    whole = ask(make_coinbase()).candles
    coinbase.twist = spoil(4, **values)
    answer = ask(make_coinbase())
    assert answer.refused == 1
    assert words in answer.refused_example
    assert len(answer.candles) == len(whole) - 1
    assert set(answer.candles.open_ms) < set(whole.open_ms)


def test_rows_that_are_no_rows_are_refused(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    coinbase.twist = lambda rows: [*rows, None, [], "x", {}]
    answer = ask(make_coinbase())
    assert answer.refused == 4
    assert len(answer.candles) > 5


def test_numbers_are_as_good_as_strings(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    whole = ask(make_coinbase()).candles
    coinbase.twist = lambda rows: [
        {name: int(value) if name == "start" else float(value) for name, value in row.items()} for row in rows
    ]
    assert same(ask(make_coinbase()).candles, whole)


def test_doubled_rows_are_one_bar_and_the_later_account_of_it_counts(
    coinbase: CoinbaseStandin, make_coinbase: Make
) -> None:
    whole = ask(make_coinbase()).candles
    coinbase.twist = lambda rows: [*rows, *rows, {**rows[3], "volume": "0.00000001"}]
    answer = ask(make_coinbase())
    assert same(answer.candles, whole)
    assert answer.refused == 0


def test_rows_in_any_order_come_out_oldest_first(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    whole = ask(make_coinbase()).candles
    coinbase.twist = lambda rows: sorted(rows, key=lambda row: row["volume"])
    assert same(ask(make_coinbase()).candles, whole)


def test_a_server_that_ignores_the_range_proves_nothing(
    coinbase: CoinbaseStandin, make_coinbase: Make
) -> None:
    latest = [{"start": str(ms_from_utc(PRESENT.replace(second=0)) // 1000 - 60 * n)} for n in range(50)]
    row = {"low": "1", "high": "1", "open": "1", "close": "1", "volume": "1"}
    coinbase.twist = lambda rows: [{**row, **stamp} for stamp in latest]
    answer = make_coinbase().fetch_closed(
        symbol="BTC-USD", since=START, until=START + 100 * MINUTE, now=PRESENT
    )
    assert answer.refused == 50
    assert len(answer.candles) == 0


@pytest.mark.parametrize("symbol", ["BTC/USD", "btc-usd", "../time", "BTC-USD/../../x", "", "BTC-USD?x=1"])
def test_a_symbol_that_is_no_product_is_refused_unasked(
    coinbase: CoinbaseStandin, make_coinbase: Make, symbol: str
) -> None:
    with pytest.raises(FeedRejected, match="reads like BTC-USD"):
        ask(make_coinbase(), symbol=symbol)
    assert coinbase.requests == []


def test_an_unknown_product_is_the_operators_matter(make_coinbase: Make) -> None:
    with pytest.raises(FeedRejected, match="404: product not found"):
        ask(make_coinbase(), symbol="NONE-USD")


# --- its limits ----------------------------------------------------------------------------------


def test_many_requests_stay_below_the_rate_limit(coinbase: CoinbaseStandin, make_coinbase: Make) -> None:
    coinbase.rate_limit = 10
    feed = make_coinbase(requests_per_second=5.0)
    start = time.monotonic()
    for _ in range(13):
        ask(feed)
    spent = time.monotonic() - start
    assert coinbase.peak_rate() <= 8
    assert 2.0 < spent < 6.0
    assert len(candle_requests(coinbase)) == 13


# --- recorded minutes ----------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("coinbase_spot_BTCUSD_1m_sample", 12_423),
        ("coinbase_spot_ETHUSD_1m_sample", 5_329),
        ("kraken_spot_BTCUSDC_1m_sparse", 56_717),
    ],
)
def test_recorded_minutes_arrive_bit_for_bit(
    candles_dir: Path, coinbase: CoinbaseStandin, make_coinbase: Make, name: str, rows: int
) -> None:
    source = load_candles(candles_dir / f"{name}.parquet")
    coinbase.markets["BTC-USD"] = recording(source)
    day_ms = 86_400_000
    feed, parts, absent = make_coinbase(), [], 0
    # The samples hold single days, years apart: only days that have bars are asked for.
    for day in np.unique(source.open_ms // day_ms):
        since, until = utc_from_ms(int(day) * day_ms), utc_from_ms((int(day) + 1) * day_ms)
        for answer in pages(feed, symbol="BTC-USD", since=since, until=until, now=PRESENT):
            parts.append(answer.candles)
            absent += (ms_from_utc(answer.complete_to) - ms_from_utc(since)) // 60_000 - len(answer.candles)
            since = answer.complete_to
        assert since == until
    assert len(source) == rows
    assert same(joined(parts), source)
    days = len(np.unique(source.open_ms // day_ms))
    assert absent == days * 1440 - rows
