"""News, closures and maintenance into the calendar and out of it, each change an event."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from trading.core.calendar import EntryKind
from trading.core.guards import aware
from trading.core.timeframes import from_server_time, server_time
from trading.models import CalendarEntry, Market, Severity
from trading.services import events

COLUMNS = ("kind", "starts_at", "ends_at", "symbols", "title", "source")
# So many bad lines of a file are named one by one.
NAMED = 50
_NEXT = timedelta(microseconds=1)


class BadCalendar(ValueError):
    """A file of which nothing was taken; ``lines`` says of every bad line what is wrong with it."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One entry as somebody wants it; instants aware, ``symbols`` keys of markets, empty for every market."""

    kind: EntryKind
    title: str
    starts_at: datetime
    ends_at: datetime
    symbols: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of one wish: the row's number, whether it is new, and which rows of its kind it overlaps."""

    entry_id: int
    new: bool
    overlaps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a file; known: entries that stood already, or twice in the file."""

    new: int
    known: int
    overlapping: int


def read(
    *,
    kind: str,
    title: str,
    starts_at: str,
    ends_at: str,
    symbols: str,
    source: str,
    on_server: bool,
    markets: dict[str, str] | None = None,
) -> Wanted:
    """One entry from text; ValueError that says what is wrong.

    starts_at, ends_at: ISO times that name their zone, or with ``on_server`` the wall clock of FTMO's server.
    In the hour that the server's clock shows twice a start is the earlier, an end the later instant.
    ends_at: empty for news.  symbols: keys with commas, semicolons or blanks between.  markets: every key by
    its upper-case form, read from the rows when left out.
    """
    words = {kind.value: kind for kind in EntryKind}
    if kind.strip().lower() not in words:
        raise ValueError(f"kind must be {', '.join(words)}, was {kind!r}")
    found = words[kind.strip().lower()]
    starts = _instant(starts_at, name="starts_at", on_server=on_server, late=False)
    if found is EntryKind.NEWS:
        if ends_at.strip() not in ("", starts_at.strip()):
            raise ValueError(f"news is an instant: ends_at must be empty or the same, was {ends_at!r}")
        ends = _instant(starts_at, name="starts_at", on_server=on_server, late=True)
    else:
        ends = _instant(ends_at, name="ends_at", on_server=on_server, late=True)
        if ends <= starts:
            raise ValueError(f"it must end after it starts, was {starts_at!r} to {ends_at!r}")
    return Wanted(
        kind=found,
        title=_text("title", title, most=120),
        starts_at=starts,
        ends_at=ends,
        symbols=_symbols(symbols, market_keys() if markets is None else markets),
        source=_text("source", source, most=200),
    )


def add(wanted: Wanted, *, by: str, now: datetime) -> Added:
    """Put an entry into the calendar; one that stands there already is left as it is."""
    symbols = ",".join(wanted.symbols)
    with transaction.atomic():
        row, new = CalendarEntry.objects.get_or_create(
            kind=wanted.kind,
            starts_at=aware("start", wanted.starts_at),
            ends_at=aware("end", wanted.ends_at),
            symbols=symbols,
            defaults={"title": wanted.title, "source": wanted.source, "entered_at": now},
        )
        if not new:
            return Added(entry_id=row.pk, new=False)
        overlaps = _overlaps(row)
        _record("added", row, by=by, now=now, overlaps=overlaps)
    return Added(entry_id=row.pk, new=True, overlaps=overlaps)


def remove(entry_id: int, *, by: str, now: datetime) -> str:
    """Take an entry out of the calendar and return what it said; the event keeps all of it.

    Raises LookupError when there is none of this number.
    """
    with transaction.atomic():
        row = CalendarEntry.objects.select_for_update().filter(pk=entry_id).first()
        if row is None:
            raise LookupError(f"there is no calendar entry {entry_id}")
        _record("removed", row, by=by, now=now, severity=Severity.WARNING)
        told = str(row)
        row.delete()
    return told


def import_lines(lines: Iterable[str], *, on_server: bool, by: str, now: datetime) -> Imported:
    """Add every entry of a CSV file with the columns ``COLUMNS``, or none of them.

    Raises BadCalendar, which names each bad line.  Reading the same file again changes nothing.
    """
    wanted = _read_all(lines, on_server=on_server)
    with transaction.atomic():
        added = [add(entry, by=by, now=now) for entry in wanted]
    new = sum(one.new for one in added)
    overlapping = sum(bool(one.overlaps) for one in added)
    return Imported(new=new, known=len(added) - new, overlapping=overlapping)


def market_keys() -> dict[str, str]:
    """The key of every market by its upper-case form."""
    return {key.upper(): key for key in Market.objects.values_list("key", flat=True)}


def _read_all(lines: Iterable[str], *, on_server: bool) -> list[Wanted]:
    rows = csv.reader(lines, strict=True)
    bad: list[str] = []
    wanted: list[Wanted] = []
    markets = market_keys()
    try:
        heading = tuple(cell.strip().lower() for cell in next(rows, []))
        if sorted(heading) != sorted(COLUMNS):
            raise BadCalendar(
                [f"line 1: the columns must be {', '.join(COLUMNS)}, were {', '.join(heading)}"]
            )
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            try:
                wanted.append(_row(heading, cells, on_server=on_server, markets=markets))
            except ValueError as error:
                bad.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:
        bad.append(f"line {rows.line_num}: {error}")
    if bad:
        more = [f"and {len(bad) - NAMED} more"] if len(bad) > NAMED else []
        raise BadCalendar(bad[:NAMED] + more)
    return wanted


def _row(heading: tuple[str, ...], cells: list[str], *, on_server: bool, markets: dict[str, str]) -> Wanted:
    if len(cells) != len(heading):
        raise ValueError(f"{len(heading)} cells are needed, were {len(cells)}")
    return read(**dict(zip(heading, cells, strict=True)), on_server=on_server, markets=markets)


def _instant(text: str, *, name: str, on_server: bool, late: bool) -> datetime:
    try:
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{name} must be a time like 2026-07-26T08:00+02:00, was {text!r}") from None
    if not on_server:
        if given.utcoffset() is None:
            raise ValueError(f"{name} must name its zone (+02:00 or Z), was {text!r}")
        return given
    if given.tzinfo is not None:
        raise ValueError(f"{name} must be the server's wall clock without a zone, was {text!r}")
    first = from_server_time(given)
    if server_time(first).replace(tzinfo=None) != given:
        raise ValueError(f"{name}: the server's clock never shows {text!r}, it is turned forward over it")
    return from_server_time(given, not_before=first + _NEXT) if late else first


def _symbols(text: str, markets: dict[str, str]) -> tuple[str, ...]:
    """Keys in alphabetical order; an unknown one is refused: it would block nothing, without a word."""
    keys = {key.upper() for key in text.replace(";", ",").replace(" ", ",").split(",") if key}
    unknown = sorted(keys - markets.keys())
    if unknown:
        known = ", ".join(sorted(markets.values())) or "none yet"
        raise ValueError(f"there is no market {', '.join(unknown)}; there are: {known}")
    found = tuple(sorted(markets[key] for key in keys))
    if len(",".join(found)) > 200:
        raise ValueError(f"at most 200 characters of markets fit, were {len(','.join(found))}")
    return found


def _text(name: str, text: str, *, most: int) -> str:
    plain = " ".join(text.split())
    if not plain or len(plain) > most:
        raise ValueError(f"{name} needs 1 to {most} characters, had {len(plain)}")
    return plain


def _overlaps(row: CalendarEntry) -> tuple[int, ...]:
    """The other rows of its kind that share an instant and a market with it; the rules take them together."""
    others = CalendarEntry.objects.filter(
        kind=row.kind, starts_at__lte=row.ends_at, ends_at__gte=row.starts_at
    ).exclude(pk=row.pk)
    mine = set(row.entry().symbols)
    theirs = ((other.pk, set(other.entry().symbols)) for other in others)
    return tuple(pk for pk, keys in theirs if not mine or not keys or mine & keys)


def _record(
    what: str,
    row: CalendarEntry,
    *,
    by: str,
    now: datetime,
    severity: Severity = Severity.INFO,
    overlaps: tuple[int, ...] = (),
) -> None:
    span = f"{row.starts_at:%Y-%m-%d %H:%M} to {row.ends_at:%Y-%m-%d %H:%M} UTC"
    beside = f" It overlaps {len(overlaps)} of its kind; they count together." if overlaps else ""
    events.record(
        "calendar",
        now=now,
        severity=severity,
        by=by,
        text=f"The {row.kind} {row.title}, {span}, was {what}.{beside}",
        data={
            "entry": row.pk,
            "what": what,
            "kind": str(row.kind),
            "title": row.title,
            "starts_at": row.starts_at.isoformat(),
            "ends_at": row.ends_at.isoformat(),
            "symbols": row.symbols,
            "source": row.source,
            "overlaps": list(overlaps),
        },
    )
