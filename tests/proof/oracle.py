"""A second opinion on the guard, in exact fractions; it shares no line and no type with the product.

Written from FTMO's rules (maximum daily loss, maximum loss) and the house's own lines (no order may bring the worst
case to 80 % of a limit; the floor of the coming midnight counts during the last hour). Everything is a plain number:
Fractions of account currency, prices, minutes since an epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction as F

LOCK = F(8, 10)
NO_NEW_RISK = F(7, 10)
HALF_SIZE = F(5, 10)
BP = F(1, 10_000)
LAST_HOUR = 60


@dataclass(slots=True)
class Rules:
    """A programme in plain words: shares of the initial balance, and how floors move."""

    daily: F
    total: F
    mode: str
    basis: str
    reference: str
    counts_open: bool


@dataclass(slots=True)
class Day:
    """What the day began with, and the highest points so far."""

    balance: F
    equity: F
    peak_balance: F
    peak_equity: F


@dataclass(slots=True)
class Spec:
    """How a market costs: base units a lot, price step, shares of notional, and how far its stops may slip."""

    contract: F
    tick: F
    rate: F
    spread_bp: F
    slip_bp: F
    gap_bp: F


@dataclass(slots=True)
class Held:
    """An open position; ``sign`` +1 long, -1 short."""

    spec: Spec
    sign: int
    lots: F
    entry: F
    price: F
    stop: F


@dataclass(slots=True)
class Order:
    """An order that was let through: what it loses at its stop is worked out from the prices alone."""

    spec: Spec
    sign: int
    lots: F
    entry: F
    stop: F


def reference(day: Day, rules: Rules) -> F:
    """What the day's limit is measured from."""
    if rules.reference == "balance":
        return day.balance
    if rules.reference == "equity":
        return day.equity
    return max(day.balance, day.equity)


def limits(day: Day, initial: F, rules: Rules) -> tuple[F, F]:
    """The money of the daily and of the total limit."""
    base = initial if rules.basis == "initial" else reference(day, rules)
    return rules.daily * base, rules.total * initial


def floors(day: Day, initial: F, rules: Rules) -> tuple[F, F]:
    """The daily and the total floor."""
    of_day, of_all = limits(day, initial, rules)
    start = {
        "static": initial,
        "trailing_end_of_day": max(initial, day.peak_balance),
        "trailing_intraday": max(initial, day.peak_equity),
        "trailing_locked": min(max(initial, day.peak_balance), initial + of_all),
    }[rules.mode]
    return reference(day, rules) - of_day, start - of_all


def coming(day: Day, balance: F, equity: F, initial: F, rules: Rules) -> F:
    """The floor of a midnight that finds this balance and equity."""
    after = Day(balance, equity, max(day.peak_balance, balance), max(day.peak_equity, equity))
    return max(floors(after, initial, rules))


def market_fill(spec: Spec, price: F, buying: bool, extra_bp: F = F(0)) -> F:
    """A market order's price before rounding to the tick: half the spread, the slippage and more against us."""
    worse = (spec.spread_bp / 2 + spec.slip_bp + extra_bp) * BP
    return price * (1 + worse) if buying else price * (1 - worse)


def at_stop(held: Held, buffer_bp: F) -> F:
    """How much equity falls when the position is closed at its stop, commission included."""
    base = min(held.price, held.stop) if held.sign > 0 else max(held.price, held.stop)
    fill = market_fill(held.spec, base, held.sign < 0, max(buffer_bp, held.spec.gap_bp))
    units = held.lots * held.spec.contract
    return max((held.price - fill) * held.sign * units, F(0)) + held.spec.rate * units * fill


def order_loss(order: Order, buffer_bp: F) -> F:
    """What a new order loses from now to its stop, both commissions included."""
    inside = market_fill(order.spec, order.entry, order.sign > 0)
    outside = market_fill(order.spec, order.stop, order.sign < 0, max(buffer_bp, order.spec.gap_bp))
    units = order.lots * order.spec.contract
    return (inside - outside) * order.sign * units + order.spec.rate * units * (inside + outside)


def booked(held: Held, buffer_bp: F) -> F:
    """What closing the position at its stop does to the balance; its entry commission is booked already."""
    units = held.lots * held.spec.contract
    return (held.price - held.entry) * held.sign * units - at_stop(held, buffer_bp)


@dataclass(slots=True)
class Room:
    """Worst case and floors of an instant."""

    worst: F
    daily_floor: F
    total_floor: F
    coming_floor: F
    daily_limit: F
    total_limit: F
    last_hour: bool

    def used(self, loss: F = F(0)) -> F:
        """The larger part of a limit that is used when ``loss`` more is lost."""
        worst = self.worst - loss
        daily = 1 - (worst - self.daily_floor) / self.daily_limit
        return max(daily, 1 - (worst - self.total_floor) / self.total_limit, F(0))

    def floor(self) -> F:
        """The highest floor that counts now."""
        now = max(self.daily_floor, self.total_floor)
        return max(now, self.coming_floor) if self.last_hour else now


def room(
    *,
    balance: F,
    equity: F,
    held: list[Held],
    on_the_way: F,
    day: Day,
    initial: F,
    rules: Rules,
    buffer_bp: F,
    minutes_left: int,
) -> Room:
    """The account's worst case, every position at its stop and every order on its way lost."""
    if rules.mode == "trailing_intraday":
        day = Day(day.balance, day.equity, day.peak_balance, max(day.peak_equity, equity))
    daily, total = floors(day, initial, rules)
    of_day, of_all = limits(day, initial, rules)
    results = [booked(one, buffer_bp) for one in held]
    worst = equity - sum((at_stop(one, buffer_bp) for one in held), F(0)) - on_the_way
    if not rules.counts_open:
        # The balance alone is watched: losers may be closed while winners are not.
        worst = min(worst, balance + sum((one for one in results if one < 0), F(0)) - on_the_way)
    # The higher the balance at midnight the higher the floor: winners may be closed before it, losers after.
    balance += sum((one for one in results if one > 0), F(0))
    return Room(
        worst=worst,
        daily_floor=daily,
        total_floor=total,
        coming_floor=coming(day, balance, equity, initial, rules),
        daily_limit=of_day,
        total_limit=of_all,
        last_hour=minutes_left <= LAST_HOUR,
    )


def verdict(found: Room, order: Order, buffer_bp: F) -> str:
    """Why an order that was let through was not safe; "" when it was."""
    loss = order_loss(order, buffer_bp)
    if found.worst - loss < found.floor():
        return f"worst case {float(found.worst - loss):.4f} lies below the floor {float(found.floor()):.4f}"
    if found.used() >= NO_NEW_RISK:
        return f"{float(found.used()):.6f} of a limit was used before it"
    if found.used(loss) >= LOCK:
        return f"{float(found.used(loss)):.6f} of a limit would be used after it"
    return ""
