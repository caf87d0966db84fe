"""The Risk page's pictures tell the numbers they are drawn from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crpbot_site.panel import risk_bars, risk_chart
from crpbot_site.panel.risk_chart import DESKTOP, PHONE, Frame, RiskChart
from tests.panel.test_drawings import ROOM
from trading.core.headroom import Headroom
from trading.core.timeframes import DayClock
from trading.core.types import Level
from trading.selectors.panel import Day
from trading.selectors.risk_page import DealMark, NearDay, RiskPoint, _thinned

D = Decimal
START = datetime(2026, 11, 18, 23, 0, tzinfo=UTC)
DAY = Day(start=START, end=START + timedelta(days=1), zone="Europe/Prague")
NOW = START + timedelta(hours=12)


def _point(hours: float, equity: str = "101000", worst: str = "100000", floor: str = "96240") -> RiskPoint:
    return RiskPoint(
        at=START + timedelta(hours=hours),
        equity=D(equity),
        worst_case=D(worst),
        daily_floor=D(floor),
        level=Level.GREEN,
    )


def _draw(
    *points: RiskPoint,
    frame: Frame = DESKTOP,
    room: Headroom = ROOM,
    day: Day = DAY,
    now: datetime = NOW,
    marks: tuple[DealMark, ...] = (),
) -> RiskChart:
    return risk_chart.draw(
        frame, points, day=day, now=now, room=room, balance=D("101240"), since=day.start, marks=marks
    )


def _corners(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]


@pytest.mark.parametrize("frame", [DESKTOP, PHONE])
def test_the_day_ends_at_now_and_everything_is_on_the_paper(frame: Frame) -> None:
    chart = _draw(*[_point(h) for h in range(1, 12)], frame=frame)
    assert chart.now_x == pytest.approx(frame.left + frame.inner / 2, abs=0.1)
    assert chart.left_of_day == pytest.approx(frame.inner / 2, abs=0.1)
    for stretch in chart.stretches:
        for x, y in [*_corners(stretch.equity), *_corners(stretch.worst), *_corners(stretch.band)]:
            assert frame.left <= x <= chart.now_x
            assert frame.top <= y <= frame.y_end
    assert all(frame.top <= level.y <= frame.y_end for level in chart.levels)


def test_heights_follow_the_money() -> None:
    chart = _draw(_point(11))
    by_value = sorted(chart.levels, key=lambda level: level.value, reverse=True)
    assert [level.y for level in by_value] == sorted(level.y for level in by_value)
    named = {level.text: level.value for level in chart.levels}
    assert named["daily floor"] == D("96240")
    assert named["50 %, half size"] == D("98740")
    assert named["70 %, no new risk"] == D("97740")
    assert named["80 %, locks the day"] == D("97240")
    assert named["if all stops hit"] == ROOM.worst_case
    assert chart.floor_y > chart.worst_y > chart.equity_y


def test_a_crossed_level_is_marked() -> None:
    low = replace(ROOM, worst_case=D("97500"), used_daily=D("0.748"))
    kinds = {level.text[:2]: level.kind for level in _draw(_point(11), room=low).levels if "%" in level.text}
    assert kinds == {"50": "crossed", "70": "crossed", "80": "level"}


def test_a_worst_case_is_drawn_in_corners() -> None:
    chart = _draw(_point(10), _point(11, worst="99000"))
    corners = _corners(chart.stretches[0].worst)
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners))


def test_hours_without_a_snapshot_are_not_drawn_over() -> None:
    chart = _draw(_point(1), _point(2), _point(6), _point(7), now=START + timedelta(hours=7, minutes=30))
    assert len(chart.stretches) == 2
    first, second = (_corners(stretch.equity) for stretch in chart.stretches)
    assert first[-1][0] < second[0][0]


def test_a_floor_that_moved_within_the_day_is_a_step() -> None:
    heights = [y for _, y in _corners(_draw(_point(3), _point(9, floor="95000")).floor_line)]
    assert len(set(heights)) == 2
    # What holds now is what the headroom says.
    assert heights[-1] == pytest.approx(_draw(_point(3)).floor_y, abs=0.1)


def test_a_total_floor_far_below_is_told_not_drawn() -> None:
    chart = _draw(_point(11))
    assert chart.below is not None
    assert chart.below > 0
    assert "total floor" not in {level.text for level in chart.levels}
    near = replace(ROOM, total_floor=D("96100"))
    chart = _draw(_point(11), room=near)
    assert chart.below is None
    assert "total floor" in {level.text for level in chart.levels}


def test_the_coming_floor_is_shown_where_it_moves() -> None:
    assert _draw(_point(11)).next_y is not None
    assert _draw(_point(11), room=replace(ROOM, next_floor=ROOM.daily_floor)).next_y is None


def test_marks_stand_at_their_time() -> None:
    marks = (DealMark(at=START + timedelta(hours=6), opened=True), DealMark(at=NOW, opened=False))
    chart = _draw(_point(11), marks=marks)
    assert chart.opened == [pytest.approx(DESKTOP.left + DESKTOP.inner / 4, abs=0.1)]
    assert chart.closed == [chart.now_x]


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 19), 24)]
)
def test_days_of_the_clock_change_have_their_hours(day: date, hours: int) -> None:
    start, end = DayClock().bounds(day)
    shown = Day(start=start, end=end, zone="Europe/Prague")
    chart = _draw(now=start + timedelta(hours=1), day=shown)
    assert (end - start) == timedelta(hours=hours)
    assert [tick.text for tick in chart.hours] == [
        "00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "24:00",
    ]  # fmt: skip
    six = chart.hours[2].at
    expected = DESKTOP.left + DESKTOP.inner * (6 - (24 - hours)) / hours
    assert six == pytest.approx(expected, abs=0.1)


def test_a_day_that_begins_before_midnight_ends_by_its_own_clock() -> None:
    clock = DayClock("America/New_York", timedelta(hours=7))
    start, end = clock.bounds(date(2026, 11, 19))
    chart = _draw(now=start, day=Day(start=start, end=end, zone=clock.zone))
    assert chart.hours[-1].text == "17:00"


@given(
    heights=st.lists(st.floats(min_value=0, max_value=300), min_size=1, max_size=9),
    frame=st.sampled_from([DESKTOP, PHONE]),
)
def test_labels_never_cover_each_other(heights: list[float], frame: Frame) -> None:
    placed = risk_chart.spread(heights, frame=frame)
    order = sorted(placed)
    assert all(b - a >= 14 - 0.02 for a, b in pairwise(order))
    assert order[-1] <= frame.y_end + 0.01
    assert [placed.index(y) for y in order] == sorted(range(len(heights)), key=lambda i: (heights[i], i))


@given(st.lists(st.integers(min_value=90_000, max_value=101_000), min_size=1, max_size=2_000))
def test_thinning_keeps_the_worst_moment_and_both_ends(worsts: list[int]) -> None:
    points = [_point(h * 0.001, worst=str(worst)) for h, worst in enumerate(worsts)]
    thinned = _thinned(points)
    assert min(p.worst_case for p in thinned) == min(worsts)
    assert (thinned[0], thinned[-1]) == (points[0], points[-1])
    assert thinned == sorted(thinned, key=lambda p: p.at)
    assert len(thinned) <= 362


def _near(*used: str) -> list[NearDay]:
    return [NearDay(day=date(2026, 11, 1) + timedelta(days=i), used=D(u)) for i, u in enumerate(used)]


def test_days_beside_their_limit() -> None:
    near = risk_bars.near_bars(_near("0.22", "0.81", "0.35"))
    assert near is not None
    assert [(bar.percent, bar.locked) for bar in near.bars] == [(22, False), (81, True), (35, False)]
    tallest = near.bars[1]
    lock = next(line for line in near.lines if line.text == "80 lock")
    assert tallest.y < lock.at < near.bars[2].y
    assert near.bars[-1].text == "newest"
    assert risk_bars.near_bars([]) is None


def test_a_day_beyond_its_limit_stays_on_the_paper() -> None:
    near = risk_bars.near_bars(_near("1.4"))
    assert near is not None
    assert near.bars[0].y >= 0
    assert near.bars[0].percent == 140


@given(
    used=st.lists(st.decimals(min_value=0, max_value=3, places=3), min_size=1, max_size=12),
)
def test_bars_stand_beside_each_other(used: list[Decimal]) -> None:
    near = risk_bars.near_bars(
        [NearDay(day=date(2026, 11, 1) + timedelta(days=i), used=u) for i, u in enumerate(used)]
    )
    assert near is not None
    assert all(a.x + a.width <= b.x + 0.2 for a, b in pairwise(near.bars))
    assert all(0 <= bar.y <= near.height and bar.x + bar.width <= near.inner + 0.2 for bar in near.bars)


@pytest.mark.parametrize(
    ("balance", "target", "left", "width"),
    [
        ("100000", "110000", 180, 1.5),
        ("105000", "110000", 180, 90),
        ("95000", "110000", 90, 90),
        ("120000", "110000", 180, 180),
        ("80000", "110000", 0, 180),
    ],
)
def test_a_balance_on_its_way(balance: str, target: str, left: float, width: float) -> None:
    way = risk_bars.way(balance=D(balance), initial=D(100_000), floor=D(90_000), target=D(target))
    assert way is not None
    assert (way.start, way.left, way.width) == (180, left, width)


def test_a_way_without_a_target_ends_at_the_highest() -> None:
    way = risk_bars.way(balance=D(130_000), initial=D(100_000), floor=D(90_000), target=None)
    assert way is not None
    assert way.end == 130_000
    assert risk_bars.way(balance=D(1), initial=D(1), floor=D(2), target=None) is None
