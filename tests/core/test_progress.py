"""Trading days, target, best day and pace, by the worked examples of the firm."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.worlds import TWO_STEP
from trading.core import progress as pr
from trading.core.own_trades import Booking
from trading.core.programme import PROFILES, profile
from trading.core.timeframes import PRAGUE

ONE_STEP = profile("ftmo-1-step-challenge")
FIRST = date(2026, 11, 2)
HALF = D("0.5")


def noon(day: int) -> datetime:
    """Noon in Prague of the nth day, counted from 0."""
    return datetime(2026, 11, 2, 11, tzinfo=UTC) + timedelta(days=day)


def booked(*amounts: str) -> tuple[Booking, ...]:
    """One deal a day, from the first day on."""
    return tuple(Booking(at=noon(day), amount=D(amount)) for day, amount in enumerate(amounts))


def by_day(*amounts: str) -> dict[date, D]:
    return {FIRST + timedelta(days=day): D(amount) for day, amount in enumerate(amounts)}


def progress(*amounts: str, **changes: Any) -> pr.Progress:
    """The progress of an account of 100,000 after one deal a day; name what differs."""
    given_: dict[str, Any] = {
        "programme": TWO_STEP,
        "initial": D(100000),
        "balance": D(100000) + sum((D(amount) for amount in amounts), D(0)),
        "open_positions": 0,
        "bookings": booked(*amounts),
        "opened": [noon(day) for day in range(len(amounts))],
        "first": FIRST,
        "today": FIRST + timedelta(days=max(len(amounts), 1)),
    }
    return pr.progress(**(given_ | changes))


@pytest.mark.parametrize(
    ("balance", "positions", "met", "missing"),
    [
        pytest.param("110000.00", 0, False, "0.01", id="V7 equal is not yet"),
        pytest.param("110000.01", 0, True, "0", id="V7 exceeds"),
        pytest.param("111000.00", 1, False, "0", id="V7 a position is open"),
        pytest.param("100890.84", 0, False, "9109.17", id="on the way"),
    ],
)
def test_v7_the_target_is_exceeded_with_all_closed(
    balance: str, positions: int, met: bool, missing: str
) -> None:
    found = progress(balance=D(balance), open_positions=positions)
    assert found.target == D(110000)
    assert found.target_met is met
    assert found.missing == D(missing)


@pytest.mark.parametrize(("balance", "missing"), [("36666.66", "0.01"), ("36666.67", "0")])
def test_a_target_between_two_cents_is_exceeded_by_the_next_one(balance: str, missing: str) -> None:
    # 33,333.33 and a tenth of it are 36,666.663.
    found = progress(initial=D("33333.33"), balance=D(balance))
    assert (found.target, found.missing) == (D("36666.66"), D(missing))
    assert found.target_met is (missing == "0")


@pytest.mark.parametrize(
    ("amounts", "share", "gate", "missing"),
    [
        pytest.param(("5000",), "1", False, "5000", id="V8 one day alone"),
        pytest.param(("5000", "5000"), "0.5", True, "0", id="V8 as much on another day"),
        pytest.param(("4000", "3000", "-2000", "3000"), "0.4", True, "0", id="V9 losing days do not count"),
        pytest.param(("6000", "3000", "-1000", "2500"), "0.5217", False, "500", id="V10"),
        pytest.param(("6000", "3000", "-1000", "2500", "500"), "0.5", True, "0", id="V10 500 more"),
        pytest.param(("6000", "3000", "-1000", "2500", "499.99"), "0.5", False, "0.01", id="V10 a cent less"),
    ],
)
def test_v8_to_v10_the_best_day_against_the_profitable_days(
    amounts: tuple[str, ...], share: str, gate: bool, missing: str
) -> None:
    found = pr.best_day(by_day(*amounts), HALF)
    assert found is not None
    assert found.share.quantize(D("0.0001")) == D(share).quantize(D("0.0001"))
    assert (found.open, found.missing) == (gate, D(missing))
    assert found.day == FIRST


def test_without_the_rule_the_best_day_is_told_and_the_gate_is_open() -> None:
    found = pr.best_day(by_day("5000"), None)
    assert found is not None
    assert (found.limit, found.open, found.missing, found.share) == (None, True, D(0), D(1))
    assert pr.best_day(by_day("-5", "0"), HALF) is None


def test_a_closed_gate_holds_an_account_that_has_everything_else() -> None:
    rich = progress("8000", "1500", "600", "-10", programme=replace(ONE_STEP, min_trading_days=4))
    assert rich.target_met
    assert not rich.met
    assert progress("4000", "3500", "3000", "-10", programme=ONE_STEP).met
    assert not progress("4000", "3500", "3000").met, "three trading days of four"
    assert progress("4000", "3500", "3000", "1").met


def test_results_are_cut_at_prague_midnight() -> None:
    deals = (
        Booking(at=datetime(2026, 11, 2, 22, 59, 59, tzinfo=UTC), amount=D("10")),
        Booking(at=datetime(2026, 11, 2, 23, 0, tzinfo=UTC), amount=D("-4")),
    )
    found = pr.results_by_day(deals, clock=PRAGUE, first=FIRST, last=FIRST + timedelta(days=2))
    assert list(found.values()) == [D(10), D(-4), D(0)]


def test_a_deal_outside_of_the_period_is_an_error_not_a_day_less() -> None:
    with pytest.raises(ValueError, match="lies outside"):
        pr.results_by_day(booked("1"), clock=PRAGUE, first=FIRST + timedelta(days=1), last=date(2026, 12, 1))
    with pytest.raises(ValueError, match="finite"):
        pr.results_by_day(booked("NaN"), clock=PRAGUE, first=FIRST, last=FIRST)
    with pytest.raises(ValueError, match="balance"):
        progress(balance=D("NaN"))


@pytest.mark.parametrize("programme", PROFILES, ids=lambda p: p.name)
def test_every_programme_has_a_progress(programme: Any) -> None:
    found = progress("100", "-50", programme=programme)
    assert found.target == (
        None if programme.profit_target is None else D(100000) * (1 + programme.profit_target)
    )
    assert found.trading_days_needed == programme.min_trading_days
    assert found.trading_days == 2
    if found.target is None:
        assert found.missing == 0
        assert found.pace.left is None
        assert "no target" in found.pace.sentence
        assert not found.met


def test_fewer_than_ten_complete_days_have_no_pace_and_today_is_not_complete() -> None:
    nine = progress(*["100"] * 9)
    assert nine.pace.days == 9
    assert nine.pace.left is nine.pace.soonest is nine.pace.latest is None
    assert "too few" in nine.pace.sentence
    # Ten days with deals, the tenth of them still going on.
    assert progress(*["100"] * 10, today=FIRST + timedelta(days=9)).pace.days == 9
    assert progress(*["100"] * 10).pace.left == 91, "9,000.01 at 100 a day"


def test_the_pace_has_an_interval_and_says_when_it_has_no_end() -> None:
    steady = progress(*["90", "110"] * 10).pace
    assert steady.left == 81
    # Student's t: mean 100, s 10.26, half width 4.80; 8,000.01 left.
    assert (steady.soonest, steady.latest) == (77, 85)
    wild = progress(*["900", "-700"] * 10).pace
    assert wild.left == 81
    assert wild.latest is None
    assert "zero" in wild.sentence
    falling = progress(*["-900", "700"] * 10).pace
    assert falling.left is falling.latest is None
    assert falling.soonest is not None
    assert "never" in falling.sentence


def test_days_left_are_never_fewer_than_the_trading_days_still_needed() -> None:
    assert pr.pace([D(5000)] * 10, missing=D(1), trading_days_missing=3).left == 3
    done = pr.pace([D(1)], missing=D(0), trading_days_missing=2)
    assert (done.left, done.soonest, done.latest) == (2, 2, 2)
    assert pr.pace([D(1)], missing=D(0), trading_days_missing=0).left == 0


@pytest.mark.parametrize(
    ("freedom", "table"), [(9, "2.262"), (14, "2.145"), (29, "2.045"), (59, "2.001"), (119, "1.980")]
)
def test_students_t_is_the_tables(freedom: int, table: str) -> None:
    assert abs(pr.t_95(freedom) - D(table)) < D("0.0006")


@given(
    results=st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=30),
    share=st.sampled_from(["0.3", "0.4", "0.5", "1"]),
)
def test_what_is_missing_opens_the_gate_and_a_cent_less_does_not(results: list[int], share: str) -> None:
    days = by_day(*(str(D(one) / 100) for one in results))
    found = pr.best_day(days, D(share))
    if found is None:
        assert max(results) <= 0
        return
    assert found.open is (found.missing == 0)
    # Spread over days none of which becomes the best one.
    part = min(found.result, D("0.01"))
    more = found.profitable + found.missing
    assert found.result <= D(share) * more
    if not found.open:
        assert found.result > D(share) * (more - part)
