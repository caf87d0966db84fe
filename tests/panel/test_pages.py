"""Every page answers, to the right people, changes nothing when looked at, and loads nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from crpbot_site import panel
from tests.panel.factories import World
from trading.models import Event, KillSwitch

PANEL_PAGES = ["admin:index", "panel:halt", "panel:resume", "panel:why", "panel:health", "panel:rows"]
PARTS = ["panel:bar_parts", "panel:overview_parts"]
ELSEWHERE = re.compile(r"""(?:src|href|action|url\()\s*=?\s*["'(]?\s*(?:https?:)?//""", re.IGNORECASE)


def test_every_row_of_ours_has_a_list() -> None:
    registered = set(admin.site._registry)
    assert [m.__name__ for m in apps.get_app_config("trading").get_models() if m not in registered] == []


def test_pages_answer_and_strangers_are_sent_to_the_login(busy: World, owner: Client) -> None:
    for name in PANEL_PAGES + PARTS:
        assert owner.get(reverse(name)).status_code == 200, name
        answer = Client().get(reverse(name))
        assert answer.status_code == 302, name
        assert reverse("admin:login") in answer["Location"]


def test_lists_and_rows_answer(busy: World, owner: Client) -> None:
    stranger = Client()
    for model in admin.site._registry:
        row = f"{model._meta.app_label}_{model._meta.model_name}"
        url = reverse(f"admin:{row}_changelist")
        assert owner.get(url).status_code == 200, row
        assert stranger.get(url).status_code == 302, row
        newest = model._default_manager.order_by("-pk").first()
        if newest is not None:
            assert owner.get(reverse(f"admin:{row}_change", args=[newest.pk])).status_code == 200, row


@pytest.mark.parametrize(
    "name", ["admin:trading_signal_add", "admin:trading_fill_add", "admin:trading_event_add"]
)
def test_facts_cannot_be_added(name: str, busy: World, owner: Client) -> None:
    assert owner.get(reverse(name)).status_code == 403


def test_looking_changes_nothing(busy: World, owner: Client) -> None:
    before = list(KillSwitch.objects.values_list()), Event.objects.count()
    for name in PANEL_PAGES + PARTS:
        owner.get(reverse(name), {"state": "halted", "number": "paper-synthetic", "phrase": "RESUME"})
    assert (list(KillSwitch.objects.values_list()), Event.objects.count()) == before


@pytest.mark.parametrize("name", ["admin:index", "panel:why", "panel:health", "panel:halt"])
def test_a_guest_sees_pages_without_rows_of_others(name: str, busy: World, guest: Client) -> None:
    page = guest.get(reverse(name))
    assert page.status_code == (403 if name == "panel:halt" else 200)
    assert "data-halt" not in page.content.decode()
    assert guest.get(reverse("admin:trading_signal_changelist")).status_code == 403


def test_pages_load_nothing_from_elsewhere(busy: World, owner: Client) -> None:
    for name in [*PANEL_PAGES, "admin:trading_signal_changelist", "admin:login"]:
        page = (Client() if name == "admin:login" else owner).get(reverse(name))
        html = page.content.decode()
        assert ELSEWHERE.search(html) is None, name
        assert "chart.js" not in html, name
        inline = re.search(r"<script(?![^>]*src=)(?![^>]*application/json)[^>]*>\s*\S", html)
        assert inline is None, f"an inline script on {name}"
        policy = page["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy


@pytest.mark.parametrize("kind", ["*.css", "*.js", "*.svg"])
def test_our_own_files_name_no_other_host(kind: str) -> None:
    folder = Path(str(panel.__file__)).parent / "static" / "panel"
    files = list(folder.glob(kind))
    assert files
    for file in files:
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(?m)^\s*//.*$|/\*.*?\*/", "", text), file.name


def test_the_login_page_is_plain(world: World) -> None:
    page = Client().get(reverse("admin:login")).content.decode()
    assert 'id="bar"' not in page
    assert "May still lose" not in page


def test_the_state_bar_stands_on_every_page(busy: World, owner: Client) -> None:
    names = [
        *PANEL_PAGES,
        "admin:trading_event_changelist",
        "admin:auth_user_changelist",
        "admin:password_change",
    ]
    for name in names:
        page = owner.get(reverse(name)).content.decode()
        assert 'id="bar"' in page, name
        assert "ACTIVE" in page, name
        assert 'id="halt-dialog"' in page, name


def test_an_unencrypted_address_is_said_on_every_page(busy: World, owner: Client, settings: Settings) -> None:
    assert b"without encryption" not in owner.get(reverse("admin:index")).content
    settings.CRPBOT = settings.CRPBOT.model_copy(update={"url": "http://192.168.1.10:8000"})
    for name in [*PANEL_PAGES, "admin:trading_event_changelist"]:
        assert (
            b"is served without encryption at http://192.168.1.10:8000" in owner.get(reverse(name)).content
        ), name
