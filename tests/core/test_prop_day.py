"""The prop-firm day: every day of 2024 to 2030 on every kind of host, and the broker's server clock."""

import os
import sys
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import prague
from trading.core import timeframes
from trading.core.timeframes import PRAGUE, DayClock, from_server_time, server_time

DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range((date(2031, 1, 1) - date(2024, 1, 1)).days)]
INSTANT = timedelta(microseconds=1)
HOSTS = ["UTC", "Europe/Prague", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
CLOCKS = [
    DayClock(),
    DayClock("America/New_York"),
    DayClock("America/New_York", timedelta(hours=7)),  # the day begins at 17:00
    DayClock("UTC"),
    DayClock("Asia/Tokyo"),
    DayClock("Australia/Lord_Howe"),  # half an hour of summer time
    DayClock("Asia/Beirut"),  # midnight does not exist on one day a year
    DayClock("Africa/Cairo"),
    DayClock("America/Santiago"),
    DayClock("America/Havana"),  # and there is twice on another
    DayClock("Europe/Prague", timedelta(hours=21, minutes=30)),  # 02:30 is skipped once and shown twice once
    DayClock("America/New_York", timedelta(hours=22, minutes=30)),  # 01:30 is shown twice
    DayClock("America/New_York", timedelta(hours=21, minutes=45, seconds=17)),
]


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    """A process that lives in this zone: TZ is set and the C library knows it."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


def differences(clock: DayClock, day: date) -> list[str]:
    """What the clock says otherwise than the rule of the European Union, of one day."""
    start, end = prague.start_of(day), prague.start_of(day + prague.DAY)
    found = []
    if clock.bounds(day) != (start, end):
        found.append(f"{day}: bounds {clock.bounds(day)}")
    hours = (end - start) // prague.HOUR
    instants = [start, start + INSTANT, end - INSTANT, *(start + n * prague.HOUR for n in range(hours))]
    # The hours in which clocks are changed, to the minute: 01:59, 02:00, 02:30 in both folds, 03:00.
    instants += [start + timedelta(minutes=minutes) for minutes in (119, 120, 150, 180, 210)]
    found += [f"{at}: {clock.day(at)}" for at in instants if clock.day(at) != day]
    if clock.day(start - INSTANT) != day - prague.DAY or clock.day(end) != day + prague.DAY:
        found.append(f"{day}: its neighbours")
    found += [f"{at}: reset {clock.next_reset(at)}" for at in instants if clock.next_reset(at) != end]
    return found


@pytest.mark.parametrize("host", HOSTS, indirect=True)
def test_every_day_of_seven_years_is_right_on_every_host(host: str) -> None:
    assert len(DAYS) * len(HOSTS) == 12_785
    wrong = [line for day in DAYS for line in differences(PRAGUE, day)]
    assert not wrong, f"{len(wrong)} on a host in {host}: {wrong[:3]}"


@pytest.mark.parametrize("host", HOSTS, indirect=True)
def test_each_day_begins_once_and_days_only_go_forward(host: str) -> None:
    first, last = prague.start_of(DAYS[0]), prague.start_of(DAYS[-1] + prague.DAY)
    seen = [PRAGUE.day(first + n * prague.HOUR) for n in range((last - first) // prague.HOUR)]
    assert seen == sorted(seen)
    begins = Counter(now for before, now in zip([None, *seen], seen, strict=False) if now != before)
    assert set(begins.values()) == {1}
    assert list(begins) == DAYS
    hours = Counter(seen)
    assert sorted(set(hours.values())) == [23, 24, 25]
    changed = {day for day, n in hours.items() if n != 24}
    assert changed == {prague.last_sunday(year, month) for year in range(2024, 2031) for month in (3, 10)}


@pytest.mark.parametrize("host", HOSTS, indirect=True)
@pytest.mark.parametrize("year", range(2024, 2031))
def test_events_in_the_hours_of_the_change(host: str, year: int) -> None:
    zone = ZoneInfo("Europe/Prague")
    for month in (3, 10):
        day = prague.last_sunday(year, month)
        walls = [(1, 59, 0), (2, 0, 0), (2, 30, 0), (2, 30, 1), (3, 0, 0)]
        shown = [
            datetime(day.year, day.month, day.day, hour, minute, fold=fold, tzinfo=zone)
            for hour, minute, fold in walls
        ]
        assert {PRAGUE.day(at) for at in shown} == {day}
        assert {PRAGUE.day(at.astimezone(UTC)) for at in shown} == {day}
        assert {PRAGUE.day(at.astimezone()) for at in shown} == {day}, "told in the host's own zone"
        if month == 10:
            assert (shown[3].astimezone(UTC) - shown[2].astimezone(UTC)) == prague.HOUR


# -- controls: the product with one line changed is found out --------------------------------------


def with_line(old: str, new: str) -> DayClock:
    """The clock of a product in which this one line is another."""
    source = Path(timeframes.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1, old
    module = types.ModuleType("wrong_timeframes")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source.replace(old, new), "wrong_timeframes.py", "exec"), module.__dict__)  # noqa: S102
    finally:
        del sys.modules[module.__name__]
    clock: DayClock = module.DayClock()
    return clock


START = "wall, zone = datetime.combine(day, time.min) - self.shift, ZoneInfo(self.zone)"
INSTANT_OF = "instant = wall.replace(tzinfo=zone).astimezone(UTC)"
WALL = "wall = instant.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None) + self.shift"
NEXT = "return self._start(day), self._start(day + timedelta(days=1))"
WRONG_LINES = [
    pytest.param(
        START, START.replace("ZoneInfo(self.zone)", "timezone(timedelta(hours=1))"), id="winter all year"
    ),
    pytest.param(
        START, START.replace("ZoneInfo(self.zone)", "timezone(timedelta(hours=2))"), id="summer all year"
    ),
    pytest.param(START, START.replace("self.zone", "SERVER_ZONE"), id="midnight of another zone"),
    pytest.param(INSTANT_OF, "instant = wall.astimezone(UTC)", id="midnight of the host"),
    pytest.param(WALL, WALL.replace("ZoneInfo(self.zone)", ""), id="the date of the host"),
    pytest.param(
        NEXT, "return self._start(day), self._start(day) + timedelta(days=1)", id="days of 24 hours"
    ),
]


@pytest.mark.proof
@pytest.mark.parametrize(("old", "new"), WRONG_LINES)
@pytest.mark.parametrize("host", ["Asia/Kolkata"], indirect=True)
def test_control_a_wrong_line_is_found_out(host: str, old: str, new: str) -> None:
    assert not [line for day in DAYS[:366] for line in differences(with_line(old, old), day)]
    assert [line for day in DAYS[:366] for line in differences(with_line(old, new), day)]


def test_a_clock_of_the_host_passes_where_the_host_is_in_prague() -> None:
    """Why the hosts differ: this wrong line would go unnoticed on a host in Prague."""
    before = os.environ.get("TZ")
    try:
        for zone, is_right in (("Europe/Prague", True), ("Asia/Kolkata", False)):
            os.environ["TZ"] = zone
            time.tzset()
            clock = with_line(WALL, WALL.replace("ZoneInfo(self.zone)", ""))
            assert (not [line for day in DAYS[:366] for line in differences(clock, day)]) is is_right
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


# -- any zone, any shift ---------------------------------------------------------------------------


@pytest.mark.parametrize("clock", CLOCKS, ids=lambda clock: f"{clock.zone} {clock.shift}")
def test_every_day_holds_exactly_its_instants(clock: DayClock) -> None:
    end_before = None
    for day in DAYS:
        start, end = clock.bounds(day)
        assert end_before is None or start == end_before
        assert clock.day(start) == clock.day(end - INSTANT) == day
        assert clock.day(start - INSTANT) == day - timedelta(days=1)
        assert clock.next_reset(start) == clock.next_reset(end - INSTANT) == end
        end_before = end


@given(
    st.sampled_from(CLOCKS),
    st.lists(
        st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
        min_size=30,
        max_size=60,
    ),
    st.data(),
)
def test_days_are_monotonic_and_hold_their_instants(
    clock: DayClock, instants: list[datetime], data: st.DataObject
) -> None:
    # Half of the instants lie within an hour of a day's edge, where clocks are changed.
    edges = [clock.bounds(clock.day(at))[0] for at in instants]
    near = [edge + timedelta(seconds=data.draw(st.integers(-3600, 3600))) for edge in edges]
    ordered = sorted([*instants, *near])
    days = [clock.day(at) for at in ordered]
    assert days == sorted(days)
    for at, day in zip(ordered, days, strict=True):
        start, end = clock.bounds(day)
        assert start <= at < end
        assert end == clock.next_reset(at)
        assert timedelta(hours=22) < end - start < timedelta(hours=26)


def test_a_day_that_begins_at_17_in_new_york_bears_the_next_date() -> None:
    clock = DayClock("America/New_York", timedelta(hours=7))
    assert clock.day(datetime(2026, 7, 1, 20, 59, 59, tzinfo=UTC)) == date(2026, 7, 1)
    assert clock.day(datetime(2026, 7, 1, 21, 0, tzinfo=UTC)) == date(2026, 7, 2)
    assert clock.bounds(date(2026, 1, 16))[0] == datetime(2026, 1, 15, 22, 0, tzinfo=UTC)
    # 8 March and 1 November: clocks are changed inside the day that began the evening before.
    lengths = {
        day: (clock.bounds(day)[1] - clock.bounds(day)[0]) // timedelta(hours=1)
        for day in (date(2026, 3, 7), date(2026, 3, 8), date(2026, 11, 1), date(2026, 11, 2))
    }
    assert list(lengths.values()) == [24, 23, 25, 24]


@pytest.mark.parametrize(
    ("clock", "day", "start"),
    [
        pytest.param(
            CLOCKS[6], "2026-03-29", "2026-03-28T22:00:00Z", id="00:00 is skipped: 01:00 begins the day"
        ),
        pytest.param(
            CLOCKS[9], "2026-11-01", "2026-11-01T04:00:00Z", id="00:00 is shown twice: the first one"
        ),
        pytest.param(CLOCKS[10], "2026-03-30", "2026-03-29T01:00:00Z", id="02:30 is skipped: the jump"),
        pytest.param(
            CLOCKS[10], "2026-10-26", "2026-10-25T00:30:00Z", id="02:30 is shown twice: the first one"
        ),
    ],
)
def test_a_moment_that_is_skipped_or_doubled_begins_one_day(clock: DayClock, day: str, start: str) -> None:
    begins = datetime.fromisoformat(start)
    assert clock.bounds(date.fromisoformat(day))[0] == begins
    assert clock.day(begins) == date.fromisoformat(day)
    hours = [clock.day(begins + timedelta(minutes=n)) for n in range(-180, 180)]
    assert hours == sorted(hours)


@pytest.mark.parametrize("shift", [timedelta(hours=-1), timedelta(hours=24), timedelta(days=3)])
def test_a_shift_of_a_day_or_backwards_is_no_clock(shift: timedelta) -> None:
    with pytest.raises(ValueError, match="less than 24 hours"):
        DayClock("UTC", shift)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_zone_without_summer_time_has_equal_days(zone: str) -> None:
    lengths = {end - start for start, end in map(DayClock(zone).bounds, DAYS)}
    assert lengths == {timedelta(days=1)}


# -- the firm's examples -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "day"), [("2026-07-01T21:59:30+00:00", "2026-07-01"), ("2026-07-01T22:00:00Z", "2026-07-02")]
)
def test_v20_the_day_turns_at_22_utc_in_summer(instant: str, day: str) -> None:
    assert PRAGUE.day(datetime.fromisoformat(instant)) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("instant", "day"), [("2026-01-15T22:59:59+00:00", "2026-01-15"), ("2026-01-15T23:00:00Z", "2026-01-16")]
)
def test_v21_the_day_turns_at_23_utc_in_winter(instant: str, day: str) -> None:
    assert PRAGUE.day(datetime.fromisoformat(instant)) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("day", "start", "end", "hours"),
    [
        ("2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z", 23),
        ("2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z", 25),
    ],
)
def test_v22_days_of_the_clock_change(day: str, start: str, end: str, hours: int) -> None:
    bounds = PRAGUE.bounds(date.fromisoformat(day))
    assert bounds == (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert bounds[1] - bounds[0] == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "hour"),
    [("2026-01-15", 1), ("2026-03-10", 2), ("2026-04-15", 1), ("2026-10-27", 2)],
    ids=["winter", "only New York has changed", "summer", "only Prague has changed"],
)
def test_v23_prague_midnight_on_the_server_clock(day: str, hour: int) -> None:
    start, _ = PRAGUE.bounds(date.fromisoformat(day))
    wall = server_time(start)
    assert wall == start
    assert (wall.date().isoformat(), wall.hour, wall.minute) == (day, hour, 0)
    assert from_server_time(wall.replace(tzinfo=None)) == start


# -- the server's clock --------------------------------------------------------------------------


def test_the_server_follows_new_york_every_hour_of_a_year_there_and_back() -> None:
    new_york = ZoneInfo("America/New_York")
    before = datetime(2026, 1, 1, tzinfo=UTC)
    for hour in range(365 * 24):
        instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        local = instant.astimezone(new_york).replace(tzinfo=None)
        wall = server_time(instant).replace(tzinfo=None)
        assert wall == local + timedelta(hours=7)
        assert from_server_time(wall, not_before=before) == instant
        before = instant + INSTANT


def test_the_hour_shown_twice_is_the_first_one_unless_a_row_came_before() -> None:
    wall = datetime.fromisoformat("2026-11-01T08:30:00")
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert from_server_time(wall) == from_server_time(wall, not_before=first) == first
    assert from_server_time(wall, not_before=first + INSTANT) == first + timedelta(hours=1)


@pytest.mark.parametrize("ask", [PRAGUE.day, PRAGUE.next_reset])
def test_a_naive_instant_is_refused(ask: Callable[[datetime], object]) -> None:
    with pytest.raises(ValueError, match="aware datetime"):
        ask(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))


def test_a_server_time_with_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="bears no zone"):
        from_server_time(datetime(2026, 1, 1, tzinfo=UTC))
