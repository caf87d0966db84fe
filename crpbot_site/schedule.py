"""The timetable of background tasks, and how it becomes rows without undoing what an operator changed.

A row remembers in its description what was last written here. A part of a row (when, expiry, on or off) that
still equals that memory belongs to this table and follows it; a part that differs was edited and is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

FRESH = 0.9  # a run that starts later than this share of its slot is dropped: the next one is as good
MEMORY = re.compile(
    r"^Set by CRPBot: (?P<when>.+); expires after (?P<expires>\S+) s; (?P<enabled>on|off)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Cron:
    """Minutes and hours of a crontab in UTC, and the slot between two turns."""

    minute: str
    hour: str = "*"
    slot: timedelta = timedelta(minutes=1)

    def __str__(self) -> str:
        return f"at {self.minute} {self.hour} * * * UTC"


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed interval, counted from the last turn."""

    seconds: int

    @property
    def slot(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    def __str__(self) -> str:
        return f"every {self.seconds} seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the timetable; ``why`` is what an operator reads beside it."""

    name: str
    task: str
    when: Cron | Every
    why: str

    @property
    def expires(self) -> int:
        return int(self.when.slot.total_seconds() * FRESH)


TABLE: tuple[Entry, ...] = (
    Entry(
        name="candles",
        task="trading.fetch_candles",
        when=Cron("*"),
        why="Fetches the minute that has just closed, for every market.",
    ),
    Entry(
        name="scan",
        task="trading.scan",
        when=Cron("*/2", slot=timedelta(minutes=2)),
        why="Judges every closed candle that has not been judged yet; a missed turn is made up by the next.",
    ),
    Entry(
        name="outcomes",
        task="trading.follow_outcomes",
        when=Cron("*"),
        why="Follows every signal to its target, its stop or its time limit, taken or not.",
    ),
    Entry(
        name="risk snapshot",
        task="trading.snapshot_risk",
        when=Cron("0", slot=timedelta(hours=1)),
        why="Writes down every account's risk; the desk adds one on every change.",
    ),
    Entry(
        name="abandoned runs",
        task="trading.abandon_runs",
        when=Every(600),
        why="Marks the task runs whose process is gone.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a sync did, by names of rows; ``kept`` are rows in which an operator's edit was left alone."""

    created: tuple[str, ...]
    updated: tuple[str, ...]
    kept: tuple[str, ...]


def sync() -> Synced:
    """Bring the rows in line with the table; rows that are not in it are never touched."""
    done: dict[str, list[str]] = {"created": [], "updated": [], "kept": []}
    with transaction.atomic():
        rows = {row.name: row for row in PeriodicTask.objects.select_related("crontab", "interval")}
        for entry in TABLE:
            for word in _sync(entry, rows.get(entry.name)):
                done[word].append(entry.name)
    return Synced(**{word: tuple(names) for word, names in done.items()})


def _sync(entry: Entry, row: PeriodicTask | None) -> list[str]:
    wanted = {"when": str(entry.when), "expires": str(entry.expires), "enabled": "on"}
    if row is None:
        row = PeriodicTask(name=entry.name, task=entry.task, enabled=True)
        _write(row, entry, {"when", "expires"})
        _remember(row, entry, wanted)
        row.save()
        return ["created"]
    memory = MEMORY.search(row.description or "")
    if memory is None:
        return ["kept"]
    present = _present(row)
    edited = {part for part in wanted if present[part] != memory[part]}
    behind = {part for part in wanted if present[part] != wanted[part]} - edited
    before = (row.task, row.description)
    _write(row, entry, behind)
    row.task = entry.task
    _remember(row, entry, {part: memory[part] if part in edited else wanted[part] for part in wanted})
    words = ["kept"] if edited else []
    if behind or before != (row.task, row.description):
        row.save()
        words.append("updated")
    return words


def _present(row: PeriodicTask) -> dict[str, str]:
    """The parts of a row in the words of the table."""
    expires = "never" if row.expire_seconds is None else str(row.expire_seconds)
    return {"when": _when(row), "expires": expires, "enabled": "on" if row.enabled else "off"}


def _when(row: PeriodicTask) -> str:
    if row.interval is not None:
        seconds = timedelta(**{row.interval.period: row.interval.every}).total_seconds()
        return f"every {seconds:.0f} seconds"
    if row.crontab is None:
        return "another schedule"
    cron = row.crontab
    rest = f"{cron.day_of_month} {cron.month_of_year} {cron.day_of_week} {cron.timezone}"
    return f"at {cron.minute} {cron.hour} {rest}"


def _write(row: PeriodicTask, entry: Entry, parts: set[str]) -> None:
    if "when" in parts:
        _schedule(row, entry.when)
    if "expires" in parts:
        row.expire_seconds = entry.expires
    if "enabled" in parts:
        row.enabled = True


def _schedule(row: PeriodicTask, when: Cron | Every) -> None:
    row.crontab = row.interval = row.solar = row.clocked = None
    if isinstance(when, Every):
        row.interval, _ = IntervalSchedule.objects.get_or_create(
            every=when.seconds, period=IntervalSchedule.SECONDS
        )
        return
    row.crontab, _ = CrontabSchedule.objects.get_or_create(
        minute=when.minute,
        hour=when.hour,
        day_of_month="*",
        month_of_year="*",
        day_of_week="*",
        timezone=ZoneInfo("UTC"),
    )


def _remember(row: PeriodicTask, entry: Entry, parts: dict[str, str]) -> None:
    line = f"Set by CRPBot: {parts['when']}; expires after {parts['expires']} s; {parts['enabled']}"
    row.description = f"{entry.why}\n{line}"
