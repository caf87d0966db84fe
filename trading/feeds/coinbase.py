"""Coinbase Advanced Trade: one-minute candles over REST, without a key or with one.

Facts of the source: rows hold strings, newest first; the running minute is included; minutes
without trades are absent; a request for too many candles is refused; bars may be restated.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles, ms_from_utc
from trading.feeds.base import FeedRejected, FeedUnavailable, Fetched
from trading.feeds.coinbase_key import CoinbaseKey
from trading.feeds.http import JsonClient
from trading.feeds.pacing import ServerClock, TokenBucket
from trading.feeds.paging import Window, conclude, floor_minute, nothing, window
from trading.feeds.validation import sift

COINBASE_URL = "https://api.coinbase.com/api/v3/brokerage"
# Documents and clients name 299, 300 and 350 as the maximum; 290 passes under all of them.
PAGE = 290
# Nobody has seen a minute appear later than this; until then an absent one may still come.
SETTLE_SECONDS = 90.0

_PRODUCT = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")
_DIGITS = re.compile(r"[0-9]{1,12}")
_FIELDS = ("open", "high", "low", "close", "volume")


class CoinbaseFeed:
    """Closed one-minute bars of Coinbase products, e.g. ``BTC-USD``.

    base_url: public or private address without ``/market``.  key_name, key_secret: both or none;
    with them the private endpoint is asked with a signed token.  timeout: seconds for one
    attempt.  grace_seconds: how long a bar must be over before it counts as closed.  page: the
    most candles asked for at once.  Keep one instance for a process: it paces its requests.
    Raises FeedRejected for an unreadable address or key.
    """

    name = "coinbase"
    synthetic = False

    def __init__(
        self,
        base_url: str = COINBASE_URL,
        *,
        key_name: str | None = None,
        key_secret: str | None = None,
        timeout: float = 8.0,
        grace_seconds: float = 3.0,
        page: int = PAGE,
        requests_per_second: float = 5.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if bool(key_name) != bool(key_secret):
            raise FeedRejected("a Coinbase key needs both its name and its secret, only one was set")
        self._key = CoinbaseKey(key_name, key_secret) if key_name and key_secret else None
        bucket = TokenBucket(requests_per_second, sleep=sleep)
        self._http = JsonClient(base_url, source="Coinbase", timeout=timeout, bucket=bucket, sleep=sleep)
        self._clock = ServerClock(self._server_time)
        self._grace_ms = round(grace_seconds * 1000)
        self._page = page

    @property
    def clock_offset(self) -> timedelta | None:
        """Coinbase's clock minus this host's, as last seen; None before the first request."""
        return self._clock.offset

    @property
    def clock_skewed(self) -> bool:
        """Whether this host's clock was more than five seconds off."""
        return self._clock.skewed

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ping(self) -> None:
        """Ask for the server's time; raises FeedUnavailable or FeedRejected."""
        self._clock.sample()

    def fetch_closed(self, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Fetched:
        """One page of closed bars; closed is judged by the slower of Coinbase's clock and ``now``."""
        if not _PRODUCT.fullmatch(symbol):
            raise FeedRejected(f"a Coinbase product reads like BTC-USD, was {symbol!r}")
        if ms_from_utc(since) + MINUTE_MS > ms_from_utc(now) - self._grace_ms:
            return nothing(since)
        # Read before the request: the answer can only know more than this instant.
        known_ms = min(self._clock.now_ms(), ms_from_utc(now))
        asked = self._window(since, until, known_ms)
        if asked.empty:
            return nothing(since)
        rows, age = self._candles(symbol, asked)
        # A cache may hand out what was true some seconds ago, when a closed bar was still running.
        seen_ms = known_ms - round(age * 1000)
        seen = self._window(since, until, seen_ms) if age else asked
        if seen.empty:
            return nothing(since)
        sifted = sift(_columns(rows), first_ms=asked.first_ms, last_ms=asked.asked_ms)
        return conclude(sifted, seen, settled_ms=floor_minute(seen_ms - round(SETTLE_SECONDS * 1000)))

    def _window(self, since: datetime, until: datetime, known_ms: int) -> Window:
        return window(since=since, until=until, known_ms=known_ms, grace_ms=self._grace_ms, page=self._page)

    def _candles(self, symbol: str, asked: Window) -> tuple[Sequence[Any], float]:
        path = f"/products/{symbol}/candles" if self._key else f"/market/products/{symbol}/candles"
        params = {
            "start": str(asked.first_ms // 1000),
            "end": str(asked.asked_ms // 1000),
            "granularity": "ONE_MINUTE",
            "limit": str(self._page),
        }
        answer = self._http.get(path, params=params, sign=self._signer(path))
        rows = answer.body.get("candles") if isinstance(answer.body, dict) else None
        if not isinstance(rows, list):
            raise FeedUnavailable("Coinbase answered without a list of candles")
        return rows, answer.age

    def _signer(self, path: str) -> Callable[[], dict[str, str]] | None:
        key = self._key
        if key is None:
            return None
        address = urlsplit(self._http.url + path)

        def sign() -> dict[str, str]:
            token = key.token(method="GET", host=address.netloc, path=address.path)
            return {"Authorization": f"Bearer {token}"}

        return sign

    def _server_time(self) -> float:
        body = self._http.get("/time").body
        told = body if isinstance(body, dict) else {}
        for field, unit in (("epochMillis", 1000.0), ("epochSeconds", 1.0), ("epoch", 1.0)):
            seconds = _number(told.get(field)) / unit
            if 1e9 < seconds < 4e9:
                return seconds
        raise FeedUnavailable("Coinbase answered without a readable server time")


def _columns(rows: Sequence[Any]) -> Candles:
    """Rows of strings to arrays; what cannot be read becomes NaN, an unreadable stamp -1."""
    objects = [row if isinstance(row, dict) else {} for row in rows]
    starts = [_start_ms(row.get("start")) for row in objects]
    values = {name: [_number(row.get(name)) for row in objects] for name in _FIELDS}
    return Candles(
        open_ms=np.array(starts, dtype=np.int64),
        **{name: np.array(column, dtype=np.float64) for name, column in values.items()},
    )


def _start_ms(value: object) -> int:
    text = str(value) if isinstance(value, (str, int)) else ""
    return int(text) * 1000 if _DIGITS.fullmatch(text) else -1


def _number(value: object) -> float:
    """A number or its decimal text; NaN for everything else, Python's own spellings included."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return float("nan")
    if isinstance(value, str) and ("_" in value or value != value.strip()):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")
