"""What a step in an account's life does to its money, its day and its floors; nothing is open at such a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from trading.core.guards import CENT, finite, positive
from trading.core.headroom import LOCKED_FROM
from trading.core.programme import (
    Phase,
    Programme,
    TotalLossMode,
    daily_floor,
    effective_floor,
    first_day,
    total_floor,
    total_limit,
)
from trading.core.types import ZERO, DayStart

# The phase that follows when an objective is met; the Swing account is chosen, never reached by default.
NEXT_PHASE = {
    "ftmo-2-step-challenge": "ftmo-2-step-verification",
    "ftmo-2-step-verification": "ftmo-2-step-funded",
    "ftmo-1-step-challenge": "ftmo-1-step-funded",
}
# The most that a column of money holds, and far beyond any account.
MOST_MONEY = Decimal(10) ** 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where an account with nothing open stands at an instant of a prop-firm day; money in account currency."""

    programme: Programme
    initial: Decimal
    balance: Decimal
    day: DayStart

    @property
    def daily_floor(self) -> Decimal | None:
        """None when what it hangs on is not known."""
        return _known(lambda: daily_floor(self.day, self.initial, self.programme))

    @property
    def total_floor(self) -> Decimal | None:
        """None when what it hangs on is not known."""
        return _known(lambda: total_floor(self.day, self.initial, self.programme))

    @property
    def room(self) -> Decimal | None:
        """What may be lost before the nearer floor is reached, at least 0; None when a floor is not known."""
        floor = _known(lambda: effective_floor(self.day, self.initial, self.programme))
        return None if floor is None else max(self.balance - floor, ZERO)

    @property
    def target(self) -> Decimal | None:
        """The balance to be exceeded; None where the phase has no target."""
        share = self.programme.profit_target
        return None if share is None else (self.initial * (1 + share)).quantize(CENT)

    @property
    def total_locks(self) -> bool:
        """Whether 80 % of the total limit are used, or nobody can tell."""
        floor = self.total_floor
        if floor is None:
            return True
        return 1 - (self.balance - floor) / total_limit(self.initial, self.programme) >= LOCKED_FROM


def paid(stand: Stand, amount: Decimal, *, initial: Decimal | None = None) -> Stand:
    """The account after money was paid in (above 0) or out (below 0).

    The day's start moves by the amount, so that a payment is neither a loss nor a profit of the day. A payout
    of a programme that trails midnights begins its trail anew, as the firm does after a reward; every other
    trail stays where it is. Peaks rise with money that is paid in.
    initial: what the limits are a share of from now on, where the firm or the owner says so.
    Source: docs/accounts.md#payout.
    """
    moved = finite("amount", amount)
    balance = positive("balance after the payment", stand.balance + moved)
    begins_with = stand.initial if initial is None else positive("initial balance", initial)
    day = stand.day
    peak_balance, peak_equity = day.peak_balance, day.peak_equity
    if moved > ZERO:
        peak_balance += moved
        peak_equity = None if peak_equity is None else peak_equity + moved
    elif stand.programme.total_loss_mode is TotalLossMode.TRAILING_END_OF_DAY:
        peak_balance = peak_equity = max(begins_with, balance)
    return Stand(
        programme=stand.programme,
        initial=begins_with,
        balance=balance,
        day=replace(
            day,
            balance=day.balance + moved,
            equity=None if day.equity is None else day.equity + moved,
            peak_balance=max(peak_balance, begins_with),
            peak_equity=None if peak_equity is None else max(peak_equity, begins_with),
        ),
    )


def begun(*, programme: Programme, initial: Decimal, day: date) -> Stand:
    """An account that begins anew: its first day, with the initial balance and without a past.

    Source: docs/accounts.md#a-new-beginning.
    """
    start = first_day(day, initial)
    return Stand(programme=programme, initial=initial, balance=start.balance, day=start)


def money_mistake(what: str, value: object) -> str:
    """What is wrong with a sum that a person typed, in a sentence; "" when nothing is."""
    if not isinstance(value, Decimal) or not value.is_finite():
        return f"{what} must be a sum of money."
    if value <= ZERO:
        return f"{what} must be above 0."
    if value >= MOST_MONEY:
        return f"{what} is more than any account holds."
    if value != value.quantize(CENT):
        return f"{what} must be in whole cents."
    return ""


def follows(phase: Phase, before: Phase) -> bool:
    """Whether a phase comes after another one."""
    order = list(Phase)
    return order.index(Phase(phase)) > order.index(Phase(before))


def _known(work_out: Callable[[], Decimal]) -> Decimal | None:
    try:
        return work_out()
    except ValueError:
        return None
