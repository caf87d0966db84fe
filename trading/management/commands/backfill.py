"""Fetch a market's history: shows how far it is, and goes on where it was when it is run again."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from trading import candle_store
from trading.core.timeframes import MINUTE_MS
from trading.core.types import ms_from_utc, utc_from_ms
from trading.feeds.base import FeedRejected, FeedUnavailable
from trading.management import arguments
from trading.management.progress import MinuteProgress
from trading.models import Market
from trading.services import market_data

# A source that failed so often in a row is left alone; together with the pauses that is about seven minutes.
TRIES = 12
LONGEST_PAUSE = 60.0
INTERRUPTED = 130


class Command(BaseCommand):
    help = "Fetch a market's past candles from its source. Stopped in any way, the same command goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--market", required=True, help="the market's key, such as BTC-USD")
        parser.add_argument("--days", type=int, help="so many days back from now")
        parser.add_argument("--from", dest="since", help="first minute, ISO; without a zone UTC")
        parser.add_argument("--to", dest="until", help="first minute after the last, ISO; now when left out")

    def handle(
        self, *, market: str, days: int | None, since: str | None, until: str | None, **_: Any
    ) -> None:
        start, end = arguments.span(since=since, until=until, days=days, now=timezone.now())
        row = arguments.market(market)
        if row.source == market_data.FILE_SOURCE:
            raise arguments.bad_input(f"{row} came from a file and has no source to ask")
        again = "The same command goes on there."
        try:
            self._backfill(row, start, end)
        except KeyboardInterrupt:
            self.stdout.write(f"\nStopped. {self._reached(row, start, end)} {again}")
            raise SystemExit(INTERRUPTED) from None
        except FeedUnavailable as error:
            sentence = f"{row.source} does not answer: {error}. {self._reached(row, start, end)} {again}"
            raise CommandError(sentence) from error
        except FeedRejected as error:
            raise CommandError(f"{row.source} refuses {row.symbol}: {error}") from error

    def _backfill(self, market: Market, start: datetime, end: datetime) -> None:
        """Fetch page after page until nothing of the range is missing or settled."""
        bounds = ms_from_utc(start), ms_from_utc(end)
        missing = _missing_minutes(market, *bounds)
        total = (bounds[1] - bounds[0]) // MINUTE_MS
        if missing < total:
            self.stdout.write(f"{market}: {total - missing:,} of {total:,} minutes were fetched before.")
        sums = candle_store.Appended()
        refused = 0
        with MinuteProgress(self.stdout, str(market), minutes=missing) as progress:
            while page := self._page(market, *bounds):
                sums, refused = sums + page.appended, refused + page.refused
                minutes = (page.end_ms - page.start_ms) // MINUTE_MS
                progress.advance(minutes=minutes, bars=page.appended.new + page.appended.restated)
                if not page.progressed:
                    break
        self._report(market, bounds, sums, refused)

    def _page(self, market: Market, start_ms: int, end_ms: int) -> market_data.Page | None:
        """One page; a source that fails for the moment is asked again after a pause."""
        for attempt in range(TRIES):
            try:
                return market_data.backfill_page(
                    market_id=market.pk, start_ms=start_ms, end_ms=end_ms, now=timezone.now()
                )
            except FeedUnavailable as error:
                if attempt == TRIES - 1:
                    raise
                pause = min(max(error.retry_after or 0.0, 2.0**attempt), LONGEST_PAUSE)
                self.stderr.write(f"{error}; asking again in {pause:.0f} s")
                time.sleep(pause)
        return None

    def _report(
        self, market: Market, bounds: tuple[int, int], sums: candle_store.Appended, refused: int
    ) -> None:
        counts = candle_store.gap_counts(market.pk)
        self.stdout.write(
            f"{market}: {sums.new:,} new, {sums.restated:,} restated, {sums.same:,} known bars, {refused:,} refused."
            f" Of this market's minutes {counts['no_trades']:,} had no trades and {counts['outage']:,} were lost to"
            f" outages of the source, in {counts['stretches']:,} stretches."
        )
        if left := _missing_minutes(market, *bounds):
            newest = "newest minute is" if left == 1 else f"newest {left:,} minutes are"
            self.stdout.write(
                f"{market}: the {newest} not settled at the source yet; left for the next fetch."
            )

    def _reached(self, market: Market, start: datetime, end: datetime) -> str:
        missing = candle_store.uncovered(market.pk, ms_from_utc(start), ms_from_utc(end))
        if not missing:
            return "Everything is stored."
        return f"Everything before {utc_from_ms(missing[0][0]):%Y-%m-%d %H:%M} UTC is stored."


def _missing_minutes(market: Market, start_ms: int, end_ms: int) -> int:
    return sum(end - start for start, end in candle_store.uncovered(market.pk, start_ms, end_ms)) // MINUTE_MS
