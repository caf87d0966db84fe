"""Snapshots of an account's risk, what of it stays, and the order to close everything."""

from __future__ import annotations

from django.db import models

from trading.core.types import Breach, Level, Mode, TradingState
from trading.models.account import Account, ProgrammeVersion
from trading.models.fields import fraction, money, one_of, word


class RiskSnapshot(models.Model):
    """An account's risk at an instant; never changed, pruned with age."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    at = models.DateTimeField()
    trigger = models.CharField(max_length=20, help_text="hourly, or what changed")
    mode = word(Mode)
    state = word(TradingState)
    balance = money()
    equity = money()
    day = models.DateField()
    day_start_balance = money()
    daily_floor = money()
    total_floor = money()
    next_floor = money(null=True, help_text="as it will hold from the coming midnight if nothing closes")
    worst_case = money()
    pending_risk = money()
    unknown_risk = money()
    headroom = money()
    used_daily = fraction()
    used_total = fraction()
    level = word(Level)
    open_positions = models.PositiveSmallIntegerField()
    programme = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT)
    synthetic = models.BooleanField(default=False)

    class Meta:
        ordering = ("-at", "-id")
        get_latest_by = "at"
        constraints = (one_of("level", Level, "snapshot_level"),)
        indexes = (models.Index(fields=("account", "-at"), name="snapshot_latest"),)

    def __str__(self) -> str:
        return f"{self.account_id} {self.at:%Y-%m-%d %H:%M:%S} {self.level}"


class AccountRisk(models.Model):
    """What stays of an account's worst moments until a day, a person or a new period ends it.

    The desk alone tightens it; only a person loosens it. Money that was lost does not come back by waiting.
    """

    account = models.OneToOneField(Account, on_delete=models.PROTECT)
    level = word(Level, default=Level.GREEN)
    level_since = models.DateTimeField(null=True)
    daily_locked_on = models.DateField(
        null=True, blank=True, help_text="prop-firm day that used 80 % of its limit"
    )
    total_locked_at = models.DateTimeField(
        null=True, blank=True, help_text="80 % of the total limit used; until a person reopens"
    )
    breach = models.CharField(
        max_length=12, choices=[(b.value, b.value) for b in Breach if b], blank=True, help_text="for good"
    )
    breached_at = models.DateTimeField(null=True, blank=True)
    peak_equity = money(null=True, blank=True, help_text="highest equity seen in this period")
    midnight_warned_on = models.DateField(null=True, blank=True)
    unseen_since = models.DateTimeField(null=True, blank=True, help_text="no fresh view of it since")
    losses_from = models.DateTimeField(null=True, blank=True, help_text="losses in a row count from here")

    class Meta:
        verbose_name_plural = "account risks"
        constraints = (one_of("level", Level, "account_risk_level"),)

    def __str__(self) -> str:
        return f"{self.account_id} {self.level}"


class Flatten(models.Model):
    """The order to cancel and close everything of an account; the desk does it before anything else."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=300)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("account",), condition=models.Q(done_at=None), name="one_open_flatten"
            ),
        )

    def __str__(self) -> str:
        return f"K-{self.pk}"
