"""Risk money and stop distance to lots."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.worlds import BTC, ETH
from trading.core.costs import loss_at_stop
from trading.core.sizing import Sized, size
from trading.core.types import Instrument, Side


def sized(risk: str = "500", instrument: Instrument = BTC, **changes: Any) -> Sized:
    """Size a long of BTC from 90,000 with its stop 600 below; name what differs."""
    world: dict[str, Any] = {
        "draft_entry": D(90000),
        "stop": D(89400),
        "side": Side.LONG,
        "risk_money": D(risk),
        "instrument": instrument,
    }
    return size(**(world | changes))


def test_v18_without_and_with_commission() -> None:
    assert sized(instrument=replace(BTC, commission_rate=D(0))).lots == D("0.83")
    whole = sized()
    assert (whole.lots, whole.risk) == (D("0.75"), D("493.73"))


def test_v19_a_contract_of_ten() -> None:
    eth = sized(instrument=ETH, draft_entry=D(3000), stop=D(2975))
    assert (eth.lots, eth.risk) == (D("1.85"), D("498.43"))


def test_a_factor_halves_the_money_not_the_rounded_lots() -> None:
    half = sized(factor=D("0.5"))
    assert (half.lots, half.allowed) == (D("0.37"), D(250))


@pytest.mark.parametrize(
    ("risk", "lots"),
    [
        pytest.param("6.60", "0.01", id="one step fits"),
        pytest.param("6.57", "0", id="one cent less does not: never rounded up"),
        pytest.param("13.16", "0.01", id="just below two steps"),
    ],
)
def test_lots_are_rounded_down(risk: str, lots: str) -> None:
    assert sized(risk).lots == D(lots)


def test_rounded_commissions_never_exceed_the_risk_money() -> None:
    # 0.02 lots lose 13.1661 unrounded and 13.17 as booked in whole cents.
    tipped = sized("13.168")
    assert (tipped.lots, tipped.risk) == (D("0.01"), D("6.58"))


def test_a_loss_of_just_the_risk_money_fits() -> None:
    assert (sized("493.73").lots, sized("493.73").risk) == (D("0.75"), D("493.73"))
    assert sized("493.72").lots == D("0.74")


def test_one_volume_may_be_all_that_a_venue_trades() -> None:
    assert sized(instrument=replace(BTC, volume_max=D("0.01"))).lots == D("0.01")


def test_the_venue_caps_the_volume() -> None:
    capped = sized("50000")
    assert (capped.lots, capped.capped_by) == (D(5), "volume_max")
    assert sized().capped_by == ""
    assert sized("50000", replace(BTC, volume_max=D("4.996"))).lots == D("4.99")


def test_smallest_takes_the_smallest_volume_when_it_fits() -> None:
    assert sized(smallest=True).lots == D("0.01")
    assert sized("6.57", smallest=True).lots == 0
    assert sized("50000", smallest=True).capped_by == ""


@pytest.mark.parametrize(
    ("caps", "lots", "by"),
    [
        pytest.param({"margin": "0.75"}, "0.75", "", id="a cap that just fits caps nothing"),
        pytest.param({"margin": "0.7499"}, "0.74", "margin", id="rounded down to the step"),
        pytest.param(
            {"margin": "0.30", "group_risk": "0.299"}, "0.29", "group_risk", id="the tightest counts"
        ),
        pytest.param({"margin": "100"}, "0.75", "", id="far above"),
        pytest.param({"margin": "0.0099"}, "0", "margin", id="below the smallest volume is a refusal"),
        pytest.param({"margin": "0"}, "0", "margin", id="nothing left"),
    ],
)
def test_caps_given_by_the_caller(caps: dict[str, str], lots: str, by: str) -> None:
    answer = sized(caps={name: D(most) for name, most in caps.items()})
    assert (answer.lots, answer.capped_by) == (D(lots), by)
    assert (answer.risk == 0) is (answer.lots == 0)
    assert answer.allowed == D(500)


def test_a_cap_below_the_smallest_volume_refuses_the_smallest_too() -> None:
    assert sized(smallest=True, caps={"margin": D("0.009")}).lots == 0
    assert sized(smallest=True, caps={"margin": D("0.01")}).lots == D("0.01")


@pytest.mark.parametrize("bad", [D("NaN"), D("Infinity"), D(-1), None, 1, 0.5, "1", True])
def test_a_cap_that_is_no_number_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="cap margin must"):
        sized(caps={"margin": bad})


def test_v18_on_an_ftmo_account_margin_is_the_tighter_cap() -> None:
    """At 1:1 a lot of BTC takes 90,000: of 60,000 free, 0.9 usable, 0.60 lots, not 0.75."""
    answer = sized(caps={"margin": D("0.9") * D(60000) / D(90000)})
    assert (answer.lots, answer.risk, answer.capped_by) == (D("0.60"), D("394.98"), "margin")


def test_costs_make_it_smaller() -> None:
    dear = replace(BTC, spread_bp=D(2), slippage_bp=D(1))
    assert sized().lots > sized(instrument=dear).lots > sized(instrument=dear, gap_buffer_bp=D(10)).lots


@given(
    side=st.sampled_from(Side),
    entry=st.integers(100, 10_000_000),
    distance=st.integers(5, 2000),
    risk=st.integers(1, 500_000),
    step=st.sampled_from(["0.01", "0.001", "0.1", "1"]),
    factor=st.sampled_from(["1", "0.5"]),
)
def test_lots_are_the_most_that_fit(
    side: Side, entry: int, distance: int, risk: int, step: str, factor: str
) -> None:
    price = D(entry) / 100
    stop = price * (1 - side.sign * D(distance) / 10000)
    market = replace(BTC, volume_step=D(step), volume_min=D(step), volume_max=D(1000), tick_size=D("0.0001"))
    money = D(risk) / 100
    answer = sized(
        str(money), market, draft_entry=price, stop=stop, side=side, factor=D(factor), gap_buffer_bp=D(10)
    )

    def loss(lots: D) -> D:
        return loss_at_stop(side, price, stop, market, lots=lots, gap_buffer_bp=D(10))

    assert answer.lots % D(step) == 0
    assert answer.risk <= answer.allowed == money * D(factor)
    assert answer.risk == (loss(answer.lots) if answer.lots else 0)
    if answer.lots < 1000:
        assert loss(answer.lots + D(step)) > money * D(factor) - D("0.02")


@given(
    risk=st.integers(1, 200_000),
    margin=st.integers(0, 2000),
    group=st.integers(0, 2000),
    factor=st.sampled_from(["1", "0.5"]),
)
def test_no_cap_is_ever_exceeded(risk: int, margin: int, group: int, factor: str) -> None:
    caps = {"margin": D(margin) / 1000, "group_risk": D(group) / 1000}
    free = sized(str(D(risk) / 100), factor=D(factor))
    answer = sized(str(D(risk) / 100), factor=D(factor), caps=caps)
    top = min(caps.values())
    assert answer.lots <= min(top, free.lots)
    assert answer.lots == free.lots or answer.lots == 0 or top - D("0.01") < answer.lots
    assert bool(answer.capped_by) is (answer.lots < free.lots)


@given(less=st.integers(1, 100_000), more=st.integers(0, 100_000))
def test_more_risk_money_never_means_fewer_lots(less: int, more: int) -> None:
    assert sized(str(D(less) / 100)).lots <= sized(str(D(less + more) / 100)).lots


@pytest.mark.parametrize("bad", [D("NaN"), D("Infinity"), D(-1), D(0), None, 0.5, "1"])
@pytest.mark.parametrize("name", ["draft_entry", "stop", "risk_money", "factor"])
def test_what_is_no_number_above_zero_is_refused(name: str, bad: object) -> None:
    with pytest.raises(ValueError, match="must"):
        sized(**{name: bad})


@pytest.mark.parametrize("bad", [D("NaN"), D(-1), D(0), None, 0.01])
@pytest.mark.parametrize("name", ["volume_min", "volume_max", "volume_step", "tick_size", "contract_size"])
def test_a_broken_instrument_is_refused(name: str, bad: object) -> None:
    with pytest.raises(ValueError, match="must"):
        sized(instrument=replace(BTC, **{name: bad}))


def test_a_largest_volume_below_the_smallest_is_refused() -> None:
    with pytest.raises(ValueError, match="below the smallest"):
        sized(instrument=replace(BTC, volume_max=D("0.001")))


@pytest.mark.parametrize(
    ("side", "stop"), [(Side.LONG, "90001"), (Side.SHORT, "89999"), (Side.LONG, "90000")]
)
def test_a_stop_on_the_wrong_side_is_refused(side: Side, stop: str) -> None:
    with pytest.raises(ValueError, match="losing side"):
        sized(side=side, stop=D(stop))
