"""How far an account may go: anything lowers its mode, only a person raises it, one step at a time."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import get_user_model
from django.db import transaction

from trading.core.types import Mode
from trading.models import Account, KillSwitch
from trading.selectors import readiness
from trading.services import events

PHRASE = "RAISE"


class ModeRefused(Exception):
    """The mode was not changed; ``missing`` says in sentences what stands against it."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("; ".join(missing))
        self.missing = missing


def set_mode(
    account_id: int, mode: Mode, *, user_id: int, reason: str, now: datetime, phrase: str = ""
) -> bool:
    """Change an account's mode for a person; False when it has that mode already.

    Down: anybody on the staff, with a reason.  Up: a superuser, a reason, the typed phrase, and every
    condition of the step.  Raises ModeRefused with everything that is missing.
    """
    with transaction.atomic():
        account = _held(account_id)
        present, up = Mode(account.mode), mode.rank > Mode(account.mode).rank
        user = get_user_model().objects.filter(pk=user_id, is_active=True, is_staff=True).first()
        missing = [] if user else ["Somebody on the staff must ask for it."]
        if not reason.strip():
            missing.append("A reason is needed; it goes into the record.")
        if up:
            if user is not None and not user.is_superuser:
                missing.append("A superuser must ask for it.")
            if phrase != PHRASE:
                missing.append(f"The word {PHRASE} must be typed.")
            missing += [
                line.sentence for line in readiness.mode_checklist(account, mode, now=now) if not line.ok
            ]
        if missing or user is None:
            raise ModeRefused(tuple(missing))
        if mode is present:
            return False
        _write(account, mode, by=user.get_username(), reason=reason.strip(), now=now)
    return True


def lower(account_id: int, mode: Mode, *, by: str, reason: str, now: datetime) -> bool:
    """Lower an account's mode, by a machine or anybody; False when it is that low already.

    Raises ModeRefused for a mode that is higher than the present one.
    """
    with transaction.atomic():
        account = _held(account_id)
        if mode.rank > Mode(account.mode).rank:
            raise ModeRefused((f"{account} is in mode {account.mode}; only a person can raise it.",))
        if mode is Mode(account.mode):
            return False
        _write(account, mode, by=by, reason=reason, now=now)
    return True


def _held(account_id: int) -> Account:
    """The account as it is once its switch row is held: a claim that holds it has read another mode before."""
    list(KillSwitch.objects.select_for_update().filter(account_id=account_id).values_list("pk"))
    return Account.objects.select_related("programme__profile").get(pk=account_id)


def _write(account: Account, mode: Mode, *, by: str, reason: str, now: datetime) -> None:
    was, account.mode = account.mode, mode
    account.save(update_fields=("mode",))
    events.record(
        "mode",
        now=now,
        text=f"{account}: mode {mode} (was {was}) by {by}: {reason}",
        severity="warning" if mode.rank > Mode(was).rank else "info",
        by=by,
        account_id=account.pk,
        data={"was": str(was), "mode": mode.value, "reason": reason},
    )
