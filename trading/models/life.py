"""What people do to an account's life, and the money that is paid in and out."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from trading.models.account import Account, AccountPeriod
from trading.models.fields import money, one_of, word


class LifeKind(StrEnum):
    """The guided actions of an account's life."""

    PHASE_UP = "phase_up"
    PAYOUT = "payout"
    DEPOSIT = "deposit"
    RESET = "reset"
    NEW_LOGIN = "new_login"


class LifeState(StrEnum):
    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


class LifeAction(models.Model):
    """A step in an account's life that a person asked for; the desk carries it out once nothing is open."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    kind = word(LifeKind)
    state = word(LifeState, default=LifeState.ASKED)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=300)
    body = models.JSONField(default=dict, help_text="amount, initial, programme and number; money as strings")
    done_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            one_of("kind", LifeKind, "life_kind"),
            one_of("state", LifeState, "life_state"),
            models.UniqueConstraint(
                fields=("account",), condition=models.Q(state="asked"), name="one_life_action_at_a_time"
            ),
        )

    def __str__(self) -> str:
        return f"L-{self.pk}"


class BalanceOperation(models.Model):
    """Money paid in (above 0) or out (below 0) as the venue booked it; append-only."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    period = models.ForeignKey(AccountPeriod, on_delete=models.PROTECT)
    action = models.ForeignKey(LifeAction, null=True, on_delete=models.PROTECT)
    deal = models.CharField(max_length=40)
    amount = money()
    at = models.DateTimeField()
    booked_at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("account", "deal"), name="balance_operation_once"),)

    def __str__(self) -> str:
        return f"B-{self.pk}"
