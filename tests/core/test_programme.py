"""Floors, targets and trading days of the 2-Step programme, by the worked examples of the firm."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.worlds import TWO_STEP
from trading.core import programme as pg

NOT_NUMBERS = [D("NaN"), D("Infinity"), D("-1"), D(0), None, "100", 1.5]


@pytest.mark.parametrize(
    ("initial", "midnight", "floor"),
    [
        pytest.param("200000", "200000", "190000", id="V1 the first day"),
        pytest.param("100000", "100000", "95000", id="V12 floating profit is ignored"),
        pytest.param("100000", "103000", "98000", id="V13"),
        pytest.param("100000", "112000", "107000", id="V14 a share of the initial, not of the balance"),
        pytest.param("100000", "96500", "91500", id="V15"),
    ],
)
def test_the_daily_floor_hangs_on_the_midnight_balance(initial: str, midnight: str, floor: str) -> None:
    assert pg.daily_floor(D(midnight), D(initial), TWO_STEP) == D(floor)


def test_v1_remaining_after_a_closed_loss() -> None:
    assert D(192000) - pg.daily_floor(D(200000), D(200000), TWO_STEP) == D(2000)


def test_v2_remaining_after_a_closed_profit() -> None:
    assert D(204000) - pg.daily_floor(D(200000), D(200000), TWO_STEP) == D(14000)


def test_v3_v4_a_floating_loss_breaches_at_midnight() -> None:
    equity = D(204000) - D(13000)
    assert not pg.breached(equity, pg.daily_floor(D(200000), D(200000), TWO_STEP))
    assert pg.breached(equity, pg.daily_floor(D(204000), D(200000), TWO_STEP))


@pytest.mark.parametrize(("floating", "breach"), [("-2001", True), ("-2000", False)])
def test_v5_the_total_floor_is_static_and_strict(floating: str, breach: bool) -> None:
    floor = pg.total_floor(D(100000), TWO_STEP)
    assert floor == D(90000)
    assert pg.breached(D(92000) + D(floating), floor) is breach


def test_v11_a_deep_open_loss_is_a_breach_whatever_follows() -> None:
    assert pg.breached(D(200000) - D(71096), pg.effective_floor(D(200000), D(200000), TWO_STEP))


@pytest.mark.parametrize(("equity", "breach"), [("99000", False), ("98000", False), ("97999.99", True)])
def test_v13_equity_at_the_floor_is_no_breach(equity: str, breach: bool) -> None:
    assert pg.breached(D(equity), pg.daily_floor(D(103000), D(100000), TWO_STEP)) is breach


@pytest.mark.parametrize(("midnight", "floor"), [("96500", "91500"), ("94200", "90000")])
def test_v15_the_higher_floor_counts(midnight: str, floor: str) -> None:
    assert pg.effective_floor(D(midnight), D(100000), TWO_STEP) == D(floor)


@pytest.mark.parametrize(
    ("balance", "positions", "met"),
    [
        pytest.param("110000.00", 0, False, id="V7 equal is not yet"),
        pytest.param("110000.01", 0, True, id="V7 exceeds"),
        pytest.param("111000.00", 1, False, id="V7 a position is open"),
    ],
)
def test_the_target_is_exceeded_with_all_closed(balance: str, positions: int, met: bool) -> None:
    assert pg.target_met(D(balance), D(100000), positions, TWO_STEP) is met


def test_the_target_of_each_phase() -> None:
    assert pg.target_met(D("105000.01"), D(100000), 0, pg.profile("ftmo-2-step-verification"))
    assert not pg.target_met(D("105000.01"), D(100000), 0, TWO_STEP)
    assert not pg.target_met(D(500000), D(100000), 0, pg.profile("ftmo-2-step-funded"))


def test_v24_a_day_counts_when_a_position_was_opened() -> None:
    monday = datetime(2026, 11, 2, 9, tzinfo=UTC)
    opened = [monday, *(monday + timedelta(days=n) for n in (5, 6, 7)), monday + timedelta(days=7, hours=2)]
    assert pg.trading_days(opened) == 4


def test_days_are_cut_at_prague_midnight() -> None:
    late = datetime(2026, 7, 1, 21, 59, tzinfo=UTC)
    assert pg.trading_days([late, late + timedelta(minutes=2)]) == 2
    assert pg.trading_days([]) == 0


def test_profiles_are_the_four_of_the_2_step_programme() -> None:
    assert [p.name for p in pg.PROFILES] == [
        "ftmo-2-step-challenge",
        "ftmo-2-step-verification",
        "ftmo-2-step-funded",
        "ftmo-2-step-funded-swing",
    ]
    assert {(p.daily_loss, p.total_loss, p.zone) for p in pg.PROFILES} == {
        (D("0.05"), D("0.10"), "Europe/Prague")
    }
    assert [(p.profit_target, p.min_trading_days, p.swing) for p in pg.PROFILES] == [
        (D("0.10"), 4, False),
        (D("0.05"), 4, False),
        (None, 0, False),
        (None, 0, True),
    ]
    assert {p.verified_on.isoformat() for p in pg.PROFILES} == {"2026-11-20"}
    assert {p.effective_from.isoformat() for p in pg.PROFILES} == {"2026-01-01"}
    assert all(p.source for p in pg.PROFILES)
    assert TWO_STEP.label == "ftmo-2-step-challenge v1"


def test_an_unknown_profile_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"ftmo-2-step-funded-swing, was 'ftmo-1-step'"):
        pg.profile("ftmo-1-step")


def test_an_unknown_total_loss_mode_has_no_floor() -> None:
    other = replace(TWO_STEP, total_loss_mode="trailing")
    with pytest.raises(ValueError, match="static"):
        pg.total_floor(D(100000), other)


@given(st.decimals("0.001", "1", places=3), st.decimals("0.001", "1", places=3))
def test_ceilings_only_tighten(daily: D, total: D) -> None:
    tight = pg.with_ceilings(TWO_STEP, daily, total)
    assert tight.daily_loss == min(daily, TWO_STEP.daily_loss)
    assert tight.total_loss == min(total, TWO_STEP.total_loss)
    assert pg.daily_floor(D(100000), D(100000), tight) >= pg.daily_floor(D(100000), D(100000), TWO_STEP)
    assert pg.total_floor(D(100000), tight) >= pg.total_floor(D(100000), TWO_STEP)


@pytest.mark.parametrize("bad", [*NOT_NUMBERS, D("1.01")])
def test_a_ceiling_that_is_no_fraction_is_refused(bad: D) -> None:
    with pytest.raises(ValueError, match="must be"):
        pg.with_ceilings(TWO_STEP, bad, D("0.1"))
    with pytest.raises(ValueError, match="must be"):
        pg.with_ceilings(TWO_STEP, D("0.05"), bad)


@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_floors_need_numbers_above_zero(bad: D) -> None:
    for ask in (
        lambda: pg.daily_floor(bad, D(1), TWO_STEP),
        lambda: pg.daily_floor(D(1), bad, TWO_STEP),
        lambda: pg.total_floor(bad, TWO_STEP),
        lambda: pg.target_met(D(1), bad, 0, TWO_STEP),
    ):
        with pytest.raises(ValueError, match="must be"):
            ask()


@pytest.mark.parametrize("bad", [D("NaN"), D("-Infinity"), None, "1"])
def test_equity_that_is_no_number_is_neither_safe_nor_breached(bad: D) -> None:
    with pytest.raises(ValueError, match="must be"):
        pg.breached(bad, D(1))
    with pytest.raises(ValueError, match="must be"):
        pg.breached(D(1), bad)
