"""Markets, their candles, and what is known of minutes that have none."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.db import models

from trading.core.types import Instrument, utc_from_ms
from trading.models.fields import fraction, lots, one_of, price, word


class Market(models.Model):
    """One symbol at one source; the same coin at another exchange or in another quote is another market."""

    key = models.CharField(max_length=40, unique=True)
    symbol = models.CharField(max_length=24, help_text="the source's own name for it")
    source = models.CharField(max_length=40, help_text="name of the feed")
    synthetic = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    contract_size = fraction(default=1)
    volume_min = lots(default="0.01")
    volume_max = lots(default="5")
    volume_step = lots(default="0.01")
    tick_size = price(default="0.01")
    commission_rate = fraction(default="0.000325", help_text="fraction of notional per side")
    spread_bp = fraction(default="2.5")
    slippage_bp = fraction(default="0.5")
    fetched_to_ms = models.BigIntegerField(
        null=True, help_text="every closed minute opening before this is stored or known to be without trades"
    )
    newest_ms = models.BigIntegerField(null=True, help_text="opening of the newest stored candle")
    refused_candles = models.PositiveIntegerField(default=0)
    restated_candles = models.PositiveIntegerField(default=0)
    unavailable_since = models.DateTimeField(null=True, blank=True)
    unavailable_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("synthetic", "key")

    def __str__(self) -> str:
        return f"{self.key} SYNTHETIC" if self.synthetic else self.key

    @property
    def label(self) -> str:
        """The name for people; it says SYNTHETIC where prices are made up."""
        return str(self)

    def instrument(self) -> Instrument:
        return Instrument(
            symbol=self.key,
            contract_size=self.contract_size,
            volume_min=self.volume_min,
            volume_max=self.volume_max,
            volume_step=self.volume_step,
            tick_size=self.tick_size,
            commission_rate=self.commission_rate,
            spread_bp=self.spread_bp,
            slippage_bp=self.slippage_bp,
        )


class Candle(models.Model):
    """A closed one-minute bar exactly as its source gave it; restated bars are counted."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_index=False)
    open_ms = models.BigIntegerField(help_text="opening, epoch milliseconds")
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField()
    restated = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("-open_ms",)
        constraints = (
            models.UniqueConstraint(fields=("market", "open_ms"), name="candle_once"),
            models.CheckConstraint(condition=models.Q(low__gt=0, high__gte=models.F("low")), name="candle_sane"),
        )

    def __str__(self) -> str:
        return f"{self.opened_at:%Y-%m-%d %H:%M}"

    @property
    def opened_at(self) -> datetime:
        return utc_from_ms(self.open_ms)


class Coverage(models.Model):
    """A stretch of minutes the source was asked about: what is missing inside is a gap, outside it is unknown.

    Stretches of one market neither overlap nor touch: what grows together is one row.
    """

    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    start_ms = models.BigIntegerField(help_text="first minute asked for")
    end_ms = models.BigIntegerField(help_text="first minute not asked for yet")

    class Meta:
        ordering = ("market", "start_ms")
        verbose_name_plural = "coverage"
        constraints = (
            models.UniqueConstraint(fields=("market", "start_ms"), name="coverage_once"),
            models.CheckConstraint(
                condition=models.Q(end_ms__gt=models.F("start_ms")), name="coverage_has_length"
            ),
        )

    def __str__(self) -> str:
        return f"{utc_from_ms(self.start_ms):%Y-%m-%d %H:%M} to {utc_from_ms(self.end_ms):%Y-%m-%d %H:%M}"


class GapKind(StrEnum):
    NO_TRADES = "no_trades"
    OUTAGE = "outage"


class Gap(models.Model):
    """A stretch of minutes without candles, with what is known of its cause; minutes never asked for are no gap."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    start_ms = models.BigIntegerField(help_text="first missing minute")
    end_ms = models.BigIntegerField(help_text="first minute after the gap")
    kind = word(GapKind)
    found_at = models.DateTimeField()

    class Meta:
        ordering = ("-start_ms",)
        constraints = (
            models.UniqueConstraint(fields=("market", "start_ms"), name="gap_once"),
            models.CheckConstraint(condition=models.Q(end_ms__gt=models.F("start_ms")), name="gap_has_length"),
            one_of("kind", GapKind, "gap_kind"),
        )

    def __str__(self) -> str:
        return f"{utc_from_ms(self.start_ms):%Y-%m-%d %H:%M}, {self.minutes} min, {self.kind}"

    @property
    def minutes(self) -> int:
        return (self.end_ms - self.start_ms) // 60_000
