"""Geometry of the Risk page's smaller pictures: days beside their limit, a balance on its way to the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trading.core.headroom import AMBER_FROM, LOCKED_FROM
from trading.selectors.risk_page import NearDay

WIDTH, HEIGHT, FOOT, LABELS, HEAD = 360.0, 150.0, 18.0, 54.0, 16.0
FEWEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One day: its place, its height, and how much of its limit was used at the worst moment, in percent."""

    x: float
    y: float
    width: float
    height: float
    percent: int
    text: str
    named: bool
    locked: bool

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A height with its words."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NearBars:
    """The bars of the newest days, oldest first, with the two levels that matter."""

    bars: list[Bar]
    lines: list[Line]
    width: int = int(WIDTH)
    height: int = int(HEIGHT)
    inner: int = int(WIDTH - LABELS)

    @property
    def label_x(self) -> int:
        return self.inner + 8


def near_bars(days: Sequence[NearDay]) -> NearBars | None:
    """Draw how near each day came to its daily limit; None without a day.

    The paper reaches to the whole limit, or to the worst day where that went beyond.
    """
    if not days:
        return None
    top = max(1.0, *(float(day.used) for day in days))
    ground, slot = HEIGHT - FOOT, (WIDTH - LABELS) / max(len(days), FEWEST)
    named = {0, len(days) - 1, *_worst(days)}
    bars = []
    for place, day in enumerate(days):
        high = float(day.used) / top * (ground - HEAD)
        bars.append(
            Bar(
                x=round(place * slot + slot * 0.1, 1),
                y=round(ground - high, 1),
                width=round(slot * 0.8, 1),
                height=round(high, 1),
                percent=round(float(day.used) * 100),
                text=_name(day, last=place == len(days) - 1),
                named=place in named and not _crowded(place, named, len(days)),
                locked=day.used >= LOCKED_FROM,
            )
        )
    lines = [
        Line(
            at=round(ground - float(share) / top * (ground - HEAD), 1),
            text=f"{share:.0%} {word}".replace("%", ""),
        )
        for share, word in ((LOCKED_FROM, "lock"), (AMBER_FROM, "half"))
    ]
    return NearBars(bars=bars, lines=lines)


def _worst(days: Sequence[NearDay]) -> set[int]:
    """The place of the worst day, when it came anywhere near."""
    place = max(range(len(days)), key=lambda i: days[i].used)
    return {place} if days[place].used >= AMBER_FROM else set()


def _crowded(place: int, named: set[int], days: int) -> bool:
    """Whether another named day stands so near that their words would touch; the newest one wins."""
    return place != days - 1 and any(0 < other - place < 3 for other in named)


def _name(day: NearDay, *, last: bool) -> str:
    return "newest" if last else f"{day.day:%a} {day.day.day}"


def _percent(share: Decimal) -> float:
    return round(min(max(float(share), 0.0), 1.0) * 100, 2)


WAY = 360.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A balance on its way from the total floor to the target, on a line of 360 units; money beside it.

    end: the target, or the highest balance so far where the phase has none.
    """

    start: float
    left: float
    width: float
    floor: Decimal
    end: Decimal
    target: Decimal | None


def way(*, balance: Decimal, initial: Decimal, floor: Decimal, target: Decimal | None) -> Way | None:
    """Lay out how far a balance has come from its initial value; None when there is no way to show."""
    end = target if target is not None else max(balance, initial + (initial - floor) / 2)
    if end <= floor:
        return None
    start, now = (_on_way(value, floor, end) for value in (initial, balance))
    return Way(
        start=start,
        left=min(start, now),
        width=max(abs(now - start), 1.5),
        floor=floor,
        end=end,
        target=target,
    )


def _on_way(value: Decimal, floor: Decimal, end: Decimal) -> float:
    return round(_percent((value - floor) / (end - floor)) * WAY / 100, 1)
