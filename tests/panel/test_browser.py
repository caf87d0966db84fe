"""The panel in a real Chromium: what it looks like, what keys do, what happens when the box is lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.panel import browser, factories
from tests.panel.factories import World
from trading.core.types import TradingState
from trading.models import AccountRisk, Flatten, LifeAction
from trading.services import kill_switch

guards = import_module("trading.migrations.0002_append_only")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def running(chromium_path: str) -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch, browser.chromium(chromium_path) as one:
        # Playwright runs an event loop in this thread; the rows are still read by this thread alone.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield one


@pytest.fixture
def stage(running: Browser, live_server: Any) -> Iterator[World]:
    """A busy account behind a live server; its rows are gone afterwards, the append-only ones too."""
    yield factories.make_busy_day(factories.make_world())
    with connection.schema_editor() as editor:
        guards.unguard(None, editor)
    call_command("flush", interactive=False, verbosity=0)
    with connection.schema_editor() as editor:
        guards.guard(None, editor)


@pytest.fixture
def session(running: Browser, stage: World, live_server: Any) -> Iterator[BrowserContext]:
    """The owner's session on a desktop."""
    context = browser.signed_in(running, live_server.url)
    yield context
    context.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: errors of scripts and of the content policy."""
    return []


@pytest.fixture
def page(session: BrowserContext, live_server: Any, stage: World, complaints: list[str]) -> Page:
    """The overview, as the owner sees it."""
    one = session.new_page()
    one.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    one.on("pageerror", lambda error: complaints.append(str(error)))
    factories.keep_fresh(stage.account)
    one.goto(live_server.url + reverse("admin:index"))
    return one


def test_the_overview_fits_a_desktop(page: Page, complaints: list[str]) -> None:
    expect(page.locator("#verdict")).to_contain_text("Inside every limit.")
    assert browser.sideways(page) <= 0
    assert page.evaluate("document.documentElement.scrollHeight") <= 900
    assert page.locator("svg.gauge").count() == 2
    box = page.locator("svg.gauge").first.bounding_box()
    assert box is not None
    assert box["width"] > 400
    assert complaints == []


def test_no_page_breaks_its_own_policy(
    page: Page, live_server: Any, stage: World, complaints: list[str]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    signal = stage.account.signal_set.order_by("-id").first()
    names = [
        "panel:why",
        "panel:health",
        "panel:rows",
        "panel:halt",
        "panel:resume",
        "panel:risk",
        "panel:life",
    ]
    names += ["panel:flatten", "panel:reopen", "admin:trading_calendarentry_import_file"]
    names += ["admin:trading_calendarentry_add", "admin:trading_programmeversion_add"]
    urls = [reverse(name) for name in names]
    urls += [reverse("panel:life_step", args=["reset"])]
    urls += [
        reverse("admin:trading_signal_changelist"),
        reverse("admin:trading_signal_change", args=[signal.pk]),
    ]
    urls += [reverse("admin:trading_account_change", args=[stage.account.pk])]
    urls += [reverse("admin:django_celery_beat_periodictask_add"), reverse("admin:auth_user_add")]
    for url in urls:
        assert page.goto(live_server.url + url)
        page.wait_for_load_state("networkidle")
        assert complaints == [], url
        assert browser.sideways(page) <= 0, url
    assert all(url.startswith((live_server.url, "data:")) for url in asked)


def test_halt_by_keyboard(page: Page) -> None:
    page.keyboard.press("Shift+H")
    expect(page.locator("#halt-dialog")).to_be_visible()
    expect(page.locator("#halt-dialog [data-focus]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=bar] .state")).to_contain_text("HALTED")
    assert factories.halted()
    expect(page.locator("[data-part=act]")).to_contain_text("Resume")


def test_escape_is_the_safe_answer(page: Page) -> None:
    page.keyboard.press("Shift+H")
    page.keyboard.press("Escape")
    expect(page.locator("#halt-dialog")).to_be_hidden()
    assert not factories.halted()


def test_keys_are_off_in_fields(page: Page, live_server: Any) -> None:
    page.goto(live_server.url + reverse("admin:trading_signal_changelist"))
    page.locator("#searchbar").focus()
    page.keyboard.press("Shift+H")
    expect(page.locator("#halt-dialog")).to_be_hidden()
    assert page.locator("#searchbar").input_value() == "H"


def test_keys_can_be_switched_off(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("#keys-dialog")).to_be_visible()
    page.locator("[data-keys-switch]").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+H")
    expect(page.locator("#halt-dialog")).to_be_hidden()


def test_go_to_a_page_by_letters(page: Page) -> None:
    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(page.locator("h1")).to_have_text("Why nothing?")


def test_a_halt_from_elsewhere_shows_by_itself(page: Page, stage: World) -> None:
    kill_switch.set_state(TradingState.HALTED, by="file", reason="asked elsewhere", now=stage.now)
    expect(page.locator("[data-part=bar] .state")).to_contain_text("HALTED", timeout=12_000)
    expect(page.locator("#verdict")).to_contain_text("Nothing can open or enlarge a position.")
    expect(page.locator("#bar")).to_have_class("bar bar-danger")


def test_a_lost_box_is_said_and_halt_falls_back(page: Page, live_server: Any) -> None:
    page.route("**/parts/**", lambda route: route.abort())
    expect(page.locator(".bar-lost")).to_be_visible(timeout=16_000)
    page.locator("[data-halt]").click()
    page.wait_for_url(live_server.url + reverse("panel:halt"))
    page.get_by_role("button", name="Halt now").first.click()
    expect(page.locator("[data-part=bar] .state")).to_contain_text("HALTED")


def test_ages_grow_without_polls(page: Page) -> None:
    page.route("**/parts/**", lambda route: route.abort())
    expect(page.locator("[data-part=bar] time.age")).to_have_class("age age-stale", timeout=12_000)


def test_resume(page: Page, live_server: Any, stage: World) -> None:
    kill_switch.set_state(TradingState.HALTED, by="owner", reason="router update", now=stage.now)
    factories.keep_fresh(stage.account)
    page.goto(live_server.url + reverse("panel:resume"))
    button = page.locator("[data-confirm-button]")
    expect(button).to_have_text("Resume: a reason and the word RESUME to go")
    expect(button).to_be_disabled()
    page.fill("[name=reason]", "The router is back.")
    page.fill("[name=phrase]", "RESUME")
    expect(button).to_be_enabled()
    button.click()
    expect(page.locator("[data-part=bar] .state")).to_contain_text("ACTIVE")
    assert kill_switch.effective(stage.account.pk).state is TradingState.ACTIVE


def test_the_risk_page(page: Page, live_server: Any, stage: World, complaints: list[str]) -> None:
    page.goto(live_server.url + reverse("panel:risk"))
    expect(page.locator("#verdict")).to_contain_text("Far from every limit.")
    expect(page.locator("#pass")).to_contain_text("TOO FEW")  # worked out after the page was shown
    expect(page.locator(".risk-day-wide")).to_be_visible()
    expect(page.locator(".risk-day-phone")).to_be_hidden()
    assert page.locator("svg.limit-bar").count() >= 8
    texts = page.locator(".risk-day-wide text[class*=r-text]").all()
    boxes = sorted((text.bounding_box() or {} for text in texts), key=lambda box: box["y"])
    assert all(a["y"] + 9 <= b["y"] for a, b in itertools.pairwise(boxes)), "labels cover each other"
    page.keyboard.press("t")
    expect(page.locator("[data-part=risk-day] .table-behind table")).to_be_visible()
    page.keyboard.press("t")
    AccountRisk.objects.update(level="locked", total_locked_at=stage.now)
    expect(page.locator("#verdict")).to_contain_text("The total limit is locked", timeout=12_000)
    expect(page.locator("[data-part=bar] .fact-level")).to_contain_text("LOCKED")
    assert complaints == []


def test_a_step_of_an_accounts_life(page: Page, live_server: Any, stage: World) -> None:
    page.goto(live_server.url + reverse("panel:life"))
    page.get_by_role("link", name="Reset").click()
    page.fill("[name=initial]", "50000")
    page.get_by_role("button", name="See both sides").click()
    expect(page.locator(".sides")).to_contain_text("50,000.00")
    button = page.locator("[data-confirm-button]")
    expect(button).to_have_text("Ask for it: a reason and the word RESET to go")
    expect(button).to_be_disabled()
    page.fill("[name=reason]", "The firm offers a new start.")
    page.fill("[name=phrase]", "RESET")
    button.click()
    expect(page.locator("#verdict")).to_contain_text("Reset waits, asked by owner.")
    assert LifeAction.objects.get().body == {"initial": "50000"}
    page.fill(".inline-ask [name=reason]", "Not today.")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator("#verdict")).to_contain_text("No step waits.")
    assert LifeAction.objects.get().state == "refused"


def test_halt_and_close_everything(page: Page, stage: World) -> None:
    page.keyboard.press("Shift+H")
    page.get_by_label("Halt and close everything").check()
    page.get_by_role("button", name="Halt now").first.click()
    expect(page.locator("h1")).to_have_text("Close 2 positions at market?")
    assert factories.halted()
    assert not Flatten.objects.exists()
    page.get_by_role("button", name="Close 2").click()
    expect(page.locator("[data-part=bar]")).to_contain_text("CLOSING")
    expect(page.locator("#verdict")).to_contain_text("Everything is being closed, asked by owner")
    assert Flatten.objects.get().asked_by == "owner"


@pytest.mark.parametrize("width", [390, 320])
def test_the_phone_scrolls_down_only(width: int, running: Browser, stage: World, live_server: Any) -> None:
    context = browser.signed_in(
        running, live_server.url, viewport={"width": width, "height": 844}, has_touch=True
    )
    page = context.new_page()
    signal = stage.account.signal_set.order_by("-id").first()
    names = [
        "admin:index",
        "panel:why",
        "panel:health",
        "panel:halt",
        "panel:resume",
        "panel:risk",
        "panel:life",
        "panel:flatten",
        "admin:trading_signal_changelist",
        "admin:trading_calendarentry_import_file",
    ]
    for url in [*(reverse(name) for name in names), reverse("admin:trading_signal_change", args=[signal.pk])]:
        page.goto(live_server.url + url)
        assert browser.sideways(page) <= 0, url
    page.goto(live_server.url + reverse("admin:index"))
    halt = page.locator("[data-halt]").bounding_box()
    assert halt is not None
    assert halt["height"] >= 44
    expect(page.locator("nav.foot")).to_be_visible()
    expect(page.locator("aside.side")).to_be_hidden()
    context.close()


@pytest.mark.parametrize(("scheme", "ground"), [("dark", "rgb(14, 17, 19)"), ("light", "rgb(243, 244, 242)")])
def test_dark_and_light(scheme: str, ground: str, running: Browser, stage: World, live_server: Any) -> None:
    context = browser.signed_in(running, live_server.url, color_scheme=scheme)
    page = context.new_page()
    page.goto(live_server.url + reverse("admin:index"))
    assert page.evaluate("getComputedStyle(document.getElementById('main')).backgroundColor") == ground
    context.close()


def test_halt_without_scripts(running: Browser, stage: World, live_server: Any) -> None:
    context = browser.signed_in(running, live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(live_server.url + reverse("admin:index"))
    page.locator("[data-halt]").click()
    page.get_by_role("button", name="Halt now").first.click()
    expect(page.locator("[data-part=bar] .state")).to_contain_text("HALTED")
    assert factories.halted()
    context.close()
