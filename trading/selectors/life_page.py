"""An account's life as its page shows it: periods, steps that people asked for, money in and out."""

from __future__ import annotations

from trading.models import AccountPeriod, BalanceOperation, LifeAction, LifeState, ProgrammeProfile

SHOWN = 20


def waiting(account_id: int) -> LifeAction | None:
    """The step that the desk has not carried out yet."""
    return LifeAction.objects.filter(account_id=account_id, state=LifeState.ASKED).first()


def action(account_id: int, action_id: int) -> LifeAction | None:
    """One step of the account; None when it has none of this number."""
    return LifeAction.objects.filter(account_id=account_id, pk=action_id).first()


def actions(account_id: int) -> list[LifeAction]:
    """Steps that people asked for, newest first."""
    return list(LifeAction.objects.filter(account_id=account_id)[:SHOWN])


def periods(account_id: int) -> list[AccountPeriod]:
    """The stretches of the account's life, the present one first."""
    rows = AccountPeriod.objects.filter(account_id=account_id).select_related("programme__profile")
    return list(rows[:SHOWN])


def payments(account_id: int) -> list[BalanceOperation]:
    """Money paid in and out, newest first."""
    rows = BalanceOperation.objects.filter(account_id=account_id).select_related("action", "period")
    return list(rows[:SHOWN])


def programmes() -> list[ProgrammeProfile]:
    """Every programme by its title."""
    return list(ProgrammeProfile.objects.order_by("firm", "title"))
