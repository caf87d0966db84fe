"""Money and fractions as the panel writes them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

MINUS = "\u2212"
UNKNOWN = "unknown"
CENT = Decimal("0.01")


def money(value: Decimal | None) -> str:
    """Money with thousands and cents; a minus is a minus sign, unknown is a word."""
    if value is None:
        return UNKNOWN
    exact = Decimal(value).quantize(CENT, rounding=ROUND_HALF_UP)
    return f"{exact:,.2f}".replace("-", MINUS)


def signed(value: Decimal | None, places: int = 2) -> str:
    """A change: plus or minus always said."""
    if value is None:
        return UNKNOWN
    text = f"{Decimal(value):+,.{places}f}"
    if not text.strip("+-0.,"):
        return text.lstrip("+-")
    return text.replace("-", MINUS)


def percent(value: Decimal | float | None, places: int = 1) -> str:
    """A fraction in percent."""
    return UNKNOWN if value is None else f"{float(value) * 100:,.{places}f} %".replace("-", MINUS)


def coin(key: str) -> str:
    """The coin of a market key, as rows name it: BTC of BTC-USD and of binance:BTC/USDT."""
    return key.rsplit(":", 1)[-1].replace("/", "-").split("-", 1)[0]
