"""Candle files: what is written comes back bit for bit; what is wrong is named and nothing is read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.feeds.conftest import MINUTE, PRESENT, START, between, same
from trading.core.types import Candles, ms_from_utc
from trading.feeds.base import FeedRejected
from trading.feeds.replay import BadCandleFile, ReplayFeed, load_candles, save_candles

HEAD = "timestamp,open,high,low,close,volume"
GOOD = [f"2026-03-02T09:0{n}:00Z,10,12,9,11,1.5" for n in range(4)]
COLUMNS = {
    "timestamp": [START + n * MINUTE for n in range(4)],
    "open": [10.0, 11.0, 10.5, 11.0],
    "high": [12.0] * 4,
    "low": [9.0] * 4,
    "close": [11.0, 10.5, 11.0, 10.0],
    "volume": [1.0, 0.0, 2.5, 3.0],
}


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., Path]:
    def write(rows: list[str], head: str = HEAD, ending: str = "\n") -> Path:
        path = tmp_path / "bars.csv"
        path.write_text(ending.join([head, *rows]) + ending, encoding="utf-8")
        return path

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: object) -> Path:
        path = tmp_path / "bars.parquet"
        columns = {name: value for name, value in {**COLUMNS, **changes}.items() if value is not None}
        pa.parquet.write_table(pa.table(columns), path)
        return path

    return write


# --- round trips ---------------------------------------------------------------------------------

PRICE = st.floats(min_value=1e-12, max_value=1e12, allow_subnormal=False)


@st.composite
def possible_candles(draw: st.DrawFn) -> Candles:
    steps = draw(st.lists(st.integers(1, 4), min_size=1, max_size=20))
    size = len(steps)
    prices = np.array(draw(st.lists(st.tuples(PRICE, PRICE, PRICE, PRICE), min_size=size, max_size=size)))
    prices.sort(axis=1)
    volumes = draw(st.lists(st.floats(0, 1e15), min_size=size, max_size=size))
    return Candles(
        open_ms=ms_from_utc(START) + 60_000 * np.cumsum(np.array(steps, dtype=np.int64)),
        open=prices[:, 1].copy(),
        high=prices[:, 3].copy(),
        low=prices[:, 0].copy(),
        close=prices[:, 2].copy(),
        volume=np.array(volumes),
    )


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(candles=possible_candles())
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path: Path, ending: str, candles: Candles) -> None:
    path = tmp_path / f"bars.{ending}"
    save_candles(path, candles)
    assert same(load_candles(path), candles)


def test_a_saved_file_is_what_the_folder_of_recorded_candles_holds(tmp_path: Path, bars: Candles) -> None:
    save_candles(tmp_path / "bars.parquet", bars)
    file = pa.parquet.ParquetFile(tmp_path / "bars.parquet")
    assert file.schema_arrow.names == ["timestamp", "open", "high", "low", "close", "volume"]
    assert file.schema_arrow.field("timestamp").type == pa.timestamp("ms", tz="UTC")
    assert {str(file.schema_arrow.field(n).type) for n in ("open", "volume")} == {"double"}
    assert file.metadata.row_group(0).column(1).compression == "ZSTD"


def test_a_saved_csv_can_be_read_by_people(tmp_path: Path, bars: Candles) -> None:
    save_candles(tmp_path / "bars.csv", bars[:1])
    head, row = (tmp_path / "bars.csv").read_text(encoding="utf-8").splitlines()
    assert head == HEAD
    assert row.split(",")[0] == "2026-03-02 09:00:00.000Z"
    assert [float(text) for text in row.split(",")[1:]] == [
        float(getattr(bars, name)[0]) for name in HEAD.split(",")[1:]
    ]


@pytest.mark.parametrize(
    "call", [lambda path: load_candles(path), lambda path: save_candles(path, Candles.empty())]
)
def test_other_endings_are_refused(tmp_path: Path, call: Callable[[Path], object]) -> None:
    with pytest.raises(BadCandleFile, match=r"ends in \.parquet or \.csv"):
        call(tmp_path / "bars.xlsx")


@pytest.mark.data
@pytest.mark.parametrize("name", ["kraken_spot_BTCUSDC_1m_sparse", "binanceus_spot_BTCUSD_1m"])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_recorded_candles_go_through_both_kinds(
    candles_dir: Path, tmp_path: Path, name: str, ending: str
) -> None:
    source = load_candles(candles_dir / f"{name}.parquet")
    save_candles(tmp_path / f"x.{ending}", source)
    assert same(load_candles(tmp_path / f"x.{ending}"), source)


# --- stamps --------------------------------------------------------------------------------------

FIRST_S = ms_from_utc(START) // 1000


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.string(), pa.float64()])
def test_whole_numbers_in_any_unit(parquet: Callable[..., Path], factor: int, kind: pa.DataType) -> None:
    stamps = pa.array([(FIRST_S + 60 * n) * factor for n in range(4)]).cast(kind, safe=False)
    assert load_candles(parquet(timestamp=stamps)).open_ms[0] == FIRST_S * 1000


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_datetimes_in_any_unit(parquet: Callable[..., Path], unit: str, zone: str | None) -> None:
    stamps = pa.array([FIRST_S + 60 * n for n in range(4)]).cast(pa.timestamp("s"))
    stamps = stamps.cast(pa.timestamp(unit))
    if zone:
        stamps = stamps.cast(pa.timestamp(unit, tz=zone))
    assert load_candles(parquet(timestamp=stamps)).open_ms[0] == FIRST_S * 1000


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T09:0{}:00Z",
        "2026-03-02 09:0{}:00",
        "2026-03-02T09:0{}",
        "2026-03-02 10:0{}:00+01:00",
        "2026-03-02T09:0{}:00.000000Z",
        "2026-03-02T04:0{}:00-0500",
    ],
)
def test_iso_text(csv: Callable[..., Path], text: str) -> None:
    path = csv([f"{text.format(n)},10,12,9,11,1" for n in range(4)])
    assert load_candles(path).open_ms.tolist() == [FIRST_S * 1000 + 60_000 * n for n in range(4)]


def test_columns_in_another_order_and_more_of_them(csv: Callable[..., Path]) -> None:
    path = csv(
        ["1772442000,1,9,12,10,11,x,", "1772442060,2,9,12,10,11,y,"],
        head="timestamp,volume,low,high,open,close,note,",
    )
    candles = load_candles(path)
    assert (candles.volume.tolist(), candles.high.tolist()) == ([1.0, 2.0], [12.0, 12.0])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("head", [HEAD, "\ufeff" + HEAD, ",".join(f'"{name}"' for name in HEAD.split(","))])
def test_the_habits_of_spreadsheets(csv: Callable[..., Path], head: str, ending: str) -> None:
    assert len(load_candles(csv(GOOD, head, ending))) == 4


# --- what is wrong -------------------------------------------------------------------------------

BAD_ROWS = {
    "no number": (
        "2026-03-02T09:02:00Z,10,12,9,eleven,1",
        "column close at line 4 is not a number: 'eleven'",
    ),
    "nothing": ("2026-03-02T09:02:00Z,10,,9,11,1", "column high at line 4 is not a number: ''"),
    "nan": ("2026-03-02T09:02:00Z,nan,12,9,11,1", "line 4, .*: open is not a finite number"),
    "infinite": ("2026-03-02T09:02:00Z,10,inf,9,11,1", "line 4, .*: high is not a finite number"),
    "zero": ("2026-03-02T09:02:00Z,10,12,0,11,1", "line 4, .*: low is not above zero"),
    "high": ("2026-03-02T09:02:00Z,10,10.5,9,11,1", "line 4, .*: high is below open or close"),
    "low": ("2026-03-02T09:02:00Z,10,12,10.5,11,1", "line 4, .*: low is above open or close"),
    "volume": ("2026-03-02T09:02:00Z,10,12,9,11,-1", "line 4, .*: volume is below zero"),
    "misaligned": (
        "2026-03-02T09:02:30Z,10,12,9,11,1",
        "line 4, .*: its opening time is not a multiple of 60",
    ),
    "doubled": ("2026-03-02T09:01:00Z,10,12,9,11,1", "line 4, .* stands there twice"),
    "unsorted": ("2026-03-02T09:00:00Z,10,12,9,11,1", "line 4, .* is older than the row before it"),
    "no time": ("yesterday,10,12,9,11,1", "column timestamp at line 4 is not a time: 'yesterday'"),
    "no zone": ("2026-03-02T09:02:00,10,12,9,11,1", "names a zone in some rows only, a change is at line 4"),
    "a number": ("1772442120,10,12,9,11,1", "names a zone|is not a whole number"),
    "too fine": ("2026-03-02T09:02:00.0001Z,10,12,9,11,1", "line 4 is finer than a millisecond"),
    "too few": ("2026-03-02T09:02:00Z,10,12", "cannot be read as csv: .*[Ee]xpected 6 columns, got 3"),
    "blank": ("", "cannot be read as csv|is not a"),
    "long ago": (
        "1899-03-02T09:02:00Z,10,12,9,11,1",
        "line 4, .*: its opening time lies outside 2000 to 2100",
    ),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_line_is_named(csv: Callable[..., Path], kind: str) -> None:
    row, words = BAD_ROWS[kind]
    with pytest.raises(BadCandleFile, match=f"^bars.csv: .*(?:{words})"):
        load_candles(csv([*GOOD[:2], row, GOOD[3]]))


def test_a_unit_that_changes_is_named(csv: Callable[..., Path]) -> None:
    with pytest.raises(BadCandleFile, match="timestamp at line 3 counts in ms, the rows before in s"):
        load_candles(csv(["1772442000,10,12,9,11,1", "1772442060000,10,12,9,11,1"]))


@pytest.mark.parametrize("stamp", ["0", "-60", "12345678901234567890123", "1772442000.5"])
def test_a_number_that_is_no_time_is_refused(csv: Callable[..., Path], stamp: str) -> None:
    with pytest.raises(BadCandleFile, match=r"timestamp|opening time"):
        load_candles(csv([f"{stamp},10,12,9,11,1"]))


@pytest.mark.parametrize("name", HEAD.split(","))
def test_a_missing_column_is_named(csv: Callable[..., Path], parquet: Callable[..., Path], name: str) -> None:
    for path in (csv(GOOD, HEAD.replace(name, "other")), parquet(**{name: None})):
        with pytest.raises(BadCandleFile, match=f"column {name} is missing; its columns are "):
            load_candles(path)


def test_a_column_that_stands_there_twice_is_named(csv: Callable[..., Path]) -> None:
    with pytest.raises(BadCandleFile, match="column close stands there more than once"):
        load_candles(csv([f"{row},5" for row in GOOD], f"{HEAD},close"))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("close", ["a", "b", "c", "d"], "column close must hold numbers, holds string"),
        ("close", [True, False, True, True], "column close must hold numbers, holds bool"),
        ("close", [1.0, None, 2.0, 3.0], "column close is empty at row 2"),
        ("timestamp", [1.5, 2.5, 3.5, 4.5], "column timestamp at row 1 is not a whole number"),
        ("timestamp", [True] * 4, "column timestamp must hold times or whole numbers, holds bool"),
        ("timestamp", [START.date()] * 4, "column timestamp must hold times or whole numbers, holds date"),
        (
            "timestamp",
            [START, None, START + MINUTE, START + 2 * MINUTE],
            "column timestamp is empty at row 2",
        ),
        ("timestamp", [START, START, START + MINUTE, START + 2 * MINUTE], "row 2, .* stands there twice"),
        ("high", [12.0, 12.0, 1.0, 12.0], "row 3, .*: high is below open or close"),
    ],
)
def test_a_bad_column_is_named(parquet: Callable[..., Path], name: str, values: list, words: str) -> None:
    with pytest.raises(BadCandleFile, match=f"^bars.parquet: {words}"):
        load_candles(parquet(**{name: values}))


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe" * 50, b"PAR1" + b"\x00" * 40 + b"PAR1", b"{}\n{}\n"]
)
def test_what_is_no_candle_file_at_all(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadCandleFile, match=f"^{name}: "):
        load_candles(tmp_path / name)


def test_a_torn_parquet_file(tmp_path: Path, bars: Candles) -> None:
    path = tmp_path / "bars.parquet"
    save_candles(path, bars)
    whole = path.read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        with pytest.raises(BadCandleFile, match="cannot be read as parquet"):
            load_candles(path)


def test_no_file_no_rows_a_folder(tmp_path: Path, csv: Callable[..., Path]) -> None:
    with pytest.raises(BadCandleFile, match=r"nowhere\.csv: there is no such file"):
        load_candles(tmp_path / "nowhere.csv")
    with pytest.raises(BadCandleFile, match="holds no rows"):
        load_candles(csv([]))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(BadCandleFile, match="there is no such file"):
        load_candles(tmp_path / "folder.csv")


def test_bars_of_another_length_are_refused(tmp_path: Path) -> None:
    stamps = ms_from_utc(START) + 3_600_000 * np.arange(40)
    ones = np.ones(40)
    hourly = Candles(open_ms=stamps, open=ones, high=ones, low=ones, close=ones, volume=ones)
    save_candles(tmp_path / "hours.parquet", hourly)
    with pytest.raises(BadCandleFile, match="60 minutes apart; one-minute bars are needed"):
        load_candles(tmp_path / "hours.parquet")


# --- replay --------------------------------------------------------------------------------------


def test_a_replayed_file_shows_what_had_closed(tmp_path: Path, bars: Candles) -> None:
    save_candles(tmp_path / "bars.csv", bars)
    feed = ReplayFeed(str(tmp_path / "bars.csv"), symbol="BTC-USD")
    assert feed.first == START
    assert ms_from_utc(feed.end) == bars.open_ms[-1] + 60_000
    answer = feed.fetch_closed(symbol="BTC-USD", since=START, until=PRESENT, now=PRESENT)
    assert same(answer.candles, between(bars, START, PRESENT.replace(second=0)))


def test_a_replayed_file_knows_nothing_after_its_end(tmp_path: Path, bars: Candles) -> None:
    save_candles(tmp_path / "bars.parquet", bars)
    feed = ReplayFeed(tmp_path / "bars.parquet")
    later = feed.end + timedelta(days=1)
    answer = feed.fetch_closed(symbol="any", since=START, until=later, now=later)
    assert answer.complete_to == feed.end
    assert same(answer.candles, bars)
    after = feed.fetch_closed(symbol="any", since=feed.end, until=later, now=later)
    assert (len(after.candles), after.complete_to) == (0, feed.end)


def test_a_replayed_file_answers_for_its_own_market_only(tmp_path: Path, bars: Candles) -> None:
    save_candles(tmp_path / "bars.parquet", bars)
    feed = ReplayFeed(tmp_path / "bars.parquet", symbol="BTC-USD")
    with pytest.raises(FeedRejected, match="holds BTC-USD, asked for was ETH-USD"):
        feed.fetch_closed(symbol="ETH-USD", since=START, until=PRESENT, now=PRESENT)


def test_a_zone_other_than_utc_is_the_same_instant() -> None:
    assert ms_from_utc(datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=1)))) == ms_from_utc(
        datetime(2026, 3, 2, 9, tzinfo=UTC)
    )


def test_numbers_written_as_text_are_refused_in_parquet(tmp_path: Path, bars: Candles) -> None:
    path = tmp_path / "text.parquet"
    save_candles(path, bars)
    table = pa.parquet.read_table(path)
    place = table.schema.get_field_index("high")
    text = pa.array([repr(price) for price in bars.high])
    pa.parquet.write_table(table.set_column(place, "high", text), path)
    with pytest.raises(BadCandleFile, match=r"column high must hold numbers, holds string"):
        load_candles(path)
