"""Bad input means no: 40 values in the place of every input, and none of them opens anything."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.core.worlds import (
    BTC,
    ETH,
    INSTRUMENTS,
    LIMITS,
    NOW,
    account,
    day,
    draft,
    pending,
    position,
    usage,
)
from trading.core.gate import CODES, GateInput, decide
from trading.core.programme import PROFILES
from trading.core.types import Confidence, Mode

Make = Callable[..., GateInput]

NAIVE = datetime(2026, 11, 19, 13, 32, 8, tzinfo=UTC).replace(tzinfo=None)
BAD: list[Any] = [
    None, True, False, 0, 1, -1, 10**30, 0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"),
    D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"), D(-1), D("-0.01"), D("1e-30"), D("1e30"),
    "", "0", "1", "nan", "active", "USD", b"1", (), [], {}, [1], {"a": 1}, object, Exception("x"),
    NAIVE, NOW, timedelta(0), timedelta(days=-1), complex(1, 1),
]  # fmt: skip

# A position, an order on its way and an old signal, so that every input is looked at.
HELD = position("ETH-USD", entry=D(3000), price=D(3000), stop=D(2990), lots=D("0.1"))
WORLD: dict[str, Any] = {
    "account": account("99900", positions=(HELD,)),
    "pending": (pending("10"),),
    "usage": usage(open_positions=1, last_signal_at=NOW - timedelta(hours=1)),
}

# Values that are as good as the one they replace, or that the rules do not depend on.
HARMLESS: dict[str, Callable[[Any], bool]] = {
    "draft.strategy": lambda bad: True,
    "draft.timeframe": lambda bad: True,
    "draft.symbol": lambda bad: True,
    "draft.closed_at": lambda bad: bad is NOW,
    "draft.target": lambda bad: bad == D("1e30") and isinstance(bad, D),
    "draft.unproven": lambda bad: isinstance(bad, bool),
    "draft.expected_value_bp": lambda bad: isinstance(bad, D) and bad.is_finite() and bad > 0,
    "confidence.n": lambda bad: bad in (0, 1, 10**30) and isinstance(bad, int) and not isinstance(bad, bool),
    "confidence.rate": lambda bad: bad is None or (isinstance(bad, D) and bad.is_finite()),
    "confidence.low": lambda bad: True,
    "confidence.high": lambda bad: True,
    "account.number": lambda bad: True,
    "account.currency": lambda bad: True,
    "account.balance": lambda bad: isinstance(bad, D) and bad.is_finite() and bad > 0,
    "account.equity": lambda bad: isinstance(bad, D) and bad.is_finite() and bad > 100_000,
    "account.positions": lambda bad: bad == (),
    "account.as_of": lambda bad: bad is NOW,
    "day.day": lambda bad: True,
    "day.peak_balance": lambda bad: True,
    "day.balance": lambda bad: bad == D("1e-30"),
    "day.proven": lambda bad: bad is True,
    "usage.signals_last_hour": lambda bad: bad in (0, 1) and type(bad) is int,
    "usage.high_last_hour": lambda bad: bad in (0, 1) and type(bad) is int,
    "usage.open_positions": lambda bad: bad in (0, 1) and type(bad) is int,
    "usage.last_signal_at": lambda bad: bad is None,
    "usage.busy": lambda bad: bad == "",
    "limits.max_positions": lambda bad: bad == 10**30 and type(bad) is int,
    "limits.signals_per_hour": lambda bad: type(bad) is int and bad > 0,
    "limits.high_per_hour": lambda bad: type(bad) is int and bad > 0,
    "limits.cool_down": lambda bad: bad == timedelta(0) and isinstance(bad, timedelta),
    "instrument.symbol": lambda bad: True,
    "instrument.contract_size": lambda bad: bad == D("1e-30"),
    "instrument.volume_max": lambda bad: bad == D("1e30"),
    "instrument.volume_step": lambda bad: bad == D("1e-30"),
    "instrument.volume_min": lambda bad: bad == D("1e-30"),
    "instrument.tick_size": lambda bad: bad == D("1e-30"),
    "instrument.commission_rate": lambda bad: bad == D("1e-30"),
    "instrument.spread_bp": lambda bad: bad == D("1e-30"),
    "instrument.slippage_bp": lambda bad: bad == D("1e-30"),
    "limits.gap_buffer_bp": lambda bad: bad == D("1e-30"),
    "position.ticket": lambda bad: True,
    "position.magic": lambda bad: True,
    "position.target": lambda bad: True,
    "position.opened_at": lambda bad: True,
    "position.lots": lambda bad: bad == D("1e-30"),
    "position.profit": lambda bad: isinstance(bad, D) and bad.is_finite() and bad < 100,
    "position.swap": lambda bad: isinstance(bad, D) and bad.is_finite(),
    "position.entry": lambda bad: bad in (D("1e30"), D("1e-30")) and isinstance(bad, D),
    "position.stop": lambda bad: bad == D("1e30") and isinstance(bad, D),
    "pending.symbol": lambda bad: True,
    "pending.risk": lambda bad: bad == D("1e-30"),
    "pending.unknown": lambda bad: isinstance(bad, bool),
    "given.pending": lambda bad: bad in ((), [], {}, "", b"") and not isinstance(bad, float | int),
    "given.is_synthetic": lambda bad: bad is False,
    "given.window_has_gap": lambda bad: bad is False,
    "given.state": lambda bad: bad == "active",
    "given.state_source": lambda bad: True,
    "given.state_reason": lambda bad: True,
    "given.now": lambda bad: bad is NOW,
}


def put(place: str, name: str, bad: Any) -> dict[str, Any]:
    """The world with ``bad`` in one place."""
    if place == "given":
        return WORLD | {name: bad}
    whole = {
        "draft": draft(),
        "day": day(),
        "limits": LIMITS,
        "instrument": BTC,
        "programme": PROFILES[0],
        **WORLD,
    }
    if place == "position":
        return WORLD | {"account": replace(WORLD["account"], positions=(replace(HELD, **{name: bad}),))}
    if place == "pending":
        return WORLD | {"pending": (replace(pending("10"), **{name: bad}),)}
    if place == "confidence":
        return WORLD | {"draft": draft(confidence=replace(draft().confidence, **{name: bad}))}
    return WORLD | {place: replace(whole[place], **{name: bad})}


NOT_DECIDED_ON = {"name", "title", "firm", "phase", "version", "effective_from", "verified_on", "source"}
NOT_DECIDED_ON |= {"profit_target", "min_trading_days", "swing"}
PLACES: list[tuple[str, str]] = [
    *(("given", f.name) for f in fields(GateInput)),
    *(("draft", f.name) for f in fields(draft())),
    *(("confidence", f.name) for f in fields(Confidence)),
    *(("account", f.name) for f in fields(account())),
    *(("day", f.name) for f in fields(day())),
    *(("usage", f.name) for f in fields(usage())),
    *(("limits", f.name) for f in fields(LIMITS)),
    *(("instrument", f.name) for f in fields(BTC)),
    *(("programme", f.name) for f in fields(PROFILES[0]) if f.name not in NOT_DECIDED_ON),
    *(("position", f.name) for f in fields(HELD)),
    *(("pending", f.name) for f in fields(pending("1"))),
]


def test_the_world_passes_without_bad_input(make_gate_input: Make) -> None:
    assert decide(make_gate_input(**WORLD)).approved


@pytest.mark.parametrize(("place", "name"), PLACES, ids=lambda part: part)
def test_bad_input_never_passes(make_gate_input: Make, place: str, name: str) -> None:
    harmless = HARMLESS.get(f"{place}.{name}", lambda bad: False)
    for bad in BAD:
        decision = decide(make_gate_input(**put(place, name, bad)))
        if decision.approved:
            assert harmless(bad), f"{place}.{name} = {bad!r} was let through"
            assert decision.risk <= 500
            continue
        assert decision.codes[0] in CODES
        assert decision.lots == decision.risk == 0


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_gate_without_an_input_refuses(bad: Any) -> None:
    assert decide(bad).codes == ("rule_error",)


@pytest.mark.parametrize("mode", list(Mode))
def test_numbers_of_another_market_are_missed(make_gate_input: Make, mode: Mode) -> None:
    strange = {**WORLD, "instruments": {"ETH": ETH}, "mode": mode}
    assert decide(make_gate_input(**strange)).codes == ("rule_error",)
    assert decide(make_gate_input(**{**strange, "instruments": INSTRUMENTS})).approved is mode.trades
