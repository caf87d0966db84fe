"""Money of positions and deals, to the cent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from trading.core.guards import CENT, aware, finite, not_negative, positive
from trading.core.types import ZERO, Deal, Position, Side


def pnl(side: Side, entry: Decimal, price: Decimal, *, lots: Decimal, contract_size: Decimal) -> Decimal:
    """Profit of a position valued at ``price``, before commission and swap, rounded to the cent."""
    move = (positive("price", price) - positive("entry", entry)) * side.sign
    raw = move * not_negative("lots", lots) * positive("contract size", contract_size)
    return raw.quantize(CENT, rounding=ROUND_HALF_UP)


def equity_of(balance: Decimal, positions: Iterable[Position]) -> Decimal:
    """Balance plus open profit and swap; commissions are already in the balance when they are booked."""
    floating = sum((finite("profit", p.profit) + finite("swap", p.swap) for p in positions), ZERO)
    return finite("balance", balance) + floating


def booked(deal: Deal) -> Decimal:
    """What one deal did to the balance."""
    return finite("profit", deal.profit) + finite("commission", deal.commission) + finite("swap", deal.swap)


def balance_at(deals: Sequence[Deal], balance_now: Decimal, instant: datetime) -> Decimal:
    """The balance just before ``instant``, undoing every deal booked at or after it.

    deals: all that may lie at or after ``instant``, in any order.  Raises ValueError for a deal that is
    listed twice or whose time or money cannot be read: a balance that cannot be proven is not given.
    Source: docs/risk_rules.md#day_start.
    """
    moment = aware("instant", instant)
    numbers = [deal.deal for deal in deals]
    if len(set(numbers)) != len(numbers):
        raise ValueError("a deal is listed twice: the balance cannot be reconstructed")
    later = (booked(deal) for deal in deals if aware("deal time", deal.at) >= moment)
    return finite("balance", balance_now) - sum(later, ZERO)
