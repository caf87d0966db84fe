"""What stands on every page: the state bar's figures, read once a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone

from trading.core.headroom import LAST_MINUTES
from trading.core.types import ZERO, AccountView, Level, Position, TradingState
from trading.models import Account, Flatten
from trading.selectors import flattens, panel, risk
from trading.selectors.risk import HeadroomNow
from trading.services import kill_switch

ACCOUNT_CHOICE = "panel_account"
EQUITY_PROMISE = 5
HALT_RIGHT = "trading.change_killswitch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The state bar: whose numbers these are, what may happen, what may still be lost, and how old it is.

    room is None when the venue has not been seen, or when its view could not be worked out; then
    ``error`` says why.  closing: the order to close everything while it is not done.  positions and as_of
    are the venue's last view, also where the number is missing.
    """

    now: datetime
    day: panel.Day
    account: Account | None
    accounts: list[Account]
    effective: kill_switch.Effective
    room: HeadroomNow | None
    error: str
    closing: Flatten | None
    positions: tuple[Position, ...]
    as_of: datetime | None
    notice: str
    may_halt: bool
    may_resume: bool

    @property
    def halted(self) -> bool:
        return self.effective.state is TradingState.HALTED

    @property
    def synthetic(self) -> bool:
        return self.account is not None and self.account.synthetic

    @property
    def level(self) -> Level | None:
        """The level that counts: the stricter of what is measured and what is latched."""
        return None if self.room is None else self.room.level

    @property
    def lost(self) -> bool:
        """Whether the venue's view is missing or beyond four times its promise."""
        if self.as_of is None:
            return self.account is not None
        return (self.now - self.as_of).total_seconds() >= 4 * EQUITY_PROMISE

    @property
    def floating(self) -> Decimal:
        """The open result of all positions as the venue last showed it, in account currency."""
        return sum((position.profit + position.swap for position in self.positions), ZERO)

    @property
    def near_midnight(self) -> bool:
        """Whether the day is in the last hour, in which the coming floor counts as well."""
        return self.seconds_left <= LAST_MINUTES * 60

    @property
    def seconds_left(self) -> int:
        """Until the prop-firm day ends."""
        return max(int((self.day.end - self.now).total_seconds()), 0)

    @property
    def time_left(self) -> str:
        hours, rest = divmod(self.seconds_left, 3600)
        return f"{hours}:{rest // 60:02}:{rest % 60:02}"

    @property
    def danger(self) -> bool:
        """Whether the page is in its danger form: something cannot happen until something else does."""
        grave = self.level in (Level.LOCKED, Level.BREACH)
        return self.halted or grave or self.lost or bool(self.error) or self.closing is not None


def glance(request: HttpRequest) -> Glance:
    """The figures of the state bar; read at the first call of a request and kept."""
    kept: Glance | None = getattr(request, "panel_glance", None)
    if kept is None:
        kept = _read(request, now=timezone.now())
        request.panel_glance = kept  # type: ignore[attr-defined]  # kept for this request only
    return kept


def _read(request: HttpRequest, *, now: datetime) -> Glance:
    accounts = panel.accounts()
    asked = request.GET.get("account") or request.session.get(ACCOUNT_CHOICE)
    account = panel.shown(accounts, asked)
    room, error, view = _room(account, now=now)
    user = request.user
    return Glance(
        now=now,
        day=panel.day_of(account, now=now),
        account=account,
        accounts=accounts,
        effective=kill_switch.effective(account.pk if account else None),
        room=room,
        error=error,
        closing=flattens.open_of(account.pk) if account else None,
        positions=view.positions if view else (),
        as_of=view.as_of if view else None,
        notice=settings.CRPBOT.notice,
        may_halt=user.has_perm(HALT_RIGHT),
        may_resume=user.is_superuser,
    )


def _room(account: Account | None, *, now: datetime) -> tuple[HeadroomNow | None, str, AccountView | None]:
    """The headroom number, why there is none, and the view it is worked out from."""
    if account is None:
        return None, "", None
    view = None
    try:
        view = risk.view_of(account)
        room = None if view is None else risk.headroom_of(account, view=view, now=now)
    except (ValueError, ArithmeticError, LookupError, DatabaseError) as error:
        return None, str(error), view
    return room, "", view
