"""Builders of the core's words: each takes only what a test is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from trading.core.gate import GateInput
from trading.core.levels import Latch
from trading.core.programme import PROFILES
from trading.core.types import (
    AccountView,
    Confidence,
    DayStart,
    Draft,
    Instrument,
    Limits,
    Margin,
    Mode,
    ModelState,
    Pending,
    Position,
    Side,
    Tier,
    TradingState,
    Usage,
)

NOW = datetime(2026, 11, 19, 13, 32, 8, tzinfo=UTC)
TWO_STEP = PROFILES[0]

BTC = Instrument(
    symbol="BTC-USD",
    contract_size=D(1),
    volume_min=D("0.01"),
    volume_max=D(5),
    volume_step=D("0.01"),
    tick_size=D("0.01"),
    commission_rate=D("0.000325"),
    spread_bp=D(0),
    slippage_bp=D(0),
    margin_rate=D("0.3"),
    group="crypto",
)
ETH = replace(BTC, symbol="ETH-USD", contract_size=D(10))
SOL = replace(BTC, symbol="SOL-USD", contract_size=D(100))
INSTRUMENTS = {i.symbol: i for i in (BTC, ETH, SOL)}

LIMITS = Limits(
    risk_per_trade=D("0.005"),
    max_positions=3,
    signals_per_hour=10,
    high_per_hour=5,
    cool_down=timedelta(minutes=15),
    signal_ttl=timedelta(seconds=90),
    gap_buffer_bp=D(10),
    max_group_risk=D("0.02"),
    max_margin_share=D("0.9"),
    messages_per_day=2000,
    basis_limit_bp=D(12),
)


def account(balance: str = "100000", equity: str | None = None, **changes: Any) -> AccountView:
    """A flat account; equity equals the balance unless named."""
    fresh = AccountView(
        number="7",
        currency="USD",
        balance=D(balance),
        equity=D(balance if equity is None else equity),
        positions=(),
        as_of=NOW,
    )
    return replace(fresh, **changes)


def day(balance: str = "100000", *, proven: bool = True, **changes: Any) -> DayStart:
    """A prop-firm day that began flat with this balance, never higher before."""
    fresh = DayStart(
        day="2026-11-19",
        balance=D(balance),
        peak_balance=D(balance),
        proven=proven,
        equity=D(balance),
        peak_equity=D(balance),
    )
    return replace(fresh, **changes)


def position(symbol: str = "BTC-USD", side: Side = Side.LONG, **changes: Any) -> Position:
    """A position of 0.37 BTC that is where it was opened, with its stop 1.38 % away."""
    fresh = Position(
        ticket=f"T-{symbol}",
        magic=1,
        symbol=symbol,
        side=side,
        lots=D("0.37"),
        entry=D("91840.00"),
        price=D("91840.00"),
        stop=D("90572.60"),
        target=D("92639.00"),
        opened_at=NOW - timedelta(hours=4),
    )
    return replace(fresh, **changes)


def pending(risk: str, symbol: str = "SOL-USD", *, unknown: bool = False) -> Pending:
    return Pending(symbol=symbol, risk=D(risk), unknown=unknown)


def draft(**changes: Any) -> Draft:
    """A proven High long of BTC from 90,000 with its stop 600 below."""
    fresh = Draft(
        symbol="BTC-USD",
        strategy="momentum",
        timeframe="1m",
        side=Side.LONG,
        entry=D(90000),
        stop=D(89400),
        target=D(90900),
        cap=timedelta(hours=48),
        closed_at=NOW - timedelta(seconds=8),
        expires_at=NOW + timedelta(seconds=82),
        tier=Tier.HIGH,
        confidence=Confidence(rate=D("0.76"), low=D("0.70"), high=D("0.81"), n=200),
        expected_value_bp=D("2.4"),
        unproven=False,
    )
    return replace(fresh, **changes)


def usage(**changes: Any) -> Usage:
    fresh = Usage(
        signals_last_hour=0, high_last_hour=0, open_positions=0, last_signal_at=None, messages_today=0
    )
    return replace(fresh, **changes)


def gate_input(**changes: Any) -> GateInput:
    """A world in which every rule passes, in mode demo."""
    fresh = GateInput(
        draft=draft(),
        number="7",
        currency="USD",
        account=account(),
        day=day(),
        initial=D(100000),
        programme=TWO_STEP,
        instrument=BTC,
        instruments=INSTRUMENTS,
        usage=usage(),
        limits=LIMITS,
        latch=Latch(),
        margin=Margin(free=D(100000), per_lot=D(90000)),
        calendar=(),
        basis_bp=D(0),
        model=ModelState.NONE,
        model_reason="",
        state=TradingState.ACTIVE,
        mode=Mode.DEMO,
        is_synthetic=False,
        window_has_gap=False,
        now=NOW,
    )
    return replace(fresh, **changes)
