"""Snapshots of an account's risk."""

from __future__ import annotations

from datetime import datetime

from trading.core.types import AccountView
from trading.models import Account, RiskSnapshot
from trading.selectors import risk
from trading.services import kill_switch


def snapshot_all(*, now: datetime, trigger: str) -> list[int]:
    """A snapshot of every account that the desk has seen; ids of those written.

    An account whose numbers cannot be read does not cost the others theirs: the errors are raised
    together at the end.
    """
    written: list[int] = []
    errors: list[Exception] = []
    for account in Account.objects.select_related("programme__profile").order_by("pk"):
        try:
            pk = snapshot(account, now=now, trigger=trigger)
        except Exception as error:  # the others have their turn first
            errors.append(error)
        else:
            written += [] if pk is None else [pk]
    if errors:
        raise ExceptionGroup("risk snapshots could not be written", errors)
    return written


def snapshot(account: Account, *, now: datetime, trigger: str, view: AccountView | None = None) -> int | None:
    """Write an account's risk at this instant; None when no view of it exists yet.

    view: a view that was just read; without it the desk's last one counts.  level: the stricter of what is
    measured here and what ``services.levels`` has latched; nothing is latched and nobody is halted from here.
    """
    seen = view if view is not None else risk.view_of(account)
    if seen is None:
        return None
    current = risk.headroom_of(account, view=seen, now=now)
    room = current.room
    row = RiskSnapshot.objects.create(
        account=account,
        at=now,
        trigger=trigger,
        mode=account.mode,
        state=kill_switch.effective(account.pk).state,
        balance=current.balance,
        equity=room.equity,
        day=current.day_start.day,
        day_start_balance=current.day_start.balance,
        daily_floor=room.daily_floor,
        total_floor=room.total_floor,
        next_floor=room.next_floor,
        worst_case=room.worst_case,
        pending_risk=room.pending_risk,
        unknown_risk=room.unknown_risk,
        headroom=room.headroom,
        used_daily=room.used_daily,
        used_total=room.used_total,
        level=current.level,
        open_positions=len(current.positions),
        programme=account.programme,
        synthetic=account.synthetic,
    )
    return int(row.pk)
