"""Any exchange that the optional package ccxt knows, for one-minute candles only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles, ms_from_utc, utc_from_ms
from trading.feeds.base import FeedRejected, FeedUnavailable, Fetched, OutOfReach
from trading.feeds.pacing import ServerClock
from trading.feeds.paging import Window, conclude, floor_minute, nothing, window
from trading.feeds.validation import EARLIEST_MS, LATEST_MS, sift

# Every exchange of interest gives at least 300 candles a request.
PAGE = 290
SETTLE_SECONDS = 90.0
# Without the exchange's clock the host's is believed, at more distance.
BLIND_GRACE_SECONDS = 10.0

_FIELDS = ("open", "high", "low", "close", "volume")


class CcxtFeed:
    """Closed one-minute bars of one exchange, e.g. ``binance`` with symbols like ``BTC/USDT``.

    url: replaces scheme and host of the exchange's addresses, the paths stay.  api_key, secret:
    only for exchanges that want them for candles.  timeout: seconds for one request.  Raises
    FeedRejected when ccxt is not installed or does not know the exchange.
    """

    synthetic = False

    def __init__(
        self,
        exchange: str,
        *,
        url: str | None = None,
        api_key: str | None = None,
        secret: str | None = None,
        timeout: float = 8.0,
        grace_seconds: float = 3.0,
        page: int = PAGE,
    ) -> None:
        self.name = f"ccxt:{exchange}"
        self._ccxt = _library()
        if exchange not in self._ccxt.exchanges:
            raise FeedRejected(f"ccxt {self._ccxt.__version__} knows no exchange {exchange!r}")
        self._exchange = _connected(
            getattr(self._ccxt, exchange), url=url, api_key=api_key, secret=secret, timeout=timeout
        )
        if not self._exchange.has.get("fetchOHLCV"):
            raise FeedRejected(f"{exchange} offers no candles")
        self._tells_time = bool(self._exchange.has.get("fetchTime"))
        self._clock = ServerClock(self._server_time)
        self._grace_ms = round((grace_seconds if self._tells_time else BLIND_GRACE_SECONDS) * 1000)
        self._page = page

    @property
    def clock_offset(self) -> timedelta | None:
        """The exchange's clock minus this host's, as last seen; None when it was never told."""
        return self._clock.offset

    @property
    def clock_skewed(self) -> bool:
        """Whether this host's clock was more than five seconds off."""
        return self._clock.skewed

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    def ping(self) -> None:
        """Ask for the exchange's time, or for its markets where it does not tell the time."""
        if self._tells_time:
            self._clock.sample()
            return
        with self._sorted_errors():
            self._exchange.load_markets(True)

    def fetch_closed(self, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Fetched:
        """One page of closed bars; closed is judged by the slower of the exchange's clock and ``now``."""
        now_ms = ms_from_utc(now)
        if ms_from_utc(since) + MINUTE_MS > now_ms - self._grace_ms:
            return nothing(since)
        known_ms = min(self._clock.now_ms(), now_ms) if self._tells_time else now_ms
        asked = window(since=since, until=until, known_ms=known_ms, grace_ms=self._grace_ms, page=self._page)
        if asked.empty:
            return nothing(since)
        rows = self._reaching_back(self._rows(symbol, asked), asked)
        sifted = sift(_columns(rows), first_ms=asked.first_ms, last_ms=asked.asked_ms)
        settled = floor_minute(known_ms - round(SETTLE_SECONDS * 1000))
        return conclude(sifted, asked, settled_ms=settled)

    def _rows(self, symbol: str, asked: Window) -> list[Any]:
        self._exchange.last_json_response = None
        with self._sorted_errors():
            rows = self._exchange.fetch_ohlcv(
                symbol, "1m", asked.first_ms, self._page, {"until": asked.asked_ms + MINUTE_MS - 1}
            )
        raw = self._exchange.last_json_response
        # ccxt makes an empty list of a page of HTML and of rows that it cannot read.
        if not isinstance(rows, list) or raw is None or (isinstance(raw, list) and raw and not rows):
            raise FeedUnavailable(f"{self.name} answered without readable candles")
        return rows

    def _reaching_back(self, rows: list[Any], asked: Window) -> list[Any]:
        """Drop the rows after the range, which some exchanges give whatever they are asked for.

        An exchange that keeps only its newest bars answers a question about older ones with
        those: a full page that starts late, or only later rows.  Taken at its word, it would
        turn history that cannot be reached into minutes without trades.
        """
        stamps = [row[0] for row in rows if isinstance(row, list) and row and _is_stamp(row[0])]
        late = bool(stamps) and min(stamps) > asked.first_ms
        if late and (len(rows) >= self._page or min(stamps) > asked.asked_ms):
            oldest, first = utc_from_ms(min(stamps)), utc_from_ms(asked.first_ms)
            raise OutOfReach(
                f"{self.name} does not reach back to {first:%Y-%m-%d %H:%M} UTC; "
                f"its oldest bar is of {oldest:%Y-%m-%d %H:%M} UTC",
                oldest=oldest,
            )
        return [row for row in rows if not (isinstance(row, list) and _after(row, asked.asked_ms))]

    def _server_time(self) -> float:
        with self._sorted_errors():
            told = self._exchange.fetch_time()
        if not isinstance(told, (int, float)) or not 1e12 < told < 4e12:
            raise FeedUnavailable(f"{self.name} answered without a readable server time")
        return told / 1000.0

    @contextmanager
    def _sorted_errors(self) -> Iterator[None]:
        """ccxt's many errors by what the caller must do."""
        ccxt = self._ccxt
        refused = (
            ccxt.AuthenticationError,
            ccxt.BadRequest,
            ccxt.NotSupported,
            ccxt.ArgumentsRequired,
            ccxt.OperationRejected,
        )
        try:
            yield
        except refused as error:
            raise FeedRejected(f"{self.name} refused: {_short(error)}") from error
        except ccxt.BaseError as error:
            raise FeedUnavailable(f"{self.name} cannot answer: {_short(error)}") from error
        # An answer of an unexpected shape ends inside ccxt's parsers in one of these.
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise FeedUnavailable(f"{self.name} gave an unreadable answer: {_short(error)}") from error


def _library() -> Any:
    try:
        # An optional extra of 74 MB, which most installations do without.
        import ccxt
    except ImportError as error:
        raise FeedRejected(
            "the feed ccxt needs an optional package: run `pip install --no-deps -r requirements-ccxt.txt`"
        ) from error
    return ccxt


def _connected(kind: Any, *, url: str | None, api_key: str | None, secret: str | None, timeout: float) -> Any:
    exchange = kind({"apiKey": api_key or "", "secret": secret or "", "timeout": round(timeout * 1000)})
    # Only spot markets are of interest; loading the others asks other hosts, some closed to some countries.
    spot = {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot", "fetchMargins": False}
    exchange.options.update(spot if exchange.id.startswith("binance") else {"defaultType": "spot"})
    exchange.has["fetchCurrencies"] = False
    exchange.enableLastJsonResponse = True
    if url:
        exchange.urls["api"] = _moved(exchange.urls["api"], url.rstrip("/"))
    return exchange


def _moved(addresses: Any, url: str) -> Any:
    """The same table of addresses with another scheme and host."""
    if isinstance(addresses, dict):
        return {name: _moved(address, url) for name, address in addresses.items()}
    return url + urlsplit(addresses).path


def _columns(rows: list[Any]) -> Candles:
    """Rows of (ms, open, high, low, close, volume) to arrays; what is no number becomes NaN or -1."""
    whole = [row if isinstance(row, list) and len(row) >= 6 else [None] * 6 for row in rows]
    stamps = [row[0] if isinstance(row[0], int) and 0 <= row[0] < 2**62 else -1 for row in whole]
    columns = {
        name: np.array([_number(row[place]) for row in whole], dtype=np.float64)
        for place, name in enumerate(_FIELDS, start=1)
    }
    return Candles(open_ms=np.array(stamps, dtype=np.int64), **columns)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def _is_stamp(value: object) -> bool:
    return isinstance(value, int) and EARLIEST_MS <= value < LATEST_MS


def _after(row: list[Any], last_ms: int) -> bool:
    return bool(row) and isinstance(row[0], int) and row[0] > last_ms


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
