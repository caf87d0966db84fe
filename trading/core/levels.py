"""What stays of an account's worst moments: locks that outlast the measure, and the level under them."""

from __future__ import annotations

from dataclasses import dataclass

from trading.core.guards import flag
from trading.core.headroom import LOCKED_FROM, Headroom
from trading.core.programme import breached
from trading.core.types import Breach, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """Locks that hold while the measure may already have come back; nothing here loosens by itself but a day.

    daily_locked_on: ISO date of the prop-firm day whose limit was used to 80 %, empty when none was.
    total_locked: 80 % of the total limit were used; a person ends it.  breach: the limit that was broken, for
    good.
    """

    daily_locked_on: str = ""
    total_locked: bool = False
    breach: Breach = Breach.NONE


def latch(before: Latch, room: Headroom, *, day: str, proven: bool = True) -> Latch:
    """The latch after this look at the account; it never comes out looser than ``before``.

    day: ISO date of the prop-firm day.  It locks on what equity and open positions at their stops have used;
    an order that is merely on its way may still be refused, so it locks nothing.  A position without a stop
    can lose everything and locks.  proven: False when the day's start is not proven: its floor is a guess
    then, and nothing lasting hangs on a guess; the total limit counts all the same.  Source: docs/risk_rules.md#level.
    """
    known = flag("proven day start", proven)
    locks_day = known and room.used_daily_at_stops >= LOCKED_FROM
    in_all = Breach.TOTAL if breached(room.equity, room.total_floor) else Breach.NONE
    return Latch(
        # ISO dates sort as text; a clock that steps back takes no lock away.
        daily_locked_on=max(before.daily_locked_on, day) if locks_day else before.daily_locked_on,
        total_locked=before.total_locked or room.used_total_at_stops >= LOCKED_FROM,
        breach=before.breach or (room.breach if known else in_all),
    )


def level_under(latch: Latch, room: Headroom, *, day: str) -> Level:
    """The stricter of the measured level and what is latched; the lock of an earlier day no longer counts.

    Raises ValueError for a latch whose words are not those of this module.
    Source: docs/risk_rules.md#level.
    """
    if Breach(latch.breach):
        return Level.BREACH
    if not day or not isinstance(latch.daily_locked_on, str):
        raise ValueError(f"days must be ISO dates, were {day!r} and {latch.daily_locked_on!r}")
    locked = flag("lock of the total limit", latch.total_locked) or latch.daily_locked_on >= day
    return max(room.level, Level.LOCKED, key=lambda level: level.rank) if locked else room.level
