"""Every worked example of the firm's rules is a test that bears its number."""

import ast
import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
NUMBER = re.compile(r"(?:^|_)v([1-9]\d?)(?:_to_v([1-9]\d?))?(?=_|$)")


def numbers(name: str) -> list[int]:
    """The examples that a name bears: ``test_v4_x``, ``test_v3_v4_x`` or ``test_v8_to_v10_x``."""
    found = ((int(first), int(last or first)) for first, last in NUMBER.findall(name))
    return [number for first, last in found for number in range(first, last + 1)]


def numbered_tests() -> dict[int, list[str]]:
    """The test functions below tests/ by the number of the example in their name, such as ``test_v4_...``."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in numbers(node.name):
                    found[number].append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def test_all_26_examples_are_tests_by_their_number() -> None:
    found = numbered_tests()
    assert not [f"V{number}" for number in range(1, 27) if number not in found]
    assert set(found) <= set(range(1, 27)), "a test names an example that does not exist"


def test_an_example_without_its_test_would_be_missed() -> None:
    assert numbers("test_v3_v4_something_v26") == [3, 4, 26]
    assert numbers("test_v8_to_v10_the_best_day") == [8, 9, 10]
    assert not numbers("test_the_v_of_v1x")
