"""Let orders open again: a superuser, a reason, and a typed word; what stands against it is listed."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from trading.core.types import TradingState
from trading.management.commands import _switch
from trading.models import Account
from trading.services import kill_switch


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="name of the superuser who resumes")
        parser.add_argument("--reason", required=True, help="goes into the record")
        parser.add_argument("--account", help="name of one account; without it, the switch of all")

    def handle(self, *args: Any, user: str, reason: str, account: str | None, **options: Any) -> None:
        number = _switch.account_id(account)
        found = get_user_model().objects.filter(username=user).values_list("pk", flat=True).first()
        if found is None:
            raise CommandError(f"There is no user {user!r}.")
        phrase = self._typed()
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

    def _typed(self) -> str:
        self.stdout.write(f"Orders will open again. Type {kill_switch.PHRASE} to go on:")
        try:
            return input().strip()
        except EOFError:
            return ""
