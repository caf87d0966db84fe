"""A headless Chromium that speaks to this machine only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.panel.factories import PASSWORD

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A running browser; ends with the block."""
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


def signed_in(running: Browser, address: str, **options: Any) -> BrowserContext:
    """A session of the owner; options are those of a browser context."""
    context = running.new_context(**{"viewport": DESKTOP, "color_scheme": "dark", **options})
    page = context.new_page()
    page.goto(f"{address}/login/")
    page.fill("[name=username]", "owner")
    page.fill("[name=password]", PASSWORD)
    page.click("#login-form button[type=submit]")
    page.wait_for_selector("#bar")
    page.close()
    return context


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
