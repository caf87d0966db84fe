"""Snapshots of an account's risk."""

from __future__ import annotations

from django.db import models

from trading.core.types import Level, Mode, TradingState
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
