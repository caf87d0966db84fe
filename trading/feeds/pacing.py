"""Keeping below a source's rate limit, and telling its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

LARGEST_SKEW = timedelta(seconds=5)


class TokenBucket:
    """Lets ``rate`` requests a second pass, ``burst`` at once; safe between threads."""

    def __init__(
        self,
        rate: float,
        *,
        burst: int = 2,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"rate must be above 0 and burst at least 1, was {rate} and {burst}")
        self._rate = rate
        self._burst = burst
        self._sleep = sleep
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._at = monotonic()

    def take(self) -> float:
        """Wait for the next free place; returns the seconds that were waited."""
        with self._lock:
            now = self._monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            self._tokens -= 1
            wait = max(0.0, -self._tokens / self._rate)
        if wait:
            self._sleep(wait)
        return wait


class ServerClock:
    """The source's clock, asked rarely and carried on by the monotonic clock in between.

    read: asks the source, returns epoch seconds, raises when it cannot.  A reading serves for
    ``fresh`` seconds; an older one, up to ``usable`` seconds, only while the source fails to
    tell the time.  Between readings the host's own clock is not trusted.
    """

    def __init__(
        self,
        read: Callable[[], float],
        *,
        fresh: float = 60.0,
        usable: float = 600.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._fresh = fresh
        self._usable = usable
        self._monotonic = monotonic
        self._wall = wall
        self._reading: tuple[float, float] | None = None
        self.offset: timedelta | None = None

    @property
    def skewed(self) -> bool:
        """Whether host and source were seen to differ by more than five seconds."""
        return self.offset is not None and abs(self.offset) > LARGEST_SKEW

    def sample(self) -> None:
        """Ask the source for its time now; raises what ``read`` raises."""
        asked, wall = self._monotonic(), self._wall()
        told = self._read()
        answered = self._monotonic()
        self._reading = (told, answered)
        # The source read its clock somewhere between question and answer: half way is the best guess.
        self.offset = timedelta(seconds=told - wall - (answered - asked) / 2)

    def now_ms(self) -> int:
        """The source's time in epoch milliseconds, never ahead of it.

        Raises what ``read`` raises when there is no usable reading.
        """
        if self._age() > self._fresh:
            try:
                self.sample()
            except Exception:
                if self._age() > self._usable:
                    raise
        told, answered = self._reading or (0.0, 0.0)
        return int((told + self._monotonic() - answered) * 1000)

    def _age(self) -> float:
        return float("inf") if self._reading is None else self._monotonic() - self._reading[1]
