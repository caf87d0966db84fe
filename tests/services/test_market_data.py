"""Candles come through the real feed and the real store: from a Coinbase stand-in, with everything it can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stamina

from tests import candles as made
from tests.candles import MINUTE_MS, bars, equal
from tests.standins.coinbase import CoinbaseStandin
from tests.standins.recorded import Bar, Recording, read, record
from trading import candle_store
from trading.core.types import Candles, ms_from_utc, utc_from_ms
from trading.feeds.base import Fetched
from trading.feeds.candle_files import load_candles
from trading.feeds.coinbase import CoinbaseFeed
from trading.models import Event, Gap, Market
from trading.services import market_data

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
START_MS = ms_from_utc(START)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def no_pauses_between_tries() -> Iterator[None]:
    """Three tries, as always, but without the waits that only matter to a real source."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def served(candles: Candles) -> Recording:
    rows = zip(*(getattr(candles, name).tolist() for name in made.COLUMNS), strict=True)
    return record([Bar(**dict(zip(("open_ms", *made.COLUMNS[1:]), row, strict=True))) for row in rows])


def at(minute: int, seconds: float = 5.0) -> datetime:
    """Some seconds into a minute: its bar runs, the one before is closed."""
    return START + minute * MINUTE + timedelta(seconds=seconds)


class Source:
    """A stand-in with one market, the feed that asks it, and the row that receives."""

    def __init__(self, standin: CoinbaseStandin, market: Market) -> None:
        self.standin = standin
        self.market = market
        self.feed = CoinbaseFeed(standin.url, requests_per_second=10_000, timeout=1.0, sleep=lambda _: None)

    def be(self, now: datetime) -> datetime:
        """Set the stand-in's clock, and let the feed read it."""
        self.standin.set_now(now)
        self.feed.ping()
        return now

    def fetch(self, now: datetime) -> int:
        return market_data.fetch(market_id=self.market.pk, now=self.be(now), feed=self.feed)

    @property
    def row(self) -> Market:
        self.market.refresh_from_db()
        return self.market

    @property
    def stored(self) -> Candles:
        return candle_store.between(self.market.pk, 0, 2**53)

    def events(self, *kinds: str) -> list[str]:
        found = Event.objects.filter(market=self.market).order_by("id").values_list("kind", flat=True)
        return [kind for kind in found if not kinds or kind in kinds]


@pytest.fixture
def serve(db: None) -> Iterator[Callable[..., Source]]:
    """Serve a recording as BTC-USD; the market was fetched up to START when ``fetched`` is true."""
    running: list[Source] = []

    def start(recording: Recording, *, fetched: bool = True) -> Source:
        standin = CoinbaseStandin({"BTC-USD": recording}, rate_limit=None)
        market = Market.objects.create(
            key="BTC-USD",
            symbol="BTC-USD",
            source="coinbase",
            fetched_to_ms=START_MS if fetched else None,
        )
        running.append(Source(standin.__enter__(), market))
        return running[-1]

    yield start
    for source in running:
        source.feed.close()
        source.standin.__exit__(None, None, None)


def expected_gaps(openings: pd.Series, *, first_ms: int, end_ms: int) -> dict[str, int]:
    """The rule of candle_store.gaps, said a second time with pandas."""
    minutes = pd.Series(1, index=pd.to_datetime(openings, unit="ms"))
    edges = np.append(openings.to_numpy(), end_ms)
    counts = {"no_trades": 0, "outage": 0, "stretches": 0}
    for before, after in pairwise(edges.tolist()):
        missing = int(after - before) // MINUTE_MS - 1
        if not missing:
            continue
        start = before + MINUTE_MS
        since = max(start - 86_400_000, first_ms)
        known = (start - since) // MINUTE_MS
        present = minutes.loc[pd.Timestamp(since, unit="ms") : pd.Timestamp(start - 1, unit="ms")].sum()
        outage = missing >= 30 and (known < 60 or present / known >= 0.9)
        counts["outage" if outage else "no_trades"] += missing
        counts["stretches"] += 1
    return counts


# --- real candles ----------------------------------------------------------------------------------------------


def backfill(source: Source, first_ms: int, end_ms: int, now: datetime) -> int:
    """Every page of a range; returns how many there were."""
    pages = 0
    while page := market_data.backfill_page(
        market_id=source.market.pk, start_ms=first_ms, end_ms=end_ms, now=now, feed=source.feed
    ):
        assert page.progressed
        pages += 1
    return pages


@pytest.mark.data
@pytest.mark.parametrize("file", ["coinbase_spot_BTCUSD_1m_sample", "coinbase_spot_ETHUSD_1m_sample"])
def test_real_minutes_of_coinbase_are_stored_as_they_are(
    serve: Callable[..., Source], candles_dir: Path, file: str
) -> None:
    path = candles_dir / f"{file}.parquet"
    source, whole = serve(read(path), fetched=False), load_candles(path)
    days = np.unique(whole.open_ms // 86_400_000) * 86_400_000
    now = source.be(utc_from_ms(int(days[-1]) + 2 * 86_400_000))
    absent = 0
    for day in days.tolist():
        backfill(source, day, day + 86_400_000, now)
        own = made.part(whole, day, day + 86_400_000).open_ms
        absent += (day + 86_400_000 - int(own[0])) // MINUTE_MS - len(own)
    assert equal(source.stored, whole)
    counts = candle_store.gap_counts(source.market.pk)
    assert counts["no_trades"] + counts["outage"] == absent


@pytest.mark.proof
@pytest.mark.data
def test_a_sparse_market_is_stored_as_it_is_and_its_gaps_are_counted_right(
    serve: Callable[..., Source], candles_dir: Path
) -> None:
    path = candles_dir / "kraken_spot_BTCUSDC_1m_sparse.parquet"
    source, whole = serve(read(path), fetched=False), load_candles(path)
    first, end = int(whole.open_ms[0]), int(whole.open_ms[-1]) + MINUTE_MS
    pages = backfill(source, first, end, source.be(utc_from_ms(end + 86_400_000)))
    assert pages > 400
    assert equal(source.stored, whole)
    frame = pd.read_parquet(path)
    openings = frame["timestamp"].astype("datetime64[ms, UTC]").astype("int64")
    assert candle_store.gap_counts(source.market.pk) == expected_gaps(openings, first_ms=first, end_ms=end)


@pytest.mark.data
def test_three_hours_minute_by_minute_end_like_the_file(
    serve: Callable[..., Source], candles_dir: Path
) -> None:
    path = candles_dir / "coinbase_spot_BTCUSD_1m_sample.parquet"
    source, whole = serve(read(path), fetched=False), load_candles(path)
    first = int(whole.open_ms[3000]) // MINUTE_MS * MINUTE_MS
    Market.objects.filter(pk=source.market.pk).update(fetched_to_ms=first)
    for minute in range(1, 184):
        source.fetch(utc_from_ms(first) + minute * MINUTE + timedelta(seconds=5))
    known_to = source.row.fetched_to_ms
    assert known_to is not None
    assert known_to >= first + 180 * MINUTE_MS
    since = first - market_data.REREAD_BARS * MINUTE_MS
    assert equal(source.stored, made.part(whole, since, known_to))
    assert source.row.restated_candles == 0
    runs = made.absent_runs(source.stored.open_ms.tolist(), since, known_to)
    counts = candle_store.gap_counts(source.market.pk)
    assert counts["stretches"] == len(runs)
    assert counts["no_trades"] + counts["outage"] == sum(b - a for a, b in runs) // MINUTE_MS


# --- the live edge ---------------------------------------------------------------------------------------------


def test_the_first_fetch_warms_up_and_the_next_takes_the_newest_bar(serve: Callable[..., Source]) -> None:
    whole = bars(START_MS + i * MINUTE_MS for i in range(-3000, 60))
    source = serve(served(whole), fetched=False)
    assert source.fetch(at(0)) == 36 * 60
    assert source.row.fetched_to_ms == START_MS
    assert source.fetch(at(0, 30)) == 0
    assert source.fetch(at(1)) == 1
    assert source.fetch(at(2, 1)) == 0, "a bar is taken only when its grace is over"
    assert source.fetch(at(2, 4)) == 1
    assert equal(source.stored, made.part(whole, START_MS - 36 * 3_600_000, START_MS + 2 * MINUTE_MS))
    assert source.row.newest_ms == START_MS + MINUTE_MS


def test_after_an_absence_everything_in_between_is_fetched(serve: Callable[..., Source]) -> None:
    whole = bars(START_MS + i * MINUTE_MS for i in range(-10, 2000))
    source = serve(served(whole))
    assert source.fetch(at(1500)) == 1505
    assert equal(source.stored, made.part(whole, START_MS - 5 * MINUTE_MS, START_MS + 1500 * MINUTE_MS))
    assert candle_store.gap_counts(source.market.pk)["stretches"] == 0


def test_until_ends_a_fetch(serve: Callable[..., Source]) -> None:
    source = serve(served(bars(START_MS + i * MINUTE_MS for i in range(100))))
    now = source.be(at(50))
    new = market_data.fetch(market_id=source.market.pk, now=now, until=at(20, 40), feed=source.feed)
    assert new == 20
    assert source.row.fetched_to_ms == START_MS + 20 * MINUTE_MS


def test_late_trades_restate_a_bar_and_are_counted(serve: Callable[..., Source]) -> None:
    whole = bars(START_MS + i * MINUTE_MS for i in range(60))
    recording = served(whole)
    source = serve(recording)
    source.fetch(at(30))
    corrected = START_MS + 27 * MINUTE_MS
    recording.restate(corrected, close=float(whole.close[27]) + 0.25, volume=99.5)
    too_old = START_MS + 10 * MINUTE_MS
    recording.restate(too_old, volume=77.0)
    assert source.fetch(at(31)) == 1
    row = made.part(source.stored, corrected, corrected + MINUTE_MS)
    assert (row.close[0], row.volume[0]) == (whole.close[27] + 0.25, 99.5)
    assert source.row.restated_candles == 1
    source.fetch(at(32))
    assert source.row.restated_candles == 1


def test_bars_that_lack_their_last_trades_end_up_whole(serve: Callable[..., Source]) -> None:
    whole = bars(START_MS + i * MINUTE_MS for i in range(60))
    recording = served(whole)
    recording.late_seconds = 20.0
    source = serve(recording)
    for minute in range(1, 40):
        source.fetch(at(minute))
    source.fetch(at(39, 40))
    assert equal(source.stored, made.part(whole, 0, START_MS + 39 * MINUTE_MS))
    assert source.row.restated_candles > 30


def test_a_minute_without_trades_is_a_gap_only_when_it_is_known(serve: Callable[..., Source]) -> None:
    minutes = [i for i in range(-200, 60) if i not in (20, 21)]
    source = serve(served(bars(START_MS + i * MINUTE_MS for i in minutes)))
    source.fetch(at(21))
    assert source.row.fetched_to_ms == START_MS + 20 * MINUTE_MS
    assert not Gap.objects.exists()
    source.fetch(at(22))
    assert source.row.fetched_to_ms == START_MS + 22 * MINUTE_MS
    assert candle_store.gap_counts(source.market.pk) == {"no_trades": 2, "outage": 0, "stretches": 1}


def test_an_outage_is_told_once_and_late_bars_fill_it(serve: Callable[..., Source]) -> None:
    whole = bars(START_MS + i * MINUTE_MS for i in range(-1500, 60))
    holed = served(made.part(whole, 0, START_MS + 5 * MINUTE_MS))
    source = serve(holed, fetched=False)
    for minute in range(3, 60):
        source.fetch(at(minute))
    assert source.events() == ["gap_outage"]
    assert candle_store.gap_counts(source.market.pk)["outage"] > 50
    known_to = source.row.fetched_to_ms
    source.standin.markets["BTC-USD"] = served(whole)
    source.fetch(at(60))
    assert source.events() == ["gap_outage", "gap_filled"]
    assert known_to is not None
    assert source.stored.open_ms[-1] == START_MS + 59 * MINUTE_MS


# --- failures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["429", "500", "503", "html", "cut", "cut-json", "drop", "empty", "shape", "nan"]
)
def test_a_source_that_fails_leaves_one_event_and_no_row(serve: Callable[..., Source], kind: str) -> None:
    whole = bars(START_MS + i * MINUTE_MS for i in range(-10, 60))
    source = serve(served(whole))
    source.fetch(at(10))
    source.standin.fail_next(kind, times=1000, path="candles")
    for minute in (11, 12, 13):
        assert source.fetch(at(minute)) == 0
    assert source.events() == ["feed_unavailable"]
    assert source.row.unavailable_since == at(11)
    assert source.row.unavailable_reason
    assert source.row.fetched_to_ms == START_MS + 10 * MINUTE_MS

    source.standin.recover()
    assert source.fetch(at(14)) == 4
    assert source.events() == ["feed_unavailable", "feed_back"]
    assert source.row.unavailable_since is None
    assert source.row.unavailable_reason == ""
    assert equal(source.stored, made.part(whole, START_MS - 5 * MINUTE_MS, START_MS + 14 * MINUTE_MS))
    assert not Gap.objects.exists()


def test_a_storm_of_429_in_the_middle_keeps_what_came_before_it(serve: Callable[..., Source]) -> None:
    whole = bars(START_MS + i * MINUTE_MS for i in range(-10, 2000))
    source = serve(served(whole))
    source.standin.fail_next("429", times=2, path="candles", retry_after=0)
    real = source.standin.reply
    asked = 0

    def storm(request: Any) -> Any:
        nonlocal asked
        asked += "candles" in request.path
        if asked == 5:
            source.standin.fail_next("429", times=6, path="candles", retry_after=0)
        return real(request)

    source.standin.reply = storm  # type: ignore[method-assign]  # the stand-in is scripted from inside
    first = source.fetch(at(1500))
    assert 0 < first < 1505
    assert source.events() == ["feed_unavailable"]
    source.standin.recover()
    assert first + source.fetch(at(1501)) == 1506
    assert equal(source.stored, made.part(whole, START_MS - 5 * MINUTE_MS, START_MS + 1501 * MINUTE_MS))
    assert source.events() == ["feed_unavailable", "feed_back"]


def test_a_source_that_refuses_needs_a_person_and_says_so_once(serve: Callable[..., Source]) -> None:
    source = serve(served(bars([START_MS])))
    source.standin.fail_next("503", times=3, path="candles")
    source.fetch(at(4))
    source.standin.recover()
    Market.objects.filter(pk=source.market.pk).update(symbol="NOT-THERE")
    source.fetch(at(5))
    source.fetch(at(6))
    assert source.events() == ["feed_unavailable", "feed_rejected"]
    event = Event.objects.get(kind="feed_rejected")
    assert event.severity == "error"
    assert "NOT-THERE" in event.text or "product not found" in event.text
    assert source.row.unavailable_since == at(4)
    Market.objects.filter(pk=source.market.pk).update(symbol="BTC-USD")
    source.fetch(at(7))
    assert source.events() == ["feed_unavailable", "feed_rejected", "feed_back"]


def test_impossible_candles_are_refused_counted_once_and_never_stored(serve: Callable[..., Source]) -> None:
    whole = bars(START_MS + i * MINUTE_MS for i in range(-10, 60))
    source = serve(served(whole))
    bad = str((START_MS + 12 * MINUTE_MS) // 1000)

    def spoil(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{**row, "high": "0.01"} if row["start"] == bad else row for row in rows]

    source.standin.twist = spoil
    for minute in range(10, 25):
        source.fetch(at(minute))
    assert source.row.refused_candles == 1
    assert source.events("candles_refused") == ["candles_refused"]
    assert START_MS + 12 * MINUTE_MS not in source.stored.open_ms
    assert len(source.stored) == 28


class WrongFeed:
    """A feed that lets an impossible bar through."""

    name = "wrong"
    synthetic = False

    def fetch_closed(self, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Fetched:
        whole = bars([START_MS, START_MS + MINUTE_MS])
        whole.high[1] = 1.0
        return Fetched(candles=whole, complete_to=until)

    def ping(self) -> None:
        """Well."""


def test_what_a_feed_should_have_refused_the_store_refuses(serve: Callable[..., Source]) -> None:
    source = serve(served(bars([START_MS])))
    assert market_data.fetch(market_id=source.market.pk, now=at(5), feed=WrongFeed()) == 0
    assert len(source.stored) == 0
    assert source.events() == ["feed_unavailable"]
    assert "high is below" in source.row.unavailable_reason
    assert source.row.fetched_to_ms == START_MS


# --- all markets -----------------------------------------------------------------------------------------------


@pytest.fixture
def at_standin(serve: Callable[..., Source], settings: Any) -> Iterator[Source]:
    """A stand-in that the settings name as Coinbase; its clock runs with this machine's."""
    now_ms = ms_from_utc(datetime.now(UTC)) // MINUTE_MS * MINUTE_MS
    source = serve(served(bars(now_ms + i * MINUTE_MS for i in range(-60, 1))), fetched=False)
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"coinbase_url": source.standin.url})
    feeds = market_data.feed_for
    feeds.cache_clear()
    feed = feeds("coinbase")
    yield source
    feeds.cache_clear()
    assert isinstance(feed, CoinbaseFeed)
    feed.close()


def test_one_market_that_fails_does_not_stop_the_others(at_standin: Source) -> None:
    Market.objects.create(key="AAA-USD", symbol="AAA-USD", source="coinbase")
    Market.objects.create(key="X", symbol="X", source="ccxt:no-such-exchange")
    Market.objects.create(key="OFF-USD", symbol="OFF-USD", source="coinbase", enabled=False)
    Market.objects.create(key="FILE", symbol="FILE", source="replay")
    Market.objects.create(key="TEST-USD", symbol="TEST-USD", source="synthetic", synthetic=True)
    counts = market_data.fetch_all(now=datetime.now(UTC))
    assert set(counts) == {"BTC-USD", "AAA-USD", "X", "TEST-USD"}
    assert counts["AAA-USD"] == counts["X"] == 0
    assert 58 <= counts["BTC-USD"] <= 60
    assert counts["TEST-USD"] > 2000
    rejected = Event.objects.filter(kind="feed_rejected").order_by("market__key")
    assert list(rejected.values_list("market__key", flat=True)) == ["AAA-USD", "X"]


def test_an_error_that_is_no_feeds_is_raised_after_the_others_had_their_turn(
    at_standin: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    Market.objects.create(key="A-USD", symbol="A-USD", source="broken")
    real = market_data.feed_for

    def feed_for(source: str) -> Any:
        return 1 / 0 if source == "broken" else real(source)

    monkeypatch.setattr(market_data, "feed_for", feed_for)
    with pytest.raises(ExceptionGroup, match="could not be fetched"):
        market_data.fetch_all(now=datetime.now(UTC))
    assert len(at_standin.stored) >= 58


def test_a_synthetic_market_says_so_in_its_events(db: None) -> None:
    market = Market.objects.create(key="T", symbol="T", source="ccxt:nowhere", synthetic=True)
    market_data.fetch(market_id=market.pk, now=at(0))
    assert Event.objects.get().synthetic
    assert "SYNTHETIC" in Event.objects.get().text


def test_a_feed_is_made_once_a_process() -> None:
    assert market_data.feed_for("synthetic") is market_data.feed_for("synthetic")


@pytest.mark.parametrize(("seconds", "wait"), [(0, 4.0), (0.5, 3.5), (3.9, 0.1), (4, 0.0), (59, 0.0)])
def test_the_grace_is_waited_for_at_the_start_of_a_minute(seconds: float, wait: float) -> None:
    assert market_data.grace_wait(at(3, seconds)) == pytest.approx(wait)
