"""Lists of accounts, their days and the programmes they are judged under."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin

from trading.admin.base import FactAdmin, KeptAdmin
from trading.core.types import Mode
from trading.models import Account, AccountDay

_LIMITS = (
    "risk_per_trade",
    "max_positions",
    "signals_per_hour",
    "high_per_hour",
    "cool_down_minutes",
    "signal_ttl_seconds",
)
_FACTS = (
    "name",
    "number",
    "venue",
    "source",
    "synthetic",
    "currency",
    "initial_balance",
    "programme",
    "gap_buffer_bp",
    "created_at",
)
# The owner's ceiling of each limit; a limit that grows safer upwards has a floor instead.
_CEILINGS = {
    "risk_per_trade": "max_risk_per_trade",
    "max_positions": "max_positions",
    "signals_per_hour": "max_signals_per_hour",
    "high_per_hour": "max_high_per_hour",
    "signal_ttl_seconds": "signal_ttl_seconds",
}
_FLOORS = {"cool_down_minutes": "cool_down_minutes"}


class AccountForm(forms.ModelForm):
    """The limits of an account: tighter than the owner's ceilings, and a mode that only goes down."""

    class Meta:
        model = Account
        fields = ("mode", *_LIMITS)
        help_texts = {
            "mode": "only down: `manage.py mode` raises it again, with a reason and a typed word",
            "high_per_hour": "approved High signals an hour",
            "signals_per_hour": "approved signals an hour",
            "cool_down_minutes": "least time between two approved signals of one market",
            "signal_ttl_seconds": "longest life of a signal, from the close of its candle",
        }

    def clean_mode(self) -> str:
        asked, held = Mode(self.cleaned_data["mode"]), Mode(self.initial["mode"])
        if asked.rank > held.rank:
            raise forms.ValidationError(
                f"The mode goes down here, never up: asked {asked}, is {held}. "
                "Going up needs the checks of that step: `manage.py mode` makes them."
            )
        return asked.value

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        for name, ceiling in _CEILINGS.items():
            self._hold(name, cleaned.get(name), limit=getattr(settings.CRPBOT, ceiling), most=True)
        for name, floor in _FLOORS.items():
            self._hold(name, cleaned.get(name), limit=getattr(settings.CRPBOT, floor), most=False)
        return cleaned

    def _hold(self, name: str, value: Any, *, limit: Any, most: bool) -> None:
        if value is None:
            return
        asked, allowed = Decimal(str(value)), Decimal(str(limit))
        if asked < 0 or (asked > allowed if most else asked < allowed):
            word = "at most" if most else "at least"
            self.add_error(name, f"{word} {allowed} by the owner's ceiling in the environment, was {asked}")


@admin.register(Account)
class AccountAdmin(KeptAdmin):
    form = AccountForm
    list_display = (
        "name",
        "badge",
        "number",
        "venue",
        "mode",
        "source",
        "initial_balance",
        "currency",
        "programme",
    )
    list_filter = ("mode", "venue", "synthetic")
    search_fields = ("name", "=number")
    list_select_related = ("programme__profile",)
    readonly_fields = _FACTS
    fieldsets = (
        (None, {"fields": _FACTS}),
        (
            "Limits",
            {"fields": ("mode", *_LIMITS), "description": "Only tighter than the environment allows."},
        ),
    )


@admin.register(AccountDay)
class AccountDayAdmin(FactAdmin):
    list_display = (
        "day",
        "account",
        "badge",
        "balance",
        "equity",
        "peak_balance",
        "proven",
        "how",
        "recorded_at",
    )
    list_filter = ("proven", "account")
    list_select_related = ("account",)
    date_hierarchy = "day"
