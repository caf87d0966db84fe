"""How far an account is in its programme: trading days, target, best day, and days left by its pace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from trading.core.guards import CENT, count, finite, fraction, positive
from trading.core.own_trades import Booking
from trading.core.programme import Programme, target_met, trading_days
from trading.core.tiers import Z_95
from trading.core.timeframes import DayClock
from trading.core.types import ZERO

# Fewer days than this say nothing about a pace.
PACE_DAYS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BestDay:
    """The best day against the other profitable days; money in account currency.

    profitable: sum of the closed results of all profitable days.  share: the best day's part of it.
    limit: the most that part may be, None where the programme has no such rule.  open: whether the rule lets
    the account pass now; more than the limit is no breach.  missing: what must still come on other days.
    """

    day: date
    result: Decimal
    profitable: Decimal
    share: Decimal
    limit: Decimal | None
    open: bool
    missing: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Days left if the account goes on as it did, whole prop-firm days; None is unknown.

    days: complete days counted, those without a trade included.  per_day: their mean result, None without a day.
    soonest, latest: from the mean's 95 % interval; latest None also when that interval reaches zero.
    """

    days: int
    per_day: Decimal | None
    left: int | None
    soonest: int | None
    latest: int | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where an account stands against the objectives of its phase; money in account currency.

    target: the balance that must be exceeded, None when the phase has none.  missing: by how much the balance
    must still rise to exceed it, 0 once it does.  best: None while no day was profitable.
    days: the closed result of every prop-firm day of the period up to today.
    """

    initial: Decimal
    balance: Decimal
    target: Decimal | None
    missing: Decimal
    target_met: bool
    open_positions: int
    trading_days: int
    trading_days_needed: int
    best: BestDay | None
    pace: Pace
    days: tuple[tuple[date, Decimal], ...]

    @property
    def met(self) -> bool:
        """Whether every objective is met, so that the phase is passed."""
        enough = self.trading_days >= self.trading_days_needed
        return self.target_met and enough and (self.best is None or self.best.open)


def results_by_day(
    bookings: Iterable[Booking], *, clock: DayClock, first: date, last: date
) -> dict[date, Decimal]:
    """The closed result of each prop-firm day from ``first`` to ``last``, 0 where nothing was booked."""
    found = {first + timedelta(days=n): ZERO for n in range((last - first).days + 1)}
    for one in bookings:
        day = clock.day(one.at)
        if day not in found:
            raise ValueError(f"a deal of {day} lies outside of {first} to {last}")
        found[day] += finite("amount", one.amount)
    return found


def best_day(results: Mapping[date, Decimal], share: Decimal | None) -> BestDay | None:
    """The best day as part of all profitable days' results; losing days do not count.  None without profit.

    share: the most it may be, None where the programme has no such rule.  Of equal days the first.
    Source: docs/risk_rules.md#programmes (FTMO 1-Step, Best Day).
    """
    profitable = [(day, finite("result", result)) for day, result in sorted(results.items()) if result > ZERO]
    if not profitable:
        return None
    day, best = max(profitable, key=lambda one: one[1])
    total = sum((result for _, result in profitable), ZERO)
    missing = ZERO
    if share is not None:
        needed = best / fraction("best day share", share) - total
        missing = max(needed, ZERO).quantize(CENT, rounding=ROUND_CEILING)
    return BestDay(
        day=day,
        result=best,
        profitable=total,
        share=best / total,
        limit=share,
        open=share is None or best <= share * total,
        missing=missing,
    )


def progress(
    *,
    programme: Programme,
    initial: Decimal,
    balance: Decimal,
    open_positions: int,
    bookings: Sequence[Booking],
    opened: Sequence[datetime],
    first: date,
    today: date,
) -> Progress:
    """Where the account stands; ``bookings`` and ``opened`` are of its open period, which began on ``first``.

    Raises ValueError when a number is not finite or a deal lies outside of the period.
    """
    start, now = positive("initial balance", initial), finite("balance", balance)
    clock = programme.clock
    results = results_by_day(bookings, clock=clock, first=first, last=today)
    done = trading_days(opened, clock)
    target = None
    if programme.profit_target is not None:
        # Money comes in cents: what exceeds the cent below the target exceeds the target.
        target = (start * (1 + programme.profit_target)).quantize(CENT, rounding=ROUND_FLOOR)
    # The balance must exceed the target: at the target itself one cent is missing.
    missing = ZERO if target is None or now > target else target + CENT - now
    complete = [result for day, result in results.items() if day < today]
    return Progress(
        initial=start,
        balance=now,
        target=target,
        missing=missing,
        target_met=target_met(now, start, open_positions, programme),
        open_positions=count("open positions", open_positions),
        trading_days=done,
        trading_days_needed=programme.min_trading_days,
        best=best_day(results, programme.best_day_share),
        pace=pace(
            complete,
            missing=None if target is None else missing,
            trading_days_missing=max(programme.min_trading_days - done, 0),
        ),
        days=tuple(results.items()),
    )


def pace(results: Sequence[Decimal], *, missing: Decimal | None, trading_days_missing: int) -> Pace:
    """Days left when every day brings what the mean day brought; ``missing`` None when there is no target.

    Below ten days, and for a mean that is not above zero, the days left are unknown.  The interval is that of
    the mean (Student's t, 95 %): days are taken to be independent and alike, which they are only roughly.
    """
    n = len(results)
    mean = sum(results, ZERO) / n if n else None
    cents = None if mean is None else mean.quantize(CENT)
    if missing is None:
        return _pace(n, cents, "This phase has no target: there is nothing to reach.")
    if missing <= ZERO:
        needed = count("missing trading days", trading_days_missing)
        need = f"{needed} trading days are still needed" if needed else "nothing is left to do"
        return Pace(
            days=n,
            per_day=cents,
            left=needed,
            soonest=needed,
            latest=needed,
            sentence=f"The target is exceeded; {need}.",
        )
    if n < PACE_DAYS or mean is None:
        return _pace(n, cents, f"Unknown: {n} complete days are too few, {PACE_DAYS} are needed.")
    half = t_95(n - 1) * (sum(((r - mean) ** 2 for r in results), ZERO) / (n - 1) / n).sqrt()
    left, soonest, latest = (
        _days(missing, rate, trading_days_missing) for rate in (mean, mean + half, mean - half)
    )
    return Pace(
        days=n,
        per_day=cents,
        left=left,
        soonest=soonest,
        latest=latest,
        sentence=_pace_sentence(n, mean, left, soonest, latest),
    )


def t_95(freedom: int) -> Decimal:
    """The 97.5 % point of Student's t, to three places from 8 degrees of freedom on.

    Source: Abramowitz and Stegun 26.7.5, the expansion about the normal point.
    """
    z, v = Z_95, Decimal(count("degrees of freedom", freedom))
    first = (z**3 + z) / (4 * v)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    return z + first + second + third


def _pace(n: int, per_day: Decimal | None, sentence: str) -> Pace:
    return Pace(days=n, per_day=per_day, left=None, soonest=None, latest=None, sentence=sentence)


def _days(missing: Decimal, rate: Decimal, at_least: int) -> int | None:
    if rate <= ZERO:
        return None
    return max(int((missing / rate).to_integral_value(rounding=ROUND_CEILING)), at_least)


def _pace_sentence(n: int, mean: Decimal, left: int | None, soonest: int | None, latest: int | None) -> str:
    seen = f"{n} days brought {mean:,.2f} a day".replace("-", "\u2212")
    if left is None:
        return f"Unknown: {seen}, and by that pace the target is never reached."
    if latest is None:
        return f"{left:,} days by pace [{soonest:,}, no end]: {seen}, which still contains zero."
    return f"{left:,} days by pace [{soonest:,}, {latest:,}]: {seen}."
