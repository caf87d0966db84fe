"""Say or change how far an account may go: down for anybody on the staff, up only with everything of that step."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from trading.core.types import Mode
from trading.management.commands import _switch
from trading.models import Account
from trading.selectors import readiness
from trading.services import modes


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="name of the account")
        parser.add_argument(
            "mode",
            nargs="?",
            choices=[mode.value for mode in Mode],
            help="without it, what the next step up asks for",
        )
        parser.add_argument("--user", default="", help="name of the user who changes it")
        parser.add_argument("--reason", default="", help="goes into the record")

    def handle(
        self, *args: Any, account: str, mode: str | None, user: str, reason: str, **options: Any
    ) -> None:
        found = Account.objects.select_related("programme__profile").get(pk=_switch.account_id(account) or 0)
        if mode is None:
            self._say(found)
            return
        asked = Mode(mode)
        phrase = ""
        if asked.rank > Mode(found.mode).rank:
            self.stdout.write(f"{found} will go up to {asked}. Type {modes.PHRASE} to go on:")
            phrase = _switch.typed()
        try:
            changed = modes.set_mode(
                found.pk,
                asked,
                user_id=_switch.user_id(user),
                reason=reason,
                phrase=phrase,
                now=timezone.now(),
            )
        except modes.ModeRefused as error:
            raise CommandError("\n".join(("The mode stays as it is.", *error.missing))) from None
        self.stdout.write(
            f"{found}: mode {asked}." if changed else f"{found}: it was in mode {asked} already."
        )

    def _say(self, account: Account) -> None:
        """The mode, and every condition of the next step up."""
        self.stdout.write(f"{account} is in mode {account.mode}.")
        above = [mode for mode in Mode if mode.rank == Mode(account.mode).rank + 1]
        for mode in above:
            self.stdout.write(f"Up to {mode}:")
            for line in readiness.mode_checklist(account, mode, now=timezone.now()):
                self.stdout.write(f"  {'yes' if line.ok else 'no '}  {line.sentence}")
