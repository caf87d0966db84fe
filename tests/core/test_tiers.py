"""Confidence from outcomes, expected value and tiers."""

import math
from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core.tiers import expected_value_bp, proven, tier_of, wilson
from trading.core.types import Bracket, Confidence, Tier

BRACKET = Bracket(target=D("0.0069"), stop=D("0.0173"), cap=timedelta(hours=48))


def confidence(rate: str | None, n: int = 200) -> Confidence:
    value = None if rate is None else D(rate)
    return Confidence(rate=value, low=value, high=value, n=n)


@pytest.mark.parametrize(
    ("hits", "n", "rate", "low", "high"),
    [
        pytest.param(10, 13, "0.7692", "0.4974", "0.9182", id="ten of thirteen"),
        pytest.param(0, 10, "0.0000", "0.0000", "0.2775", id="none"),
        pytest.param(10, 10, "1.0000", "0.7225", "1.0000", id="all"),
        pytest.param(1, 2, "0.5000", "0.0945", "0.9055", id="one of two"),
    ],
)
def test_wilson_intervals_from_the_literature(hits: int, n: int, rate: str, low: str, high: str) -> None:
    assert wilson(hits, n) == Confidence(rate=D(rate), low=D(low), high=D(high), n=n)


def test_without_outcomes_everything_is_unknown() -> None:
    unknown = wilson(0, 0)
    assert unknown == Confidence(rate=None, low=None, high=None, n=0)
    assert not unknown.known


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_its_formula_in_floats(counts: tuple[int, int]) -> None:
    hits, n = counts
    p, z = hits / n, 1.959963984540054
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    answer = wilson(hits, n)
    assert answer.rate is not None
    assert answer.low is not None
    assert answer.high is not None
    assert abs(float(answer.low) - max(centre - half, 0)) < 1e-4
    assert abs(float(answer.high) - min(centre + half, 1)) < 1e-4
    assert 0 <= answer.low <= answer.rate <= answer.high <= 1


@pytest.mark.parametrize(("hits", "n"), [(3, 2), (-1, 2), (0, -1), (1.0, 2), (True, 2), (None, 2)])
def test_impossible_counts_are_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="must"):
        wilson(hits, n)


def test_expected_value_after_costs() -> None:
    # 0.754 * 69 - 0.246 * 173 - 9 = 0.468
    assert expected_value_bp(confidence("0.754"), BRACKET, D(9)) == D("0.47")
    assert expected_value_bp(confidence("0.5"), BRACKET, D(9)) == D("-61.00")


def test_an_unknown_rate_has_no_expected_value() -> None:
    assert expected_value_bp(wilson(0, 0), BRACKET, D(9)) is None


@pytest.mark.parametrize("costs", [D("NaN"), D(-1), None, 9.0])
def test_costs_that_are_no_number_are_refused_even_when_the_rate_is_unknown(costs: D) -> None:
    with pytest.raises(ValueError, match="round trip costs"):
        expected_value_bp(wilson(0, 0), BRACKET, costs)


@pytest.mark.parametrize(
    ("rate", "n", "value", "tier"),
    [
        pytest.param("0.75", 30, "0.01", Tier.HIGH, id="High begins at 0.75"),
        pytest.param("0.7499", 30, "0.01", Tier.MEDIUM, id="just below High"),
        pytest.param("0.65", 30, "0.01", Tier.MEDIUM, id="Medium begins at 0.65"),
        pytest.param("0.6499", 30, "0.01", Tier.LOW, id="just below Medium"),
        pytest.param("0.99", 29, "5", Tier.LOW, id="29 outcomes prove nothing"),
        pytest.param("0.99", 500, "0", Tier.LOW, id="nothing is expected"),
        pytest.param("0.99", 500, "-1", Tier.LOW, id="a loss is expected"),
        pytest.param("0.99", 500, None, Tier.LOW, id="expected value unknown"),
        pytest.param(None, 0, "5", Tier.LOW, id="rate unknown"),
    ],
)
def test_tiers(rate: str | None, n: int, value: str | None, tier: Tier) -> None:
    assert tier_of(confidence(rate, n), None if value is None else D(value)) is tier


@pytest.mark.parametrize("bad", [D("NaN"), D("Infinity"), 1.5, "1"])
def test_a_number_that_cannot_be_read_earns_no_tier(bad: D) -> None:
    with pytest.raises(ValueError, match="must be"):
        tier_of(confidence("0.9"), bad)


def test_proven_needs_thirty() -> None:
    assert proven(wilson(20, 30))
    assert not proven(wilson(20, 29))
    assert not proven(wilson(0, 0))
