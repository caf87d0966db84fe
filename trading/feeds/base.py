"""What a source of candles must do, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trading.core.types import Candles


class FeedUnavailable(Exception):
    """The source cannot answer now; try again later. ``retry_after`` is in seconds when it said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FeedRejected(Exception):
    """The source refuses this request for good; an operator must change something."""


class OutOfReach(FeedRejected):
    """The source keeps no bars of the asked minutes; ``oldest`` is the opening of the first it still has."""

    def __init__(self, message: str, *, oldest: datetime) -> None:
        super().__init__(message)
        self.oldest = oldest


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer: closed bars, and how far the source is known to have looked.

    candles: oldest first, only bars with ``since <= open < until`` that are closed.
    complete_to: every closed bar that opens before this instant and at or after ``since`` is in
    ``candles`` or does not exist at the source ("no trades").
    refused: rows dropped because their values were impossible, with the first one named.
    """

    candles: Candles
    complete_to: datetime
    refused: int = 0
    refused_example: str = ""


class Feed(Protocol):
    """A source of closed one-minute candles; the only file that knows the source's ways."""

    name: str
    synthetic: bool

    def fetch_closed(self, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Fetched:
        """Closed 1-minute bars with ``since <= open < until``, oldest first.

        May answer less than asked (one page): ``complete_to`` says how far. Raises
        FeedUnavailable (try later) or FeedRejected (operator).
        """
        ...

    def ping(self) -> None:
        """Ask the source for a sign of life; raises FeedUnavailable when it gives none."""
        ...
