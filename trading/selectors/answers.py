"""Why nothing happened today: a funnel that adds up, refusals by hour, the latest answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, F

from trading.core.types import IntentState
from trading.models import Account, OrderIntent, Signal
from trading.selectors.overview import LatestAnswers, latest_answers, slots_since
from trading.selectors.panel import Day

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """How many of today's judged slots went how far; every stage is the sum of what follows it.

    judged = quiet + signals;  signals = refused + approved;  approved = placed + not_placed.
    """

    judged: int
    quiet: int
    signals: int
    refused: int
    approved: int
    placed: int
    not_placed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """One reason and how often it was the answer, in all and in each hour of the day."""

    code: str
    kind: str
    total: int
    hours: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The day's answers of one account."""

    funnel: Funnel
    rows: list[ReasonRow]
    hour_labels: list[str]
    hours_passed: int
    latest: LatestAnswers
    peak: int = field(default=0)


def today(account: Account, day: Day, *, now: datetime) -> Answers:
    """Read the day's answers; ``kind`` of a row is quiet, refused or order."""
    hours = _hours(day)
    counted = _scans(account, day, hours) + _signals(account, day, hours)
    quiet = sum(row.total for row in counted if row.kind == "quiet")
    refused = sum(row.total for row in counted if row.kind == "refused")
    approved = sum(row.total for row in counted if row.kind == "order")
    placed = _placed(account, day)
    funnel = Funnel(
        judged=quiet + refused + approved,
        quiet=quiet,
        signals=refused + approved,
        refused=refused,
        approved=approved,
        placed=placed,
        not_placed=approved - placed,
    )
    return Answers(
        funnel=funnel,
        rows=counted,
        hour_labels=hours,
        hours_passed=int((now - day.start) / timedelta(hours=1)),
        latest=latest_answers(account.pk),
        peak=max((max(row.hours) for row in counted), default=0),
    )


def _hours(day: Day) -> list[str]:
    """The hours of the day as they stand on the wall; a day of a clock change has 23 or 25."""
    count = int((day.end - day.start) / timedelta(hours=1))
    return [f"{day.local(day.start + timedelta(hours=hour)):%H}" for hour in range(count)]


def _scans(account: Account, day: Day, hours: list[str]) -> list[ReasonRow]:
    """Slots without a signal, by reason."""
    rows = (
        slots_since(account, since_ms=day.start_ms)
        .filter(signal=None)
        .annotate(hour=(F("open_ms") - day.start_ms) / HOUR_MS)
        .values_list("reason", "hour")
        .annotate(count=Count("id"))
        .order_by()
    )
    counted: Counter[tuple[str, int]] = Counter()
    for reason, hour, count in rows:
        counted[reason, int(hour)] += count
    return _rows(counted, "quiet", len(hours))


def _signals(account: Account, day: Day, hours: list[str]) -> list[ReasonRow]:
    """Signals by the rule that refused them, and those that passed."""
    rows = Signal.objects.filter(account=account, open_ms__gte=day.start_ms, judged_at__gte=day.start)
    refused: Counter[tuple[str, int]] = Counter()
    passed: Counter[tuple[str, int]] = Counter()
    for open_ms, approved, codes in rows.values_list("open_ms", "approved", "codes"):
        hour = (open_ms - day.start_ms) // HOUR_MS
        if approved:
            passed["approved", hour] += 1
        else:
            refused[codes[0] if codes else "rule_error", hour] += 1
    return _rows(refused, "refused", len(hours)) + _rows(passed, "order", len(hours))


def _rows(counted: Counter[tuple[str, int]], kind: str, hours: int) -> list[ReasonRow]:
    codes = {code for code, _ in counted}
    rows = [
        ReasonRow(
            code=code,
            kind=kind,
            total=sum(n for (name, _), n in counted.items() if name == code),
            hours=[counted[code, hour] for hour in range(hours)],
        )
        for code in codes
    ]
    return sorted(rows, key=lambda row: (-row.total, row.code))


def _placed(account: Account, day: Day) -> int:
    return OrderIntent.objects.filter(
        account=account,
        action="open",
        state=IntentState.PLACED,
        signal__open_ms__gte=day.start_ms,
        signal__judged_at__gte=day.start,
    ).count()
