"""Play a file of one-minute candles through the same services as a live market, in a scratch database."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from trading.feeds.replay import BadCandleFile, ReplayFeed
from trading.management import arguments
from trading.management.progress import MinuteProgress
from trading.management.scratch import scratch_database
from trading.services import replay
from trading.strategies import ALL


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="columns timestamp, open, high, low, close, volume")
        parser.add_argument("--market", required=True, help="what the market is called, such as BTC-USD")
        parser.add_argument(
            "--strategy",
            required=True,
            action="append",
            dest="strategies",
            help=f"one of {', '.join(sorted(ALL))}; may be given several times",
        )
        parser.add_argument("--from", dest="since", help="play from here on, ISO date in UTC")
        parser.add_argument("--to", dest="until", help="play up to here")
        parser.add_argument("--days", type=int, help="play so many days from the beginning")
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object; progress goes to stderr"
        )
        parser.add_argument(
            "--keep", action="store_true", help="leave the scratch database and say where it is"
        )

    def handle(self, **options: Any) -> None:
        feed = _feed(options)
        strategies = sorted(set(options["strategies"]))
        if unknown := [name for name in strategies if name not in ALL]:
            known = ", ".join(sorted(ALL))
            raise arguments.bad_input(f"there is no strategy {unknown[0]!r}; known are: {known}")
        began = time.monotonic()
        with scratch_database(keep=options["keep"]) as place:
            stage = replay.prepare(market_key=options["market"], strategies=strategies, now=feed.first)
            minutes = int((feed.end - feed.first).total_seconds()) // 60
            with MinuteProgress(self.stderr, options["market"], minutes=minutes) as progress:
                replay.play(
                    stage,
                    feed,
                    replay.new_desk(),
                    cadence=replay.Cadence(),
                    told=lambda _now: progress.advance(minutes=1, bars=1),
                )
            found = replay.figures(stage, feed, strategies=strategies)
        seconds = time.monotonic() - began
        rate = found["candles"] / seconds
        self.stderr.write(f"{found['candles']:,} candles in {seconds:.1f} s, {rate:,.0f} a second")
        if options["keep"]:
            self.stderr.write(f"The scratch database was left: {place}")
        self._tell(found, as_json=options["json"])

    def _tell(self, found: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(found, sort_keys=True))
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, value in found.items():
            table.add_row(name, _words(name, value))
        Console(file=cast(TextIO, self.stdout)).print(table)


def _feed(options: dict[str, Any]) -> ReplayFeed:
    """The file, cut to the part that is played; a sentence and exit code 2 when there is nothing to play."""
    try:
        feed = ReplayFeed(options["file"])
    except BadCandleFile as error:
        raise arguments.bad_input(f"nothing was played: {error}") from error
    since = arguments.instant(options["since"], name="--from") if options["since"] else None
    until = arguments.instant(options["until"], name="--to") if options["until"] else None
    if options["days"] is not None:
        if until is not None or options["days"] < 1:
            raise arguments.bad_input("--days must be at least 1 and cannot stand beside --to")
        until = (since or feed.first) + timedelta(days=options["days"])
    if since and until and since >= until:
        raise arguments.bad_input(
            f"--from must lie before --to, was {since:%Y-%m-%d %H:%M} and {until:%Y-%m-%d %H:%M} UTC"
        )
    feed.keep(since=since, until=until)
    if not len(feed.candles):
        raise arguments.bad_input(f"nothing was played: {options['file'].name} has no candles in that range")
    return feed


def _words(name: str, value: Any) -> str:
    if name == "trades":
        return f"{len(value)}, listed with --json"
    if name == "confidence":
        return ", ".join(f"{strategy} {_rate(found)}" for strategy, found in value.items())
    if isinstance(value, dict):
        return ", ".join(f"{_plain(key)} {_plain(word)}" for key, word in value.items()) or "none"
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " + ".join(f"{count} {word}" for word, count in value.items()) or "none"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _rate(found: dict[str, Any]) -> str:
    """A strategy's confidence in words: a share needs outcomes to be one of."""
    if found["rate"] is None:
        return f"unknown after {found['n']} outcomes"
    return f"{found['rate']} ({found['low']} to {found['high']}) of {found['n']} outcomes"
