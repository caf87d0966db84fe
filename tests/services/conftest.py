"""Worlds for the services, their strategies and their broker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from tests.services import worlds
from tests.services.worlds import Broker, Scripted, World
from trading.models import Event
from trading.services import paper
from trading.strategies import ALL


@pytest.fixture
def world(db: None) -> World:
    """One paper account, ACTIVE, with the market BTC-USD."""
    return worlds.make_world()


@pytest.fixture
def wide_world(db: None) -> World:
    """One paper account with twelve markets."""
    return worlds.make_world(symbols=tuple(f"C{number}-USD" for number in range(12)))


@pytest.fixture
def make_strategy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    """Register a scripted strategy and switch it on."""

    def build(**script: Any) -> Scripted:
        strategy = Scripted(**script)
        monkeypatch.setitem(ALL, strategy.name, strategy)
        worlds.switch_on(strategy.name)
        return strategy

    return build


@pytest.fixture
def broker(world: World, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The broker behind every desk of this test, instead of the book in rows."""
    found = Broker(world)
    monkeypatch.setattr(paper, "venue_for", found.venue_for)
    return found


@pytest.fixture
def kinds() -> Callable[[], list[str]]:
    """The kinds of all events so far, oldest first."""
    return lambda: list(Event.objects.order_by("pk").values_list("kind", flat=True))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Change settings of the environment for this test; the data folder is an empty one."""

    def change(**values: Any) -> None:
        given = {"data_dir": tmp_path, **values}
        monkeypatch.setattr(django_settings, "CRPBOT", django_settings.CRPBOT.model_copy(update=given))

    change()
    return change
