"""Lists of an account's life: its periods, what people asked for, money in and out, what stays of its risk."""

from __future__ import annotations

from django.contrib import admin

from trading.admin.base import FactAdmin
from trading.models import AccountPeriod, AccountRisk, BalanceOperation, Flatten, LifeAction


@admin.register(AccountPeriod)
class AccountPeriodAdmin(FactAdmin):
    """Periods follow each other by the guided actions of the panel, never by an edit."""

    list_display = (
        "__str__",
        "account",
        "badge",
        "began_by",
        "began_at",
        "ended_at",
        "number",
        "programme",
        "initial_balance",
        "opening_balance",
        "closing_balance",
    )
    list_filter = ("account", "began_by")
    list_select_related = ("account", "programme__profile")
    ordering = ("-id",)


@admin.register(LifeAction)
class LifeActionAdmin(FactAdmin):
    list_display = (
        "__str__",
        "account",
        "badge",
        "kind",
        "state",
        "asked_at",
        "asked_by",
        "reason",
        "done_at",
        "answer",
    )
    list_filter = ("account", "kind", "state")
    list_select_related = ("account",)


@admin.register(BalanceOperation)
class BalanceOperationAdmin(FactAdmin):
    list_display = ("__str__", "at", "account", "badge", "amount", "deal", "action", "booked_at")
    list_filter = ("account",)
    search_fields = ("=deal",)
    list_select_related = ("account", "action")


@admin.register(AccountRisk)
class AccountRiskAdmin(FactAdmin):
    """What is latched; reopening has a page of its own, a breach is never reopened."""

    list_display = (
        "account",
        "badge",
        "level",
        "level_since",
        "daily_locked_on",
        "total_locked_at",
        "breach",
        "breached_at",
        "peak_equity",
        "losses_from",
    )
    list_filter = ("level",)
    list_select_related = ("account",)


@admin.register(Flatten)
class FlattenAdmin(FactAdmin):
    list_display = ("__str__", "account", "badge", "asked_at", "asked_by", "reason", "done_at")
    list_filter = ("account",)
    list_select_related = ("account",)
