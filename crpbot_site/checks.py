"""The truth about a running appliance: one list of checks for `doctor` and `/health/ready`.

The checks that speak to the sources of prices stand in `feed_checks`: only `doctor` makes them.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Sum
from django_celery_beat.models import PeriodicTask

from crpbot_site.schedule import TABLE
from trading.core.types import TradingState, ms_from_utc, utc_from_ms
from trading.models import Account, Gap, GapKind, Lease, Market, TaskHealth
from trading.services import kill_switch
from trading.services.claims import LEASE

MINUTE = timedelta(minutes=1)
CANDLE_WARN, CANDLE_FAIL = 3 * MINUTE, 5 * MINUTE
SLOTS_WARN, SLOTS_FAIL = 3, 5
DISK_FAIL_BYTES, DISK_WARN_SHARE = 1_000_000_000, 0.05
RESUME = "Only a person can resume: in the panel, or with `manage.py resume`."
RELEASE = {
    "file": "Remove the file when it is safe.",
    "environment": "Unset it when it is safe, and start again.",
}
WEAK_PASSWORDS = ("admin", "password", "crpbot", "changeme")
GUARDS = frozenset(
    f"trading_{table}_no_{operation}"
    for table, operations in {
        "signal": ("update", "delete"),
        "fill": ("update", "delete"),
        "event": ("update", "delete"),
        "paperentry": ("update", "delete"),
        "risksnapshot": ("update",),
        "outcome": ("delete",),
    }.items()
    for operation in operations
) | {"trading_outcome_final"}


class Verdict(StrEnum):
    """How bad it is, in rising order."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One answer: what was looked at, how it is, and what to do next when it is not well."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""


Check = Callable[[datetime], Iterable[Finding]]


def ok(check: str, text: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, text=text)


def warn(check: str, text: str, advice: str = "") -> Finding:
    return Finding(check=check, verdict=Verdict.WARN, text=text, advice=advice)


def fail(check: str, text: str, advice: str = "") -> Finding:
    return Finding(check=check, verdict=Verdict.FAIL, text=text, advice=advice)


def python(_now: datetime) -> Iterable[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.prefix == sys.base_prefix and not Path("/.dockerenv").exists():
        yield warn("python", f"Python {version}, outside a virtual environment.", "Start with `make run`.")
    else:
        yield ok("python", f"Python {version}.")


def environment(_now: datetime) -> Iterable[Finding]:
    env = settings.CRPBOT
    if env.notice:
        yield warn("environment", env.notice)
    elif idle := env.idle():
        text = f"Set, but without effect in this version: {', '.join(idle)}."
        yield warn("environment", text, "What they name is neither read nor written.")
    else:
        yield ok("environment", f"Every setting is within its range; the panel is {env.url}.")


def database(_now: datetime) -> Iterable[Finding]:
    """Reachable, migrated, guarded, and as durable as it must be."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    yield ok("database", f"{connection.vendor} answers.")
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        yield fail("migrations", f"{len(waiting)} migrations are not applied.", "Run `manage.py migrate`.")
    else:
        yield ok("migrations", "All migrations are applied.")


def append_only(_now: datetime) -> Iterable[Finding]:
    # A trigger that is switched off guards nothing.
    source = (
        "pg_trigger WHERE tgenabled IN ('O', 'A')"
        if connection.vendor == "postgresql"
        else "sqlite_master WHERE type = 'trigger'"
    )
    column = "tgname" if connection.vendor == "postgresql" else "name"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {source}")  # noqa: S608 -- both names are constants of this function
        missing = sorted(GUARDS - {row[0] for row in cursor.fetchall()})
    if missing:
        yield fail(
            "append-only",
            f"Guards are missing: {', '.join(missing)}.",
            "Restore a backup: rows can be changed.",
        )
    else:
        yield ok("append-only", f"All {len(GUARDS)} guards of append-only rows are in the database.")


def durability(_now: datetime) -> Iterable[Finding]:
    """What the database does before it says that a row is safe."""
    if connection.vendor == "postgresql":
        wanted = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
        command = "SHOW"
    else:
        wanted = {"journal_mode": "wal", "synchronous": "2"}
        command = "PRAGMA"
    for name, value in wanted.items():
        with connection.cursor() as cursor:
            cursor.execute(f"{command} {name}")
            found = str(cursor.fetchone()[0])
        if found != value:
            advice = "A power cut could lose rows. Set it in the server's configuration."
            yield fail("durability", f"{name} is {found}, must be {value}.", advice)
            return
    yield ok("durability", ", ".join(f"{name} is {value}" for name, value in wanted.items()) + ".")


def broker(_now: datetime) -> Iterable[Finding]:
    url = settings.CRPBOT.redis_url
    if url is None:
        yield ok("broker", "Tasks stay inside the appliance's process; no Redis is needed.")
        return
    try:
        with redis.Redis.from_url(
            url.get_secret_value(), socket_timeout=3, socket_connect_timeout=3
        ) as client:
            client.ping()
    except redis.RedisError as error:
        yield fail(
            "broker", f"Redis does not answer: {type(error).__name__}.", "Start Redis, or correct REDIS_URL."
        )
    else:
        yield ok("broker", "Redis answers.")


def timetable(_now: datetime) -> Iterable[Finding]:
    rows = {row.name: row.enabled for row in PeriodicTask.objects.filter(name__in=[e.name for e in TABLE])}
    missing = [entry.name for entry in TABLE if entry.name not in rows]
    off = [name for name, enabled in rows.items() if not enabled]
    if missing:
        yield fail(
            "schedule", f"Not on the schedule: {', '.join(missing)}.", "Run `manage.py sync_schedule`."
        )
    elif off:
        yield warn(
            "schedule", f"Switched off: {', '.join(off)}.", "Switch them on in the panel under Schedules."
        )
    else:
        yield ok("schedule", f"{len(rows)} tasks are on the schedule.")


def tasks(now: datetime) -> Iterable[Finding]:
    """When each scheduled task last succeeded, against its slot."""
    healths = {health.task: health for health in TaskHealth.objects.all()}
    off = set(PeriodicTask.objects.filter(enabled=False).values_list("name", flat=True))
    for entry in TABLE:
        if entry.name not in off:
            yield _task(entry.task, entry.when.slot, healths.get(entry.task), now)


def _task(task: str, slot: timedelta, health: TaskHealth | None, now: datetime) -> Finding:
    check = f"task {task}"
    advice = "Is the appliance running? Its task runs are in the panel under Task runs."
    if health is None or health.last_success_at is None:
        return fail(check, "It has not succeeded yet.", advice)
    age = now - health.last_success_at
    failing = f", {health.failures_in_a_row} failures in a row" if health.failures_in_a_row else ""
    text = f"Succeeded {age.total_seconds():.0f} s ago, due every {slot.total_seconds():.0f} s{failing}."
    if age > SLOTS_FAIL * slot:
        return fail(check, text, advice)
    if age > SLOTS_WARN * slot or failing:
        return warn(check, text, advice)
    return ok(check, text)


def candles(now: datetime) -> Iterable[Finding]:
    """How far each shown market is known, and how old its last candle is."""
    markets = list(Market.objects.filter(enabled=True))
    if not markets:
        yield fail("candles", "No market is switched on.", "Switch one on in the panel under Markets.")
    for market in markets:
        yield _candles(market, now)


def _candles(market: Market, now: datetime) -> Finding:
    check = f"candles {market}"
    why = f" {market.source} is unavailable: {market.unavailable_reason}." if market.unavailable_since else ""
    advice = f"{why} It is asked again each minute; see the events of this market.".strip()
    if market.newest_ms is None:
        return fail(check, "There is no candle yet.", advice)
    last = now - utc_from_ms(market.newest_ms) - MINUTE
    known = now - utc_from_ms(max(market.fetched_to_ms or 0, market.newest_ms + 60_000))
    text = f"The last candle closed {last.total_seconds():.0f} s ago."
    if known > CANDLE_FAIL:
        return fail(check, text, advice)
    if known > CANDLE_WARN or why:
        return warn(check, text, advice)
    return ok(check, text)


def gaps(now: datetime) -> Iterable[Finding]:
    """Outages of the last day; minutes without trades are no fault."""
    since = ms_from_utc(now - timedelta(days=1))
    found = Gap.objects.filter(kind=GapKind.OUTAGE, end_ms__gt=since, market__enabled=True)
    lengths = (
        found.values("market__key").annotate(start=Sum("start_ms"), end=Sum("end_ms")).order_by("market__key")
    )
    total = {row["market__key"]: (row["end"] - row["start"]) // 60_000 for row in lengths}
    if total:
        text = ", ".join(f"{key} {minutes} min" for key, minutes in total.items())
        yield warn("gaps", f"Outages in the last day: {text}.", "Fill them with `manage.py backfill`.")
    else:
        yield ok("gaps", "No outage in the last day.")


def state(_now: datetime) -> Iterable[Finding]:
    found = kill_switch.effective()
    if found.state is TradingState.ACTIVE:
        yield ok("kill switch", "ACTIVE: orders may open.")
        yield from _held_accounts()
    else:
        text = f"{found.state.upper()} by {found.source}: {found.reason}."
        yield warn("kill switch", text, RELEASE.get(found.source, RESUME))


def _held_accounts() -> Iterable[Finding]:
    """Accounts that their own switch holds while the one of all is open."""
    for account in Account.objects.order_by("pk"):
        own = kill_switch.effective(account.pk)
        if own.state is not TradingState.ACTIVE:
            text = f"{own.state.upper()} by its own switch: {own.reason}."
            yield warn(f"kill switch {account}", text, RESUME)


def desk(now: datetime) -> Iterable[Finding]:
    lease = Lease.objects.filter(name=LEASE).first()
    advice = "Start the desk: `make run`, or the desk container."
    if lease is None:
        yield fail("desk", "No desk has ever held the lease.", advice)
    elif lease.expires_at <= now:
        gone = (now - lease.renewed_at).total_seconds()
        yield fail("desk", f"Nobody holds the desk's lease; it was last renewed {gone:.0f} s ago.", advice)
    else:
        yield ok("desk", f"The desk's lease is held by {lease.owner}.")


def disk(_now: datetime) -> Iterable[Finding]:
    usage = shutil.disk_usage(settings.CRPBOT.data_dir)
    text = f"{usage.free / 1e9:.1f} GB are free in {settings.CRPBOT.data_dir}."
    if usage.free < DISK_FAIL_BYTES:
        yield fail("disk", text, "Free some space: below 1 GB rows may be lost.")
    elif usage.free < DISK_WARN_SHARE * usage.total:
        yield warn("disk", text, "Free some space: less than a twentieth is left.")
    else:
        yield ok("disk", text)


def people(_now: datetime) -> Iterable[Finding]:
    owners = list(get_user_model().objects.filter(is_superuser=True, is_active=True))
    if not owners:
        yield fail(
            "people", "There is no active superuser; nobody can resume.", "Run `manage.py createsuperuser`."
        )
        return
    weak = [owner.get_username() for owner in owners if _guessed(owner)]
    if weak:
        name = weak[0]
        yield fail(
            "people", f"The password of {name} is easily guessed.", f"Run `manage.py changepassword {name}`."
        )
    else:
        who = "superuser" if len(owners) == 1 else "superusers"
        yield ok("people", f"{len(owners)} {who}, no password that is easily guessed.")


def _guessed(owner: AbstractBaseUser) -> bool:
    return any(owner.check_password(word) for word in (*WEAK_PASSWORDS, owner.get_username()))


READY: tuple[Check, ...] = (database, append_only, broker, state, desk, candles, timetable, tasks, disk)
ALL: tuple[Check, ...] = (
    *(python, environment, database, append_only, durability, broker, timetable, tasks, candles, gaps),
    *(state, desk, disk, people),
)


def run(which: Iterable[Check], *, now: datetime) -> list[Finding]:
    """Every finding; a check that cannot be made is a failure, never silence."""
    found: list[Finding] = []
    for check in which:
        try:
            found += check(now)
        except Exception as error:
            name = check.__name__.replace("_", " ")
            found.append(
                fail(name, f"It cannot be looked at: {type(error).__name__}: {error}", "See the logs.")
            )
    return found


def worst(found: Iterable[Finding]) -> Verdict:
    order = list(Verdict)
    return max((finding.verdict for finding in found), key=order.index, default=Verdict.OK)
