"""The prop-firm day: every day of 2024 to 2030, and the broker's server clock."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from trading.core.timeframes import day_bounds, next_midnight, prop_day, server_time

ZONES = [
    "Europe/Prague",
    "America/New_York",
    "UTC",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Santiago",
    "America/Havana",
]
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range((date(2031, 1, 1) - date(2024, 1, 1)).days)]
INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize("zone", ZONES)
def test_every_day_holds_exactly_its_instants(zone: str) -> None:
    end_before = None
    for day in DAYS:
        start, end = day_bounds(day, zone)
        assert end_before is None or start == end_before
        assert prop_day(start, zone) == prop_day(end - INSTANT, zone) == day
        assert prop_day(start - INSTANT, zone) == day - timedelta(days=1)
        assert next_midnight(start, zone) == next_midnight(end - INSTANT, zone) == end
        end_before = end


@pytest.mark.parametrize("zone", ["Europe/Prague", "America/New_York"])
def test_two_days_a_year_are_not_24_hours_long(zone: str) -> None:
    hours = [(end - start).total_seconds() / 3600 for start, end in (day_bounds(d, zone) for d in DAYS)]
    assert hours.count(23) == hours.count(25) == 7
    assert hours.count(24) == len(DAYS) - 14


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_zone_without_summer_time_has_equal_days(zone: str) -> None:
    assert {end - start for start, end in (day_bounds(d, zone) for d in DAYS)} == {timedelta(days=1)}


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        pytest.param("2026-07-01T21:59:30+00:00", "2026-07-01", id="V20 before"),
        pytest.param("2026-07-01T22:00:00+00:00", "2026-07-02", id="V20 after"),
        pytest.param("2026-01-15T22:59:59+00:00", "2026-01-15", id="V21 before"),
        pytest.param("2026-01-15T23:00:00+00:00", "2026-01-16", id="V21 after"),
    ],
)
def test_the_day_of_an_instant(instant: str, day: str) -> None:
    assert prop_day(datetime.fromisoformat(instant)) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("day", "start", "end", "hours"),
    [
        pytest.param("2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z", 23, id="V22 spring"),
        pytest.param("2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z", 25, id="V22 autumn"),
    ],
)
def test_days_of_the_clock_change(day: str, start: str, end: str, hours: int) -> None:
    bounds = day_bounds(date.fromisoformat(day))
    assert bounds == (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert bounds[1] - bounds[0] == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "hour"),
    [("2026-01-15", 1), ("2026-03-10", 2), ("2026-04-15", 1), ("2026-10-27", 2)],
    ids=["V23 winter", "V23 only New York has changed", "V23 summer", "V23 only Prague has changed"],
)
def test_prague_midnight_on_the_server_clock(day: str, hour: int) -> None:
    start, _ = day_bounds(date.fromisoformat(day))
    wall = server_time(start)
    assert wall == start
    assert (wall.date().isoformat(), wall.hour, wall.minute) == (day, hour, 0)


def test_the_server_follows_new_york_every_hour_of_a_year() -> None:
    new_york = ZoneInfo("America/New_York")
    for hour in range(365 * 24):
        instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        local = instant.astimezone(new_york).replace(tzinfo=None)
        assert server_time(instant).replace(tzinfo=None) == local + timedelta(hours=7)


@pytest.mark.parametrize("ask", [prop_day, next_midnight])
def test_a_naive_instant_is_refused(ask: Callable[[datetime], object]) -> None:
    with pytest.raises(ValueError, match="aware datetime"):
        ask(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
