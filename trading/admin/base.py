"""What all lists share: facts that nobody edits, the SYNTHETIC badge, spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from trading.core.types import utc_from_ms
from trading.models import Account, Market
from trading.models.fields import PRICE_PLACES
from trading.services import events

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_EXPORT_CHUNK = 2_000
# What says of a row without a mark of its own whether its prices are made up.
_ORIGINS = ("market", "account", "book")
MINUS = "\u2212"


class _Line:
    """A file of one line: the csv writer hands each line back instead of storing it."""

    def write(self, line: str) -> str:
        return line


def cell(value: Any) -> Any:
    """A value as it goes into a spreadsheet; text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    if value is None or isinstance(value, int | float | str) or hasattr(value, "quantize"):
        return value
    return cell(str(value))


def csv_lines(fields: list[str], rows: Iterable[models.Model]) -> Iterator[str]:
    """Lines of a CSV file: a heading, then one line a row; times in UTC, ISO 8601."""
    writer: Any = csv.writer(_Line())
    yield writer.writerow(fields)
    for row in rows:
        values = (synthetic(row) if name == "synthetic" else getattr(row, name) for name in fields)
        yield writer.writerow([cell(value) for value in values])


def synthetic(row: Any) -> bool:
    """Whether a row comes from made-up prices: its own mark, its market's, its account's or its book's."""
    if hasattr(row, "synthetic"):
        return bool(row.synthetic)
    return any(synthetic(getattr(row, name)) for name in _ORIGINS if getattr(row, name, None) is not None)


def plain(value: Any, *, least: int = 0) -> str:
    """A number with thousands and at least so many decimals, without idle zeros; nothing when there is none."""
    if value is None:
        return ""
    exact = Decimal(str(value)).normalize()
    exponent = exact.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return f"{exact:,.{max(digits, least)}f}".replace("-", MINUS)


def _number_column(field: models.Field[Any, Any], *, least: int) -> Callable[[Any], str]:
    """A list column that shows a number the way people read it, and sorts by the number."""

    def show(row: Any) -> str:
        return plain(getattr(row, field.attname), least=least)

    show.__name__ = field.name
    return admin.display(description=str(field.verbose_name), ordering=field.name)(show)


class RowAdmin(ModelAdmin):
    """A list with a CSV export, newest first, that never counts the whole table."""

    show_full_result_count = False
    list_per_page = 50
    list_fullwidth = True
    list_filter_sheet = True
    actions: ClassVar[Any] = ["export_csv"]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [self._column(name) for name in super().get_list_display(request)]

    def _column(self, name: Any) -> Any:
        """Numbers get the panel's digits; every other column is shown as it is."""
        fields = {field.name: field for field in self.model._meta.concrete_fields}
        field = fields.get(name) if isinstance(name, str) else None
        if isinstance(field, models.DecimalField):
            return _number_column(field, least=2 if field.decimal_places in (2, PRICE_PLACES) else 0)
        return _number_column(field, least=2) if isinstance(field, models.FloatField) else name

    @admin.action(description="Download as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: models.QuerySet[Any, Any]) -> StreamingHttpResponse:
        """The chosen rows with every column and whether their prices are made up, safe to open in a spreadsheet."""
        columns = self.model._meta.concrete_fields
        fields = [field.attname for field in columns]
        if "synthetic" not in fields and any(field.name in _ORIGINS for field in columns):
            fields.append("synthetic")
        lines = csv_lines(fields, queryset.iterator(chunk_size=_EXPORT_CHUNK))
        name = f"{self.model._meta.model_name}-{timezone.now():%Y%m%d-%H%M%S}.csv"
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @admin.display(description="")
    def badge(self, row: Any) -> SafeString | str:
        """SYNTHETIC where prices are made up, else nothing."""
        if not synthetic(row):
            return ""
        return format_html('<span class="chip chip-synthetic">{}</span>', "SYNTHETIC")


class FactAdmin(RowAdmin):
    """Rows that record what happened: looked at, exported, never added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EndlessAdmin(FactAdmin):
    """A table too long to count: pages go on until there is no next one."""

    paginator = InfinitePaginator
    list_disable_select_all = True


class KeptAdmin(RowAdmin):
    """Rows that the appliance makes and a person may only adjust; every change is an event."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        told = [_edit(name, form) for name in form.changed_data]
        if not told:
            return
        events.record(
            "edited",
            now=timezone.now(),
            by=request.user.get_username(),
            text=f"{obj}: {'; '.join(told)}",
            account_id=obj.pk if isinstance(obj, Account) else None,
            market_id=obj.pk if isinstance(obj, Market) else None,
        )


def _edit(name: str, form: Any) -> str:
    return f"{name.replace('_', ' ')}: {form.initial.get(name)} to {form.cleaned_data.get(name)}"


def opened_at(milliseconds: int | None) -> datetime | None:
    """The instant of an epoch in milliseconds, for people."""
    return None if milliseconds is None else utc_from_ms(milliseconds)
