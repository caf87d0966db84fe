"""Candle files: Parquet and CSV, read with suspicion and written exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles
from trading.feeds.validation import describe, first_fault

MARK, SYNTHETIC = b"crpbot", b"SYNTHETIC"
COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
NUMBERS = COLUMNS[1:]
# A stamp counted in one unit is a thousand times a stamp in the next; these borders lie between.
_UNITS = ((10**11, "s"), (10**14, "ms"), (10**17, "us"), (10**19, "ns"))
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
# So many one-minute bars never all keep five minutes apart by chance.
_ENOUGH_TO_TELL = 30


class BadCandleFile(Exception):
    """A file that holds no usable candles; the message names the column, row or line."""


def load_candles(path: Path) -> Candles:
    """All bars of a ``.parquet`` or ``.csv`` file of one-minute candles.

    Columns timestamp, open, high, low, close, volume in any order; others are ignored.  Stamps
    are the opening: whole numbers in s, ms, µs or ns, ISO text, or datetimes; one without a zone
    is UTC.  Raises BadCandleFile for anything missing, unreadable, unsorted, doubled, impossible.
    """
    try:
        table, first_line = _read(path)
        return _checked(_candles(table, first_line), first_line)
    except BadCandleFile as error:
        raise BadCandleFile(f"{path.name}: {error}") from error


def save_candles(path: Path, candles: Candles, *, synthetic: bool = False) -> None:
    """Write bars to ``.parquet`` (zstd) or ``.csv``; ``load_candles`` gives back the same bits.

    synthetic: mark the file, so that made-up prices are never taken for real ones; CSV has no place for it.
    Raises BadCandleFile for another ending and for made-up prices in CSV, OSError when the file cannot be
    written.
    """
    stamps = pa.array(candles.open_ms).cast(pa.timestamp("ms", tz="UTC"))
    table = pa.table({"timestamp": stamps, **{name: getattr(candles, name) for name in NUMBERS}})
    ending = _ending(path)
    if synthetic:
        if ending == ".csv":
            raise BadCandleFile("SYNTHETIC prices are exported as .parquet only, which carries the mark")
        table = table.replace_schema_metadata({MARK: SYNTHETIC})
    # Written beside and moved into place: a file of this name is whole or not there.
    part = path.with_name(f".{path.name}.part")
    try:
        if ending == ".parquet":
            pa.parquet.write_table(table, part, compression="zstd")
        else:
            _write_csv(part, table)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_csv(path: Path, table: pa.Table) -> None:
    """pyarrow would put the names of the columns in quotes."""
    options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        file.write((",".join(COLUMNS) + "\n").encode())
        pa.csv.write_csv(table, file, options)


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in {".parquet", ".csv"}:
        raise BadCandleFile(f"a candle file ends in .parquet or .csv, was {path.name!r}")
    return ending


def _read(path: Path) -> tuple[pa.Table, int]:
    """The six columns, and what the first data row is called: line 2 in CSV, row 1 in Parquet."""
    ending = _ending(path)
    if not path.is_file():
        raise BadCandleFile("there is no such file")
    try:
        if ending == ".parquet":
            schema = pa.parquet.read_schema(path)
            _require(schema.names)
            _require_numbers(schema)
            return pa.parquet.read_table(path, columns=list(COLUMNS)), 1
        return _read_csv(path), 2
    except (pa.ArrowException, OSError) as error:
        kind = ending.removeprefix(".")
        raise BadCandleFile(f"cannot be read as {kind}: {_first_line(error)}") from error


def _read_csv(path: Path) -> pa.Table:
    """All columns as text: what a number is, is decided here and not by a guess at the first rows."""
    with path.open("rb") as file:
        header = file.readline()
    names = [name.strip().strip('"') for name in header.decode("utf-8-sig", "replace").split(",")]
    _require(names)
    text = dict.fromkeys(names, pa.string())
    options = pa.csv.ConvertOptions(column_types=text, include_columns=COLUMNS, strings_can_be_null=False)
    reading = pa.csv.ReadOptions(column_names=names, skip_rows=1)
    parsing = pa.csv.ParseOptions(ignore_empty_lines=False)
    return pa.csv.read_csv(path, read_options=reading, parse_options=parsing, convert_options=options)


def _require(names: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise BadCandleFile(f"column {', '.join(missing)} is missing; its columns are {', '.join(names)}")
    doubled = [name for name in COLUMNS if names.count(name) > 1]
    if doubled:
        raise BadCandleFile(f"column {', '.join(doubled)} stands there more than once")


def _require_numbers(schema: pa.Schema) -> None:
    """A Parquet file knows its types: numbers written as text are a mistake of whoever wrote it."""
    for name in NUMBERS:
        kind = schema.field(name).type
        if _is_text(kind):
            raise BadCandleFile(f"column {name} must hold numbers, holds {kind}")


def is_synthetic(path: Path) -> bool:
    """Whether a candle file says of itself that its prices are made up; only Parquet can."""
    if path.suffix.lower() != ".parquet":
        return False
    return (pa.parquet.read_schema(path).metadata or {}).get(MARK) == SYNTHETIC


def _candles(table: pa.Table, first_line: int) -> Candles:
    if table.num_rows == 0:
        raise BadCandleFile("holds no rows")
    columns = {name: table.column(name).combine_chunks() for name in COLUMNS}
    for name, column in columns.items():
        if column.null_count:
            row = pc.index(column.is_null(), True).as_py()
            raise BadCandleFile(f"column {name} is empty at {_place(first_line, row)}")
    numbers = {name: _floats(name, columns[name], first_line) for name in NUMBERS}
    return Candles(open_ms=_stamps(columns["timestamp"], first_line), **numbers)


def _floats(name: str, column: pa.Array, first_line: int) -> np.ndarray:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or _is_text(kind)):
        raise BadCandleFile(f"column {name} must hold numbers, holds {kind}")
    return np.array(_cast(name, column, pa.float64(), first_line), dtype=np.float64)


def _stamps(column: pa.Array, first_line: int) -> np.ndarray:
    """Opening times as (T,) int64 epoch milliseconds."""
    kind = column.type
    if _is_text(kind):
        digits = pc.match_substring_regex(column, r"^[0-9]+$")
        if not pc.any(digits).as_py():
            return _milliseconds(_iso(column, first_line), first_line)
        column = _cast("timestamp", column, pa.int64(), first_line)
    elif pa.types.is_timestamp(kind):
        return _milliseconds(column, first_line)
    elif pa.types.is_floating(kind):
        column = _cast("timestamp", column, pa.int64(), first_line)
    elif not pa.types.is_integer(kind):
        raise BadCandleFile(f"column timestamp must hold times or whole numbers, holds {kind}")
    return _from_counts(np.asarray(column, dtype=np.int64), first_line)


def _iso(column: pa.Array, first_line: int) -> pa.Array:
    dated = np.asarray(pc.match_substring_regex(column, _DATE))
    if not dated.all():
        row = int((~dated).argmax())
        raise BadCandleFile(_not("timestamp", "a time", column[row], _place(first_line, row)))
    zoned = np.asarray(pc.match_substring_regex(column, _ZONE))
    if zoned.any() != zoned.all():
        row = int(np.argmax(zoned != zoned[0]))
        raise BadCandleFile(
            f"column timestamp names a zone in some rows only, a change is at {_place(first_line, row)}"
        )
    return _cast("timestamp", column, pa.timestamp("ns", tz="UTC" if zoned[0] else None), first_line)


def _milliseconds(column: pa.Array, first_line: int) -> np.ndarray:
    counts = np.asarray(column.cast(pa.int64()))
    scale = {"s": 10**3, "ms": 1, "us": 10**3, "ns": 10**6}[column.type.unit]
    if column.type.unit == "s":
        return counts * scale
    finer = counts % scale != 0
    if finer.any():
        row = int(finer.argmax())
        raise BadCandleFile(
            f"column timestamp at {_place(first_line, row)} is finer than a millisecond: {column[row]}"
        )
    return counts // scale


def _from_counts(counts: np.ndarray, first_line: int) -> np.ndarray:
    """Whole numbers in whatever unit their size tells to milliseconds; one unit for the whole file."""
    borders = np.array([border for border, _ in _UNITS[:-1]])
    units = np.searchsorted(borders, counts, side="right")
    other = units != units[0]
    if other.any():
        row = int(other.argmax())
        was, first = _UNITS[units[row]][1], _UNITS[units[0]][1]
        raise BadCandleFile(
            f"column timestamp at {_place(first_line, row)} counts in {was}, the rows before in {first}"
        )
    unit = _UNITS[units[0]][1]
    return _milliseconds(pa.array(counts).cast(pa.timestamp(unit)), first_line)


def _cast(name: str, column: pa.Array, kind: pa.DataType, first_line: int) -> pa.Array:
    """Convert a column; the first value that resists is named with its place."""
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        for row, value in enumerate(column):
            try:
                value.cast(kind)
            except pa.ArrowInvalid as error:
                what = "a time" if pa.types.is_timestamp(kind) else "a number"
                if pa.types.is_integer(kind):
                    what = "a whole number"
                raise BadCandleFile(_not(name, what, value, _place(first_line, row))) from error
        raise


def _not(name: str, what: str, value: pa.Scalar, place: str) -> str:
    return f"column {name} at {place} is not {what}: {str(value)[:60]!r}"


def _checked(candles: Candles, first_line: int) -> Candles:
    fault = first_fault(candles)
    if fault is not None:
        row, sentence = fault
        raise BadCandleFile(f"{_place(first_line, row)}, {describe(candles, row)}: {sentence}")
    steps = np.diff(candles.open_ms)
    if (steps <= 0).any():
        row = int((steps <= 0).argmax()) + 1
        word = "stands there twice" if steps[row - 1] == 0 else "is older than the row before it"
        raise BadCandleFile(f"{_place(first_line, row)}, {describe(candles, row)} {word}")
    apart = int(np.gcd.reduce(steps)) if len(steps) >= _ENOUGH_TO_TELL else MINUTE_MS
    if apart >= 5 * MINUTE_MS:
        raise BadCandleFile(f"its bars lie {apart // MINUTE_MS} minutes apart; one-minute bars are needed")
    return candles


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _place(first_line: int, row: int) -> str:
    return f"{'line' if first_line == 2 else 'row'} {row + first_line}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:200]
