"""News, closures and maintenance, as people or a file entered them."""

from __future__ import annotations

from django.db import models

from trading.core.calendar import Entry, EntryKind
from trading.models.fields import one_of, word


class CalendarEntry(models.Model):
    """One announced stretch of time during or around which entries are refused."""

    kind = word(EntryKind)
    title = models.CharField(max_length=120)
    starts_at = models.DateTimeField(help_text="of news: the instant of the release")
    ends_at = models.DateTimeField(help_text="of news: the same instant")
    symbols = models.CharField(
        max_length=200, blank=True, help_text="market keys with commas; empty is every market"
    )
    source = models.CharField(max_length=200, help_text="where it was announced")
    entered_at = models.DateTimeField()

    class Meta:
        ordering = ("starts_at", "id")
        verbose_name_plural = "calendar entries"
        constraints = (
            one_of("kind", EntryKind, "calendar_kind"),
            models.CheckConstraint(
                condition=models.Q(ends_at__gte=models.F("starts_at")), name="calendar_ends_after_it_starts"
            ),
            models.UniqueConstraint(
                fields=("kind", "starts_at", "ends_at", "symbols"), name="calendar_entry_once"
            ),
        )
        indexes = (models.Index(fields=("ends_at",), name="calendar_ends"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.starts_at:%Y-%m-%d %H:%M} {self.title}"

    def entry(self) -> Entry:
        """The pure form of this row."""
        keys = tuple(key.strip() for key in self.symbols.split(",") if key.strip())
        return Entry(
            kind=EntryKind(self.kind),
            title=self.title,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            symbols=keys,
        )
