"""The runaway stop: from how many orders, lots, messages or losses on a desk must stop itself."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunawayLimits:
    """Crossing any of them halts the account until a person resumes it; per prop-firm day where a day is named."""

    orders_per_minute: int
    orders_per_hour: int
    orders_per_day: int
    lots_per_day: Decimal
    messages_per_day: int
    losses_in_row: int
