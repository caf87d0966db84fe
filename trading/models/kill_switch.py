"""The kill switch and the leases: who may act."""

from __future__ import annotations

from django.db import models
from django.db.models import functions

from trading.core.types import TradingState
from trading.models.account import Account
from trading.models.fields import one_of, word


class KillSwitch(models.Model):
    """One global row (no account) and one row per account; the strictest counts, a missing one is HALTED."""

    account = models.OneToOneField(Account, null=True, blank=True, on_delete=models.PROTECT)
    state = word(TradingState, default=TradingState.HALTED)
    reason = models.CharField(max_length=300)
    changed_by = models.CharField(max_length=150)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ("account_id",)
        verbose_name_plural = "kill switches"
        constraints = (
            one_of("state", TradingState, "kill_switch_state"),
            models.UniqueConstraint(
                functions.Coalesce("account_id", models.Value(0)), name="one_switch_each"
            ),
        )

    def __str__(self) -> str:
        return f"{self.account or 'all accounts'}: {self.state}"


class Lease(models.Model):
    """A role that only one process may hold; ``fencing`` grows with every change of holder."""

    name = models.SlugField(primary_key=True, max_length=40)
    owner = models.CharField(max_length=120)
    fencing = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField()
    renewed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.owner} #{self.fencing}"


class DeskStatus(models.Model):
    """What the desk last said of one account: ready to send, or why not."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT)
    ready = models.BooleanField(default=False)
    reason = models.CharField(max_length=300)
    reconciled_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(help_text="when the venue's view was read")
    balance = models.DecimalField(max_digits=14, decimal_places=2, null=True)
    equity = models.DecimalField(max_digits=14, decimal_places=2, null=True)
    positions = models.JSONField(default=list, help_text="open positions as the venue showed them")

    class Meta:
        verbose_name_plural = "desk statuses"

    def __str__(self) -> str:
        return f"{self.account_id}: {'ready' if self.ready else self.reason}"
