"""The calendar: news, closures and maintenance, entered by hand or from a file; times are Prague's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from trading.admin.base import RowAdmin
from trading.core.calendar import EntryKind
from trading.models import Account, CalendarEntry, ProgrammeVersion
from trading.services import calendar

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
_KINDS = {
    EntryKind.NEWS.value: "News: an instant",
    EntryKind.CLOSURE.value: "Closure: the market is shut",
    EntryKind.MAINTENANCE.value: "Maintenance: the platform does not answer",
}
# A year of news is a few thousand lines; what is larger is no calendar.
LARGEST_FILE = 1_000_000


class CalendarForm(forms.ModelForm):
    """One new entry; what may stand in it is said by the service that adds it."""

    wanted: calendar.Wanted

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
        if "kind" in self.fields:
            self.fields["kind"] = forms.ChoiceField(
                choices=list(_KINDS.items()), widget=UnfoldAdminSelectWidget()
            )
            self.fields["ends_at"].required = False

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        ends = cleaned.get("ends_at")
        try:
            self.wanted = calendar.read(
                kind=cleaned["kind"],
                title=cleaned["title"],
                starts_at=cleaned["starts_at"].isoformat(),
                ends_at="" if ends is None else ends.isoformat(),
                symbols=cleaned["symbols"],
                source=cleaned["source"],
                on_server=False,
            )
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return {**cleaned, "ends_at": self.wanted.ends_at, "symbols": ",".join(self.wanted.symbols)}


class ImportForm(forms.Form):
    """A CSV file with one entry a line."""

    file = forms.FileField(label="CSV file")
    on_server = forms.BooleanField(required=False, label="Times are the wall clock of FTMO's server")

    def lines(self) -> list[str]:
        """The file's lines; ValueError when it is too large or is no text."""
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE:
            raise ValueError(f"The file has {file.size:,} bytes, {LARGEST_FILE:,} allowed.")
        return list(file.read().decode("utf-8-sig").splitlines(keepends=True))


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
class CalendarEntryAdmin(RowAdmin):
    """Entries block by themselves; adding and removing one is an event, written by the service."""

    form = CalendarForm
    list_display = ("starts", "ends", "entry_kind", "title", "markets", "source")
    list_display_links = ("starts", "title")
    list_filter = (WhenFilter, "kind")
    search_fields = ("title", "symbols", "source")
    ordering = ("starts_at", "id")

    actions_list: ClassVar[Any] = ["import_file"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("trading.add_calendarentry")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An announcement that changes is removed and added anew, so that the record has both."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("trading.delete_calendarentry")

    def has_import_file_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.pk = calendar.add(form.wanted, by=request.user.get_username(), now=timezone.now()).entry_id
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        calendar.remove(obj.pk, by=request.user.get_username(), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        for pk in list(queryset.values_list("pk", flat=True)):
            calendar.remove(pk, by=request.user.get_username(), now=timezone.now())

    @action(  # type: ignore[untyped-decorator]
        description="Import a CSV file", url_path="import", permissions=["import_file"]
    )
    def import_file(self, request: HttpRequest) -> HttpResponse:
        """A file of entries: all of its lines are taken, or none, and each bad one is named."""
        form, bad = ImportForm(request.POST or None, request.FILES or None), []
        if request.method == "POST" and form.is_valid():
            try:
                taken = self._take(form, by=request.user.get_username())
            except calendar.BadCalendar as error:
                bad = error.lines
            except ValueError as error:
                bad = [f"This is no CSV file: {error}"]
            else:
                self.message_user(request, taken)
                return redirect("admin:trading_calendarentry_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": "Import a calendar",
            "panel_page": True,
            "form": form,
            "bad": bad,
            "columns": calendar.COLUMNS,
            "opts": self.opts,
        }
        template = "admin/trading/calendarentry/import.html"
        return TemplateResponse(request, template, context, status=409 if bad else 200)

    def _take(self, form: ImportForm, *, by: str) -> str:
        """Import the file and say what became of it."""
        on_server = form.cleaned_data["on_server"]
        found = calendar.import_lines(form.lines(), on_server=on_server, by=by, now=timezone.now())
        overlap = (
            f" {found.overlapping} overlap others of their kind; they count together."
            if found.overlapping
            else ""
        )
        return f"{found.new} entries are new, {found.known} stood already.{overlap}"

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
        *columns, source = super().get_list_display(request)
        return [*columns, _blocks(versions), source]


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
