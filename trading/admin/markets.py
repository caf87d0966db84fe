"""Lists of markets, candles and gaps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from trading.admin.base import EndlessAdmin, FactAdmin, KeptAdmin, opened_at
from trading.models import Candle, Coverage, Gap, Market, candle_id

_HELD_BY_THE_MARKET = (
    "key",
    "symbol",
    "source",
    "synthetic",
    "contract_size",
    "volume_min",
    "volume_max",
    "volume_step",
    "tick_size",
    "commission_rate",
    "spread_bp",
    "slippage_bp",
    "newest",
    "fetched_to",
    "refused_candles",
    "restated_candles",
    "unavailable_since",
    "unavailable_reason",
)


class MarketFilter(admin.SimpleListFilter):
    """One market at a time, so that the list is read by its key; the first enabled one by default."""

    title = "market"
    parameter_name = "market"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            (str(market.pk), str(market))
            for market in Market.objects.order_by("-enabled", "synthetic", "key")
        ]

    def value(self) -> str | None:
        chosen = super().value()
        known = [str(key) for key, _ in self.lookup_choices]
        if chosen in known:
            return chosen
        return known[0] if known else None

    def choices(self, changelist: Any) -> Any:
        for key, label in self.lookup_choices:
            yield {
                "selected": self.value() == str(key),
                "query_string": changelist.get_query_string({self.parameter_name: key}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        chosen = self.value()
        if chosen is None:
            return queryset.none()
        return queryset.filter(pk__gte=candle_id(int(chosen), 0), pk__lt=candle_id(int(chosen) + 1, 0))


@admin.register(Market)
class MarketAdmin(KeptAdmin):
    list_display = (
        "key",
        "badge",
        "source",
        "enabled",
        "newest",
        "refused_candles",
        "restated_candles",
        "ill",
    )
    list_filter = ("enabled", "synthetic")
    search_fields = ("key", "symbol", "source")
    fields = ("enabled", *_HELD_BY_THE_MARKET)
    readonly_fields = _HELD_BY_THE_MARKET

    @admin.display(description="newest candle")
    def newest(self, market: Market) -> datetime | None:
        return opened_at(market.newest_ms)

    @admin.display(description="fetched to")
    def fetched_to(self, market: Market) -> datetime | None:
        return opened_at(market.fetched_to_ms)

    @admin.display(description="not available", empty_value="")
    def ill(self, market: Market) -> str | None:
        return market.unavailable_reason or None


@admin.register(Candle)
class CandleAdmin(EndlessAdmin):
    list_display = ("minute", "market", "badge", "open", "high", "low", "close", "volume", "restated")
    list_display_links = ("minute",)
    list_filter = (MarketFilter,)
    list_select_related = ("market",)
    list_per_page = 60
    ordering = ("-id",)
    sortable_by = ()

    @admin.display(description="opening")
    def minute(self, candle: Candle) -> datetime | None:
        return opened_at(candle.open_ms)


@admin.register(Coverage)
class CoverageAdmin(FactAdmin):
    list_display = ("market", "badge", "start", "end")
    list_filter = (("market", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("market",)

    @admin.display(description="first minute asked for", ordering="start_ms")
    def start(self, stretch: Coverage) -> datetime | None:
        return opened_at(stretch.start_ms)

    @admin.display(description="first minute not asked for", ordering="end_ms")
    def end(self, stretch: Coverage) -> datetime | None:
        return opened_at(stretch.end_ms)


@admin.register(Gap)
class GapAdmin(FactAdmin):
    list_display = ("start", "end", "length", "market", "badge", "cause", "found_at")
    list_filter = ("kind", ("market", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("market",)

    @admin.display(description="first missing minute", ordering="start_ms")
    def start(self, gap: Gap) -> datetime | None:
        return opened_at(gap.start_ms)

    @admin.display(description="first minute after")
    def end(self, gap: Gap) -> datetime | None:
        return opened_at(gap.end_ms)

    @admin.display(description="minutes")
    def length(self, gap: Gap) -> int:
        return gap.minutes

    @admin.display(description="cause", ordering="kind")
    def cause(self, gap: Gap) -> str:
        return gap.get_kind_display()
