"""What all positions of an account risk together and what margin they take, between two signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trading.core.exits import falls_at_stops
from trading.core.portfolio import Coming
from trading.core.types import ZERO, Instrument, Pending, Position, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNow:
    """One direction of one group of markets; loss: all stops hit, orders on their way lost, account currency.

    loss None: a position has no stop, so that what it may lose has no end.
    """

    name: str
    side: Side
    symbols: tuple[str, ...]
    loss: Decimal | None


def worst_group(
    positions: Sequence[Position],
    pending: Sequence[Pending],
    instruments: Mapping[str, Instrument],
    *,
    gap_buffer_bp: Decimal,
) -> GroupNow | None:
    """The direction of a group that may lose most, counted as the gate counts it; None when nothing is open.

    A floating loss counts, a floating profit does not; an order on its way counts in every direction.
    """
    keys = {(instruments[p.symbol].group, Side(p.side)) for p in positions}
    keys |= {(_group(p.symbol, instruments), side) for p in pending for side in Side}
    found = [_group_now(*key, positions, pending, instruments, gap_buffer_bp) for key in sorted(keys)]
    return max(found, key=lambda one: Decimal("Infinity") if one.loss is None else one.loss, default=None)


def _group(symbol: str, instruments: Mapping[str, Instrument]) -> str:
    market = instruments.get(symbol)
    return "" if market is None else market.group


def _group_now(
    name: str,
    side: Side,
    positions: Sequence[Position],
    pending: Sequence[Pending],
    instruments: Mapping[str, Instrument],
    gap_buffer_bp: Decimal,
) -> GroupNow:
    held = [p for p in positions if instruments[p.symbol].group == name and Side(p.side) is side]
    coming = sum((p.risk for p in pending if _group(p.symbol, instruments) in ("", name)), ZERO)
    loss: Decimal | None = None
    if all(p.stop is not None for p in held):
        falls = falls_at_stops(held, instruments, gap_buffer_bp)
        loss = coming + sum((f + max(-p.profit, ZERO) for f, p in zip(falls, held, strict=True)), ZERO)
    return GroupNow(name=name, side=side, symbols=tuple(p.symbol for p in held), loss=loss)


def margin_taken(
    positions: Sequence[Position], coming: Sequence[Coming], instruments: Mapping[str, Instrument]
) -> Decimal | None:
    """What open positions and orders on their way take of margin, by each market's rate; account currency.

    A position counts at the dearer of its entry and its price.  None when an order on its way has no price,
    or its market is not known.
    """
    rows = [(p.symbol, p.lots, max(p.entry, p.price)) for p in positions]
    taken = ZERO
    for symbol, lots, price in [*rows, *((c.symbol, c.lots, c.price) for c in coming)]:
        market = instruments.get(symbol)
        if price is None or market is None:
            return None
        taken += lots * price * market.contract_size * market.margin_rate
    return taken
