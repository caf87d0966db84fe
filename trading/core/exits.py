"""How much further equity falls when an open position leaves: at its stop, or at the price shown now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import NoReturn

from trading.core.costs import gap_buffer
from trading.core.guards import BASIS_POINT, CENT, finite, not_negative, positive
from trading.core.types import ZERO, Instrument, Position, Side

LONG, SHORT = Side.LONG, Side.SHORT


class Exits:
    """What every exit from one market has in common, worked out once for all its positions.

    gap_buffer_bp: how much worse than its stop a fill is counted, in basis points, besides half the spread and
    the slippage.  Raises ValueError when a number of the instrument is not finite or out of its range.
    """

    __slots__ = ("commission_rate", "contract_size", "higher", "lower", "tick")

    def __init__(self, instrument: Instrument, gap_buffer_bp: Decimal) -> None:
        spread = not_negative("spread", instrument.spread_bp)
        slippage = not_negative("slippage", instrument.slippage_bp)
        worse = (spread / 2 + slippage + not_negative("gap buffer", gap_buffer_bp)) * BASIS_POINT
        self.lower = positive("price left by costs and gap buffer", 1 - worse)
        self.higher = 1 + worse
        self.tick = positive("tick size", instrument.tick_size)
        self.contract_size = positive("contract size", instrument.contract_size)
        self.commission_rate = not_negative("commission rate", instrument.commission_rate)

    def fall(self, position: Position, stop: Decimal) -> Decimal:
        """How much further equity falls when the position leaves at ``stop``, in whole cents, above or equal 0.

        A stop that the price has passed fills at the price.  From there the fill is worse by spread, slippage and
        buffer, on the tick grid, against us; commission is added as booked; where the profit that the venue shows
        is better than its prices say, the difference falls too.  Raises ValueError for what is no number.
        """
        lots, entry, price = position.lots, position.entry, position.price
        profit, swap = position.profit, position.swap
        # Fifty positions are to take less than 0.1 ms: what is sound is told here, what is not is named below.
        try:
            sound = (
                lots.is_finite()
                and entry.is_finite()
                and price.is_finite()
                and stop.is_finite()
                and profit.is_finite()
                and swap.is_finite()
                and lots > ZERO
                and entry > ZERO
                and price > ZERO
                and stop > ZERO
            )
        except AttributeError:  # nothing but a Decimal can say whether it is finite
            sound = False
        if not sound:
            _refuse(position, stop)
        units, side = lots * self.contract_size, position.side
        # Equity counts the position by the venue's profit, which may be better than its prices say: the worse
        # of both falls.
        bought, worth = entry * units, price * units
        if side is LONG:
            moved = (stop if stop < price else price) * self.lower
            fill = moved // self.tick * self.tick
            left = fill * units
            loss = max(bought + profit, worth) - left
        elif side is SHORT:
            moved = (stop if stop > price else price) * self.higher
            fill = moved // self.tick * self.tick
            if fill < moved:
                fill += self.tick
            left = fill * units
            loss = left - min(bought - profit, worth)
        else:
            raise ValueError(f"side must be long or short, was {side!r}")
        if left <= ZERO:
            raise ValueError(f"a fill from {stop} leaves no price on the tick grid")
        fee = (left * self.commission_rate).quantize(CENT, ROUND_HALF_UP)
        return loss.quantize(CENT, ROUND_CEILING) + fee


def _refuse(position: Position, stop: Decimal) -> NoReturn:
    """Always a ValueError, which names the first number of a position that is none."""
    positive("lots", position.lots)
    positive("entry", position.entry)
    positive("price", position.price)
    positive("stop", stop)
    finite("profit", position.profit)
    finite("swap", position.swap)
    raise ValueError(f"the numbers of position {position.ticket} cannot be read")


def falls_at_stops(
    positions: Sequence[Position], instruments: Mapping[str, Instrument], gap_buffer_bp: Decimal
) -> list[Decimal]:
    """How much further equity falls when each position leaves at its stop; 0 for one that has none.

    Raises ValueError when a position's market is not among ``instruments`` or a number cannot be read.
    """
    markets: dict[str, Exits] = {}
    falls: list[Decimal] = []
    for position in positions:
        if position.stop is None:
            falls.append(ZERO)
            continue
        exits = markets.get(position.symbol)
        if exits is None:
            exits = markets[position.symbol] = exits_at_stop(position, instruments, gap_buffer_bp)
        falls.append(exits.fall(position, position.stop))
    return falls


def exits_at_stop(position: Position, instruments: Mapping[str, Instrument], gap_buffer_bp: Decimal) -> Exits:
    """How stops of this position's market fire: beyond their price by the market's gap buffer or the account's."""
    instrument = _instrument(position, instruments)
    return Exits(instrument, gap_buffer(instrument, gap_buffer_bp))


def exits_now(position: Position, instruments: Mapping[str, Instrument]) -> Exits:
    """How positions of this position's market are closed at the price shown now: costs, no gap."""
    return Exits(_instrument(position, instruments), ZERO)


def _instrument(position: Position, instruments: Mapping[str, Instrument]) -> Instrument:
    instrument = instruments.get(position.symbol)
    if instrument is None:
        raise ValueError(f"no instrument is known for the open position in {position.symbol}")
    return instrument
