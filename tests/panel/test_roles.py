"""Who may do what on the pages of the guard: every page, every role, looked at and posted to."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from django.test import Client
from django.urls import reverse

from crpbot_site.panel import life_views, risk_views, urls, views
from tests.panel import factories
from tests.panel.factories import World
from trading.core.types import TradingState
from trading.models import AccountRisk, Event, Flatten, KillSwitch, LifeAction
from trading.services import kill_switch, life

ROLES = ("anonymous", "user", "viewer", "staff", "halter", "superuser")
RESET = {"initial": "", "programme": "", "reason": "a new start", "phrase": "RESET", "ask": "1"}
REOPEN = {"reason": "looked at", "phrase": "REOPEN"}
LOGIN, NO, WRONG = 302, 403, 405
# For each page: what looking answers and what posting answers, by role; 302 is the login or a step done.
CELLS = {
    "panel:risk": ((LOGIN, LOGIN, 200, 200, 200, 200), (LOGIN, LOGIN, WRONG, WRONG, WRONG, WRONG)),
    "panel:risk_parts": ((LOGIN, LOGIN, 200, 200, 200, 200), (LOGIN, LOGIN, WRONG, WRONG, WRONG, WRONG)),
    "panel:risk_pass": ((LOGIN, LOGIN, 200, 200, 200, 200), (LOGIN, LOGIN, WRONG, WRONG, WRONG, WRONG)),
    "panel:life": ((LOGIN, LOGIN, 200, 200, 200, 200), (LOGIN, LOGIN, WRONG, WRONG, WRONG, WRONG)),
    "panel:life_step": ((LOGIN, LOGIN, NO, NO, NO, 200), (LOGIN, LOGIN, NO, NO, NO, 302)),
    "panel:life_withdraw": ((LOGIN, LOGIN, WRONG, WRONG, WRONG, WRONG), (LOGIN, LOGIN, NO, NO, NO, 302)),
    "panel:reopen": ((LOGIN, LOGIN, NO, NO, NO, 200), (LOGIN, LOGIN, NO, NO, NO, 302)),
    "panel:flatten": ((LOGIN, LOGIN, NO, NO, 200, 200), (LOGIN, LOGIN, NO, NO, 302, 302)),
}
SAID = {"panel:life_step": RESET, "panel:reopen": REOPEN, "panel:life_withdraw": {"reason": "not now"}}
CHANGES = {"panel:life_step", "panel:life_withdraw", "panel:reopen", "panel:flatten"}


@pytest.fixture
def locked(world: World) -> World:
    """The total limit is locked, and the measure has come back."""
    AccountRisk.objects.update(level="locked", total_locked_at=world.now)
    factories.keep_fresh(world.account)
    return world


def _person(role: str, world: World, *, strict: bool = False) -> Client:
    client = Client(enforce_csrf_checks=strict)
    if role == "superuser":
        client.force_login(world.owner)
    elif role == "user":
        person = factories.make_person("user")
        person.is_staff = False
        person.save()
        client.force_login(person)
    elif role != "anonymous":
        rights = {
            "viewer": ("view_account", "view_accountrisk"),
            "staff": (
                "view_account",
                "change_account",
                "change_accountrisk",
                "add_lifeaction",
                "add_flatten",
            ),
            "halter": ("change_killswitch",),
        }
        client.force_login(factories.make_person(role, *rights[role]))
    return client


def _url(name: str, world: World) -> str:
    if name == "panel:life_step":
        return reverse(name, args=["reset"])
    if name == "panel:life_withdraw":
        action = LifeAction.objects.first() or _asked(world)
        return reverse(name, args=[action.pk])
    return reverse(name)


def _asked(world: World) -> LifeAction:
    action = life.ask(
        account_id=world.account.pk,
        kind="reset",
        by_user_id=world.owner.pk,
        reason="a new start",
        phrase="RESET",
        now=world.now,
    )
    return LifeAction.objects.get(pk=action)


def _state() -> tuple[object, ...]:
    return (
        list(KillSwitch.objects.order_by("pk").values_list()),
        list(AccountRisk.objects.values_list()),
        list(LifeAction.objects.values_list()),
        list(Flatten.objects.values_list()),
        Event.objects.count(),
    )


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", CELLS)
def test_looking_changes_nothing(name: str, role: str, locked: World) -> None:
    url = _url(name, locked)
    before = _state()
    answer = _person(role, locked).get(url, {**SAID.get(name, {}), "phrase": "REOPEN"})
    assert answer.status_code == CELLS[name][0][ROLES.index(role)]
    assert _state() == before
    if answer.status_code == LOGIN:
        assert reverse("admin:login") in answer["Location"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", CELLS)
def test_posting(name: str, role: str, locked: World) -> None:
    url = _url(name, locked)
    before = _state()
    answer = _person(role, locked).post(url, SAID.get(name, {}))
    assert answer.status_code == CELLS[name][1][ROLES.index(role)]
    to_login = answer.status_code == LOGIN and reverse("admin:login") in answer["Location"]
    assert to_login is (role in ("anonymous", "user"))
    done = answer.status_code == LOGIN and not to_login
    assert (_state() != before) is done
    assert done is (
        name in CHANGES and (role == "superuser" or (role == "halter" and name == "panel:flatten"))
    )


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_posting_needs_the_token(name: str, locked: World) -> None:
    url = _url(name, locked)
    before = _state()
    answer = _person("superuser", locked, strict=True).post(url, SAID.get(name, {}))
    assert answer.status_code == NO
    assert _state() == before


def test_closing_everything_halts_at_once_and_asks_once_more(busy: World, halter: Client) -> None:
    answer = halter.post(reverse("panel:halt"), {"state": "flatten"})
    assert answer["Location"] == reverse("panel:flatten")
    assert factories.halted()
    assert not Flatten.objects.exists()
    page = halter.get(answer["Location"]).content.decode()
    assert "Close 2 positions at market?" in page
    assert "Trading is HALTED" in page
    assert halter.post(reverse("panel:flatten")).status_code == 302
    order = Flatten.objects.get()
    assert (order.account, order.asked_by, order.done_at) == (busy.account, "halter", None)
    assert "Everything is being closed" in halter.get(reverse("panel:flatten")).content.decode()


def test_closing_everything_reaches_every_account(busy: World, owner: Client) -> None:
    other = type(busy.account).objects.get(pk=busy.account.pk)
    other.pk, other.name, other.number = None, "Zebra", "zebra-1"
    other.save()
    kill_switch.add_account(account_id=other.pk, now=busy.now)
    owner.post(reverse("panel:flatten"))
    assert set(Flatten.objects.values_list("account_id", flat=True)) == {busy.account.pk, other.pk}


def test_a_person_may_close_what_is_open_while_halted(busy: World, owner: Client) -> None:
    kill_switch.set_state(TradingState.HALTED, by="owner", reason="router", now=busy.now)
    page = owner.get(reverse("admin:index")).content.decode()
    assert reverse("panel:flatten") in page
    owner.post(reverse("panel:flatten"))
    page = owner.get(reverse("admin:index")).content.decode()
    assert "Everything is being closed, asked by owner" in page
    assert "CLOSING" in page
    assert kill_switch.effective(busy.account.pk).state is TradingState.HALTED


FLATTEN_RIGHT = """    if not request.user.has_perm(HALT_RIGHT):
        raise PermissionDenied
    if request.method == "POST":
        kill_switch.set_state("""
STEP_RIGHT = """    if not request.user.is_superuser:
        raise PermissionDenied
    if kind not in"""
REOPEN_RIGHT = """    if not request.user.is_superuser:
        raise PermissionDenied
    seen = glance(request)
    account"""
ANY_METHOD = """    if request.method == "POST":
        kill_switch.set_state("""


def _serve_changed(
    patch: pytest.MonkeyPatch, module: ModuleType, name: str, view: str, line: str, other: str
) -> None:
    """Let the page of this name be the product's own with one passage of its source changed."""
    source = Path(str(module.__file__)).read_text()
    assert source.count(line) == 1
    changed = ModuleType(module.__name__)
    exec(compile(source.replace(line, other), str(module.__file__), "exec"), changed.__dict__)  # noqa: S102
    (pattern,) = (one for one in urls.urlpatterns if one.name == name.partition(":")[2])
    patch.setattr(pattern, "callback", urls.guarded(getattr(changed, view)))


@pytest.mark.parametrize(
    ("module", "name", "view", "line"),
    [
        (views, "panel:flatten", "flatten", FLATTEN_RIGHT),
        (life_views, "panel:life_step", "step", STEP_RIGHT),
        (risk_views, "panel:reopen", "reopen", REOPEN_RIGHT),
    ],
)
def test_a_page_that_asks_for_no_right_is_seen(
    module: ModuleType, name: str, view: str, line: str, locked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = line.replace("not request.user.has_perm(HALT_RIGHT)", "False").replace(
        "not request.user.is_superuser", "False"
    )
    _serve_changed(monkeypatch, module, name, view, line, opened)
    with pytest.raises(AssertionError):
        test_posting(name, "staff", locked)


def test_the_services_refuse_where_a_page_would_let_somebody_through(
    locked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's own check is the first of two."""
    staff = _person("staff", locked)
    for module, name, view, line in (
        (life_views, "panel:life_step", "step", STEP_RIGHT),
        (risk_views, "panel:reopen", "reopen", REOPEN_RIGHT),
    ):
        _serve_changed(
            monkeypatch, module, name, view, line, line.replace("not request.user.is_superuser", "False")
        )
        before = _state()
        answer = staff.post(_url(name, locked), SAID[name])
        assert answer.status_code == 409
        assert "A superuser must ask for it." in answer.content.decode()
        assert _state() == before


def test_a_page_that_acts_when_looked_at_is_seen(locked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    acting = ANY_METHOD.replace('request.method == "POST"', "True")
    _serve_changed(monkeypatch, views, "panel:flatten", "flatten", ANY_METHOD, acting)
    with pytest.raises(AssertionError):
        test_looking_changes_nothing("panel:flatten", "superuser", locked)
