"""Many possible futures of an account at once: days drawn from its own history, walked against a programme's floors.

Money is counted in whole units, of which the initial balance has ``UNITS``: sums and comparisons are exact, and
what does not fit is rounded to the side that looks less safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import IntEnum

import numpy as np

from trading.core.guards import count, finite, fraction, positive
from trading.core.headroom import AMBER_FROM, LOCKED_FROM, RED_FROM
from trading.core.own_trades import OwnDay
from trading.core.programme import DailyBasis, DailyReference, Programme, TotalLossMode

UNITS = 100_000_000
# Lower than any balance can come: marks a day that must be looked at whatever the balance, or has no flat instant.
_ALWAYS = -(2**62)
_COMPACT_EVERY = 8


class End(IntEnum):
    """How a path ends; UNDECIDED when it has not within the days that were looked at."""

    UNDECIDED = 0
    PASS = 1
    LOCK = 2
    DAILY = 3
    TOTAL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an account stands when its future begins; money in account currency.

    peak_balance: the highest balance at any midnight of the period.  peak_equity: the highest equity seen in
    it.  best_day, profitable: the best day's closed result, and the sum of all profitable days'.
    """

    balance: Decimal
    peak_balance: Decimal
    peak_equity: Decimal
    trading_days: int = 0
    best_day: Decimal = Decimal(0)
    profitable: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Days of a history in units, (D,) int64 each; fields are those of ``OwnDay``.

    half: above 0 the days stand there twice, from that row on with every position half as large.
    """

    net: np.ndarray
    low: np.ndarray
    high: np.ndarray
    low_balance: np.ndarray
    fall: np.ndarray
    start_high: np.ndarray
    flat: np.ndarray
    opened: np.ndarray
    half: int = 0

    @classmethod
    def of(cls, days: Sequence[OwnDay], *, initial: Decimal, scale: Decimal, halves: bool = False) -> Table:
        """The days with every position ``scale`` times as large as it was, scale >= 0; ``halves``: and half of it."""
        if halves:
            whole = cls.of(days, initial=initial, scale=scale)
            return whole.beside(cls.of(days, initial=initial, scale=scale / 2))
        factor = finite("scale", scale) * UNITS / positive("initial balance", initial)
        if factor < 0:
            raise ValueError(f"scale must not be negative, was {scale}")

        def column(name: str, rounding: str) -> np.ndarray:
            values = (finite(name, getattr(day, name)) * factor for day in days)
            return np.array([int(v.to_integral_value(rounding=rounding)) for v in values], dtype=np.int64)

        flats = (None if day.flat is None else finite("flat", day.flat) * factor for day in days)
        return cls(
            net=column("net", ROUND_FLOOR),
            low=column("low", ROUND_FLOOR),
            high=column("high", ROUND_CEILING),
            low_balance=column("low_balance", ROUND_FLOOR),
            fall=column("fall", ROUND_CEILING),
            start_high=column("start_high", ROUND_CEILING),
            flat=np.array([_ALWAYS if v is None else _floored(v) for v in flats], dtype=np.int64),
            opened=np.array([day.opened > 0 for day in days], dtype=np.int64),
        )

    def beside(self, half: Table) -> Table:
        """These days with those of ``half``, the same ones at half their size, behind them."""
        names = ("net", "low", "high", "low_balance", "fall", "start_high", "flat", "opened")
        both = {name: np.concatenate((getattr(self, name), getattr(half, name))) for name in names}
        return Table(**both, half=len(self.net))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A programme's numbers in units.

    line, red, amber: so much above the total floor our own lock ends a path, no new risk is taken, and positions
    are half as large; line None where only the firm's rules end a path.
    """

    programme: Programme
    daily_limit: int
    total_limit: int
    target: int | None
    line: int | None
    red: int
    amber: int

    @classmethod
    def of(cls, programme: Programme, *, lock: bool) -> Rules:
        """The floors of a programme; ``lock`` whether our own levels of the total limit end a path too."""
        total = _floored(UNITS * fraction("total loss", programme.total_loss))
        target = programme.profit_target
        return cls(
            programme=programme,
            daily_limit=_floored(UNITS * fraction("daily loss", programme.daily_loss)),
            total_limit=total,
            target=None if target is None else UNITS + _ceiled(UNITS * positive("profit target", target)),
            line=_ceiled(UNITS * (1 - LOCKED_FROM) * programme.total_loss) if lock else None,
            red=_ceiled(UNITS * (1 - RED_FROM) * programme.total_loss),
            amber=_floored(UNITS * (1 - AMBER_FROM) * programme.total_loss),
        )

    def daily_floor(self, start: np.ndarray, start_high: np.ndarray) -> np.ndarray:
        """The daily floor of days that begin with these balances; equity at midnight as high as it may have been."""
        seen = self.programme.daily_reference
        reference: np.ndarray = start if seen is DailyReference.BALANCE else start + start_high
        if self.programme.daily_basis is DailyBasis.INITIAL:
            limit: np.ndarray | int = self.daily_limit
        else:
            top, bottom = self.programme.daily_loss.as_integer_ratio()
            limit = reference * top // bottom
        floor: np.ndarray = reference - limit
        return floor

    def total_floor(self, peak: np.ndarray) -> np.ndarray:
        """The total floor under a peak of balance or equity, whichever the mode trails."""
        if self.programme.total_loss_mode is TotalLossMode.STATIC:
            return np.full_like(peak, UNITS - self.total_limit)
        trailed: np.ndarray = np.maximum(peak, UNITS) - self.total_limit
        if self.programme.total_loss_mode is TotalLossMode.TRAILING_LOCKED:
            trailed = np.minimum(trailed, UNITS)
        return trailed


def _floored(units: Decimal) -> int:
    return int(units.to_integral_value(rounding=ROUND_FLOOR))


def _ceiled(units: Decimal) -> int:
    return int(units.to_integral_value(rounding=ROUND_CEILING))


def walk(
    table: Table, rules: Rules, standing: Standing, *, initial: Decimal, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Walk every path to its end: how each ended ((N,) uint8 of ``End``) and on which day, counted from 1.

    draws: (T, N) unsigned numbers of days, one for each day of each path.  On one day a breach comes before our
    lock and the lock before the target, which counts at the day's last instant with nothing open: of what may
    have come first, the worse is taken.  With ``rules.line`` a path that begins a day where no new risk is taken
    ends by our lock.  A table with halves: positions are half as large from where they are in real life.
    Source: docs/pass_probability.md#how-a-path-ends.
    """
    paths = _Paths(table, rules, standing, initial=initial, size=draws.shape[1])
    for day in range(draws.shape[0]):
        if paths.step(day, draws[day]):
            break
    return paths.ends, paths.days


class _Paths:
    """The paths that are not decided yet: row i of every array belongs to path ``ids[i]``."""

    def __init__(
        self, table: Table, rules: Rules, standing: Standing, *, initial: Decimal, size: int
    ) -> None:
        self.table, self.rules = table, rules
        self.ends = np.zeros(size, dtype=np.uint8)
        self.days = np.zeros(size, dtype=np.int32)
        self.ids = np.arange(size)
        self.whole = True
        mode, floor_moves = rules.programme.total_loss_mode, True
        self.intraday = mode is TotalLossMode.TRAILING_INTRADAY
        if mode is TotalLossMode.STATIC:
            floor_moves = False
        units = UNITS / positive("initial balance", initial)
        self.home = int((finite("balance", standing.balance) * units).to_integral_value(ROUND_FLOOR))
        peak = standing.peak_equity if self.intraday else standing.peak_balance
        self.state = {"balance": np.full(size, self.home, dtype=np.int64)}
        if floor_moves:
            top = int((finite("peak", peak) * units).to_integral_value(ROUND_CEILING))
            self.state["peak"] = np.full(size, max(top, self.home), dtype=np.int64)
        if rules.target is not None and rules.programme.min_trading_days:
            done = count("trading days", standing.trading_days)
            self.state["traded"] = np.full(size, done, dtype=np.int64)
        if rules.target is not None and rules.programme.best_day_share is not None:
            best = int((standing.best_day * units).to_integral_value(ROUND_CEILING))
            profit = int((standing.profitable * units).to_integral_value(ROUND_FLOOR))
            self.state["best"] = np.full(size, best, dtype=np.int64)
            self.state["profit"] = np.full(size, profit, dtype=np.int64)
        self.alarm = self._alarm()

    def _alarm(self) -> np.ndarray:
        """The low of each day, or lower than everything where the day alone may break a rule: (D,) int64."""
        table, rules = self.table, self.rules
        alone = np.zeros(table.net.shape, dtype=bool)
        if rules.programme.daily_basis is DailyBasis.INITIAL:
            nothing = np.zeros_like(table.net)
            alone |= self._counted(slice(None)) < rules.daily_floor(nothing, table.start_high)
        if self.intraday:
            alone |= table.fall >= rules.total_limit - (rules.line or 0)
        return np.where(alone, _ALWAYS, table.low)

    def _counted(self, rows: np.ndarray | slice) -> np.ndarray:
        """What the daily limit counts at its lowest: equity, or the balance where open profit is not counted."""
        if self.rules.programme.daily_counts_open:
            return self.table.low[rows]
        return self.table.low_balance[rows]

    def step(self, day: int, draw: np.ndarray) -> bool:
        """One more day of every path; True when all are decided."""
        table, state = self.table, self.state
        start = state["balance"]
        if "peak" in state and not self.intraday:
            np.maximum(state["peak"], start, out=state["peak"])
        above = start - self._floor()
        rows = self._rows(draw, above)
        self._judge(day, rows, above)
        balance = start + table.net[rows]
        if self.intraday:
            np.maximum(state["peak"], start + table.high[rows], out=state["peak"])
        if "traded" in state:
            state["traded"] += table.opened[rows]
        if "best" in state:
            gain = np.maximum(balance - start, 0)
            np.maximum(state["best"], gain, out=state["best"])
            state["profit"] += gain
        state["balance"] = balance
        self._reward(day, start, rows)
        return (day % _COMPACT_EVERY == _COMPACT_EVERY - 1) and self._compact()

    def _floor(self) -> np.ndarray | int:
        """The total floor at the day's first instant."""
        if "peak" in self.state:
            return self.rules.total_floor(self.state["peak"])
        return UNITS - self.rules.total_limit

    def _rows(self, draw: np.ndarray, above: np.ndarray) -> np.ndarray:
        """The day of the history that each path lives through now; ``above``: its balance above the total floor."""
        drawn = (draw if self.whole else draw[self.ids]).astype(np.intp)
        if self.table.half:
            drawn += self.table.half * (above <= self.rules.amber)
        return drawn

    def _judge(self, day: int, rows: np.ndarray, above: np.ndarray) -> None:
        """End the paths that broke a limit, were locked, or may not begin this day at all."""
        rules, state = self.rules, self.state
        start = state["balance"]
        near = above + self.alarm[rows] <= (-1 if rules.line is None else rules.line)
        if rules.programme.daily_basis is DailyBasis.CURRENT:
            daily = rules.daily_floor(start, self.table.start_high[rows])
            near |= start + self._counted(rows) < daily
        stuck = np.zeros_like(near)
        if rules.line is not None:
            stuck = above <= rules.red
            near |= stuck
        found = np.flatnonzero(near)
        if found.size:
            peak = state["peak"][found] if "peak" in state else start[found]
            ends = self._ends(start[found], rows[found], peak)
            ends[stuck[found]] = End.LOCK
            self._settle(day, found[ends > 0], ends[ends > 0])

    def _ends(self, start: np.ndarray, rows: np.ndarray, peak: np.ndarray) -> np.ndarray:
        """How these days end their paths, UNDECIDED where they do not."""
        table, rules = self.table, self.rules
        worst = start + table.low[rows]
        daily_floor = rules.daily_floor(start, table.start_high[rows])
        total_floor = rules.total_floor(peak)
        daily = start + self._counted(rows) < daily_floor
        total = worst < total_floor
        margin = 0 if rules.line is None else rules.line
        locked = worst <= total_floor + margin
        if self.intraday:
            total |= table.fall[rows] > rules.total_limit
            locked |= table.fall[rows] >= rules.total_limit - margin
            total_floor = rules.total_floor(np.maximum(peak, start + table.high[rows]))
        ends = np.zeros(start.shape, dtype=np.uint8)
        if rules.line is not None:
            ends[locked] = End.LOCK
        ends[total] = End.TOTAL
        # Of two broken limits the higher floor was reached first.
        ends[daily & (~total | (daily_floor >= total_floor))] = End.DAILY
        return ends

    def _reward(self, day: int, start: np.ndarray, rows: np.ndarray) -> None:
        """End the paths that meet every objective at this day's last instant with nothing open."""
        rules, state = self.rules, self.state
        if rules.target is None:
            return
        met = start + self.table.flat[rows] > rules.target
        if not met.any():
            return
        if "traded" in state:
            met &= state["traded"] >= rules.programme.min_trading_days
        if "best" in state and rules.programme.best_day_share is not None:
            top, bottom = rules.programme.best_day_share.as_integer_ratio()
            met &= state["best"] * bottom <= state["profit"] * top
        found = np.flatnonzero(met)
        self._settle(day, found, np.full(found.size, End.PASS, dtype=np.uint8))

    def _settle(self, day: int, found: np.ndarray, ends: np.ndarray) -> None:
        """Write down how paths ended; the first end of a path is its only one."""
        ids = self.ids[found]
        fresh = self.ends[ids] == End.UNDECIDED
        self.ends[ids[fresh]] = ends[fresh]
        self.days[ids[fresh]] = day + 1

    def _compact(self) -> bool:
        """Leave the decided paths behind once they are many; True when none is left."""
        open_ = self.ends[self.ids] == End.UNDECIDED
        left = int(np.count_nonzero(open_))
        if left < 0.9 * self.ids.size:
            self.ids = self.ids[open_]
            self.state = {name: values[open_] for name, values in self.state.items()}
            self.whole = False
        return left == 0
