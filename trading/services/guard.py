"""What the desk looks after at an account before it sends anything: level, life, flatten, midnight, closures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from trading.core.calendar import Entry
from trading.core.headroom import LAST_MINUTES
from trading.core.types import AccountView, DayStart, Level
from trading.models import Account
from trading.selectors import calendar as calendar_selectors
from trading.selectors import risk as risk_selectors
from trading.selectors.risk import HeadroomNow, Terms
from trading.selectors.standing import Standing, standing_of
from trading.services import flatten, levels, life, midnight
from trading.venues.paper import PaperVenue

CALENDAR_EVERY = timedelta(minutes=1)
LAST_HOUR = timedelta(minutes=LAST_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a look led to: intents to send before any other, what a snapshot is worth taking of, and a step of life.

    trouble: why the account's headroom cannot be told, as with a day whose start nobody saw; nothing opens then.
    """

    intents: tuple[int, ...] = ()
    trigger: str = ""
    lived: bool = False
    trouble: str = ""


@dataclass(slots=True)
class Memory:
    """What need not be read again while nobody else may change it, or the look shows that nobody has.

    Make a new one with every seat.  looked: what the last measured look was made of.
    """

    account: Account | None = None
    terms: Terms | None = None
    day: DayStart | None = None
    reset_at: datetime | None = None
    standing: Standing | None = None
    stance: tuple[Any, ...] = ()
    looked: tuple[Any, ...] = ()
    level: Level | None = None
    calendar: tuple[Entry, ...] = ()
    calendar_at: datetime | None = None

    def forget_day(self) -> None:
        """The day's start, or the balance it counts from, may have changed."""
        self.account, self.day, self.looked, self.reset_at = None, None, (), None


def look_after(
    account: Account,
    memory: Memory,
    venue: PaperVenue,
    view: AccountView,
    *,
    outside: tuple[str, ...],
    certain: bool,
    on_step: Callable[[str], None],
    now: datetime,
) -> Held:
    """One look at an account that can be read: everything that may only make it safer.

    outside: what halts beside the rows.  certain: the view is well and agrees with our rows; a step of the
    account's life needs that.  on_step: handed to ``life.carry_out``.

    A look at which nothing has changed since the last one costs one read.
    """
    terms = _terms(account, memory, venue)
    resting = venue.resting()
    turned = _turned(account, memory, outside)
    current, trouble = None, ""
    try:
        current = _measure(account, memory, terms, view, resting, turned=turned, now=now)
    except ValueError as error:
        memory.looked, trouble = (), f"the headroom cannot be told: {error}"
    before, standing = memory.level, memory.standing
    if current is not None:
        memory.level = levels.hold(account, current, now=now)
        if terms.programme.watches_peak:
            memory.day = None
        if memory.level is not before:
            _turned(account, memory, outside)
            standing = memory.standing
    trigger = "level" if before is not None and memory.level is not before else "state" if turned else ""
    if standing is None:
        raise ValueError(f"nobody has looked where {account} stands")
    if standing.life and certain and life.carry_out(account, venue, now=now, on_step=on_step) is not None:
        return Held(trigger="life", lived=True)
    asked = _protect(account, memory, terms, current, view, now=now)
    if not standing.flatten and current is None:
        return Held(intents=tuple(asked), trigger=trigger, trouble=trouble)
    work = flatten.work(account, view=view, resting=resting, now=now)
    return Held(intents=(*work, *asked), trigger=trigger, trouble=trouble)


def _terms(account: Account, memory: Memory, venue: PaperVenue) -> Terms:
    """What the account trades under; worked out again when the desk has read its accounts and markets again."""
    if memory.account is account and memory.terms is not None:
        return memory.terms
    terms = risk_selectors.terms_of(account, instruments=venue.instruments)
    if terms != memory.terms:
        memory.forget_day()
    memory.account, memory.terms = account, terms
    return terms


def _turned(account: Account, memory: Memory, outside: tuple[str, ...]) -> bool:
    """Read where the account stands; whether a switch, a latch or its mode has changed since the last look."""
    memory.standing = standing_of(account.pk)
    stance = (account.mode, outside, memory.standing.stance)
    before, memory.stance = memory.stance, stance
    return bool(before) and before != stance


def _measure(
    account: Account,
    memory: Memory,
    terms: Terms,
    view: AccountView,
    resting: frozenset[int],
    *,
    turned: bool,
    now: datetime,
) -> HeadroomNow | None:
    """The headroom number when anything it is made of has changed; None when the last one still holds."""
    if memory.reset_at is None or now >= memory.reset_at:
        memory.forget_day()
        memory.reset_at = terms.programme.clock.next_reset(now)
    left = memory.reset_at - now
    # In the last hour the coming floor counts, and what is to be done hangs on the minutes left.
    minutes = left // timedelta(minutes=1) if left <= LAST_HOUR and view.positions else left <= LAST_HOUR
    nothing = memory.standing is not None and not memory.standing.coming and not resting
    pending = () if nothing else risk_selectors.pending_of(account.pk)
    looked = (view.balance, view.equity, view.positions, pending, minutes)
    if looked == memory.looked and not turned:
        return None
    current = risk_selectors.headroom_of(
        account, view=view, now=now, terms=terms, day=memory.day, pending=pending
    )
    memory.looked, memory.day = looked, current.day_start
    return current


def _protect(
    account: Account,
    memory: Memory,
    terms: Terms,
    current: HeadroomNow | None,
    view: AccountView,
    *,
    now: datetime,
) -> list[int]:
    """Closes that the coming midnight or a closure asks for."""
    if not view.positions:
        return []
    asked: list[int] = []
    if current is not None and memory.reset_at is not None and memory.reset_at - now <= LAST_HOUR:
        asked += midnight.before_midnight(account, current=current, view=view, terms=terms, now=now)
    if terms.programme.flat_before_closure:
        entries = _calendar(account, memory, terms, now=now)
        asked += midnight.before_closure(
            account, entries=entries, view=view, programme=terms.programme, now=now
        )
    return asked


def _calendar(account: Account, memory: Memory, terms: Terms, *, now: datetime) -> tuple[Entry, ...]:
    read_at = memory.calendar_at
    if read_at is None or not timedelta(0) <= now - read_at < CALENDAR_EVERY:
        memory.calendar = calendar_selectors.entries_for(
            terms.programme, now=now, ahead=timedelta(minutes=account.midnight_minutes)
        )
        memory.calendar_at = now
    return memory.calendar
