"""Histories of accounts from files: our own JSON lines, and what MetaTrader 5 saves from its History tab."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

from trading.core.guards import CENT
from trading.core.timeframes import from_server_time
from trading.core.types import ZERO
from trading.core.whatif import Event, Mark, Opened, Paid, Start

# Fifteen digits and eight decimals stay exact in every sum that is made of them.
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,8})?")
_YEARS = range(1990, 2101)
_SAMPLE = 4000


class BadHistory(ValueError):
    """A file that is not a history; one sentence with the line that is at fault."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(f"line {line}: {sentence}")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a file tells.

    from_terminal: an export of MetaTrader 5, which knows deals and nothing of open profit between them.
    notes: what a reader of the verdict must know, in sentences.
    """

    events: tuple[Event, ...]
    from_terminal: bool
    notes: tuple[str, ...] = ()


def read(data: bytes, *, initial: Decimal | None = None) -> History:
    """The history in a file's bytes; what it is is told from its content.

    initial: the initial balance, for an export that does not begin with the deposit.
    Raises BadHistory, for the first line that is at fault.  Source: docs/whatif.md.
    """
    if data.startswith(b"PK"):
        raise BadHistory(1, "a spreadsheet cannot be read: save the report as HTML or as CSV")
    text = _decoded(data)
    if not text.strip():
        raise BadHistory(1, "the file is empty")
    first = next(number for number, raw in enumerate(text.split("\n"), start=1) if raw.strip())
    if not text.lstrip().startswith("{"):
        is_html = re.search(r"<\s*(!doctype|html|table)\b", text[:_SAMPLE], re.IGNORECASE)
        rows = _html_rows(text) if is_html else _csv_rows(text)
        if rows is None:
            raise BadHistory(
                first, "is neither a JSON object nor the head of an MT5 export with its table of deals"
            )
        return _from_terminal(rows, initial)
    if initial is not None:
        raise BadHistory(first, "the start names the initial balance; only an MT5 export is told it")
    return History(events=tuple(read_lines(text)), from_terminal=False)


def _decoded(data: bytes) -> str:
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadHistory(1, "the file is not text")


# -- JSON lines -------------------------------------------------------------------------------


def read_lines(text: str) -> list[Event]:
    """The events of JSON lines; BadHistory for the first line that is not one, or lies before the one above."""
    events: list[Event] = []
    number = 1
    for number, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        event = _event(number, raw)
        if isinstance(event, Start) is bool(events):
            raise BadHistory(
                number, "a history has one start" if events else "the first line must be the start"
            )
        if events and event.at < events[-1].at:
            raise BadHistory(number, f"{event.at:%Y-%m-%d %H:%M:%S} UTC lies before the line above it")
        events.append(event)
    if not any(isinstance(event, Mark) for event in events):
        raise BadHistory(number, "the file ends without a mark")
    return events


def _event(number: int, raw: str) -> Event:
    try:
        found = json.loads(
            raw,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_no_number,
            object_pairs_hook=_once,
        )
    except (ValueError, RecursionError) as error:
        raise BadHistory(number, f"must be a JSON object: {error}") from None
    if not isinstance(found, dict):
        raise BadHistory(number, "must be a JSON object")
    kind = found.get("type")
    if kind not in ("start", "mark", "open"):
        raise BadHistory(number, f"type must be start, mark or open, was {kind!r}")
    at = _instant(number, found.get("at"))
    if kind == "open":
        return Opened(at=at)
    if kind == "start":
        initial = _amount(number, "initial", found.get("initial"))
        if initial <= ZERO:
            raise BadHistory(number, f"initial must be above 0, was {initial}")
        return Start(at=at, initial=initial)
    return Mark(
        at=at,
        balance=_amount(number, "balance", found.get("balance")),
        equity=_amount(number, "equity", found.get("equity")),
        written=found["at"],
    )


def _no_number(word: str) -> Decimal:
    raise ValueError(f"{word} is not a number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _instant(number: int, value: object) -> datetime:
    shape = "an ISO time with its zone such as 2026-01-31T14:00:00+00:00"
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.utcoffset() is None:
        raise BadHistory(number, f"at must be {shape}, was {value!r}")
    if at.year not in _YEARS:
        raise BadHistory(number, f"at must lie between {_YEARS[0]} and {_YEARS[-1]}, was {value!r}")
    return at.astimezone(UTC)


def _amount(number: int, name: str, value: object) -> Decimal:
    text = f"{value:f}" if isinstance(value, Decimal) and abs(value.adjusted()) < 16 else value
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        shown = str(value) if isinstance(value, Decimal) else repr(value)
        raise BadHistory(number, f'{name} must be an amount such as "100000.00", was {shown[:60]}')
    return Decimal(text)


# -- MetaTrader 5 -----------------------------------------------------------------------------

Rows = Iterable[tuple[int, list[str]]]

# The headings of the table of deals, English and German; the first five tell it from every other table.
_HEADINGS = {
    "time": ("time", "zeit"),
    "type": ("type", "typ"),
    "direction": ("direction", "richtung"),
    "profit": ("profit", "gewinn"),
    "balance": ("balance", "kontostand", "saldo", "bilanz"),
    "symbol": ("symbol",),
    "volume": ("volume", "volumen"),
    "commission": ("commission", "kommission"),
    "fee": ("fee", "gebühr"),
    "swap": ("swap",),
}
_NEEDED = ("time", "type", "direction", "profit", "balance", "symbol", "volume")
_WALL = re.compile(r"(\d{4})[./-](\d\d)[./-](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?")
_PAYMENTS = ("balance", "correction", "bonus", "deposit", "withdrawal", "kontostand")
_RESULTS = ("commission", "charge", "interest", "dividend", "tax", "fee", "swap", "compensation")
# Every column is rounded to the cent by itself, so their sum may miss the balance by a few.
_ROUNDING = 5 * CENT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deal:
    """A row of the table of deals; ``effect`` is what it did to the balance."""

    line: int
    wall: datetime
    kind: str
    direction: str
    symbol: str
    volume: Decimal
    effect: Decimal
    balance: Decimal


def _from_terminal(rows: Rows, initial: Decimal | None) -> History:
    deals = list(_deals(rows))
    if deals[0].wall > deals[-1].wall:
        deals.reverse()
    journal = _Journal()
    for deal in deals:
        journal.book(deal, initial)
    notes = ["Times were read as the clock of FTMO's MT5 server: New York plus seven hours."]
    if not _is_deposit(deals[0]):
        notes.append(
            "The export begins in the middle of an account's life: how high it stood before is not known, so a"
            " trailing floor counts from here, and what was open then shows only when it closes."
        )
    unknown = sum(1 for event in journal.events if isinstance(event, Mark) and not event.floating_known)
    if unknown:
        notes.append(
            f"The export does not tell open profit: {unknown} of {len(deals)} lines were judged by the balance"
            " alone while positions were open. A breach by equity between two deals would not show."
        )
    return History(events=tuple(journal.events), from_terminal=True, notes=tuple(notes))


def _is_deposit(deal: _Deal) -> bool:
    return deal.kind in _PAYMENTS and deal.effect > ZERO and deal.balance == deal.effect


@dataclass(slots=True)
class _Journal:
    """Deals made events, with the volume that is open in each market."""

    events: list[Event] = field(default_factory=list)
    open: dict[str, Decimal] = field(default_factory=dict)
    balance: Decimal = ZERO

    def book(self, deal: _Deal, initial: Decimal | None) -> None:
        before = self.events[-1].at if self.events else None
        at = from_server_time(deal.wall, not_before=before)
        if before is None:
            self.events.append(_start(deal, at, initial))
        elif at < before:
            raise BadHistory(deal.line, f"{deal.wall} lies before the deal above it")
        elif abs(self.balance + deal.effect - deal.balance) > _ROUNDING:
            raise BadHistory(
                deal.line,
                f"the balance {deal.balance} does not follow from {self.balance} and this deal's"
                f" {deal.effect}: deals are missing",
            )
        if deal.kind in ("buy", "sell"):
            self._fill(deal, at)
        elif deal.kind in _PAYMENTS and before is not None:
            self.events.append(Paid(at=at, amount=deal.effect))
        self.balance = deal.balance
        is_flat = not any(self.open.values())
        self.events.append(Mark(at=at, balance=deal.balance, equity=deal.balance, floating_known=is_flat))

    def _fill(self, deal: _Deal, at: datetime) -> None:
        held = self.open.get(deal.symbol, ZERO)
        if deal.direction == "in":
            left = held + deal.volume
        elif deal.direction == "in/out":
            left = abs(deal.volume - held)
        elif deal.direction in ("out", "out by"):
            left = held - deal.volume
        else:
            raise BadHistory(
                deal.line, f"direction must be in, out, in/out or out by, was {deal.direction!r}"
            )
        if deal.direction.startswith("in"):
            self.events.append(Opened(at=at))
        if left < ZERO:
            # It was opened before the export begins: until here something was open all the time.
            self.events = [
                replace(event, floating_known=False) if isinstance(event, Mark) else event
                for event in self.events
            ]
        self.open[deal.symbol] = max(left, ZERO)


def _start(deal: _Deal, at: datetime, initial: Decimal | None) -> Start:
    before = deal.balance - deal.effect
    if _is_deposit(deal):
        return Start(at=at, initial=initial or deal.effect, balance=deal.effect)
    if initial is None:
        raise BadHistory(
            deal.line, "the export does not begin with the deposit: give the initial balance with --initial"
        )
    return Start(at=at, initial=initial, balance=before)


def _deals(rows: Rows) -> Iterator[_Deal]:
    """The rows of the table of deals; BadHistory when there is none, or none in it."""
    columns: dict[str, int] | None = None
    found, last = 0, 1
    for last, cells in rows:
        if columns is None:
            columns = _columns(cells)
            continue
        first, kind = (
            cells[place] if place < len(cells) else "" for place in (columns["time"], columns["type"])
        )
        if not first and not kind:  # the line of totals, or an empty one
            continue
        if first and not first[0].isdigit() and (first.endswith(":") or sum(map(bool, cells)) == 1):
            break
        found += 1
        yield _deal(last, cells, columns)
    if columns is None:
        raise BadHistory(last, "there is no table of deals: save the whole report of the History tab")
    if not found:
        raise BadHistory(last, "the table of deals is empty")


def _columns(cells: list[str]) -> dict[str, int] | None:
    words = [cell.lower() for cell in cells]
    places = {
        name: next((n for n, word in enumerate(words) if word in known), -1)
        for name, known in _HEADINGS.items()
    }
    return places if all(places[name] >= 0 for name in _NEEDED) else None


def _deal(line: int, cells: list[str], columns: dict[str, int]) -> _Deal:
    def cell(name: str) -> str:
        place = columns[name]
        return cells[place] if 0 <= place < len(cells) else ""

    kind = cell("type").lower()
    is_fill = kind in ("buy", "sell")
    if kind == "credit":
        raise BadHistory(line, "a credit moves equity and not the balance: such an account cannot be judged")
    if not is_fill and kind not in _PAYMENTS and not any(word in kind for word in _RESULTS):
        raise BadHistory(line, f"the type of a deal must be a known one, was {kind!r}")
    parts = ("profit", "commission", "fee", "swap")
    return _Deal(
        line=line,
        wall=_wall(line, cell("time")),
        kind=kind,
        direction=cell("direction").lower(),
        symbol=cell("symbol"),
        volume=_number(line, "volume", cell("volume")) if is_fill else ZERO,
        effect=sum((_number(line, name, cell(name) or "0") for name in parts), ZERO),
        balance=_number(line, "balance", cell("balance")),
    )


def _wall(line: int, text: str) -> datetime:
    found = _WALL.fullmatch(text)
    wall = None
    if found:
        year, month, day, hour, minute, second = (part or "00" for part in found.groups())
        with contextlib.suppress(ValueError):
            wall = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}")
    if wall is None or wall.year not in _YEARS:
        raise BadHistory(line, f"time must be such as 2026.01.31 14:00:00, was {text!r}")
    return wall


def _number(line: int, name: str, text: str) -> Decimal:
    """A number as the terminal writes it: ``1 234.56``, ``1 234,56``, ``1.234,56`` or ``- 2.50``."""
    bare = re.sub(r"[\s'\u2019]", "", text).replace("\u2212", "-")
    marks = [mark for mark in bare if mark in ".,"]
    # The last kind of mark is the decimal one, unless it stands more than once: then it parts thousands.
    decimal = marks[-1] if marks and marks.count(marks[-1]) == 1 else ""
    whole = "".join("." if c == decimal else c for c in bare if c == decimal or c not in ".,")
    if not _AMOUNT.fullmatch(whole):
        raise BadHistory(line, f"{name} must be a number, was {text!r}")
    return Decimal(whole)


def _csv_rows(text: str) -> Rows | None:
    """The rows of a CSV file that has a table of deals, by the separator that shows it; None when none does."""
    for separator in (",", ";", "\t"):
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
        except csv.Error as error:
            raise BadHistory(reader.line_num, f"is not CSV: {error}") from None
        if any(_columns(cells) for _, cells in rows):
            return rows
    return None


class _Tables(HTMLParser):
    """The rows of all tables of a page, with the line each begins on; cells that are not shown are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, list[str]]] = []
        self.take: Callable[[str], None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append((self.getpos()[0], []))
        if tag in ("td", "th") and self.rows:
            hidden = "hidden" in (dict(attrs).get("class") or "").split()
            self.take = None if hidden else self._into_new_cell()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self.take = None

    def handle_data(self, data: str) -> None:
        if self.take is not None:
            self.take(data)

    def _into_new_cell(self) -> Callable[[str], None]:
        cells = self.rows[-1][1]
        cells.append("")

        def take(data: str) -> None:
            cells[-1] += data

        return take


def _html_rows(text: str) -> Rows:
    tables = _Tables()
    try:
        tables.feed(text)
        tables.close()
    except AssertionError as error:  # the way the parser says that a declaration is none
        raise BadHistory(tables.getpos()[0], f"is not HTML: {error}") from None
    return [(line, [" ".join(cell.split()) for cell in cells]) for line, cells in tables.rows]
