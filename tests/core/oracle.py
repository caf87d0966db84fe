"""A second opinion on headroom and gate, written apart from the product, in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction as F

from trading.core.gate import GateInput
from trading.core.types import Instrument, Position


def cents(value: F) -> F:
    """Half a cent and more goes up."""
    return F(math.floor(value * 100 + F(1, 2)), 100)


def worse(price: F, instrument: Instrument, bp: F, *, buy: bool) -> F:
    """A price moved against the one who trades, onto the grid, away from him."""
    tick = F(instrument.tick_size)
    if buy:
        return math.ceil(price * (10000 + bp) / 10000 / tick) * tick
    return math.floor(price * (10000 - bp) / 10000 / tick) * tick


def friction(instrument: Instrument) -> F:
    return F(instrument.spread_bp) / 2 + F(instrument.slippage_bp)


def fee(lots: F, price: F, instrument: Instrument) -> F:
    return cents(lots * price * F(instrument.contract_size) * F(instrument.commission_rate))


def falls_at_stop(position: Position, instrument: Instrument, buffer: F) -> F:
    """How much equity falls from here when this position is stopped out, not rounded."""
    assert position.stop is not None
    is_long = position.side.value == "long"
    lots, price, stop = F(position.lots), F(position.price), F(position.stop)
    trigger = min(price, stop) if is_long else max(price, stop)
    out = worse(trigger, instrument, friction(instrument) + buffer, buy=not is_long)
    units = lots * F(instrument.contract_size)
    direction = 1 if is_long else -1
    value_then = (out - F(position.entry)) * units * direction
    by_profit = F(position.profit) - value_then
    by_price = (price - out) * units * direction
    return max(by_profit, by_price, F(0)) + fee(lots, out, instrument)


def order_falls(inp: GateInput, lots: F) -> F:
    """What the draft loses at its stop with this many lots, not rounded."""
    is_long = inp.draft.side.value == "long"
    extra = friction(inp.instrument)
    buffer = F(inp.limits.gap_buffer_bp)
    into = worse(F(inp.draft.entry), inp.instrument, extra, buy=is_long)
    out = worse(F(inp.draft.stop), inp.instrument, extra + buffer, buy=not is_long)
    gone = abs(into - out) * lots * F(inp.instrument.contract_size)
    return gone + fee(lots, into, inp.instrument) + fee(lots, out, inp.instrument)


@dataclass(frozen=True)
class Opinion:
    """Bounds of the worst case (each position may be rounded up by less than a cent), and the floors."""

    worst_low: F
    worst_high: F
    daily_floor: F
    total_floor: F
    daily_limit: F
    total_limit: F
    midnight: F
    initial: F

    @property
    def floor(self) -> F:
        return max(self.daily_floor, self.total_floor)

    def used(self, worst: F) -> F:
        return max(
            (self.midnight - worst) / self.daily_limit,
            (self.initial - worst) / self.total_limit,
            F(0),
        )


def opinion(inp: GateInput) -> Opinion:
    """What the account can lose, of a world in which every position has a stop."""
    held: Iterable[Position] = inp.account.positions
    buffer = F(inp.limits.gap_buffer_bp)
    falls = [falls_at_stop(p, inp.instruments[p.symbol], buffer) for p in held]
    coming = sum((F(p.risk) for p in inp.pending), F(0))
    high = F(inp.account.equity) - sum(falls, F(0)) - coming
    daily_limit = F(inp.programme.daily_loss) * F(inp.initial)
    total_limit = F(inp.programme.total_loss) * F(inp.initial)
    return Opinion(
        worst_low=high - F(len(falls), 100),
        worst_high=high,
        daily_floor=F(inp.day.balance) - daily_limit,
        total_floor=F(inp.initial) - total_limit,
        daily_limit=daily_limit,
        total_limit=total_limit,
        midnight=F(inp.day.balance),
        initial=F(inp.initial),
    )
