"""An account's own trades, day by day: what each day closed with, and how low and how high equity may have been."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from trading.core.guards import aware, finite, not_negative
from trading.core.timeframes import DayClock
from trading.core.types import ZERO

_OPEN, _BOOK, _CLOSE = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One change of the balance by a trade: profit, commission and swap of one deal, in account currency."""

    at: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTrade:
    """A closed trade of the account; money in account currency.

    bookings: every deal of it, the costs at its entry too.  risk: what it would have lost at its stop, costs
    included, 0 when that is not known.  upside: what it would have brought at its target, None when that is
    not known.
    """

    opened_at: datetime
    closed_at: datetime
    bookings: tuple[Booking, ...]
    risk: Decimal
    upside: Decimal | None = None

    @property
    def net(self) -> Decimal:
        """What it brought after all costs."""
        return sum((one.amount for one in self.bookings), ZERO)

    @property
    def depth(self) -> Decimal:
        """The most that it was down at any instant while it was open, at least 0.

        Nobody recorded how far the price went against it, so it is taken to have touched its stop and turned
        there; a loss beyond the stop counts as it was.
        """
        return max(not_negative("risk", self.risk), -self._lowest(), -self.net)

    @property
    def height(self) -> Decimal:
        """The most that it was up while it was open, at least 0: its target, or its result where that is more."""
        return max(finite("upside", self.upside or ZERO), self.net, ZERO)

    def _lowest(self) -> Decimal:
        booked = lowest = ZERO
        for one in self.bookings:
            booked += finite("amount", one.amount)
            lowest = min(lowest, booked)
        return lowest


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDay:
    """One prop-firm day as it may have been at its worst; money, counted from the balance at its first instant.

    net: what was booked.  low, high: the lowest and the highest that equity may have been, low at most and high
    at least 0.  low_balance: the lowest balance.  fall: the deepest fall of equity below a height that it may
    have had earlier that day, at least 0.  start_high: the highest that equity may have been at the first
    instant.  flat: the balance at the last instant with nothing open, None when there was none.
    opened: positions opened.  closed: trades closed.
    """

    day: date
    net: Decimal
    low: Decimal
    high: Decimal
    low_balance: Decimal
    fall: Decimal
    start_high: Decimal
    flat: Decimal | None
    opened: int
    closed: int


class _Walk:
    """A day being walked through: the trades that are open, and the extremes so far."""

    def __init__(self) -> None:
        self.open: dict[int, tuple[OwnTrade, Decimal]] = {}
        self.begin()

    def begin(self) -> None:
        """A new day: its extremes are those of its first instant."""
        self.balance = self.low_balance = ZERO
        self.opened = self.closed = 0
        self.low, self.high = self._equity()
        self.low, self.high = min(self.low, ZERO), max(self.high, ZERO)
        self.start_high, self.fall = self.high, self.high - self.low
        self.flat = None if self.open else ZERO

    def _equity(self) -> tuple[Decimal, Decimal]:
        """The lowest and the highest that equity may be while nothing opens, closes or is booked."""
        down = sum((trade.depth + booked for trade, booked in self.open.values()), ZERO)
        up = sum((trade.height - booked for trade, booked in self.open.values()), ZERO)
        return self.balance - down, self.balance + up

    def step(self, kind: int, number: int, trade: OwnTrade, amount: Decimal) -> None:
        """One event, and the extremes that it leads to; what may be up is taken to come before what is down."""
        if kind == _OPEN:
            self.open[number] = (trade, ZERO)
            self.opened += 1
        elif kind == _BOOK:
            self.open[number] = (trade, self.open[number][1] + amount)
            self.balance += amount
            self.low_balance = min(self.low_balance, self.balance)
        else:
            del self.open[number]
            self.closed += 1
        low, high = self._equity()
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.fall = max(self.fall, self.high - low)
        if not self.open:
            self.flat = self.balance

    def end(self, day: date) -> OwnDay:
        return OwnDay(
            day=day,
            net=self.balance,
            low=self.low,
            high=self.high,
            low_balance=self.low_balance,
            fall=self.fall,
            start_high=self.start_high,
            flat=self.flat,
            opened=self.opened,
            closed=self.closed,
        )


def own_days(trades: Sequence[OwnTrade], *, clock: DayClock, first: date, last: date) -> tuple[OwnDay, ...]:
    """Every prop-firm day from ``first`` to ``last``, days without a trade included, as bad as it may have been.

    While a trade was open it is taken to have been down by its ``depth`` and up by its ``height``, and all that
    were open together to have been so together.  What was held over midnight is down against the new day's balance.
    At one instant entries come before exits.
    Raises ValueError when a trade lies outside of those days, ends before it began, or a number is not finite.
    Source: docs/pass_probability.md#what-a-day-is.
    """
    events = sorted(_events(trades), key=lambda event: event[:3])
    if events and not (first <= clock.day(events[0][0]) and clock.day(events[-1][0]) <= last):
        raise ValueError(f"every trade must lie between {first} and {last}")
    walk, found, position = _Walk(), [], 0
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        end = clock.bounds(day)[1]
        walk.begin()
        while position < len(events) and events[position][0] < end:
            _, kind, _, index, amount = events[position]
            walk.step(kind, index, trades[index], amount)
            position += 1
        found.append(walk.end(day))
    return tuple(found)


def _events(trades: Iterable[OwnTrade]) -> Iterable[tuple[datetime, int, int, int, Decimal]]:
    """Instant, kind, order, number of the trade and amount; bookings of one instant keep their order."""
    for number, trade in enumerate(trades):
        begin, end = aware("opened", trade.opened_at), aware("closed", trade.closed_at)
        if not all(begin <= aware("booked", one.at) <= end for one in trade.bookings) or begin > end:
            raise ValueError(f"a trade's deals must lie between its opening and its end, was {trade!r}")
        yield begin, _OPEN, 0, number, ZERO
        for order, one in enumerate(trade.bookings):
            yield one.at, _BOOK, order, number, finite("amount", one.amount)
        yield end, _CLOSE, 0, number, ZERO
