"""What the Risk page shows beside the headroom number: the day's course, what stays locked, days, marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Max

from trading.core.types import Level, Position
from trading.models import (
    Account,
    AccountDay,
    AccountPeriod,
    AccountRisk,
    DeskStatus,
    Event,
    Fill,
    Flatten,
    Market,
    RiskSnapshot,
)
from trading.selectors import risk
from trading.selectors.panel import Day

COURSE_POINTS = 360
NEAR_DAYS = 12
DAYS_SHOWN = 14
STORIES_SHOWN = 6
# The kinds of Event that tell of a level, a lock, a breach, a stop or a close of everything.
STORY_KINDS = (
    "level",
    "total_reopened",
    "runaway",
    "flatten_asked",
    "flatten_done",
    "midnight_warning",
    "kill_switch",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPoint:
    """An account's risk at an instant of the day; money in account currency."""

    at: datetime
    equity: Decimal
    worst_case: Decimal
    daily_floor: Decimal
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class DealMark:
    """An instant at which a position was opened or closed."""

    at: datetime
    opened: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDay:
    """How near a day came to its limit: the largest part used at any worst case that was written down."""

    day: date
    used: Decimal


def course(account_id: int, *, since: datetime, until: datetime) -> list[RiskPoint]:
    """Snapshots of a stretch, thinned to what a chart can show; the first, the last and the lowest are kept."""
    rows = RiskSnapshot.objects.filter(account_id=account_id, at__gte=since, at__lt=until).order_by("at")
    found = rows.values_list("at", "equity", "worst_case", "daily_floor", "level")
    points = [
        RiskPoint(at=at, equity=equity, worst_case=worst, daily_floor=floor, level=Level(level))
        for at, equity, worst, floor, level in found
    ]
    return _thinned(points)


def _thinned(points: list[RiskPoint]) -> list[RiskPoint]:
    """Of each run of points the one with the lowest worst case: thinning must not hide a bad moment."""
    step = max(1, -(-len(points) // COURSE_POINTS))
    if step == 1:
        return points
    runs = [points[start : start + step] for start in range(0, len(points), step)]
    kept = [min(run, key=lambda point: point.worst_case) for run in runs]
    ends = [point for point in (points[0], points[-1]) if point not in kept]
    return sorted([*kept, *ends], key=lambda point: point.at)


def marks(account_id: int, *, since: datetime, until: datetime) -> list[DealMark]:
    """When positions were opened and closed, oldest first."""
    rows = Fill.objects.filter(account_id=account_id, at__gte=since, at__lt=until).order_by("at")
    return [DealMark(at=at, opened=entry) for at, entry in rows.values_list("at", "entry")]


def open_period(account_id: int) -> AccountPeriod | None:
    """The present stretch of the account's life."""
    return AccountPeriod.objects.filter(account_id=account_id, ended_at=None).first()


def near_days(account_id: int, *, since: datetime) -> list[NearDay]:
    """How near each of the newest days since an instant came to its daily limit, oldest first."""
    rows = RiskSnapshot.objects.filter(account_id=account_id, at__gte=since).order_by().values("day")
    newest = rows.annotate(used=Max("used_daily")).order_by("-day")[:NEAR_DAYS]
    return [NearDay(day=row["day"], used=row["used"]) for row in reversed(newest)]


def days(period: AccountPeriod) -> list[AccountDay]:
    """What the newest days of a period began with."""
    return list(AccountDay.objects.filter(period=period)[:DAYS_SHOWN])


def day_number(period: AccountPeriod, day: date) -> int:
    """The how manieth prop-firm day of its period a day is, from 1."""
    return (day - period.programme.clock.day(period.began_at)).days + 1


def risk_row(account_id: int) -> AccountRisk | None:
    """What stays of the account's worst moments."""
    return AccountRisk.objects.filter(account_id=account_id).first()


def flattens(account_ids: Sequence[int]) -> list[Flatten]:
    """Orders to close everything that are not done yet, oldest first."""
    rows = Flatten.objects.filter(account_id__in=account_ids, done_at=None)
    return list(rows.select_related("account").order_by("id"))


def market_of(account: Account) -> Market | None:
    """The first market that the account trades."""
    return Market.objects.filter(source=account.source).order_by("pk").first()


def positions_of(desk: DeskStatus) -> list[Position]:
    """What the venue last showed open on an account."""
    return [risk.position_from(body) for body in desk.positions]


def last_flatten(account_id: int) -> Flatten | None:
    """The newest order to close everything, done or not."""
    return Flatten.objects.filter(account_id=account_id).first()


def stories(account: Account, *, since: datetime) -> list[Event]:
    """What was told of levels, locks and stops since an instant, newest first."""
    rows = Event.objects.filter(account=account, kind__in=STORY_KINDS, at__gte=since)
    return list(rows.order_by("-id")[:STORIES_SHOWN])


def day_since(day: Day, period: AccountPeriod | None) -> datetime:
    """From where on the day belongs to the present period."""
    return day.start if period is None else max(day.start, period.began_at)
