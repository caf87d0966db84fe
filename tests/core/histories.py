"""Random histories of accounts, as lines of a file: half of their marks lie at a limit or a level."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction as F
from random import Random
from typing import Any

from tests.core import prague, whatif_oracle

Line = dict[str, Any]
# Days around which the clocks of Europe or America are changed, and some that are like any other.
BEGINS = [
    datetime(2026, 3, 27, 9, tzinfo=UTC),
    datetime(2026, 10, 23, 21, 59, 59, tzinfo=UTC),
    datetime(2024, 3, 29, 22, 30, tzinfo=UTC),
    datetime(2027, 10, 29, 23, 0, tzinfo=UTC),
    datetime(2026, 1, 14, 23, 0, tzinfo=UTC),  # Prague midnight
    datetime(2026, 7, 1, 12, tzinfo=UTC),
    datetime(2025, 10, 31, 20, tzinfo=UTC),
]
INITIALS = ["100000", "200000.00", "25000.50", "10000"]
ZONES = [UTC, UTC, timezone(timedelta(hours=-5)), timezone(timedelta(minutes=330))]
LEVELS = [F(5, 10), F(7, 10), F(8, 10)]


def money(value: F) -> str:
    return f"{round(value * 100) / 100:.2f}"


def later(random: Random, at: datetime) -> datetime:
    """An instant after this one, or the same; some at a midnight or a second beside it."""
    step = random.choice([0, 1, 60, 1800, 3600, 4 * 3600, 11 * 3600, 86400, 3 * 86400])
    moved = at + timedelta(seconds=step)
    if random.random() < 0.25:
        midnight = prague.start_of(prague.day_of(moved) + prague.DAY)
        moved = midnight + timedelta(seconds=random.choice([-1, 0, 0, 1]))
    return moved


def held_at(lines: list[Line], at: datetime, programme: str, balance: F) -> whatif_oracle.Floors:
    """The floors of an instant at which the account shows this balance."""
    now = {"type": "mark", "at": at.isoformat(), "balance": money(balance), "equity": money(balance)}
    so_far = [*lines, now]
    return whatif_oracle.floors(so_far, whatif_oracle.sights(so_far), programme, at)


def near(random: Random, held: whatif_oracle.Floors, initial: F, programme: str) -> F:
    """An equity at a floor, or at a level of a limit, to the cent."""
    by_day, in_all, _ = whatif_oracle.RULES[programme]
    if random.random() < 0.25:
        return held.higher + random.choice([F(-1, 100), F(0), F(1, 100), F(1)])
    floor, limit = random.choice([(held.daily, by_day * initial), (held.total, in_all * initial)])
    return floor + limit * (1 - random.choice(LEVELS)) + random.choice([F(-1, 100), F(0), F(1, 100)])


def history(random: Random, programme: str) -> list[Line]:
    """A start and at least thirty marks and openings; one account in three is never saved from a floor."""
    at, initial = random.choice(BEGINS), random.choice(INITIALS)
    lines: list[Line] = [{"type": "start", "at": at.isoformat(), "initial": initial}]
    balance, whole = F(initial), F(initial)
    is_reckless = random.random() < 0.35
    for _ in range(random.randint(30, 42)):
        at = later(random, at)
        shown = at.astimezone(random.choice(ZONES)).isoformat()
        if random.random() < 0.2:
            lines.append({"type": "open", "at": shown})
            continue
        balance += whole * random.randint(-60, 60) / 10_000
        held = held_at(lines, at, programme, balance)
        is_near = random.random() < 0.5
        equity = (
            near(random, held, whole, programme)
            if is_near
            else balance + whole * random.randint(-100, 90) / 10_000
        )
        if not is_reckless or random.random() < 0.8:
            equity = max(equity, held.higher)
            if at != prague.start_of(prague.day_of(at)):
                # Closed there, or so little under water that midnight does not break it by itself.
                flat = random.random() < 0.6
                balance = equity if flat else min(balance, equity + whole * random.randint(5, 29) / 1000)
        lines.append({"type": "mark", "at": shown, "balance": money(balance), "equity": money(equity)})
    return lines


def histories(programme: str, count: int) -> Iterator[list[Line]]:
    """So many histories, the same ones every time."""
    for number in range(count):
        yield history(Random(f"{programme} {number}"), programme)
