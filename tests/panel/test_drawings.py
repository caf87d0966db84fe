"""Pictures tell the numbers they are drawn from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crpbot_site.panel import drawings
from trading.core.headroom import Headroom
from trading.core.types import ZERO, Breach, Level, Position, Side
from trading.selectors.overview import CurvePoint

D = Decimal
NOON = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
money = st.decimals(min_value=0, max_value=20_000, places=2)

ROOM = Headroom(
    daily_limit=D("5000"),
    total_limit=D("10000"),
    daily_floor=D("96240"),
    total_floor=D("90000"),
    floor=D("96240"),
    next_floor=D("95890.84"),
    next_floor_at_stops=D("95890.84"),
    equity=D("100928.97"),
    worst_case=D("99863.06"),
    at_stops=D("1065.91"),
    pending_risk=ZERO,
    unknown_risk=ZERO,
    to_daily=D("3623.06"),
    to_total=D("9863.06"),
    headroom=D("3623.06"),
    used_daily=D("0.275388"),
    used_total=D("0.013694"),
    used_equity=D("0.062206"),
    gone_daily=D("311.03"),
    breach=Breach.NONE,
    level=Level.GREEN,
    minutes_to_reset=567,
)


def _position(side: Side, entry: str, price: str, stop: str | None, target: str | None) -> Position:
    return Position(
        ticket="1",
        magic=1,
        symbol="BTC-USD",
        side=side,
        lots=D("0.37"),
        entry=D(entry),
        price=D(price),
        stop=None if stop is None else D(stop),
        target=None if target is None else D(target),
        opened_at=NOON,
    )


def test_the_gauge_of_the_guide() -> None:
    gauge = drawings.gauge(ROOM, limit=D(5000), gone=D("311.03"), level=Level.GREEN)
    assert gauge.gone == pytest.approx(6.2206)
    assert gauge.stops == pytest.approx(21.3182)
    assert gauge.unknown == 0
    assert gauge.needle == pytest.approx(float(ROOM.used_daily) * 100, abs=1e-3)
    assert gauge.free == pytest.approx(72.4612)


@given(gone=money, at_stops=money, pending=money, unknown=money, gain=st.booleans())
def test_parts_fill_the_gauge(gone: D, at_stops: D, pending: D, unknown: D, gain: bool) -> None:
    room = replace(ROOM, at_stops=at_stops, pending_risk=pending, unknown_risk=unknown)
    lost = -gone if gain else gone
    gauge = drawings.gauge(room, limit=D(5000), gone=lost, level=Level.GREEN)
    parts = (gauge.gone, gauge.stops, gauge.unknown, gauge.free)
    assert min(parts) >= -1e-9
    assert sum(parts) == pytest.approx(100)
    used = (lost + at_stops + pending + unknown) / D(5000)
    assert gauge.needle == pytest.approx(float(min(max(used, ZERO), D(1)) * 100))


@pytest.mark.parametrize(
    ("side", "entry", "price", "stop", "target", "at"),
    [
        (Side.LONG, "100", "105", "90", "110", (50, 75)),
        (Side.SHORT, "100", "95", "110", "90", (50, 75)),
        (Side.LONG, "100", "80", "90", "110", (50, 0)),
        (Side.SHORT, "100", "80", "110", "90", (50, 100)),
    ],
)
def test_a_track_runs_from_stop_to_target(
    side: Side, entry: str, price: str, stop: str, target: str, at: tuple[int, int]
) -> None:
    track = drawings.track(_position(side, entry, price, stop, target))
    assert track is not None
    assert (track.entry, track.price) == at
    assert track.left == min(at)
    assert track.width == abs(at[0] - at[1])


@pytest.mark.parametrize(("stop", "target"), [(None, "110"), ("90", None), ("90", "90")])
def test_no_track_without_both_ends(stop: str | None, target: str | None) -> None:
    assert drawings.track(_position(Side.LONG, "100", "101", stop, target)) is None


def test_the_day_chart_ends_at_now() -> None:
    start = NOON - timedelta(hours=13)
    points = [
        CurvePoint(at=NOON - timedelta(hours=h), equity=D(101_000 - h), worst_case=D(100_000))
        for h in (3, 2, 1)
    ]
    chart = drawings.day_chart(
        points, start=start, end=start + timedelta(days=1), room=ROOM, balance=D(101_240)
    )
    assert chart is not None
    assert chart.now_x == pytest.approx(300 * 12 / 24)
    floor = next(mark for mark in chart.marks if mark.kind == "floor")
    assert floor.label == "floor 96,240"
    assert all(mark.y <= floor.y for mark in chart.marks)
    assert chart.worst.count(",") == 5  # corners, not slopes


def test_no_day_chart_without_points() -> None:
    assert drawings.day_chart([], start=NOON, end=NOON + timedelta(days=1), room=ROOM, balance=D(1)) is None


def test_a_gap_breaks_the_line() -> None:
    lines = drawings.spark([(0, 1.0), (1, 2.0), (2, 1.5), (5, 1.0), (6, 2.0)], steps=96)
    assert len(lines) == 2
    assert drawings.spark([(0, 1.0)], steps=96) == []


def test_a_flat_course_is_drawn() -> None:
    assert len(drawings.spark([(0, 5.0), (1, 5.0)], steps=96)) == 1


def test_a_path_stays_inside_its_picture() -> None:
    path = [(60_000 * i, 100.0 + i) for i in range(10)]
    chart = drawings.path_chart(path, entry=D(100), stop=D(90), target=D(120))
    assert chart is not None
    assert chart.last_x == 1000
    assert 0 < chart.last_y < chart.height
    assert drawings.path_chart(path[:1], entry=D(100), stop=D(90), target=D(120)) is None
