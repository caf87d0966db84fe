"""A second opinion on headroom and gate, written apart from the product, in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction as F

from trading.core.gate import GateInput
from trading.core.programme import Programme
from trading.core.types import AccountView, DayStart, Instrument, Position


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
    beyond = max(buffer, F(instrument.gap_buffer_bp))
    out = worse(trigger, instrument, friction(instrument) + beyond, buy=not is_long)
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
    buffer = max(F(inp.limits.gap_buffer_bp), F(inp.instrument.gap_buffer_bp))
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


@dataclass(frozen=True)
class Floors:
    """The two floors of one day and the money that each allows to lose."""

    daily: F
    total: F
    daily_limit: F
    total_limit: F

    @property
    def higher(self) -> F:
        return max(self.daily, self.total)


@dataclass(frozen=True)
class Begun:
    """What a day began with, and the peaks until then."""

    balance: F
    equity: F
    peak_balance: F
    peak_equity: F


def floors(begun: Begun, initial: F, rules: Programme) -> Floors:
    """The rules of domain facts 1.2 and 1.3, and what other firms make of them."""
    references = {
        "balance": begun.balance,
        "equity": begun.equity,
        "higher": max(begun.balance, begun.equity),
    }
    reference = references[rules.daily_reference.value]
    by_day = F(rules.daily_loss) * {"initial": initial, "current": reference}[rules.daily_basis.value]
    in_all = F(rules.total_loss) * initial
    trails = {
        "static": initial,
        "trailing_end_of_day": max(initial, begun.peak_balance),
        "trailing_intraday": max(initial, begun.peak_equity),
        "trailing_locked": min(max(initial, begun.peak_balance), initial + in_all),
    }
    return Floors(reference - by_day, trails[rules.total_loss_mode.value] - in_all, by_day, in_all)


@dataclass(frozen=True)
class RoomOpinion:
    """Headroom in exact fractions; each position may be counted worse by less than a cent."""

    now: Floors
    coming: Floors
    worst: F
    next_at_stops: F
    margin: F
    held: int

    @property
    def slack(self) -> F:
        return F(self.held, 100)


def room_opinion(
    view: AccountView,
    start: DayStart,
    initial: F,
    rules: Programme,
    instruments: Mapping[str, Instrument],
    buffer: F,
    *,
    on_their_way: F,
    last_hour: bool,
) -> RoomOpinion:
    """What is left, of an account in which every position has a stop and a day of which all is known."""
    assert start.equity is not None
    assert start.peak_equity is not None
    balance, equity = F(view.balance), F(view.equity)
    falls = [falls_at_stop(p, instruments[p.symbol], buffer) for p in view.positions]
    results = [F(p.profit) + F(p.swap) - fall for p, fall in zip(view.positions, falls, strict=True)]
    peak = max(F(start.peak_equity), equity)
    today = Begun(F(start.balance), F(start.equity), F(start.peak_balance), peak)
    now = floors(today, initial, rules)

    def tomorrow(booked: F) -> Floors:
        return floors(
            Begun(booked, equity, max(F(start.peak_balance), booked), max(peak, equity)), initial, rules
        )

    if rules.daily_counts_open:
        # Gains help equity but not the balance-bound floor of tomorrow, which they lift by as much.
        worst = equity - sum(falls, F(0)) - on_their_way
        at_stops = tomorrow(balance + sum((r for r in results if r > 0), F(0))).higher
    else:
        by_equity, by_balance = sum(falls, F(0)), -sum((r for r in results if r < 0), F(0))
        worst = min(equity - by_equity, balance - by_balance) - on_their_way
        at_stops = tomorrow(balance).higher
    floor = max(now.higher, at_stops) if last_hour else now.higher
    return RoomOpinion(
        now=now,
        coming=tomorrow(balance),
        worst=worst,
        next_at_stops=at_stops,
        margin=worst - floor,
        held=len(falls),
    )
