"""Order intents, orders, fills, trades, and the paper venue's own book."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from trading.core.types import Action, ExitReason, IntentState, Side
from trading.models.account import Account
from trading.models.fields import fraction, lots, money, one_of, price, word
from trading.models.market import Market
from trading.models.signal import Signal


class OrderIntent(models.Model):
    """The wish to send one order, written before anything leaves; its number is the order's only identity."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    signal = models.ForeignKey(Signal, null=True, on_delete=models.PROTECT)
    action = word(Action)
    reason = models.CharField(max_length=40, help_text="signal, time, or who asked")
    by_person = models.BooleanField(default=False)
    side = word(Side, help_text="side of the order")
    lots = lots()
    stop = price(null=True)
    target = price(null=True)
    risk = money(default=0, help_text="loss if the stop is hit, costs included")
    ticket = models.CharField(
        max_length=40, blank=True, help_text="position that a close, or order that a cancel is for"
    )
    state = word(IntentState, default=IntentState.PENDING)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    fencing = models.BigIntegerField(null=True)
    settled_at = models.DateTimeField(null=True)
    swept_at = models.DateTimeField(null=True)
    clean_sweeps = models.PositiveSmallIntegerField(default=0)
    answer = models.CharField(max_length=300, blank=True, help_text="codes or the venue's words")

    class Meta:
        ordering = ("-id",)
        constraints = (
            one_of("state", IntentState, "intent_state"),
            one_of("action", Action, "intent_action"),
            one_of("side", Side, "intent_side"),
            models.UniqueConstraint(
                fields=("signal",), condition=models.Q(action="open"), name="one_entry_per_signal"
            ),
            models.UniqueConstraint(
                fields=("account", "ticket"),
                condition=models.Q(
                    action__in=("close", "cancel"), state__in=("pending", "sending", "unknown")
                ),
                name="one_close_at_a_time",
            ),
            models.CheckConstraint(
                condition=~models.Q(action="open") | models.Q(stop__isnull=False), name="entry_carries_stop"
            ),
            models.CheckConstraint(condition=models.Q(lots__gt=0), name="intent_has_lots"),
        )
        indexes = (
            models.Index(fields=("state", "account"), name="intent_state_account"),
            models.Index(fields=("account", "claimed_at"), name="intent_claimed"),
        )

    def __str__(self) -> str:
        return f"I-{self.pk}"


class Order(models.Model):
    """An order that a venue is known to have taken."""

    intent = models.OneToOneField(OrderIntent, on_delete=models.PROTECT)
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    ticket = models.CharField(max_length=40)
    placed_at = models.DateTimeField()
    adopted = models.BooleanField(default=False, help_text="found at the venue after its answer was lost")
    closed_at = models.DateTimeField(null=True, help_text="when the venue no longer held it as waiting")

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("account", "closed_at"), name="order_resting"),)

    def __str__(self) -> str:
        return f"O-{self.pk}"


class TradeState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Trade(models.Model):
    """A round trip, from its first fill to its last."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    signal = models.ForeignKey(Signal, null=True, on_delete=models.PROTECT)
    ticket = models.CharField(max_length=40)
    state = word(TradeState, default=TradeState.OPEN)
    side = word(Side)
    closed_lots = lots(default=0)  # named before the column `lots` hides the helper
    lots = lots()
    entry = price()
    stop = price(null=True)
    target = price(null=True)
    contract_size = fraction(null=True, help_text="of the market when it was opened")
    opened_at = models.DateTimeField()
    close_due_at = models.DateTimeField(null=True, help_text="the strategy's longest holding time ends")
    exit = price(null=True)
    closed_at = models.DateTimeField(null=True)
    exit_reason = models.CharField(
        max_length=12, choices=[(r.value, r.value) for r in ExitReason], blank=True
    )
    profit = money(default=0, help_text="without costs")
    commission = money(default=0)
    swap = money(default=0)
    risk = money(default=0, help_text="loss if the stop is hit, as decided at entry")
    synthetic = models.BooleanField(default=False)

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("account", "ticket"), name="trade_ticket_once"),
            one_of("state", TradeState, "trade_state"),
        )
        indexes = (models.Index(fields=("account", "state"), name="trade_open"),)

    def __str__(self) -> str:
        return f"T-{self.pk}"


class Fill(models.Model):
    """One deal as its venue booked it; append-only."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT)
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT)
    deal = models.CharField(max_length=40)
    ticket = models.CharField(max_length=40)
    entry = models.BooleanField()
    side = word(Side)
    lots = lots()
    price = price()
    profit = money()
    commission = money()
    swap = money()
    reason = models.CharField(max_length=12, blank=True)
    at = models.DateTimeField()
    booked_at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("account", "deal"), name="fill_once"),)

    def __str__(self) -> str:
        return f"F-{self.pk}"


class PaperBook(models.Model):
    """The paper venue's head: who may write to it, and its last number. It stands for a broker's own record."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT)
    fencing = models.BigIntegerField(default=0, help_text="an order with a lower number is refused")
    sequence = models.BigIntegerField(default=0)
    seen_to = models.JSONField(default=dict, help_text="market key: bars opening before this were simulated")

    def __str__(self) -> str:
        return f"paper book of {self.account_id}"


class PaperEntry(models.Model):
    """One line of the paper venue's book: an order taken or a deal made; append-only."""

    book = models.ForeignKey(PaperBook, on_delete=models.PROTECT)
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=8, help_text="order, deal, closed or balance")
    magic = models.BigIntegerField()
    ticket = models.CharField(max_length=40)
    body = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("sequence",)
        verbose_name_plural = "paper entries"
        constraints = (models.UniqueConstraint(fields=("book", "sequence"), name="paper_sequence_once"),)
        indexes = (models.Index(fields=("book", "magic"), name="paper_magic"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.ticket}"
