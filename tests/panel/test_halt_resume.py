"""Anyone with the right tightens in two presses; only a superuser loosens, when nothing stands against it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests.panel import factories
from tests.panel.factories import World
from trading.core.types import TradingState
from trading.models import AccountRisk, DeskStatus, Event, KillSwitch
from trading.services import flatten, kill_switch

GOOD = {"reason": "router is back", "phrase": "RESUME", "scope": ""}


@pytest.fixture
def halted(busy: World) -> World:
    """The busy account after the owner has halted everything."""
    kill_switch.set_state(TradingState.HALTED, by="owner", reason="router update", now=busy.now)
    return busy


def test_halt_needs_no_script(busy: World, halter: Client) -> None:
    assert b"Halt now" in halter.get(reverse("panel:halt")).content
    answer = halter.post(reverse("panel:halt"), {"state": "halted", "next": "/why/"})
    assert answer.status_code == 302
    assert answer["Location"] == "/why/"
    assert factories.halted()
    event = Event.objects.filter(kind="kill_switch").latest("id")
    assert event.by == "halter"


def test_halt_lets_strategies_exit_when_asked(busy: World, halter: Client) -> None:
    halter.post(reverse("panel:halt"), {"state": "reducing"})
    assert KillSwitch.objects.get(account=None).state == TradingState.REDUCING


def test_a_halt_is_never_loosened_by_the_halt_form(halted: World, halter: Client) -> None:
    answer = halter.post(reverse("panel:halt"), {"state": "reducing"}, follow=True)
    assert factories.halted()
    assert b"Nothing was changed" in answer.content


@pytest.mark.parametrize("state", ["active", "", "nonsense"])
def test_the_halt_form_knows_no_other_state(state: str, busy: World, halter: Client) -> None:
    assert halter.post(reverse("panel:halt"), {"state": state}).status_code == 200
    assert kill_switch.effective().state is TradingState.ACTIVE


def test_halt_needs_the_right(busy: World, guest: Client) -> None:
    assert guest.post(reverse("panel:halt"), {"state": "halted"}).status_code == 403
    assert not factories.halted()


def test_halt_needs_the_token(busy: World) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(busy.owner)
    assert strict.post(reverse("panel:halt"), {"state": "halted"}).status_code == 403
    assert not factories.halted()


def test_halt_does_not_send_people_elsewhere(busy: World, halter: Client) -> None:
    answer = halter.post(reverse("panel:halt"), {"state": "halted", "next": "https://example.org/"})
    assert answer["Location"] == reverse("admin:index")


def test_resume_opens_when_everything_holds(halted: World, owner: Client) -> None:
    factories.keep_fresh(halted.account)
    page = owner.get(reverse("panel:resume")).content.decode()
    assert 'name="phrase"' in page
    assert owner.post(reverse("panel:resume"), GOOD).status_code == 302
    assert kill_switch.effective(halted.account.pk).state is TradingState.ACTIVE
    assert "router is back" in Event.objects.filter(kind="kill_switch").latest("id").text


@pytest.mark.parametrize("person", ["halter", "guest"])
def test_resume_is_for_superusers(person: str, halted: World, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(person)
    assert client.get(reverse("panel:resume")).status_code == 403
    assert client.post(reverse("panel:resume"), GOOD).status_code == 403
    assert factories.halted()


@pytest.mark.parametrize("missing", [{"reason": " "}, {"phrase": "resume"}, {"phrase": ""}])
def test_resume_names_what_is_missing(missing: dict[str, str], halted: World, owner: Client) -> None:
    factories.keep_fresh(halted.account)
    answer = owner.post(reverse("panel:resume"), {**GOOD, **missing})
    assert answer.status_code == 409
    assert b'role="alert"' in answer.content
    assert factories.halted()


def _halt_file(world: World) -> None:
    (Path(settings.CRPBOT.data_dir) / "HALT").touch()


def _stale_desk(world: World) -> None:
    DeskStatus.objects.update(seen_at=world.now - timedelta(minutes=4))


def _unready_desk(world: World) -> None:
    DeskStatus.objects.update(ready=False, reason="2 differences to the venue")


def _no_desk(world: World) -> None:
    DeskStatus.objects.all().delete()


def _unknown_order(world: World) -> None:
    signal = factories.make_signal(
        world.account, world.markets["SOL-USD"], at=world.now - timedelta(minutes=3)
    )
    factories.make_intent(signal, state="unknown")


def _locked(world: World) -> None:
    AccountRisk.objects.filter(account=world.account).update(level="locked", total_locked_at=world.now)


def _breach(world: World) -> None:
    AccountRisk.objects.filter(account=world.account).update(
        level="breach", breach="daily", breached_at=world.now
    )


def _flattening(world: World) -> None:
    flatten.ask(account_id=world.account.pk, by="owner", reason="all out", now=world.now)


AGAINST = [_halt_file, _stale_desk, _unready_desk, _no_desk, _unknown_order, _locked, _breach, _flattening]


@pytest.fixture
def no_halt_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own: a flag file in it halts nobody else."""
    monkeypatch.setattr(settings, "CRPBOT", settings.CRPBOT.model_copy(update={"data_dir": tmp_path}))
    return tmp_path / "HALT"


@pytest.mark.parametrize("obstacle", AGAINST)
def test_a_refused_resume_shows_no_fields(
    obstacle: Callable[[World], None], halted: World, owner: Client, no_halt_file: Path
) -> None:
    factories.keep_fresh(halted.account)
    obstacle(halted)
    page = owner.get(reverse("panel:resume")).content.decode()
    assert "Cannot be resumed yet" in page
    assert 'name="phrase"' not in page
    assert 'class="check-no"' in page
    answer = owner.post(reverse("panel:resume"), GOOD)
    assert answer.status_code == 409
    assert factories.halted()


def test_a_lock_of_the_day_lets_a_person_resume(halted: World, owner: Client) -> None:
    factories.keep_fresh(halted.account)
    today = halted.account.programme.clock.day(halted.now)
    AccountRisk.objects.update(level="locked", daily_locked_on=today)
    page = owner.get(reverse("panel:resume")).content.decode()
    assert "LOCKED for the day: nothing opens before the next prop-firm day" in page
    assert owner.post(reverse("panel:resume"), GOOD).status_code == 302


def test_one_account_is_resumed_alone(busy: World, owner: Client) -> None:
    account = busy.account.pk
    kill_switch.set_state(
        TradingState.HALTED, by="owner", reason="only this", now=busy.now, account_id=account
    )
    factories.keep_fresh(busy.account)
    page = owner.get(reverse("panel:resume")).content.decode()
    assert f'name="scope" value="{account}"' in page
    owner.post(reverse("panel:resume"), {**GOOD, "scope": str(account)})
    assert kill_switch.effective(account).state is TradingState.ACTIVE


def test_a_halted_page_offers_resume_and_no_halt(halted: World, owner: Client, halter: Client) -> None:
    page = owner.get(reverse("admin:index")).content.decode()
    assert "Resume…" in page
    assert "data-halt" not in page
    assert "Nothing can open or enlarge a position." in page
    assert reverse("panel:resume") not in halter.get(reverse("admin:index")).content.decode()


def test_what_is_latched_decides_not_what_is_measured(halted: World, owner: Client) -> None:
    factories.make_snapshot(halted.account, at=halted.now, equity="97000.00", level="locked")
    factories.keep_fresh(halted.account)
    assert "Cannot be resumed yet" not in owner.get(reverse("panel:resume")).content.decode()
    _locked(halted)
    assert "Cannot be resumed yet" in owner.get(reverse("panel:resume")).content.decode()
