"""Strategies, scans, signals and what became of them."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from trading.core.types import Side, Tier, utc_from_ms
from trading.models.account import Account, ProgrammeVersion
from trading.models.fields import fraction, lots, money, one_of, price, word
from trading.models.market import Market


class StrategySwitch(models.Model):
    """Whether a strategy is asked; switchable while running."""

    name = models.SlugField(max_length=40, unique=True)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "strategy switches"

    def __str__(self) -> str:
        return f"{self.name}: {'on' if self.enabled else 'off'}"


class Signal(models.Model):
    """A strategy's wish and the gate's answer, written once and never changed."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    strategy = models.CharField(max_length=40)
    timeframe = models.CharField(max_length=4)
    open_ms = models.BigIntegerField(help_text="opening of the judged candle")
    closed_at = models.DateTimeField()
    judged_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    side = word(Side)
    entry = price()
    stop = price()
    target = price()
    cap_seconds = models.PositiveIntegerField()
    tier = word(Tier)
    confidence = fraction(null=True)
    confidence_low = fraction(null=True)
    confidence_high = fraction(null=True)
    confidence_n = models.PositiveIntegerField(default=0)
    expected_value_bp = fraction(null=True)
    unproven = models.BooleanField(default=True)
    synthetic = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True)
    approved = models.BooleanField()
    codes = models.JSONField(default=list, help_text="refusal codes in rule order; empty when approved")
    checks = models.JSONField(default=list, help_text="every rule with its answer")
    lots = lots(default=0)
    risk = money(default=0)
    programme = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT)

    class Meta:
        ordering = ("-open_ms", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "market", "strategy", "timeframe", "open_ms"), name="signal_once_per_slot"
            ),
            one_of("side", Side, "signal_side"),
            one_of("tier", Tier, "signal_tier"),
        )
        indexes = (models.Index(fields=("account", "approved", "judged_at"), name="signal_rate"),)

    def __str__(self) -> str:
        return f"S-{self.pk}"


class Scan(models.Model):
    """The one result of one slot: a signal, or the reason why there was none."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False)
    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_index=False)
    strategy = models.CharField(max_length=40)
    timeframe = models.CharField(max_length=4)
    open_ms = models.BigIntegerField()
    judged_at = models.DateTimeField()
    reason = models.CharField(max_length=40, help_text="signal, or the code of why there was none")
    note = models.CharField(max_length=200, blank=True)
    signal = models.ForeignKey(Signal, null=True, on_delete=models.PROTECT)

    class Meta:
        ordering = ("-open_ms", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "market", "strategy", "timeframe", "open_ms"), name="scan_once_per_slot"
            ),
        )

    def __str__(self) -> str:
        return f"{utc_from_ms(self.open_ms):%Y-%m-%d %H:%M} {self.strategy}: {self.reason}"


class OutcomeState(StrEnum):
    FOLLOWING = "following"
    TARGET = "target"
    STOP = "stop"
    TIMEOUT = "timeout"
    UNJUDGED = "unjudged"


class Outcome(models.Model):
    """What happened to a signal's bracket, taken or not; final once resolved."""

    signal = models.OneToOneField(Signal, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    strategy = models.CharField(max_length=40)
    state = word(OutcomeState, default=OutcomeState.FOLLOWING)
    seen_to_ms = models.BigIntegerField(help_text="bars opening before this have been looked at")
    entry = price(null=True)
    entered_ms = models.BigIntegerField(null=True)
    exit = price(null=True)
    resolved_at = models.DateTimeField(null=True)
    net_bp = fraction(null=True, help_text="result after costs, in basis points of the entry")

    class Meta:
        ordering = ("-id",)
        constraints = (one_of("state", OutcomeState, "outcome_state"),)
        indexes = (
            models.Index(fields=("state", "market"), name="outcome_following"),
            models.Index(fields=("strategy", "market", "state"), name="outcome_rate"),
        )

    def __str__(self) -> str:
        return f"S-{self.signal_id}: {self.state}"
