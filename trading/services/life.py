"""An account's life: its periods, one after the other, each with floors of its own."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from trading.models import Account, AccountPeriod, AccountRisk


def begin_period(
    account: Account, *, began_by: str, opening_balance: Decimal, now: datetime
) -> AccountPeriod:
    """End the open period, if there is one, and begin the next with the account's present numbers.

    Peaks, day starts and what was latched belong to a period: the new one begins without them.
    """
    with transaction.atomic():
        last = account.periods.select_for_update().first()
        if last is not None:
            last.ended_at, last.closing_balance = now, opening_balance
            last.save(update_fields=("ended_at", "closing_balance"))
        AccountRisk.objects.update_or_create(
            account=account,
            defaults={
                "level": "green",
                "level_since": now,
                "daily_locked_on": None,
                "total_locked_at": None,
                "breach": "",
                "breached_at": None,
                "peak_equity": max(opening_balance, account.initial_balance),
                "midnight_warned_on": None,
                "losses_from": now,
            },
        )
        return account.periods.create(
            sequence=1 if last is None else last.sequence + 1,
            began_by=began_by,
            began_at=now,
            number=account.number,
            programme=account.programme,
            initial_balance=account.initial_balance,
            opening_balance=opening_balance,
        )
