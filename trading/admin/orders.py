"""Lists of what was sent and what came of it."""

from __future__ import annotations

from decimal import Decimal

from django.contrib import admin

from trading.admin.base import EndlessAdmin, FactAdmin
from trading.models import Fill, Order, OrderIntent, PaperBook, PaperEntry, Trade


@admin.register(OrderIntent)
class OrderIntentAdmin(FactAdmin):
    list_display = (
        "__str__",
        "created_at",
        "account",
        "market",
        "badge",
        "action",
        "side",
        "lots",
        "stop",
        "target",
        "risk",
        "state",
        "signal",
        "answer",
    )
    list_filter = ("state", "action", "by_person", "account", ("market", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=id", "=signal__id", "ticket", "reason")
    list_select_related = ("account", "market", "signal")


@admin.register(Order)
class OrderAdmin(FactAdmin):
    list_display = ("__str__", "placed_at", "account", "market", "badge", "ticket", "intent", "adopted")
    list_filter = ("adopted", "account", ("market", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=id", "=ticket", "=intent__id")
    list_select_related = ("account", "market", "intent")


@admin.register(Trade)
class TradeAdmin(FactAdmin):
    list_display = (
        "__str__",
        "opened_at",
        "closed_at",
        "market",
        "badge",
        "side",
        "lots",
        "entry",
        "exit",
        "exit_reason",
        "result",
        "signal",
        "account",
    )
    list_filter = ("state", "exit_reason", "side", "account", ("market", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=id", "=ticket", "=signal__id", "market__key")
    list_select_related = ("account", "market", "signal")
    date_hierarchy = "opened_at"

    @admin.display(description="result after costs")
    def result(self, trade: Trade) -> Decimal:
        return trade.profit + trade.commission + trade.swap


@admin.register(Fill)
class FillAdmin(FactAdmin):
    list_display = (
        "__str__",
        "at",
        "account",
        "market",
        "badge",
        "entry",
        "side",
        "lots",
        "price",
        "profit",
        "commission",
        "swap",
        "trade",
        "reason",
    )
    list_filter = ("entry", "side", "account", ("market", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=id", "=ticket", "=deal")
    list_select_related = ("account", "market", "trade")


@admin.register(PaperBook)
class PaperBookAdmin(FactAdmin):
    list_display = ("account", "badge", "sequence", "fencing")
    list_select_related = ("account",)


@admin.register(PaperEntry)
class PaperEntryAdmin(EndlessAdmin):
    list_display = ("sequence", "book", "badge", "entry_kind", "ticket", "magic", "at")
    list_filter = ("book",)
    search_fields = ("=ticket", "=magic")
    list_select_related = ("book__account",)
    ordering = ("-id",)
    sortable_by = ()

    @admin.display(description="kind", ordering="kind")
    def entry_kind(self, entry: PaperEntry) -> str:
        return entry.kind
