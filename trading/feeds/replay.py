"""A recorded market: candles from a Parquet or CSV file, shown as time passes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles, ms_from_utc, utc_from_ms
from trading.feeds.base import FeedRejected, Fetched
from trading.feeds.candle_files import BadCandleFile, load_candles, save_candles
from trading.feeds.paging import nothing, window

__all__ = ["BadCandleFile", "ReplayFeed", "load_candles", "save_candles"]

MAX_MINUTES = 20_000


class ReplayFeed:
    """The bars of one file, each shown once it has closed at the ``now`` it is asked with.

    symbol: the only market the file answers for; None answers for any.  Raises BadCandleFile.
    """

    name = "replay"
    synthetic = False

    def __init__(self, path: Path | str, *, symbol: str | None = None) -> None:
        self._path = Path(path)
        self._symbol = symbol
        self.candles: Candles = load_candles(self._path)

    def keep(self, *, since: datetime | None, until: datetime | None) -> None:
        """Forget every bar outside ``since <= open < until``; None leaves that end as it is."""
        first, end = np.searchsorted(
            self.candles.open_ms,
            [ms_from_utc(since) if since else 0, ms_from_utc(until) if until else np.iinfo(np.int64).max],
        )
        self.candles = self.candles[first:end]

    @property
    def first(self) -> datetime:
        """When the first bar opened."""
        return utc_from_ms(int(self.candles.open_ms[0]))

    @property
    def end(self) -> datetime:
        """When the last bar closed; the file knows nothing of what came after."""
        return utc_from_ms(int(self.candles.open_ms[-1]) + MINUTE_MS)

    def ping(self) -> None:
        """Always well: the whole file was read at the start."""

    def fetch_closed(self, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Fetched:
        """Closed bars of at most ``MAX_MINUTES`` minutes; complete up to the end of the file at most."""
        if self._symbol is not None and symbol != self._symbol:
            raise FeedRejected(f"{self._path.name} holds {self._symbol}, asked for was {symbol}")
        asked = window(
            since=since,
            until=min(until, self.end),
            known_ms=ms_from_utc(now),
            grace_ms=0,
            page=MAX_MINUTES + 1,
        )
        if asked.empty:
            return nothing(since)
        first, end = np.searchsorted(self.candles.open_ms, [asked.first_ms, asked.end_ms])
        return Fetched(candles=self.candles[first:end], complete_to=utc_from_ms(asked.end_ms))
