"""What stands against resuming, and whether the desk may send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from trading.core.types import IntentState, Level, Mode
from trading.models import Account, AccountRisk, DeskStatus, LifeAction, LifeState, OrderIntent
from trading.selectors import flattens

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
    accounts = Account.objects.exclude(mode=Mode.OBSERVE).select_related("programme__profile")
    if account_id is not None:
        accounts = accounts.filter(pk=account_id)
    lines = [_no_file(), _no_environment()]
    for account in accounts:
        lines += [_desk(account, now), _unknown(account), _flatten(account), _level(account, now)]
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


def _flatten(account: Account) -> Line:
    found = flattens.open_of(account.pk)
    if found is None:
        return Line(ok=True, title=f"{account}: flatten", sentence=f"{account}: nothing is being flattened")
    sentence = (
        f"{found} cancels and closes everything of {account}, asked by {found.asked_by}: {found.reason}."
    )
    return Line(ok=False, title=f"{account}: flatten", sentence=sentence, who="by itself when all is closed")


def _level(account: Account, now: datetime) -> Line:
    """What is latched in the account's rows counts, not what the last look showed."""
    row = AccountRisk.objects.filter(account=account).first()
    title = f"{account}: level"
    if row is None:
        sentence = f"The risk of {account} has not been measured yet."
        return Line(ok=False, title=title, sentence=sentence, who="by itself")
    if row.breach:
        sentence = f"{account} is BREACH: its {row.breach} limit was broken{_on(row.breached_at)}."
        return Line(ok=False, title=title, sentence=sentence, who="not by itself: only a new period ends it")
    if row.total_locked_at is not None:
        used = f"80 % of its total limit was used{_on(row.total_locked_at)}"
        sentence = f"{account} is LOCKED: {used}. Reopen it first."
        return Line(ok=False, title=title, sentence=sentence, who="by you")
    if row.level == Level.BREACH:
        # Measured on a day whose start nobody can prove: nothing lasting hangs on it, and nothing is opened either.
        sentence = f"{account} lies below a floor on a day whose start is not proven."
        return Line(ok=False, title=title, sentence=sentence, who="by itself with the next prop-firm day")
    if row.daily_locked_on is not None and row.daily_locked_on >= account.programme.clock.day(now):
        sentence = f"{account} is LOCKED for the day: nothing opens before the next prop-firm day, exits pass"
        return Line(ok=True, title=title, sentence=sentence)
    return Line(ok=True, title=title, sentence=f"{account}: level {row.level.upper()}")


def _on(instant: datetime | None) -> str:
    return "" if instant is None else f" on {instant:%-d %B, %H:%M} UTC"


def mode_checklist(account: Account, mode: Mode, *, now: datetime) -> list[Line]:
    """Every condition of a step up to ``mode``, met or not."""
    lines = [_one_step(account, mode), _venue(account, mode)]
    if account.synthetic and mode.rank > Mode.PAPER.rank:
        sentence = f"{account} trades invented prices: it never goes above paper."
        lines.append(Line(ok=False, title="Real market", sentence=sentence, who="not by itself"))
    waiting = LifeAction.objects.filter(account=account, state=LifeState.ASKED).first()
    if waiting is not None:
        sentence = f"{waiting} ({waiting.kind}) of {account} is asked for and not carried out yet."
        lines.append(Line(ok=False, title="No step under way", sentence=sentence, who="by itself"))
    return [*lines, _desk(account, now), _unknown(account), _flatten(account), _level(account, now)]


def _one_step(account: Account, mode: Mode) -> Line:
    steps = mode.rank - Mode(account.mode).rank
    title = "One step at a time"
    if steps > 1:
        following = list(Mode)[Mode(account.mode).rank + 1]
        sentence = f"{account} is in mode {account.mode}; the next step up is {following}."
        return Line(ok=False, title=title, sentence=sentence, who="by you")
    return Line(ok=True, title=title, sentence=f"From {account.mode} to {mode}")


def _venue(account: Account, mode: Mode) -> Line:
    """Orders of a mode need a venue that takes them; this version has the paper venue."""
    title = "A venue for this mode"
    if mode.rank > Mode.PAPER.rank:
        sentence = (
            f"Mode {mode} needs a broker's venue, and the only one here is paper: the MT5 venue is missing."
        )
        return Line(ok=False, title=title, sentence=sentence, who="not by itself")
    return Line(ok=True, title=title, sentence=f"Mode {mode} trades at the venue {account.venue}")
