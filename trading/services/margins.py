"""Margin by the venue's own calculation, for an order that is about to be claimed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from trading.core.types import ZERO, Action, Margin
from trading.models import OrderIntent
from trading.selectors.risk import ON_ITS_WAY
from trading.services.claims import request
from trading.venues.base import Venue, VenueRejected

# A market that is not traded there: nothing is free for it.
NONE_FREE = Margin(free=ZERO, per_lot=Decimal(1))


def by_venue(venue: Venue, intent: OrderIntent, *, now: datetime) -> Margin | None:
    """What the order takes and what is free for it, as the venue says; None for an order that opens nothing.

    Other entries of the account that the venue may not hold yet are taken off what is free.  Raises
    VenueUnavailable: where the venue gives no answer, nothing is opened.
    """
    if Action(intent.action) is not Action.OPEN:
        return None
    coming = OrderIntent.objects.filter(
        account=intent.account_id, action=Action.OPEN, state__in=ON_ITS_WAY
    ).exclude(pk=intent.pk)
    try:
        per_lot = venue.margin(request(intent)) / intent.lots
        taken = sum((venue.margin(request(other)) for other in coming.select_related("market")), ZERO)
    except VenueRejected:
        return NONE_FREE
    return Margin(free=venue.margin_free(now) - taken, per_lot=per_lot)
