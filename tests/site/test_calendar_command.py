"""The calendar on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from trading.models import CalendarEntry, Event

pytestmark = pytest.mark.django_db

WEEKEND = ("--from", "2036-07-26T08:00+02:00", "--to", "2036-07-26T12:00+02:00")
HEADING = "kind,starts_at,ends_at,symbols,title,source\n"


def told(capsys: Any, *words: str) -> str:
    call_command("calendar", *words)
    return str(capsys.readouterr().out)


def test_an_entry_is_added_listed_and_removed(capsys: Any) -> None:
    said = told(capsys, "add", "closure", *WEEKEND, "--title", "Weekend", "--source", "FTMO")
    number = CalendarEntry.objects.get().pk
    assert said == f"Entry {number} was added.\n"
    assert "stands there already" in told(
        capsys, "add", "closure", *WEEKEND, "--title", "Weekend", "--source", "FTMO"
    )
    listed = told(capsys, "list")
    assert "2036-07-26 06:00 to 2036-07-26 10:00 UTC  every market  Weekend (FTMO)" in listed
    body = json.loads(told(capsys, "list", "--json"))
    assert (body["number"], body["starts_at"], body["symbols"]) == (number, "2036-07-26T06:00:00+00:00", [])
    assert told(capsys, "remove", str(number)) == "Removed: closure 2036-07-26 06:00 Weekend.\n"
    assert "holds nothing" in told(capsys, "list")
    assert [event.by.partition(", ")[2] for event in Event.objects.filter(kind="calendar")] == [
        "command line"
    ] * 2


def test_an_overlap_is_told(capsys: Any) -> None:
    told(capsys, "add", "closure", *WEEKEND, "--title", "Weekend", "--source", "FTMO")
    first = CalendarEntry.objects.get().pk
    words = ("--from", "2036-07-26T11:00", "--to", "2036-07-26T18:00", "--server-time")
    said = told(capsys, "add", "closure", *words, "--title", "Longer", "--source", "FTMO")
    assert f"It overlaps {first}." in said


def test_the_list_leaves_out_what_is_over(capsys: Any) -> None:
    told(capsys, "add", "news", "--from", "2020-01-01T14:30Z", "--title", "CPI", "--source", "bls.gov")
    assert "holds nothing" in told(capsys, "list")
    assert "CPI (bls.gov)" in told(capsys, "list", "--all")
    assert told(capsys, "list", "--json") == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("add", "closure", *WEEKEND, "--title", "x", "--source", "x", "--symbols", "NO-SUCH"),
            "no market NO-SUCH",
        ),
        (("add", "closure", *WEEKEND[:2], "--title", "x", "--source", "x"), "ends_at must be a time"),
        (("add", "news", "--from", "today", "--title", "x", "--source", "x"), "starts_at must be a time"),
        (("remove", "123456"), "there is no calendar entry 123456"),
        (("import", "/no/such/file.csv"), "cannot be read"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        call_command("calendar", *words)
    assert refused.value.returncode == 2
    assert not CalendarEntry.objects.exists()


def test_a_file_is_imported_and_imported_again(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "closures.csv"
    rows = "closure,2036-07-26T08:00,2036-07-26T12:00,,Weekend,FTMO\r\nnews,2036-07-30T21:00,,,FOMC,fed\r\n"
    # As a spreadsheet writes it: a byte order mark, and lines that end in two characters.
    file.write_bytes(("\ufeff" + HEADING + rows).encode())
    assert told(capsys, "import", str(file), "--server-time") == (
        "closures.csv: 2 new, 0 known, 0 that overlap others.\n"
    )
    assert "0 new, 2 known" in told(capsys, "import", str(file), "--server-time")


def test_a_bad_file_names_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "closures.csv"
    file.write_text(HEADING + "closure,2036-07-26T08:00,2036-07-26T12:00,,Weekend,FTMO\nholiday,,,,,\n")
    with pytest.raises(CommandError, match=r"(?s)nothing was imported.*line 2: starts_at.*line 3: kind"):
        call_command("calendar", "import", str(file))
    assert not CalendarEntry.objects.exists()


def test_a_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "closures.csv"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("calendar", "import", str(file))
