"""Programme versions are readable, begin on a coming day, and stay as they were once judged under."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.panel import factories
from tests.panel.factories import World
from trading.models import Event, ProgrammeProfile, ProgrammeVersion

ADD = "admin:trading_programmeversion_add"
LIST = "admin:trading_programmeversion_changelist"


def _numbers(**change: str) -> dict[str, str]:
    begins = timezone.localdate() + timedelta(days=3)
    return {
        "profile": str(ProgrammeProfile.objects.get(name="generic").pk),
        "version": "2",
        "phase": "funded",
        "effective_from": begins.isoformat(),
        "verified_on": "2026-11-20",
        "source": "the firm's own page",
        "daily_loss": "0.04",
        "total_loss": "0.08",
        "total_loss_mode": "trailing_locked",
        "profit_target": "",
        "min_trading_days": "0",
        "daily_basis": "current",
        "daily_reference": "higher",
        "daily_counts_open": "on",
        "zone": "America/New_York",
        "day_shift_hours": "7",
        "best_day_share": "",
        "news_minutes": "5",
        "gap_hours": "2",
        **change,
    }


def test_versions_are_readable(world: World, owner: Client) -> None:
    page = html.unescape(owner.get(reverse(LIST)).content.decode())
    for words in (
        "FTMO 1-Step Challenge",
        "3 %",
        "10 %, trailing end of day",
        "at most 50 %",
        "\u00b12 min",
        "20 Nov 2026",
    ):
        assert words in page, words


def test_a_version_of_a_coming_day_is_added(world: World, owner: Client) -> None:
    answer = owner.post(reverse(ADD), _numbers())
    assert answer.status_code == 302, answer.content.decode()
    version = ProgrammeVersion.objects.get(profile__name="generic", version=2)
    assert version.programme().clock.zone == "America/New_York"
    told = Event.objects.get(kind="edited")
    assert told.by == "owner"
    assert "daily loss: None to 0.04" in told.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"effective_from": "2026-01-01"}, "begins on a day that has not begun yet"),
        ({"daily_loss": "1.5"}, "No floor follows from these numbers"),
        ({"daily_loss": "-0.05"}, "No floor follows from these numbers"),
        ({"total_loss": "NaN"}, "Enter a number"),
        ({"zone": "Mars/Olympus"}, "No floor follows from these numbers"),
        ({"total_loss_mode": "sideways"}, "Select a valid choice"),
        ({"phase": "dream"}, "Select a valid choice"),
        ({"version": "1"}, "already exists"),
    ],
)
def test_a_version_without_floors_is_refused(
    change: dict[str, str], said: str, world: World, owner: Client
) -> None:
    answer = owner.post(reverse(ADD), _numbers(**change))
    assert answer.status_code == 200
    assert said in html.unescape(answer.content.decode())
    assert ProgrammeVersion.objects.filter(profile__name="generic").count() == 1


def test_what_was_judged_under_is_never_edited(world: World, owner: Client) -> None:
    owner.post(reverse(ADD), _numbers())
    unused = ProgrammeVersion.objects.get(profile__name="generic", version=2)
    change = reverse("admin:trading_programmeversion_change", args=[unused.pk])
    assert owner.post(change, _numbers(daily_loss="0.03")).status_code == 302
    unused.refresh_from_db()
    assert str(unused.daily_loss.normalize()) == "0.03"
    used = world.account.programme
    change = reverse("admin:trading_programmeversion_change", args=[used.pk])
    assert owner.get(change).status_code == 200
    assert owner.post(change, _numbers(daily_loss="0.5")).status_code == 403
    used.refresh_from_db()
    assert str(used.daily_loss.normalize()) == "0.05"


def test_a_version_in_a_snapshot_alone_is_used(world: World, owner: Client) -> None:
    owner.post(reverse(ADD), _numbers())
    unused = ProgrammeVersion.objects.get(profile__name="generic", version=2)
    world.account.programme = unused  # in the snapshot only; the account's row stays as it is
    factories.make_snapshot(world.account, at=world.now, equity="101240.00")
    change = reverse("admin:trading_programmeversion_change", args=[unused.pk])
    assert owner.post(change, _numbers(daily_loss="0.03")).status_code == 403


def test_only_a_superuser_makes_rules(world: World) -> None:
    person = Client()
    rights = (
        "view_programmeversion",
        "add_programmeversion",
        "change_programmeversion",
        "delete_programmeversion",
    )
    person.force_login(factories.make_person("staff", *rights))
    assert person.get(reverse(LIST)).status_code == 200
    assert person.post(reverse(ADD), _numbers()).status_code == 403
    used = world.account.programme
    delete = reverse("admin:trading_programmeversion_delete", args=[used.pk])
    assert person.post(delete, {"post": "yes"}).status_code == 403
    assert ProgrammeVersion.objects.filter(pk=used.pk).exists()
