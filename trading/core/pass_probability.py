"""How likely an account passes its phase: futures drawn from its own days, each figure with its uncertainty.

What it can and cannot say stands in docs/pass_probability.md.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile

import numpy as np

from trading.core.guards import count, positive
from trading.core.own_trades import OwnDay, OwnTrade, own_days
from trading.core.pass_paths import End, Rules, Standing, Table, walk
from trading.core.programme import Programme
from trading.core.progress import t_95
from trading.core.tiers import Z_95, wilson
from trading.core.types import ZERO, Breach

# Below these there is no figure at all; below the second pair a figure is marked as resting on too few.
LEAST_TRADES, LEAST_DAYS = 30, 10
MANY_TRADES, MANY_DAYS = 100, 30
PATHS, SEED, HORIZON = 100_000, 1, 365
# Histories that might have happened as well; the spread of their answers is the interval.
GROUPS = 200
# Paths walked at once: enough to spread the cost of a call, few enough for the processor's cache.
_AT_ONCE = 16_384
# For each risk of the curve so many times fewer paths than for the present one.
_CURVE_PART = 8
RISKS = tuple(
    Decimal(risk)
    for risk in ("0.001", "0.002", "0.003", "0.004", "0.005", "0.0075", "0.01", "0.0125", "0.015", "0.02")
)
_LOT = 64


class Sample(StrEnum):
    """Whether there is enough to speak of a probability; ENDED when the phase is passed or lost already."""

    ENDED = "ended"
    TOO_FEW = "too_few"
    THIN = "thin"
    ENOUGH = "enough"


WORDS = {
    End.PASS: "Reaches the target",
    End.LOCK: "Stopped by our lock",
    End.DAILY: "Breaks the daily limit",
    End.TOTAL: "Breaks the total limit",
    End.UNDECIDED: "Undecided",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What an account did in its open period, and where it stands; money in account currency.

    trades: the closed ones.  first, last: the prop-firm days that they are counted over, both included.
    set_risk: the risk a trade that the account is set to now, a fraction of the initial balance.
    breach: the limit that the account has broken, for good.  met: whether every objective is met.
    """

    trades: tuple[OwnTrade, ...]
    programme: Programme
    initial: Decimal
    standing: Standing
    first: date
    last: date
    set_risk: Decimal
    breach: Breach = Breach.NONE
    met: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The share of paths that end so, with its 95 % interval, all in [0, 1]."""

    end: End
    share: float
    low: float
    high: float

    @property
    def name(self) -> str:
        return self.end.name.lower()

    @property
    def words(self) -> str:
        return WORDS[self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Days until the target, of the paths that reach it: median, and the tenth and the ninetieth percent.

    median_low, median_high: the median's 95 % interval over the histories that might have been.
    """

    median: int
    low: int
    high: int
    median_low: int
    median_high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRisk:
    """P(pass) with every trade at this risk, a fraction of the initial balance; ``like_best``: no worse than the
    best as far as these trades can tell."""

    risk: Decimal
    share: float
    low: float
    high: float
    like_best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """What the paths say; with too few trades or days there is no figure, only the sentence.

    trades, days: in the history.  present: what trades
    risked so far, the median, a fraction of the initial balance.  set_risk: what the account is set to.
    best_risk: where P(pass) is highest, None without a target.  assumed: trades whose risk nobody knows,
    counted at the largest known.  by_day: (day, paths that reach the target on it, paths stopped on it).
    """

    sample: Sample
    sentence: str
    trades: int
    days: int
    paths: int
    seed: int
    horizon: int
    lock: bool
    guarded: bool = False
    outcomes: tuple[Share, ...] = ()
    to_pass: Spread | None = None
    present: Decimal | None = None
    set_risk: Decimal | None = None
    curve: tuple[AtRisk, ...] = ()
    best_risk: Decimal | None = None
    curve_sentence: str = ""
    assumed: int = 0
    by_day: tuple[tuple[int, int, int], ...] = ()

    def share(self, end: End) -> Share | None:
        """How often paths end so; None when that was not worked out."""
        return next((one for one in self.outcomes if one.end is end), None)


Told = Callable[[int, int], None]


def chances(
    history: History,
    *,
    paths: int = PATHS,
    seed: int = SEED,
    horizon: int = HORIZON,
    lock: bool = True,
    guarded: bool = False,
    told: Told | None = None,
) -> Chances:
    """Draw ``paths`` futures of at most ``horizon`` days and count how they end; the same seed gives the same.

    Which days happened was chance as well: every one of ``GROUPS`` groups of paths draws its days from a
    history of its own, drawn with replacement from the real one.  The figure is the mean over all of them, the
    interval the spread between them.  lock: whether our own levels of the total limit (no new risk from 70 %, the
    lock at 80 %) end a path.  guarded: also half the size from 50 % of it on, as the gate does.
    told: called with the paths done and the paths in all.
    Raises ValueError when a number cannot be read, fewer than ``GROUPS`` paths are asked for, or no trade's risk
    is known.  Source: docs/pass_probability.md.
    """
    if guarded and not lock:
        raise ValueError("half the size is a level of our own: it needs our own lock")
    if count("paths", paths) < GROUPS or count("horizon", horizon) < 1:
        raise ValueError(
            f"at least {GROUPS} paths over at least 1 day are needed, was {paths} over {horizon}"
        )
    trades, assumed = _with_risk(history.trades)
    days = own_days(trades, clock=history.programme.clock, first=history.first, last=history.last)
    frame = Chances(
        sample=_sample(len(trades), days),
        sentence="",
        trades=len(trades),
        days=len(days),
        paths=paths,
        seed=seed,
        horizon=horizon,
        lock=lock,
        guarded=guarded,
        set_risk=history.set_risk,
        assumed=assumed,
    )
    if ended := _ended(history):
        return replace(frame, sample=Sample.ENDED, sentence=ended)
    if frame.sample is Sample.TOO_FEW:
        return replace(frame, sentence=_too_few(frame, days))
    present = _present(trades, history.initial)
    runs = _Runs(history, days, frame, present=present, told=told)
    return _with_curve(_with_outcomes(replace(frame, present=present), runs), runs)


def _ended(history: History) -> str:
    """Why there is nothing left to draw, "" while there is."""
    if history.breach:
        return f"The {history.breach} limit is broken: this phase is over, whatever the trades say."
    return "Every objective of this phase is met: nothing is left to reach." if history.met else ""


def _with_risk(trades: Sequence[OwnTrade]) -> tuple[tuple[OwnTrade, ...], int]:
    """The trades with every unknown risk and upside taken as the largest known one; how many risks were."""
    largest = max((trade.risk for trade in trades), default=ZERO)
    highest = max((trade.height for trade in trades), default=ZERO)
    if trades and largest <= ZERO:
        raise ValueError("no trade's risk is known, so nobody can say how low equity was")
    known = tuple(
        replace(
            trade,
            risk=trade.risk or largest,
            upside=highest if trade.upside is None else trade.upside,
        )
        for trade in trades
    )
    return known, sum(1 for trade in trades if not trade.risk)


def _sample(trades: int, days: Sequence[OwnDay]) -> Sample:
    # Days on which nothing closed carry no result.
    active = sum(1 for day in days if day.closed)
    if trades < LEAST_TRADES or active < LEAST_DAYS:
        return Sample.TOO_FEW
    return Sample.THIN if trades < MANY_TRADES or active < MANY_DAYS else Sample.ENOUGH


def _too_few(frame: Chances, days: Sequence[OwnDay]) -> str:
    active = sum(1 for day in days if day.closed)
    return (
        f"Too few: {frame.trades} closed trades on {active} days; at least {LEAST_TRADES} trades"
        f" and {LEAST_DAYS} days are needed before a probability means anything."
    )


def _present(trades: Sequence[OwnTrade], initial: Decimal) -> Decimal:
    """What a trade risked, the median, as a fraction of the initial balance."""
    risks = statistics.median(trade.risk for trade in trades) / positive("initial balance", initial)
    return risks.quantize(Decimal("0.000001"))


class _Runs:
    """The same drawn days for every risk: what differs between two risks is the risk alone."""

    def __init__(
        self,
        history: History,
        days: Sequence[OwnDay],
        frame: Chances,
        *,
        present: Decimal,
        told: Told | None,
    ) -> None:
        self._history, self._days, self._frame, self._told = history, days, frame, told
        self._rules = Rules.of(history.programme, lock=frame.lock)
        self._present = present
        self.each = math.ceil(frame.paths / GROUPS)
        self.each_of_curve = max(self.each // _CURVE_PART, 1)
        self.risks = _risks(present, history.set_risk) if self._rules.target is not None else ()
        self._tables: dict[Decimal, Table] = {}
        self._done = 0
        self._all = GROUPS * (self.each + self.each_of_curve * len(self.risks))

    def now(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends and days of every path at the present risk: (GROUPS, each) both."""
        found = [self._walk(Decimal(1), draws) for draws in self._draws(self.each)]
        ends, days = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return ends.reshape(GROUPS, self.each), days.reshape(GROUPS, self.each)

    def by_risk(self) -> dict[Decimal, np.ndarray]:
        """For each risk which of a group's first paths reach the target: (GROUPS, each_of_curve) bool."""
        found: dict[Decimal, list[np.ndarray]] = {risk: [] for risk in self.risks}
        for draws in self._draws(self.each_of_curve):
            for risk in self.risks:
                ends, _ = self._walk(risk / self._present, draws)
                found[risk].append(ends == End.PASS)
        shape = (GROUPS, self.each_of_curve)
        return {risk: np.concatenate(hits).reshape(shape) for risk, hits in found.items()}

    def _walk(self, scale: Decimal, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table = self._table(scale)
        standing, initial = self._history.standing, self._history.initial
        found = walk(table, self._rules, standing, initial=initial, draws=draws)
        self._done += draws.shape[1]
        if self._told is not None:
            self._told(self._done, self._all)
        return found

    def _table(self, scale: Decimal) -> Table:
        if scale not in self._tables:
            initial, halves = self._history.initial, self._frame.guarded
            self._tables[scale] = Table.of(self._days, initial=initial, scale=scale, halves=halves)
        return self._tables[scale]

    def _draws(self, each: int) -> Iterator[np.ndarray]:
        """Numbers of days, (horizon, paths), some groups at a time; path i of a group is always the same."""
        together = max(_AT_ONCE // each, 1)
        for begin in range(0, GROUPS, together):
            groups = range(begin, min(begin + together, GROUPS))
            yield np.concatenate([self._of_group(group, each) for group in groups], axis=1)

    def _of_group(self, group: int, each: int) -> np.ndarray:
        return group_draws(
            self._frame.days, seed=self._frame.seed, group=group, paths=each, horizon=self._frame.horizon
        )


def group_draws(size: int, *, seed: int, group: int, paths: int, horizon: int) -> np.ndarray:
    """Which of ``size`` days of the history each path of a group draws on each of its days: (horizon, paths) uint16.

    The group's own history is ``size`` days drawn with replacement; its paths draw from that.  With fewer
    paths the others are the same, and so are their days over another horizon.
    """
    if not 1 <= size <= 65_536:
        raise ValueError(f"between 1 and 65,536 days can be drawn from, was {size}")
    history = np.random.default_rng([seed, group]).integers(0, size, size=size, dtype=np.uint16)
    # One stream for each lot of paths, so that few paths are the beginning of many.
    lots = [
        np.random.default_rng([seed, group, lot]).integers(0, size, size=(horizon, _LOT), dtype=np.uint16)
        for lot in range(math.ceil(paths / _LOT))
    ]
    drawn: np.ndarray = history[np.concatenate(lots, axis=1)[:, :paths]]
    return drawn


def _risks(present: Decimal, set_risk: Decimal) -> tuple[Decimal, ...]:
    return tuple(sorted({*RISKS, present, set_risk}))


def _with_outcomes(frame: Chances, runs: _Runs) -> Chances:
    """The frame with how paths end at the present risk."""
    ends, days = runs.now()
    shown = [end for end in WORDS if end is not End.LOCK or frame.lock]
    if not runs.risks:
        shown.remove(End.PASS)
    outcomes = tuple(_share(end, ends == end, of=frame.days) for end in shown)
    return replace(
        frame,
        outcomes=outcomes,
        to_pass=_spread(ends, days, of=frame.days),
        by_day=_by_day(ends, days),
        sentence=_sentence(frame, outcomes),
    )


def interval(hits: np.ndarray, *, of: int) -> tuple[float, float, float]:
    """Mean of all paths' hits with its 95 % interval; hits: (G, P) bool, each row a history of its own.

    of: days in the real history, at least 2.  The interval holds the middle of the rows' means, in which their
    few paths count as uncertainty too, and the Wilson interval of the paths themselves, so that it never
    shrinks to nothing.
    """
    means = hits.mean(axis=1)
    mean = float(means.mean())
    low, high = (float(edge) for edge in np.quantile(means, tails(of)))
    sure = wilson(int(hits.sum()), hits.size)
    edges = [low, high, float(sure.low or 0), float(sure.high or 0), mean]
    return mean, max(min(edges), 0.0), min(max(edges), 1.0)


def tails(of: int) -> tuple[float, float]:
    """Which parts of the histories' answers lie outside of a 95 % interval, for a history of ``of`` days.

    Drawn anew, few days differ less from each other than days that never happened do: the tails are those of
    Student's t, widened by n / (n - 1).
    Source: Hesterberg 2015, The American Statistician 69, 371-386, the expanded percentile interval.
    """
    reach = math.sqrt(of / (of - 1)) * float(t_95(of - 1))
    tail = math.erfc(reach / math.sqrt(2)) / 2
    return tail, 1 - tail


def _share(end: End, hits: np.ndarray, *, of: int) -> Share:
    share, low, high = interval(hits, of=of)
    return Share(end=end, share=share, low=low, high=high)


def _spread(ends: np.ndarray, days: np.ndarray, *, of: int) -> Spread | None:
    """Days to the target; None while fewer than one path in a hundred reaches it."""
    passed = ends == End.PASS
    if passed.sum() < ends.size / 100:
        return None
    low, median, high = (int(day) for day in np.quantile(days[passed], (0.1, 0.5, 0.9), method="nearest"))
    medians = [float(np.median(of[hit])) for of, hit in zip(days, passed, strict=True) if hit.any()]
    first, last = np.quantile(medians, tails(of))
    return Spread(
        median=median,
        low=low,
        high=high,
        median_low=min(math.floor(first), median),
        median_high=max(math.ceil(last), median),
    )


def _by_day(ends: np.ndarray, days: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    last = int(days.max())
    passed = np.bincount(days[ends == End.PASS], minlength=last + 1)
    stopped = np.bincount(days[ends > End.PASS], minlength=last + 1)
    return tuple((day, int(passed[day]), int(stopped[day])) for day in range(1, last + 1))


def day_of_most(found: Chances, part: float) -> int:
    """The day by which ``part`` of the paths that end have ended; 0 without one."""
    ended = sum(up + down for _, up, down in found.by_day)
    if not ended:
        return 0
    seen = 0
    for day, up, down in found.by_day:
        seen += up + down
        if seen >= part * ended:
            return day
    return found.by_day[-1][0]


def _with_curve(frame: Chances, runs: _Runs) -> Chances:
    """The frame with P(pass) at every risk, and which risks cannot be told from the best."""
    if not runs.risks:
        return replace(frame, curve_sentence="This phase has no target: no risk makes it pass.")
    hits = runs.by_risk()
    # Of equal ones the smallest risk: nothing is gained by more.
    best = max(runs.risks, key=lambda risk: (float(hits[risk].mean()), -risk))
    curve = tuple(_at_risk(risk, hits[risk], hits[best], of=frame.days) for risk in runs.risks)
    return replace(frame, curve=curve, best_risk=best, curve_sentence=_curve_sentence(frame, curve, best))


def _at_risk(risk: Decimal, hits: np.ndarray, best: np.ndarray, *, of: int) -> AtRisk:
    """A point of the curve; the difference to the best is taken history by history."""
    share, low, high = interval(hits, of=of)
    behind = best.mean(axis=1) - hits.mean(axis=1)
    like_best = float(behind.mean()) <= float(Z_95) * float(behind.std(ddof=1))
    return AtRisk(risk=risk, share=share, low=low, high=high, like_best=like_best)


def _alike(curve: Sequence[AtRisk], best: Decimal) -> list[Decimal]:
    """The risks around the best one that cannot be told from it, without a gap."""
    at = next(number for number, point in enumerate(curve) if point.risk == best)
    below = [p.risk for p in takewhile(lambda p: p.like_best, reversed(curve[:at]))]
    return [*reversed(below), best, *(p.risk for p in takewhile(lambda p: p.like_best, curve[at + 1 :]))]


def _sentence(frame: Chances, outcomes: Sequence[Share]) -> str:
    lead = next((one for one in outcomes if one.end is End.PASS), outcomes[0])
    thin = " These are too few to rely on." if frame.sample is Sample.THIN else ""
    # Three over n: with 95 % confidence what never happened in n days is not more frequent.
    return (
        f"{lead.words} within {frame.horizon} days: {estimate(lead)}, if"
        f" days like the {frame.days} of its {frame.trades} trades go on.{thin} A day worse than all of"
        f" these may still come once in {max(frame.days // 3, 1)} days, and is not in it."
    )


def _curve_sentence(frame: Chances, curve: Sequence[AtRisk], best: Decimal) -> str:
    alike = _alike(curve, best)
    now = frame.present or ZERO
    set_to = frame.set_risk or ZERO
    differs = abs(set_to - now) > now / 10
    note = f" It is set to {_percent(set_to)} % now, other than what they risked." if differs else ""
    if min(alike) <= now <= max(alike):
        return (
            f"From {_percent(min(alike))} to {_percent(max(alike))} % the differences are within what these trades"
            f" can tell: no reason to change {_percent(now)} %.{note}"
        )
    side = "less" if best < now else "more"
    return (
        f"P(pass) is highest near {_percent(best)} % a trade, {side} than the {_percent(now)} % of the trades so far;"
        f" from {_percent(min(alike))} to {_percent(max(alike))} % it cannot be told apart.{note}"
    )


def percent(share: float, places: int = 0) -> str:
    """A share as a number of percent; one that is not quite nothing, or not quite all, never reads as that."""
    edge = 10.0**-places
    value = share * 100
    if 0 < value < edge / 2:
        return f"<{edge:.{places}f}"
    if 100 - edge / 2 < value < 100:
        return f">{100 - edge:.{places}f}"
    return f"{value:.{places}f}"


def estimate(found: Share, places: int = 0) -> str:
    """A share with its interval, as it stands on pages: ``77 % [50, 92]``."""
    return f"{percent(found.share, places)} % [{percent(found.low, places)}, {percent(found.high, places)}]"


def _percent(risk: Decimal) -> str:
    return f"{risk * 100:.2f}"
