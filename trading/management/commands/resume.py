"""Let orders open again: a superuser, a reason, and a typed word; what stands against it is listed.

With --reopen only the lock of an account's total limit is ended; resuming is an act of its own.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from trading.core.types import TradingState
from trading.management.commands import _switch
from trading.models import Account
from trading.services import kill_switch, levels


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="name of the superuser who resumes")
        parser.add_argument("--reason", required=True, help="goes into the record")
        parser.add_argument("--account", help="name of one account; without it, the switch of all")
        parser.add_argument(
            "--reopen", action="store_true", help="end the lock of the total limit of --account, nothing else"
        )

    def handle(
        self, *args: Any, user: str, reason: str, account: str | None, reopen: bool, **options: Any
    ) -> None:
        number, found = _switch.account_id(account), _switch.user_id(user)
        if reopen:
            self._reopen(number, found, reason)
        else:
            self._resume(number, found, reason)

    def _reopen(self, number: int | None, user: int, reason: str) -> None:
        if number is None:
            raise CommandError("--reopen needs --account: each total limit is reopened by itself.")
        phrase = self._typed(levels.PHRASE, "The account may lose more of its total limit.")
        try:
            levels.reopen(number, user, reason, phrase, timezone.now())
        except levels.ReopenRefused as error:
            raise CommandError("\n".join(("Not reopened.", *error.missing))) from None
        left = kill_switch.effective(number)
        self.stdout.write(
            f"Reopened. The switch stays as it is: {left.state.upper()} ({left.source}: {left.reason})."
        )

    def _resume(self, number: int | None, found: int, reason: str) -> None:
        phrase = self._typed(kill_switch.PHRASE, "Orders will open again.")
        try:
            kill_switch.resume(
                user_id=found, reason=reason, phrase=phrase, now=timezone.now(), account_id=number
            )
        except kill_switch.ResumeRefused as error:
            raise CommandError("\n".join(("Not resumed.", *error.missing))) from None
        left = kill_switch.effective(number)
        self.stdout.write(f"Resumed. The state is {left.state.upper()} ({left.source}: {left.reason}).")
        if number is None:
            self._tell_accounts()

    def _tell_accounts(self) -> None:
        """The switch of all does not open an account that is held by its own."""
        for held in Account.objects.order_by("pk"):
            own = kill_switch.effective(held.pk)
            if own.state is not TradingState.ACTIVE:
                self.stdout.write(
                    f"{held} stays {own.state.upper()} ({own.source}: {own.reason});"
                    f' `manage.py resume --account "{held.name}"` opens it.'
                )

    def _typed(self, phrase: str, what: str) -> str:
        self.stdout.write(f"{what} Type {phrase} to go on:")
        return _switch.typed()
