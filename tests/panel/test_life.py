"""The life of an account as guided pages: both sides first, then a reason and the words, superusers only."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from crpbot_site.panel import life_words
from crpbot_site.panel.forms import STEP_FIELDS
from tests.panel import factories
from tests.panel.factories import World
from trading.models import Account, LifeAction, LifeKind, LifeState, ProgrammeVersion
from trading.services import life, life_plan

D = Decimal
RESET = {"initial": "50000", "programme": ""}
SAID = {"reason": "a new start", "phrase": "RESET"}


def _step(kind: str) -> str:
    return reverse("panel:life_step", args=[kind])


def _page(client: Client, url: str, data: dict[str, str] | None = None) -> str:
    answer = client.get(url) if data is None else client.post(url, data)
    return html.unescape(answer.content.decode())


@pytest.fixture
def funded(world: World) -> World:
    """The account in its funded phase, with a profit."""
    version = ProgrammeVersion.objects.get(profile__name="ftmo-2-step-funded")
    Account.objects.filter(pk=world.account.pk).update(programme=version)
    world.account.periods.update(programme=version)
    world.account.refresh_from_db()
    return world


def test_every_step_has_words_and_takes_what_the_service_takes() -> None:
    assert {step.kind for step in life_words.STEPS} == set(LifeKind)
    assert {LifeKind(kind): fields for kind, fields in STEP_FIELDS.items()} == life_plan._TAKES


def test_the_page_of_an_account_at_its_beginning(world: World, owner: Client) -> None:
    page = _page(owner, reverse("panel:life"))
    assert "Period 1 since" in page
    assert "No step was ever asked for." in page
    assert "Nothing was paid in or out." in page
    assert all(_step(kind) in page for kind in LifeKind)


def test_both_sides_are_shown_before_anything_is_asked(world: World, owner: Client) -> None:
    page = _page(owner, _step("reset"), {**RESET, "look": "1"})
    for figure in (
        "101,240.00",
        "50,000.00",
        "96,240.00",
        "47,500.00",
        "45,000.00",
        "55,000.00",
        "FTMO 2-Step Challenge v1",
    ):
        assert figure in page, figure
    assert "Type RESET" in page
    assert not LifeAction.objects.exists()


def test_a_payout_shows_what_stays(funded: World, owner: Client) -> None:
    page = _page(owner, _step("payout"), {"amount": "1240.00", "look": "1"})
    for figure in ("\u22121,240.00", "100,000.00", "95,000.00", "90,000.00"):
        assert figure in page, figure
    assert "Type PAYOUT" in page


def test_what_stands_against_a_step_hides_its_last_fields(world: World, owner: Client) -> None:
    page = _page(owner, _step("payout"), {"amount": "1240.00", "look": "1"})
    assert "Payouts are made on a funded account" in page
    assert 'name="phrase"' not in page


def test_a_step_is_asked_for_withdrawn_and_told(world: World, owner: Client) -> None:
    answer = owner.post(_step("reset"), {**RESET, **SAID, "ask": "1"})
    assert answer["Location"] == reverse("panel:life")
    action = LifeAction.objects.get()
    assert (action.kind, action.state, action.asked_by) == ("reset", LifeState.ASKED, "owner")
    assert action.body == {"initial": "50000"}
    page = _page(owner, reverse("panel:life"))
    assert "Reset waits, asked by owner." in page
    assert "a new start" in page
    assert "waits already" in _page(owner, _step("payout"))
    withdraw = reverse("panel:life_withdraw", args=[action.pk])
    assert owner.post(withdraw, {"reason": ""}).status_code == 409
    assert owner.post(withdraw, {"reason": "not now"}).status_code == 302
    action.refresh_from_db()
    assert action.state == LifeState.REFUSED
    assert "Withdrawn by owner: not now" in _page(owner, reverse("panel:life"))


def test_open_positions_are_named_while_a_step_waits(busy: World, owner: Client) -> None:
    page = _page(owner, _step("reset"), {**RESET, "look": "1"})
    assert "Positions are open: the step waits until they are closed." in page
    owner.post(_step("reset"), {**RESET, **SAID, "ask": "1"})
    page = _page(owner, reverse("panel:life"))
    assert "Two positions are open" in page


def test_what_was_done_stays_readable(world: World, owner: Client) -> None:
    begun = datetime.now(UTC)
    life.begin_period(world.account, began_by="new_login", opening_balance=D("100000.00"), now=begun)
    page = _page(owner, reverse("panel:life"))
    assert "Period 2 since" in page
    assert "new login" in page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": " "}, "A reason is needed"),
        ({"phrase": "reset"}, "The words RESET must be typed."),
        ({"phrase": ""}, "The words RESET must be typed."),
    ],
)
def test_what_is_missing_is_said(change: dict[str, str], said: str, world: World, owner: Client) -> None:
    answer = owner.post(_step("reset"), {**RESET, **SAID, **change, "ask": "1"})
    assert answer.status_code == 409
    assert said in html.unescape(answer.content.decode())
    assert not LifeAction.objects.exists()


@pytest.mark.parametrize("amount", ["", "abc", "1.234", "NaN", "1e400"])
def test_a_figure_that_is_none_is_named_at_its_field(amount: str, funded: World, owner: Client) -> None:
    answer = owner.post(_step("payout"), {"amount": amount, "look": "1"})
    assert answer.status_code == 200
    assert 'class="failed"' in answer.content.decode()
    assert 'name="phrase"' not in answer.content.decode()


def test_a_new_login_needs_its_number(world: World, owner: Client) -> None:
    assert "This field is required." in _page(owner, _step("new_login"), {"number": "", "look": "1"})
    page = _page(owner, _step("new_login"), {"number": "51234567", "look": "1"})
    assert "51234567" in page
    assert "Type NEW LOGIN" in page


def test_a_second_step_waits_for_no_one(world: World, owner: Client) -> None:
    owner.post(_step("reset"), {**RESET, **SAID, "ask": "1"})
    answer = owner.post(_step("reset"), {**RESET, **SAID, "ask": "1"})
    assert answer.status_code == 409
    assert LifeAction.objects.count() == 1


def test_a_step_that_does_not_exist(world: World, owner: Client) -> None:
    assert owner.get(_step("lottery")).status_code == 404
    assert owner.post(reverse("panel:life_withdraw", args=[99]), {"reason": "x"}).status_code == 404


def test_a_step_of_another_account_is_not_withdrawn_here(world: World, owner: Client) -> None:
    other = Account.objects.get(pk=world.account.pk)
    other.pk, other.name, other.number = None, "Zebra", "zebra-1"
    other.save()
    action = LifeAction.objects.create(
        account=other, kind="reset", asked_at=world.now, asked_by="owner", reason="theirs"
    )
    assert owner.post(reverse("panel:life_withdraw", args=[action.pk]), {"reason": "x"}).status_code == 404
    action.refresh_from_db()
    assert action.state == LifeState.ASKED


def test_steps_need_the_token(world: World) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.owner)
    assert strict.post(_step("reset"), {**RESET, **SAID, "ask": "1"}).status_code == 403
    assert not LifeAction.objects.exists()


def test_an_account_that_nobody_has_seen(busy: World, owner: Client) -> None:
    factories.DeskStatus.objects.all().delete()
    page = _page(owner, _step("reset"), {**RESET, "look": "1"})
    assert "The desk has not seen" in page
    assert 'name="phrase"' not in page


def test_a_form_acts_on_the_account_it_was_shown_for(world: World, owner: Client) -> None:
    other = Account.objects.get(pk=world.account.pk)
    other.pk, other.name, other.number = None, "Zebra", "zebra-1"
    other.save()
    page = _page(owner, _step("reset"), {**RESET, "look": "1"})
    assert f'action="{_step("reset")}?account={world.account.number}"' in page
    owner.post(reverse("panel:account"), {"number": "zebra-1"})  # in another window, before the answer
    owner.post(f"{_step('reset')}?account={world.account.number}", {**RESET, **SAID, "ask": "1"})
    assert LifeAction.objects.get().account == world.account
    assert owner.post(f"{_step('reset')}?account=gone", {**RESET, **SAID, "ask": "1"}).status_code == 404
