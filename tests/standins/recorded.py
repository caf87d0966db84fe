"""Recorded one-minute bars as the stand-ins show them: growing while they run, restated later.

Standard library only, except that reading Parquet needs pyarrow; CSV does not.
"""

from __future__ import annotations

import csv
import importlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

MINUTE_MS = 60_000
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One minute of one market."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def running(self, share: float) -> Bar:
        """What had happened when a share of the minute, between 0 and 1, was over."""
        close = self.open + (self.close - self.open) * share
        return replace(
            self,
            high=max(self.open, close, self.open + (self.high - self.open) * share),
            low=min(self.open, close, self.open + (self.low - self.open) * share),
            close=close,
            volume=self.volume * share,
        )


class Recording:
    """The bars of one market, oldest first."""

    def __init__(self, stamps: array[int], columns: dict[str, array[float]]) -> None:
        self.stamps = stamps
        self._columns = columns
        self.late_seconds = 0.0

    @property
    def last_ms(self) -> int:
        return self.stamps[-1]

    def shifted(self, milliseconds: int) -> Recording:
        """The same bars at another time."""
        return Recording(array("q", (stamp + milliseconds for stamp in self.stamps)), self._columns)

    def restate(self, open_ms: int, **values: float) -> None:
        """Correct a bar after the fact, e.g. ``restate(ms, close=1.0, volume=2.0)``."""
        place = bisect_left(self.stamps, open_ms)
        if place == len(self.stamps) or self.stamps[place] != open_ms:
            raise KeyError(f"no bar opens at {open_ms}")
        for name, value in values.items():
            self._columns[name][place] = value

    def shown(self, first_ms: int, last_ms: int, *, now_ms: int) -> Iterator[Bar]:
        """Bars with ``first_ms <= open <= last_ms`` as they look at ``now_ms``, oldest first.

        The running minute is there in part; for ``late_seconds`` after its close a bar lacks its
        last trades.
        """
        start = bisect_left(self.stamps, first_ms)
        end = bisect_right(self.stamps, min(last_ms, now_ms - 1))
        for place in range(start, end):
            bar = self._bar(place)
            age = now_ms - bar.open_ms
            if age < MINUTE_MS:
                yield bar.running(age / MINUTE_MS)
            elif age < MINUTE_MS + self.late_seconds * 1000:
                yield bar.running(0.97)
            else:
                yield bar

    def _bar(self, place: int) -> Bar:
        return Bar(open_ms=self.stamps[place], **{name: self._columns[name][place] for name in FIELDS})


def read(path: Path) -> Recording:
    """A recording from ``.parquet`` or ``.csv`` with columns timestamp, open, high, low, close, volume."""
    return _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)


def record(bars: list[Bar]) -> Recording:
    """A recording from bars made by hand."""
    columns = {name: array("d", (getattr(bar, name) for bar in bars)) for name in FIELDS}
    return Recording(array("q", (bar.open_ms for bar in bars)), columns)


def decimal(value: float) -> str:
    """A number as plain decimal text that reads back to the same bits."""
    return format(Decimal(repr(value)), "f")


def milliseconds(text: str) -> int:
    """Epoch milliseconds of an ISO instant (UTC when it names no zone) or of whole epoch seconds."""
    if text.lstrip("-").isdigit():
        return int(text) * 1000
    instant = datetime.fromisoformat(text)
    return round((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)


def _read_csv(path: Path) -> Recording:
    stamps: array[int] = array("q")
    columns: dict[str, array[float]] = {name: array("d") for name in FIELDS}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            stamps.append(milliseconds(row["timestamp"]))
            for name in FIELDS:
                columns[name].append(float(row[name]))
    return Recording(stamps, columns)


def _read_parquet(path: Path) -> Recording:
    # Not at the top: a container that serves CSV has no pyarrow.
    parquet = importlib.import_module("pyarrow.parquet")
    table = parquet.read_table(path, columns=["timestamp", *FIELDS])
    stamps = array("q", table.column("timestamp").to_numpy().astype("datetime64[ms]").tobytes())
    columns = {name: array("d", table.column(name).to_numpy().tobytes()) for name in FIELDS}
    return Recording(stamps, columns)
