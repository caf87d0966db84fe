"""Halt and resume on the command line: friction on one side only."""

import io
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from trading.core.types import Mode, TradingState
from trading.models import Account, AccountRisk, DeskStatus, Event, Flatten
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


# -- flatten ----------------------------------------------------------------------------------


def test_a_halt_can_close_everything(open_desk: Account, capsys: Any) -> None:
    call_command("halt", "out", "--flatten")
    assert state() is TradingState.HALTED
    assert "everything is being cancelled and closed" in capsys.readouterr().out
    assert Flatten.objects.filter(done_at=None, reason="out").count() == Account.objects.count() == 2
    call_command("halt", "--flatten")
    assert Flatten.objects.count() == 2


def test_one_account_can_be_flattened_alone(open_desk: Account) -> None:
    call_command("halt", "--flatten", "--account", "Paper")
    assert state() is TradingState.ACTIVE
    assert Flatten.objects.get().account == open_desk


def test_flatten_and_reducing_are_two_things(open_desk: Account) -> None:
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("halt", "--flatten", "--reducing")
    assert state() is TradingState.ACTIVE
    assert not Flatten.objects.exists()


def test_nothing_is_resumed_while_it_is_being_closed(open_desk: Account, typed: Any) -> None:
    call_command("halt", "--flatten")
    typed("RESUME\n")
    with pytest.raises(CommandError, match="cancels and closes everything of Paper"):
        resume()


# -- reopening --------------------------------------------------------------------------------


@pytest.fixture
def locked(open_desk: Account) -> Account:
    """The total limit of the first account was used to 80 % once; it has room again."""
    AccountRisk.objects.filter(account=open_desk).update(total_locked_at=timezone.now(), level="locked")
    return open_desk


def test_a_total_lock_stands_against_resuming_until_it_is_reopened(
    locked: Account, typed: Any, capsys: Any
) -> None:
    call_command("halt")
    typed("RESUME\n")
    with pytest.raises(CommandError, match="Reopen it first"):
        resume()
    typed("REOPEN\n")
    call_command("resume", "--reopen", account="Paper", user="admin", reason="the hedge is off")
    told = capsys.readouterr().out
    assert "Type REOPEN to go on" in told
    assert "Reopened. The switch stays as it is: HALTED" in told
    assert AccountRisk.objects.get(account=locked).total_locked_at is None
    typed("RESUME\n")
    resume()
    assert state() is TradingState.ACTIVE


@pytest.mark.parametrize("text", ["", "RESUME\n", "reopen\n"])
def test_reopening_has_a_word_of_its_own(locked: Account, typed: Any, text: str) -> None:
    typed(text)
    with pytest.raises(CommandError, match="The word REOPEN must be typed"):
        call_command("resume", "--reopen", account="Paper", user="admin", reason="x")
    assert AccountRisk.objects.get(account=locked).total_locked_at is not None


def test_reopening_is_for_one_account_and_a_superuser(locked: Account, typed: Any) -> None:
    with pytest.raises(CommandError, match="--reopen needs --account"):
        call_command("resume", "--reopen", user="admin", reason="x")
    get_user_model().objects.create_user("guest", is_staff=True)
    typed("REOPEN\n")
    with pytest.raises(CommandError, match="superuser"):
        call_command("resume", "--reopen", account="Paper", user="guest", reason="x")
    assert AccountRisk.objects.get(account=locked).total_locked_at is not None


# -- the mode ---------------------------------------------------------------------------------


def mode_of(account: Account) -> str:
    return Account.objects.get(pk=account.pk).mode


def test_the_mode_goes_down_for_anybody_on_the_staff_and_up_for_a_superuser(
    open_desk: Account, typed: Any, capsys: Any
) -> None:
    get_user_model().objects.create_user("guest", is_staff=True)
    call_command("mode", "Paper", "observe", user="guest", reason="a pause")
    assert mode_of(open_desk) == Mode.OBSERVE
    typed("RAISE\n")
    with pytest.raises(CommandError, match="A superuser must ask for it"):
        call_command("mode", "Paper", "paper", user="guest", reason="enough")
    typed("RAISE\n")
    call_command("mode", "Paper", "paper", user="admin", reason="enough")
    assert mode_of(open_desk) == Mode.PAPER
    told = [event.text for event in Event.objects.filter(kind="mode").order_by("pk")]
    assert told == [
        "Paper: mode observe (was paper) by guest: a pause",
        "Paper: mode paper (was observe) by admin: enough",
    ]


@pytest.mark.parametrize("mode", ["demo", "micro", "live"])
def test_above_paper_the_venue_is_missing(open_desk: Account, typed: Any, mode: str) -> None:
    typed("RAISE\n")
    with pytest.raises(CommandError, match="the MT5 venue is missing"):
        call_command("mode", "Paper", mode, user="admin", reason="x")
    assert mode_of(open_desk) == Mode.PAPER


def test_without_a_mode_the_next_step_is_told(open_desk: Account, capsys: Any) -> None:
    call_command("mode", "Paper")
    told = capsys.readouterr().out
    assert "Paper is in mode paper." in told
    assert "no   Mode demo needs a broker's venue" in told
    assert "yes  Paper: no order is UNKNOWN" in told
