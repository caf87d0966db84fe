"""The machine's clock beside one that nobody can set: a step between the two halts everything.

Expiry, the age of prices and the prop-firm day all hang on the wall clock. After a step nobody knows which of
the two times was right, so a person must look before anything is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from trading.core.types import TradingState
from trading.models import Lease
from trading.services import kill_switch

BY = "clock"
# A correction by the time service is smaller; whatever sets the clock by more is a fault or a person.
MOST = timedelta(seconds=2)


class Watch:
    """Where the wall clock stood when it was first seen, against the monotonic clock.

    monotonic: seconds that only ever grow at the pace of time, whatever the wall clock does.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._anchor: datetime | None = None

    def moved(self, wall: datetime) -> timedelta:
        """How far the wall clock has moved against the monotonic one since the anchor; it stands ahead when above 0."""
        began = wall - timedelta(seconds=self._monotonic())
        if self._anchor is None:
            self._anchor = began
        return began - self._anchor

    def steady(self, wall: datetime) -> bool:
        """Whether it has moved by so little that what hangs on it still holds."""
        return abs(self.moved(wall)) <= MOST

    def accept(self, wall: datetime) -> None:
        """Take the wall clock as it stands for right; the halt that was written outlives this."""
        self._anchor = wall - timedelta(seconds=self._monotonic())


def check(watch: Watch, *, now: datetime) -> str:
    """Halt all trading when the wall clock was set since the last look; what was found, or "".

    One step halts once: once it is written, the clock counts from where it stands, so that a person can
    resume after having looked at it, and the step back to the right time is a step like any other.
    """
    moved = watch.moved(now)
    if abs(moved) <= MOST:
        return ""
    ahead = "ahead" if moved > timedelta(0) else "back"
    found = f"the machine's clock was set {ahead} by {abs(moved).total_seconds():.1f} s, or stood still"
    kill_switch.set_state(TradingState.HALTED, by=BY, reason=found, now=now)
    watch.accept(now)
    return found


def check_start(name: str, *, now: datetime) -> str:
    """Halt when a lease was renewed in what is now the future: the clock fell back while nothing ran.

    Without this a desk would wait in silence until that time has come.
    """
    renewed_at = Lease.objects.filter(name=name).values_list("renewed_at", flat=True).first()
    if renewed_at is None or renewed_at - now <= MOST:
        return ""
    found = (
        f"the machine's clock lies {(renewed_at - now).total_seconds():.1f} s behind what was written before"
    )
    kill_switch.set_state(TradingState.HALTED, by=BY, reason=found, now=now)
    return found
