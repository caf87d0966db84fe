"""What a place that takes orders must do, and how it fails."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from trading.core.types import AccountView, Deal, OrderRequest, Placed


class VenueUnavailable(Exception):
    """The request certainly did not leave or was certainly not taken; nothing happened there."""


class VenueRejected(Exception):
    """The venue answered no; ``code`` is its own word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class VenueUnknownOutcome(Exception):
    """The request may have been taken. The answer is to reconcile, never to send again."""


class Venue(Protocol):
    """A place that takes orders for one account."""

    name: str

    def send(self, request: OrderRequest, *, fencing: int, now: datetime) -> Placed:
        """Hand over one order. Raises VenueRejected, VenueUnavailable or VenueUnknownOutcome.

        The venue has no idempotency key: sending the same ``magic`` twice makes two orders.  A CANCEL of an
        order that rests no more is rejected with the code "no_order"; one that is taken may still come too late.
        """
        ...

    def view(self, *, now: datetime) -> AccountView:
        """Balance, equity and open positions; raises VenueUnavailable, never returns a guess."""
        ...

    def find(self, magic: int) -> str | None:
        """The ticket of the order that carries ``magic``, or None when the venue has none."""
        ...

    def resting(self) -> frozenset[int]:
        """The ``magic`` of every order that was taken and is neither filled nor cancelled."""
        ...

    def deals(self, *, after: str) -> list[Deal]:
        """Every deal booked after deal number ``after`` ("" for all), oldest first; money paid in or out too."""
        ...

    def margin(self, request: OrderRequest) -> Decimal:
        """What the order would bind, by the venue's own calculation, in account currency; 0 unless it opens.

        Raises VenueRejected for a symbol that is not traded there.
        """
        ...

    def margin_free(self, now: datetime) -> Decimal:
        """Equity less what positions and waiting entries bind, in account currency; may be below 0."""
        ...

    def log_in(self, number: str) -> None:
        """Go on under another login of the same account."""
        ...
