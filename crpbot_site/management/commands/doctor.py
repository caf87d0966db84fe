"""Look at everything an appliance needs and say what to do next: code 0 well, 1 with warnings, 2 with failures."""

import sys
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crpbot_site import checks, feed_checks

COLOURS = {checks.Verdict.OK: "green", checks.Verdict.WARN: "yellow", checks.Verdict.FAIL: "red"}
CODES = {checks.Verdict.OK: 0, checks.Verdict.WARN: 1, checks.Verdict.FAIL: 2}


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        found = checks.run((*checks.ALL, feed_checks.feeds), now=timezone.now())
        table = Table(box=None, pad_edge=False, show_header=False)
        for finding in found:
            colour = COLOURS[finding.verdict]
            table.add_row(
                f"[{colour}]{finding.verdict}[/]",
                finding.check,
                escape(f"{finding.text} {finding.advice}".strip()),
            )
        Console(file=cast(TextIO, self.stdout)).print(table)
        worst = checks.worst(found)
        counts = {verdict: sum(finding.verdict is verdict for finding in found) for verdict in checks.Verdict}
        self.stdout.write(", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number))
        sys.exit(CODES[worst])
