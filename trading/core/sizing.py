"""Risk money and stop distance to lots, rounded down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from types import MappingProxyType

from trading.core.costs import loss_at_stop, loss_per_lot
from trading.core.guards import fraction, not_negative, positive
from trading.core.types import ZERO, Instrument, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """How much to trade: ``lots`` 0 when even the smallest volume would risk more than allowed.

    risk: money lost if the stop is hit, costs included, 0 with 0 lots.  per_lot: the same for one lot.
    allowed: the risk money after the factor.  capped_by: what kept the lots below what the risk money would
    buy: "volume_max", or the name of a cap; empty when nothing did.
    """

    lots: Decimal
    risk: Decimal
    per_lot: Decimal
    allowed: Decimal
    capped_by: str = ""


def size(
    *,
    draft_entry: Decimal,
    stop: Decimal,
    side: Side,
    risk_money: Decimal,
    instrument: Instrument,
    factor: Decimal = Decimal(1),
    smallest: bool = False,
    gap_buffer_bp: Decimal = ZERO,
    caps: Mapping[str, Decimal] = MappingProxyType({}),
) -> Sized:
    """Lots whose loss at the stop stays within ``risk_money * factor``, rounded down to the step.

    draft_entry, stop: prices.  factor: above 0, at most 1.  smallest: take the venue's smallest volume
    when it fits, never more.  gap_buffer_bp: how much worse than its stop a fill is counted.
    caps: the most lots, 0 or more, by the name of what limits them.
    Raises ValueError for numbers that are not finite, a stop on the wrong side, or a broken instrument.
    Source: docs/risk_rules.md#below_minimum.
    """
    allowed = positive("risk money", risk_money) * fraction("size factor", factor)
    smallest_lots, largest, step = _volumes(instrument)
    per_lot = positive(
        "loss per lot", loss_per_lot(side, draft_entry, stop, instrument, gap_buffer_bp=gap_buffer_bp)
    )
    wanted = smallest_lots if smallest else _down(allowed / per_lot, step)
    tops = {"volume_max": _down(largest, step)}
    tops |= {name: _down(not_negative(f"cap {name}", most), step) for name, most in caps.items()}
    tightest = min(tops, key=lambda name: tops[name])
    lots = min(wanted, tops[tightest])
    capped_by = tightest if lots < wanted else ""

    # Commissions are booked in whole cents, which can tip a volume that fitted exactly.
    while lots >= smallest_lots:
        risk = loss_at_stop(side, draft_entry, stop, instrument, lots=lots, gap_buffer_bp=gap_buffer_bp)
        if risk <= allowed:
            return Sized(lots=lots, risk=risk, per_lot=per_lot, allowed=allowed, capped_by=capped_by)
        lots -= step
    return Sized(lots=ZERO, risk=ZERO, per_lot=per_lot, allowed=allowed, capped_by=capped_by)


def _volumes(instrument: Instrument) -> tuple[Decimal, Decimal, Decimal]:
    smallest = positive("smallest volume", instrument.volume_min)
    largest = positive("largest volume", instrument.volume_max)
    if largest < smallest:
        raise ValueError(f"largest volume {largest} is below the smallest {smallest}")
    return smallest, largest, positive("volume step", instrument.volume_step)


def _down(lots: Decimal, step: Decimal) -> Decimal:
    return (lots / step).to_integral_value(ROUND_FLOOR) * step
