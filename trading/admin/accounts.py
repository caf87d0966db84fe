"""Lists of accounts, their days and the programmes they are judged under."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin

from trading.admin.base import FactAdmin, KeptAdmin
from trading.core.headroom import LAST_MINUTES
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
_PORTFOLIO = (
    "max_group_risk",
    "max_margin_share",
    "basis_limit_bp",
    "max_position_share",
    "min_order_value",
    "max_order_value",
    "cash_reserve",
)
_RUNAWAY = (
    "messages_per_day",
    "orders_per_minute",
    "orders_per_hour",
    "orders_per_day",
    "lots_per_day",
    "losses_in_row",
)
_MIDNIGHT = ("midnight_action", "midnight_minutes", "lock_flattens")
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
# Fractions of something: above 0, and never more than all of it.
_SHARES = ("max_group_risk", "max_margin_share", "max_position_share")
_AMOUNTS = ("min_order_value", "max_order_value", "basis_limit_bp")


class AccountForm(forms.ModelForm):
    """The limits of an account: tighter than the owner's ceilings, and a mode that only goes down."""

    class Meta:
        model = Account
        fields = ("mode", *_LIMITS, *_PORTFOLIO, *_RUNAWAY, *_MIDNIGHT)
        help_texts = {
            "midnight_action": "what the desk does when the floating loss would break the coming day's floor",
            "orders_per_minute": "one more halts the account until a person resumes it, as do the next four",
            "losses_in_row": "so many losing trades one after the other halt the account",
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
        self._sane(cleaned)
        return cleaned

    def _sane(self, cleaned: dict[str, Any]) -> None:
        """Numbers that the gate, the runaway stop and midnight can work with; others would refuse everything."""
        for name in _SHARES:
            if cleaned.get(name) is not None and not 0 < cleaned[name] <= 1:
                self.add_error(name, "a fraction above 0 and at most 1")
        if cleaned.get("cash_reserve") is not None and not 0 <= cleaned["cash_reserve"] < 1:
            self.add_error("cash_reserve", "a fraction from 0 to below 1")
        for name in (*_AMOUNTS, *_RUNAWAY):
            if cleaned.get(name) is not None and cleaned[name] <= 0:
                self.add_error(name, "must be above 0")
        least, most = cleaned.get("min_order_value"), cleaned.get("max_order_value")
        if least is not None and most is not None and least > most:
            self.add_error("max_order_value", f"at least the smallest order, {least}")
        minutes = cleaned.get("midnight_minutes")
        if minutes is not None and not 1 <= minutes <= LAST_MINUTES:
            self.add_error("midnight_minutes", f"from 1 to {LAST_MINUTES}")

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
        ("Portfolio", {"fields": _PORTFOLIO, "description": "What all positions together may be."}),
        (
            "Runaway stop",
            {
                "fields": _RUNAWAY,
                "description": "Crossing one halts the account until a person resumes it. "
                "Entries end at 80 % of the messages a day; closes never do.",
            },
        ),
        ("Midnight and locks", {"fields": _MIDNIGHT}),
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
