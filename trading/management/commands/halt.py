"""Stop all new orders, at once; open positions keep their stops, or are closed. Only a person can resume."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from trading.core.types import TradingState
from trading.management.commands import _switch
from trading.services import kill_switch


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "reason", nargs="?", default="asked for on the command line", help="goes into the record"
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--reducing", action="store_true", help="let the strategies close what is open")
        how.add_argument(
            "--flatten", action="store_true", help="cancel what rests and close what is open, now"
        )
        parser.add_argument("--account", help="name of one account; without it, all")

    def handle(
        self, *args: Any, reason: str, reducing: bool, flatten: bool, account: str | None, **options: Any
    ) -> None:
        state = TradingState.REDUCING if reducing else TradingState.HALTED
        number = _switch.account_id(account)
        try:
            changed = kill_switch.set_state(
                state,
                by=f"{getpass.getuser()}, command line",
                reason=reason,
                now=timezone.now(),
                account_id=number,
                flatten=flatten,
            )
        except kill_switch.LooseningRefused as error:
            raise CommandError(f"Nothing was changed: {error}.") from None
        whom = account or "All accounts"
        self.stdout.write(
            f"{whom}: {state.upper()}." if changed else f"{whom}: it was {state.upper()} already."
        )
        if flatten:
            self.stdout.write(
                f"{whom}: everything is being cancelled and closed; `manage.py status` says when."
            )
