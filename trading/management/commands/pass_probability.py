"""How likely an account passes its phase, from futures drawn from its own trades; the same seed says the same."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self, TextIO, cast

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from trading.core import pass_probability as chance
from trading.core.pass_paths import End
from trading.core.pass_probability import Chances, Sample, estimate, percent
from trading.core.progress import Progress as Done
from trading.management import arguments
from trading.models import Account
from trading.selectors import panel
from trading.selectors import progress as rows

MOST_PATHS = 10_000_000
BAR = 40
LINES = 12
MOST = 0.97


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--account", help="the account's name; without it the one that the panel opens with"
        )
        parser.add_argument(
            "--paths", type=int, default=chance.PATHS, help=f"futures to draw, {chance.PATHS:,} when left out"
        )
        parser.add_argument(
            "--seed", type=int, default=chance.SEED, help="the same seed gives the same answer"
        )
        parser.add_argument(
            "--days", type=int, default=chance.HORIZON, help="days to look ahead, 365 when left out"
        )
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--firm-only",
            action="store_true",
            help="only the firm's floors end a path, not our own levels of the total limit",
        )
        which.add_argument(
            "--guarded",
            action="store_true",
            help="half the size from 50 %% of the total limit on, as the gate does",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        paths, seed, horizon = _numbers(options)
        account, now = _account(options["account"]), timezone.now()
        try:
            done = rows.progress_of(account, now=now)
            history = rows.history_of(account, now=now)
            with _Bar() as bar:
                found = chance.chances(
                    history,
                    paths=paths,
                    seed=seed,
                    horizon=horizon,
                    lock=not options["firm_only"],
                    guarded=options["guarded"],
                    told=bar.told,
                )
        except ValueError as error:
            raise arguments.bad_input(
                f"{account} cannot be read, so nothing is said of it: {error}"
            ) from error
        if options["json"]:
            self.stdout.write(
                json.dumps(as_json(account, history.programme.label, done, found), sort_keys=True)
            )
        else:
            _tell(cast(TextIO, self.stdout), account, history.programme.title, done, found)


class _Bar:
    """Paths done, on a terminal only: what is printed elsewhere is the answer and nothing else."""

    def __init__(self) -> None:
        self._drawn = Progress(
            TextColumn("drawing futures"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} paths"),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._drawn.add_task("", total=None)

    def __enter__(self) -> Self:
        self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawn.stop()

    def told(self, done: int, whole: int) -> None:
        self._drawn.update(self._task, completed=done, total=whole)


def _numbers(options: dict[str, Any]) -> tuple[int, int, int]:
    paths, seed, horizon = options["paths"], options["seed"], options["days"]
    if not chance.GROUPS <= paths <= MOST_PATHS:
        raise arguments.bad_input(f"--paths must lie between {chance.GROUPS} and {MOST_PATHS:,}, was {paths}")
    if seed < 0:
        raise arguments.bad_input(f"--seed must be 0 or more, was {seed}")
    if not 1 <= horizon <= 3_650:
        raise arguments.bad_input(f"--days must lie between 1 and 3,650, was {horizon}")
    return paths, seed, horizon


def _account(name: str | None) -> Account:
    """The account of this name, or the one that the panel opens with."""
    every = panel.accounts()
    if name is None:
        first = panel.shown(every, None)
        if first is None:
            raise arguments.bad_input("there is no account yet: run `manage.py bootstrap`")
        return first
    for account in every:
        if account.name == name:
            return account
    known = ", ".join(account.name for account in every) or "none yet"
    raise arguments.bad_input(f"there is no account {name!r}; known are: {known}")


def as_json(account: Account, programme: str, done: Done, found: Chances) -> dict[str, Any]:
    """Everything that is said, money and risks as strings; shares are numbers from 0 to 1."""
    return {
        "account": account.name,
        "synthetic": account.synthetic,
        "programme": programme,
        "progress": {
            "balance": str(done.balance),
            "target": None if done.target is None else str(done.target),
            "missing": str(done.missing),
            "target_met": done.target_met,
            "met": done.met,
            "open_positions": done.open_positions,
            "trading_days": done.trading_days,
            "trading_days_needed": done.trading_days_needed,
            "best_day": None if done.best is None else _plain(asdict(done.best)),
            "pace": _plain(asdict(done.pace)),
        },
        "sample": found.sample.value,
        "sentence": found.sentence,
        "trades": found.trades,
        "days": found.days,
        "assumed_risks": found.assumed,
        "paths": found.paths,
        "seed": found.seed,
        "horizon_days": found.horizon,
        "own_lock": found.lock,
        "guarded": found.guarded,
        "outcomes": {one.name: [one.share, one.low, one.high] for one in found.outcomes},
        "days_to_pass": None if found.to_pass is None else asdict(found.to_pass),
        "present_risk": _plain(found.present),
        "set_risk": _plain(found.set_risk),
        "best_risk": _plain(found.best_risk),
        "curve": [
            {"risk": str(p.risk), "pass": [p.share, p.low, p.high], "like_best": p.like_best}
            for p in found.curve
        ],
        "curve_sentence": found.curve_sentence,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _tell(out: TextIO, account: Account, title: str, done: Done, found: Chances) -> None:
    console = Console(file=out)
    name = account.name + (" \u2014 SYNTHETIC: its prices are made up" if account.synthetic else "")
    console.print(f"[bold]{escape(name)}[/bold], {escape(title)}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    for label, words in _done_rows(done, account.currency):
        table.add_row(label, escape(words))
    for one in found.outcomes:
        table.add_row(one.words, escape(estimate(one, 1)))
    if found.to_pass is not None:
        days = found.to_pass
        table.add_row(
            "Days, if it passes",
            escape(
                f"{days.median} [{days.low}, {days.high}] in four of five paths;"
                f" the middle itself [{days.median_low}, {days.median_high}]"
            ),
        )
    console.print(table)
    for line in [*_curve(found), *_histogram(found)]:
        console.print(escape(line), soft_wrap=True, highlight=False)
    console.print(escape(found.sentence), soft_wrap=True, highlight=False)
    if found.sample in (Sample.THIN, Sample.ENOUGH):
        console.print(
            f"{found.trades} trades on {found.days} days, {found.paths:,} paths, seed {found.seed}."
            " What it cannot say stands in docs/pass_probability.md.",
            soft_wrap=True,
            highlight=False,
        )


def _done_rows(done: Done, currency: str) -> list[tuple[str, str]]:
    found = [("Balance", f"{done.balance:,.2f} {currency}")]
    if done.target is not None:
        left = f"{done.missing:,.2f} to go" if done.missing else "exceeded"
        held = f", {done.open_positions} still open" if done.open_positions else ""
        found.append(("Target, to be exceeded", f"{done.target:,.2f}, {left}{held}"))
    found.append(("Trading days", f"{done.trading_days}, {done.trading_days_needed} needed"))
    if done.best is not None:
        best = done.best
        share = f", {best.share:.1%} of the profitable days".replace("%", " %")
        rule = ""
        if best.limit is not None:
            gate = "open" if best.open else f"closed: {best.missing:,.2f} more on other days opens it"
            rule = f", {percent(float(best.limit))} % allowed, gate {gate}"
        found.append(("Best day", f"{best.day} +{best.result:,.2f}{share}{rule}"))
    found.append(("Days left by pace", done.pace.sentence))
    return found


def _curve(found: Chances) -> list[str]:
    """P(pass) by risk, a bar each; the present one and the best are named."""
    if not found.curve:
        return ["", found.curve_sentence] if found.curve_sentence else []
    lines = ["", "P(pass) by risk a trade"]
    for point in found.curve:
        named = [
            word
            for word, risk in (("now", found.present), ("highest", found.best_risk))
            if risk == point.risk
        ]
        bar = "#" * round(point.share * BAR)
        interval = f"{percent(point.share)} % [{percent(point.low)}, {percent(point.high)}]"
        lines.append(f"{point.risk * 100:6.2f} % |{bar:<{BAR}}| {interval} {' '.join(named)}".rstrip())
    return [*lines, found.curve_sentence]


def _histogram(found: Chances) -> list[str]:
    """On which days paths reach the target (#) and are stopped (x), as parts of all paths."""
    last = chance.day_of_most(found, MOST)
    if not last:
        return []
    size = -(-last // LINES)
    bins = [[0, 0] for _ in range(-(-last // size) + 1)]
    for day, up, down in found.by_day:
        at = min((day - 1) // size, len(bins) - 1)
        bins[at][0] += up
        bins[at][1] += down
    most = max(up + down for up, down in bins)
    # Whole groups are drawn, so there may be a few more paths than were asked for.
    whole = sum(up + down for up, down in bins)
    undecided = found.share(End.UNDECIDED)
    ended = 1 - (undecided.share if undecided else 0.0)
    lines = ["", "Where the paths end, by day: # reaches the target, x is stopped"]
    for number, (up, down) in enumerate(bins):
        first = number * size + 1
        span = f"{first}-{first + size - 1}" if number < len(bins) - 1 else f"from {first}"
        bar = "#" * round(up / most * BAR) + "x" * round(down / most * BAR)
        lines.append(f"{span:>9} |{bar:<{BAR}}| {percent((up + down) / whole * ended, 1)} %")
    return [*lines, ""]
