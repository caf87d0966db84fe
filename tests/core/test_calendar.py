"""News, closures and maintenance: what may not be opened when, to the microsecond."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core import calendar
from trading.core.calendar import Entry, EntryKind, entry_blocked, must_be_flat, news_breach
from trading.core.programme import PROFILES, Programme, profile
from trading.core.timeframes import from_server_time

TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
RELEASE = datetime(2026, 11, 19, 13, 30, tzinfo=UTC)

STANDARD = profile("ftmo-2-step-funded")
CHALLENGE = profile("ftmo-2-step-challenge")
SWING = profile("ftmo-2-step-funded-swing")
GENERIC = profile("generic")
WITH_NEWS = ["ftmo-2-step-funded", "ftmo-1-step-funded"]
FREE_OF_NEWS = [p.name for p in PROFILES if p.name not in WITH_NEWS]


def news(at: datetime = RELEASE, **changes: Any) -> Entry:
    return replace(Entry(kind=EntryKind.NEWS, title="US CPI", starts_at=at, ends_at=at), **changes)


def shut(start: datetime, hours: float, **changes: Any) -> Entry:
    fresh = Entry(
        kind=EntryKind.CLOSURE, title="Weekend", starts_at=start, ends_at=start + timedelta(hours=hours)
    )
    return replace(fresh, **changes)


def server(text: str) -> datetime:
    """An instant on the wall clock of FTMO's server."""
    return from_server_time(datetime.fromisoformat(text))


def blocked(*entries: Entry, at: datetime, programme: Programme = CHALLENGE, symbol: str = "BTC-USD") -> bool:
    return entry_blocked(entries, symbol, programme, at) is not None


# -- domain.md, V25 and V26 ------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_NEWS)
def test_v25_a_stop_90_seconds_after_a_release_breaks_a_funded_standard_account(name: str) -> None:
    assert news_breach(RELEASE + 90 * timedelta(seconds=1), RELEASE, profile(name)) is True


@pytest.mark.parametrize("name", FREE_OF_NEWS)
def test_v25_swing_and_evaluation_are_free(name: str) -> None:
    assert news_breach(RELEASE + 90 * timedelta(seconds=1), RELEASE, profile(name)) is False


@pytest.mark.parametrize("name", [p.name for p in PROFILES if p.gap_hours])
def test_v26_a_closure_from_8_to_12_of_the_servers_saturday(name: str) -> None:
    weekend = shut(server("2026-07-25T08:00"), 4)
    assert weekend.ends_at == server("2026-07-25T12:00")
    assert blocked(weekend, at=server("2026-07-25T06:30"), programme=profile(name))
    assert not blocked(weekend, at=server("2026-07-25T05:59"), programme=profile(name))


# -- news ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("apart", "breach"),
    [
        (timedelta(0), True),
        (2 * MINUTE, True),
        (2 * MINUTE + TICK, False),
        (-2 * MINUTE, True),
        (-2 * MINUTE - TICK, False),
    ],
)
def test_both_ends_of_the_minutes_around_news_are_included(apart: timedelta, breach: bool) -> None:
    assert news_breach(RELEASE + apart, RELEASE, STANDARD) is breach
    assert blocked(news(), at=RELEASE + apart, programme=STANDARD) is breach
    assert not blocked(news(), at=RELEASE + apart, programme=CHALLENGE)
    assert not blocked(news(), at=RELEASE + apart, programme=SWING)


def test_news_may_concern_some_markets_only() -> None:
    of_eth = news(symbols=("ETH-USD", "SOL-USD"))
    assert blocked(of_eth, at=RELEASE, programme=STANDARD, symbol="ETH-USD")
    assert not blocked(of_eth, at=RELEASE, programme=STANDARD)
    assert blocked(of_eth, news(), at=RELEASE, programme=STANDARD)


def test_a_release_of_an_uncertain_hour_blocks_all_of_it() -> None:
    """The server's clock shows one hour of autumn twice: the release may be at either instant."""
    twice = news(ends_at=RELEASE + HOUR)
    assert blocked(twice, at=RELEASE - 2 * MINUTE, programme=STANDARD)
    assert blocked(twice, at=RELEASE + 30 * MINUTE, programme=STANDARD)
    assert blocked(twice, at=RELEASE + HOUR + 2 * MINUTE, programme=STANDARD)
    assert not blocked(twice, at=RELEASE + HOUR + 2 * MINUTE + TICK, programme=STANDARD)


def test_the_refusal_names_the_release_and_the_end() -> None:
    answer = calendar.news((news(),), "BTC-USD", STANDARD, RELEASE)
    assert answer.sentence == (
        "US CPI is released at Thu 19 Nov 14:30 Prague, 2 min before and after it nothing is opened."
        " Opens by itself after Thu 19 Nov 14:32 Prague."
    )
    assert (answer.value, answer.limit) == ("US CPI", "2 min")


# -- closures --------------------------------------------------------------------------------------

SHUT = datetime(2026, 7, 25, 5, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "at", "refused"),
    [
        pytest.param(4, SHUT - 2 * HOUR, True, id="exactly 2 h before"),
        pytest.param(4, SHUT - 2 * HOUR - TICK, False, id="a trace more than 2 h before"),
        pytest.param(2, SHUT - 2 * HOUR, True, id="a closure of exactly 2 h"),
        pytest.param(1.99, SHUT - TICK, False, id="just before a shorter closure"),
        pytest.param(1.99, SHUT, True, id="as a shorter closure begins"),
        pytest.param(1.99, SHUT + 1.99 * HOUR, True, id="as it ends"),
        pytest.param(1.99, SHUT + 1.99 * HOUR + TICK, False, id="after its end"),
        pytest.param(4, SHUT + 4 * HOUR, True, id="as a closure ends"),
        pytest.param(4, SHUT + 4 * HOUR + TICK, False, id="after it"),
    ],
)
def test_the_edges_of_a_closure(hours: float, at: datetime, refused: bool) -> None:
    assert blocked(shut(SHUT, hours), at=at) is refused


@pytest.mark.parametrize(
    ("entries", "refused"),
    [
        pytest.param([shut(SHUT, 1), shut(SHUT + HOUR, 1)], True, id="touching"),
        pytest.param([shut(SHUT + HOUR, 1), shut(SHUT, 1)], True, id="in any order"),
        pytest.param([shut(SHUT, 1.5), shut(SHUT + HOUR, 1)], True, id="overlapping"),
        pytest.param([shut(SHUT, 2), shut(SHUT + 0.5 * HOUR, 0.5)], True, id="one inside the other"),
        pytest.param([shut(SHUT, 1), shut(SHUT, 1)], False, id="the same twice"),
        pytest.param([shut(SHUT, 1), shut(SHUT + HOUR + TICK, 1)], False, id="open for an instant between"),
        pytest.param(
            [shut(SHUT, 1), shut(SHUT + HOUR, 1, symbols=("ETH-USD",))], False, id="of another market"
        ),
        pytest.param(
            [shut(SHUT, 1), shut(SHUT + HOUR, 1, kind=EntryKind.MAINTENANCE)],
            False,
            id="maintenance after it",
        ),
        pytest.param([shut(SHUT + i * 0.5 * HOUR, 0.5) for i in range(4)], True, id="four half hours"),
    ],
)
def test_closures_that_touch_are_one(entries: list[Entry], refused: bool) -> None:
    assert blocked(*entries, at=SHUT - 2 * HOUR) is refused


def test_without_gap_hours_a_closure_blocks_while_it_lasts() -> None:
    weekend = shut(SHUT, 48)
    assert not blocked(weekend, at=SHUT - TICK, programme=GENERIC)
    assert blocked(weekend, at=SHUT, programme=GENERIC)
    assert blocked(weekend, at=SHUT + 48 * HOUR, programme=GENERIC)


def test_the_refusal_of_a_closure_says_from_when_to_when() -> None:
    answer = calendar.closure((shut(SHUT, 4),), "BTC-USD", CHALLENGE, SHUT - HOUR)
    assert answer.sentence == (
        "BTC-USD is shut from Sat 25 Jul 07:00 Prague to Sat 25 Jul 11:00 Prague (Weekend),"
        " 2 h before it nothing is opened. Opens by itself after it."
    )


@pytest.mark.parametrize("at", [SHUT, SHUT + HOUR])
def test_in_a_closure_nothing_is_said_of_the_hours_before_it(at: datetime) -> None:
    answer = calendar.closure((shut(SHUT, 4),), "BTC-USD", CHALLENGE, at)
    assert answer.sentence.endswith("to Sat 25 Jul 11:00 Prague (Weekend). Opens by itself after it.")


@given(
    parts=st.lists(st.tuples(st.integers(-600, 600), st.integers(1, 240)), min_size=1, max_size=6),
    at=st.integers(-800, 900),
)
def test_closures_against_counted_minutes(parts: list[tuple[int, int]], at: int) -> None:
    """A second opinion: minutes in a set, the whole stretch around each closed minute counted by hand."""
    minutes = {minute for start, length in parts for minute in range(start, start + length + 1)}
    closed = False
    for first in minutes:
        if first - 1 in minutes:
            continue
        last = first
        while last + 1 in minutes:
            last += 1
        closed |= first - (120 if last - first >= 120 else 0) <= at <= last
    # Two stretches are one in minutes when a minute lies between them; in instants they then touch.
    entries = [shut(SHUT + start * MINUTE, length / 60) for start, length in _joined(parts)]
    assert blocked(*entries, at=SHUT + at * MINUTE) is closed


def _joined(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts, each lengthened over a gap of less than a minute that whole minutes cannot show."""
    starts = {start for start, _ in parts}
    return [(start, length + 1 if start + length + 1 in starts else length) for start, length in parts]


# -- maintenance -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "refused"),
    [(SHUT - TICK, False), (SHUT, True), (SHUT + 9 * HOUR, True), (SHUT + 9 * HOUR + TICK, False)],
)
def test_maintenance_blocks_while_it_lasts(at: datetime, refused: bool) -> None:
    for programme in PROFILES:
        assert blocked(shut(SHUT, 9, kind=EntryKind.MAINTENANCE), at=at, programme=programme) is refused


# -- flat before a closure -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "flat"),
    [
        (SHUT - 10 * MINUTE - TICK, False),
        (SHUT - 10 * MINUTE, True),
        (SHUT, True),
        (SHUT + 3 * HOUR, True),
        (SHUT + 3 * HOUR + TICK, False),
    ],
)
def test_positions_close_before_a_long_closure_where_the_programme_says_so(at: datetime, flat: bool) -> None:
    parts = (shut(SHUT, 1.5), shut(SHUT + 1.5 * HOUR, 1.5))
    found = must_be_flat(parts, "BTC-USD", STANDARD, at, 10)
    assert (found is not None) is flat
    if found is not None:
        assert (found.starts_at, found.ends_at) == (SHUT, SHUT + 3 * HOUR)
    for programme in (CHALLENGE, SWING, GENERIC):
        assert must_be_flat(parts, "BTC-USD", programme, at, 10) is None
    assert must_be_flat((replace(parts[0], symbols=("ETH-USD",)),), "BTC-USD", STANDARD, at, 10) is None


def test_a_short_closure_may_be_held_through() -> None:
    assert must_be_flat((shut(SHUT, 1.9),), "BTC-USD", STANDARD, SHUT - MINUTE, 10) is None
    assert must_be_flat((shut(SHUT, 2),), "BTC-USD", STANDARD, SHUT - MINUTE, 10) is not None


# -- what cannot be read ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        news(starts_at=RELEASE.replace(tzinfo=None)),
        news(ends_at=RELEASE.replace(tzinfo=None)),
        news(ends_at=RELEASE - TICK),
        news(kind="holiday"),
        news(symbols=["BTC-USD"]),
        news(symbols="BTC-USD"),
        news(symbols=(1,)),
    ],
)
def test_an_entry_that_cannot_be_read_is_an_error(bad: Entry) -> None:
    for question in (*calendar.QUESTIONS, calendar.entry_blocked):
        with pytest.raises(ValueError, match=r"must|not a valid"):
            question((bad,), "BTC-USD", STANDARD, RELEASE)
    with pytest.raises(ValueError, match=r"must|not a valid"):
        must_be_flat((bad,), "BTC-USD", STANDARD, RELEASE, 10)


@pytest.mark.parametrize("entries", [None, [], {}, "", [news()]])
def test_what_is_no_calendar_is_an_error(entries: Any) -> None:
    for question in calendar.QUESTIONS:
        with pytest.raises(ValueError, match="calendar must be a tuple"):
            question(entries, "BTC-USD", STANDARD, RELEASE)


@pytest.mark.parametrize("broken", [{"news_minutes": None}, {"news_minutes": -1}, {"gap_hours": 1.5}])
def test_a_programme_that_cannot_be_read_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="whole number"):
        entry_blocked((), "BTC-USD", replace(STANDARD, **broken), RELEASE)


@pytest.mark.parametrize("minutes", [None, -1, 2.5])
def test_minutes_that_are_none_are_an_error(minutes: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        must_be_flat((), "BTC-USD", STANDARD, RELEASE, minutes)


def test_a_naive_now_is_an_error() -> None:
    naive = RELEASE.replace(tzinfo=None)
    for call in (
        lambda: entry_blocked((news(),), "BTC-USD", STANDARD, naive),
        lambda: must_be_flat((), "BTC-USD", STANDARD, naive, 10),
        lambda: news_breach(naive, RELEASE, STANDARD),
        lambda: news_breach(RELEASE, naive, STANDARD),
    ):
        with pytest.raises(ValueError, match="aware"):
            call()


@pytest.mark.parametrize(("programme", "hours"), [(STANDARD, 4), (CHALLENGE, 4), (GENERIC, 0)])
def test_how_far_an_entry_matters(programme: Programme, hours: int) -> None:
    assert calendar.reach(programme) == hours * HOUR


def test_the_reach_of_news_alone() -> None:
    assert calendar.reach(replace(GENERIC, news_minutes=5)) == 5 * MINUTE
