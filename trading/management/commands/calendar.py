"""News, closures and maintenance: list them, add one, remove one, or import a file of them."""

import getpass
import io
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from trading.core.calendar import EntryKind
from trading.management import arguments
from trading.models import CalendarEntry
from trading.selectors import calendar as entries
from trading.services import calendar

_SERVER = "times are the wall clock of FTMO's MT5 server (New York plus seven hours)"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        shown = verbs.add_parser("list", help="what is not over yet")
        shown.add_argument("--all", action="store_true", help="what is over, too")
        shown.add_argument("--json", action="store_true", help="one JSON object a line")
        one = verbs.add_parser("add", help="one entry")
        one.add_argument("kind", choices=[kind.value for kind in EntryKind])
        one.add_argument("--from", dest="since", required=True, help="ISO time with its zone")
        one.add_argument("--to", dest="until", default="", help="the same; not for news")
        one.add_argument("--title", required=True)
        one.add_argument("--source", required=True, help="where it was announced")
        one.add_argument("--symbols", default="", help="market keys with commas; without it every market")
        one.add_argument("--server-time", action="store_true", help=_SERVER)
        gone = verbs.add_parser("remove", help="one entry, by the number that list shows")
        gone.add_argument("number", type=int)
        file = verbs.add_parser("import", help="a CSV file, all of it or nothing")
        file.add_argument("file", type=Path, help=f"columns {', '.join(calendar.COLUMNS)}")
        file.add_argument("--server-time", action="store_true", help=_SERVER)

    def handle(self, *, verb: str, **options: Any) -> None:
        doors = {"list": self._list, "add": self._add, "remove": self._remove, "import": self._import}
        doors[verb](options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = entries.listed(now=timezone.now(), past=options["all"])
        for row in rows:
            self.stdout.write(json.dumps(_body(row)) if options["json"] else _line(row))
        if not rows and not options["json"]:
            self.stdout.write("The calendar holds nothing that is not over.")

    def _add(self, options: dict[str, Any]) -> None:
        try:
            wanted = calendar.read(
                kind=options["kind"],
                title=options["title"],
                starts_at=options["since"],
                ends_at=options["until"],
                symbols=options["symbols"],
                source=options["source"],
                on_server=options["server_time"],
            )
        except ValueError as error:
            raise arguments.bad_input(f"nothing was added: {error}") from error
        added = calendar.add(wanted, by=_who(), now=timezone.now())
        word = "was added" if added.new else "stands there already"
        beside = ", ".join(str(number) for number in added.overlaps)
        self.stdout.write(f"Entry {added.entry_id} {word}." + (f" It overlaps {beside}." if beside else ""))

    def _remove(self, options: dict[str, Any]) -> None:
        try:
            told = calendar.remove(options["number"], by=_who(), now=timezone.now())
        except LookupError as error:
            raise arguments.bad_input(f"nothing was removed: {error.args[0]}") from error
        self.stdout.write(f"Removed: {told}.")

    def _import(self, options: dict[str, Any]) -> None:
        file: Path = options["file"]
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise arguments.bad_input(f"nothing was imported: {file.name} cannot be read: {error}") from error
        try:
            done = calendar.import_lines(
                io.StringIO(text, newline=""),
                on_server=options["server_time"],
                by=_who(),
                now=timezone.now(),
            )
        except calendar.BadCalendar as error:
            lines = "\n".join(error.lines)
            raise arguments.bad_input(f"nothing was imported from {file.name}:\n{lines}") from error
        self.stdout.write(
            f"{file.name}: {done.new} new, {done.known} known, {done.overlapping} that overlap others."
        )


def _who() -> str:
    return f"{getpass.getuser()}, command line"


def _line(row: CalendarEntry) -> str:
    markets = row.symbols or "every market"
    span = f"{row.starts_at:%Y-%m-%d %H:%M} to {row.ends_at:%Y-%m-%d %H:%M} UTC"
    return f"{row.pk:>5}  {row.kind:<11}  {span}  {markets}  {row.title} ({row.source})"


def _body(row: CalendarEntry) -> dict[str, Any]:
    return {
        "number": row.pk,
        "kind": row.kind,
        "title": row.title,
        "starts_at": row.starts_at.isoformat(),
        "ends_at": row.ends_at.isoformat(),
        "symbols": list(row.entry().symbols),
        "source": row.source,
    }
