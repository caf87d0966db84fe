"""The one headroom number: what may still be lost before a floor is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from trading.core.exits import falls_at_stops
from trading.core.guards import CENT, aware, finite, flag, not_negative, positive
from trading.core.programme import (
    Programme,
    begin_day,
    broken,
    counted,
    daily_floor,
    daily_limit,
    effective_floor,
    total_floor,
    total_limit,
)
from trading.core.timeframes import DayClock
from trading.core.types import (
    ZERO,
    AccountView,
    Breach,
    DayStart,
    Instrument,
    Level,
    Limits,
    Pending,
    Position,
)

AMBER_FROM = Decimal("0.50")
RED_FROM = Decimal("0.70")
LOCKED_FROM = Decimal("0.80")
# So long before midnight the floor that will apply counts as well.
LAST_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """What may still be lost, and how it is made up; money in account currency.

    daily_floor, total_floor: as they hold now.  next_floor: the higher of both as it will hold from the coming
    midnight if nothing closes before.  next_floor_at_stops: the same when every position whose stop lies in
    profit has closed there before, which makes its gain part of the balance (the same as next_floor where the
    worst case counts no gains).  floor: the highest that counts now, next_floor_at_stops included during the
    last hour of the day.
    worst_case: equity after every open position is closed at its stop with costs, and every order on its way
    or of unknown outcome has lost its full risk; where open profit does not count to the daily limit, the
    balance once those that lose there have closed and those that gain have not, if that is less.
    at_stops: the part of that fall which open positions cause.  to_daily, to_total: from the worst case to each
    floor, 0 when it is reached.  headroom: from the worst case to ``floor``, 0 when it is reached.
    daily_limit, total_limit: the whole of each limit.  used_daily, used_total: fraction of each limit used at
    the worst case, 0 while nothing is lost, above 1 beyond the floor.  used_equity: the larger fraction that
    equity itself has used (of the daily limit the balance, where open profit does not count and it is lower).
    gone_daily: already lost since the day's start.  breach: the limit that equity has broken.
    naked: tickets of positions without a stop; they leave no headroom.
    """

    daily_floor: Decimal
    total_floor: Decimal
    next_floor: Decimal
    next_floor_at_stops: Decimal
    floor: Decimal
    equity: Decimal
    worst_case: Decimal
    at_stops: Decimal
    pending_risk: Decimal
    unknown_risk: Decimal
    to_daily: Decimal
    to_total: Decimal
    headroom: Decimal
    daily_limit: Decimal
    total_limit: Decimal
    used_daily: Decimal
    used_total: Decimal
    used_equity: Decimal
    gone_daily: Decimal
    breach: Breach
    level: Level
    minutes_to_reset: int
    naked: tuple[str, ...] = ()

    @property
    def used(self) -> Decimal:
        """The larger fraction used of the two limits."""
        return max(self.used_daily, self.used_total)

    @property
    def used_daily_at_stops(self) -> Decimal:
        """Fraction of the daily limit used with open positions at their stops, no order counted."""
        return _used(self.daily_floor, self._at_stops_only, self.daily_limit)

    @property
    def used_total_at_stops(self) -> Decimal:
        """Fraction of the total limit used with open positions at their stops, no order counted."""
        return _used(self.total_floor, self._at_stops_only, self.total_limit)

    @property
    def _at_stops_only(self) -> Decimal:
        return self.worst_case + self.pending_risk + self.unknown_risk

    def used_after(self, risk: Decimal) -> Decimal:
        """The larger fraction used of the two limits if ``risk`` more were lost at the worst case."""
        worst = self.worst_case - not_negative("risk", risk)
        daily = _used(self.daily_floor, worst, self.daily_limit)
        return max(daily, _used(self.total_floor, worst, self.total_limit))


def headroom(
    *,
    account: AccountView,
    day: DayStart,
    initial: Decimal,
    programme: Programme,
    instruments: Mapping[str, Instrument],
    pending: Sequence[Pending],
    limits: Limits,
    now: datetime,
) -> Headroom:
    """Work out the headroom of an account.

    instruments: by position symbol.  pending: orders on their way, counted at full risk.
    A position without a stop may lose everything: worst case 0, nothing left.  Swap that was booked is in
    equity; swap of a night to come is not counted, since no instrument carries its rate.
    Raises ValueError when any number is missing, not finite or out of its range, or a position's market is not
    among ``instruments``: an account that cannot be read has no headroom number.
    Source: docs/risk_rules.md#headroom.
    """
    try:
        seen = with_peak(day, not_negative("equity", account.equity), programme)
        held = _held(account.positions, falls_at_stops(account.positions, instruments, limits.gap_buffer_bp))
        return _room(
            account=account,
            day=seen,
            initial=initial,
            programme=programme,
            held=held,
            coming=_pending(pending),
            minutes=_minutes(aware("now", now), programme),
        )
    except (ArithmeticError, AttributeError, TypeError) as error:
        raise ValueError(f"the account cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class _Held:
    """What open positions do at their stops.

    falls: how much further equity falls.  losses, gains: what those that lose, and those that gain, bring to
    the balance by closing there; losses at most 0, gains at least 0.  naked: tickets without a stop.
    """

    falls: Decimal
    losses: Decimal
    gains: Decimal
    naked: tuple[str, ...]


def _held(positions: tuple[Position, ...], falls: list[Decimal]) -> _Held:
    if not isinstance(positions, tuple):
        # Whatever stands for "no answer" must not look like "no positions".
        raise ValueError(f"positions must be a tuple, was {positions!r}")
    gains = losses = ZERO
    naked: list[str] = []
    for position, fall in zip(positions, falls, strict=True):
        if position.stop is None:
            finite("profit", position.profit)
            finite("swap", position.swap)
            naked.append(position.ticket)
        result = position.profit + position.swap - fall
        if result < ZERO:
            losses += result
        else:
            gains += result
    return _Held(sum(falls, ZERO), losses, gains, tuple(naked))


def _room(
    *,
    account: AccountView,
    day: DayStart,
    initial: Decimal,
    programme: Programme,
    held: _Held,
    coming: tuple[Decimal, Decimal],
    minutes: int,
) -> Headroom:
    equity, balance = account.equity, positive("balance", account.balance)
    to_day, of_day = daily_floor(day, initial, programme), daily_limit(day, initial, programme)
    to_end, of_all = total_floor(day, initial, programme), total_limit(initial, programme)
    worst, lowest, booked = equity - held.falls - sum(coming), equity, balance + held.gains
    if not flag("open profit counts", programme.daily_counts_open):
        worst = min(worst, balance + held.losses - sum(coming))
        lowest, booked = min(balance, equity), balance
    next_floor = _next_floor(day, balance, equity, initial, programme)
    at_most = next_floor if booked == balance else _next_floor(day, booked, equity, initial, programme)
    floor = max(to_day, to_end, at_most) if minutes <= LAST_MINUTES else max(to_day, to_end)
    if held.naked:
        worst = min(worst, ZERO)
    used_daily, used_total = _used(to_day, worst, of_day), _used(to_end, worst, of_all)
    judged = counted(balance=balance, equity=equity, programme=programme)
    breach = broken(daily=to_day, total=to_end, counted=judged, equity=equity)
    return Headroom(
        daily_floor=to_day,
        total_floor=to_end,
        next_floor=next_floor,
        next_floor_at_stops=at_most,
        floor=floor,
        equity=equity,
        worst_case=worst,
        at_stops=equity if held.naked else held.falls,
        pending_risk=coming[0],
        unknown_risk=coming[1],
        to_daily=max(worst - to_day, ZERO),
        to_total=max(worst - to_end, ZERO),
        headroom=max(worst - floor, ZERO),
        daily_limit=of_day,
        total_limit=of_all,
        used_daily=used_daily,
        used_total=used_total,
        used_equity=max(_used(to_day, lowest, of_day), _used(to_end, equity, of_all)),
        gone_daily=max(to_day + of_day - lowest, ZERO),
        breach=breach,
        level=level_of(max(used_daily, used_total), breach=bool(breach)),
        minutes_to_reset=minutes,
        naked=held.naked,
    )


def with_peak(day: DayStart, equity: Decimal, programme: Programme) -> DayStart:
    """The day with the equity of this instant counted as a peak; ValueError when a peak that counts is unknown."""
    if not programme.watches_peak:
        return day
    return replace(day, peak_equity=max(positive("highest equity", day.peak_equity), equity))


def _next_floor(
    day: DayStart, balance: Decimal, equity: Decimal, initial: Decimal, programme: Programme
) -> Decimal:
    """The higher floor of a day that begins so; one that begins with nothing is taken to begin with a cent."""
    begun = begin_day(day, day=day.day, balance=balance, equity=max(equity, CENT))
    return effective_floor(begun, initial, programme)


def level_of(used: Decimal, *, breach: bool) -> Level:
    """The level at a fraction of a limit used: 50 % half size, 70 % no new risk, 80 % locked.

    Source: docs/risk_rules.md#level.
    """
    share = finite("used part of the limit", used)
    if breach:
        return Level.BREACH
    if share >= LOCKED_FROM:
        return Level.LOCKED
    if share >= RED_FROM:
        return Level.RED
    return Level.AMBER if share >= AMBER_FROM else Level.GREEN


def _pending(pending: Sequence[Pending]) -> tuple[Decimal, Decimal]:
    """The full risk of orders on their way, and of those whose outcome is unknown."""
    known = unknown = ZERO
    for order in pending:
        risk = not_negative("risk on its way", order.risk)
        if flag("unknown outcome", order.unknown):
            unknown += risk
        else:
            known += risk
    return known, unknown


def _used(floor: Decimal, worst: Decimal, limit: Decimal) -> Decimal:
    return max(1 - (worst - floor) / limit, ZERO)


def _minutes(now: datetime, programme: Programme) -> int:
    clock = programme.clock
    return (_ends_at(clock, clock.day(now)) - now) // timedelta(minutes=1)


@lru_cache(maxsize=64)
def _ends_at(clock: DayClock, day: date) -> datetime:
    """When a prop-firm day ends; asked at every look, the same for a whole day."""
    return clock.bounds(day)[1]
