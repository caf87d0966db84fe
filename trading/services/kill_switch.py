"""The kill switch: every source tightens, only a person loosens, and what cannot be read is HALTED.

A claim (``services.desk``) and a change of state lock the same rows, so once a halt has committed
nothing more is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, transaction
from django.db.models import Q

from trading.core.types import TradingState
from trading.models import Account, AccountRisk, KillSwitch
from trading.selectors import readiness
from trading.selectors import rows as plain_rows
from trading.services import events
from trading.services import flatten as flattens

PHRASE = "RESUME"
# No user can have this name: a colon is not allowed in one.
FRESH = "migration:fresh"
# What else of an account halts it: a limit that was broken, and an order to close everything.
_OF_ACCOUNT = """
    SELECT 'level', breach, '' FROM trading_accountrisk WHERE account_id = %s AND breach <> ''
    UNION ALL
    SELECT 'flatten', asked_by, reason FROM trading_flatten WHERE account_id = %s AND done_at IS NULL
"""


class LooseningRefused(Exception):
    """A machine, or a person without the right, asked for a less strict state."""


class ResumeRefused(Exception):
    """Trading cannot be resumed; ``missing`` says in sentences what stands against it."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("; ".join(missing))
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The state that counts, and which source sets it."""

    state: TradingState
    source: str
    reason: str
    since: datetime | None = None


def effective(account_id: int | None = None, *, lock: bool = False) -> Effective:
    """The strictest of all sources; HALTED when any of them cannot be read.

    lock: hold the rows until the surrounding transaction ends (needed when the answer permits an act).
    The other sources are read after the rows are held: while waiting for them a file may have appeared.
    """
    try:
        rows = _rows(account_id, lock=lock)
        found = [*_outside(), *rows, *_of_account(account_id)]
        return max(found, key=lambda one: one.state.strictness)
    except (DatabaseError, OSError, ValueError) as error:
        # A failed statement has ended the caller's transaction; nothing may be decided in it.
        if lock and isinstance(error, DatabaseError):
            raise
        return Effective(
            state=TradingState.HALTED, source="unreadable", reason=f"the state cannot be read: {error}"
        )


def _outside() -> list[Effective]:
    found = []
    if settings.CRPBOT.halt:
        found.append(Effective(state=TradingState.HALTED, source="environment", reason="CRPBOT_HALT is set"))
    if readiness.halt_file_exists():
        reason = f"the file {readiness.halt_file()} exists"
        found.append(Effective(state=TradingState.HALTED, source="file", reason=reason))
    return found


def outside() -> tuple[str, ...]:
    """What halts beside the rows, in words; the desk tells of it when that changes."""
    try:
        return tuple(one.reason for one in _outside())
    except OSError as error:
        return (f"whether there is a HALT file cannot be told: {error.strerror}",)


def _rows(account_id: int | None, *, lock: bool) -> list[Effective]:
    rows = KillSwitch.objects.order_by("pk")
    if lock:
        rows = rows.select_for_update()
    by_account = {row.account_id: row for row in rows}
    wanted = [None] if account_id is None else [None, account_id]
    return [_of_row(key, by_account.get(key)) for key in wanted]


def _of_row(account_id: int | None, row: KillSwitch | None) -> Effective:
    source = "switch" if account_id is None else "account"
    if row is None:
        return Effective(state=TradingState.HALTED, source=source, reason="the switch has no row")
    return Effective(
        state=TradingState(row.state),
        source=source,
        reason=f"{row.reason} ({row.changed_by})",
        since=row.changed_at,
    )


def _of_account(account_id: int | None) -> list[Effective]:
    """What the account's own rows halt for, whatever its switch says."""
    if account_id is None:
        return []
    reasons = {
        "level": "the {0} loss limit was broken; that ends with a new period only",
        "flatten": "everything is being closed, asked by {0}: {1}",
    }
    return [
        Effective(state=TradingState.HALTED, source=source, reason=reasons[source].format(*words))
        for source, *words in plain_rows.query(_OF_ACCOUNT, (account_id, account_id))
    ]


def _switch(account_id: int | None) -> KillSwitch | None:
    """One switch's row, locked until the surrounding transaction ends."""
    own = Q(account__isnull=True) if account_id is None else Q(account_id=account_id)
    return KillSwitch.objects.select_for_update().filter(own).first()


def set_state(
    state: TradingState,
    *,
    by: str,
    reason: str,
    now: datetime,
    account_id: int | None = None,
    flatten: bool = False,
) -> bool:
    """Tighten the global switch, or one account's; False when it is that strict already.

    flatten: ask in the same transaction for everything of the account, or of all accounts, to be closed.
    Raises LooseningRefused when the state asked for is less strict than the present one.  A switch
    without a row is HALTED, so nothing but HALTED can be written for it.  The first halt of a switch that
    is HALTED because it is new is written down: ``open_fresh`` must not open it any more.
    """
    with transaction.atomic():
        row = _switch(account_id)
        present = TradingState.HALTED if row is None else TradingState(row.state)
        if state.strictness < present.strictness:
            raise LooseningRefused(f"the state is {present}; only a person can loosen it, with resume")
        changed = row is None or state is not present or row.changed_by == FRESH
        if changed:
            row = row or KillSwitch(account_id=account_id)
            _write(row, state, by=by, reason=reason, now=now)
        if flatten:
            _ask_flatten(account_id, by=by, reason=reason, now=now)
    return changed


def _ask_flatten(account_id: int | None, *, by: str, reason: str, now: datetime) -> None:
    accounts = Account.objects.order_by("pk").values_list("pk", flat=True)
    for pk in accounts if account_id is None else [account_id]:
        flattens.ask(account_id=pk, by=by, reason=reason, now=now)


def resume(*, user_id: int, reason: str, phrase: str, now: datetime, account_id: int | None = None) -> None:
    """Make the switch ACTIVE again: a superuser, a reason, the typed phrase, and nothing that stands against it.

    Raises ResumeRefused with everything that is missing.
    """
    with transaction.atomic():
        row = _switch(account_id)
        user = get_user_model().objects.filter(pk=user_id, is_active=True, is_superuser=True).first()
        missing = [] if user else ["A superuser must ask for it."]
        if not reason.strip():
            missing.append("A reason is needed; it goes into the record.")
        if phrase != PHRASE:
            missing.append(f"The word {PHRASE} must be typed.")
        if row is None:
            missing.append("The switch has no row; run the migrations.")
        missing += [b.sentence for b in readiness.resume_blockers(now=now, account_id=account_id)]
        if missing or row is None or user is None:
            raise ResumeRefused(tuple(missing))
        _write(row, TradingState.ACTIVE, by=user.get_username(), reason=reason.strip(), now=now)
        # What the runaway stop counts of an account begins anew: a person has looked.
        if account_id is not None:
            AccountRisk.objects.filter(account_id=account_id).update(losses_from=now)


def open_fresh(*, now: datetime, account_id: int | None = None) -> bool:
    """Open a switch that a migration or ``add_account`` made and nobody has touched; for the first bootstrap only.

    False when anyone ever changed it: a halt made later is never undone here.
    """
    with transaction.atomic():
        row = _switch(account_id)
        if row is None or row.changed_by != FRESH:
            return False
        _write(row, TradingState.ACTIVE, by="bootstrap", reason="first start, paper only", now=now)
    return True


def add_account(*, account_id: int, now: datetime) -> None:
    """Give a new account its switch, HALTED until it is opened."""
    KillSwitch.objects.get_or_create(
        account_id=account_id,
        defaults={
            "state": TradingState.HALTED,
            "reason": "new account",
            "changed_by": FRESH,
            "changed_at": now,
        },
    )


def _write(row: KillSwitch, state: TradingState, *, by: str, reason: str, now: datetime) -> None:
    was = row.state if row.pk else "missing"
    row.state, row.reason, row.changed_by, row.changed_at = state, reason[:300], by[:150], now
    row.save()
    events.record(
        "kill_switch",
        now=now,
        text=f"{state.upper()} (was {was}) by {by}: {reason}",
        severity="warning" if state is not TradingState.ACTIVE else "info",
        account_id=row.account_id,
        by=by,
        data={"was": str(was), "state": state.value, "reason": reason},
    )
