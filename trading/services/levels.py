"""The levels of an account in rows: latched by what was seen, loosened by a day, a person or a new period."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from django.contrib.auth import get_user_model
from django.db import transaction

from trading.core.headroom import LOCKED_FROM, Headroom
from trading.core.levels import Latch, latch, level_under
from trading.core.programme import breached
from trading.core.types import Breach, Level, TradingState
from trading.models import Account, AccountRisk, KillSwitch
from trading.selectors import flattens, readiness, risk
from trading.selectors.risk import HeadroomNow
from trading.services import events, flatten, kill_switch

PHRASE = "REOPEN"
_SEVERITY = {Level.GREEN: "info", Level.LOCKED: "error", Level.BREACH: "error"}


class ReopenRefused(Exception):
    """A total lock cannot be reopened; ``missing`` says in sentences what stands against it."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("; ".join(missing))
        self.missing = missing


def hold(account: Account, current: HeadroomNow, *, now: datetime) -> Level:
    """Keep what a look at the account has found and return the level that counts; the desk calls it every round.

    Rows are touched only when something changes.  A breach halts the account for good; equity itself at
    80 % of a limit asks for a flatten where the account's setting says so.
    """
    seen = _seen(current)
    day, proven = current.day_start.day, current.day_start.proven
    after = latch(current.latch, seen.room, day=day, proven=proven)
    level = level_under(after, seen.room, day=day)
    peak = _peak(account, current)
    if (after, level, peak) != (current.latch, current.written, current.day_start.peak_equity):
        level = _keep(account, seen, peak=peak, now=now)
    _flatten_when_due(account, seen, level, now=now)
    return level


def reopen(account_id: int, user_id: int, reason: str, phrase: str, now: datetime) -> None:
    """End the lock of an account's total limit: a superuser, a reason, the typed phrase, and room below 80 %.

    A daily lock ends by itself at the next prop-firm day, a breach only with a new period.  The switch stays
    as it is: resuming is an act of its own.  Raises ReopenRefused with everything that is missing.
    """
    account = Account.objects.select_related("programme__profile").get(pk=account_id)
    with transaction.atomic():
        row = _locked_row(account_id)
        user = get_user_model().objects.filter(pk=user_id, is_active=True, is_superuser=True).first()
        missing = [] if user else ["A superuser must ask for it."]
        if not reason.strip():
            missing.append("A reason is needed; it goes into the record.")
        if phrase != PHRASE:
            missing.append(f"The word {PHRASE} must be typed.")
        missing += _against_reopening(account, row, now=now)
        if missing or row is None or user is None:
            raise ReopenRefused(tuple(missing))
        since = row.total_locked_at
        row.total_locked_at = None
        row.save(update_fields=("total_locked_at",))
        events.record(
            "total_reopened",
            now=now,
            text=f"{account}: the lock of the total limit was ended by {user.get_username()}: {reason.strip()}",
            severity="warning",
            by=user.get_username(),
            account_id=account_id,
            data={"reason": reason.strip(), "locked_at": since.isoformat() if since else None},
        )


def against_reopening(account_id: int, *, now: datetime) -> tuple[str, ...]:
    """What stands against ending the lock of the total limit, whoever asks; empty when nothing does."""
    account = Account.objects.select_related("programme__profile").get(pk=account_id)
    return tuple(_against_reopening(account, AccountRisk.objects.filter(account=account).first(), now=now))


def _against_reopening(account: Account, row: AccountRisk | None, *, now: datetime) -> list[str]:
    if row is None or row.total_locked_at is None:
        return [f"The total limit of {account} is not locked."]
    found = []
    if row.breach:
        found.append(f"{account} broke its {row.breach} limit: that ends with a new period only.")
    if (flattening := flattens.open_of(account.pk)) is not None:
        found.append(f"{flattening} closes everything of {account}: it must be done first.")
    used = _total_used(account, now=now)
    if used is None:
        found.append(f"What is used of the total limit of {account} cannot be told: start the desk.")
    elif used >= LOCKED_FROM:
        found.append(
            f"{used:.0%} of the total limit of {account} is still used at worst: it would lock again at once. "
            "A deposit, a reset, a new login or the next phase gives room."
        )
    return found


def _total_used(account: Account, *, now: datetime) -> Decimal | None:
    """Fraction of the total limit used by equity and open positions; None when that is not known now."""
    try:
        found = risk.headroom_now(account.pk, now=now)
    except ValueError:
        return None
    if found is None or abs(now - found.as_of) > readiness.DESK_FRESH:
        return None
    return found.room.used_total_at_stops


def _seen(current: HeadroomNow) -> HeadroomNow:
    """The look with a broken total limit named as such where the day's floor is only a guess."""
    room = current.room
    if not current.day_start.proven and breached(room.equity, room.total_floor):
        return replace(current, room=replace(room, breach=Breach.TOTAL, level=Level.BREACH))
    return current


def _peak(account: Account, current: HeadroomNow) -> Decimal | None:
    """The highest equity of the period; one that is not known stays unknown."""
    known = current.day_start.peak_equity
    if known is None or not risk.programme_of(account).watches_peak:
        return known
    return max(known, current.room.equity)


def _locked_row(account_id: int) -> AccountRisk | None:
    """The account's risk row, held with its switch in the order in which everybody takes them."""
    list(KillSwitch.objects.select_for_update().filter(account_id=account_id).values_list("pk"))
    return AccountRisk.objects.select_for_update().filter(account_id=account_id).first()


def _keep(account: Account, seen: HeadroomNow, *, peak: Decimal | None, now: datetime) -> Level:
    """Write what has changed, judged anew under the lock: a person may have reopened in between."""
    day, proven = seen.day_start.day, seen.day_start.proven
    with transaction.atomic():
        row = _locked_row(account.pk) or AccountRisk(account=account)
        before = risk.latch_of(account.pk)
        after = latch(before, seen.room, day=day, proven=proven)
        level = level_under(after, seen.room, day=day)
        written = Level(row.level) if row.pk else None
        if after.daily_locked_on:
            row.daily_locked_on = date.fromisoformat(after.daily_locked_on)
        if after.total_locked and not before.total_locked:
            row.total_locked_at = now
        if after.breach and not before.breach:
            row.breach, row.breached_at = after.breach.value, now
        if level is not written:
            row.level, row.level_since = level, now
        row.peak_equity = peak
        row.save()
        _tell(account, seen, before=before, after=after, written=written, level=level, now=now)
        if after.breach:
            reason = f"BREACH: equity {seen.room.equity} fell below the floor of the {after.breach} limit"
            kill_switch.set_state(
                TradingState.HALTED, by="risk", reason=reason, now=now, account_id=account.pk
            )
    return level


def _tell(
    account: Account,
    seen: HeadroomNow,
    *,
    before: Latch,
    after: Latch,
    written: Level | None,
    level: Level,
    now: datetime,
) -> None:
    """An Event for each change of level and for each lock that began."""
    room = seen.room
    left = f"{room.headroom} {seen.currency} may still be lost"
    if level is not (written or Level.GREEN):
        was = (written or Level.GREEN).upper()
        text = (
            f"{account}: level {level.upper()} (was {was}), {room.used:.0%} of a limit used at worst, {left}."
        )
        _event("level", account, text, severity=_SEVERITY.get(level, "warning"), room=room, now=now)
    if after.daily_locked_on != before.daily_locked_on:
        text = f"{account}: 80 % of the daily limit is used; nothing opens before the next prop-firm day, {left}."
        _event("daily_lock", account, text, severity="error", room=room, now=now)
    if after.total_locked and not before.total_locked:
        text = f"{account}: 80 % of the total limit is used; nothing opens until a person reopens it, {left}."
        _event("total_lock", account, text, severity="error", room=room, now=now)
    if after.breach and not before.breach:
        floor = room.daily_floor if after.breach is Breach.DAILY else room.total_floor
        broke = f"{account}: BREACH of the {after.breach} limit: equity {room.equity}, floor {floor}."
        text = f"{broke} Nothing opens any more in this period."
        _event("breach", account, text, severity="error", room=room, now=now)


def _event(kind: str, account: Account, text: str, *, severity: str, room: Headroom, now: datetime) -> None:
    data = {
        "equity": str(room.equity),
        "headroom": str(room.headroom),
        "used_daily": str(room.used_daily),
        "used_total": str(room.used_total),
    }
    events.record(kind, now=now, text=text, severity=severity, by="risk", account_id=account.pk, data=data)


def _flatten_when_due(account: Account, seen: HeadroomNow, level: Level, *, now: datetime) -> None:
    """Close everything once equity itself, not only the worst case, has used 80 % of a limit."""
    room = seen.room
    if not account.lock_flattens or level.rank < Level.LOCKED.rank:
        return
    if not (seen.positions or room.pending_risk or room.unknown_risk):
        return
    used = room.used_equity if seen.day_start.proven else _used_total_by_equity(room)
    if used < LOCKED_FROM or flattens.open_id(account.pk) is not None:
        return
    reason = f"level {level.upper()}: equity {room.equity} itself has used {used:.0%} of a loss limit"
    flatten.ask(account_id=account.pk, by="level", reason=reason, now=now)


def _used_total_by_equity(room: Headroom) -> Decimal:
    """Fraction of the total limit that equity itself has used; what the day used is a guess here."""
    return 1 - (room.equity - room.total_floor) / room.total_limit
