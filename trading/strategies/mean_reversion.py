"""Mean reversion: back inside the band after an excess, while no trend runs."""

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

# A deviation of a billionth of the price is rounding noise.
FLAT_BAND = 1e-9


class MeanReversion:
    """Bets on the return to the average when a close comes back inside its Bollinger band.

    band: bars of the average and its standard deviation.  width: the band's half width in deviations.
    slow: span of the exponential average that shows the trend.  look_back: bars over which it is
    measured.  trend: the most it may have moved, in minute volatilities.  target, stop: bracket in
    units of volatility.
    """

    name: str = "mean_reversion"
    title: str = "Mean reversion"
    timeframe: str = "1m"
    stride_minutes: int = 1
    warm_up: int = WINDOW

    def __init__(
        self,
        *,
        band: int,
        width: float,
        slow: int,
        look_back: int,
        trend: float,
        target: float,
        stop: float,
    ) -> None:
        self.band = band
        self.width = width
        self.look_back = look_back
        self.trend = trend
        self.target = target
        self.stop = stop
        self._slow_weights = ema_weights(slow, WINDOW - look_back)

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
        relative = close / close[-1]
        before, last = self._score(relative[:-1]), self._score(relative)
        if abs(before) <= self.width or abs(last) > self.width or before * last < 0.0:
            text = f"The close is {last:+.1f} deviations from its average, after {before:+.1f}."
            return nothing("no_excess" if abs(last) <= self.width else "still_leaving", text)
        slow = float(self._slow_weights @ (relative[self.look_back :] - relative[: -self.look_back]))
        drift = abs(slow) / sigma
        if drift > self.trend:
            moved = f"The average moved {drift:.1f} volatilities in {self.look_back} bars"
            return nothing("trend_runs", f"{moved}, {self.trend:.1f} allowed.")
        return Judgement(
            side=Side.SHORT if before > 0.0 else Side.LONG,
            reason="excess_ended",
            note=f"Back inside the band after {before:+.1f} deviations.",
            score=min(abs(before) / (2.0 * self.width), 1.0),
            bracket=bracket(sigma, target=self.target, stop=self.stop),
        )

    def _score(self, relative: np.ndarray) -> float:
        """How many deviations the last value lies from its band's average; 0 where nothing moves."""
        part = relative[-self.band :]
        centred = part - part.mean()
        deviation = float(np.sqrt(centred @ centred / self.band))
        return float(centred[-1]) / deviation if deviation > FLAT_BAND else 0.0
