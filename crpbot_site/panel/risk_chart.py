"""Geometry of the Risk page's day chart: equity, worst case and floors of one prop-firm day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading.core.headroom import AMBER_FROM, LOCKED_FROM, RED_FROM, Headroom
from trading.core.types import ZERO
from trading.selectors.panel import Day
from trading.selectors.risk_page import DealMark, RiskPoint

HOUR = timedelta(hours=1)
# So much is needed at the right for the words at the end of each line.
LABELS = 100.0
# A snapshot is written every hour; where two are further apart the line breaks, nothing is drawn over.
GAP = timedelta(minutes=90)
STEPS = tuple(Decimal(n) for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000))


@dataclass(frozen=True, slots=True)
class Frame:
    """The paper of one drawing: widths and heights in units of its view box."""

    width: float
    height: float
    left: float
    right: float
    top: float
    foot: float
    every: int
    lines: int

    @property
    def x_end(self) -> float:
        return self.width - self.right

    @property
    def y_end(self) -> float:
        return self.height - self.foot

    @property
    def inner(self) -> float:
        return self.x_end - self.left

    @property
    def inner_height(self) -> float:
        return self.y_end - self.top


DESKTOP = Frame(width=1180, height=310, left=62, right=166, top=12, foot=26, every=3, lines=6)
PHONE = Frame(width=366, height=330, left=8, right=8, top=14, foot=24, every=6, lines=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A height that is drawn over the whole day, with its words at the end."""

    y: float
    label_y: float
    value: Decimal
    text: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One mark of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """An unbroken run of snapshots as lines."""

    equity: str
    worst: str
    band: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskChart:
    """Everything the template draws, in units of the frame's view box.

    floor_line: the daily floor as it held at each snapshot.  room: where the rest of the day's room is marked.
    below: how far the total floor lies under the picture, None when it is in it.
    """

    frame: Frame
    stretches: list[Stretch]
    floor_line: str
    levels: list[Level]
    grid: list[Tick]
    hours: list[Tick]
    opened: list[float]
    closed: list[float]
    now_x: float
    equity_y: float
    worst_y: float
    floor_y: float
    next_y: float | None
    next_label_y: float
    room_x: float
    below: Decimal | None

    @property
    def left_of_day(self) -> float:
        """The width of what has not happened yet."""
        return max(self.frame.x_end - self.now_x, 0)

    @property
    def next_x(self) -> float:
        return self.frame.x_end - self.frame.inner * 0.03

    @property
    def label_x(self) -> float:
        """Where the words at the end of each line begin."""
        return self.frame.x_end + 10

    @property
    def pin_y(self) -> float:
        """The heads of the marks of opened and closed positions."""
        return self.frame.y_end - 9

    @property
    def room_left(self) -> float:
        return self.room_x - 4

    @property
    def room_right(self) -> float:
        return self.room_x + 4

    @property
    def narrow(self) -> bool:
        """Whether there is no margin for words at the end of the lines."""
        return self.frame.right < LABELS

    @property
    def room_text_x(self) -> float:
        """Beside the mark of the room that is left: to its right, on narrow paper to its left."""
        return self.room_x - 10 if self.narrow else self.room_x + 10

    @property
    def room_text_y(self) -> float:
        """The first line beside the room that is left: halfway down to the floor."""
        return round(self.worst_y + (self.floor_y - self.worst_y) * 0.24 + 4, 1)

    @property
    def room_under_y(self) -> float:
        return self.room_text_y + 15

    @property
    def below_floor(self) -> float:
        """The height of what lies below the floor."""
        return max(self.frame.y_end - self.floor_y, 0)


class _Paper:
    """Instants and money to places on a frame."""

    def __init__(self, frame: Frame, day: Day, *, top: Decimal, bottom: Decimal) -> None:
        self.frame, self.day = frame, day
        self.top, self.span = float(top), float(top - bottom) or 1.0
        self.length = (day.end - day.start).total_seconds()

    def x(self, at: datetime) -> float:
        share = (at - self.day.start).total_seconds() / self.length
        return self.frame.left + min(max(share, 0.0), 1.0) * self.frame.inner

    def y(self, value: Decimal) -> float:
        return round(self.frame.top + (self.top - float(value)) / self.span * self.frame.inner_height, 2)


def draw(
    frame: Frame,
    points: Sequence[RiskPoint],
    *,
    day: Day,
    now: datetime,
    room: Headroom,
    balance: Decimal,
    since: datetime,
    marks: Sequence[DealMark] = (),
) -> RiskChart:
    """Draw a day from its snapshots and the present headroom, which is its newest point.

    balance: at the day's start, in account currency.  since: from where on the day belongs to the period.
    The picture reaches from the highest equity to the lower of the daily floor and the worst case; a total
    floor further down is told in words, not drawn.
    """
    newest = RiskPoint(
        at=max([now, *(p.at for p in points)]),
        equity=room.equity,
        worst_case=room.worst_case,
        daily_floor=room.daily_floor,
        level=room.level,
    )
    whole = [*points, newest]
    top, bottom = _reach(whole, room, balance)
    paper = _Paper(frame, day, top=top, bottom=bottom)
    shown = room.total_floor >= bottom
    floor = [
        (paper.x(since), paper.y(whole[0].daily_floor)),
        *((paper.x(p.at), paper.y(p.daily_floor)) for p in whole),
    ]
    levels = _levels(paper, room, balance, total=shown)
    coming = _coming(room, bottom)
    labels = spread([level.label_y for level in levels] + [paper.y(coming or bottom)], frame=frame)
    return RiskChart(
        frame=frame,
        stretches=[_stretch(paper, run) for run in runs(whole)],
        floor_line=_line(corners(floor, frame.x_end)),
        levels=[replace(level, label_y=y) for level, y in zip(levels, labels, strict=False)],
        grid=_grid(paper, top, bottom),
        hours=_hours(paper),
        opened=[round(paper.x(m.at), 1) for m in marks if m.opened],
        closed=[round(paper.x(m.at), 1) for m in marks if not m.opened],
        now_x=round(paper.x(now), 1),
        equity_y=paper.y(room.equity),
        worst_y=paper.y(room.worst_case),
        floor_y=paper.y(room.daily_floor),
        next_y=None if coming is None else paper.y(coming),
        next_label_y=labels[-1],
        room_x=_room_x(paper, now),
        below=None if shown else bottom - room.total_floor,
    )


def _reach(points: Sequence[RiskPoint], room: Headroom, balance: Decimal) -> tuple[Decimal, Decimal]:
    """The highest and the lowest value of the picture, with a little air."""
    highest = max([balance, *(p.equity for p in points)])
    lowest = min([room.daily_floor, *(max(p.worst_case, ZERO) for p in points)])
    if room.total_floor >= room.daily_floor or lowest - room.total_floor < room.daily_limit / 10:
        lowest = min(lowest, room.total_floor)
    lowest = min(lowest, max(room.next_floor, lowest - room.daily_limit / 5))
    air = (highest - lowest) * Decimal("0.05")
    return highest + air, lowest - air * 2


def _coming(room: Headroom, bottom: Decimal) -> Decimal | None:
    """The floor from the coming midnight on, when the picture reaches it and it is another one."""
    if room.next_floor == room.daily_floor or room.next_floor < bottom:
        return None
    return room.next_floor


def _levels(paper: _Paper, room: Headroom, balance: Decimal, *, total: bool) -> list[Level]:
    """The heights that matter, from the highest down."""
    start, limit = room.daily_floor + room.daily_limit, room.daily_limit
    found = [(balance, "midnight balance", "start"), (room.equity, "equity", "equity")]
    if room.worst_case != room.equity:
        found.append((room.worst_case, "if all stops hit", "worst"))
    for share, text in ((AMBER_FROM, "half size"), (RED_FROM, "no new risk"), (LOCKED_FROM, "locks the day")):
        kind = "crossed" if room.used_daily >= share else "level"
        found.append((start - limit * share, f"{share:.0%}, {text}".replace("%", " %"), kind))
    found.append((room.daily_floor, "daily floor", "floor"))
    if total:
        found.append((room.total_floor, "total floor", "floor"))
    found.sort(key=lambda one: -one[0])
    return [
        Level(y=paper.y(value), label_y=paper.y(value), value=value, text=text, kind=kind)
        for value, text, kind in found
    ]


def spread(heights: Sequence[float], *, frame: Frame, least: float = 14.0) -> list[float]:
    """Heights of labels moved apart until none covers another, in the order given, inside the frame."""
    order = sorted(range(len(heights)), key=lambda i: (heights[i], i))
    placed: list[float] = []
    for i in order:
        placed.append(max(heights[i], placed[-1] + least) if placed else max(heights[i], frame.top))
    limit = frame.y_end
    for at in range(len(placed) - 1, -1, -1):
        placed[at] = min(placed[at], limit)
        limit = placed[at] - least
    out = [0.0] * len(heights)
    for place, i in zip(placed, order, strict=True):
        out[i] = round(place, 2)
    return out


def runs(points: Sequence[RiskPoint]) -> Iterator[list[RiskPoint]]:
    """Runs of snapshots without a longer gap than is promised between two."""
    run: list[RiskPoint] = []
    for point in points:
        if run and point.at - run[-1].at > GAP:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _stretch(paper: _Paper, run: Sequence[RiskPoint]) -> Stretch:
    upper = [(paper.x(p.at), paper.y(p.equity)) for p in run]
    lower = corners([(paper.x(p.at), paper.y(p.worst_case)) for p in run])
    return Stretch(equity=_line(upper), worst=_line(lower), band=_line([*upper, *reversed(lower)]))


def corners(points: Sequence[tuple[float, float]], end: float | None = None) -> list[tuple[float, float]]:
    """What holds until the next is known: corners, not slopes; up to ``end`` when that is given."""
    out: list[tuple[float, float]] = []
    for x, y in points:
        if out:
            out.append((x, out[-1][1]))
        out.append((x, y))
    if out and end is not None:
        out.append((end, out[-1][1]))
    return out


def _line(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _grid(paper: _Paper, top: Decimal, bottom: Decimal) -> list[Tick]:
    """Round amounts across the picture, few enough to be read."""
    rough = (top - bottom) / paper.frame.lines
    step = next((step for step in STEPS if step >= rough), STEPS[-1])
    first = int(bottom / step) + 1
    values = [step * n for n in range(first, int(top / step) + 1)]
    return [Tick(at=paper.y(value), text=f"{value:,.0f}") for value in values]


def _hours(paper: _Paper) -> list[Tick]:
    """Round hours of the day's own clock; a day of the clock change has its 23 or 25 hours."""
    ticks: list[Tick] = []
    at = paper.day.start
    while at < paper.day.end:
        hour = paper.day.local(at).hour
        if hour % paper.frame.every == 0 and not (ticks and ticks[-1].text == f"{hour:02}:00"):
            ticks.append(Tick(at=round(paper.x(at), 1), text=f"{hour:02}:00"))
        at += HOUR
    end = paper.day.local(paper.day.end)
    return [*ticks, Tick(at=paper.frame.x_end, text=f"{end:%H:%M}" if end.hour else "24:00")]


def _room_x(paper: _Paper, now: datetime) -> float:
    """Where the room that is left is marked: in the future while there is some, else before now."""
    x, frame = paper.x(now), paper.frame
    if frame.right < LABELS:
        return frame.x_end - 8
    ahead = x + (frame.x_end - x) * 0.3
    wide = frame.inner * 0.16
    return round(ahead if frame.x_end - ahead > wide else max(x - wide - 12, frame.left + 8), 1)
