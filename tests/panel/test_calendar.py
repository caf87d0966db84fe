"""The calendar's pages: what blocks from when, one way in, one way out, each an event."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.panel import factories
from tests.panel.factories import World
from trading.admin.calendar import blocked
from trading.models import CalendarEntry, Event, ProgrammeVersion

LIST = "admin:trading_calendarentry_changelist"
ADD = "admin:trading_calendarentry_add"
IMPORT = "admin:trading_calendarentry_import_file"
SATURDAY = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
HEAD = "kind,starts_at,ends_at,symbols,title,source\n"
GOOD = HEAD + "closure,2026-11-21T07:00+01:00,2026-11-21T11:00+01:00,BTC-USD,Upgrade,ftmo.com\n"
CLOSURE = {
    "kind": "closure",
    "title": "Exchange upgrade",
    "starts_at_0": "2099-11-21",
    "starts_at_1": "07:00:00",
    "ends_at_0": "2099-11-21",
    "ends_at_1": "11:00:00",
    "symbols": "BTC-USD",
    "source": "ftmo.com",
}


def _entry(**given: object) -> CalendarEntry:
    values = {
        "kind": "closure",
        "title": "Exchange upgrade",
        "starts_at": SATURDAY,
        "ends_at": SATURDAY + timedelta(hours=4),
        "source": "ftmo.com",
        "entered_at": SATURDAY,
    }
    return CalendarEntry(**{**values, **given})


def _file(text: str) -> dict[str, object]:
    return {"file": SimpleUploadedFile("news.csv", text.encode(), content_type="text/csv")}


@pytest.mark.parametrize(
    ("kind", "hours", "programme", "said"),
    [
        ("closure", 4, "ftmo-2-step-challenge", "Sat 21 Nov 05:00 to Sat 21 Nov 11:00"),
        ("closure", 1, "ftmo-2-step-challenge", "Sat 21 Nov 07:00 to Sat 21 Nov 08:00"),
        (
            "closure",
            4,
            "ftmo-2-step-funded",
            "Sat 21 Nov 05:00 to Sat 21 Nov 11:00; positions are closed before it",
        ),
        ("news", 0, "ftmo-2-step-funded", "Sat 21 Nov 06:58 to Sat 21 Nov 07:02"),
        ("news", 0, "ftmo-2-step-challenge", "nothing: news is free in FTMO 2-Step Challenge"),
        ("maintenance", 1, "ftmo-2-step-challenge", "Sat 21 Nov 07:00 to Sat 21 Nov 08:00"),
    ],
)
def test_what_an_entry_blocks(
    kind: str, hours: int, programme: str, said: str, world: World, in_prague: None
) -> None:
    version = ProgrammeVersion.objects.select_related("profile").get(profile__name=programme)
    entry = _entry(kind=kind, ends_at=SATURDAY + timedelta(hours=hours))
    assert blocked(entry, version) == said


def test_the_list_shows_what_is_to_come_in_prague_time(world: World, owner: Client) -> None:
    coming = datetime(2099, 1, 2, 6, 0, tzinfo=UTC)
    _entry(title="Still to come", starts_at=coming, ends_at=coming + timedelta(hours=4)).save()
    _entry(
        title="Long over", starts_at=SATURDAY - timedelta(days=900), ends_at=SATURDAY - timedelta(days=899)
    ).save()
    page = owner.get(reverse(LIST)).content.decode()
    assert "Fri 2 Jan 07:00" in page
    assert "Fri 2 Jan 05:00 to Fri 2 Jan 11:00" in page
    assert "every market" in page
    assert "Long over" not in page
    assert "Long over" in owner.get(reverse(LIST), {"when": "past"}).content.decode()
    assert "Long over" in owner.get(reverse(LIST), {"when": "all"}).content.decode()


def test_adding_and_removing_are_events(world: World, owner: Client) -> None:
    assert owner.post(reverse(ADD), CLOSURE).status_code == 302
    entry = CalendarEntry.objects.get()
    assert entry.starts_at == datetime(2099, 11, 21, 6, 0, tzinfo=UTC)  # Prague is an hour ahead
    assert entry.symbols == "BTC-USD"
    delete = reverse("admin:trading_calendarentry_delete", args=[entry.pk])
    assert owner.post(delete, {"post": "yes"}).status_code == 302
    assert not CalendarEntry.objects.exists()
    told = Event.objects.filter(kind="calendar").order_by("id")
    assert [(e.by, e.data["what"]) for e in told] == [("owner", "added"), ("owner", "removed")]


def test_removing_many_leaves_an_event_each(world: World, owner: Client) -> None:
    for hour in range(3):
        start = SATURDAY + timedelta(days=900, hours=hour)
        _entry(starts_at=start, ends_at=start + timedelta(minutes=30)).save()
    keys = [str(pk) for pk in CalendarEntry.objects.values_list("pk", flat=True)]
    answer = owner.post(reverse(LIST), {"action": "delete_selected", "_selected_action": keys, "post": "yes"})
    assert answer.status_code == 302
    assert not CalendarEntry.objects.exists()
    assert Event.objects.filter(kind="calendar").count() == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"symbols": "DOGE-USD"}, "there is no market DOGE-USD"),
        ({"ends_at_1": "06:00:00"}, "it must end after it starts"),
        ({"kind": "news"}, "news is an instant"),
        ({"ends_at_0": "", "ends_at_1": ""}, "ends_at must be a time"),
        ({"kind": "holiday"}, "Select a valid choice"),
        ({"title": "   "}, "This field is required"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, str], said: str, world: World, owner: Client) -> None:
    answer = owner.post(reverse(ADD), {**CLOSURE, **change})
    assert answer.status_code == 200
    assert said in html.unescape(answer.content.decode())
    assert not CalendarEntry.objects.exists()


def test_news_is_an_instant(world: World, owner: Client) -> None:
    news = {**CLOSURE, "kind": "news", "ends_at_0": "", "ends_at_1": "", "symbols": ""}
    assert owner.post(reverse(ADD), news).status_code == 302
    entry = CalendarEntry.objects.get()
    assert entry.ends_at == entry.starts_at
    assert entry.symbols == ""


def test_a_file_is_taken_whole(world: World, owner: Client) -> None:
    answer = owner.post(reverse(IMPORT), _file(GOOD), follow=True)
    assert "1 entries are new, 0 stood already." in answer.content.decode()
    assert CalendarEntry.objects.get().title == "Upgrade"
    owner.post(reverse(IMPORT), _file(GOOD))
    assert CalendarEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "news,soon,,,CPI,bls.gov\n", "line 3: starts_at must be a time"),
        ("when,what\n", "line 1: the columns must be"),
        (GOOD.replace("BTC-USD", "DOGE-USD"), "there is no market DOGE-USD"),
    ],
)
def test_a_bad_file_is_not_taken_at_all(text: str, said: str, world: World, owner: Client) -> None:
    answer = owner.post(reverse(IMPORT), _file(text))
    assert answer.status_code == 409
    assert said in html.unescape(answer.content.decode())
    assert not CalendarEntry.objects.exists()


def test_what_is_no_text_is_refused(world: World, owner: Client) -> None:
    file = SimpleUploadedFile("news.csv", b"\xff\xfe\x00kind", content_type="text/csv")
    answer = owner.post(reverse(IMPORT), {"file": file})
    assert answer.status_code == 409
    assert "This is no CSV file" in answer.content.decode()
    assert owner.post(reverse(IMPORT), {}).status_code == 200


@pytest.mark.parametrize(
    ("rights", "seen", "added"),
    [
        ((), 403, 403),
        (("view_calendarentry",), 200, 403),
        (("view_calendarentry", "add_calendarentry"), 200, 302),
    ],
)
def test_who_may_enter(rights: tuple[str, ...], seen: int, added: int, world: World) -> None:
    person = Client()
    person.force_login(factories.make_person("someone", *rights))
    assert person.get(reverse(LIST)).status_code == seen
    assert person.post(reverse(ADD), CLOSURE).status_code == added
    assert person.get(reverse(IMPORT)).status_code == (200 if added == 302 else 403)
    assert person.post(reverse(IMPORT), _file(GOOD)).status_code == added
    if CalendarEntry.objects.exists():
        entry = CalendarEntry.objects.first()
        assert entry is not None
        delete = reverse("admin:trading_calendarentry_delete", args=[entry.pk])
        assert person.post(delete, {"post": "yes"}).status_code == 403


def test_an_entry_is_never_edited(world: World, owner: Client) -> None:
    _entry().save()
    change = reverse("admin:trading_calendarentry_change", args=[CalendarEntry.objects.get().pk])
    assert owner.get(change).status_code == 200
    assert owner.post(change, CLOSURE).status_code == 403


@pytest.mark.parametrize("name", [LIST, ADD, IMPORT])
def test_strangers_are_sent_to_the_login(name: str, db: None) -> None:
    for answer in (Client().get(reverse(name)), Client().post(reverse(name), CLOSURE)):
        assert answer.status_code == 302
        assert reverse("admin:login") in answer["Location"]
    assert not CalendarEntry.objects.exists()


def test_entering_needs_the_token(world: World) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.owner)
    assert strict.post(reverse(ADD), CLOSURE).status_code == 403
    assert strict.post(reverse(IMPORT), _file(GOOD)).status_code == 403
    assert not CalendarEntry.objects.exists()
