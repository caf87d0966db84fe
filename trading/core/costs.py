"""What a trade costs: commission, spread, slippage, and the loss at its stop."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from trading.core.guards import BASIS_POINT, CENT, not_negative, positive
from trading.core.types import ZERO, Instrument, Side


def commission(lots: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
    """Commission of one side in account currency, rounded to the cent.

    Source: docs/risk_rules.md#below_minimum (FTMO, 0.0325 % of notional per side).
    """
    raw = not_negative("lots", lots) * _commission_per_lot(price, instrument)
    return raw.quantize(CENT, rounding=ROUND_HALF_UP)


def fill_price(
    side: Side,
    price: Decimal,
    instrument: Instrument,
    *,
    opening: bool,
    extra_bp: Decimal = ZERO,
) -> Decimal:
    """The price a market order gets: half the spread and the slippage worse, rounded to the tick, worse.

    side: of the position.  opening: True enters it, False leaves it.  extra_bp: a further adverse move.
    Raises ValueError when a number is not finite, a price or tick is not above zero, or a cost is negative.
    """
    buying = (side is Side.LONG) == opening
    spread = not_negative("spread", instrument.spread_bp)
    slip = not_negative("slippage", instrument.slippage_bp)
    worse = (spread / 2 + slip + not_negative("extra move", extra_bp)) * BASIS_POINT
    moved = positive("price", price) * (1 + worse if buying else 1 - worse)
    return to_tick(moved, instrument, up=buying)


def to_tick(price: Decimal, instrument: Instrument, *, up: bool) -> Decimal:
    """``price`` on the instrument's price grid, rounded up or down; ValueError when nothing is left."""
    tick = positive("tick size", instrument.tick_size)
    steps = (positive("price", price) / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return positive("price on the tick grid", steps * tick)


def stop_fill(side: Side, stop: Decimal, instrument: Instrument, gap_buffer_bp: Decimal) -> Decimal:
    """The price counted for a stop that fires: as a market fill, and worse still by ``gap_buffer``."""
    return fill_price(side, stop, instrument, opening=False, extra_bp=gap_buffer(instrument, gap_buffer_bp))


def gap_buffer(instrument: Instrument, of_account: Decimal) -> Decimal:
    """How far beyond its stop a fill is counted, in basis points: the market's own buffer or the account's, if larger.

    Source: docs/risk_rules.md#headroom (the worst minutes of recorded markets).
    """
    return max(
        not_negative("the market's gap buffer", instrument.gap_buffer_bp),
        not_negative("the account's gap buffer", of_account),
    )


def round_trip_bp(instrument: Instrument) -> Decimal:
    """Cost of entering and leaving at market, in basis points of notional."""
    sides = not_negative("commission rate", instrument.commission_rate) / BASIS_POINT
    slip = not_negative("slippage", instrument.slippage_bp)
    return 2 * sides + not_negative("spread", instrument.spread_bp) + 2 * slip


def loss_per_lot(
    side: Side,
    entry: Decimal,
    stop: Decimal,
    instrument: Instrument,
    *,
    gap_buffer_bp: Decimal = ZERO,
) -> Decimal:
    """Money lost per lot when a trade entered at market now is stopped out, both commissions included.

    Unrounded.  Raises ValueError when the stop is not on the losing side of the entry.
    """
    if (positive("entry", entry) - positive("stop", stop)) * side.sign <= ZERO:
        raise ValueError(f"the stop of a {side} from {entry} must lie on its losing side, was {stop}")
    inside = fill_price(side, entry, instrument, opening=True)
    outside = stop_fill(side, stop, instrument, gap_buffer_bp)
    price_loss = (inside - outside) * side.sign * positive("contract size", instrument.contract_size)
    return price_loss + _commission_per_lot(inside, instrument) + _commission_per_lot(outside, instrument)


def loss_at_stop(
    side: Side,
    entry: Decimal,
    stop: Decimal,
    instrument: Instrument,
    *,
    lots: Decimal,
    gap_buffer_bp: Decimal = ZERO,
) -> Decimal:
    """Money lost by ``lots`` when the stop fires, each commission rounded as booked, then up to the cent."""
    inside = fill_price(side, entry, instrument, opening=True)
    outside = stop_fill(side, stop, instrument, gap_buffer_bp)
    size = not_negative("lots", lots) * positive("contract size", instrument.contract_size)
    loss = (inside - outside) * side.sign * size
    loss += commission(lots, inside, instrument) + commission(lots, outside, instrument)
    return loss.quantize(CENT, rounding=ROUND_CEILING)


def _commission_per_lot(price: Decimal, instrument: Instrument) -> Decimal:
    rate = not_negative("commission rate", instrument.commission_rate)
    return rate * positive("price", price) * positive("contract size", instrument.contract_size)
