"""Programmes, accounts and the balance that each prop-firm day started with."""

from __future__ import annotations

from datetime import timedelta

from django.db import models

from trading.core.programme import Phase, Programme, TotalLossMode
from trading.core.types import Limits, Mode
from trading.models.fields import fraction, money, one_of, word


class ProgrammeProfile(models.Model):
    """A prop firm's product and phase; its numbers live in versions."""

    name = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    firm = models.CharField(max_length=60)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.title


class ProgrammeVersion(models.Model):
    """The numbers of a programme from a date on; a version that was judged under is never edited."""

    profile = models.ForeignKey(ProgrammeProfile, on_delete=models.PROTECT, related_name="versions")
    version = models.PositiveSmallIntegerField()
    phase = models.CharField(max_length=20)
    effective_from = models.DateField()
    verified_on = models.DateField()
    source = models.CharField(max_length=200)
    daily_loss = fraction()
    total_loss = fraction()
    total_loss_mode = models.CharField(max_length=30)
    profit_target = fraction(null=True)
    min_trading_days = models.PositiveSmallIntegerField(default=0)
    zone = models.CharField(max_length=40)
    swing = models.BooleanField(default=False)

    class Meta:
        ordering = ("profile__name", "-effective_from")
        constraints = (models.UniqueConstraint(fields=("profile", "version"), name="programme_version_once"),)

    def __str__(self) -> str:
        return f"{self.profile.name} v{self.version}"

    def programme(self) -> Programme:
        """The pure form of this row; ValueError for words the core does not know."""
        return Programme(
            name=self.profile.name,
            title=self.profile.title,
            firm=self.profile.firm,
            phase=Phase(self.phase),
            version=self.version,
            effective_from=self.effective_from,
            verified_on=self.verified_on,
            source=self.source,
            daily_loss=self.daily_loss,
            total_loss=self.total_loss,
            total_loss_mode=TotalLossMode(self.total_loss_mode),
            profit_target=self.profit_target,
            min_trading_days=self.min_trading_days,
            zone=self.zone,
            swing=self.swing,
        )


class Account(models.Model):
    """One trading account: where its orders go, how far it may go, and under which rules."""

    name = models.CharField(max_length=60, unique=True)
    number = models.CharField(max_length=40, unique=True)
    venue = models.CharField(max_length=20, default="paper")
    mode = word(Mode, default=Mode.OBSERVE)
    source = models.CharField(max_length=40, help_text="it trades the markets of this feed")
    synthetic = models.BooleanField(default=False)
    currency = models.CharField(max_length=3, default="USD")
    initial_balance = money()
    programme = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT)
    risk_per_trade = fraction(default="0.005", help_text="fraction of the initial balance")
    max_positions = models.PositiveSmallIntegerField(default=3)
    signals_per_hour = models.PositiveSmallIntegerField(default=10)
    high_per_hour = models.PositiveSmallIntegerField(default=5)
    cool_down_minutes = models.PositiveSmallIntegerField(default=15)
    signal_ttl_seconds = models.PositiveSmallIntegerField(default=90)
    gap_buffer_bp = fraction(default="10")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("synthetic", "name")
        constraints = (
            one_of("mode", Mode, "account_mode"),
            models.CheckConstraint(condition=models.Q(initial_balance__gt=0), name="account_has_money"),
            models.CheckConstraint(
                condition=models.Q(synthetic=False) | models.Q(mode__in=("observe", "paper")),
                name="synthetic_account_never_goes_up",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} SYNTHETIC" if self.synthetic else self.name

    def limits(self) -> Limits:
        """The account's own numbers, before the owner's ceilings."""
        return Limits(
            risk_per_trade=self.risk_per_trade,
            max_positions=self.max_positions,
            signals_per_hour=self.signals_per_hour,
            high_per_hour=self.high_per_hour,
            cool_down=timedelta(minutes=self.cool_down_minutes),
            signal_ttl=timedelta(seconds=self.signal_ttl_seconds),
            gap_buffer_bp=self.gap_buffer_bp,
        )


class AccountDay(models.Model):
    """The balance at the first instant of a prop-firm day, and how it is known."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    day = models.DateField(help_text="in the programme's zone")
    balance = money()
    peak_balance = money(help_text="highest balance at any day start so far, the initial one included")
    proven = models.BooleanField()
    how = models.CharField(max_length=20, help_text="first_day, seen or reconstructed")
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ("-day",)
        constraints = (models.UniqueConstraint(fields=("account", "day"), name="account_day_once"),)

    def __str__(self) -> str:
        return f"{self.account_id} {self.day}: {self.balance}"
