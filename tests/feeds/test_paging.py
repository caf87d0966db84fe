"""Windows and conclusions: nothing running is asked for as closed, nothing unproven is claimed."""

from datetime import datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.feeds.conftest import START
from trading.core.types import Candles, ms_from_utc, utc_from_ms
from trading.feeds.base import FeedUnavailable, Fetched
from trading.feeds.paging import Window, ceil_minute, conclude, floor_minute, pages, window
from trading.feeds.validation import Sifted

FIRST = ms_from_utc(START)
INSTANT = st.integers(-3_600_000, 7_200_000).map(lambda ms: FIRST + ms)


@given(ms=st.integers(-(2**50), 2**50))
def test_full_minutes(ms: int) -> None:
    assert floor_minute(ms) <= ms <= ceil_minute(ms)
    assert floor_minute(ms) % 60_000 == ceil_minute(ms) % 60_000 == 0
    assert ceil_minute(ms) - floor_minute(ms) == (60_000 if ms % 60_000 else 0)


@given(since=INSTANT, until=INSTANT, known=INSTANT, grace=st.integers(0, 90_000), page=st.integers(2, 300))
def test_a_window_holds_only_closed_minutes_of_the_range(
    since: int, until: int, known: int, grace: int, page: int
) -> None:
    asked = window(
        since=utc_from_ms(since), until=utc_from_ms(until), known_ms=known, grace_ms=grace, page=page
    )
    for minute in range(asked.first_ms, asked.end_ms, 60_000):
        assert since <= minute < until
        assert minute + 60_000 + grace <= known
    if not asked.empty:
        assert (asked.asked_ms - asked.first_ms) // 60_000 + 1 <= page
        following = asked.end_ms
        full = (following - asked.first_ms) // 60_000 == page - 1
        assert full or following >= until or following + 60_000 + grace > known


def bars(minutes: list[int]) -> Candles:
    stamps = FIRST + 60_000 * np.array(sorted(minutes), dtype=np.int64)
    ones = np.ones(len(minutes))
    return Candles(open_ms=stamps, open=ones, high=ones, low=ones, close=ones, volume=ones)


@given(
    shown=st.sets(st.integers(0, 20)),
    settled=st.integers(-5, 25),
    running=st.booleans(),
)
def test_a_conclusion_claims_only_what_was_shown_or_has_settled(
    shown: set[int], settled: int, running: bool
) -> None:
    end = FIRST + 20 * 60_000
    closed = end if running else end + 60_000
    asked = Window(since_ms=FIRST - 30_000, first_ms=FIRST, end_ms=end, closed_ms=closed, asked_ms=end)
    answer = conclude(
        Sifted(candles=bars(list(shown)), refused=0, example=""), asked, settled_ms=FIRST + 60_000 * settled
    )
    complete = ms_from_utc(answer.complete_to)
    assert FIRST <= complete <= end
    assert answer.candles.open_ms.tolist() == [FIRST + 60_000 * n for n in sorted(shown) if n < 20]
    for minute in range((complete - FIRST) // 60_000):
        assert minute < settled or any(other >= minute for other in shown)
    if shown and max(shown) < 20:
        assert complete >= FIRST + 60_000 * (max(shown) + 1)


class Steps:
    """A source that gives ten minutes at a time and stops knowing at some point."""

    name = "steps"
    synthetic = False

    def __init__(self, end: int) -> None:
        self.end = FIRST + 60_000 * end
        self.asked = 0

    def fetch_closed(self, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Fetched:
        self.asked += 1
        if self.asked > 100:
            raise FeedUnavailable("asked without end")
        reached = min(ms_from_utc(since) + 600_000, self.end, ms_from_utc(until))
        return Fetched(candles=Candles.empty(), complete_to=utc_from_ms(max(reached, ms_from_utc(since))))

    def ping(self) -> None:
        """Always well."""


@given(length=st.integers(0, 100), end=st.integers(0, 100))
def test_pages_cover_a_range_and_end(length: int, end: int) -> None:
    feed, until = Steps(end), START + timedelta(minutes=length)
    reached = [a.complete_to for a in pages(feed, symbol="X", since=START, until=until, now=until)]
    assert reached == sorted(set(reached))
    assert (reached[-1] if reached else START) == min(until, utc_from_ms(feed.end))
