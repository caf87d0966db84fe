"""The runaway stop: too much at once, or too many losses in a row, halts an account until a person has looked."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from trading.core.runaway import crossed_by_entry, crossed_by_losses, crossed_by_message
from trading.core.types import TradingState
from trading.models import Account
from trading.selectors import runaway as runaway_selectors
from trading.services import events, kill_switch

BY = "runaway"


def check(account: Account, *, lots: Decimal, now: datetime) -> str:
    """Whether an order may leave as far as the counts go; "" when it may, else why, the account being HALTED then.

    Call it in the transaction of the claim, which holds the switch rows: the order that would cross a limit and
    the halt are one fact.  lots: of an entry; zero for a close or a cancel, which count as messages, may
    halt the account and are never refused.
    """
    counters = runaway_selectors.counters_of(account, now=now)
    limits = account.runaway_limits()
    entry = lots != 0
    why = crossed_by_entry(counters, lots, limits) if entry else crossed_by_message(counters, limits)
    if not why:
        return ""
    _halt(account, why, now=now)
    return why if entry else ""


def after_fills(account: Account, *, now: datetime) -> str:
    """Halt the account when its newest round trips were too many losses in a row; why, or ""."""
    why = crossed_by_losses(runaway_selectors.losses_of(account), account.runaway_limits())
    if why:
        _halt(account, why, now=now)
    return why


def _halt(account: Account, why: str, *, now: datetime) -> None:
    """HALTED by its own row; told once, not with every order that is refused afterwards."""
    halted = kill_switch.set_state(
        TradingState.HALTED, by=BY, reason=f"runaway stop: {why}", now=now, account_id=account.pk
    )
    if halted:
        events.record(
            "runaway",
            now=now,
            text=f"{account}: the runaway stop halted it: {why}. A person must look and resume it.",
            severity="error",
            by=BY,
            account_id=account.pk,
            data={"why": why},
        )
