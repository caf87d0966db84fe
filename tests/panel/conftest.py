"""People and rows that the panel's tests name."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.panel import factories
from tests.panel.factories import World
from trading.core.timeframes import PROP_ZONE


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Hashing a password slowly protects it from others; here it would only take time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def in_prague() -> Iterator[None]:
    """The panel's clock, as its middleware sets it."""
    with timezone.override(ZoneInfo(PROP_ZONE)):
        yield


@pytest.fixture
def world(db: None) -> World:
    """An opened paper account with nothing traded."""
    return factories.make_world()


@pytest.fixture
def busy(world: World) -> World:
    """The same account after a busy day."""
    made = factories.make_busy_day(world)
    factories.keep_fresh(made.account)
    return made


def _as(person: object) -> Client:
    client = Client()
    client.force_login(person)  # type: ignore[arg-type]
    return client


@pytest.fixture
def owner(world: World) -> Client:
    """A browser of the superuser."""
    return _as(world.owner)


@pytest.fixture
def halter(world: World) -> Client:
    """A browser of someone who may look at signals and tighten the switch, nothing else."""
    return _as(factories.make_person("halter", "change_killswitch", "view_signal"))


@pytest.fixture
def guest(world: World) -> Client:
    """A browser of a member of the staff without any right."""
    return _as(factories.make_person("guest"))
