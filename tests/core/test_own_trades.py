"""What a day closed with and how low it may have been, against a second reading of the same trades."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import pass_oracle
from tests.core.changed import changed
from trading.core import own_trades
from trading.core.own_trades import Booking, OwnTrade, own_days
from trading.core.timeframes import PRAGUE

FIRST, LAST = date(2026, 11, 2), date(2026, 11, 5)
MIDNIGHT = PRAGUE.bounds(FIRST)[0]


def at(hour: float) -> datetime:
    """So many hours after the first day began."""
    return MIDNIGHT + timedelta(hours=hour)


def trade(begin: float, end: float, net: str, **changes: Any) -> OwnTrade:
    """A trade that lost or won ``net`` at its end, with 100 at risk and 150 to win."""
    return OwnTrade(
        **{
            "opened_at": at(begin),
            "closed_at": at(end),
            "bookings": (Booking(at=at(end), amount=D(net)),),
            "risk": D(100),
            "upside": D(150),
            **changes,
        }
    )


def test_a_winner_is_taken_to_have_touched_its_stop_before() -> None:
    day = own_days([trade(9, 10, "150")], clock=PRAGUE, first=FIRST, last=FIRST)[0]
    assert (day.net, day.low, day.high, day.fall) == (D(150), D(-100), D(150), D(250))
    assert (day.opened, day.closed, day.flat, day.low_balance) == (1, 1, D(150), D(0))


def test_what_was_open_together_is_down_together() -> None:
    apart = own_days([trade(9, 10, "50"), trade(11, 12, "50")], clock=PRAGUE, first=FIRST, last=FIRST)[0]
    together = own_days([trade(9, 12, "50"), trade(10, 11, "50")], clock=PRAGUE, first=FIRST, last=FIRST)[0]
    assert apart.low == D(-100)
    assert together.low == D(-200)
    assert apart.net == together.net == D(100)


def test_a_loss_beyond_the_stop_counts_as_it_was() -> None:
    assert trade(9, 10, "-180").depth == D(180)
    assert trade(9, 10, "-20").depth == D(100)


def test_v4_a_position_held_over_midnight_is_down_against_the_new_balance() -> None:
    win, held = trade(2, 3, "4000", risk=D(1), upside=D(4000)), trade(4, 30, "10", risk=D(13000))
    monday, tuesday = own_days([win, held], clock=PRAGUE, first=FIRST, last=FIRST + timedelta(days=1))
    assert monday.flat == D(4000), "between the two"
    assert monday.low == D(4000 - 13000)
    assert tuesday.low == D(-13000), "the day's profit is in the base now"
    assert (monday.opened, tuesday.opened) == (2, 0)


def test_costs_at_the_entry_belong_to_the_day_of_the_entry() -> None:
    deals = (Booking(at=at(20), amount=D(-3)), Booking(at=at(26), amount=D(53)))
    monday, tuesday = own_days(
        [trade(20, 26, "0", bookings=deals)], clock=PRAGUE, first=FIRST, last=FIRST + timedelta(days=1)
    )
    assert (monday.net, tuesday.net) == (D(-3), D(53))
    # 100 is the whole of the loss at the stop: 3 of it are booked, 97 float.
    assert (monday.low, tuesday.low) == (D(-100), D(-97))


def test_days_without_a_trade_are_days() -> None:
    days = own_days([trade(9, 10, "5")], clock=PRAGUE, first=FIRST, last=LAST)
    assert [day.day for day in days] == pass_oracle.every_day([], FIRST, LAST)
    assert [day.net for day in days] == [D(5), D(0), D(0), D(0)]
    assert [day.flat for day in days] == [D(5), D(0), D(0), D(0)]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param([trade(9, 8, "1", bookings=())], id="ends before it begins"),
        pytest.param([trade(9, 10, "1", bookings=(Booking(at=at(11), amount=D(1)),))], id="a deal after it"),
        pytest.param([trade(9, 10, "NaN")], id="no number"),
        pytest.param([trade(9, 10, "1", risk=D(-1))], id="negative risk"),
        pytest.param([trade(-1, 10, "1")], id="before the first day"),
        pytest.param([trade(9, 97, "1")], id="after the last day"),
        pytest.param([trade(9, 10, "1", opened_at=datetime(2026, 11, 2, 9))], id="naive"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_read_is_an_error(wrong: list[OwnTrade]) -> None:
    with pytest.raises(ValueError, match=r"must|finite"):
        own_days(wrong, clock=PRAGUE, first=FIRST, last=LAST)


def test_a_day_that_is_never_flat_has_no_flat_balance() -> None:
    held = [trade(0, 30, "5"), trade(20, 60, "7")]
    days = own_days(held, clock=PRAGUE, first=FIRST, last=LAST)
    # Nothing was held into the first day, and the second trade ends in the middle of the third.
    assert [day.flat for day in days] == [D(0), None, D(7), D(0)]


@st.composite
def _trades(draw: st.DrawFn) -> list[OwnTrade]:
    """Trades on a grid of six hours, so that instants fall together and on midnight."""
    found = []
    for _ in range(draw(st.integers(4, 8))):
        begin = draw(st.integers(0, 13)) * 6
        end = min(begin + draw(st.integers(0, 6)) * 6, 90)
        middle = begin + (end - begin) // 2
        moments = sorted(draw(st.lists(st.sampled_from([begin, middle, end]), min_size=1, max_size=3)))
        amounts = [draw(st.integers(-150, 150)) for _ in moments]
        deals = tuple(Booking(at=at(m), amount=D(a)) for m, a in zip(moments, amounts, strict=True))
        risk, upside = draw(st.integers(1, 120)), draw(st.integers(0, 200))
        found.append(trade(begin, end, "0", bookings=deals, risk=D(risk), upside=D(upside)))
    return found


@given(trades=_trades())
def test_every_day_is_as_a_second_reading_finds_it(trades: list[OwnTrade]) -> None:
    days = own_days(trades, clock=PRAGUE, first=FIRST, last=LAST)
    assert sum(day.net for day in days) == sum(one.net for one in trades)
    for day in days:
        found = pass_oracle.day_as_it_may_have_been(trades, PRAGUE.bounds(day.day))
        for name, value in found.items():
            if name == "low_balance":
                # Deals of one instant may have been booked in any order; the oracle takes the worst.
                assert F(getattr(day, name)) >= value
            else:
                assert getattr(day, name) == value, (day.day, name)


CONTROLS = [
    ("events[position][0] < end", "events[position][0] <= end"),
    ("self.balance - down, self.balance + up", "self.balance - min(down, 120), self.balance + up"),
    ('return max(not_negative("risk", self.risk), -self._lowest(), -self.net)', "return self.risk"),
    ("max(self.fall, self.high - low)", "max(self.fall, high - low)"),
    ("(trade, self.open[number][1] + amount)", "(trade, self.open[number][1])"),
    ("key=lambda event: event[:3]", "key=lambda event: event[:1]"),
    ("self.flat = None if self.open else ZERO", "self.flat = ZERO"),
    ("            self.flat = self.balance", "            self.flat = self.high"),
]


@pytest.mark.parametrize(("old", "new"), CONTROLS)
def test_a_walk_with_one_line_changed_differs_from_the_second_reading(old: str, new: str) -> None:
    found = False
    with changed(own_trades, old, new) as module:

        @settings(database=None)
        @given(trades=_trades())
        def look(trades: list[OwnTrade]) -> None:
            nonlocal found
            copies = [
                module.OwnTrade(
                    opened_at=one.opened_at,
                    closed_at=one.closed_at,
                    bookings=tuple(module.Booking(at=b.at, amount=b.amount) for b in one.bookings),
                    risk=one.risk,
                    upside=one.upside,
                )
                for one in trades
            ]
            for day in module.own_days(copies, clock=PRAGUE, first=FIRST, last=LAST):
                seen = pass_oracle.day_as_it_may_have_been(trades, PRAGUE.bounds(day.day))
                del seen["low_balance"]
                found = found or any(getattr(day, name) != value for name, value in seen.items())

        look()
    assert found


@given(trades=_trades(), more=st.integers(1, 100))
def test_a_wider_stop_never_makes_a_day_look_safer(trades: list[OwnTrade], more: int) -> None:
    wider = [replace(trades[0], risk=trades[0].depth + more), *trades[1:]]
    before = own_days(trades, clock=PRAGUE, first=FIRST, last=LAST)
    after = own_days(wider, clock=PRAGUE, first=FIRST, last=LAST)
    for old, new in zip(before, after, strict=True):
        assert new.low <= old.low
        assert new.fall >= old.fall
        assert (new.net, new.high, new.low_balance) == (old.net, old.high, old.low_balance)


def test_the_instants_are_prague_days_in_utc() -> None:
    assert datetime(2026, 11, 1, 23, tzinfo=UTC) == MIDNIGHT
