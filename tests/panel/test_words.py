"""Numbers, ages and codes as the panel writes them."""

from __future__ import annotations

import ast
import inspect
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from crpbot_site.panel import words
from crpbot_site.panel.templatetags import panel as tags
from trading.core import gate
from trading.selectors import words as codes
from trading.services import scan
from trading.strategies import REASONS

NOW = datetime(2026, 11, 19, 13, 32, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("3623.06", "3,623.06"),
        ("-498.2", "\u2212498.20"),
        ("0", "0.00"),
        ("0.005", "0.01"),
        (None, "unknown"),
    ],
)
def test_money(value: str | None, text: str) -> None:
    assert tags.money(None if value is None else Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("171.12", "+171.12"), ("-498.2", "\u2212498.20"), ("0", "0.00"), (None, "unknown")]
)
def test_changes_carry_their_sign(value: str | None, text: str) -> None:
    assert tags.signed(None if value is None else Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("91840.00000000", "91,840.00"), ("0.00012300", "0.000123"), (None, "unknown")]
)
def test_prices(value: str | None, text: str) -> None:
    assert tags.price(None if value is None else Decimal(value)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (243, "4 min 3 s"),
        (600, "10 min"),
        (5_220, "1 h 27 min"),
        (7_200, "2 h"),
        (172_800, "2 d"),
        (200_000, "2 d 7 h"),
    ],
)
def test_spans(seconds: int, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(("seconds", "state"), [(5, "fresh"), (5.1, "stale"), (19.9, "stale"), (20, "lost")])
def test_freshness(seconds: float, state: str) -> None:
    assert tags.freshness(seconds, 5) == state


def test_an_age_tells_its_instant() -> None:
    text = tags.age(NOW - timedelta(seconds=14), NOW, 5)
    assert 'class="age age-stale"' in text
    assert 'datetime="2026-11-19T13:31:54+00:00"' in text
    assert ">14 s old<" in text
    assert "never" in tags.age(None, NOW, 5)


def test_an_age_from_the_future_is_no_negative_age() -> None:
    assert ">0 s<" in tags.age(NOW + timedelta(seconds=3), NOW, 5)


@pytest.mark.parametrize(
    "word", ["active", "reducing", "halted", "green", "amber", "red", "locked", "breach", "unknown"]
)
def test_a_state_is_a_glyph_and_a_word(word: str) -> None:
    chip = tags.chip(word)
    assert "<svg" in chip
    assert word.upper() in chip


def test_a_word_from_outside_is_escaped() -> None:
    assert "<b>" not in tags.chip("<b>")


@pytest.mark.parametrize("code", gate.CODES)
def test_every_rule_has_words(code: str) -> None:
    assert codes.rule(code) == gate.CODES[code]
    assert "_" not in codes.reason(code)


def test_every_answer_of_a_strategy_or_a_scan_has_words() -> None:
    tree = ast.parse(inspect.getsource(scan))
    given = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "reason"]
    literal = {node.value for node in given if isinstance(node, ast.Constant)}
    assert literal == {"not_due", "warming_up"}
    answers = set(REASONS) | literal | {scan.SIGNAL, scan.STRATEGY_ERROR}
    of_the_gate = {"approved", "gap"}
    assert set(codes.REASONS) == answers | of_the_gate


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert codes.reason("brand_new_code") == "brand new code"


@pytest.mark.parametrize(
    ("key", "coin"), [("BTC-USD", "BTC"), ("binance:BTC/USDT", "BTC"), ("TEST-USD", "TEST")]
)
def test_coins(key: str, coin: str) -> None:
    assert tags.base(key) == coin
