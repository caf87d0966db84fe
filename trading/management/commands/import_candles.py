"""Read a file of one-minute candles into a market: all of it, or nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from trading.core.timeframes import MINUTE_MS
from trading.core.types import utc_from_ms
from trading.feeds.candle_files import BadCandleFile, is_synthetic, load_candles
from trading.management import arguments
from trading.management.progress import MinuteProgress
from trading.services import market_data


class Command(BaseCommand):
    help = "Import one-minute candles from a Parquet or CSV file; a bad file imports nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="columns timestamp, open, high, low, close, volume")
        parser.add_argument("--market", required=True, help="the market's key, such as BTC-USD")
        parser.add_argument(
            "--create", action="store_true", help="make the market, which is then not fetched"
        )
        parser.add_argument(
            "--source", default=market_data.FILE_SOURCE, help="where a created market's candles come from"
        )

    def handle(self, *, file: Path, market: str, create: bool, source: str, **_: Any) -> None:
        try:
            candles = load_candles(file)
        except BadCandleFile as error:
            raise arguments.bad_input(f"nothing was imported: {error}") from error
        if is_synthetic(file):
            raise arguments.bad_input(f"nothing was imported: the prices of {file.name} are SYNTHETIC")
        if not create:
            arguments.market(market)
        first, last = int(candles.open_ms[0]), int(candles.open_ms[-1])
        minutes = (last - first) // MINUTE_MS + 1
        try:
            with MinuteProgress(self.stdout, market, minutes=minutes) as progress:
                appended = market_data.import_candles(
                    key=market,
                    candles=candles,
                    now=timezone.now(),
                    create_from=source if create else None,
                    told=lambda minutes, bars: progress.advance(minutes=minutes, bars=bars),
                )
        except ValueError as error:
            raise arguments.bad_input(f"nothing was imported: {file.name}: {error}") from error
        self.stdout.write(
            f"{market}: {appended.new:,} new, {appended.restated:,} restated, {appended.same:,} known bars from"
            f" {utc_from_ms(first):%Y-%m-%d %H:%M} to {utc_from_ms(last):%Y-%m-%d %H:%M} UTC."
        )
