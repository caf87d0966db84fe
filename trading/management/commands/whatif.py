"""Judge an account's history against a programme, as the guard would have seen it."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO, cast
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from trading.core import history, whatif
from trading.core.answer import money, percent
from trading.core.programme import Programme, profile
from trading.core.types import Breach, Level

BAR = 24
MOST_ROWS = 40
COLOURS = {
    Level.GREEN: "green",
    Level.AMBER: "yellow",
    Level.RED: "red",
    Level.LOCKED: "magenta",
    Level.BREACH: "bold red",
}


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="JSON lines, or an MT5 history saved as HTML or CSV")
        parser.add_argument("--programme", required=True, help="such as ftmo-2-step-challenge")
        parser.add_argument(
            "--initial", help="initial balance, when an MT5 export does not begin with the deposit"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object a mark; notes go to stderr"
        )

    def handle(self, *, file: Path, programme: str, initial: str | None, **options: Any) -> None:
        try:
            rules = profile(programme)
            told = history.read(file.read_bytes(), initial=_initial(initial))
            moments = whatif.judge(told.events, rules)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}") from error
        except history.BadHistory as error:
            raise CommandError(f"{file.name}: {error}") from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            lines = (json.dumps(_line(moment, told)) for moment in moments if moment.is_mark)
            self.stdout.write("\n".join(lines))
            for note in told.notes:
                self.stderr.write(note)
            return
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        _tell(console, moments, rules)
        for note in told.notes:
            console.print(f"\n{note}", markup=False)


def _initial(text: str | None) -> Decimal | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,8})?", text) or not Decimal(text):
        raise ValueError(f"--initial must be an amount above 0 such as 100000, was {text!r}")
    return Decimal(text)


def _line(moment: whatif.Moment, told: history.History) -> dict[str, str | int | None]:
    """One mark; an export says as well whether there was open profit that it does not tell."""
    line = whatif.line(moment)
    if told.from_terminal:
        line["floating"] = "none" if moment.floating_known else "unknown"
    return line


def _tell(console: Console, moments: tuple[whatif.Moment, ...], rules: Programme) -> None:
    found = whatif.summary(moments)
    marks = sum(1 for moment in moments if moment.is_mark)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("programme", f"{rules.title} ({rules.label}), read {rules.verified_on:%d %b %Y}")
    table.add_row(
        "history",
        f"{_when(found.first, rules)} to {_when(found.last, rules)}, {len(found.days)} days, {marks:,} marks",
    )
    table.add_row("verdict", _verdict(found, rules))
    table.add_row("nearest", _nearest(found.nearest, rules))
    table.add_row("worst day", _worst(found.worst))
    table.add_row("trading days", _trading_days(found.last, rules))
    table.add_row("at the end", f"balance {money(found.last.balance)}, equity {money(found.last.equity)}")
    console.print(table)
    console.print("\nheadroom, the least of each day; a full bar is the daily limit")
    console.print(_picture(found))


def _when(moment: whatif.Moment, rules: Programme) -> str:
    return f"{moment.at.astimezone(ZoneInfo(rules.zone)):%a %d %b %Y, %H:%M:%S %Z}"


def _verdict(found: whatif.Summary, rules: Programme) -> str:
    if found.breach is None:
        if found.floating_known:
            return "no limit was broken"
        return "no limit was broken by the balance; whether by equity the file does not tell"
    moment = found.breach
    is_daily = moment.breach is Breach.DAILY
    value = moment.balance if is_daily and not rules.daily_counts_open else moment.equity
    floor = moment.daily_floor if is_daily else moment.total_floor
    held = (
        "" if moment.is_mark else f", when the day began with a balance of {money(moment.day_start_balance)}"
    )
    return (
        f"BREACH of the {moment.breach.value} limit on {_when(moment, rules)}{held}:"
        f" {money(value)} is below {money(floor)}"
    )


def _nearest(moment: whatif.Moment, rules: Programme) -> str:
    name = "daily" if moment.daily_floor >= moment.total_floor else "total"
    where = "above" if moment.room >= 0 else "below"
    return (
        f"{money(abs(moment.room))} {where} the {name} floor {money(moment.floor)} on {_when(moment, rules)}"
        f" (equity {money(moment.equity)})"
    )


def _worst(moment: whatif.Moment | None) -> str:
    if moment is None:
        return "no day was ever below its start"
    share = f", {percent(moment.gone / moment.daily_limit)}" if moment.daily_limit else ""
    return f"{moment.day:%a %d %b %Y}: {money(moment.gone)} of {money(moment.daily_limit)} lost{share}"


def _trading_days(moment: whatif.Moment, rules: Programme) -> str:
    asked = f"{rules.min_trading_days} are asked for" if rules.min_trading_days else "none are asked for"
    return f"{moment.trading_days}; {asked}"


def _picture(found: whatif.Summary) -> Table:
    """A bar a day; of a long history a bar for every few days, the least of them."""
    step = -(-len(found.days) // MOST_ROWS)
    table = Table(box=None, pad_edge=False, show_header=False)
    for start in range(0, len(found.days), step):
        days = found.days[start : start + step]
        least = min((day.least for day in days), key=lambda moment: moment.room)
        level = max((day.level for day in days), key=lambda level: level.rank)
        last = f" to {days[-1].day:%d %b}" if len(days) > 1 else ""
        bar = _bar(least.headroom, least.daily_limit)
        colour = COLOURS[level]
        table.add_row(
            f"{days[0].day:%d %b %Y}{last}",
            f"[{colour}]{bar}[/]",
            f"{money(least.headroom):>14}",
            f"[{colour}]{level.value}[/]",
        )
    return table


def _bar(part: Decimal, whole: Decimal) -> str:
    share = min(part / whole, Decimal(1)) if whole else Decimal(0)
    full = int(share * BAR)
    return "█" * full + "·" * (BAR - full)
