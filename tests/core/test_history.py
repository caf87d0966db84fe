"""Files that tell histories: our own lines, and reports of MetaTrader 5 in every dress they come in."""

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import terminal
from trading.core import history, whatif
from trading.core.programme import profile
from trading.core.whatif import Mark, Opened, Paid, Start

START = {"type": "start", "at": "2026-01-15T08:00:00+01:00", "initial": "100000"}
MARK = {"type": "mark", "at": "2026-01-15T09:00:00+01:00", "balance": "100000", "equity": "99000.50"}
BARE = '{"type":"mark","at":"2026-01-15T09:00:00Z","balance":%s,"equity":%s}'
OPEN = {"type": "open", "at": "2026-01-15T09:00:00Z"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def written(*lines: dict[str, Any] | str) -> bytes:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()


def refusal(data: bytes, **options: Any) -> str:
    with pytest.raises(history.BadHistory) as found:
        history.read(data, **options)
    return str(found.value)


# -- our own lines ------------------------------------------------------------------------------


def test_lines_are_read_with_their_instants_as_they_were_written() -> None:
    found = history.read(written(START, MARK, "", OPEN) + b"\r\n")
    assert found.events == (
        Start(at=utc("2026-01-15T07:00:00"), initial=D(100000)),
        Mark(
            at=utc("2026-01-15T08:00:00"),
            balance=D(100000),
            equity=D("99000.50"),
            written="2026-01-15T09:00:00+01:00",
        ),
        Opened(at=utc("2026-01-15T09:00:00")),
    )
    assert (found.from_terminal, found.notes) == (False, ())
    assert all(event.at.tzinfo is UTC for event in found.events)


def test_numbers_without_quotes_stay_exact() -> None:
    line = '{"type":"mark","at":"2026-01-15T09:00:00Z","balance":100000.10,"equity":-1e2,"note":"kept out"}'
    mark = history.read(written(START, line)).events[1]
    assert isinstance(mark, Mark)
    assert (mark.balance, mark.equity) == (D("100000.10"), D(-100))


def test_lines_that_speak_of_html_stay_lines() -> None:
    assert len(history.read(written(START | {"note": "<html><table>"}, MARK)).events) == 2


def test_a_mark_of_the_same_instant_is_in_order() -> None:
    assert len(history.read(written(START, MARK, MARK)).events) == 3


@pytest.mark.parametrize("mark_first", [b"\xef\xbb\xbf", b"\n\n"])
def test_what_stands_before_the_first_line_does_no_harm(mark_first: bytes) -> None:
    assert len(history.read(mark_first + written(START, MARK)).events) == 2


def test_lines_in_utf_16_are_read_as_well() -> None:
    assert len(history.read(written(START, MARK).decode().encode("utf-16")).events) == 2


BAD_LINES: list[tuple[list[dict[str, Any] | str], str]] = [
    ([], "line 1: the file is empty"),
    (["  "], "line 1: the file is empty"),
    (["hello"], "line 1: is neither a JSON object nor the head of an MT5 export"),
    (["", "[1]"], "line 2: is neither a JSON object"),
    ([START, "hello"], "line 2: must be a JSON object"),
    ([START, "[1]"], "line 2: must be a JSON object"),
    ([START, '{"type":"mark"'], "line 2: must be a JSON object"),
    ([START, "[" * 100_000], "line 2: must be a JSON object"),
    ([START, '{"type":"mark","type":"open"}'], "line 2: must be a JSON object: a name stands twice"),
    ([MARK], "line 1: the first line must be the start"),
    ([OPEN, START, MARK], "line 1: the first line must be the start"),
    ([START, START, MARK], "line 2: a history has one start"),
    ([START], "line 1: the file ends without a mark"),
    ([START, OPEN, ""], "line 3: the file ends without a mark"),
    ([START, MARK | {"type": "close"}], "line 2: type must be start, mark or open, was 'close'"),
    ([START, {"at": MARK["at"]}], "line 2: type must be start, mark or open, was None"),
    ([START, MARK | {"type": ["mark"]}], "line 2: type must be"),
    ([START, MARK | {"at": "2026-01-15T09:00:00"}], "line 2: at must be an ISO time with its zone"),
    ([START, MARK | {"at": "2026-01-15"}], "line 2: at must be an ISO time with its zone"),
    ([START, MARK | {"at": "yesterday"}], "line 2: at must be an ISO time with its zone"),
    ([START, MARK | {"at": None}], "line 2: at must be an ISO time with its zone"),
    ([START, MARK | {"at": 1768464000}], "line 2: at must be an ISO time with its zone"),
    ([START, MARK | {"at": "0001-01-01T00:00:00+01:00"}], "line 2: at must lie between 1990 and 2100"),
    ([START, MARK | {"at": "9999-12-31T23:00:00-05:00"}], "line 2: at must lie between 1990 and 2100"),
    ([START, MARK, OPEN | {"at": "2026-01-15T06:00:00Z"}], "line 3: 2026-01-15 06:00:00 UTC lies before the line"),
    ([START, MARK | {"at": "2026-01-15T07:59:59+01:00"}], "line 2: 2026-01-15 06:59:59 UTC lies before the line"),
    *(
        ([START, MARK | {name: value}], f'line 2: {name} must be an amount such as "100000.00", was ')
        for name in ("balance", "equity")
        for value in ("NaN", "nan", "Infinity", "-inf", "", " 1", "1 000", "1,5", "1_000", "0x1", "1e5", "\u0661",
                      "9" * 16, "0.123456789", None, True, [], {}, 10**16, 1e-30)
    ),
    ([START, BARE % ("NaN", "1")], "line 2: must be a JSON object: NaN is not a number"),
    ([START, BARE % ("1", "-Infinity")], "line 2: must be a JSON object: -Infinity is not a number"),
    ([START, BARE % ("1e999999999", "1")], "line 2: balance must be an amount"),
    ([START, BARE % ("1", "1e-99999999")], "line 2: equity must be an amount"),
    ([START, {k: v for k, v in MARK.items() if k != "equity"}], "line 2: equity must be an amount"),
    ([START | {"initial": "0"}, MARK], "line 1: initial must be above 0"),
    ([START | {"initial": "-5"}, MARK], "line 1: initial must be above 0"),
    ([START | {"initial": None}, MARK], "line 1: initial must be an amount"),
    ([START | {"at": "2026-01-15T08:00:00"}, MARK], "line 1: at must be an ISO time with its zone"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "sentence"), BAD_LINES)
def test_a_bad_line_is_named_in_one_sentence(lines: list[dict[str, Any] | str], sentence: str) -> None:
    found = refusal(written(*lines))
    assert found.startswith(sentence)
    assert "\n" not in found
    assert len(found) < 250


def test_bytes_that_are_no_text_are_refused() -> None:
    assert refusal(b"\x81\x8d\xff").startswith("line 1: the file is not text")
    assert refusal(b"\xff\xfe\x00").startswith("line 1: the file is not text")


def test_the_start_of_our_lines_names_the_initial_balance_itself() -> None:
    assert refusal(written(START, MARK), initial=D(5)).startswith("line 1: the start names the initial")


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_whatever_the_bytes_the_answer_is_a_history_or_a_sentence(data: bytes) -> None:
    for head in (b"", written(START) + b"\n", terminal.csv()[:300].encode(), terminal.html()[:2400].encode()):
        found = None
        with contextlib.suppress(history.BadHistory):
            found = history.read(head + data)
        assert found is None or found.events


# -- reports of the terminal -------------------------------------------------------------------


def judged(found: history.History, programme: str = "ftmo-2-step-challenge") -> list[whatif.Moment]:
    return [moment for moment in whatif.judge(found.events, profile(programme)) if moment.is_mark]


EVENTS = (
    Start(at=utc("2026-01-14T08:00:00"), initial=D("100000.00"), balance=D("100000.00")),
    Mark(at=utc("2026-01-14T08:00:00"), balance=D("100000.00"), equity=D("100000.00")),
    Opened(at=utc("2026-01-14T09:00:00")),
    Mark(at=utc("2026-01-14T09:00:00"), balance=D("99985.37"), equity=D("99985.37"), floating_known=False),
    Mark(at=utc("2026-01-14T13:30:00"), balance=D("101470.26"), equity=D("101470.26")),
    Opened(at=utc("2026-01-14T22:59:59")),
    Mark(at=utc("2026-01-14T22:59:59"), balance=D("101460.51"), equity=D("101460.51"), floating_known=False),
    Mark(at=utc("2026-01-15T00:10:00"), balance=D("100446.73"), equity=D("100446.73")),
    Paid(at=utc("2026-01-16T10:00:00"), amount=D("-446.73")),
    Mark(at=utc("2026-01-16T10:00:00"), balance=D("100000.00"), equity=D("100000.00")),
    Opened(at=utc("2026-01-16T11:00:00")),
    Mark(at=utc("2026-01-16T11:00:00"), balance=D("99997.04"), equity=D("99997.04"), floating_known=False),
)
GERMAN = [terminal.german(row) for row in terminal.DEALS]
POINTED = [row.replace("100 000", "100.000").replace("1 500", "1.500") for row in GERMAN]
NARROW = [row.replace(" 000", "\u202f000") for row in terminal.DEALS]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(terminal.html().encode("utf-16"), id="HTML as the terminal writes it"),
        pytest.param(
            terminal.html().encode("utf-16-be").join([b"\xfe\xff", b""]), id="of the other byte order"
        ),
        pytest.param(terminal.html().encode(), id="HTML in UTF-8"),
        pytest.param(
            terminal.html(NARROW).replace(" 500.00", "&nbsp;500.00").encode("utf-16"), id="hard spaces"
        ),
        pytest.param(terminal.html(GERMAN, terminal.GERMAN).encode("utf-16"), id="German HTML"),
        pytest.param(terminal.html(POINTED, terminal.GERMAN).encode("utf-16"), id="German HTML with points"),
        pytest.param(terminal.html().replace("</td>", "").replace("</tr>", "").encode(), id="tags left open"),
        pytest.param(terminal.html().replace("</td>", "</td> beside it ").encode(), id="words between cells"),
        pytest.param(
            terminal.csv([row.replace(":00|", "|", 1) for row in terminal.DEALS]).encode(), id="no seconds"
        ),
        pytest.param(terminal.csv().encode(), id="CSV"),
        pytest.param(terminal.csv().encode("utf-16"), id="CSV in UTF-16"),
        pytest.param(terminal.csv(separator="\t").encode("utf-8-sig"), id="tabs"),
        pytest.param(terminal.csv(GERMAN, terminal.GERMAN, separator=";").encode("cp1252"), id="German CSV"),
        pytest.param(terminal.csv(GERMAN, terminal.GERMAN).encode(), id="commas in quotes"),
        pytest.param(terminal.csv(terminal.DEALS[::-1]).encode(), id="newest first"),
    ],
)
def test_a_report_is_the_same_in_every_dress(data: bytes) -> None:
    found = history.read(data)
    assert found.events == EVENTS
    assert found.from_terminal


def test_a_report_says_what_it_does_not_know() -> None:
    found = history.read(terminal.csv().encode())
    assert found.notes == (
        "Times were read as the clock of FTMO's MT5 server: New York plus seven hours.",
        "The export does not tell open profit: 3 of 7 lines were judged by the balance alone while positions"
        " were open. A breach by equity between two deals would not show.",
    )


def test_a_report_is_judged_with_its_payments() -> None:
    lines = [whatif.line(moment) for moment in judged(history.read(terminal.html().encode("utf-16")))]
    assert [
        (line["day"], line["day_start_balance"], line["level"], line["trading_days"]) for line in lines
    ] == [
        ("2026-01-14", "100000.00", "green", 0),
        ("2026-01-14", "100000.00", "green", 1),
        ("2026-01-14", "100000.00", "green", 1),
        ("2026-01-14", "100000.00", "green", 1),
        ("2026-01-15", "101460.51", "green", 1),
        ("2026-01-16", "100000.00", "green", 1),
        ("2026-01-16", "100000.00", "green", 2),
    ]
    assert lines[0]["at"] == "2026-01-14T08:00:00+00:00"


def test_prague_midnight_is_two_at_night_on_the_server_while_only_new_york_has_changed() -> None:
    rows = [
        "2026.03.10 10:00:00|1||balance||||||||100 000.00|100 000.00|",
        "2026.03.11 01:59:59|2|BTCUSD|buy|in|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.03.11 02:00:00|3|BTCUSD|sell|out|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
    ]
    days = [str(moment.day) for moment in judged(history.read(terminal.csv(rows).encode()))]
    assert days == ["2026-03-10", "2026-03-10", "2026-03-11"]


def test_the_hour_that_the_server_shows_twice_goes_on() -> None:
    rows = [
        "2026.11.01 07:00:00|1||balance||||||||100 000.00|100 000.00|",
        "2026.11.01 08:50:00|2|BTCUSD|buy|in|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.11.01 08:10:00|3|BTCUSD|sell|out|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
    ]
    events = history.read(terminal.csv(rows).encode()).events
    assert [event.at for event in events if isinstance(event, Mark)] == [
        utc("2026-11-01T04:00:00"),
        utc("2026-11-01T05:50:00"),
        utc("2026-11-01T06:10:00"),
    ]


def test_deals_of_one_second_keep_their_order() -> None:
    rows = [
        "2026.01.14 10:00:00|1||balance||||||||100 000.00|100 000.00|",
        "2026.01.14 10:00:00|2|BTCUSD|buy|in|1.00|1.00|1|-1.00|0.00|0.00|0.00|99 999.00|",
    ]
    events = history.read(terminal.csv(rows).encode()).events
    assert [event.balance for event in events if isinstance(event, Mark)] == [D("100000.00"), D("99999.00")]


def test_an_export_of_a_running_account_needs_the_initial_balance() -> None:
    data = terminal.csv(terminal.DEALS[2:5]).encode()
    assert refusal(data).startswith("line 7: the export does not begin with the deposit: give the initial")
    found = history.read(data, initial=D(100000))
    assert found.events[0] == Start(at=utc("2026-01-14T13:30:00"), initial=D(100000), balance=D("99985.37"))
    assert "in the middle of an account's life" in found.notes[1]
    # The position that the first deal closes was open before: until then nothing is known of open profit.
    marks = [event for event in found.events if isinstance(event, Mark)]
    assert [mark.floating_known for mark in marks] == [True, False, True]
    assert judged(found)[0].day_start_balance == D("99985.37")


def test_a_position_from_before_the_export_makes_all_marks_before_its_end_unknown() -> None:
    rows = [
        "2026.01.14 10:00:00|1|BTCUSD|buy|in|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.01.14 11:00:00|2|BTCUSD|sell|out|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.01.14 12:00:00|3|ETHUSD|sell|out|1.00|1.00|1|0.00|0.00|0.00|10.00|100 010.00|",
        "2026.01.14 13:00:00|4||charge|||||||- 5.00||100 005.00|",
    ]
    found = history.read(terminal.csv(rows).encode(), initial=D(100000))
    marks = [event for event in found.events if isinstance(event, Mark)]
    assert [mark.floating_known for mark in marks] == [False, False, True, True]
    assert [type(event) for event in found.events if isinstance(event, Paid)] == []


def test_the_initial_balance_may_be_told_beside_the_deposit() -> None:
    found = history.read(terminal.csv().encode(), initial=D(200000))
    assert found.events[0] == Start(at=EVENTS[0].at, initial=D(200000), balance=D("100000.00"))


def test_a_reversal_and_a_close_by_keep_the_count_of_what_is_open() -> None:
    rows = [
        "2026.01.14 10:00:00|1||balance||||||||100 000.00|100 000.00|",
        "2026.01.14 11:00:00|2|BTCUSD|buy|in|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.01.14 12:00:00|3|BTCUSD|sell|in/out|3.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.01.14 13:00:00|4|BTCUSD|buy|out|2.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.01.14 14:00:00|5|BTCUSD|buy|in|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.01.14 14:00:00|6|BTCUSD|sell|in|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.01.14 15:00:00|7|BTCUSD|sell|out by|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
        "2026.01.14 15:00:00|8|BTCUSD|buy|out by|1.00|1.00|1|0.00|0.00|0.00|0.00|100 000.00|",
    ]
    events = history.read(terminal.csv(rows).encode()).events
    assert [event.floating_known for event in events if isinstance(event, Mark)] == [
        True, False, False, True, False, False, False, True,
    ]  # fmt: skip
    assert sum(isinstance(event, Opened) for event in events) == 4


def changed(row: int, old: str, new: str) -> bytes:
    """The CSV report with one row otherwise; row 0 is the deposit, on line 7 of the file."""
    rows = list(terminal.DEALS)
    assert old in rows[row]
    rows[row] = rows[row].replace(old, new, 1)
    return terminal.csv(rows).encode()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (changed(2, "1 500.00", "1 600.00"), "line 9: the balance 101470.26 does not follow from 99985.37"),
        (
            terminal.csv([*terminal.DEALS[:2], *terminal.DEALS[3:]]).encode(),
            "line 9: the balance 101460.51 does not",
        ),
        (
            changed(2, "2026.01.14 15:30:00", "2026.01.14 09:30:00"),
            "line 9: 2026-01-14 09:30:00 lies before the deal",
        ),
        (changed(2, "2026.01.14 15:30:00", "2026.13.14 15:30:00"), "line 9: time must be such as 2026.01.31"),
        (changed(2, "2026.01.14 15:30:00", "14.01.2026 15:30"), "line 9: time must be such as 2026.01.31"),
        (changed(2, "2026.01.14 15:30:00", "0001.01.14 15:30"), "line 9: time must be such as 2026.01.31"),
        (changed(2, "2026.01.14 15:30:00", "cut off"), "line 9: time must be such as 2026.01.31"),
        (changed(2, "2026.01.14 15:30:00", ""), "line 9: time must be such as 2026.01.31"),
        (changed(6, "2026.01.16 13:00:00", ""), "line 13: time must be such as 2026.01.31"),
        (changed(2, "sell", "sold"), "line 9: the type of a deal must be a known one, was 'sold'"),
        (changed(2, "sell", "credit"), "line 9: a credit moves equity and not the balance"),
        (changed(2, "|out|", "|gone|"), "line 9: direction must be in, out, in/out or out by, was 'gone'"),
        (changed(2, "1 500.00", "a lot"), "line 9: profit must be a number, was 'a lot'"),
        (changed(2, "1 500.00", "NaN"), "line 9: profit must be a number, was 'NaN'"),
        (changed(2, "101 470.26", ""), "line 9: balance must be a number, was ''"),
        (changed(2, "0.50", "half"), "line 9: volume must be a number, was 'half'"),
        (
            terminal.csv([terminal.DEALS[0].rsplit("|", 2)[0]]).encode(),
            "line 7: balance must be a number, was ''",
        ),
        (terminal.csv([]).encode(), "line 8: the table of deals is empty"),
        (
            b"Time,Position,Symbol,Type,Volume,Price,Profit\n",
            "line 1: is neither a JSON object nor the head of",
        ),
        (
            b"<html><table><tr><td>Time</td></tr></table>",
            "line 1: there is no table of deals: save the whole report",
        ),
        (b"<html>nothing</html>", "line 1: there is no table of deals"),
        (b"<html>\n<![nothing[ of the kind ]]></html>", "line 2: is not HTML: "),
        (b"PK\x03\x04", "line 1: a spreadsheet cannot be read: save the report as HTML or as CSV"),
    ],
)
def test_a_report_that_does_not_add_up_is_refused_at_its_line(data: bytes, sentence: str) -> None:
    assert refusal(data).startswith(sentence)


def test_a_line_of_an_html_report_is_the_line_of_the_file() -> None:
    text = terminal.html([row.replace("sell", "sold") for row in terminal.DEALS])
    line = next(n for n, raw in enumerate(text.split("\n"), start=1) if "sold" in raw)
    assert refusal(text.encode("utf-16")).startswith(f"line {line - 1}: the type of a deal")


def test_columns_that_are_rounded_apart_may_miss_by_cents() -> None:
    data = changed(1, "99 985.37", "99 985.40")
    rows = data.decode().replace("101 470.26", "101 470.29")
    assert isinstance(history.read(rows.encode()), history.History)
    rows = changed(1, "99 985.37", "99 985.42").decode().replace("101 470.26", "101 470.31")
    assert isinstance(history.read(rows.encode()), history.History)
    with pytest.raises(history.BadHistory, match="does not follow"):
        history.read(changed(1, "99 985.37", "99 985.43"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 234.56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1'234.56", "1234.56"),
        ("1.234.567", "1234567"),
        ("1 234 567", "1234567"),
        ("- 2.50", "-2.50"),
        ("\u22122,50", "-2.50"),
        ("\u00a01\u202f000.00", "1000.00"),
        ("0", "0"),
    ],
)
def test_numbers_of_both_languages(text: str, number: str) -> None:
    rows = ["2026.01.14 10:00:00|1||balance||||||||0|" + text + "|"]
    events = history.read(terminal.html(rows).encode("utf-16"), initial=D(1)).events
    assert events[0] == Start(at=utc("2026-01-14T08:00:00"), initial=D(1), balance=D(number))
