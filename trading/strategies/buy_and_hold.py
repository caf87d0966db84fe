"""Buy and hold: the yardstick. One long a day where none is open, with a wide bracket."""

from __future__ import annotations

from datetime import timedelta

from trading.core.timeframes import DAY_MS
from trading.core.types import Candles, Judgement, Side
from trading.strategies.volatility import WINDOW, bracket, nothing, sigma_per_minute, unfit, unreadable


class BuyAndHold:
    """Asks for a long on the first bar of each UTC day; while one is held the gate refuses the next.

    target, stop: bracket in units of volatility, wide.  days: the longest holding time.
    """

    name: str = "buy_and_hold"
    title: str = "Buy and hold"
    timeframe: str = "1m"
    stride_minutes: int = 1
    warm_up: int = WINDOW

    def __init__(self, *, target: float, stop: float, days: int) -> None:
        self.target = target
        self.stop = stop
        self.cap = timedelta(days=days)

    def judge(self, candles: Candles) -> Judgement:
        """Say what the last bar of ``candles`` calls for; reads the last ``warm_up`` bars only."""
        refusal = unreadable(candles, self.warm_up)
        if refusal is not None:
            return refusal
        before, last = (int(opened) // DAY_MS for opened in candles.open_ms[-2:])
        if before == last:
            return nothing("not_first_bar", "It buys on the first bar of the UTC day only.")
        sigma = sigma_per_minute(candles.close)
        refusal = unfit(sigma, widest=max(self.target, self.stop))
        if refusal is not None:
            return refusal
        return Judgement(
            side=Side.LONG,
            reason="day_began",
            note="The first bar of the UTC day.",
            score=0.5,
            bracket=bracket(sigma, target=self.target, stop=self.stop, cap=self.cap),
        )
