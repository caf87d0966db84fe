"""What the coming midnight or closure demands of open positions: told first, then closed by the account's setting."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from trading.core import calendar, midnight
from trading.core.midnight import MidnightAction
from trading.core.programme import Programme
from trading.core.types import AccountView, ExitReason
from trading.models import Account, AccountRisk
from trading.selectors.risk import HeadroomNow, Terms
from trading.services import claims, events, flatten

BY = "midnight"


def before_midnight(
    account: Account, *, current: HeadroomNow, view: AccountView, terms: Terms, now: datetime
) -> list[int]:
    """Warn once a day of a midnight that would break the coming floor, and close what must go; ids of intents.

    Nothing is done before the last hour of the prop-firm day, and nothing is closed before the account's own
    minutes. FLATTEN is carried out by ``services.flatten``, which cancels what rests as well.
    """
    plan = midnight.plan(
        room=current.room,
        view=view,
        day=current.day_start,
        initial=account.initial_balance,
        programme=terms.programme,
        instruments=terms.instruments,
        limits=terms.limits,
        action=MidnightAction(account.midnight_action),
        act_minutes=account.midnight_minutes,
        now=now,
    )
    if not plan.due:
        return []
    _warn(account, current, plan.sentence, now=now)
    if plan.action is MidnightAction.FLATTEN:
        flatten.ask(account_id=account.pk, by=BY, reason=plan.sentence, now=now)
        return []
    if plan.action is MidnightAction.REDUCE:
        why = f"before midnight: {plan.sentence}"
        return claims.ask_closes(account, plan.close, reason=ExitReason.FLATTEN, why=why, now=now)
    return []


def _warn(account: Account, current: HeadroomNow, sentence: str, *, now: datetime) -> None:
    day = current.day_start.day
    row, _ = AccountRisk.objects.get_or_create(account=account)
    if str(row.midnight_warned_on) == day:
        return
    row.midnight_warned_on = day
    row.save(update_fields=("midnight_warned_on",))
    events.record(
        "midnight_warning",
        now=now,
        text=f"{account}: {sentence}",
        severity="warning",
        account_id=account.pk,
        data={"day": day, "next_floor": str(current.room.next_floor), "equity": str(current.room.equity)},
    )


def before_closure(
    account: Account,
    *,
    entries: Iterable[calendar.Entry],
    view: AccountView,
    programme: Programme,
    now: datetime,
) -> list[int]:
    """Close what a programme forbids to hold through a weekend or long closure; ids of the intents."""
    announced = tuple(entries)
    closed: list[int] = []
    for position in view.positions:
        entry = calendar.must_be_flat(announced, position.symbol, programme, now, account.midnight_minutes)
        if entry is None:
            continue
        why = f"before {entry.title or entry.kind} at {entry.starts_at:%Y-%m-%d %H:%M} UTC"
        closed += claims.ask_closes(account, (position.ticket,), reason=ExitReason.FLATTEN, why=why, now=now)
    return closed
