"""What may be called a number, a count, a flag, an instant and a duration."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest

from trading.core import guards

NOW = datetime(2026, 11, 19, 13, 0, tzinfo=UTC)
NO_MONEY = [D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"), None, "1", 1, 1.0, True, NOW]


@pytest.mark.parametrize(
    ("guard", "values"),
    [
        pytest.param(guards.finite, [D(0), D("-0.01"), D("1E+20")], id="finite"),
        pytest.param(guards.positive, [D("0.01"), D("1E-20"), D("1E+20")], id="positive"),
        pytest.param(guards.not_negative, [D(0), D("-0"), D("0.01")], id="not negative"),
        pytest.param(guards.fraction, [D("1E-20"), D("0.5"), D(1)], id="fraction"),
        pytest.param(guards.count, [0, 1, 10**9], id="count"),
        pytest.param(guards.flag, [True, False], id="flag"),
        pytest.param(guards.aware, [NOW], id="aware"),
        pytest.param(guards.span, [timedelta(0), timedelta(microseconds=1), timedelta(days=9)], id="span"),
    ],
)
def test_what_is_sound_comes_back_as_it_is(
    guard: Callable[[str, object], object], values: list[object]
) -> None:
    for value in values:
        assert guard("it", value) is value


@pytest.mark.parametrize(
    ("guard", "values"),
    [
        pytest.param(guards.finite, NO_MONEY, id="finite"),
        pytest.param(guards.positive, [*NO_MONEY, D(0), D("-0"), D("-0.01")], id="positive"),
        pytest.param(guards.not_negative, [*NO_MONEY, D("-0.01"), D("-1E-20")], id="not negative"),
        pytest.param(guards.fraction, [*NO_MONEY, D(0), D("1.0000001"), D(-1)], id="fraction"),
        pytest.param(guards.count, [-1, True, False, None, 1.0, "1", D(1)], id="count"),
        pytest.param(guards.flag, [0, 1, None, "yes", D(1)], id="flag"),
        pytest.param(guards.aware, [NOW.replace(tzinfo=None), None, "2026-11-19", NOW.date()], id="aware"),
        pytest.param(guards.span, [timedelta(microseconds=-1), 0, None, "90 s", 90.0], id="span"),
    ],
)
def test_what_is_not_is_refused_by_name(guard: Callable[[str, object], object], values: list[object]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=r"^the thing must "):
            guard("the thing", value)
