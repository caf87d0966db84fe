"""What if: an account's history against a programme, as the guard would have seen it.

A history begins with its start; marks, openings and payments follow in order of time.  What a mark says of the
account holds until the next one, over every midnight between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby

from trading.core.guards import CENT, aware, finite, positive
from trading.core.headroom import LOCKED_FROM, level_of
from trading.core.programme import (
    Programme,
    broken,
    counted,
    daily_limit_of,
    reference_of,
    total_floor,
    total_limit,
)
from trading.core.types import ZERO, Breach, DayStart, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An account begins; ``balance`` is what it held then where that was not the initial balance."""

    at: datetime
    initial: Decimal
    balance: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The account as seen at an instant.

    written: how the source wrote the instant.  floating_known: False where positions were open whose profit
    the source does not tell, so that ``equity`` is the balance.
    """

    at: datetime
    balance: Decimal
    equity: Decimal
    written: str = ""
    floating_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A position was opened."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Money was paid in (above 0) or out: it is neither profit nor loss."""

    at: datetime
    amount: Decimal


Event = Start | Mark | Opened | Paid


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the guard saw at a mark, or at a midnight between two; money in account currency.

    day: the prop-firm day.  gone: lost since the day began, at least 0; daily_limit: what may be.
    room: from equity to the floor that is nearer, below 0 beyond it.  level and breach as they are latched.
    trading_days: days with an opening so far.
    """

    at: datetime
    written: str
    is_mark: bool
    day: date
    balance: Decimal
    equity: Decimal
    floating_known: bool
    day_start_balance: Decimal
    daily_floor: Decimal
    total_floor: Decimal
    daily_limit: Decimal
    gone: Decimal
    room: Decimal
    level: Level
    breach: Breach
    trading_days: int

    @property
    def floor(self) -> Decimal:
        """The higher of both floors."""
        return max(self.daily_floor, self.total_floor)

    @property
    def headroom(self) -> Decimal:
        """What may still be lost, 0 when a floor is reached."""
        return max(self.room, ZERO)


def judge(events: Iterable[Event], programme: Programme) -> tuple[Moment, ...]:
    """Every mark of a history and every midnight in it, in order of time.

    Raises ValueError when the start is missing or doubled, an event lies before the one above it, or a number
    is not finite.  Source: docs/whatif.md.
    """
    source = iter(events)
    start = next(source, None)
    if not isinstance(start, Start):
        raise ValueError("a history begins with its start")
    account = _Account(start, programme)
    moments: list[Moment] = []
    for event in source:
        moments.extend(account.take(event))
    return tuple(moments)


class _Account:
    """The account as it is held between two events, with everything that is latched."""

    def __init__(self, start: Start, programme: Programme) -> None:
        self.programme = programme
        self.initial = positive("initial balance", start.initial)
        self.at = aware("at", start.at)
        self.balance = self.initial if start.balance is None else finite("balance", start.balance)
        self.equity, self.floating_known = self.balance, True
        self.peak_balance = self.peak_equity = max(self.initial, self.balance)
        self.day_balance = self.day_equity = self.balance
        self.day = programme.clock.day(self.at)
        self.reset = programme.clock.next_reset(self.at)
        self.opened: set[date] = set()
        self.day_locked = self.total_locked = False
        self.breach = Breach.NONE

    def take(self, event: Event) -> Iterator[Moment]:
        """Live on until an event and through it; what was seen on the way."""
        if isinstance(event, Start):
            raise ValueError("a history has one start")
        if aware("at", event.at) < self.at:
            raise ValueError(f"events must be in order of time: {event.at} lies before {self.at}")
        # A mark at midnight says what holds at that instant, whatever else bears the same time.
        while self.reset < event.at or (self.reset == event.at and isinstance(event, Paid)):
            self.begin_day()
            yield self.look(self.at)
        if isinstance(event, Mark):
            yield self.mark(event)
        elif isinstance(event, Opened):
            self.opened.add(self.programme.clock.day(event.at))
        else:
            self.pay(finite("amount", event.amount))
        self.at = event.at

    def mark(self, event: Mark) -> Moment:
        self.balance, self.equity = finite("balance", event.balance), finite("equity", event.equity)
        self.floating_known = event.floating_known
        if event.at == self.reset:
            self.begin_day()
        return self.look(event.at, mark=event)

    def begin_day(self) -> None:
        self.at = self.reset
        self.day, self.reset = self.programme.clock.day(self.at), self.programme.clock.next_reset(self.at)
        self.day_balance, self.day_equity = self.balance, self.equity
        self.peak_balance = max(self.peak_balance, self.balance)
        self.day_locked = False

    def pay(self, amount: Decimal) -> None:
        self.balance += amount
        self.equity += amount
        self.day_balance += amount
        self.day_equity += amount
        self.peak_balance = max(self.initial, self.peak_balance + amount)
        self.peak_equity = max(self.initial, self.peak_equity + amount)

    def look(self, at: datetime, mark: Mark | None = None) -> Moment:
        self.peak_equity = max(self.peak_equity, self.equity)
        value = counted(balance=self.balance, equity=self.equity, programme=self.programme)
        reference = reference_of(self.day_balance, self.day_equity, self.programme)
        limit = daily_limit_of(reference, self.initial, self.programme)
        daily, total = reference - limit, total_floor(self._day_start(), self.initial, self.programme)
        whole = total_limit(self.initial, self.programme)
        self.breach = self.breach or broken(daily=daily, total=total, counted=value, equity=self.equity)
        level = self._latch(_used(reference - value, limit), _used(total + whole - self.equity, whole))
        return Moment(
            at=at,
            written=mark.written if mark else "",
            is_mark=mark is not None,
            day=self.day,
            balance=self.balance,
            equity=self.equity,
            floating_known=self.floating_known,
            day_start_balance=self.day_balance,
            daily_floor=daily,
            total_floor=total,
            daily_limit=limit,
            gone=max(reference - value, ZERO),
            room=min(value - daily, self.equity - total),
            level=level,
            breach=self.breach,
            trading_days=len(self.opened),
        )

    def _day_start(self) -> DayStart:
        return DayStart(
            day=str(self.day),
            balance=self.day_balance,
            peak_balance=self.peak_balance,
            proven=True,
            equity=self.day_equity,
            peak_equity=self.peak_equity,
        )

    def _latch(self, used_daily: Decimal, used_total: Decimal) -> Level:
        """The level at these used parts: no person reopens, so the total lock and a breach are for good."""
        self.day_locked = self.day_locked or used_daily >= LOCKED_FROM
        self.total_locked = self.total_locked or used_total >= LOCKED_FROM
        measured = level_of(max(used_daily, used_total, ZERO), breach=bool(self.breach))
        locked = Level.LOCKED if self.day_locked or self.total_locked else Level.GREEN
        return max(measured, locked, key=lambda level: level.rank)


def _used(gone: Decimal, limit: Decimal) -> Decimal:
    """The part of a limit that is gone; all of it where there is no limit to lose."""
    return gone / limit if limit else Decimal(1)


def line(moment: Moment) -> dict[str, str | int | None]:
    """One mark as the command prints it: money as text with two decimals, halves to the even cent."""
    money = {
        "day_start_balance": moment.day_start_balance,
        "daily_floor": moment.daily_floor,
        "total_floor": moment.total_floor,
        "floor": moment.floor,
        "headroom": moment.headroom,
    }
    return {
        "at": moment.written or moment.at.isoformat(),
        "day": str(moment.day),
        **{name: f"{amount.quantize(CENT):f}" for name, amount in money.items()},
        "level": moment.level.value,
        "breach": moment.breach.value or None,
        "trading_days": moment.trading_days,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """One prop-firm day: its moment of least room, and the worst level on it."""

    day: date
    least: Moment
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How near a history came; every moment counts, those of midnight too.

    nearest: of least room.  worst: of the largest part of the daily limit gone, None when no day ever
    lost.  breach: the first moment below a floor.  floating_known: False when any moment judged the balance
    for want of the equity.
    """

    first: Moment
    last: Moment
    nearest: Moment
    worst: Moment | None
    breach: Moment | None
    days: tuple[DayRow, ...]
    floating_known: bool


def summary(moments: tuple[Moment, ...]) -> Summary:
    """The account of a history for a person; ValueError when there is no moment in it."""
    if not moments:
        raise ValueError("a history without a mark says nothing")
    nearest = min(moments, key=lambda moment: moment.room)
    worst = max(moments, key=lambda moment: _used(moment.gone, moment.daily_limit))
    return Summary(
        first=moments[0],
        last=moments[-1],
        nearest=nearest,
        worst=worst if worst.gone else None,
        breach=next((moment for moment in moments if moment.breach), None),
        days=tuple(_row(day, tuple(of_day)) for day, of_day in groupby(moments, key=lambda m: m.day)),
        floating_known=all(moment.floating_known for moment in moments),
    )


def _row(day: date, moments: tuple[Moment, ...]) -> DayRow:
    return DayRow(
        day=day,
        least=min(moments, key=lambda moment: moment.room),
        level=max((moment.level for moment in moments), key=lambda level: level.rank),
    )
