"""Take the pictures of the panel for docs/images: `make screenshots`.

They show an appliance that has lived through thirty hours of prices: recorded ones of the folder that
CRPBOT_CANDLES names, else those of a made-up market, which the pages then say. Every row is the product's own.
The clock stands still at one instant, so that the pictures of two days differ only where the panel does.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.utils import timezone
from playwright.sync_api import Browser, Page
from waitress.server import create_server

from tests import conftest, servers  # conftest sets the environment and Django up, before any row is imported
from tests.panel import browser, factories, played
from tests.panel.played import Clock, Played
from trading.core.calendar import EntryKind
from trading.core.types import TradingState
from trading.management.scratch import scratch_database
from trading.models import OutcomeState, Signal
from trading.services import bootstrap, calendar, kill_switch

FOLDER = Path(conftest.__file__).parents[1] / "docs" / "images"
INSTANT = datetime(2026, 11, 20, 13, 32, 16, tzinfo=UTC)
# How long an order may be waited for whose answer is then lost.
LATEST = INSTANT + timedelta(hours=7)


@contextmanager
def panel() -> Iterator[str]:
    """The panel on a free port of this machine; its address."""
    server = create_server(get_wsgi_application(), host="127.0.0.1", port=0, threads=12)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()


class Camera:
    """Takes one picture after the other, each while the clock stands still."""

    def __init__(self, running: Browser, address: str) -> None:
        self.running, self.address = running, address

    def take(
        self,
        name: str,
        path: str,
        *,
        scheme: str = "dark",
        phone: bool = False,
        whole: bool = False,
        then: Callable[[Page], None] | None = None,
    ) -> None:
        """Open a page, do what is asked, and keep the picture as ``name``.png."""
        size = browser.PHONE if phone else browser.DESKTOP
        context = browser.signed_in(self.running, self.address, color_scheme=scheme, viewport=size)
        page = context.new_page()
        page.goto(self.address + path)
        page.wait_for_load_state("networkidle")
        page.evaluate("document.fonts.ready")
        if then is not None:
            then(page)
        if phone or whole:  # the whole page, with what sticks to the window's edges at the page's
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({**size, "height": height})
        page.screenshot(path=str(FOLDER / f"{name}.png"))
        context.close()
        sys.stdout.write(f"docs/images/{name}.png\n")


def _ask_halt(page: Page) -> None:
    page.keyboard.press("Shift+H")
    page.wait_for_selector("#halt-dialog[open]")


def _worked_out(page: Page) -> None:
    """The pass probability comes after the page."""
    page.wait_for_selector("#pass:not(:has([data-load]))", timeout=60_000)


def _both_sides(page: Page) -> None:
    page.fill("[name=initial]", "50000")
    page.get_by_role("button", name="See both sides").click()
    page.wait_for_selector(".sides")


def _announced(stage: Played) -> None:
    """What a person has entered into the calendar."""
    now = stage.clock.now.replace(minute=0, second=0)
    for kind, title, hours, lasts in (
        ("news", "US non-farm payrolls", 48, 0),
        ("closure", "Exchange upgrade", 17, 4),
        ("maintenance", "Server maintenance", 96, 1),
    ):
        starts = now + timedelta(hours=hours)
        calendar.add(
            calendar.Wanted(
                kind=EntryKind(kind),
                title=title,
                starts_at=starts,
                ends_at=starts + timedelta(hours=lasts),
                symbols=(),
                source="ftmo.com",
            ),
            by="owner",
            now=stage.clock.now,
        )


def _calm(camera: Camera) -> None:
    """The pictures of an ordinary day."""
    camera.take("overview", "/")
    camera.take("overview-light", "/", scheme="light")
    camera.take("overview-phone", "/", scheme="light", phone=True)
    camera.take("why-nothing", "/why/", scheme="light")
    camera.take("signals", "/trading/signal/")
    camera.take("signal", _path(_refused()), scheme="light", whole=True)
    camera.take("signal-taken", _path(_taken()), whole=True)
    camera.take("health", "/system/")
    camera.take("risk", "/risk/", whole=True, then=_worked_out)
    camera.take("risk-light", "/risk/", scheme="light", whole=True, then=_worked_out)
    camera.take("risk-phone", "/risk/", scheme="light", phone=True, then=_worked_out)
    camera.take("life", "/life/", scheme="light")
    camera.take("life-step", "/life/reset/", then=_both_sides)
    camera.take("life-step-phone", "/life/reset/", scheme="light", phone=True, then=_both_sides)
    camera.take("calendar", "/trading/calendarentry/")
    camera.take("programmes", "/trading/programmeversion/", scheme="light")
    camera.take("halt", "/", then=_ask_halt)


def _path(signal: Signal) -> str:
    return f"/trading/signal/{signal.pk}/change/"


def _refused() -> Signal:
    """The newest refused signal whose end is known; one that another rule than the commonest refused comes first."""
    ended = Signal.objects.filter(approved=False).exclude(outcome__state=OutcomeState.FOLLOWING)
    rare = ended.exclude(codes=["duplicate"]).order_by("-id").first()
    return rare or ended.latest("id")


def _taken() -> Signal:
    """The signal of the trade that was closed last."""
    return Signal.objects.filter(trade__closed_at__isnull=False).latest("trade__closed_at")


def _halted(camera: Camera, stage: Played) -> None:
    """The pictures after a halt: resumable, then with an order whose outcome nobody knows."""
    owner = get_user_model().objects.get(username="owner")
    _halt(stage)
    stage.play(stage.clock.now + timedelta(minutes=4))
    camera.take("resume", "/resume/")
    kill_switch.resume(
        user_id=owner.pk, reason="The router is back.", phrase=kill_switch.PHRASE, now=stage.clock.now
    )
    stage.lose_an_order(before=LATEST)
    stage.look(stage.clock.now + timedelta(seconds=20))
    _halt(stage)
    camera.take("overview-halted", "/")
    camera.take("resume-refused", "/resume/")
    camera.take("close-everything", "/flatten/", scheme="light")
    everything = "halt and close everything, asked on the panel"
    kill_switch.set_state(
        TradingState.HALTED, by="owner", reason=everything, now=stage.clock.now, flatten=True
    )
    camera.take("closing", "/")
    camera.take("closing-phone", "/", scheme="light", phone=True)


def _halt(stage: Played) -> None:
    kill_switch.set_state(TradingState.HALTED, by="owner", reason="router update", now=stage.clock.now)
    stage.look()


def _prices() -> played.Prices:
    folder = os.environ.get("CRPBOT_CANDLES", "")
    if folder:
        return played.recorded(Path(folder), end=INSTANT.replace(second=0))
    return played.made_up()


def main() -> int:
    """Take every picture; 1 when this machine has no Chromium."""
    path = servers.chromium()
    if path is None:
        sys.stderr.write("Chromium is not on this machine: sudo apt-get install --yes chromium\n")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    clock = Clock(INSTANT - played.PLAYED)
    owner = bootstrap.Owner(name="owner", password=factories.PASSWORD)
    with scratch_database(keep=False), pytest.MonkeyPatch.context() as patch:
        # Playwright runs an event loop in the thread that writes the rows; nothing else uses that thread.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        patch.setattr(timezone, "now", clock)
        call_command("sync_schedule", stdout=StringIO())
        stage = Played(_prices(), clock, owner=owner)
        stage.play(INSTANT)
        _announced(stage)
        with panel() as address, browser.chromium(path) as running:
            camera = Camera(running, address)
            _calm(camera)
            _halted(camera, stage)
    return 0


if __name__ == "__main__":
    sys.exit(main())
