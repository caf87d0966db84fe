"""Halt and resume on the command line: friction on one side only."""

import io
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from trading.core.types import TradingState
from trading.models import Account, DeskStatus, Event
from trading.services import bootstrap, kill_switch, risk

pytestmark = pytest.mark.django_db


@pytest.fixture
def open_desk() -> Account:
    """Two paper accounts that trade, seen and measured a moment ago."""
    now = timezone.now()
    sources = bootstrap.Sources(real="coinbase", symbols=("BTC-USD",), reached=False, why="No answer.")
    bootstrap.run(now=now, sources=sources, owner=bootstrap.Owner(name="admin", password="long enough"))
    for account in Account.objects.all():
        DeskStatus.objects.create(
            account=account,
            ready=True,
            reason="reconciled",
            reconciled_at=now,
            seen_at=now,
            balance=100_000,
            equity=100_000,
        )
    assert len(risk.snapshot_all(now=now, trigger="test")) == 2
    return Account.objects.get(name="Paper")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def state() -> TradingState:
    return kill_switch.effective().state


def resume(**options: str) -> None:
    call_command("resume", **{"user": "admin", "reason": "all is well", **options})


def test_halt_needs_nothing_but_the_word(open_desk: Account, capsys: Any) -> None:
    call_command("halt")
    assert state() is TradingState.HALTED
    assert "All accounts: HALTED." in capsys.readouterr().out
    event = Event.objects.filter(kind="kill_switch").first()
    assert event is not None
    assert event.by.endswith("command line")


def test_halt_keeps_the_reason_and_can_be_repeated(open_desk: Account, capsys: Any) -> None:
    call_command("halt", "the news at eight")
    call_command("halt")
    assert "it was HALTED already" in capsys.readouterr().out
    assert "the news at eight" in kill_switch.effective().reason


def test_reducing_lets_strategies_exit_and_never_loosens(open_desk: Account) -> None:
    call_command("halt", "--reducing")
    assert state() is TradingState.REDUCING
    call_command("halt")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("halt", "--reducing")
    assert state() is TradingState.HALTED


def test_one_account_can_be_halted_alone(open_desk: Account) -> None:
    call_command("halt", "--account", "Paper")
    assert state() is TradingState.ACTIVE
    assert kill_switch.effective(open_desk.pk).state is TradingState.HALTED


def test_an_account_that_does_not_exist_is_named(open_desk: Account) -> None:
    with pytest.raises(CommandError, match=r"no account 'Papper'; there are: Paper, Test market"):
        call_command("halt", "--account", "Papper")


def test_resume_with_everything_that_is_asked_for(open_desk: Account, typed: Any) -> None:
    call_command("halt")
    typed("RESUME\n")
    resume()
    assert state() is TradingState.ACTIVE


def test_resuming_all_names_the_accounts_that_stay_held(open_desk: Account, typed: Any, capsys: Any) -> None:
    call_command("halt", "dinner", "--reducing", "--account", "Paper")
    call_command("halt")
    typed("RESUME\n")
    resume()
    told = capsys.readouterr().out
    assert "Paper stays REDUCING (account: dinner" in told
    assert 'resume --account "Paper"' in told
    assert "Test market" not in told.partition("Resumed.")[2]


@pytest.mark.parametrize("text", ["", "resume\n", "yes\n", "RESUME now\n"])
def test_the_word_must_be_typed(text: str, open_desk: Account, typed: Any) -> None:
    call_command("halt")
    typed(text)
    with pytest.raises(CommandError, match="The word RESUME must be typed"):
        resume()
    assert state() is TradingState.HALTED


def test_only_a_superuser_resumes(open_desk: Account, typed: Any) -> None:
    get_user_model().objects.create_user("guest", is_staff=True)
    call_command("halt")
    typed("RESUME\n")
    with pytest.raises(CommandError, match="superuser"):
        resume(user="guest")
    with pytest.raises(CommandError, match="no user 'nobody'"):
        resume(user="nobody")
    assert state() is TradingState.HALTED


def test_what_stands_against_it_is_listed(
    open_desk: Account, typed: Any, settings: Any, tmp_path: Any
) -> None:
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"data_dir": tmp_path})
    (tmp_path / "HALT").touch()
    DeskStatus.objects.update(ready=False, reason="the venue is away")
    call_command("halt")
    typed("RESUME\n")
    with pytest.raises(CommandError) as refused:
        resume()
    assert "HALT exists" in str(refused.value)
    assert "the venue is away" in str(refused.value)
    assert state() is TradingState.HALTED
