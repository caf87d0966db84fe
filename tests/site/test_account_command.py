"""An account's life on the command line: a preview first, the words typed, and an answer that says what follows."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.services.lives import Desk, free_of_costs, under
from tests.services.worlds import World, make_superuser, make_world
from trading.core.types import TradingState
from trading.management.commands import account as command
from trading.models import AccountPeriod, LifeAction, LifeState
from trading.services import kill_switch

pytestmark = pytest.mark.django_db


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.fixture
def world(db: None) -> World:
    """A paper account under the generic programme, seen by a desk a moment ago; ada may ask."""
    now = timezone.now()
    found = make_world(now=now - timedelta(hours=1))
    free_of_costs()
    make_superuser()
    desk = Desk(under(found.account, "generic"))
    desk.attend(now - timedelta(minutes=30))
    return found


@pytest.fixture
def desk_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the command waits, a desk has its round."""
    monkeypatch.setattr(command.time, "sleep", lambda _seconds: Desk(world.account).attend(timezone.now()))


def run(*words: str, capsys: Any) -> str:
    call_command("account", *words)
    return str(capsys.readouterr().out)


def test_a_payout_from_preview_to_done(world: World, desk_answers: None, typed: Any, capsys: Any) -> None:
    typed("PAYOUT\n")
    said = run("payout", "Paper", "--amount", "1,500.50", "--user", "ada", "--reason", "rent", capsys=capsys)
    assert "1,500.50 USD are paid out." in said
    assert "Type PAYOUT to go on:" in said
    assert (
        "is done. -1500.50 paid, balance 98499.50, daily floor 93499.50, total floor 90000.00, generic v1."
        in said
    )
    assert "Paper goes on by itself." in said
    assert LifeAction.objects.get().asked_by == "ada"


def test_without_a_name_it_is_a_preview(world: World, capsys: Any) -> None:
    said = run("reset", "Paper", "--initial", "50000", capsys=capsys)
    assert "This was a preview." in said
    assert "50,000.00" in said
    assert not LifeAction.objects.exists()


@pytest.mark.parametrize("words", ["payout\n", "\n", "", "yes\n"])
def test_nothing_stands_for_the_words(world: World, typed: Any, words: str) -> None:
    typed(words)
    with pytest.raises(CommandError, match="The words PAYOUT must be typed"):
        call_command("account", "payout", "Paper", "--amount", "5", "--user", "ada", "--reason", "x")
    with pytest.raises(CommandError, match="unrecognized arguments: --yes"):
        call_command("account", "payout", "Paper", "--amount", "5", "--user", "ada", "--reason", "x", "--yes")
    assert not LifeAction.objects.exists()


def test_all_mistakes_are_told_before_anything_is_typed(world: World, typed: Any, capsys: Any) -> None:
    typed("PAYOUT\n")
    with pytest.raises(CommandError, match="80 % of the total limit") as refused:
        call_command("account", "payout", "Paper", "--amount", "9000", "--user", "ada")
    assert "A reason is needed" in str(refused.value)
    assert "Type PAYOUT" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("payout", "Nobody", "--amount", "5"), "there is no account 'Nobody'"),
        (("payout", "Paper", "--amount", "much"), "--amount needs a sum of money"),
        (("payout", "Paper", "--amount", "5", "--user", "bob"), "there is no user 'bob'"),
        (("new-login", "Paper"), "--number"),
        (("payout", "Paper", "--amount", "NaN"), "cannot be asked for"),
    ],
)
def test_wrong_input_is_one_sentence(world: World, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("account", *words)


def test_without_a_desk_it_says_that_it_waits(
    world: World, typed: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PATIENCE", timedelta(0))
    typed("DEPOSIT\n")
    said = run("deposit", "Paper", "--amount", "5", "--user", "ada", "--reason", "x", capsys=capsys)
    assert "still waits" in said
    with pytest.raises(CommandError, match="waits already"):
        call_command("account", "reset", "Paper", "--user", "ada", "--reason", "x")
    run("withdraw", "Paper", "--user", "ada", "--reason", "changed my mind", capsys=capsys)
    assert LifeAction.objects.get().state == LifeState.REFUSED
    with pytest.raises(CommandError, match="No step of Paper waits"):
        call_command("account", "withdraw", "Paper", "--user", "ada", "--reason", "x")


def test_a_refusal_of_the_desk_is_an_error(world: World, typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_seconds: float) -> None:
        LifeAction.objects.update(state=LifeState.REFUSED, answer="Not today.")

    monkeypatch.setattr(command.time, "sleep", refuse)
    typed("RESET\n")
    with pytest.raises(CommandError, match="was refused"):
        call_command("account", "reset", "Paper", "--user", "ada", "--reason", "x")


def test_it_says_what_is_left_to_a_person(world: World, desk_answers: None, typed: Any, capsys: Any) -> None:
    kill_switch.set_state(
        TradingState.HALTED, by="risk", reason="BREACH", now=timezone.now(), account_id=world.account.pk
    )
    typed("NEW LOGIN\n")
    said = run("new-login", "Paper", "--number", "4711", "--user", "ada", "--reason", "x", capsys=capsys)
    assert "Paper stays HALTED" in said
    assert "resume it" in said


def test_lists_for_machines(world: World, desk_answers: None, typed: Any, capsys: Any) -> None:
    typed("NEW LOGIN\n")
    run(
        "new-login",
        "Paper",
        "--number",
        "4711",
        "--initial",
        "50000",
        "--user",
        "ada",
        "--reason",
        "x",
        capsys=capsys,
    )
    (line,) = json.loads(run("list", "--json", capsys=capsys))
    assert line == {
        "name": "Paper",
        "login": "4711",
        "programme": "generic v1",
        "mode": "paper",
        "initial": "50000.00",
        "balance": "50000.00",
        "waits": "",
    }
    body = json.loads(run("show", "Paper", "--json", capsys=capsys))
    assert [period["began_by"] for period in body["periods"]] == ["new_login", "opened"]
    assert [paid["amount"] for paid in body["payments"]] == ["-50000.00"]
    assert [step["state"] for step in body["steps"]] == ["done"]
    assert AccountPeriod.objects.count() == 2


def test_lists_for_people(world: World, capsys: Any) -> None:
    assert "generic v1" in run("list", capsys=capsys)
    said = run("show", "Paper", capsys=capsys)
    assert "periods: 1" in said
    assert "payments: none" in said
