"""Programmes, accounts and the balance that each prop-firm day started with."""

from __future__ import annotations

from datetime import timedelta

from django.db import models

from trading.core.midnight import MidnightAction
from trading.core.programme import DailyBasis, DailyReference, Phase, Programme, TotalLossMode
from trading.core.runaway import RunawayLimits
from trading.core.timeframes import DayClock
from trading.core.types import Limits, Mode
from trading.models.fields import fraction, lots, money, one_of, word


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
    daily_basis = word(DailyBasis, default=DailyBasis.INITIAL)
    daily_reference = word(DailyReference, default=DailyReference.BALANCE)
    daily_counts_open = models.BooleanField(
        default=True, help_text="open profit and loss counts to the daily limit"
    )
    zone = models.CharField(max_length=40)
    day_shift_hours = models.SmallIntegerField(default=0, help_text="the day begins so long before midnight")
    best_day_share = fraction(null=True, blank=True)
    news_minutes = models.PositiveSmallIntegerField(default=0)
    flat_before_closure = models.BooleanField(default=False)
    gap_hours = models.PositiveSmallIntegerField(default=2)
    swing = models.BooleanField(default=False)

    class Meta:
        ordering = ("profile__name", "-effective_from")
        constraints = (
            models.UniqueConstraint(fields=("profile", "version"), name="programme_version_once"),
            one_of("daily_basis", DailyBasis, "programme_daily_basis"),
            one_of("daily_reference", DailyReference, "programme_daily_reference"),
            one_of("total_loss_mode", TotalLossMode, "programme_total_loss_mode"),
        )

    def __str__(self) -> str:
        return f"{self.profile.name} v{self.version}"

    @property
    def clock(self) -> DayClock:
        """When the days of this programme begin."""
        return DayClock(self.zone, timedelta(hours=self.day_shift_hours))

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
            daily_basis=DailyBasis(self.daily_basis),
            daily_reference=DailyReference(self.daily_reference),
            daily_counts_open=self.daily_counts_open,
            zone=self.zone,
            day_shift=timedelta(hours=self.day_shift_hours),
            best_day_share=self.best_day_share,
            news_minutes=self.news_minutes,
            flat_before_closure=self.flat_before_closure,
            gap_hours=self.gap_hours,
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
    max_group_risk = fraction(
        default="0.02", help_text="of the initial balance, lost together by one direction of a group"
    )
    max_margin_share = fraction(default="0.9", help_text="of the free margin that one order may take")
    max_position_share = fraction(
        null=True, blank=True, help_text="notional of one market, of equity; spot and generic accounts"
    )
    min_order_value = money(null=True, blank=True, help_text="notional; spot and generic accounts")
    max_order_value = money(null=True, blank=True, help_text="notional; spot and generic accounts")
    cash_reserve = fraction(
        null=True, blank=True, help_text="of equity that stays unspent; spot and generic accounts"
    )
    basis_limit_bp = fraction(default="12", help_text="how far the venue may be from the signal's price")
    messages_per_day = models.PositiveIntegerField(default=2000, help_text="the firm's limit")
    orders_per_minute = models.PositiveSmallIntegerField(default=10)
    orders_per_hour = models.PositiveSmallIntegerField(default=60)
    orders_per_day = models.PositiveSmallIntegerField(default=200)
    lots_per_day = lots(default=100)
    losses_in_row = models.PositiveSmallIntegerField(default=10)
    midnight_action = word(MidnightAction, default=MidnightAction.REDUCE)
    midnight_minutes = models.PositiveSmallIntegerField(
        default=10, help_text="it acts so long before midnight; it warns from 60 on"
    )
    lock_flattens = models.BooleanField(
        default=True, help_text="close everything once equity itself has used 80 % of a limit"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("synthetic", "name")
        constraints = (
            one_of("mode", Mode, "account_mode"),
            one_of("midnight_action", MidnightAction, "account_midnight_action"),
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
            max_group_risk=self.max_group_risk,
            max_margin_share=self.max_margin_share,
            messages_per_day=self.messages_per_day,
            basis_limit_bp=self.basis_limit_bp,
            max_position_share=self.max_position_share,
            min_order_value=self.min_order_value,
            max_order_value=self.max_order_value,
            cash_reserve=self.cash_reserve,
        )

    def runaway_limits(self) -> RunawayLimits:
        """From how many orders, lots or losses on the desk stops itself."""
        return RunawayLimits(
            orders_per_minute=self.orders_per_minute,
            orders_per_hour=self.orders_per_hour,
            orders_per_day=self.orders_per_day,
            lots_per_day=self.lots_per_day,
            messages_per_day=self.messages_per_day,
            losses_in_row=self.losses_in_row,
        )


class AccountPeriod(models.Model):
    """One stretch of an account's life under one login, phase and starting balance; the open one is the present.

    Floors and peaks are counted from its beginning; what lies before it is history.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="periods")
    sequence = models.PositiveIntegerField()
    began_by = models.CharField(
        max_length=20, help_text="opened, phase_up, payout, deposit, reset or new_login"
    )
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    number = models.CharField(max_length=40, help_text="login at the venue")
    programme = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT)
    initial_balance = money()
    opening_balance = money(help_text="balance at its first instant")
    closing_balance = money(null=True)

    class Meta:
        ordering = ("-sequence",)
        constraints = (
            models.UniqueConstraint(fields=("account", "sequence"), name="period_once"),
            models.UniqueConstraint(
                fields=("account",), condition=models.Q(ended_at=None), name="one_open_period"
            ),
        )

    def __str__(self) -> str:
        return f"{self.account_id} period {self.sequence}"


class AccountDay(models.Model):
    """What a prop-firm day of a period began with, and how it is known."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    period = models.ForeignKey(AccountPeriod, on_delete=models.PROTECT)
    day = models.DateField(help_text="in the programme's zone")
    balance = money(help_text="at its first instant, moved by money paid in or out since")
    peak_balance = money(help_text="highest balance at any day start of the period, the initial one included")
    equity = money(null=True, help_text="at its first instant; empty when nobody saw it")
    proven = models.BooleanField()
    how = models.CharField(max_length=20, help_text="first_day, seen, reconstructed or unproven")
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ("-day", "-id")
        constraints = (models.UniqueConstraint(fields=("period", "day"), name="account_day_once"),)

    def __str__(self) -> str:
        return f"{self.account_id} {self.day}: {self.balance}"
