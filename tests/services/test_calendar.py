"""The calendar's rows: read from text and files, added once, removed with a trace."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.services.worlds import NOW, World
from trading.core.calendar import EntryKind
from trading.core.programme import profile
from trading.models import CalendarEntry, Event
from trading.selectors import calendar as entries
from trading.services import calendar
from trading.services.calendar import BadCalendar, Wanted

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
HEADING = "kind,starts_at,ends_at,symbols,title,source"
WEEKEND = "closure,2026-07-25T08:00,2026-07-25T12:00,,Weekend maintenance,FTMO update of 2026-07-20"
KEYS = {"BTC-USD": "BTC-USD", "ETH-USD": "ETH-USD", "SOL-USD": "SOL-USD"}


def read(**changes: Any) -> Wanted:
    given: dict[str, Any] = {
        "kind": "closure",
        "title": "Weekend",
        "starts_at": "2026-07-25T05:00Z",
        "ends_at": "2026-07-25T09:00Z",
        "symbols": "",
        "source": "FTMO",
        "on_server": False,
        "markets": KEYS,
    }
    return calendar.read(**(given | changes))


def add(**changes: Any) -> calendar.Added:
    return calendar.add(read(**changes), by="ada", now=NOW)


def load(*lines: str, on_server: bool = True) -> calendar.Imported:
    text = io.StringIO("".join(f"{line}\n" for line in (HEADING, *lines)), newline="")
    return calendar.import_lines(text, on_server=on_server, by="ada", now=NOW)


# -- text ------------------------------------------------------------------------------------------


def test_an_entry_is_read_from_text() -> None:
    assert read(symbols=" eth-usd; BTC-USD,eth-usd ", title="  Week \n end ") == Wanted(
        kind=EntryKind.CLOSURE,
        title="Week end",
        starts_at=datetime(2026, 7, 25, 5, tzinfo=UTC),
        ends_at=datetime(2026, 7, 25, 9, tzinfo=UTC),
        symbols=("BTC-USD", "ETH-USD"),
        source="FTMO",
    )


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        pytest.param("2026-07-25T08:00", "2026-07-25T05:00", id="summer: UTC+3"),
        pytest.param("2026-01-24T08:00", "2026-01-24T06:00", id="winter: UTC+2"),
        pytest.param("2026-03-14 08:00", "2026-03-14T05:00", id="New York in summer before Prague"),
        pytest.param("2026-10-31 08:00", "2026-10-31T05:00", id="New York in summer after Prague"),
    ],
)
def test_the_servers_clock_is_new_york_plus_seven_hours(text: str, instant: str) -> None:
    ends = str(datetime.fromisoformat(text) + 3 * HOUR)
    found = read(starts_at=text, ends_at=ends, on_server=True)
    assert found.starts_at == datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert found.ends_at - found.starts_at == 3 * HOUR


def test_in_the_hour_that_comes_twice_a_start_is_early_and_an_end_late() -> None:
    """On 2026-11-01 New York shows 1:30 twice, the server 8:30: 5:30 and 6:30 UTC."""
    first, second = datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    starting = read(starts_at="2026-11-01T08:30", ends_at="2026-11-01T12:00", on_server=True)
    assert (starting.starts_at, starting.ends_at) == (first, datetime(2026, 11, 1, 10, tzinfo=UTC))
    ending = read(starts_at="2026-11-01T07:00", ends_at="2026-11-01T08:30", on_server=True)
    assert (ending.starts_at, ending.ends_at) == (datetime(2026, 11, 1, 4, tzinfo=UTC), second)
    release = read(kind="news", starts_at="2026-11-01T08:30", ends_at="", on_server=True)
    assert (release.starts_at, release.ends_at) == (first, second)


@pytest.mark.parametrize("ends", ["", "2026-07-25T05:00Z"])
def test_news_is_an_instant(ends: str) -> None:
    found = read(kind=" News ", ends_at=ends)
    assert found.starts_at == found.ends_at


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "holiday"}, "kind must be news, closure, maintenance, was 'holiday'"),
        ({"kind": ""}, "kind must be"),
        ({"title": " "}, "title needs 1 to 120 characters, had 0"),
        ({"title": "x" * 121}, "title needs 1 to 120 characters, had 121"),
        ({"source": ""}, "source needs 1 to 200 characters, had 0"),
        ({"starts_at": "25.07.2026 08:00"}, "starts_at must be a time like"),
        ({"starts_at": ""}, "starts_at must be a time like"),
        ({"ends_at": ""}, "ends_at must be a time like"),
        ({"starts_at": "2026-07-25T08:00"}, "starts_at must name its zone"),
        ({"ends_at": "2026-07-25T05:00Z"}, "must end after it starts"),
        ({"ends_at": "2026-07-25T04:00Z"}, "must end after it starts"),
        ({"kind": "news"}, "news is an instant"),
        ({"on_server": True}, "the server's wall clock without a zone"),
        ({"on_server": True, "starts_at": "2026-03-08T09:30"}, "the server's clock never shows"),
        ({"symbols": "BTCUSD"}, "there is no market BTCUSD; there are: BTC-USD, ETH-USD, SOL-USD"),
        ({"symbols": "DOGE-USD,BTC-USD,ADA-USD"}, "there is no market ADA-USD, DOGE-USD"),
        ({"symbols": "BTC-USD", "markets": {}}, "there are: none yet"),
    ],
)
def test_what_cannot_be_read_is_said(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(**changes)


def test_more_markets_than_a_row_holds_are_refused() -> None:
    many = {f"COIN{number}-USD": f"COIN{number}-USD" for number in range(30)}
    with pytest.raises(ValueError, match="at most 200 characters"):
        read(symbols=",".join(many), markets=many)


# -- one entry -------------------------------------------------------------------------------------


def test_an_entry_is_added_once_with_one_event(world: World) -> None:
    first, again = add(symbols="btc-usd", markets=None), add(symbols="BTC-USD", title="Other words")
    assert (first.new, again.new, first.entry_id) == (True, False, again.entry_id)
    row = CalendarEntry.objects.get()
    assert (row.title, row.symbols, row.source, row.entered_at) == ("Weekend", "BTC-USD", "FTMO", NOW)
    event = Event.objects.get(kind="calendar")
    assert (event.by, event.severity) == ("ada", "info")
    assert event.text == "The closure Weekend, 2026-07-25 05:00 to 2026-07-25 09:00 UTC, was added."
    assert event.data["symbols"] == "BTC-USD"


@pytest.mark.parametrize(
    ("changes", "overlaps"),
    [
        ({"starts_at": "2026-07-25T09:00Z", "ends_at": "2026-07-25T10:00Z"}, True),
        ({"starts_at": "2026-07-25T09:01Z", "ends_at": "2026-07-25T10:00Z"}, False),
        ({"starts_at": "2026-07-25T04:00Z"}, True),
        ({"starts_at": "2026-07-25T04:00Z", "symbols": "ETH-USD"}, True),
        ({"starts_at": "2026-07-25T04:00Z", "kind": "maintenance"}, False),
    ],
)
def test_an_overlap_is_told_and_both_stand(changes: dict[str, Any], overlaps: bool) -> None:
    first = add()
    second = add(**changes)
    assert second.overlaps == ((first.entry_id,) if overlaps else ())
    assert CalendarEntry.objects.count() == 2
    told = Event.objects.filter(kind="calendar").latest("pk")
    assert ("overlaps 1 of its kind" in told.text) is overlaps
    assert told.data["overlaps"] == list(second.overlaps)


def test_entries_of_other_markets_do_not_overlap() -> None:
    add(symbols="BTC-USD")
    assert add(symbols="ETH-USD,SOL-USD").overlaps == ()


def test_removing_leaves_a_trace_of_all_that_was_removed() -> None:
    number = add(symbols="ETH-USD").entry_id
    assert calendar.remove(number, by="ada", now=NOW) == "closure 2026-07-25 05:00 Weekend"
    assert not CalendarEntry.objects.exists()
    event = Event.objects.filter(kind="calendar").latest("pk")
    assert (event.severity, event.by, event.data["what"]) == ("warning", "ada", "removed")
    kept = {key: event.data[key] for key in ("kind", "title", "starts_at", "ends_at", "symbols", "source")}
    assert kept == {
        "kind": "closure",
        "title": "Weekend",
        "starts_at": "2026-07-25T05:00:00+00:00",
        "ends_at": "2026-07-25T09:00:00+00:00",
        "symbols": "ETH-USD",
        "source": "FTMO",
    }
    with pytest.raises(LookupError, match=f"no calendar entry {number}"):
        calendar.remove(number, by="ada", now=NOW)


# -- files -----------------------------------------------------------------------------------------


def test_a_file_is_imported_once(world: World) -> None:
    lines = (
        WEEKEND,
        "news,2026-07-29T21:00,,,FOMC,federalreserve.gov",
        "maintenance,2026-07-30T23:55,2026-07-31T00:10,BTC-USD,Rollover,FTMO",
        WEEKEND,
        "",
        "closure,2026-07-25T11:00,2026-07-25T13:00,,Longer,FTMO",
    )
    first = load(*lines)
    assert (first.new, first.known, first.overlapping) == (4, 1, 1)
    stored = list(CalendarEntry.objects.values_list("kind", "starts_at", "ends_at", "symbols", "title"))
    again = load(*lines)
    assert (again.new, again.known, again.overlapping) == (0, 5, 0)
    assert stored == list(
        CalendarEntry.objects.values_list("kind", "starts_at", "ends_at", "symbols", "title")
    )
    assert Event.objects.filter(kind="calendar").count() == 4, "one for each entry that is new"
    assert (
        "news",
        datetime(2026, 7, 29, 18, tzinfo=UTC),
        datetime(2026, 7, 29, 18, tzinfo=UTC),
        "",
        "FOMC",
    ) in stored


def test_columns_may_stand_in_any_order() -> None:
    text = [
        "source,title,symbols,ends_at,starts_at,kind\n",
        "FTMO,Weekend,,2026-07-25T12:00Z,2026-07-25T08:00Z,closure\n",
    ]
    assert calendar.import_lines(text, on_server=False, by="ada", now=NOW).new == 1


def test_every_bad_line_is_named_and_nothing_is_taken(world: World) -> None:
    with pytest.raises(BadCalendar) as refused:
        load(
            WEEKEND,
            "holiday,2026-07-25T08:00,2026-07-25T12:00,,Weekend,FTMO",
            "closure,2026-07-25T08:00,2026-07-25T12:00,DOGE-USD,Weekend,FTMO",
            "closure,2026-07-25T08:00,2026-07-25T12:00,,Weekend",
            'closure,2026-07-26T08:00,2026-07-26T12:00,,"Week\nend",FTMO',
            "closure,2026-07-25T12:00,2026-07-25T08:00,,Weekend,FTMO",
        )
    assert [line.partition(":")[0] for line in refused.value.lines] == [
        "line 3",
        "line 4",
        "line 5",
        "line 8",
    ]
    assert refused.value.lines[2] == "line 5: 6 cells are needed, were 5"
    assert not CalendarEntry.objects.exists()
    assert not Event.objects.filter(kind="calendar").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ([], "the columns must be"),
        (["kind,starts_at,ends_at,title,source\n"], "were kind, starts_at, ends_at, title, source"),
        ([f"{HEADING},note\n"], "the columns must be"),
        ([f"{HEADING}\n", 'closure,"2026\n'], "line 2: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_calendar_is_refused(text: list[str], words: str) -> None:
    with pytest.raises(BadCalendar, match=words):
        calendar.import_lines(text, on_server=False, by="ada", now=NOW)


def test_of_very_many_bad_lines_the_first_fifty_are_named() -> None:
    with pytest.raises(BadCalendar) as refused:
        load(*["holiday,,,,,"] * 60)
    assert len(refused.value.lines) == 51
    assert refused.value.lines[-1] == "and 10 more"


def test_a_file_that_fails_half_way_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    added = calendar.add

    def breaking(wanted: Wanted, **named: Any) -> calendar.Added:
        if wanted.title == "second":
            raise RuntimeError("the disk is full")
        return added(wanted, **named)

    monkeypatch.setattr(calendar, "add", breaking)
    with pytest.raises(RuntimeError):
        load(WEEKEND, "closure,2026-07-26T08:00,2026-07-26T12:00,,second,FTMO")
    assert not CalendarEntry.objects.exists()
    assert not Event.objects.filter(kind="calendar").exists()


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "hours", "ahead", "found"),
    [
        pytest.param(4, 1, 0, True, id="as far as touching closures can matter"),
        pytest.param(4.01, 1, 0, False, id="too far"),
        pytest.param(4.01, 1, 1, True, id="not too far for one who looks ahead"),
        pytest.param(-5, 1, 0, True, id="just over"),
        pytest.param(-6, 1, 0, False, id="long over"),
        pytest.param(-600, 900, 0, True, id="long and not over"),
    ],
)
def test_what_can_matter_is_read(start: float, hours: float, ahead: float, found: bool) -> None:
    starts = NOW + start * HOUR
    wanted = Wanted(
        kind=EntryKind.CLOSURE,
        title="x",
        starts_at=starts,
        ends_at=starts + hours * HOUR,
        symbols=("BTC-USD",),
        source="x",
    )
    calendar.add(wanted, by="ada", now=NOW)
    rows = entries.entries_for(profile("ftmo-2-step-challenge"), now=NOW, ahead=ahead * HOUR)
    assert bool(rows) is found
    assert all(row.symbols == ("BTC-USD",) and row.starts_at == starts for row in rows)


def test_the_list_leaves_out_what_is_over() -> None:
    for day in (1, 2, 3):
        at = NOW + timedelta(days=day - 2)
        CalendarEntry.objects.create(
            kind="news", title=str(day), starts_at=at, ends_at=at, source="x", entered_at=NOW
        )
    assert [row.title for row in entries.listed(now=NOW)] == ["2", "3"]
    assert [row.title for row in entries.listed(now=NOW, past=True)] == ["1", "2", "3"]
