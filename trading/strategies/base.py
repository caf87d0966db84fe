"""The one protocol of a strategy."""

from __future__ import annotations

from typing import Protocol

from trading.core.types import Candles, Judgement


class Strategy(Protocol):
    """Judges the last bar of a window; pure, knows no clock and keeps no state.

    name: stable, stored in rows.  timeframe: bars it reads ("1m", "5m" …).
    stride_minutes: how often it is asked; between strides the reason is ``not_due``.
    warm_up: bars needed before it can speak; fewer gives the reason ``warming_up``.
    """

    name: str
    title: str
    timeframe: str
    stride_minutes: int
    warm_up: int

    def judge(self, candles: Candles) -> Judgement:
        """Say what the last bar of ``candles`` (length ``warm_up``, closed, no gap) calls for."""
        ...
