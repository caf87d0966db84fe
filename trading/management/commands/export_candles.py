"""Write a market's stored candles to a file that ``import_candles`` reads back bit for bit."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from trading import candle_store
from trading.core.types import ms_from_utc, utc_from_ms
from trading.feeds.candle_files import BadCandleFile, save_candles
from trading.management import arguments


class Command(BaseCommand):
    help = "Export a market's one-minute candles to Parquet or CSV, by the file's ending."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("market", help="the market's key, such as BTC-USD")
        parser.add_argument("file", type=Path, help="ends in .parquet or .csv")
        parser.add_argument("--from", dest="since", help="first minute, ISO; the oldest candle when left out")
        parser.add_argument("--to", dest="until", help="first minute after the last, ISO; now when left out")

    def handle(self, *, market: str, file: Path, since: str | None, until: str | None, **_: Any) -> None:
        start, end = arguments.span(since=since or "2000-01-01", until=until, days=None, now=timezone.now())
        row = arguments.market(market)
        candles = candle_store.between(row.pk, ms_from_utc(start), ms_from_utc(end))
        if len(candles) == 0:
            raise arguments.bad_input(
                f"{row} has no candles from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
            )
        try:
            save_candles(file, candles, synthetic=row.synthetic)
        except BadCandleFile as error:
            raise arguments.bad_input(f"nothing was exported: {error}") from error
        except OSError as error:
            raise arguments.bad_input(f"nothing was exported: {file}: {error.strerror or error}") from error
        first, last = utc_from_ms(int(candles.open_ms[0])), utc_from_ms(int(candles.open_ms[-1]))
        self.stdout.write(
            f"{row}: {len(candles):,} bars from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC in {file}"
        )
