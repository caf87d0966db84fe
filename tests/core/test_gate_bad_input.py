"""Bad input means no: 40 values in the place of every input, and none of them opens anything."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.core import bad_input
from tests.core.bad_input import BAD, PLACES, WORLD
from tests.core.worlds import ETH, INSTRUMENTS
from trading.core.gate import GateInput, decide
from trading.core.types import Mode

Make = Callable[..., GateInput]
ROOT = Path(__file__).parents[2]

# The product with one line changed, and one case that must be found because of it.
CONTROLS: list[Any] = [
    pytest.param(
        "trading/core/gate.py",
        "return Check(code=rule.code, passed=False, sentence=text), Rejection(code=RULE_ERROR, sentence=text)",
        "return Check(code=rule.code, passed=True, sentence=text), None",
        "given.number = None",
        id="an error is a pass",
    ),
    pytest.param(
        "trading/core/guards.py",
        "value.is_finite() and value >= ZERO",
        "value >= ZERO",
        "limits.basis_limit_bp = Decimal('Infinity')",
        id="a number need not be finite",
    ),
    pytest.param(
        "trading/core/guards.py",
        "if not isinstance(value, bool):",
        "if value is Ellipsis:",
        "day.proven = 'nan'",
        id="what is unknown counts as yes or no",
    ),
    pytest.param(
        "trading/core/gate_rules.py",
        "if seen.number != given.number or seen.currency != given.currency:",
        "if seen.number != given.number:",
        "account.currency = ''",
        id="any currency",
    ),
    pytest.param(
        "trading/core/calendar.py",
        "if not isinstance(entries, tuple):",
        "if entries is None:",
        "given.calendar = []",
        id="a calendar that is no answer",
    ),
    pytest.param(
        "trading/core/portfolio.py",
        'return Answer(passed=False, sentence=text, value="unknown")',
        'return Answer(passed=True, sentence=text, value="unknown")',
        "given.margin = None",
        id="an unknown margin",
    ),
]


def test_the_world_passes_without_bad_input(make_gate_input: Make) -> None:
    assert decide(make_gate_input(**WORLD)).approved


def test_no_bad_input_passes_or_breaks_the_gate() -> None:
    found = bad_input.ask_all()
    assert not found.let_through
    assert not found.unhandled
    assert not found.nameless
    assert len(BAD) == 40
    assert found.strict >= 15, "so many inputs refuse every one of the 40 values"
    assert found.cases >= 600


@pytest.mark.parametrize(("file", "old", "new", "case"), CONTROLS)
def test_one_changed_line_is_found(file: str, old: str, new: str, case: str) -> None:
    """The control: the same cases against the product with one line changed."""
    command = [sys.executable, "-m", "tests.core.bad_input_changed", file, old, new]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
    found = json.loads(run.stdout)
    assert case in found["let_through"]


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_every_place_is_an_input(place: tuple[str, str]) -> None:
    """What stands in the list is really put somewhere: each place changes the world that is asked about."""
    changed = bad_input.gate_input(**bad_input.put(*place, Exception("x")))
    assert repr(changed) != repr(bad_input.gate_input(**WORLD))


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_gate_without_an_input_refuses(bad: Any) -> None:
    assert decide(bad).codes == ("rule_error",)


@pytest.mark.parametrize("mode", list(Mode))
def test_numbers_of_another_market_are_missed(make_gate_input: Make, mode: Mode) -> None:
    strange = {**WORLD, "instruments": {"ETH": ETH}, "mode": mode}
    assert decide(make_gate_input(**strange)).codes == ("rule_error",)
    assert decide(make_gate_input(**{**strange, "instruments": INSTRUMENTS})).approved is mode.trades
