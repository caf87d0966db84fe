"""What the runaway stop counts of an account."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, F, Q, Sum

from trading.core.runaway import Counters, losses_in_row
from trading.core.types import ZERO, Action
from trading.models import Account, AccountRisk, OrderIntent, Trade, TradeState

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def counters_of(account: Account, *, now: datetime) -> Counters:
    """Entries, lots and messages of the prop-firm day, counted by when the desk claimed them.

    Entries and lots begin anew when a person resumes the account; messages are the firm's and do not.
    """
    clock = account.programme.clock
    day = clock.bounds(clock.day(now))[0]
    resumed = resumed_at(account.pk)
    opened = Q(action=Action.OPEN)
    if resumed is not None:
        opened &= Q(claimed_at__gte=resumed)
    # The last hour may have begun before the day did.
    found = OrderIntent.objects.filter(account=account, claimed_at__gte=min(day, now - HOUR)).aggregate(
        minute=Count("pk", filter=opened & Q(claimed_at__gt=now - MINUTE)),
        hour=Count("pk", filter=opened & Q(claimed_at__gt=now - HOUR)),
        day=Count("pk", filter=opened & Q(claimed_at__gte=day)),
        lots=Sum("lots", filter=opened & Q(claimed_at__gte=day)),
        messages=Count("pk", filter=Q(claimed_at__gte=day)),
    )
    return Counters(
        orders_minute=found["minute"],
        orders_hour=found["hour"],
        orders_day=found["day"],
        lots_day=found["lots"] or ZERO,
        messages_day=found["messages"],
    )


def losses_of(account: Account) -> int:
    """Losses in a row, costs included, newest first, since a person last resumed the account."""
    closed = Trade.objects.filter(account=account, state=TradeState.CLOSED)
    if (since := resumed_at(account.pk)) is not None:
        closed = closed.filter(closed_at__gte=since)
    results = closed.order_by("-closed_at", "-pk").values_list(
        F("profit") + F("commission") + F("swap"), flat=True
    )
    # One more than the limit says no more than the limit does.
    return losses_in_row(Decimal(result) for result in results[: account.losses_in_row])


def resumed_at(account_id: int) -> datetime | None:
    """When a person last let the account go on, or its period began; None when that is not recorded."""
    return AccountRisk.objects.filter(account_id=account_id).values_list("losses_from", flat=True).first()
