"""Rate limits, cool-down, one trade a market, open positions, messages, price basis, the owner's ceilings."""

from dataclasses import asdict, fields, replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.worlds import LIMITS, NOW, account, draft, pending, position, usage
from trading.core import limits
from trading.core.limits import Ceilings
from trading.core.types import Limits, Pending, Position, Tier

CEILINGS = st.builds(
    Ceilings,
    risk_per_trade=st.decimals("0.0001", "0.1", places=4),
    max_positions=st.integers(0, 10),
    signals_per_hour=st.integers(0, 50),
    high_per_hour=st.integers(0, 50),
    cool_down=st.timedeltas(timedelta(0), timedelta(hours=2)),
    signal_ttl=st.timedeltas(timedelta(0), timedelta(hours=1)),
)
OWNERS = Ceilings(
    risk_per_trade=D("0.01"),
    max_positions=3,
    signals_per_hour=10,
    high_per_hour=5,
    cool_down=timedelta(minutes=15),
    signal_ttl=timedelta(seconds=90),
)
PROFILES = CEILINGS.map(lambda drawn: replace(LIMITS, **asdict(drawn)))


@pytest.mark.parametrize(("used", "passed"), [(0, True), (9, True), (10, False), (11, False)])
def test_ten_signals_an_hour(used: int, passed: bool) -> None:
    assert limits.signals_per_hour(usage(signals_last_hour=used), LIMITS).passed is passed


@pytest.mark.parametrize(
    ("tier", "used", "passed"),
    [(Tier.HIGH, 4, True), (Tier.HIGH, 5, False), (Tier.MEDIUM, 5, True), (Tier.LOW, 99, True)],
)
def test_five_high_signals_an_hour(tier: Tier, used: int, passed: bool) -> None:
    answer = limits.high_per_hour(draft(tier=tier), usage(high_last_hour=used), LIMITS)
    assert answer.passed is passed


@pytest.mark.parametrize(
    ("ago", "passed"),
    [
        pytest.param(None, True, id="none before"),
        pytest.param(timedelta(minutes=15), True, id="exactly over"),
        pytest.param(timedelta(minutes=15) - timedelta(microseconds=1), False, id="not quite"),
        pytest.param(timedelta(minutes=-1), False, id="in the future"),
    ],
)
def test_cool_down(ago: timedelta | None, passed: bool) -> None:
    last = None if ago is None else NOW - ago
    assert limits.cool_down(usage(last_signal_at=last), LIMITS, NOW).passed is passed


@pytest.mark.parametrize(
    ("busy", "positions", "coming", "passed"),
    [
        pytest.param("", (), (), True, id="free"),
        pytest.param("unknown", (), (), False, id="an unknown order"),
        pytest.param("", (position(),), (), False, id="a position at the venue"),
        pytest.param("", (position("ETH-USD"),), (pending("1"),), True, id="other markets"),
        pytest.param("", (), (pending("1", "BTC-USD"),), False, id="on its way"),
    ],
)
def test_one_per_market(
    busy: str, positions: tuple[Position, ...], coming: tuple[Pending, ...], passed: bool
) -> None:
    answer = limits.one_per_market(draft(), usage(busy=busy), account(positions=positions), coming)
    assert answer.passed is passed


@pytest.mark.parametrize(
    ("counted", "positions", "coming", "passed"),
    [
        pytest.param(2, 0, 0, True, id="two counted"),
        pytest.param(3, 0, 0, False, id="three counted"),
        pytest.param(0, 3, 0, False, id="three at the venue"),
        pytest.param(1, 1, 2, False, id="one open, two on their way"),
        pytest.param(1, 1, 1, True, id="one open, one on its way"),
    ],
)
def test_open_positions(counted: int, positions: int, coming: int, passed: bool) -> None:
    answer = limits.open_positions(
        usage(open_positions=counted),
        account(positions=(position(),) * positions),
        (pending("1"),) * coming,
        LIMITS,
    )
    assert answer.passed is passed


def test_answers_count_the_one_that_is_asked_about() -> None:
    rate = limits.signals_per_hour(usage(signals_last_hour=3), LIMITS)
    assert (rate.value, rate.limit) == ("4", "10")
    assert rate.sentence == "4 of 10 signals in the last hour, with this one."
    held = limits.open_positions(usage(open_positions=1), account(), (), LIMITS)
    assert (held.value, held.limit) == ("2", "3")
    assert held.sentence == "2 of 3 positions, with this one."


@pytest.mark.parametrize(
    ("sent", "passed"), [(0, True), (1599, True), (1600, False), (1601, False), (2000, False), (10**9, False)]
)
def test_entries_stop_at_80_percent_of_the_messages(sent: int, passed: bool) -> None:
    answer = limits.messages(usage(messages_today=sent), LIMITS)
    assert (answer.passed, answer.limit) == (passed, "1,600")


@pytest.mark.parametrize(("allowed", "last"), [(2, 0), (4, 2), (7, 4), (10, 7)])
def test_80_percent_of_few_messages_are_rounded_down(allowed: int, last: int) -> None:
    few = replace(LIMITS, messages_per_day=allowed)
    assert limits.messages(usage(messages_today=last), few).passed
    assert not limits.messages(usage(messages_today=last + 1), few).passed


@pytest.mark.parametrize("allowed", [0, 1])
def test_without_messages_there_are_no_entries(allowed: int) -> None:
    assert not limits.messages(usage(), replace(LIMITS, messages_per_day=allowed)).passed


@pytest.mark.parametrize(
    ("apart", "passed", "value"),
    [
        (D(0), True, "+0.0 bp"),
        (D(12), True, "+12.0 bp"),
        (D("12.001"), False, "+12.0 bp"),
        (D(-12), True, "-12.0 bp"),
        (D("-12.001"), False, "-12.0 bp"),
        (None, False, "unknown"),
    ],
)
def test_the_venue_must_be_near_the_source(apart: D | None, passed: bool, value: str) -> None:
    answer = limits.basis(apart, LIMITS)
    assert (answer.passed, answer.value, answer.limit) == (passed, value, "12.0 bp")


def test_the_basis_is_said_as_people_say_it() -> None:
    assert limits.basis(D("-14.2"), LIMITS).sentence == (
        "Venue 14.2 bp below the signal's source, 12.0 bp allowed. Opens by itself when they agree."
    )
    assert limits.basis(D("3"), LIMITS).sentence == "Venue 3.0 bp above the signal's source, 12.0 bp allowed."


@given(PROFILES, CEILINGS, CEILINGS)
def test_tightening_only_tightens_and_order_does_not_matter(
    profile: Limits, a: Ceilings, b: Ceilings
) -> None:
    tight = limits.tighten(profile, a)
    assert limits.tighten(tight, a) == tight
    assert limits.tighten(tight, b) == limits.tighten(limits.tighten(profile, b), a)
    for name in ("risk_per_trade", "max_positions", "signals_per_hour", "high_per_hour", "signal_ttl"):
        assert getattr(tight, name) == min(getattr(profile, name), getattr(a, name))
    assert tight.cool_down == max(profile.cool_down, a.cool_down)
    ruled = {field.name for field in fields(Ceilings)}
    for field in fields(Limits):
        if field.name not in ruled:
            assert getattr(tight, field.name) == getattr(profile, field.name)


@pytest.mark.parametrize(
    "broken",
    [
        {"risk_per_trade": D("NaN")},
        {"max_positions": -1},
        {"signals_per_hour": None},
        {"high_per_hour": 1.5},
        {"cool_down": timedelta(-1)},
        {"signal_ttl": None},
    ],
)
def test_a_ceiling_that_cannot_be_read_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        limits.tighten(LIMITS, replace(OWNERS, **broken))
    with pytest.raises(ValueError, match="must"):
        limits.tighten(replace(LIMITS, **broken), OWNERS)
