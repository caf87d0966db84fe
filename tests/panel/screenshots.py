"""Take the pictures of the panel for docs/images: `make screenshots`.

They show made-up rows of a paper account in a database of their own; nothing of this machine is in them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from playwright.sync_api import Browser, Page
from waitress.server import create_server

from tests import conftest, servers  # conftest sets the environment and Django up, before any row is imported
from tests.panel import browser, factories
from tests.panel.factories import World
from trading.core.types import TradingState
from trading.models import Signal
from trading.services import kill_switch

FOLDER = Path(conftest.__file__).parents[1] / "docs" / "images"


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
    """Takes one picture after the other, each with a desk that has just looked."""

    def __init__(self, running: Browser, address: str, world: World) -> None:
        self.running, self.address, self.world = running, address, world

    def take(
        self,
        name: str,
        path: str,
        *,
        scheme: str = "dark",
        phone: bool = False,
        then: Callable[[Page], None] | None = None,
    ) -> None:
        """Open a page, do what is asked, and keep the picture as ``name``.png."""
        factories.keep_fresh(self.world.account)
        size = browser.PHONE if phone else browser.DESKTOP
        context = browser.signed_in(self.running, self.address, color_scheme=scheme, viewport=size)
        page = context.new_page()
        factories.keep_fresh(self.world.account)
        page.goto(self.address + path)
        page.wait_for_load_state("networkidle")
        page.evaluate("document.fonts.ready")
        if then is not None:
            then(page)
        if phone:  # the whole page, with the foot bar at its foot
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({**browser.PHONE, "height": height})
        page.screenshot(path=str(FOLDER / f"{name}.png"))
        context.close()
        sys.stdout.write(f"docs/images/{name}.png\n")


def _ask_halt(page: Page) -> None:
    page.keyboard.press("Shift+H")
    page.wait_for_selector("#halt-dialog[open]")


def _calm(camera: Camera) -> None:
    """The pictures of an ordinary day."""
    refused = Signal.objects.filter(approved=False).latest("id")
    camera.take("overview", "/")
    camera.take("overview-light", "/", scheme="light")
    camera.take("overview-phone", "/", scheme="light", phone=True)
    camera.take("why-nothing", "/why/", scheme="light")
    camera.take("signals", "/trading/signal/")
    camera.take("signal", f"/trading/signal/{refused.pk}/change/", scheme="light")
    camera.take("health", "/system/")
    camera.take("halt", "/", then=_ask_halt)


def _halted(camera: Camera) -> None:
    """The pictures after a halt: resumable, then with an order whose outcome nobody knows."""
    world = camera.world
    kill_switch.set_state(TradingState.HALTED, by="owner", reason="router update", now=world.now)
    camera.take("resume", "/resume/")
    signal = factories.make_signal(world.account, world.markets["SOL-USD"], at=world.now)
    factories.make_intent(signal, state="unknown", risk="498.90")
    camera.take("overview-halted", "/")
    camera.take("resume-refused", "/resume/")


def main() -> int:
    """Take every picture; 1 when this machine has no Chromium."""
    path = servers.chromium()
    if path is None:
        sys.stderr.write("Chromium is not on this machine: sudo apt-get install --yes chromium\n")
        return 1
    # Playwright runs an event loop in the thread that writes the rows; nothing else uses that thread.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    FOLDER.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    world = factories.make_busy_day(factories.make_world())
    with panel() as address, browser.chromium(path) as running:
        camera = Camera(running, address, world)
        _calm(camera)
        _halted(camera)
    return 0


if __name__ == "__main__":
    sys.exit(main())
