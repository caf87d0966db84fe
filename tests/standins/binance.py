"""A stand-in for Binance's public candles: enough for ccxt to load markets and read bars."""

from __future__ import annotations

from collections.abc import Callable

from tests.standins.recorded import MINUTE_MS, Bar, Recording, decimal
from tests.standins.server import Reply, Request, Standin, as_json

_FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00", "stepSize": "0.00001000"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.00"},
]


class BinanceStandin(Standin):
    """Serves recordings by (base, quote), e.g. ``("BTC", "USDT")``; oldest first, the running minute included.

    newest_only: behave like an exchange that keeps only so many newest bars and ignores the end
    of the asked range.  twist: changes the rows of candle answers.
    """

    def __init__(self, markets: dict[tuple[str, str], Recording], *, host: str = "127.0.0.1", port: int = 0):
        super().__init__(host=host, port=port)
        self.markets = markets
        self.newest_only: int | None = None
        self.twist: Callable[[list[list[object]]], list[list[object]]] | None = None

    def reply(self, request: Request) -> Reply:
        match request.path:
            case "/api/v3/ping":
                return as_json({})
            case "/api/v3/time":
                return as_json({"serverTime": self.now_ms()})
            case "/api/v3/exchangeInfo":
                symbols = [_symbol(base, quote) for base, quote in self.markets]
                return as_json({"timezone": "UTC", "serverTime": self.now_ms(), "symbols": symbols})
            case "/api/v3/klines":
                return self._klines(request)
        return as_json({"code": -1, "msg": "no such path"}, 404)

    def _klines(self, request: Request) -> Reply:
        query = request.query
        named = {base + quote: market for (base, quote), market in self.markets.items()}
        market = named.get(query.get("symbol", ""))
        if market is None:
            return as_json({"code": -1121, "msg": "Invalid symbol."}, 400)
        if query.get("interval") != "1m":
            return as_json({"code": -1120, "msg": "Invalid interval."}, 400)
        limit = min(int(query.get("limit", 500)), 1000)
        now_ms = self.now_ms()
        start, end = int(query.get("startTime", 0)), int(query.get("endTime", now_ms))
        if self.newest_only is not None:
            kept = list(market.shown(0, now_ms, now_ms=now_ms))[-self.newest_only :]
            bars = [bar for bar in kept if bar.open_ms >= start]
        else:
            bars = list(market.shown(start, end, now_ms=now_ms))
        rows = [_row(bar) for bar in (bars[:limit] if "startTime" in query else bars[-limit:])]
        return as_json(self.twist(rows) if self.twist else rows)


def _symbol(base: str, quote: str) -> dict[str, object]:
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _FILTERS,
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


def _row(bar: Bar) -> list[object]:
    prices = [decimal(getattr(bar, name)) for name in ("open", "high", "low", "close", "volume")]
    return [bar.open_ms, *prices, bar.open_ms + MINUTE_MS - 1, "0", 1, "0", "0", "0"]
