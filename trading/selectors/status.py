"""What an appliance is doing, in one object: the same for people, for machines and for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import redis
from django.conf import settings
from django.db.models import Count, QuerySet

from trading.core.timeframes import MINUTE_MS
from trading.core.types import ms_from_utc
from trading.models import (
    Account,
    AccountRisk,
    Event,
    Market,
    OrderIntent,
    Scan,
    Signal,
    TaskRun,
    TaskState,
    Trade,
)
from trading.selectors import flattens, panel, readiness, risk, runaway

SPAN = timedelta(hours=24)
QUEUES = ("scan", "control", "research")
# Celery's queues are lists in Redis under the key prefix of crpbot_site/celery.py.
PREFIX = "crp:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of an appliance; counts are of the last 24 hours, those of open things of this moment.

    headroom: what the account shown may still lose, in its currency; None when it cannot be known, as when
    the desk has not seen the account lately.
    candles: seconds since each shown market's last candle closed; None before the first.
    scans: slots judged by reason.  queues: tasks that wait or run; empty when Redis does not answer.
    accounts: by name, see ``guard_of``.
    """

    account_id: int | None
    account: str
    mode: str
    headroom: Decimal | None
    candles: dict[str, int | None]
    scans: dict[str, int]
    signals: dict[str, int]
    refusals: dict[str, int]
    intents: dict[str, int]
    trades: dict[str, int]
    events: dict[str, int]
    queues: dict[str, int]
    accounts: dict[str, dict[str, Any]]


def read(*, now: datetime) -> Status:
    """The status at ``now``; the state of the kill switch is asked for elsewhere."""
    since = now - SPAN
    account = panel.shown(panel.accounts(), None)
    signals = Signal.objects.filter(judged_at__gte=since)
    return Status(
        account_id=account.pk if account else None,
        account=str(account) if account else "",
        mode=str(account.mode) if account else "none",
        headroom=_headroom(account, now=now),
        candles=_ages(now=now),
        scans=_counted(Scan.objects.filter(open_ms__gte=ms_from_utc(since)), "reason"),
        signals={
            "approved": signals.filter(approved=True).count(),
            "refused": signals.filter(approved=False).count(),
        },
        refusals=_refusals(signals.filter(approved=False)),
        intents=_counted(OrderIntent.objects.filter(created_at__gte=since), "state"),
        trades=_trades(since=since),
        events=_counted(Event.objects.filter(at__gte=since), "severity"),
        queues=_queues(),
        accounts={
            str(one): guard_of(one, now=now) for one in Account.objects.select_related("programme__profile")
        },
    )


def guard_of(account: Account, *, now: datetime) -> dict[str, Any]:
    """What guards an account at ``now``, as whole numbers, text and None.

    level: as last written, None before the first measurement.  daily_locked: the lock of today's limit.
    total_locked: the lock that a person ends.  breach: the limit that was broken, "" while both hold.
    flatten: who asked for everything to be closed and why, "" when nobody did.  Then what the runaway stop has
    counted; lots as text.
    """
    row = AccountRisk.objects.filter(account=account).first()
    flattening = flattens.open_of(account.pk)
    counters = runaway.counters_of(account, now=now)
    today = account.programme.clock.day(now)
    locked_on = row.daily_locked_on if row else None
    return {
        "id": account.pk,
        "mode": str(account.mode),
        "level": str(row.level) if row else None,
        "daily_locked": locked_on is not None and locked_on >= today,
        "total_locked": bool(row and row.total_locked_at),
        "breach": str(row.breach) if row else "",
        "flatten": f"{flattening} by {flattening.asked_by}: {flattening.reason}" if flattening else "",
        "orders_minute": counters.orders_minute,
        "orders_hour": counters.orders_hour,
        "orders_day": counters.orders_day,
        "lots_day": f"{counters.lots_day.normalize():f}",
        "messages_day": counters.messages_day,
        "losses_in_row": runaway.losses_of(account),
    }


def _headroom(account: Account | None, *, now: datetime) -> Decimal | None:
    try:
        found = risk.headroom_now(account.pk, now=now) if account else None
    except ValueError:
        return None
    # A number from a view that nobody has looked at since would pass for one of now.
    if found is None or abs(now - found.as_of) > readiness.DESK_FRESH:
        return None
    return found.room.headroom


def _ages(*, now: datetime) -> dict[str, int | None]:
    markets = Market.objects.filter(enabled=True).order_by("key").values_list("key", "newest_ms")
    return {
        key: None if newest is None else (ms_from_utc(now) - newest - MINUTE_MS) // 1000
        for key, newest in markets
    }


def _counted(rows: QuerySet[Scan] | QuerySet[OrderIntent] | QuerySet[Event], column: str) -> dict[str, int]:
    found = rows.order_by().values_list(column).annotate(count=Count("pk")).order_by(column)
    return {str(word): count for word, count in found}


def _refusals(signals: QuerySet[Signal]) -> dict[str, int]:
    """How often each code stood on a refused signal; a signal may carry several."""
    counts: dict[str, int] = {}
    for codes in signals.values_list("codes", flat=True):
        for code in codes:
            counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items()))


def _trades(*, since: datetime) -> dict[str, int]:
    return {
        "open": Trade.objects.filter(state="open").count(),
        "closed": Trade.objects.filter(state="closed", closed_at__gte=since).count(),
    }


def _queues() -> dict[str, int]:
    """Tasks that wait in Redis and those that run; inside one process, only those that run can be seen.

    Without an answer of Redis nothing is said: what waits there is unknown, which is not 0.
    """
    running = TaskRun.objects.filter(state=TaskState.RUNNING)
    counts = {queue: running.filter(queue=queue).count() for queue in QUEUES}
    url = settings.CRPBOT.redis_url
    if url is not None:
        try:
            with redis.Redis.from_url(
                url.get_secret_value(), socket_timeout=3, socket_connect_timeout=3
            ) as client:
                for queue in QUEUES:
                    counts[queue] += int(client.llen(f"{PREFIX}{queue}"))
        except redis.RedisError:
            return {}
    return counts
