"""Prop-firm programmes as versioned data, and the floors that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from trading.core.guards import count, finite, flag, fraction, positive
from trading.core.timeframes import PRAGUE, PROP_ZONE, DayClock
from trading.core.types import ZERO, Breach, DayStart


class TotalLossMode(StrEnum):
    """What the total floor hangs on: the initial balance, or a peak that it trails.

    TRAILING_END_OF_DAY trails the highest balance at any midnight, TRAILING_INTRADAY the highest equity at
    any instant.  TRAILING_LOCKED trails midnights until the floor has reached the initial balance, and stays
    there.
    """

    STATIC = "static"
    TRAILING_END_OF_DAY = "trailing_end_of_day"
    TRAILING_INTRADAY = "trailing_intraday"
    TRAILING_LOCKED = "trailing_locked"


class DailyBasis(StrEnum):
    """What the daily limit is a share of: the initial balance, or what the day began with."""

    INITIAL = "initial"
    CURRENT = "current"


class DailyReference(StrEnum):
    """What the day begins with, at its first instant."""

    BALANCE = "balance"
    EQUITY = "equity"
    HIGHER = "higher"


class Phase(StrEnum):
    CHALLENGE = "challenge"
    VERIFICATION = "verification"
    FUNDED = "funded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One phase of one firm's programme, in one version.

    daily_loss, total_loss, profit_target: fractions of the initial balance (daily_loss of what
    ``daily_basis`` says); profit_target None when the phase has none.  effective_from: first day this
    version is known to hold.  verified_on: when the source was last read.
    daily_counts_open: False where open profit and loss is not counted to the daily limit.
    day_shift: how long before midnight of ``zone`` the day begins.
    best_day_share: the most that one day may be of all profitable days' results, None without the rule.
    news_minutes: nothing may be opened or closed so near to targeted news, 0 where news is free.
    flat_before_closure: whether positions must be closed before a weekend or long closure.
    gap_hours: closures of so many hours or more, and as many before them, admit no new position; 0 is free.
    swing: the account type that has no weekend and news restrictions.
    """

    name: str
    title: str
    firm: str
    phase: Phase
    version: int
    effective_from: date
    verified_on: date
    source: str
    daily_loss: Decimal
    total_loss: Decimal
    total_loss_mode: TotalLossMode
    profit_target: Decimal | None
    min_trading_days: int
    daily_basis: DailyBasis = DailyBasis.INITIAL
    daily_reference: DailyReference = DailyReference.BALANCE
    daily_counts_open: bool = True
    zone: str = PROP_ZONE
    day_shift: timedelta = timedelta(0)
    best_day_share: Decimal | None = None
    news_minutes: int = 0
    flat_before_closure: bool = False
    gap_hours: int = 2
    swing: bool = False

    @property
    def label(self) -> str:
        """Name and version, as it stands on every decision."""
        return f"{self.name} v{self.version}"

    @property
    def clock(self) -> DayClock:
        """When its days begin."""
        return DayClock(self.zone, self.day_shift)

    @property
    def watches_peak(self) -> bool:
        """Whether the total floor needs the highest equity of every instant."""
        return self.total_loss_mode is TotalLossMode.TRAILING_INTRADAY


_CHALLENGE = Programme(
    name="ftmo-2-step-challenge",
    title="FTMO 2-Step Challenge",
    firm="FTMO",
    phase=Phase.CHALLENGE,
    version=1,
    effective_from=date(2026, 1, 1),
    verified_on=date(2026, 11, 20),
    source="https://ftmo.com/en/trading-objectives/ and academy.ftmo.com/lesson/maximum-daily-loss",
    daily_loss=Decimal("0.05"),
    total_loss=Decimal("0.10"),
    total_loss_mode=TotalLossMode.STATIC,
    profit_target=Decimal("0.10"),
    min_trading_days=4,
)
_FUNDED = replace(
    _CHALLENGE,
    name="ftmo-2-step-funded",
    title="FTMO 2-Step Account, Standard",
    phase=Phase.FUNDED,
    profit_target=None,
    min_trading_days=0,
    news_minutes=2,
    flat_before_closure=True,
)
_ONE_STEP = replace(
    _CHALLENGE,
    name="ftmo-1-step-challenge",
    title="FTMO 1-Step Challenge",
    source="https://ftmo.com/en/1-step-challenge/ and the 1-Step maximum loss article on ftmo.com",
    daily_loss=Decimal("0.03"),
    total_loss_mode=TotalLossMode.TRAILING_END_OF_DAY,
    min_trading_days=0,
    best_day_share=Decimal("0.5"),
)

PROFILES: tuple[Programme, ...] = (
    _CHALLENGE,
    replace(
        _CHALLENGE,
        name="ftmo-2-step-verification",
        title="FTMO 2-Step Verification",
        phase=Phase.VERIFICATION,
        profit_target=Decimal("0.05"),
    ),
    _FUNDED,
    replace(
        _FUNDED,
        name="ftmo-2-step-funded-swing",
        title="FTMO 2-Step Account, Swing",
        news_minutes=0,
        flat_before_closure=False,
        swing=True,
    ),
    _ONE_STEP,
    replace(
        _ONE_STEP,
        name="ftmo-1-step-funded",
        title="FTMO 1-Step Account",
        phase=Phase.FUNDED,
        profit_target=None,
        news_minutes=2,
        flat_before_closure=True,
    ),
    replace(
        _CHALLENGE,
        name="generic",
        title="Generic account",
        firm="any",
        phase=Phase.FUNDED,
        source="house defaults: make a version of your own with your firm's numbers",
        profit_target=None,
        min_trading_days=0,
        gap_hours=0,
    ),
)


def profile(name: str) -> Programme:
    """The programme of that name; ValueError, naming those that exist, when there is none."""
    for programme in PROFILES:
        if programme.name == name:
            return programme
    known = ", ".join(p.name for p in PROFILES)
    raise ValueError(f"programme must be one of {known}, was {name!r}")


def day_reference(day: DayStart, programme: Programme) -> Decimal:
    """What the daily limit is measured from; ValueError when the equity at midnight is needed and unknown.

    Source: docs/risk_rules.md#headroom (FTMO, maximum daily loss).
    """
    balance = positive("balance at the day's start", day.balance)
    if programme.daily_reference is DailyReference.BALANCE:
        return balance
    return reference_of(balance, positive("equity at the day's start", day.equity), programme)


def reference_of(balance: Decimal, equity: Decimal, programme: Programme) -> Decimal:
    """Which of the two numbers of a day's first instant the daily limit is measured from."""
    if programme.daily_reference is DailyReference.BALANCE:
        return finite("balance at the day's start", balance)
    if programme.daily_reference is DailyReference.EQUITY:
        return finite("equity at the day's start", equity)
    if programme.daily_reference is DailyReference.HIGHER:
        return max(finite("balance at the day's start", balance), finite("equity at the day's start", equity))
    raise ValueError(f"daily reference must be one of its words, was {programme.daily_reference!r}")


def daily_limit(day: DayStart, initial: Decimal, programme: Programme) -> Decimal:
    """The money that may be lost on one day, in account currency."""
    return daily_limit_of(day_reference(day, programme), initial, programme)


def daily_limit_of(reference: Decimal, initial: Decimal, programme: Programme) -> Decimal:
    """The money that may be lost on a day that is measured from ``reference``; 0 where that is no money."""
    share = fraction("daily loss", programme.daily_loss)
    if programme.daily_basis is DailyBasis.INITIAL:
        return positive("initial balance", initial) * share
    if programme.daily_basis is DailyBasis.CURRENT:
        return max(finite("what the day began with", reference), ZERO) * share
    raise ValueError(f"daily basis must be one of its words, was {programme.daily_basis!r}")


def daily_floor(day: DayStart, initial: Decimal, programme: Programme) -> Decimal:
    """The equity below which the daily limit is broken.

    Money in account currency; ValueError when a number is missing, not finite or not above zero.
    Source: docs/risk_rules.md#headroom (FTMO, maximum daily loss).
    """
    reference = day_reference(day, programme)
    return reference - daily_limit_of(reference, initial, programme)


def total_limit(initial: Decimal, programme: Programme) -> Decimal:
    """The money that may be lost in all, in account currency; in every mode a share of the initial balance."""
    return positive("initial balance", initial) * fraction("total loss", programme.total_loss)


def total_floor(day: DayStart, initial: Decimal, programme: Programme) -> Decimal:
    """The equity below which the total limit is broken: the initial balance or a trailed peak, less the limit.

    Raises ValueError for an unknown mode, and when the peak that is trailed is not known.
    Source: docs/risk_rules.md#headroom (FTMO, maximum loss).
    """
    limit, mode = total_limit(initial, programme), programme.total_loss_mode
    if mode is TotalLossMode.STATIC:
        return initial - limit
    if mode is TotalLossMode.TRAILING_INTRADAY:
        return max(initial, positive("highest equity", day.peak_equity)) - limit
    trailed = max(initial, positive("highest balance at midnight", day.peak_balance)) - limit
    if mode is TotalLossMode.TRAILING_END_OF_DAY:
        return trailed
    if mode is TotalLossMode.TRAILING_LOCKED:
        return min(trailed, initial)
    raise ValueError(f"total loss mode must be one of its words, was {mode!r}")


def effective_floor(day: DayStart, initial: Decimal, programme: Programme) -> Decimal:
    """The higher of the daily and the total floor: the one that is reached first."""
    return max(daily_floor(day, initial, programme), total_floor(day, initial, programme))


def breach_of(
    *, balance: Decimal, equity: Decimal, day: DayStart, initial: Decimal, programme: Programme
) -> Breach:
    """Which limit is broken: strictly below its floor; of two broken ones the higher floor, reached first."""
    return broken(
        daily=daily_floor(day, initial, programme),
        total=total_floor(day, initial, programme),
        counted=counted(balance=balance, equity=equity, programme=programme),
        equity=equity,
    )


def counted(*, balance: Decimal, equity: Decimal, programme: Programme) -> Decimal:
    """What is held against the daily floor: equity, or the balance where open profit is not counted."""
    return equity if flag("open profit counts", programme.daily_counts_open) else balance


def broken(*, daily: Decimal, total: Decimal, counted: Decimal, equity: Decimal) -> Breach:
    """Which of the two floors is broken; of both the higher one, of two equal ones the daily."""
    by_day, in_all = breached(counted, daily), breached(equity, total)
    if by_day and in_all:
        return Breach.DAILY if daily >= total else Breach.TOTAL
    if in_all:
        return Breach.TOTAL
    return Breach.DAILY if by_day else Breach.NONE


def breached(equity: Decimal, floor: Decimal) -> bool:
    """Whether equity lies strictly below the floor; equal is not a breach to the firm."""
    return finite("equity", equity) < finite("floor", floor)


def first_day(day: date, initial: Decimal) -> DayStart:
    """How an account's first day begins: balance and equity are the initial balance."""
    balance = positive("initial balance", initial)
    return DayStart(
        day=str(day), balance=balance, peak_balance=balance, proven=True, equity=balance, peak_equity=balance
    )


def begin_day(before: DayStart, *, day: date | str, balance: Decimal, equity: Decimal | None) -> DayStart:
    """The day that begins with this balance and equity, its peaks carried on from the day before.

    equity None: nobody saw it at that instant, nor whether it made a new peak.
    """
    start = positive("balance at the day's start", balance)
    peak = None
    if equity is not None and before.peak_equity is not None:
        peak = max(before.peak_equity, positive("equity at the day's start", equity))
    return DayStart(
        day=str(day),
        balance=start,
        peak_balance=max(before.peak_balance, start),
        proven=True,
        equity=equity,
        peak_equity=peak,
    )


def with_ceilings(programme: Programme, max_daily_loss: Decimal, max_total_loss: Decimal) -> Programme:
    """The programme under the owner's ceilings: limits only ever become smaller."""
    return replace(
        programme,
        daily_loss=min(fraction("daily loss", programme.daily_loss), fraction("ceiling", max_daily_loss)),
        total_loss=min(fraction("total loss", programme.total_loss), fraction("ceiling", max_total_loss)),
    )


def target_met(balance: Decimal, initial: Decimal, open_positions: int, programme: Programme) -> bool:
    """Whether the balance exceeds the target with every position closed; False when there is no target."""
    if programme.profit_target is None or count("open positions", open_positions):
        return False
    target = positive("initial balance", initial) * (1 + programme.profit_target)
    return finite("balance", balance) > target


def trading_days(opened: Iterable[datetime], clock: DayClock = PRAGUE) -> int:
    """How many prop-firm days saw at least one position opened; holding one counts once."""
    return len({clock.day(instant) for instant in opened})
