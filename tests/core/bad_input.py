"""Bad input means no: 40 values in the place of every input of the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from decimal import InvalidOperation
from typing import Any

from tests.core.worlds import (
    BTC,
    LIMITS,
    NOW,
    account,
    day,
    draft,
    gate_input,
    pending,
    position,
    usage,
)
from trading.core.calendar import Entry, EntryKind
from trading.core.gate import CODES, GateInput, decide
from trading.core.levels import Latch
from trading.core.programme import PROFILES
from trading.core.types import Confidence, Margin

NAIVE = datetime(2026, 11, 19, 13, 32, 8, tzinfo=UTC).replace(tzinfo=None)
BAD: list[Any] = [
    None, True, False, 0, 1, -1, 10**30, 0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"),
    D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"), D(-1), D("-0.01"), D("1e-30"), D("1e30"),
    "", "0", "1", "nan", "active", "USD", b"1", (), [], {}, [1], {"a": 1}, object, Exception("x"),
    NAIVE, NOW, timedelta(0), timedelta(days=-1), complex(1, 1),
]  # fmt: skip

# A position, an order on its way and an old signal, so that every input is looked at.
HELD = position("ETH-USD", entry=D(3000), price=D(3000), stop=D(2990), lots=D("0.1"))
PAST = Entry(
    kind=EntryKind.CLOSURE,
    title="Weekend",
    starts_at=NOW - timedelta(days=2),
    ends_at=NOW - timedelta(days=1),
)
WORLD: dict[str, Any] = {
    "calendar": (PAST,),
    "account": account("99900", positions=(HELD,)),
    "pending": (pending("10"),),
    "usage": usage(open_positions=1, last_signal_at=NOW - timedelta(hours=1)),
}

# Values that are as good as the one they replace, or that the rules do not depend on.
HARMLESS: dict[str, Callable[[Any], bool]] = {
    "draft.strategy": lambda bad: True,
    "draft.timeframe": lambda bad: True,
    "draft.closed_at": lambda bad: bad is NOW,
    "draft.target": lambda bad: bad == D("1e30") and isinstance(bad, D),
    "draft.unproven": lambda bad: isinstance(bad, bool),
    "draft.expected_value_bp": lambda bad: isinstance(bad, D) and bad.is_finite() and bad > 0,
    "confidence.n": lambda bad: bad in (0, 1, 10**30) and isinstance(bad, int) and not isinstance(bad, bool),
    "confidence.rate": lambda bad: bad is None or (isinstance(bad, D) and bad.is_finite()),
    "confidence.low": lambda bad: True,
    "confidence.high": lambda bad: True,
    "account.currency": lambda bad: bad == "USD",
    "given.currency": lambda bad: bad == "USD",
    "account.balance": lambda bad: isinstance(bad, D) and bad.is_finite() and bad > 0,
    "account.equity": lambda bad: isinstance(bad, D) and bad.is_finite() and bad > 100_000,
    "account.positions": lambda bad: bad == (),
    "account.as_of": lambda bad: bad is NOW,
    "day.day": lambda bad: isinstance(bad, str) and bad != "",
    "day.equity": lambda bad: True,
    "day.peak_equity": lambda bad: True,
    "day.peak_balance": lambda bad: True,
    "day.balance": lambda bad: bad == D("1e-30"),
    "day.proven": lambda bad: bad is True,
    "usage.signals_last_hour": lambda bad: bad in (0, 1) and type(bad) is int,
    "usage.high_last_hour": lambda bad: bad in (0, 1) and type(bad) is int,
    "usage.open_positions": lambda bad: bad in (0, 1) and type(bad) is int,
    "usage.messages_today": lambda bad: bad in (0, 1) and type(bad) is int,
    "usage.last_signal_at": lambda bad: bad is None,
    "usage.busy": lambda bad: bad == "",
    "limits.max_positions": lambda bad: bad == 10**30 and type(bad) is int,
    "limits.signals_per_hour": lambda bad: type(bad) is int and bad > 0,
    "limits.high_per_hour": lambda bad: type(bad) is int and bad > 0,
    "limits.cool_down": lambda bad: bad == timedelta(0) and isinstance(bad, timedelta),
    "limits.messages_per_day": lambda bad: bad == 10**30 and type(bad) is int,
    "limits.basis_limit_bp": lambda bad: isinstance(bad, D) and bad.is_finite() and bad >= 0,
    "limits.max_position_share": lambda bad: bad is None,
    "limits.min_order_value": lambda bad: bad is None or bad == D("1e-30"),
    "limits.max_order_value": lambda bad: bad is None or bad == D("1e30"),
    "limits.cash_reserve": lambda bad: bad is None or bad == D("1e-30"),
    "instrument.margin_rate": lambda bad: True,
    "instrument.group": lambda bad: isinstance(bad, str) and bad != "",
    "instrument.gap_buffer_bp": lambda bad: bad == D("1e-30"),
    "programme.daily_counts_open": lambda bad: isinstance(bad, bool),
    "programme.day_shift": lambda bad: bad == timedelta(0) and isinstance(bad, timedelta),
    "programme.news_minutes": lambda bad: bad in (0, 1) and type(bad) is int,
    "programme.gap_hours": lambda bad: bad in (0, 1) and type(bad) is int,
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
    "margin.free": lambda bad: isinstance(bad, D) and bad == D("1e30"),
    "margin.per_lot": lambda bad: isinstance(bad, D) and bad == D("1e-30"),
    "latch.daily_locked_on": lambda bad: isinstance(bad, str) and bad < "2026-11-19",
    "latch.total_locked": lambda bad: bad is False,
    "latch.breach": lambda bad: bad == "",
    "entry.title": lambda bad: True,
    "entry.symbols": lambda bad: bad == () and isinstance(bad, tuple),
    "given.calendar": lambda bad: bad == () and isinstance(bad, tuple),
    "pending.risk": lambda bad: bad == D("1e-30"),
    "pending.unknown": lambda bad: isinstance(bad, bool),
    "given.pending": lambda bad: bad in ((), [], {}, "", b"") and not isinstance(bad, float | int),
    "given.is_synthetic": lambda bad: bad is False,
    "given.basis_bp": lambda bad: isinstance(bad, D) and bad.is_finite() and abs(bad) <= 12,
    "given.model_reason": lambda bad: True,
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
        "margin": gate_input().margin,
        "latch": Latch(),
        **WORLD,
    }
    if place == "entry":
        return WORLD | {"calendar": (replace(PAST, **{name: bad}),)}
    if place == "position":
        return WORLD | {"account": replace(WORLD["account"], positions=(replace(HELD, **{name: bad}),))}
    if place == "pending":
        return WORLD | {"pending": (replace(pending("10"), **{name: bad}),)}
    if place == "confidence":
        return WORLD | {"draft": draft(confidence=replace(draft().confidence, **{name: bad}))}
    return WORLD | {place: replace(whole[place], **{name: bad})}


NOT_DECIDED_ON = {"name", "title", "firm", "phase", "version", "effective_from", "verified_on", "source"}
NOT_DECIDED_ON |= {"profit_target", "min_trading_days", "swing", "best_day_share", "flat_before_closure"}
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
    *(("margin", f.name) for f in fields(Margin)),
    *(("latch", f.name) for f in fields(Latch)),
    *(("entry", f.name) for f in fields(PAST)),
    *(("position", f.name) for f in fields(HELD)),
    *(("pending", f.name) for f in fields(pending("1"))),
]


@dataclass(frozen=True, slots=True)
class Found:
    """What came of every case.

    cases: how many values were put anywhere that are bad there.  strict: inputs that accept none of the 40.
    let_through, unhandled, nameless: cases that were approved, that raised, and that bore no known code.
    """

    cases: int
    strict: int
    let_through: list[str]
    unhandled: list[str]
    nameless: list[str]


def cases() -> Iterator[tuple[str, str, Any]]:
    """Every place with every value."""
    return ((place, name, bad) for place, name in PLACES for bad in BAD)


def is_harmless(place: str, name: str, bad: Any) -> bool:
    try:
        return HARMLESS.get(f"{place}.{name}", lambda value: False)(bad)
    except InvalidOperation:
        return False


def ask_all() -> Found:
    """Put every value in every place and ask the gate each time."""
    found = Found(0, 0, [], [], [])
    counted = 0
    accepting: set[tuple[str, str]] = set()
    for place, name, bad in cases():
        case = f"{place}.{name} = {bad!r}"
        harmless = is_harmless(place, name, bad)
        counted += not harmless
        try:
            decision = decide(gate_input(**put(place, name, bad)))
        except Exception as error:
            found.unhandled.append(f"{case}: {error!r}")
            continue
        if decision.approved or decision.lots or decision.risk:
            accepting.add((place, name))
            if not harmless or decision.risk > 500:
                found.let_through.append(case)
        elif (
            len(decision.codes) != 1 or decision.codes[0] not in CODES or not decision.rejections[0].sentence
        ):
            found.nameless.append(case)
    return replace(found, cases=counted, strict=len(PLACES) - len(accepting))
