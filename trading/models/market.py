"""Markets, their candles, and what is known of minutes that have none."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from django.db import models

from trading.core.timeframes import MINUTE_MS
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
    margin_rate = fraction(default=1, help_text="margin as a fraction of notional, as the venue takes it")
    gap_buffer_bp = fraction(
        default=175, help_text="how far beyond its stop a fill is counted; covers 99.9 % of the worst minutes"
    )
    group = models.CharField(max_length=20, default="crypto", help_text="markets that fall together")
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
            margin_rate=self.margin_rate,
            group=self.group,
            gap_buffer_bp=self.gap_buffer_bp,
        )


MINUTES_A_MARKET = 2**32


def candle_id(market_id: int, milliseconds: int) -> int:
    """The key of a market's candle that opens at an instant, or of the first one that opens after it."""
    minute = -(-milliseconds // MINUTE_MS)
    return market_id * MINUTES_A_MARKET + min(max(minute, 0), MINUTES_A_MARKET - 1)


class CandleQuerySet(models.QuerySet["Candle"]):
    def stretch(self, market_id: int, start_ms: int, end_ms: int) -> Self:
        """A market's candles with ``start_ms <= open_ms < end_ms``, found by their key."""
        return self.filter(pk__gte=candle_id(market_id, start_ms), pk__lt=candle_id(market_id, end_ms))


class Candle(models.Model):
    """A closed one-minute bar exactly as its source gave it; restated bars are counted.

    Its key is made of market and minute: one index keeps them unique, in order and found, which makes
    storing a million of them twice as fast. Look candles up with ``objects.stretch``, never by market
    or opening alone.
    """

    id = models.BigAutoField(primary_key=True)
    # The writer holds the market's row: a check of the reference for each of a million rows adds nothing.
    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_index=False, db_constraint=False)
    open_ms = models.BigIntegerField(help_text="opening, epoch milliseconds")
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField()
    restated = models.PositiveSmallIntegerField(default=0)

    objects = CandleQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(
                    id=models.F("market_id") * MINUTES_A_MARKET + models.F("open_ms") / MINUTE_MS
                ),
                name="candle_named_by_its_minute",
            ),
            models.CheckConstraint(
                condition=models.Q(low__gt=0, high__gte=models.F("low")), name="candle_sane"
            ),
        )

    def __str__(self) -> str:
        return f"{self.opened_at:%Y-%m-%d %H:%M}"

    def save(self, **options: Any) -> None:
        self.pk = candle_id(self.market_id, self.open_ms)
        super().save(**options)

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
            models.CheckConstraint(
                condition=models.Q(end_ms__gt=models.F("start_ms")), name="gap_has_length"
            ),
            one_of("kind", GapKind, "gap_kind"),
        )

    def __str__(self) -> str:
        return f"{utc_from_ms(self.start_ms):%Y-%m-%d %H:%M}, {self.minutes} min, {self.kind}"

    @property
    def minutes(self) -> int:
        return (self.end_ms - self.start_ms) // MINUTE_MS
