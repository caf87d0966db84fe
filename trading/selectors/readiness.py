"""What stands against resuming, and whether the desk may send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from trading.core.headroom import LOCKED_FROM
from trading.core.types import IntentState, Level
from trading.models import Account, DeskStatus, OrderIntent, RiskSnapshot

DESK_FRESH = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the resume checklist; ``who`` says who ends it when it stands against resuming."""

    ok: bool
    title: str
    sentence: str
    who: str = ""


def resume_checklist(*, now: datetime, account_id: int | None = None) -> list[Line]:
    """Every condition of a resume, met or not, for one account or for all that trade."""
    accounts = Account.objects.exclude(mode="observe")
    if account_id is not None:
        accounts = accounts.filter(pk=account_id)
    lines = [_no_file(), _no_environment()]
    for account in accounts:
        lines += [_desk(account, now), _unknown(account), _level(account)]
    return lines


def resume_blockers(*, now: datetime, account_id: int | None = None) -> list[Line]:
    """The conditions that are not met."""
    return [line for line in resume_checklist(now=now, account_id=account_id) if not line.ok]


def halt_file() -> Path:
    """The flag file: while it exists, everything is HALTED."""
    return Path(settings.CRPBOT.data_dir) / "HALT"


def halt_file_exists() -> bool:
    """Whether the flag file is there; OSError when that cannot be told.

    A folder that is gone or may not be looked into is an error, not "no file"; a link that leads nowhere
    is a file that is there.
    """
    path = halt_file()
    try:
        path.lstat()
    except FileNotFoundError:
        path.parent.stat()
        return False
    return True


def _no_file() -> Line:
    path = halt_file()
    try:
        exists = halt_file_exists()
    except OSError as error:
        sentence = f"Whether {path} exists cannot be told: {error.strerror}. Repair the folder first."
        return Line(ok=False, title="HALT file", sentence=sentence, who="by you")
    if exists:
        return Line(
            ok=False, title="HALT file", sentence=f"The file {path} exists: remove it first.", who="by you"
        )
    return Line(ok=True, title="No HALT file", sentence="No HALT file")


def _no_environment() -> Line:
    if settings.CRPBOT.halt:
        sentence = "CRPBOT_HALT is set: unset it and start again."
        return Line(ok=False, title="CRPBOT_HALT", sentence=sentence, who="by you")
    return Line(ok=True, title="Nothing in the environment", sentence="Nothing in the environment")


def _desk(account: Account, now: datetime) -> Line:
    status = DeskStatus.objects.filter(account=account).first()
    title = f"{account}: desk"
    if status is None:
        return Line(ok=False, title=title, sentence=f"The desk has not seen {account} yet.", who="by itself")
    age = now - status.seen_at
    if age > DESK_FRESH:
        sentence = f"The desk saw {account} {age.total_seconds():.0f} s ago, {DESK_FRESH.seconds} s allowed."
        return Line(ok=False, title=title, sentence=f"{sentence} Start the desk.", who="by you")
    if not status.ready:
        return Line(
            ok=False, title=title, sentence=f"{account} is not ready: {status.reason}.", who="by itself"
        )
    return Line(ok=True, title=title, sentence=f"{account}: reconciled, seen {age.total_seconds():.0f} s ago")


def _unknown(account: Account) -> Line:
    unknown = OrderIntent.objects.filter(account=account, state=IntentState.UNKNOWN).count()
    title = f"{account}: unknown orders"
    if unknown:
        orders = "1 order" if unknown == 1 else f"{unknown} orders"
        sentence = f"{orders} of {account} with an unknown outcome: still looked for at the venue."
        return Line(ok=False, title=title, sentence=sentence, who="by itself")
    return Line(ok=True, title=title, sentence=f"{account}: no order is UNKNOWN")


def _level(account: Account) -> Line:
    snapshot = RiskSnapshot.objects.filter(account=account).first()
    title = f"{account}: level"
    if snapshot is None:
        return Line(ok=False, title=title, sentence=f"{account} has no risk snapshot yet.", who="by itself")
    if snapshot.level in (Level.LOCKED, Level.BREACH):
        sentence = f"{account} is {snapshot.level.upper()}: {snapshot.headroom} {account.currency} may still be lost."
        return Line(ok=False, title=title, sentence=sentence, who=_who_unlocks(snapshot))
    return Line(ok=True, title=title, sentence=f"{account}: level {snapshot.level.upper()}")


def _who_unlocks(snapshot: RiskSnapshot) -> str:
    """Only the daily limit begins anew at midnight; what is used of the total one stays used."""
    if snapshot.used_total >= LOCKED_FROM:
        return "not by itself: the total limit does not begin anew"
    return "by itself at the next prop-firm day"
