"""What every source of candles must do, asked of all of them alike."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.feeds.conftest import MINUTE, PRESENT, START, between, joined, same
from tests.standins.binance import BinanceStandin
from tests.standins.coinbase import CoinbaseStandin
from tests.standins.server import Standin
from trading.core.types import Candles, ms_from_utc
from trading.feeds.base import Feed, FeedUnavailable, Fetched
from trading.feeds.paging import pages
from trading.feeds.registry import FEEDS, make_feed
from trading.feeds.replay import save_candles
from trading.feeds.synthetic import SyntheticFeed


@dataclass(frozen=True, kw_only=True)
class Case:
    """A feed, the market to ask it for, and everything its source holds."""

    feed: Feed
    symbol: str
    source: Candles
    server: Standin | None = None

    def ask(self, since: datetime, until: datetime, now: datetime = PRESENT) -> Fetched:
        return self.feed.fetch_closed(symbol=self.symbol, since=since, until=until, now=now)


@pytest.fixture
def coinbase_case(coinbase: CoinbaseStandin, make_coinbase: Callable[..., Feed], bars: Candles) -> Case:
    return Case(feed=make_coinbase(), symbol="BTC-USD", source=bars, server=coinbase)


@pytest.fixture
def ccxt_case(binance: BinanceStandin, bars: Candles) -> Iterator[Case]:
    if importlib.util.find_spec("ccxt") is None:
        pytest.skip(
            "the optional package ccxt is not installed: pip install --no-deps -r requirements-ccxt.txt"
        )
    feed = make_feed("ccxt:binance", url=binance.url)
    yield Case(feed=feed, symbol="BTC/USDT", source=bars, server=binance)
    feed.close()


@pytest.fixture
def synthetic_case() -> Case:
    feed = SyntheticFeed(seed=11)
    first = ms_from_utc(START)
    source = feed.candles("TEST-USD", first_ms=first, end_ms=first + 910 * 60_000)
    return Case(feed=feed, symbol="TEST-USD", source=source)


@pytest.fixture
def replay_case(tmp_path: Path, bars: Candles) -> Case:
    save_candles(tmp_path / "bars.parquet", bars)
    return Case(feed=make_feed("replay", path=tmp_path / "bars.parquet"), symbol="BTC-USD", source=bars)


@pytest.fixture(params=sorted(FEEDS))
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(f"{request.param}_case")
    return found


@pytest.fixture(params=["ccxt", "coinbase"])
def served_case(request: pytest.FixtureRequest) -> Case:
    """The cases with a server behind them, which may be gone."""
    found: Case = request.getfixturevalue(f"{request.param}_case")
    return found


def test_its_name_and_kind_are_told(case: Case) -> None:
    assert case.feed.name.partition(":")[0] in FEEDS
    assert case.feed.synthetic is (case.feed.name == "synthetic")


def test_pages_together_give_exactly_the_source(case: Case) -> None:
    answers = list(pages(case.feed, symbol=case.symbol, since=START, until=PRESENT, now=PRESENT))
    closed = between(case.source, START, PRESENT.replace(second=0))
    assert same(joined([answer.candles for answer in answers]), closed)
    assert answers[-1].complete_to == PRESENT.replace(second=0)
    assert [answer.refused for answer in answers] == [0] * len(answers)


def test_every_page_keeps_its_promises(case: Case) -> None:
    since = START
    for answer in pages(case.feed, symbol=case.symbol, since=START, until=PRESENT, now=PRESENT):
        stamps = answer.candles.open_ms
        assert (np.diff(stamps) > 0).all()
        assert (stamps % 60_000 == 0).all()
        assert len(stamps) > 0 or answer.complete_to > since
        assert answer.complete_to >= since
        if len(stamps):
            assert ms_from_utc(since) <= stamps[0] <= stamps[-1] < ms_from_utc(PRESENT)
            assert stamps[-1] < ms_from_utc(answer.complete_to)
        since = answer.complete_to


@pytest.mark.parametrize("back", [timedelta(0), timedelta(seconds=25), timedelta(seconds=26), 7 * MINUTE])
def test_only_what_has_closed_at_now_is_shown(case: Case, back: timedelta) -> None:
    now = PRESENT - back
    answer = case.ask(now - 20 * MINUTE, PRESENT + MINUTE, now)
    assert len(answer.candles) > 5
    assert answer.candles.open_ms[-1] + 60_000 <= ms_from_utc(now)
    assert answer.complete_to <= now
    assert same(answer.candles, between(case.source, now - 20 * MINUTE, answer.complete_to))


def test_a_bar_is_shown_soon_after_its_close_and_never_before(case: Case) -> None:
    last_full = PRESENT.replace(second=0)
    shown = []
    for second in (1, 59, 60 + 12):
        now = last_full + timedelta(seconds=second)
        if case.server is not None:
            case.server.set_now(now)
            # A new reading of the server's clock, as after a minute of waiting.
            case.feed.ping()
        newest = case.ask(last_full - 5 * MINUTE, now, now).candles.open_ms[-1]
        shown.append((newest - ms_from_utc(last_full)) // 60_000)
    assert shown[0] in {-1, -2}
    assert shown[1:] == [-1, 0]


def test_the_range_is_kept_to(case: Case) -> None:
    since, until = START + timedelta(minutes=30, seconds=10), START + timedelta(minutes=60, seconds=10)
    answer = case.ask(since, until)
    assert same(answer.candles, between(case.source, since, until))
    assert answer.complete_to == START + 61 * MINUTE


def test_asking_twice_gives_the_same(case: Case) -> None:
    first, second = (case.ask(START, START + 200 * MINUTE) for _ in range(2))
    assert same(first.candles, second.candles)
    assert first.complete_to == second.complete_to


@pytest.mark.parametrize("ahead", [timedelta(seconds=-30), timedelta(0), 10 * MINUTE])
def test_nothing_closed_yet_is_an_empty_answer_that_proves_nothing(case: Case, ahead: timedelta) -> None:
    since = PRESENT + ahead
    answer = case.ask(since, since + 10 * MINUTE)
    assert len(answer.candles) == 0
    assert answer.complete_to == since


def test_an_empty_range_is_an_empty_answer(case: Case) -> None:
    answer = case.ask(START, START)
    assert len(answer.candles) == 0
    assert answer.complete_to == START


def test_times_without_a_zone_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="aware"):
        case.ask(START.replace(tzinfo=None), PRESENT)


def test_a_sign_of_life(case: Case) -> None:
    case.feed.ping()


def test_no_sign_of_life_from_a_source_that_is_gone(served_case: Case, no_pauses: None) -> None:
    assert served_case.server is not None
    served_case.server.fail_next("drop", times=10)
    with pytest.raises(FeedUnavailable):
        served_case.feed.ping()
    with pytest.raises(FeedUnavailable):
        served_case.ask(START, PRESENT)
