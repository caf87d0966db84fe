"""A second opinion on what-if: from the text of its description alone, in exact fractions, with its own calendar.

It works on the lines of the file, not on events, and looks at the whole history for every line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction as F
from typing import Any

from tests.core import prague

Line = dict[str, Any]

# name: daily loss, total loss (shares of the initial balance), whether the total floor trails midnights
RULES: dict[str, tuple[F, F, bool]] = {
    "ftmo-2-step-challenge": (F(5, 100), F(1, 10), False),
    "ftmo-2-step-verification": (F(5, 100), F(1, 10), False),
    "ftmo-2-step-funded": (F(5, 100), F(1, 10), False),
    "ftmo-2-step-funded-swing": (F(5, 100), F(1, 10), False),
    "ftmo-1-step-challenge": (F(3, 100), F(1, 10), True),
    "ftmo-1-step-funded": (F(3, 100), F(1, 10), True),
}


@dataclass(frozen=True)
class Sight:
    """The account at an instant that counts: a mark (its number in the file) or a midnight between marks."""

    at: datetime
    number: int | None
    balance: F
    equity: F


@dataclass(frozen=True)
class Floors:
    start: F
    daily: F
    total: F

    @property
    def higher(self) -> F:
        return max(self.daily, self.total)


def when(line: Line) -> datetime:
    return datetime.fromisoformat(line["at"])


def midnights(first: datetime, last: datetime) -> list[datetime]:
    """Every Prague midnight after ``first`` up to ``last``."""
    found, day = [], prague.day_of(first)
    while (instant := prague.start_of(day := day + prague.DAY)) <= last:
        found.append(instant)
    return found


def sights(lines: list[Line]) -> list[Sight]:
    """Marks and midnights in order; a midnight at which a mark was made is that mark."""
    start = lines[0]
    marks = [(n, line) for n, line in enumerate(lines) if line["type"] == "mark"]
    found = [Sight(when(m), n, F(m["balance"]), F(m["equity"])) for n, m in marks]
    taken = {sight.at for sight in found}
    for midnight in midnights(when(start), max((s.at for s in found), default=when(start))):
        if midnight in taken:
            continue
        earlier = [sight for sight in found if sight.number is not None and sight.at < midnight]
        held = earlier[-1] if earlier else Sight(when(start), None, F(start["initial"]), F(start["initial"]))
        found.append(Sight(midnight, None, held.balance, held.equity))
    return sorted(found, key=lambda sight: sight.at)  # stable: marks of one instant keep their order


def day_starts(lines: list[Line], seen: list[Sight], at: datetime) -> dict[date, F]:
    """The balance at the first instant of every day up to an instant; on the first day the initial one."""
    found = {prague.day_of(when(lines[0])): F(lines[0]["initial"])}
    for sight in seen:
        day = prague.day_of(sight.at)
        if sight.at <= at and sight.at == prague.start_of(day):
            found.setdefault(day, sight.balance)
    return found


def floors(lines: list[Line], seen: list[Sight], programme: str, at: datetime) -> Floors:
    """The floors that hold at an instant up to which everything is known."""
    by_day, in_all, trails = RULES[programme]
    starts = day_starts(lines, seen, at)
    initial, start = F(lines[0]["initial"]), starts[prague.day_of(at)]
    peak = max(initial, *starts.values()) if trails else initial
    return Floors(start, start - by_day * initial, peak - in_all * initial)


def used(lines: list[Line], programme: str, sight: Sight, held: Floors) -> tuple[F, F]:
    """The parts of the daily and of the total limit that equity has used."""
    by_day, in_all, _ = RULES[programme]
    initial = F(lines[0]["initial"])
    return (
        1 - (sight.equity - held.daily) / (by_day * initial),
        1 - (sight.equity - held.total) / (in_all * initial),
    )


def cents(value: F) -> str:
    """Two decimals, a half to the even cent."""
    whole = round(value * 100)
    sign = "-" if whole < 0 else ""
    return f"{sign}{abs(whole) // 100}.{abs(whole) % 100:02d}"


def verdicts(lines: list[Line], programme: str) -> list[Line]:
    """One line a mark, as the description says it."""
    seen = sights(lines)
    held = [floors(lines, seen, programme, sight.at) for sight in seen]
    parts = [used(lines, programme, sight, floor) for sight, floor in zip(seen, held, strict=True)]
    found = []
    for place, sight in enumerate(seen):
        if sight.number is None:
            continue
        day, floor = prague.day_of(sight.at), held[place]
        so_far = range(place + 1)
        broken = next((n for n in so_far if seen[n].equity < held[n].higher), None)
        today = [n for n in so_far if prague.day_of(seen[n].at) == day]
        most = max(parts[place])
        if broken is not None:
            level = "breach"
        elif any(parts[n][0] >= F(8, 10) for n in today) or any(parts[n][1] >= F(8, 10) for n in so_far):
            level = "locked"
        else:
            level = "red" if most >= F(7, 10) else "amber" if most >= F(5, 10) else "green"
        opens = [when(line) for line in lines[: sight.number] if line["type"] == "open"]
        found.append(
            {
                "at": lines[sight.number]["at"],
                "day": str(day),
                "day_start_balance": cents(floor.start),
                "daily_floor": cents(floor.daily),
                "total_floor": cents(floor.total),
                "floor": cents(floor.higher),
                "headroom": cents(max(sight.equity - floor.higher, F(0))),
                "level": level,
                "breach": None if broken is None else name_of(seen[broken], held[broken]),
                "trading_days": len({prague.day_of(at) for at in opens}),
            }
        )
    return found


def name_of(sight: Sight, held: Floors) -> str:
    """The limit that was broken; of two the one whose floor is higher, which was reached first."""
    by_day, in_all = sight.equity < held.daily, sight.equity < held.total
    if by_day and in_all:
        return "daily" if held.daily >= held.total else "total"
    return "daily" if by_day else "total"
