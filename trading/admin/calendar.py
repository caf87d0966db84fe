"""The calendar: news, closures and maintenance, entered by hand or from a file; times are Prague's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from trading.admin.base import KeptAdmin
from trading.core.calendar import EntryKind
from trading.models import Account, CalendarEntry, Market, ProgrammeVersion

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
_KINDS = {
    EntryKind.NEWS.value: "News: an instant",
    EntryKind.CLOSURE.value: "Closure: the market is shut",
    EntryKind.MAINTENANCE.value: "Maintenance: the platform does not answer",
}


class CalendarForm(forms.ModelForm):
    """One entry; markets are chosen by their keys, and news is an instant."""

    class Meta:
        model = CalendarEntry
        fields = ("kind", "title", "starts_at", "ends_at", "symbols", "source")
        help_texts = {
            "starts_at": "Prague time; of news: the instant of the release",
            "ends_at": "Prague time; left empty for news",
            "symbols": "market keys with commas, such as BTC-USD, ETH-USD; empty is every market",
            "source": "where it was announced",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"] = forms.ChoiceField(choices=list(_KINDS.items()))
        self.fields["ends_at"].required = False

    def clean_symbols(self) -> str:
        keys = [key.strip() for key in self.cleaned_data["symbols"].split(",") if key.strip()]
        known = set(Market.objects.values_list("key", flat=True))
        strange = sorted(set(keys) - known)
        if strange:
            raise forms.ValidationError(
                f"no market has the key {', '.join(strange)}; there are {', '.join(sorted(known))}"
            )
        return ",".join(dict.fromkeys(keys))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if cleaned.get("kind") == EntryKind.NEWS:
            cleaned["ends_at"] = starts
        elif ends is None:
            self.add_error("ends_at", "a closure or maintenance needs an end")
        elif starts is not None and ends <= starts:
            self.add_error("ends_at", "it ends after it starts")
        return cleaned


class WhenFilter(admin.SimpleListFilter):
    """What is to come, by default; what is over stays in the list when asked for."""

    title = "time"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("past", "over"), ("all", "all")]

    def choices(self, changelist: Any) -> Any:
        for key, label in ((None, "now and to come"), *self.lookup_choices):
            query = changelist.get_query_string(
                {self.parameter_name: key} if key else {}, [self.parameter_name]
            )
            yield {"selected": self.value() == key, "query_string": query, "display": label}

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        now = timezone.now()
        if self.value() == "past":
            return queryset.filter(ends_at__lt=now).order_by("-starts_at")
        # News blocks for some minutes after its instant, so it is not over at once.
        return queryset if self.value() == "all" else queryset.filter(ends_at__gte=now - HOUR)


@admin.register(CalendarEntry)
class CalendarEntryAdmin(KeptAdmin):
    """Entries block by themselves; adding, changing and removing one is an event."""

    form = CalendarForm
    list_display = ("starts", "ends", "entry_kind", "title", "markets", "blocks", "source")
    list_display_links = ("starts", "title")
    list_filter = (WhenFilter, "kind")
    search_fields = ("title", "symbols", "source")
    ordering = ("starts_at", "id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)  # type: ignore[arg-type]  # of this class

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)  # type: ignore[arg-type]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.entered_at = timezone.now()
        super().save_model(request, obj, form, change)

    @admin.display(description="from", ordering="starts_at")
    def starts(self, entry: CalendarEntry) -> str:
        return _when(entry.starts_at)

    @admin.display(description="to", ordering="ends_at")
    def ends(self, entry: CalendarEntry) -> str:
        return "" if entry.ends_at == entry.starts_at else _when(entry.ends_at)

    @admin.display(description="kind", ordering="kind")
    def entry_kind(self, entry: CalendarEntry) -> str:
        return entry.kind

    @admin.display(description="markets")
    def markets(self, entry: CalendarEntry) -> str:
        return entry.symbols.replace(",", ", ") or "every market"

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The programmes in use are read once for the whole list."""
        used = ProgrammeVersion.objects.filter(pk__in=Account.objects.values("programme"))
        versions = list(used.select_related("profile"))
        columns = super().get_list_display(request)
        return [_blocks(versions) if name == "blocks" else name for name in columns]


def _blocks(versions: list[ProgrammeVersion]) -> Callable[[CalendarEntry], SafeString]:
    """The list column that says from when to when an entry blocks, for each programme that is in use."""

    @admin.display(description="refuses entries")
    def blocks(entry: CalendarEntry) -> SafeString:
        said = {blocked(entry, version): None for version in versions}
        return format_html_join("", '<span class="said">{}</span>', ((text,) for text in said))

    return blocks


def blocked(entry: CalendarEntry, version: ProgrammeVersion) -> str:
    """From when to when an entry lets nothing be opened under a programme, in words; Prague time."""
    starts, ends = entry.starts_at, entry.ends_at
    if entry.kind == EntryKind.NEWS:
        if not version.news_minutes:
            return f"nothing: news is free in {version.profile.title}"
        around = version.news_minutes * MINUTE
        return f"{_when(starts - around)} to {_when(ends + around)}"
    if entry.kind == EntryKind.CLOSURE and version.gap_hours and ends - starts >= version.gap_hours * HOUR:
        starts -= version.gap_hours * HOUR
        flat = "; positions are closed before it" if version.flat_before_closure else ""
        return f"{_when(starts)} to {_when(ends)}{flat}"
    return f"{_when(starts)} to {_when(ends)}"


def _when(instant: datetime) -> str:
    """An instant on the panel's clock: `Sat 21 Nov 07:00`."""
    there = timezone.localtime(instant)
    return f"{there:%a} {there.day} {there:%b %H:%M}"
