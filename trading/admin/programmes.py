"""Lists of the programmes and their versions; a version that was judged under is never edited."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from trading.admin.base import FactAdmin, KeptAdmin
from trading.core.programme import (
    DailyBasis,
    DailyReference,
    Phase,
    TotalLossMode,
    daily_floor,
    first_day,
    total_floor,
)
from trading.models import Account, AccountPeriod, ProgrammeProfile, ProgrammeVersion, RiskSnapshot, Signal

# Any initial balance would do: floors are worked out from it to see that they can be.
PROBE = Decimal(100_000)
_NUMBERS = (
    "daily_loss",
    "daily_basis",
    "daily_reference",
    "daily_counts_open",
    "total_loss",
    "total_loss_mode",
    "profit_target",
    "min_trading_days",
    "best_day_share",
)
_CLOCK = ("zone", "day_shift_hours", "news_minutes", "flat_before_closure", "gap_hours", "swing")
_WORDS = {
    "phase": Phase,
    "daily_basis": DailyBasis,
    "daily_reference": DailyReference,
    "total_loss_mode": TotalLossMode,
}


def judged_under(version: ProgrammeVersion) -> bool:
    """Whether an account, a period, a signal or a snapshot names this version."""
    return any(
        model.objects.filter(programme=version).exists()
        for model in (Account, AccountPeriod, Signal, RiskSnapshot)
    )


class VersionForm(forms.ModelForm):
    """The numbers of a programme from a coming day on; words are chosen, and the floors must follow from them."""

    class Meta:
        model = ProgrammeVersion
        fields = (
            "profile",
            "version",
            "phase",
            "effective_from",
            "verified_on",
            "source",
            *_NUMBERS,
            *_CLOCK,
        )
        help_texts = {
            "effective_from": "holds from the beginning of this day; accounts take it over by themselves then",
            "verified_on": "when the source was last read",
            "source": "where the firm says so",
            "daily_loss": "fraction: 0.05 is 5 %",
            "total_loss": "fraction of the initial balance",
            "profit_target": "fraction of the initial balance; empty where the phase has none",
            "best_day_share": "the most that one day may be of all profitable days; empty without the rule",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "profit_target" in self.fields:
            self.fields["profit_target"].required = False  # a phase without a target
        for name, words in _WORDS.items():
            if name in self.fields:
                self.fields[name] = forms.ChoiceField(
                    choices=[(word.value, word.value.replace("_", " ")) for word in words],
                    label=self.fields[name].label,
                )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        begins = cleaned.get("effective_from")
        if begins is not None and begins <= timezone.localdate():
            self.add_error("effective_from", "a version begins on a day that has not begun yet")
        if not self.errors:
            self._floors_follow(cleaned)
        return cleaned

    def _floors_follow(self, cleaned: dict[str, Any]) -> None:
        """A version whose floors cannot be worked out would stop every account under it at midnight."""
        try:
            programme = ProgrammeVersion(**cleaned).programme()
            start = first_day(programme.effective_from, PROBE)
            for floor in (daily_floor, total_floor):
                floor(start, start.balance, programme)
            programme.clock.bounds(programme.effective_from)
        except (ValueError, ArithmeticError, LookupError, OSError) as error:
            raise forms.ValidationError(f"No floor follows from these numbers: {error}") from error


@admin.register(ProgrammeProfile)
class ProgrammeProfileAdmin(FactAdmin):
    list_display = ("title", "name", "firm")
    search_fields = ("title", "name", "firm")


@admin.register(ProgrammeVersion)
class ProgrammeVersionAdmin(KeptAdmin):
    """Versions follow each other; only a superuser adds one, and only while nothing was judged under it edits it."""

    form = VersionForm
    list_display = (
        "title",
        "version",
        "phase",
        "effective_from",
        "verified_on",
        "daily",
        "total",
        "target",
        "days",
        "best_day",
        "news",
    )
    list_filter = ("phase", "swing", "profile__firm")
    search_fields = ("profile__name", "profile__title", "version")
    list_select_related = ("profile",)
    fieldsets = (
        (None, {"fields": ("profile", "version", "phase", "effective_from", "verified_on", "source")}),
        ("Limits and objectives", {"fields": _NUMBERS}),
        ("Clock and calendar", {"fields": _CLOCK}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser) and (obj is None or not judged_under(obj))

    @admin.display(description="programme", ordering="profile__title")
    def title(self, version: ProgrammeVersion) -> str:
        return version.profile.title

    @admin.display(description="daily loss", ordering="daily_loss")
    def daily(self, version: ProgrammeVersion) -> str:
        basis = "" if version.daily_basis == DailyBasis.INITIAL else " of the day's start"
        reference = (
            "" if version.daily_reference == DailyReference.BALANCE else f", {version.daily_reference}"
        )
        return f"{_percent(version.daily_loss)}{basis}{reference}"

    @admin.display(description="total loss", ordering="total_loss")
    def total(self, version: ProgrammeVersion) -> str:
        return f"{_percent(version.total_loss)}, {version.total_loss_mode.replace('_', ' ')}"

    @admin.display(description="target", ordering="profit_target")
    def target(self, version: ProgrammeVersion) -> str:
        return "none" if version.profit_target is None else _percent(version.profit_target)

    @admin.display(description="days", ordering="min_trading_days")
    def days(self, version: ProgrammeVersion) -> str:
        return str(version.min_trading_days) if version.min_trading_days else "none"

    @admin.display(description="best day", ordering="best_day_share")
    def best_day(self, version: ProgrammeVersion) -> str:
        return "no rule" if version.best_day_share is None else f"at most {_percent(version.best_day_share)}"

    @admin.display(description="news", ordering="news_minutes")
    def news(self, version: ProgrammeVersion) -> str:
        return f"\u00b1{version.news_minutes} min" if version.news_minutes else "free"


def _percent(fraction: Any) -> str:
    return f"{(fraction * 100).normalize():f} %"
