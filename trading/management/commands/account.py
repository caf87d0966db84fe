"""An account's life: list and show, and the steps phase-up, payout, deposit, reset and new-login."""

import json
import time
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TextIO, cast

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trading.management.arguments import bad_input
from trading.models import Account, AccountPeriod, BalanceOperation, LifeAction, LifeState
from trading.selectors import risk
from trading.services import life, life_plan

STEPS = {
    "phase-up": "go on in the next phase",
    "payout": "pay money out",
    "deposit": "pay money in",
    "reset": "begin anew under the same login",
    "new-login": "begin anew under another login",
}
PATIENCE = timedelta(seconds=30)
PAUSE = timedelta(seconds=0.2)
_SAID = ("amount", "initial", "programme", "number")
_ROWS = (
    ("login", "number"),
    ("programme", "programme"),
    ("initial balance", "initial"),
    ("balance", "balance"),
    ("the day began with", "day_start"),
    ("daily floor", "daily_floor"),
    ("total floor", "total_floor"),
    ("may be lost", "room"),
    ("target", "target"),
)


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True)
        listed = steps.add_parser("list", help="every account in a line")
        shown = steps.add_parser("show", help="one account: its periods, payments and steps")
        shown.add_argument("account", help="name of the account")
        for sub in (listed, shown):
            sub.add_argument("--json", action="store_true", help="print JSON")
        for name, what in STEPS.items():
            self._add_step(steps.add_parser(name, help=what), name)
        back = steps.add_parser("withdraw", help="take back a step that waits")
        back.add_argument("account", help="name of the account")
        back.add_argument("--user", required=True, help="name of the superuser")
        back.add_argument("--reason", required=True, help="goes into the record")

    def _add_step(self, sub: CommandParser, name: str) -> None:
        sub.add_argument("account", help="name of the account")
        if name in ("payout", "deposit"):
            sub.add_argument("--amount", required=True, help="in account currency")
        if name != "payout":
            sub.add_argument("--initial", help="initial balance from then on")
        if name not in ("payout", "deposit"):
            sub.add_argument("--programme", help="name of the programme from then on")
        if name in ("phase-up", "new-login"):
            sub.add_argument("--number", required=name == "new-login", help="login at the venue")
        sub.add_argument("--user", help="name of the superuser who asks; without one it is only previewed")
        sub.add_argument("--reason", default="", help="goes into the record")

    def handle(self, *args: Any, step: str, **options: Any) -> None:
        if step == "list":
            self._list(as_json=options["json"])
            return
        account = _account(options["account"])
        if step == "show":
            self._show(account, as_json=options["json"])
        elif step == "withdraw":
            self._withdraw(account, options)
        else:
            self._step(account, step.replace("-", "_"), options)

    # -- the steps ----------------------------------------------------------------------------

    def _step(self, account: Account, kind: str, options: dict[str, Any]) -> None:
        """Show what it would do, ask for the words, hand it to the desk, and wait for the desk."""
        said = _said(options)
        seen = life.preview(account_id=account.pk, kind=kind, now=timezone.now(), **said)
        self._tell_preview(account, seen)
        if not options["user"]:
            if seen.mistakes:
                raise CommandError("It cannot be asked for as it is.")
            self.stdout.write("This was a preview. Name who asks with --user and why with --reason.")
            return
        user = _user(options["user"])
        phrase = "" if seen.mistakes else self._typed(seen.phrase)
        try:
            asked = life.ask(
                account_id=account.pk,
                kind=kind,
                by_user_id=user,
                reason=options["reason"],
                phrase=phrase,
                now=timezone.now(),
                **said,
            )
        except life.LifeRefused as error:
            raise _refused(error) from None
        self._wait(account, asked)

    def _wait(self, account: Account, action_id: int) -> None:
        """Look for up to half a minute whether the desk has carried the step out, and say what follows."""
        ends = time.monotonic() + PATIENCE.total_seconds()
        action = LifeAction.objects.get(pk=action_id)
        self.stdout.write(f"{action} is asked for. The desk carries it out once nothing is open.")
        while action.state == LifeState.ASKED and time.monotonic() < ends:
            time.sleep(PAUSE.total_seconds())
            action.refresh_from_db()
        if action.state == LifeState.REFUSED:
            raise CommandError(f"{action} was refused. {action.answer}")
        if action.state == LifeState.ASKED:
            self.stdout.write(
                f"{action} still waits: something is open or on its way, or no desk runs. "
                f'`manage.py status` says more; `manage.py account withdraw "{account.name}"` takes it back.'
            )
            return
        self.stdout.write(f"{action} is done. {action.answer}")
        for sentence in life_plan.what_follows(_account(account.name)):
            self.stdout.write(sentence)

    def _withdraw(self, account: Account, options: dict[str, Any]) -> None:
        action = LifeAction.objects.filter(account=account, state=LifeState.ASKED).first()
        if action is None:
            raise CommandError(f"No step of {account} waits.")
        user = _user(options["user"])
        try:
            life.withdraw(action.pk, by_user_id=user, reason=options["reason"], now=timezone.now())
        except life.LifeRefused as error:
            raise _refused(error) from None
        self.stdout.write(f"{action} is withdrawn.")

    def _tell_preview(self, account: Account, seen: life.Preview) -> None:
        table = Table("", "now", "then", box=None, pad_edge=False)
        for title, name in _ROWS:
            table.add_row(title, _cell(seen.before, name), _cell(seen.after, name))
        self._print(table)
        if seen.after is not None and seen.money:
            way = "paid in" if seen.money > 0 else "paid out"
            self.stdout.write(f"{abs(seen.money):,.2f} {account.currency} are {way}.")
        for note in seen.notes:
            self.stdout.write(f"Note: {note}")
        for mistake in seen.mistakes:
            self.stdout.write(f"Against it: {mistake}")

    def _typed(self, phrase: str) -> str:
        self.stdout.write(f"Type {phrase} to go on:")
        try:
            return input().strip()
        except EOFError:
            return ""

    # -- the lists ----------------------------------------------------------------------------

    def _list(self, *, as_json: bool) -> None:
        found = [_line(account) for account in Account.objects.select_related("programme__profile")]
        if as_json:
            self.stdout.write(json.dumps(found))
            return
        table = Table(
            *(name.replace("_", " ") for name in found[0]) if found else "", box=None, pad_edge=False
        )
        for line in found:
            table.add_row(*(escape(str(value)) for value in line.values()))
        self._print(table)

    def _show(self, account: Account, *, as_json: bool) -> None:
        body = {**_line(account), "periods": _periods(account), "payments": _payments(account)}
        body["steps"] = _steps(account)
        if as_json:
            self.stdout.write(json.dumps(body))
            return
        for name, value in body.items():
            if not isinstance(value, list):
                self.stdout.write(f"{name.replace('_', ' ')}: {value}")
                continue
            self.stdout.write(f"\n{name}: {'none' if not value else len(value)}")
            table = Table(
                *(key.replace("_", " ") for key in value[0]) if value else "", box=None, pad_edge=False
            )
            for line in value:
                table.add_row(*(escape("" if cell is None else str(cell)) for cell in line.values()))
            if value:
                self._print(table)

    def _print(self, table: Table) -> None:
        Console(file=cast(TextIO, self.stdout)).print(table)


def _line(account: Account) -> dict[str, Any]:
    view = risk.view_of(account)
    waiting = LifeAction.objects.filter(account=account, state=LifeState.ASKED).first()
    return {
        "name": str(account),
        "login": account.number,
        "programme": str(account.programme),
        "mode": account.mode,
        "initial": str(account.initial_balance),
        "balance": "not seen yet" if view is None else str(view.balance),
        "waits": f"{waiting} {waiting.kind}" if waiting else "",
    }


def _periods(account: Account) -> list[dict[str, Any]]:
    periods = AccountPeriod.objects.filter(account=account).select_related("programme__profile")
    return [
        {
            "period": period.sequence,
            "began_by": period.began_by,
            "began": f"{period.began_at:%Y-%m-%d %H:%M}",
            "ended": f"{period.ended_at:%Y-%m-%d %H:%M}" if period.ended_at else None,
            "login": period.number,
            "programme": str(period.programme),
            "initial": str(period.initial_balance),
            "opened_with": str(period.opening_balance),
            "closed_with": None if period.closing_balance is None else str(period.closing_balance),
        }
        for period in periods
    ]


def _payments(account: Account) -> list[dict[str, Any]]:
    return [
        {
            "payment": str(paid),
            "at": f"{paid.at:%Y-%m-%d %H:%M}",
            "amount": str(paid.amount),
            "step": str(paid.action or "nobody asked for it here"),
        }
        for paid in BalanceOperation.objects.filter(account=account).select_related("action")
    ]


def _steps(account: Account) -> list[dict[str, Any]]:
    return [
        {
            "step": str(action),
            "kind": action.kind,
            "state": action.state,
            "asked_by": action.asked_by,
            "reason": action.reason,
            "answer": action.answer,
        }
        for action in LifeAction.objects.filter(account=account)
    ]


def _cell(floors: life.Floors | None, name: str) -> str:
    value = None if floors is None else getattr(floors, name)
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return escape(value) if value else "none" if name == "target" else "not known"


def _account(name: str) -> Account:
    found = Account.objects.select_related("programme__profile").filter(name=name).first()
    if found is None:
        known = ", ".join(Account.objects.values_list("name", flat=True)) or "none"
        raise bad_input(f"there is no account {name!r}; there are: {known}")
    return found


def _user(name: str) -> int:
    found = get_user_model().objects.filter(username=name).values_list("pk", flat=True).first()
    if found is None:
        raise bad_input(f"there is no user {name!r}")
    return int(found)


def _said(options: dict[str, Any]) -> dict[str, Any]:
    """What was said of the step, its sums as Decimal."""
    given = {name: options[name] for name in _SAID if options.get(name) is not None}
    for name in ("amount", "initial"):
        if name in given:
            try:
                given[name] = Decimal(given[name].replace(",", ""))
            except InvalidOperation:
                raise bad_input(f"--{name} needs a sum of money, was {given[name]!r}") from None
    return given


def _refused(error: life.LifeRefused) -> CommandError:
    return CommandError("\n".join(("Nothing was changed.", *error.missing)))
