"""A second way to walk a path and to read a day: slow, in exact fractions, sharing no code with the product.

Only the words of a programme and the fields of a day are the product's; every rule is written here again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction as F

from trading.core.own_trades import OwnDay, OwnTrade
from trading.core.pass_paths import Standing
from trading.core.programme import Programme


@dataclass
class Life:
    """An account on its way, in exact money."""

    initial: F
    balance: F
    peak_balance: F
    peak_equity: F
    best: F
    profit: F
    traded: int


def path(
    days: Sequence[OwnDay],
    draws: Sequence[int],
    *,
    programme: Programme,
    standing: Standing,
    initial: F,
    scale: F,
    lock: bool,
    halves: bool = False,
) -> tuple[str, int]:
    """How one path ends ("" undecided, "pass", "lock", "daily", "total") and on which day, counted from 1."""
    life = Life(
        initial=initial,
        balance=F(standing.balance),
        peak_balance=F(standing.peak_balance),
        peak_equity=max(F(standing.peak_equity), F(standing.balance)),
        best=F(standing.best_day),
        profit=F(standing.profitable),
        traded=standing.trading_days,
    )
    for number, draw in enumerate(draws):
        # 00:00: what the day begins with.
        life.peak_balance = max(life.peak_balance, life.balance)
        gone = used(life, programme)
        if lock and gone >= F(7, 10):
            return "lock", number + 1
        size = scale / 2 if halves and gone >= F(1, 2) else scale
        day = days[draw]
        end = stopped(life, day, programme, size, lock)
        if end:
            return end, number + 1
        # 24:00: what it ends with.
        result = F(day.net) * size
        life.peak_equity = max(life.peak_equity, life.balance + F(day.high) * size)
        flat = None if day.flat is None else life.balance + F(day.flat) * size
        life.balance += result
        life.traded += day.opened > 0
        if result > 0:
            life.best, life.profit = max(life.best, result), life.profit + result
        if flat is not None and passed(life, programme, flat):
            return "pass", number + 1
    return "", 0


def stopped(life: Life, day: OwnDay, programme: Programme, scale: F, lock: bool) -> str:
    """What ends the path on this day at its worst, "" when nothing does."""
    low, high, fall = F(day.low) * scale, F(day.high) * scale, F(day.fall) * scale
    limit = life.initial * F(programme.total_loss)
    intraday = programme.total_loss_mode.value == "trailing_intraday"
    daily_floor = floor_of_the_day(life, day, programme, scale)
    total_floor = floor_in_all(life, programme, limit)
    counted = low if programme.daily_counts_open else F(day.low_balance) * scale
    broken = []
    if life.balance + counted < daily_floor:
        broken.append((daily_floor, 1, "daily"))
    if life.balance + low < total_floor or (intraday and fall > limit):
        highest = max(total_floor, life.balance + high - limit) if intraday else total_floor
        broken.append((highest, 0, "total"))
    if broken:
        return max(broken)[2]
    gone = limit - (life.balance + low - total_floor)
    if intraday:
        gone = max(gone, fall)
    return "lock" if lock and gone * 5 >= limit * 4 else ""


def used(life: Life, programme: Programme) -> F:
    """The part of the total limit that is gone with nothing open."""
    limit = life.initial * F(programme.total_loss)
    return 1 - (life.balance - floor_in_all(life, programme, limit)) / limit


def floor_of_the_day(life: Life, day: OwnDay, programme: Programme, scale: F) -> F:
    reference = life.balance
    if programme.daily_reference.value in ("equity", "higher"):
        reference += F(day.start_high) * scale
    basis = life.initial if programme.daily_basis.value == "initial" else reference
    return reference - basis * F(programme.daily_loss)


def floor_in_all(life: Life, programme: Programme, limit: F) -> F:
    mode = programme.total_loss_mode.value
    if mode == "static":
        return life.initial - limit
    if mode == "trailing_intraday":
        return max(life.initial, life.peak_equity) - limit
    trailed = max(life.initial, life.peak_balance) - limit
    return min(trailed, life.initial) if mode == "trailing_locked" else trailed


def passed(life: Life, programme: Programme, flat: F) -> bool:
    """Whether every objective is met at the day's last instant with nothing open, whose balance is ``flat``."""
    if programme.profit_target is None:
        return False
    fair = programme.best_day_share is None or life.best <= F(programme.best_day_share) * life.profit
    reached = flat > life.initial * (1 + F(programme.profit_target))
    return reached and fair and life.traded >= programme.min_trading_days


def day_as_it_may_have_been(
    trades: Sequence[OwnTrade], bounds: tuple[datetime, datetime]
) -> dict[str, F | int | bool]:
    """One day by looking at every instant at which anything happens, with whoever is open then."""
    start, end = bounds
    before = sum((one.amount for t in trades for one in t.bookings if one.at < start), 0)
    instants = {start}
    for trade in trades:
        instants |= {trade.opened_at, trade.closed_at, *(one.at for one in trade.bookings)}
    lows, highs, falls = [F(0)], [F(0)], [F(0)]
    for instant in sorted(at for at in instants if start <= at < end):
        low = high = F(-before)
        for trade in trades:
            if trade.closed_at < instant:
                low, high = low + F(trade.net), high + F(trade.net)
            elif trade.opened_at <= instant:
                low, high = low - F(trade.depth), high + F(trade.height)
        lows.append(low)
        highs.append(high)
        falls.append(max(highs) - low)
        # Just after: who ended here is gone.
        left = F(-before)
        for trade in trades:
            if trade.closed_at <= instant:
                left += F(trade.net)
            elif trade.opened_at <= instant:
                left -= F(trade.depth)
        lows.append(left)
    deals = sorted((one.at, one.amount) for t in trades for one in t.bookings if start <= one.at < end)
    running, lowest = F(0), F(0)
    for _, amount in deals:
        running += F(amount)
        lowest = min(lowest, running)
    return {
        "net": running,
        "low": min(lows),
        "high": max(highs),
        "low_balance": lowest,
        "fall": max(falls),
        "opened": sum(start <= t.opened_at < end for t in trades),
        "closed": sum(start <= t.closed_at < end for t in trades),
        "flat": _flat(trades, start, end, F(before)),
    }


def _flat(trades: Sequence[OwnTrade], start: datetime, end: datetime, before: F) -> F | None:
    """The balance at the last moment of the day with nothing open, counted from the day's first."""
    ends = {t.closed_at for t in trades if start <= t.closed_at < end}
    moments = [at for at in ends if not any(t.opened_at <= at < t.closed_at for t in trades)]
    if moments:
        last = max(moments)
        return sum((F(one.amount) for t in trades for one in t.bookings if one.at <= last), F(0)) - before
    held = any(t.opened_at < start <= t.closed_at for t in trades)
    return None if held else F(0)


def every_day(trades: Sequence[OwnTrade], first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
