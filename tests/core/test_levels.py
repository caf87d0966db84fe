"""Locks that outlast the measure, and the level under them."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.worlds import INSTRUMENTS, LIMITS, NOW, TWO_STEP, account, day, pending, position
from trading.core.headroom import Headroom, headroom
from trading.core.levels import Latch, latch, level_under
from trading.core.types import Breach, Level

Make = Callable[..., Headroom]
TODAY, TOMORROW = "2026-11-19", "2026-11-20"
OPEN = Latch()


def room_at(equity: str, *, midnight: str = "100000", orders: tuple[Any, ...] = (), **held: Any) -> Headroom:
    """The headroom of an account of 100,000 with this equity."""
    return headroom(
        account=account(equity, **held),
        day=day(midnight),
        initial=D(100000),
        programme=TWO_STEP,
        instruments=INSTRUMENTS,
        pending=orders,
        limits=LIMITS,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("equity", "midnight", "after"),
    [
        pytest.param("96000.01", "100000", OPEN, id="a cent below 80 % of the day"),
        pytest.param("96000", "100000", Latch(daily_locked_on=TODAY), id="80 % of the day"),
        pytest.param("92000.01", "92000.01", OPEN, id="a cent below 80 % in all"),
        pytest.param("92000", "92000", Latch(total_locked=True), id="80 % in all"),
        pytest.param("91000", "95000", Latch(daily_locked_on=TODAY, total_locked=True), id="both"),
        pytest.param(
            "94999.99",
            "100000",
            Latch(daily_locked_on=TODAY, breach=Breach.DAILY),
            id="below the day's floor",
        ),
        pytest.param("95000", "100000", Latch(daily_locked_on=TODAY), id="at the floor is no breach"),
        pytest.param(
            "89999.99",
            "94000",
            Latch(daily_locked_on=TODAY, total_locked=True, breach=Breach.TOTAL),
            id="below the total floor",
        ),
    ],
)
def test_what_latches(equity: str, midnight: str, after: Latch) -> None:
    assert latch(OPEN, room_at(equity, midnight=midnight), day=TODAY) == after


def test_open_positions_latch_at_their_stops() -> None:
    held = position(lots=D(1), stop=D("87900.00"))
    assert room_at("100000", positions=(held,)).used_daily_at_stops >= D("0.8")
    assert latch(OPEN, room_at("100000", positions=(held,)), day=TODAY) == Latch(daily_locked_on=TODAY)
    wide = position(lots=D(2), stop=D("87900.00"))
    assert latch(OPEN, room_at("100000", positions=(wide,)), day=TODAY).total_locked


@pytest.mark.parametrize("unknown", [True, False])
def test_an_order_on_its_way_measures_but_does_not_latch(unknown: bool) -> None:
    room = room_at("100000", orders=(pending("9000", unknown=unknown),))
    assert (room.level, room.used) == (Level.LOCKED, D("1.8"))
    assert latch(OPEN, room, day=TODAY) == OPEN


def test_a_position_without_a_stop_latches_both() -> None:
    room = room_at("100000", positions=(position(stop=None),))
    assert latch(OPEN, room, day=TODAY) == Latch(daily_locked_on=TODAY, total_locked=True)


def test_nothing_lasting_hangs_on_a_guessed_floor() -> None:
    """Of a day whose start is not proven only the total limit is known."""
    assert latch(OPEN, room_at("94000"), day=TODAY, proven=False) == OPEN
    assert room_at("89000").breach is Breach.DAILY
    broken = Latch(total_locked=True, breach=Breach.TOTAL)
    assert latch(OPEN, room_at("89000"), day=TODAY, proven=False) == broken
    assert latch(OPEN, room_at("90000"), day=TODAY, proven=False) == Latch(total_locked=True)


@pytest.mark.parametrize("bad", [None, 0, "yes"])
def test_whether_a_day_is_proven_must_be_known(bad: Any) -> None:
    with pytest.raises(ValueError, match="proven"):
        latch(OPEN, room_at("100000"), day=TODAY, proven=bad)


FULL = Latch(daily_locked_on=TODAY, total_locked=True, breach=Breach.TOTAL)


def test_a_good_look_takes_nothing_back() -> None:
    assert latch(FULL, room_at("100000"), day=TODAY) == FULL
    assert latch(FULL, room_at("100000"), day=TOMORROW) == FULL


def test_the_first_breach_is_the_one_that_stays() -> None:
    daily = Latch(breach=Breach.DAILY)
    assert latch(daily, room_at("80000", midnight="89000"), day=TODAY).breach is Breach.DAILY


def test_a_later_day_s_lock_follows_an_earlier_one_s() -> None:
    assert latch(Latch(daily_locked_on=TODAY), room_at("96000"), day=TOMORROW).daily_locked_on == TOMORROW
    assert latch(Latch(daily_locked_on=TOMORROW), room_at("96000"), day=TODAY).daily_locked_on == TOMORROW


@pytest.mark.parametrize(
    ("before", "equity", "level"),
    [
        pytest.param(OPEN, "100000", Level.GREEN, id="nothing latched"),
        pytest.param(OPEN, "97500", Level.AMBER, id="AMBER follows the measure"),
        pytest.param(OPEN, "96500", Level.RED, id="RED follows the measure"),
        pytest.param(OPEN, "96000", Level.LOCKED, id="the measure alone locks"),
        pytest.param(Latch(daily_locked_on=TODAY), "100000", Level.LOCKED, id="the day's lock holds"),
        pytest.param(Latch(daily_locked_on="2026-11-18"), "100000", Level.GREEN, id="yesterday's has ended"),
        pytest.param(Latch(daily_locked_on="2026-11-18"), "96500", Level.RED, id="and the measure counts"),
        pytest.param(Latch(daily_locked_on=TOMORROW), "100000", Level.LOCKED, id="a clock that stepped back"),
        pytest.param(Latch(total_locked=True), "100000", Level.LOCKED, id="the total lock holds"),
        pytest.param(Latch(total_locked=True), "94999", Level.BREACH, id="a breach is worse than a lock"),
        pytest.param(Latch(breach=Breach.DAILY), "100000", Level.BREACH, id="a breach is for good"),
    ],
)
def test_the_level_is_the_stricter_of_measure_and_latch(before: Latch, equity: str, level: Level) -> None:
    assert level_under(before, room_at(equity), day=TODAY) is level


@pytest.mark.parametrize(
    "broken",
    [
        {"breach": None},
        {"breach": "maybe"},
        {"total_locked": None},
        {"total_locked": 0},
        {"daily_locked_on": None},
        {"daily_locked_on": 20261119},
    ],
)
def test_a_latch_that_cannot_be_read_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|is not a valid"):
        level_under(replace(OPEN, **broken), room_at("100000"), day=TODAY)


@pytest.mark.parametrize("bad", ["", None])
def test_a_level_needs_its_day(bad: Any) -> None:
    with pytest.raises(ValueError, match="ISO dates"):
        level_under(OPEN, room_at("100000"), day=bad)


@given(
    looks=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(st.integers(8_900_000, 10_500_000), st.integers(9_590_000, 9_610_000)),
        ),
        min_size=12,
        max_size=12,
    )
)
def test_no_look_at_an_account_ever_loosens_it_within_its_day(looks: list[tuple[int, int]]) -> None:
    held, levels = OPEN, [Level.GREEN]
    today = 0
    for step, cents in looks:
        days = today + (step == 3)
        room, name = room_at(str(D(cents) / 100)), f"2026-11-{19 + days:02d}"
        after = latch(held, room, day=name)
        now = level_under(after, room, day=name)
        assert after.total_locked >= held.total_locked
        assert not held.breach or after.breach is held.breach
        assert after.daily_locked_on >= held.daily_locked_on
        assert now.rank >= room.level.rank
        if days == today and levels[-1].rank >= Level.LOCKED.rank:
            assert now.rank >= levels[-1].rank
        held, today = after, days
        levels.append(now)
