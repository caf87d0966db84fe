"""Before midnight: the floor that will apply, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.core.answer import money
from trading.core.exits import exits_now
from trading.core.guards import count
from trading.core.headroom import LAST_MINUTES, Headroom, headroom, with_peak
from trading.core.programme import Programme, begin_day, breach_of
from trading.core.types import AccountView, Breach, DayStart, Instrument, Limits, Pending, Position


class MidnightAction(StrEnum):
    """What is done when the floating loss would break the coming day's floor."""

    WARN = "warn"
    REDUCE = "reduce"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done before midnight, worked out anew at every look.

    due: whether midnight is not safe as things stand.  action: what is to be done now: WARN while the time to act
    has not come, and when no close would help.  close: tickets to close at market, the largest floating loss
    first.  sentence: for people, empty when nothing is due.
    """

    due: bool
    action: MidnightAction = MidnightAction.WARN
    close: tuple[str, ...] = ()
    sentence: str = ""


def plan(
    *,
    room: Headroom,
    view: AccountView,
    day: DayStart,
    initial: Decimal,
    programme: Programme,
    instruments: Mapping[str, Instrument],
    limits: Limits,
    action: MidnightAction,
    act_minutes: int,
    now: datetime,
) -> Plan:
    """What must be done so that the coming midnight breaks nothing; not due before the last hour of the day.

    room: the headroom of ``view`` at ``now``.  act_minutes: so long before midnight ``action`` is taken; it warns
    until then.  Midnight is safe while the worst case stays above the floor to come, gains that stops secure
    counted as booked.  A close makes a floating loss part of the balance, so the floor that hangs on the balance
    comes down with it; REDUCE closes the fewest positions that make midnight safe, FLATTEN all.  No close is
    planned that would itself break today's limit.  Raises ValueError for an account that cannot be read.
    Source: docs/risk_rules.md#before-midnight.
    """
    minutes, wanted = room.minutes_to_reset, MidnightAction(action)
    if minutes > LAST_MINUTES or not view.positions:
        return Plan(due=False)
    stands = _Account(
        view=view,
        room=room,
        day=with_peak(day, view.equity, programme),
        initial=initial,
        programme=programme,
        instruments=instruments,
        limits=limits,
        now=now,
    )
    if stands.safe:
        return Plan(due=False)
    if wanted is MidnightAction.WARN:
        return Plan(due=True, sentence=f"{_why(stands)} Only a warning is set: close by hand.")
    if minutes > count("minutes before midnight", act_minutes):
        word = "reduces" if wanted is MidnightAction.REDUCE else "closes everything"
        return Plan(due=True, sentence=f"{_why(stands)} The desk {word} {act_minutes} min before midnight.")
    chosen = _all(stands) if wanted is MidnightAction.FLATTEN else _fewest(stands)
    if not chosen:
        return Plan(due=True, sentence=f"{_why(stands)} {_helpless(stands)}")
    closed = f"{len(chosen)} of {len(view.positions)} positions are closed now."
    tickets = tuple(p.ticket for p in sorted(chosen, key=_floating))
    # Whoever carries out FLATTEN closes all: where one has to stay, the others are named.
    does = wanted if len(chosen) == len(view.positions) else MidnightAction.REDUCE
    return Plan(due=True, action=does, close=tickets, sentence=f"{_why(stands)} {closed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """An account shortly before midnight, and what becomes of it when a position is closed."""

    view: AccountView
    room: Headroom
    day: DayStart
    initial: Decimal
    programme: Programme
    instruments: Mapping[str, Instrument]
    limits: Limits
    now: datetime

    @property
    def safe(self) -> bool:
        """Whether even the worst case does not touch the floor to come."""
        return self.margin[1] > 0

    @property
    def margin(self) -> tuple[int, Decimal]:
        """From the worst case to the floor to come, which says nothing while a position has no stop."""
        return -len(self.room.naked), self.room.worst_case - self.room.next_floor_at_stops

    @property
    def breach_at_midnight(self) -> Breach:
        """The limit that is broken at the first instant of the coming day if no price moves before."""
        balance, equity = self.view.balance, self.view.equity
        return self._breach(begin_day(self.day, day=self.day.day, balance=balance, equity=equity))

    @property
    def breach_today(self) -> Breach:
        """The limit that is broken already."""
        return self._breach(self.day)

    def _breach(self, day: DayStart) -> Breach:
        return breach_of(
            balance=self.view.balance,
            equity=self.view.equity,
            day=day,
            initial=self.initial,
            programme=self.programme,
        )

    def without(self, position: Position) -> _Account:
        """The account once the position is closed at its shown price: costs are paid, its result is booked."""
        cost = exits_now(position, self.instruments).fall(position, position.price)
        view = replace(
            self.view,
            balance=self.view.balance + _floating(position) - cost,
            equity=self.view.equity - cost,
            positions=tuple(p for p in self.view.positions if p is not position),
        )
        on_their_way = self.room.pending_risk + self.room.unknown_risk
        room = headroom(
            account=view,
            day=self.day,
            initial=self.initial,
            programme=self.programme,
            instruments=self.instruments,
            pending=(Pending(symbol="", risk=on_their_way, unknown=False),),
            limits=self.limits,
            now=self.now,
        )
        return replace(self, view=view, room=room)

    def closings(self) -> list[tuple[Position, _Account]]:
        """Each position with the account after its close, without those that would break today's limit."""
        after = [(position, self.without(position)) for position in self.view.positions]
        return [one for one in after if self.breach_today or not one[1].breach_today]


def _fewest(account: _Account) -> list[Position]:
    """Close what brings most room to the floor to come, one after the other, until midnight is safe."""
    return _close(account, lambda stands, after: not stands.safe and after.margin > stands.margin)


def _all(account: _Account) -> list[Position]:
    return _close(account, lambda _stands, _after: True)


def _close(account: _Account, goes_on: Callable[[_Account, _Account], bool]) -> list[Position]:
    chosen: list[Position] = []
    while closings := account.closings():
        position, after = max(closings, key=lambda one: (one[1].margin, -_floating(one[0])))
        if not goes_on(account, after):
            break
        chosen.append(position)
        account = after
    return chosen


def _floating(position: Position) -> Decimal:
    return position.profit + position.swap


def _helpless(account: _Account) -> str:
    if not account.closings():
        return "No close is made: it would break today's limit."
    return "No close would help: what is at risk are orders on their way."


def _why(account: _Account) -> str:
    room, breach = account.room, account.breach_at_midnight
    when = f"At midnight, in {room.minutes_to_reset} min, the floor will be"
    if breach:
        floor, equity = money(room.next_floor), money(room.equity)
        return f"{when} {floor}: equity {equity} would break the {breach} limit."
    floor, worst = money(room.next_floor_at_stops), money(room.worst_case)
    return f"{when} up to {floor}: with every stop hit {worst} would be left, which reaches it."
