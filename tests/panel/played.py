"""An appliance that has lived through a day and a night of prices: what stands in its rows, the product wrote.

Candles, recorded ones or a made-up market, are played minute by minute through the services that a live
appliance runs, at the cadence of its timetable. Nothing here writes a row of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from crpbot_site import schedule
from trading.core.types import IntentState, OrderRequest, Placed
from trading.feeds.base import Feed
from trading.feeds.replay import ReplayFeed
from trading.feeds.synthetic import SyntheticFeed
from trading.models import Account, Market, OrderIntent
from trading.services import bootstrap, market_data, outcomes, risk, scan, task_runs
from trading.services.desk import Desk
from trading.venues.base import VenueUnknownOutcome
from trading.venues.paper import PaperVenue

MINUTE = timedelta(minutes=1)
# A closed bar is judged when its source shows it, some seconds after its end.
AFTER_CLOSE = timedelta(seconds=4)
PLAYED = timedelta(hours=30)
# What the play may go on into after the instant of the pictures.
AFTERWARDS = timedelta(hours=8)
HOST = "attic"
LEASE = timedelta(minutes=3)

# The end of a recorded stretch that leaves open positions, closed trades and refusals of several kinds.
STRETCH_END = datetime(2024, 10, 21, 12, 9, tzinfo=UTC)
SEED = 0
FILES = {coin: f"binance_spot_{coin}USDT_1m.parquet" for coin in ("BTC", "ETH", "SOL")}


class Clock:
    """Stands still until it is set; called like the clock it stands in for."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Which markets an appliance is told of at its first start, and where the candles of each come from."""

    sources: bootstrap.Sources
    feeds: Mapping[str, Feed]


def recorded(folder: Path, *, end: datetime, stretch_end: datetime = STRETCH_END) -> Prices:
    """Recorded candles of three markets, moved in time so that their stretch ends at ``end``, a full minute."""
    feeds = {
        f"{coin}-USD": _moved(folder / file, end - stretch_end, stretch_end) for coin, file in FILES.items()
    }
    return Prices(sources=bootstrap.Sources(real="replay", symbols=tuple(feeds), reached=True), feeds=feeds)


def _moved(path: Path, by: timedelta, end: datetime) -> Feed:
    feed = ReplayFeed(path)
    feed.keep(since=end - PLAYED - market_data.WARM_UP - MINUTE, until=end + AFTERWARDS)
    feed.candles = replace(feed.candles, open_ms=feed.candles.open_ms + by // timedelta(milliseconds=1))
    return feed


def made_up(*, seed: int = SEED) -> Prices:
    """The market of an appliance that reaches no source; its rows say SYNTHETIC."""
    why = "No source of prices is asked: the market shown is a made-up one."
    sources = bootstrap.Sources(real="coinbase", symbols=("BTC-USD",), reached=False, why=why)
    return Prices(sources=sources, feeds={bootstrap.SYNTHETIC_SYMBOL: SyntheticFeed(seed=seed)})


def _no_answer(_venue: PaperVenue, _request: OrderRequest, *, fencing: int, now: datetime) -> Placed:
    """A venue that does not take an order and does not say so either."""
    raise VenueUnknownOutcome(f"none within 10 s of {now:%H:%M:%S}, sent under number {fencing}")


class Played:
    """The appliance while minutes pass; ``clock`` is set to each of them."""

    def __init__(self, prices: Prices, clock: Clock, *, owner: bootstrap.Owner | None) -> None:
        self.clock = clock
        self._feeds = prices.feeds
        self._desk = Desk(HOST, lease_ttl=LEASE)
        self._runs = count(1)
        bootstrap.run(now=clock.now, sources=prices.sources, owner=owner)
        schedule.sync()
        self.account = Account.objects.filter(synthetic=not prices.sources.reached).get()
        self._markets = {
            market.pk: market.key
            for market in Market.objects.filter(source=self.account.source).order_by("pk")
        }

    def play(self, until: datetime) -> None:
        """Let the minutes pass up to ``until``, and end there, between two of them."""
        while (now := _next(self.clock.now)) <= until:
            self._minute(now)
        self.look(until)

    def look(self, now: datetime | None = None) -> None:
        """Let the desk see the account, as it does every second."""
        self.clock.now = now or self.clock.now
        self._desk.tick(now=self.clock.now)

    def lose_an_order(self, *, before: datetime) -> None:
        """Play on until an order has got no answer; LookupError when there is none in time."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PaperVenue, "send", _no_answer)
            while not OrderIntent.objects.filter(state=IntentState.UNKNOWN).exists():
                if self.clock.now >= before:
                    raise LookupError(f"no order was asked for before {before}")
                self._minute(_next(self.clock.now))

    def _minute(self, now: datetime) -> None:
        self.clock.now = now
        self._run("fetch_candles", "scan", self._fetch)
        self._run("follow_outcomes", "control", lambda: outcomes.follow_all(now=now))
        self._desk.tick(now=now)
        if now.minute % 2 == 0 and self._run("scan", "scan", self._scan):
            self._desk.tick(now=now)
        if now.minute % 10 == 0:
            self._run("abandon_runs", "control", lambda: task_runs.abandon(now=now))
        if now.minute == 0:
            self._run("snapshot_risk", "control", lambda: len(risk.snapshot_all(now=now, trigger="hourly")))

    def _fetch(self) -> int:
        now = self.clock.now
        return sum(
            market_data.fetch(market_id=pk, now=now, feed=self._feeds[key])
            for pk, key in self._markets.items()
        )

    def _scan(self) -> int:
        return scan.run_all(now=self.clock.now)

    def _run(self, name: str, queue: str, work: Callable[[], int]) -> int:
        """One run of a task with its record, as a worker leaves it."""
        task, now = f"trading.{name}", self.clock.now
        run_id = f"run-{next(self._runs)}"
        task_runs.start(task=task, run_id=run_id, queue=queue, worker=f"{queue}@{HOST}", now=now)
        result = work()
        task_runs.succeed(task=task, run_id=run_id, result=result, now=now)
        return result


def _next(now: datetime) -> datetime:
    """When the appliance is next at work: shortly after the next full minute."""
    return (now - AFTER_CLOSE).replace(second=0, microsecond=0) + MINUTE + AFTER_CLOSE
