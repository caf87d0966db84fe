"""A stand-in for Coinbase Advanced Trade's candles, time and products.

As a program it serves recorded candles as if they happened now:
``python -m tests.standins.coinbase --port 8090 --file BTC-USD=btc.parquet --shift-to-now``.
"""

from __future__ import annotations

import argparse
import importlib
import re
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from tests.standins.recorded import MINUTE_MS, Bar, Recording, decimal, milliseconds, read
from tests.standins.server import Reply, Request, Standin, as_json

BASE_PATH = "/api/v3/brokerage"
_CANDLES = re.compile(rf"{BASE_PATH}(/market)?/products/([^/]+)/candles")
_PRODUCT = re.compile(rf"{BASE_PATH}(/market)?/products/([^/]+)")

# (method, host, path, Authorization header) -> None when the token is good, else why it is not.
TokenCheck = Callable[[str, str, str, str], str | None]


class CoinbaseStandin(Standin):
    """Serves recordings by product id.

    maximum: the most candles a request may ask for; more is refused.  check: judges the token of
    a private request; without it every private request is refused.  end_inclusive: whether the
    bar that opens at ``end`` is part of an answer.  twist: changes the rows of candle answers.
    """

    base_path = BASE_PATH

    def __init__(
        self,
        markets: dict[str, Recording],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        maximum: int = 350,
        rate_limit: float | None = 10,
        check: TokenCheck | None = None,
    ) -> None:
        super().__init__(host=host, port=port, rate_limit=rate_limit)
        self.markets = markets
        self.maximum = maximum
        self.check = check
        self.end_inclusive = True
        self.age: int | None = None
        self.twist: Callable[[list[dict[str, str]]], list[dict[str, str]]] | None = None

    def reply(self, request: Request) -> Reply:
        if request.path == f"{BASE_PATH}/time":
            return self._time()
        candles, product = _CANDLES.fullmatch(request.path), _PRODUCT.fullmatch(request.path)
        found = candles or product
        if found is None:
            return as_json({"error": "NOT_FOUND", "message": "no such path"}, 404)
        if found.group(1) is None and (reason := self._unproven(request)):
            return as_json({"error": "UNAUTHENTICATED", "message": reason}, 401)
        market = self.markets.get(found.group(2))
        if market is None:
            return as_json({"error": "NOT_FOUND", "message": "product not found"}, 404)
        return self._candles(request, market) if candles else _product(found.group(2))

    def _time(self) -> Reply:
        now_ms = self.now_ms()
        iso = datetime.fromtimestamp(now_ms / 1000, tz=UTC).isoformat().replace("+00:00", "Z")
        return as_json({"iso": iso, "epochSeconds": str(now_ms // 1000), "epochMillis": str(now_ms)})

    def _unproven(self, request: Request) -> str | None:
        if self.check is None:
            return "no key is known"
        headers = request.headers
        return self.check(
            request.method, headers.get("host", ""), request.path, headers.get("authorization", "")
        )

    def _candles(self, request: Request, market: Recording) -> Reply:
        query = request.query
        if query.get("granularity") != "ONE_MINUTE":
            return _invalid("granularity is invalid")
        start, end = query.get("start", ""), query.get("end", "")
        if not (start.isdigit() and end.isdigit()) or int(end) < int(start):
            return _invalid("start and end argument is invalid")
        if (int(end) - int(start)) // 60 + 1 > self.maximum:
            return _invalid(
                "start and end argument is invalid - number of candles requested should be less than "
                f"{self.maximum}"
            )
        last_ms = int(end) * 1000 - (0 if self.end_inclusive else 1)
        # A cache answers with what was true some seconds ago and says how many.
        seen_ms = self.now_ms() - 1000 * (self.age or 0)
        bars = list(market.shown(int(start) * 1000, last_ms, now_ms=seen_ms))
        limit = int(query.get("limit", self.maximum))
        rows = [_row(bar) for bar in reversed(bars)][:limit]
        answer = as_json({"candles": self.twist(rows) if self.twist else rows})
        headers = {} if self.age is None else {"Age": str(self.age)}
        return Reply(body=answer.body, headers=headers)


def _row(bar: Bar) -> dict[str, str]:
    return {
        "start": str(bar.open_ms // 1000),
        "low": decimal(bar.low),
        "high": decimal(bar.high),
        "open": decimal(bar.open),
        "close": decimal(bar.close),
        "volume": decimal(bar.volume),
    }


def _product(name: str) -> Reply:
    return as_json(
        {"product_id": name, "product_type": "SPOT", "status": "online", "trading_disabled": False}
    )


def _invalid(details: str) -> Reply:
    return as_json({"error": "INVALID_ARGUMENT", "error_details": details, "message": details}, 400)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.standins.coinbase", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--file", action="append", required=True, metavar="PRODUCT=PATH")
    parser.add_argument(
        "--shift-to-now", action="store_true", help="let the anchor's minute be the present one"
    )
    parser.add_argument(
        "--anchor", type=milliseconds, help="ISO instant; default: a day before the shortest file ends"
    )
    parser.add_argument("--at", type=milliseconds, help="instant that the anchor becomes; default: now")
    parser.add_argument("--maximum", type=int, default=350, help="most candles of one request")
    parser.add_argument("--rate-limit", type=float, default=10.0, help="requests a second before a 429")
    parser.add_argument(
        "--late-seconds", type=float, default=0.0, help="how long a closed bar lacks its last trades"
    )
    parser.add_argument("--skew", type=float, default=0.0, help="seconds that its clock is ahead")
    parser.add_argument(
        "--key", action="append", default=[], metavar="NAME=PEM", help="public key of an API key"
    )
    return parser.parse_args(arguments)


def _markets(options: argparse.Namespace) -> dict[str, Recording]:
    named = [entry.partition("=")[::2] for entry in options.file]
    markets = {name: read(Path(path)) for name, path in named}
    if options.shift_to_now:
        anchor = options.anchor
        if anchor is None:
            anchor = min(market.last_ms for market in markets.values()) - 1440 * MINUTE_MS
        present = options.at if options.at is not None else round(time.time() * 1000)
        shift = present // MINUTE_MS * MINUTE_MS - anchor // MINUTE_MS * MINUTE_MS
        markets = {name: market.shifted(shift) for name, market in markets.items()}
    for market in markets.values():
        market.late_seconds = options.late_seconds
    return markets


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    options = _arguments(arguments)
    check = None
    if options.key:
        # Not at the top: only a server of private requests needs PyJWT and cryptography.
        tokens = importlib.import_module("tests.standins.coinbase_token")
        pairs = [entry.partition("=")[::2] for entry in options.key]
        check = tokens.check({name: Path(path).read_text(encoding="ascii") for name, path in pairs})
    server = CoinbaseStandin(
        _markets(options),
        host=options.host,
        port=options.port,
        maximum=options.maximum,
        rate_limit=options.rate_limit,
        check=check,
    )
    server.skew = options.skew

    def stop(number: int, frame: FrameType | None) -> None:
        server.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        while not server.stopping.wait(1.0):
            server.forget_old_requests()
    return 0


if __name__ == "__main__":
    sys.exit(main())
