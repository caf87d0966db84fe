"""Geometry of the server-drawn pictures: numbers in, positions out; templates turn them into SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.core.headroom import Headroom
from trading.core.types import ZERO, Level, Position, Side
from trading.selectors.overview import CurvePoint

FULL = Decimal(100)
CURVE = (300.0, 128.0)
PATH = (1000.0, 190.0)
SPARK = (100.0, 26.0)
_HOURS = (("00", 0.0), ("06", 0.25), ("12", 0.5), ("18", 0.75), ("24", 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A loss limit as a bar of 100 percent: each part's left edge and width; the needle at the worst case."""

    gone: float
    stops_at: float
    stops: float
    unknown_at: float
    unknown: float
    free_at: float
    free: float
    needle: float
    level: Level


def gauge(room: Headroom, *, limit: Decimal, gone: Decimal, level: Level) -> Gauge:
    """Lay out one limit: what is gone, goes at stops or is on its way, is unknown, and is free.

    limit, gone: money, limit > 0; gone is below 0 after a gain, which stands before the left edge.
    Parts that would run over an edge are cut there, so that the needle is at the part used.
    """
    edges = [ZERO, gone]
    for part in (room.at_stops + room.pending_risk, room.unknown_risk):
        edges.append(edges[-1] + part)
    share = [float(min(max(edge / limit, ZERO), Decimal(1)) * FULL) for edge in edges]
    return Gauge(
        gone=share[1],
        stops_at=share[1],
        stops=share[2] - share[1],
        unknown_at=share[2],
        unknown=share[3] - share[2],
        free_at=share[3],
        free=100 - share[3],
        needle=share[3],
        level=level,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A position between its stop (left) and its target (right), in percent of the way."""

    entry: float
    price: float
    left: float
    width: float


def track(position: Position) -> Track | None:
    """Lay out a position's way; None when it lacks a stop or a target."""
    if position.stop is None or position.target is None or position.stop == position.target:
        return None
    length = position.target - position.stop
    entry = _percent((position.entry - position.stop) / length)
    price = _percent((position.price - position.stop) / length)
    return Track(entry=entry, price=price, left=min(entry, price), width=abs(entry - price))


def _percent(share: Decimal) -> float:
    return float(min(max(share, ZERO), Decimal(1)) * FULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A labelled height: a floor, a level, a stop."""

    y: float
    label: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayChart:
    """Equity and worst case of a day with the levels they must stay above; SVG coordinates."""

    equity: str
    worst: str
    band: str
    now_x: float
    equity_y: float
    marks: list[Mark]
    hours: list[tuple[str, float]]
    width: float
    height: float

    @property
    def left(self) -> float:
        """The width of what has not happened yet."""
        return self.width - self.now_x


def day_chart(
    points: Sequence[CurvePoint], *, start: datetime, end: datetime, room: Headroom, balance: Decimal
) -> DayChart | None:
    """Draw the day's equity between its highest value and the floor; None without a point."""
    if not points:
        return None
    width, height = CURVE
    limit = balance - room.daily_floor
    levels = [("half", balance - limit / 2, "level"), ("lock", balance - limit * Decimal("0.8"), "level")]
    floor = max(room.daily_floor, room.total_floor)
    highest = max(max(p.equity for p in points), balance)
    lowest = min(floor, min(p.worst_case for p in points))
    scale = _Scale(top=float(highest), bottom=float(lowest), height=height, pad=8)
    length = (end - start).total_seconds()
    xs = [width * (p.at - start).total_seconds() / length for p in points]
    upper = [(x, scale.y(float(p.equity))) for x, p in zip(xs, points, strict=True)]
    lower = _steps([(x, scale.y(float(p.worst_case))) for x, p in zip(xs, points, strict=True)])
    marks = [
        Mark(y=scale.y(float(value)), label=f"{name} {value:,.0f}", kind=kind)
        for name, value, kind in [*levels, ("floor", floor, "floor")]
        if value >= floor
    ]
    return DayChart(
        equity=_line(upper),
        worst=_line(lower),
        band=_line([*upper, *reversed(lower)]),
        now_x=xs[-1],
        equity_y=upper[-1][1],
        marks=marks,
        hours=[(label, round(width * share, 1)) for label, share in _HOURS],
        width=width,
        height=height,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Values to heights: ``top`` at the upper pad, ``bottom`` at the lower one."""

    top: float
    bottom: float
    height: float
    pad: float

    def y(self, value: float) -> float:
        span = self.top - self.bottom or 1.0
        return round(self.pad + (self.top - value) / span * (self.height - 2 * self.pad), 2)


def _steps(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A worst case holds until the next one is known: corners, not slopes."""
    out: list[tuple[float, float]] = []
    for x, y in points:
        if out:
            out.append((x, out[-1][1]))
        out.append((x, y))
    return out


def _line(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def spark(course: Sequence[tuple[int, float]], *, steps: int) -> list[str]:
    """Lines of a day's course; a missing quarter hour breaks the line, it is not drawn over."""
    if len(course) < 2:
        return []
    width, height = SPARK
    closes = [close for _, close in course]
    scale = _Scale(top=max(closes), bottom=min(closes), height=height, pad=3)
    lines: list[list[tuple[float, float]]] = []
    last = None
    for step, close in course:
        if last is None or step != last + 1:
            lines.append([])
        lines[-1].append((step / steps * width, scale.y(close)))
        last = step
    return [_line(line) for line in lines if len(line) > 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChart:
    """The price after a signal, with its entry, stop and target."""

    line: str
    last_x: float
    last_y: float
    marks: list[Mark]
    width: float
    height: float


def path_chart(
    path: Sequence[tuple[int, float]], *, entry: Decimal, stop: Decimal, target: Decimal
) -> PathChart | None:
    """Draw a signal's way; None with fewer than two points."""
    if len(path) < 2:
        return None
    width, height = PATH
    values = [close for _, close in path] + [float(entry), float(stop), float(target)]
    scale = _Scale(top=max(values), bottom=min(values), height=height, pad=12)
    first, last = path[0][0], path[-1][0]
    points = [((at - first) / (last - first) * width, scale.y(close)) for at, close in path]
    marks = [
        Mark(y=scale.y(float(stop)), label="stop", kind="floor"),
        Mark(y=scale.y(float(entry)), label="entry", kind="entry"),
        Mark(y=scale.y(float(target)), label="target", kind="level"),
    ]
    return PathChart(
        line=_line(points),
        last_x=points[-1][0],
        last_y=points[-1][1],
        marks=marks,
        width=width,
        height=height,
    )


def side_glyph(side: str) -> str:
    """The arrow of a direction; it never stands without its word."""
    return "up" if side == Side.LONG else "down"
