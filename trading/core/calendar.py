"""News, closures and maintenance: when nothing may be opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EntryKind(StrEnum):
    """NEWS is an instant; CLOSURE shuts the market; MAINTENANCE keeps the platform from answering."""

    NEWS = "news"
    CLOSURE = "closure"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One announced stretch of time; ``symbols`` empty means every market. News starts and ends at its release."""

    kind: EntryKind
    title: str
    starts_at: datetime
    ends_at: datetime
    symbols: tuple[str, ...] = ()
