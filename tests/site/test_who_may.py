"""Who may do what, through which door: every role, every act, on the command line and on the panel.

Everybody who stands at the machine tightens; whoever may halt tightens on the panel; one person loosens.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import sys
import types
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crpbot_site.panel import views
from trading.admin.accounts import AccountForm
from trading.core.types import Mode, TradingState
from trading.models import Account, AccountRisk, DeskStatus, Flatten, KillSwitch
from trading.services import bootstrap, kill_switch, levels

pytestmark = pytest.mark.django_db

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
ROLES = ("nobody", "outsider", "guest", "halter", "former", "owner")

# One line an act: "x" where it happens.  Roles: nobody is not logged in and names no user; an outsider is a user
# but not on the staff; a guest may look; a halter may also halt; the former owner is no longer active.
TABLE = """
                     nobody outsider guest halter former owner
command line halt         x        x     x      x      x     x
command line halt one     x        x     x      x      x     x
command line reducing     x        x     x      x      x     x
command line flatten      x        x     x      x      x     x
command line resume       .        .     .      .      .     x
command line resume one   .        .     .      .      .     x
command line reopen       .        .     .      .      .     x
command line mode down    .        .     x      x      .     x
command line mode up      .        .     .      .      .     x
panel        halt         .        .     .      x      .     x
panel        halt one     .        .     .      .      .     .
panel        reducing     .        .     .      x      .     x
panel        flatten      .        .     .      x      .     x
panel        resume       .        .     .      .      .     x
panel        resume one   .        .     .      .      .     x
panel        reopen       .        .     .      .      .     x
panel        mode down    .        .     .      .      .     x
panel        mode up      .        .     .      .      .     .
"""


def cells() -> list[Any]:
    """Each cell of the table: channel, act, role, and whether it happens."""
    found = []
    for line in TABLE.strip("\n").splitlines()[1:]:
        channel, act = line[:13].strip(), line[13:25].strip()
        for role, mark in zip(ROLES, line[25:].split(), strict=True):
            found.append(pytest.param(channel, act, role, mark == "x", id=f"{channel} {act} {role}"))
    return found


@pytest.fixture
def account() -> Account:
    """A paper account and a synthetic one that trade, seen and measured a moment ago."""
    now = timezone.now()
    sources = bootstrap.Sources(real="coinbase", symbols=("BTC-USD",), reached=False, why="No answer.")
    bootstrap.run(now=now, sources=sources, owner=None)
    for one in Account.objects.all():
        DeskStatus.objects.create(
            account=one,
            ready=True,
            reason="reconciled",
            reconciled_at=now,
            seen_at=now,
            balance=100_000,
            equity=100_000,
        )
    return Account.objects.get(name="Paper")


@pytest.fixture
def people(account: Account) -> dict[str, User]:
    """One user for each role but nobody."""
    made = {
        "outsider": User.objects.create(username="outsider", is_staff=False),
        "guest": User.objects.create(username="guest", is_staff=True),
        "halter": User.objects.create(username="halter", is_staff=True),
        "former": User.objects.create(username="former", is_staff=True, is_superuser=True, is_active=False),
        "owner": User.objects.create(username="owner", is_staff=True, is_superuser=True),
    }
    seeing = Permission.objects.get(codename="view_killswitch")
    made["guest"].user_permissions.add(seeing)
    made["halter"].user_permissions.add(seeing, Permission.objects.get(codename="change_killswitch"))
    return made


def put(state: TradingState, account: Account | None = None) -> None:
    KillSwitch.objects.filter(account=account).update(state=state, changed_by="the test")


def before(act: str, account: Account) -> None:
    """The state from which the act changes something."""
    if act == "resume":
        put(HALTED)
    elif act == "resume one":
        put(HALTED, account)
    elif act == "reopen":
        since = timezone.now() - timedelta(hours=1)
        AccountRisk.objects.filter(account=account).update(total_locked_at=since, level="locked")
    elif act == "mode up":
        Account.objects.filter(pk=account.pk).update(mode=Mode.OBSERVE)


def stands(account: Account) -> tuple[Any, ...]:
    """Everything that one of the acts could have changed."""
    return (
        list(KillSwitch.objects.order_by("pk").values_list("account_id", "state")),
        Flatten.objects.filter(done_at=None).exists(),
        AccountRisk.objects.get(account=account).total_locked_at is None,
        Account.objects.get(pk=account.pk).mode,
    )


def happened(act: str, account: Account) -> bool:
    """Whether the act has had its effect."""
    state = kill_switch.KillSwitch.objects.get(account=None).state
    own = KillSwitch.objects.get(account=account).state
    effects: dict[str, bool] = {
        "halt": state == HALTED,
        "halt one": own == HALTED and state == ACTIVE,
        "reducing": state == REDUCING,
        "flatten": state == HALTED and Flatten.objects.filter(account=account, done_at=None).exists(),
        "resume": state == ACTIVE,
        "resume one": own == ACTIVE,
        "reopen": AccountRisk.objects.get(account=account).total_locked_at is None,
        "mode down": Account.objects.get(pk=account.pk).mode == Mode.OBSERVE,
        "mode up": Account.objects.get(pk=account.pk).mode == Mode.PAPER,
    }
    return effects[act]


# -- the doors --------------------------------------------------------------------------------


def on_command_line(act: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, with everything typed that it asks for; a refusal is an answer."""
    typed = {"resume": kill_switch.PHRASE, "reopen": levels.PHRASE, "mode": "RAISE"}.get(act.split()[0], "")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    person = ["--user", name, "--reason", "for the table"]
    words = {
        "halt": ["halt"],
        "halt one": ["halt", "--account", "Paper"],
        "reducing": ["halt", "--reducing"],
        "flatten": ["halt", "--flatten"],
        "resume": ["resume", *person],
        "resume one": ["resume", *person, "--account", "Paper"],
        "reopen": ["resume", *person, "--account", "Paper", "--reopen"],
        "mode down": ["mode", "Paper", "observe", *person],
        "mode up": ["mode", "Paper", "paper", *person],
    }[act]
    try:
        call_command(*words, stdout=io.StringIO())
    except CommandError:
        return


def on_panel(act: str, person: User | None, account: Account) -> None:
    """The panel's form of that act, with everything filled in; what has no form is asked of the nearest one."""
    client = Client()
    if person is not None:
        client.force_login(person)
    why = {"reason": "for the table"}
    one = {"account": str(account.pk), "scope": str(account.pk), "number": account.number}
    # The panel's pages speak of the account that was chosen.
    client.post(reverse("panel:account"), {"number": account.number})
    address, body = {
        "halt": ("panel:halt", {"state": "halted"}),
        "halt one": ("panel:halt", {"state": "halted", **one}),
        "reducing": ("panel:halt", {"state": "reducing"}),
        "flatten": ("panel:flatten", {}),
        "resume": ("panel:resume", {**why, "phrase": kill_switch.PHRASE, "scope": ""}),
        "resume one": ("panel:resume", {**why, **one, "phrase": kill_switch.PHRASE}),
        "reopen": ("panel:reopen", {**why, **one, "phrase": levels.PHRASE}),
        "mode down": ("account", {"mode": "observe"}),
        "mode up": ("account", {"mode": "paper", **why, "phrase": "RAISE"}),
    }[act]
    if address == "account":
        address = reverse("admin:trading_account_change", args=[account.pk])
        client.post(address, {**_filled_in(account), **body})
    else:
        client.post(reverse(address), body)


def _filled_in(account: Account) -> dict[str, Any]:
    """The account's form as it stands, to be sent back."""
    form = AccountForm(instance=Account.objects.get(pk=account.pk))
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value not in (None, False)}


def try_it(
    channel: str,
    act: str,
    role: str,
    *,
    account: Account,
    people: dict[str, User],
    monkeypatch: pytest.MonkeyPatch,
) -> bool:
    """Do one cell; whether it happened. What did not happen must have changed nothing at all."""
    before(act, account)
    stood = stands(account)
    if channel == "command line":
        on_command_line(act, "" if role == "nobody" else role, monkeypatch)
    else:
        on_panel(act, people.get(role), account)
    done = happened(act, account)
    if not done and act != "halt one":
        assert stands(account) == stood
    return done


@pytest.mark.parametrize(("channel", "act", "role", "expected"), cells())
def test_every_cell(
    channel: str,
    act: str,
    role: str,
    expected: bool,
    account: Account,
    people: dict[str, User],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = try_it(channel, act, role, account=account, people=people, monkeypatch=monkeypatch)
    assert done is expected


def test_the_table_is_whole() -> None:
    assert len(cells()) == 6 * 9 * 2


# -- the controls -----------------------------------------------------------------------------


ASKED_FOR = "filter(pk=user_id, is_active=True, is_superuser=True)"
Change = Callable[[pytest.MonkeyPatch, Path], None]


def changed(module: types.ModuleType, folder: Path, line: str, other: str) -> Any:
    """A module with one named line changed; the rest of the product does not know of it."""
    source = inspect.getsource(module)
    assert source.count(line) == 1, f"the line to change stands {source.count(line)} times"
    file = folder / "changed.py"
    file.write_text(source.replace(line, other))
    spec = importlib.util.spec_from_file_location(f"changed_{id(folder)}", file)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    # Frozen messages look their module up by its name.
    sys.modules[made.__name__] = made
    spec.loader.exec_module(made)
    return made


def loose_resume(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    wrong = changed(kill_switch, folder, ASKED_FOR, ASKED_FOR.replace(", is_superuser=True", ""))
    monkeypatch.setattr(kill_switch, "resume", wrong.resume)
    monkeypatch.setattr(kill_switch, "ResumeRefused", wrong.ResumeRefused)


def loose_reopen(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    wrong = changed(levels, folder, ASKED_FOR, ASKED_FOR.replace(", is_superuser=True", ""))
    monkeypatch.setattr(levels, "reopen", wrong.reopen)
    monkeypatch.setattr(levels, "ReopenRefused", wrong.ReopenRefused)


def loose_halt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(views, "HALT_RIGHT", "trading.view_killswitch")


@pytest.mark.parametrize(
    ("change", "channel", "act", "role"),
    [
        (loose_resume, "command line", "resume", "halter"),
        (loose_reopen, "command line", "reopen", "guest"),
        (loose_halt, "panel", "halt", "guest"),
        (loose_halt, "panel", "flatten", "guest"),
    ],
)
def test_one_permission_changed_is_found_out(
    change: Change,
    channel: str,
    act: str,
    role: str,
    account: Account,
    people: dict[str, User],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    change(monkeypatch, tmp_path)
    assert try_it(channel, act, role, account=account, people=people, monkeypatch=monkeypatch)
