"""Lists of what the strategies said: switches, signals, scans, outcomes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from trading.admin.base import EndlessAdmin, FactAdmin, KeptAdmin, opened_at
from trading.models import Outcome, Scan, Signal, StrategySwitch
from trading.selectors import signal_page, words


@admin.register(StrategySwitch)
class StrategySwitchAdmin(KeptAdmin):
    list_display = ("name", "enabled")
    readonly_fields = ("name",)


class StrategyFilter(admin.SimpleListFilter):
    """By strategy; the names come from the switches, the long table is not searched for them."""

    title = "strategy"
    parameter_name = "strategy"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in StrategySwitch.objects.values_list("name", flat=True)]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(strategy=self.value()) if self.value() else queryset


@admin.register(Signal)
class SignalAdmin(FactAdmin):
    list_display = (
        "__str__",
        "closed_at",
        "market",
        "badge",
        "side",
        "strategy",
        "tier",
        "answer",
        "entry",
        "stop",
        "target",
        "risk",
        "account",
    )
    list_filter = ("approved", "tier", "side", StrategyFilter, ("market", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=id", "strategy", "market__key")
    list_select_related = ("market", "account")
    date_hierarchy = "judged_at"
    ordering = ("-id",)

    @admin.display(description="gate", ordering="approved")
    def answer(self, signal: Signal) -> str:
        return words.answer(approved=signal.approved, codes=signal.codes)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        page = signal_page.read(object_id, now=timezone.now())
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "page": page})


@admin.register(Scan)
class ScanAdmin(EndlessAdmin):
    list_display = (
        "opening",
        "market",
        "badge",
        "strategy",
        "timeframe",
        "said",
        "note",
        "signal",
        "account",
    )
    list_filter = (StrategyFilter, ("market", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=reason", "=market__key")
    list_select_related = ("market", "account", "signal")
    ordering = ("-id",)
    sortable_by = ()

    @admin.display(description="candle")
    def opening(self, scan: Scan) -> datetime | None:
        return opened_at(scan.open_ms)

    @admin.display(description="answer")
    def said(self, scan: Scan) -> str:
        return words.reason(scan.reason)


@admin.register(Outcome)
class OutcomeAdmin(FactAdmin):
    list_display = (
        "signal",
        "market",
        "badge",
        "strategy",
        "state",
        "entry",
        "exit",
        "net_bp",
        "resolved_at",
    )
    list_filter = ("state", StrategyFilter, ("market", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=signal__id", "strategy", "market__key")
    list_select_related = ("signal", "market")
