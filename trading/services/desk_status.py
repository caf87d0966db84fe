"""What the desk says of each account: one row, written every few seconds."""

from __future__ import annotations

import json
from datetime import datetime

from django.db import connection

from trading.core.types import AccountView
from trading.models import Account, DeskStatus
from trading.selectors.risk import position_body
from trading.services import events

_MONEY = {"max_digits": 14, "decimal_places": 2}
# Written every few seconds for each account: building these statements costs more than running them.
_AGAIN = "UPDATE trading_deskstatus SET reconciled_at = %s, seen_at = %s WHERE account_id = %s"
_ANEW = """
UPDATE trading_deskstatus
SET reconciled_at = %s, seen_at = %s, ready = %s, reason = %s, balance = %s, equity = %s, positions = %s
WHERE account_id = %s
"""

# What was said of an account: ready, why, balance, equity, positions as JSON.
Said = tuple[bool, str, str | None, str | None, str]


def say(account: Account, view: AccountView, trouble: str, *, before: Said | None, now: datetime) -> Said:
    """Write what the venue shows; returns what was said, to be handed in the next time.

    trouble: why nothing may be opened, "" when all is well.  before: what this desk said last; None when
    somebody else may have written since.
    """
    money = connection.ops.adapt_decimalfield_value
    said = (
        not trouble,
        trouble[:300] or "reconciled",
        money(view.balance, **_MONEY),
        money(view.equity, **_MONEY),
        json.dumps([position_body(position) for position in view.positions]),
    )
    at = [connection.ops.adapt_datetimefield_value(instant) for instant in (now, view.as_of)]
    with connection.cursor() as cursor:
        # Most of the time nothing but the time has changed.
        if said == before:
            cursor.execute(_AGAIN, (*at, account.pk))
        else:
            cursor.execute(_ANEW, (*at, *said, account.pk))
        written = bool(cursor.rowcount)
    if not written:
        DeskStatus.objects.create(
            account=account,
            reconciled_at=now,
            seen_at=view.as_of,
            ready=said[0],
            reason=said[1],
            balance=view.balance,
            equity=view.equity,
            positions=[position_body(position) for position in view.positions],
        )
    return said


def not_ready(account: Account, reason: str, *, now: datetime) -> None:
    """Nothing may be sent for the account; told once, when that begins."""
    turned = DeskStatus.objects.filter(account=account, ready=True).update(ready=False, reason=reason[:300])
    if turned:
        tell_trouble(account, reason, now=now)


def tell_trouble(account: Account, reason: str, *, now: datetime) -> None:
    """Write down why the desk is not ready."""
    events.record("desk_not_ready", now=now, text=reason, severity="warning", account_id=account.pk)
