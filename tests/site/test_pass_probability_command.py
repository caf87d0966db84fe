"""The probability to pass on the command line."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.services import pasts, worlds
from tests.services.worlds import World
from trading.models import AccountDay, AccountRisk

pytestmark = pytest.mark.django_db
DAYS = 20


@pytest.fixture
def lived(db: None) -> World:
    """An account of the command's own clock, with three trades on each of twenty days up to yesterday."""
    began = timezone.now() - timedelta(days=DAYS)
    world = worlds.make_world(now=began)
    pasts.past(world.account, world.market, since=began, days=DAYS - 1)
    return world


def told(capsys: Any, *words: str) -> str:
    call_command("pass_probability", "--paths", "2000", *words)
    return str(capsys.readouterr().out)


def test_everything_is_said_to_machines_and_the_same_seed_says_the_same(lived: World, capsys: Any) -> None:
    first = told(capsys, "--json", "--seed", "3")
    assert first == told(capsys, "--json", "--seed", "3")
    assert first != told(capsys, "--json", "--seed", "4")
    body = json.loads(first)
    assert (body["account"], body["synthetic"], body["sample"]) == (lived.account.name, False, "thin")
    assert body["programme"] == "ftmo-2-step-challenge v1"
    assert (body["trades"], body["paths"], body["seed"]) == (57, 2000, 3)
    assert set(body["outcomes"]) == {"pass", "lock", "daily", "total", "undecided"}
    assert sum(share for share, _, _ in body["outcomes"].values()) == pytest.approx(1)
    assert all(low <= share <= high for share, low, high in body["outcomes"].values())
    assert body["present_risk"] == "0.005000"
    assert body["best_risk"] in {point["risk"] for point in body["curve"]}
    assert body["progress"]["trading_days"] == DAYS - 1
    assert body["progress"]["best_day"]["result"]


def test_a_table_and_pictures_in_letters_are_said_to_people(lived: World, capsys: Any) -> None:
    said = told(capsys)
    assert said.startswith(lived.account.name)
    assert "SYNTHETIC" not in said
    for words in ("Balance", "Trading days", "Best day", "Reaches the target", "Stopped by our lock"):
        assert words in said, words
    assert re.search(r"Reaches the target +[<\d.]+ % \[", said), "no share without its interval"
    assert re.search(r"0\.50 % \|#* *\| .* now", said)
    assert "highest" in said
    assert "Where the paths end, by day" in said
    assert "These are too few to rely on." in said
    assert "57 trades on" in said
    assert "2,000 paths, seed 1" in said


def test_the_firms_rules_alone_leave_out_our_lock(lived: World, capsys: Any) -> None:
    body = json.loads(told(capsys, "--json", "--firm-only"))
    assert body["own_lock"] is False
    assert "lock" not in body["outcomes"]
    assert json.loads(told(capsys, "--json", "--guarded"))["guarded"] is True
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("pass_probability", "--guarded", "--firm-only")


def test_a_made_up_account_says_so(lived: World, capsys: Any) -> None:
    lived.account.synthetic = True
    lived.account.mode = "paper"
    lived.account.save()
    assert "SYNTHETIC" in told(capsys, "--account", lived.account.name).splitlines()[0]
    assert json.loads(told(capsys, "--json", "--account", lived.account.name))["synthetic"] is True


def test_too_few_trades_say_no_figure(db: None, capsys: Any) -> None:
    worlds.make_world(now=timezone.now() - timedelta(days=2))
    said = told(capsys)
    assert "Too few: 0 closed trades" in said
    assert "Reaches the target" not in said
    assert "%" not in said
    body = json.loads(told(capsys, "--json"))
    assert (body["sample"], body["outcomes"], body["curve"]) == ("too_few", {}, [])


def test_a_breach_is_said(lived: World, capsys: Any) -> None:
    AccountRisk.objects.filter(account=lived.account).update(breach="daily")
    assert "The daily limit is broken" in told(capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--account", "nobody"), "there is no account 'nobody'; known are: "),
        (("--paths", "199"), "--paths must lie between 200 and 10,000,000"),
        (("--seed", "-1"), "--seed must be 0 or more"),
        (("--days", "0"), "--days must lie between 1 and 3,650"),
    ],
)
def test_wrong_words_are_one_sentence(lived: World, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=re.escape(said)) as refused:
        call_command("pass_probability", *words)
    assert refused.value.returncode == 2


def test_an_account_that_cannot_be_read_is_said_and_nothing_else(lived: World) -> None:
    pasts.day(lived.account, at=timezone.now(), balance="100000")
    AccountDay.objects.update(proven=False)
    with pytest.raises(CommandError, match=r"nothing is said of it: .*not proven"):
        call_command("pass_probability", "--paths", "1000")


def test_without_an_account_the_way_to_one_is_told(db: None) -> None:
    with pytest.raises(CommandError, match="no account yet"):
        call_command("pass_probability")
