"""Commission, fills and the loss at a stop, to the cent."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.worlds import BTC, ETH
from trading.core import costs
from trading.core.types import Side

WIDE = replace(BTC, spread_bp=D(2), slippage_bp=D(1), tick_size=D("0.5"))


def test_v17_commission_of_one_side() -> None:
    assert costs.commission(D(2), D(90000), BTC) == D("58.50")


@pytest.mark.parametrize(
    ("price", "booked"), [("0.15", "0.00"), ("15.38", "0.00"), ("15.39", "0.01"), ("100", "0.03")]
)
def test_commission_is_booked_in_whole_cents(price: str, booked: str) -> None:
    assert costs.commission(D(1), D(price), BTC) == D(booked)


def test_v18_loss_per_lot_of_btc() -> None:
    assert costs.loss_per_lot(Side.LONG, D(90000), D(89400), BTC) == D("658.305")


def test_v19_loss_per_lot_of_eth() -> None:
    assert costs.loss_per_lot(Side.LONG, D(3000), D(2975), ETH) == D("269.41875")


@pytest.mark.parametrize(
    ("side", "opening", "price"),
    [
        pytest.param(Side.LONG, True, "90018.0", id="a long pays more"),
        pytest.param(Side.LONG, False, "89982.0", id="and gets less"),
        pytest.param(Side.SHORT, True, "89982.0", id="a short gets less"),
        pytest.param(Side.SHORT, False, "90018.0", id="and pays more"),
    ],
)
def test_fills_are_half_the_spread_and_the_slippage_worse(side: Side, opening: bool, price: str) -> None:
    assert costs.fill_price(side, D(90000), WIDE, opening=opening) == D(price)


@pytest.mark.parametrize(("side", "price"), [(Side.LONG, "90018.5"), (Side.SHORT, "89982.0")])
def test_fills_are_rounded_to_the_tick_against_us(side: Side, price: str) -> None:
    assert costs.fill_price(side, D("90000.2"), WIDE, opening=True) == D(price)


def test_a_stop_is_filled_worse_by_the_gap_buffer() -> None:
    assert costs.stop_fill(Side.LONG, D(90000), BTC, D(10)) == D(89910)
    assert costs.stop_fill(Side.SHORT, D(90000), BTC, D(10)) == D(90090)


def test_round_trip_in_basis_points() -> None:
    assert costs.round_trip_bp(BTC) == D("6.5")
    assert costs.round_trip_bp(replace(BTC, spread_bp=D("2.5"))) == D("9.0")
    assert costs.round_trip_bp(WIDE) == D("10.5")


def test_loss_at_stop_is_what_two_fills_book() -> None:
    loss = costs.loss_at_stop(Side.SHORT, D(3000), D(3025), ETH, lots=D("1.85"))
    assert loss == D(25) * D("18.5") + D("18.04") + D("18.19")


@given(
    side=st.sampled_from(Side),
    entry=st.integers(1000, 10_000_000),
    distance=st.integers(10, 900),
    spread=st.integers(0, 50),
    slippage=st.integers(0, 50),
    buffer=st.integers(0, 100),
    lots=st.integers(1, 500),
)
def test_more_cost_never_means_less_loss(
    side: Side, entry: int, distance: int, spread: int, slippage: int, buffer: int, lots: int
) -> None:
    price = D(entry) / 100
    stop = price * (1 - side.sign * D(distance) / 10000)
    dear = replace(BTC, spread_bp=D(spread), slippage_bp=D(slippage))
    free = replace(BTC, commission_rate=D(0))
    volume = D(lots) / 100
    loss = costs.loss_at_stop(side, price, stop, dear, lots=volume, gap_buffer_bp=D(buffer))
    plain = costs.loss_at_stop(side, price, stop, BTC, lots=volume)
    assert loss >= plain >= costs.loss_at_stop(side, price, stop, free, lots=volume) > 0
    exact = volume * costs.loss_per_lot(side, price, stop, dear, gap_buffer_bp=D(buffer))
    assert abs(loss - exact) <= D("0.02")


@pytest.mark.parametrize("stop", ["90000", "90000.01"])
def test_a_stop_on_the_winning_side_has_no_loss_to_count(stop: str) -> None:
    with pytest.raises(ValueError, match="losing side"):
        costs.loss_per_lot(Side.LONG, D(90000), D(stop), BTC)


@pytest.mark.parametrize(
    "broken",
    [
        {"tick_size": D(0)},
        {"tick_size": D("NaN")},
        {"commission_rate": D("-0.0001")},
        {"spread_bp": D(-1)},
        {"slippage_bp": D("Infinity")},
        {"contract_size": D(0)},
        {"commission_rate": None},
        {"spread_bp": 1.5},
    ],
)
def test_a_broken_instrument_is_refused(broken: dict[str, D]) -> None:
    with pytest.raises(ValueError, match="must"):
        costs.loss_per_lot(Side.LONG, D(90000), D(89400), replace(BTC, **broken))
    if "tick_size" not in broken and "contract_size" not in broken:
        with pytest.raises(ValueError, match="must"):
            costs.round_trip_bp(replace(BTC, **broken))


def test_a_price_below_one_tick_is_no_price() -> None:
    with pytest.raises(ValueError, match="tick grid"):
        costs.fill_price(Side.SHORT, D("0.004"), BTC, opening=True)


@pytest.mark.parametrize(
    ("market", "account", "counted"), [("20", "10", "20"), ("10", "20", "20"), ("0", "0", "0")]
)
def test_a_stop_is_counted_with_the_larger_buffer(market: str, account: str, counted: str) -> None:
    btc = replace(BTC, gap_buffer_bp=D(market))
    assert costs.gap_buffer(btc, D(account)) == D(counted)
    expected = costs.fill_price(Side.LONG, D(90000), btc, opening=False, extra_bp=D(counted))
    assert costs.stop_fill(Side.LONG, D(90000), btc, D(account)) == expected


@pytest.mark.parametrize("bad", [D("NaN"), D(-1), None])
def test_a_buffer_that_is_no_number_counts_nothing(bad: D) -> None:
    with pytest.raises(ValueError, match="gap buffer"):
        costs.gap_buffer(replace(BTC, gap_buffer_bp=bad), D(10))
    with pytest.raises(ValueError, match="gap buffer"):
        costs.gap_buffer(BTC, bad)
