"""Momentum: a close beyond the last hour's range, in the direction of the trend."""

from __future__ import annotations

import numpy as np

from trading.core.types import Candles, Judgement, Side
from trading.strategies.volatility import (
    WINDOW,
    bracket,
    ema_weights,
    nothing,
    sigma_per_minute,
    unfit,
    unreadable,
)


class Momentum:
    """Goes with a fresh breakout of the channel when the faster average leads the slower one.

    channel: bars of the range that must be left.  margin: how far beyond it, in minute volatilities.
    fast, slow: spans of the two exponential averages.  trend: how far apart they must be, in minute
    volatilities.  target, stop: bracket in units of volatility.
    """

    name: str = "momentum"
    title: str = "Momentum"
    timeframe: str = "1m"
    stride_minutes: int = 1
    warm_up: int = WINDOW

    def __init__(
        self,
        *,
        channel: int,
        margin: float,
        fast: int,
        slow: int,
        trend: float,
        target: float,
        stop: float,
    ) -> None:
        self.channel = channel
        self.margin = margin
        self.trend = trend
        self.target = target
        self.stop = stop
        self._lead_weights = ema_weights(fast, WINDOW) - ema_weights(slow, WINDOW)

    def judge(self, candles: Candles) -> Judgement:
        """Say what the last bar of ``candles`` calls for; reads the last ``warm_up`` bars only."""
        refusal = unreadable(candles, self.warm_up)
        if refusal is not None:
            return refusal
        close = candles.close[-WINDOW:]
        sigma = sigma_per_minute(close)
        refusal = unfit(sigma, widest=max(self.target, self.stop))
        if refusal is not None:
            return refusal
        side = self._breakout(candles, sigma)
        if side is None:
            return nothing("inside_range", f"The close is inside the range of {self.channel} minutes.")
        lead = float(self._lead_weights @ (close / close[-1])) / sigma * side.sign
        if lead < self.trend:
            text = f"The averages lead by {lead:.1f} volatilities that way, {self.trend:.1f} are needed."
            return nothing("against_trend", text)
        return Judgement(
            side=side,
            reason="breakout",
            note=f"Left the range of {self.channel} minutes; the averages lead by {lead:.1f} volatilities.",
            score=lead / (lead + 4.0 * self.trend),
            bracket=bracket(sigma, target=self.target, stop=self.stop),
        )

    def _breakout(self, candles: Candles, sigma: float) -> Side | None:
        """The side on which the last bar is the first to close beyond the channel."""
        before, last = (float(price) for price in candles.close[-2:])
        high = candles.high[-self.channel - 2 :]
        low = candles.low[-self.channel - 2 :]
        edge = self.margin * sigma
        if last > float(np.max(high[1:-1])) * (1.0 + edge) and before <= float(np.max(high[:-2])) * (
            1.0 + edge
        ):
            return Side.LONG
        if last < float(np.min(low[1:-1])) * (1.0 - edge) and before >= float(np.min(low[:-2])) * (
            1.0 - edge
        ):
            return Side.SHORT
        return None
