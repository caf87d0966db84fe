"""Say what the appliance is doing; with --json, as one object for machines."""

import json
from typing import Any, TextIO, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trading.selectors import status
from trading.services import kill_switch


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        found = status.read(now=timezone.now())
        switch = kill_switch.effective(found.account_id)
        body: dict[str, Any] = {
            "mode": found.mode,
            "state": switch.state.value,
            "reason": f"{switch.source}: {switch.reason}",
            "headroom": None if found.headroom is None else float(found.headroom),
            "candles": found.candles,
            "scans": found.scans,
            "signals": found.signals,
            "refusals": found.refusals,
            "intents": found.intents,
            "trades": found.trades,
            "events": found.events,
            "queues": found.queues,
            "accounts": {
                name: {**guard, "state": kill_switch.effective(guard["id"]).state.value}
                for name, guard in found.accounts.items()
            },
        }
        if options["json"]:
            self.stdout.write(json.dumps(body))
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        now = timezone.now()
        table.add_row("now", f"{now.astimezone(ZoneInfo(settings.CRPBOT.time_zone)):%a %d %b %Y, %H:%M %Z}")
        table.add_row("account", escape(found.account or "none yet: run `manage.py bootstrap`"))
        for name, value in body.items():
            if name != "accounts":
                table.add_row(name, escape(_words(name, value)))
        for name, guard in body["accounts"].items():
            table.add_row("guard", escape(f"{name}: {_guard(guard)}"))
        Console(file=cast(TextIO, self.stdout)).print(table)
        self.stdout.write("Counts are of the last 24 hours; open trades and queues are of now.")


def _guard(guard: dict[str, Any]) -> str:
    """One account's guard in a line."""
    locks = {
        "daily limit locked until the next prop-firm day": guard["daily_locked"],
        "total limit locked until a person reopens it": guard["total_locked"],
        f"{guard['breach']} limit BREACHED": guard["breach"],
        f"flatten {guard['flatten']}": guard["flatten"],
    }
    level = (guard["level"] or "not measured yet").upper()
    held = "; ".join(words for words, holds in locks.items() if holds)
    orders = f"{guard['orders_minute']}/{guard['orders_hour']}/{guard['orders_day']}"
    counts = (
        f"{orders} orders in a minute/hour/day, {guard['lots_day']} lots, {guard['messages_day']} messages, "
        f"{guard['losses_in_row']} losses in a row"
    )
    return "; ".join(filter(None, (f"{guard['state'].upper()}, {guard['mode']}, {level}", held, counts)))


def _words(name: str, value: Any) -> str:
    if name == "candles":
        ages = ((key, "none yet" if age is None else f"{age} s ago") for key, age in value.items())
        return ", ".join(f"{key} {age}" for key, age in ages) or "no market is switched on"
    if name == "headroom":
        return "not known yet" if value is None else f"{value:,.2f}"
    if name == "queues" and not value:
        return "not known: Redis does not answer"
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
    return str(value)
