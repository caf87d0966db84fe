"""The unit in which brackets are measured, and the weights the rule strategies share."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import numpy as np

from trading.core.types import Bracket, Candles, Judgement

WINDOW = 481
STEP = 5
FAST_HALF_LIFE = 120 / STEP
SLOW_HALF_LIFE = 1440 / STEP
HORIZON_MINUTES = 480.0
SCALE = 0.7
MIN_UNIT = 0.0025
QUIET_UNIT = 0.0015
LONGEST_SIDE = 0.5
CAP = timedelta(hours=48)
# A move of a hundredth of a basis point a minute: prices that hardly change are not a market.
FLAT = 1e-6


def decay_weights(half_life: float, length: int) -> np.ndarray:
    """(length,) float64 weights of an exponential average, newest last, summing to 1."""
    raw = 0.5 ** (np.arange(length - 1, -1, -1, dtype=np.float64) / half_life)
    return np.asarray(raw / raw.sum())


def ema_weights(span: int, length: int) -> np.ndarray:
    """(length,) float64 weights of an exponential average with the customary span of 2 / (span + 1)."""
    return decay_weights(-np.log(2.0) / np.log1p(-2.0 / (span + 1)), length)


_STEPS = (WINDOW - 1) // STEP
_VARIANCE_WEIGHTS = (
    0.4 * decay_weights(FAST_HALF_LIFE, _STEPS) + 0.6 * decay_weights(SLOW_HALF_LIFE, _STEPS)
) / STEP


def sigma_per_minute(close: np.ndarray) -> float:
    """Volatility of one minute from squared five-minute returns, as a fraction of the price.

    close: (T,) float64 prices > 0, T >= 481; the last 481 are used.  Variance is 0.4 of an exponential
    average with a half-life of two hours plus 0.6 of one of 24 hours, both cut at the window.
    """
    logs = np.log(close[-WINDOW::STEP])
    returns = logs[1:] - logs[:-1]
    return float(np.sqrt(_VARIANCE_WEIGHTS @ (returns * returns)))


def unit(sigma: float) -> float:
    """The bracket's unit: 0.7 of eight hours' volatility, at least 25 basis points, as a fraction."""
    return max(SCALE * sigma * math.sqrt(HORIZON_MINUTES), MIN_UNIT)


def bracket(sigma: float, *, target: float, stop: float, cap: timedelta = CAP) -> Bracket:
    """A bracket of ``target`` and ``stop`` units, as Decimals of six places."""
    size = unit(sigma)
    return Bracket(target=_fraction(size * target), stop=_fraction(size * stop), cap=cap)


def _fraction(value: float) -> Decimal:
    return Decimal(f"{value:.6f}")


def nothing(reason: str, note: str = "") -> Judgement:
    """No signal, and the code that says why."""
    return Judgement(side=None, reason=reason, note=note)


def unreadable(candles: Candles, warm_up: int) -> Judgement | None:
    """The reason why a window cannot be judged at all, or None when it can."""
    have = len(candles)
    if have < warm_up:
        return nothing("warming_up", f"{have} of {warm_up} bars are known.")
    prices = (candles.high[-warm_up:], candles.low[-warm_up:], candles.close[-warm_up:])
    if not all(np.isfinite(series).all() and series.min() > 0.0 for series in prices):
        return nothing("bad_data", "A price of the window is missing or not above zero.")
    return None


def unfit(sigma: float, *, widest: float) -> Judgement | None:
    """The reason why a market moves too little or too much to trade, or None when it is fit.

    widest: the longer side of the strategy's bracket, in units.
    """
    if sigma < FLAT:
        return nothing("flat_market", "The price has hardly moved for eight hours.")
    usual = SCALE * sigma * math.sqrt(HORIZON_MINUTES)
    if usual < QUIET_UNIT:
        text = (
            f"Eight hours move {usual * 1e4:.1f} bp, {QUIET_UNIT * 1e4:.0f} bp are needed to bear the costs."
        )
        return nothing("volatility_too_low", text)
    if usual * widest > LONGEST_SIDE:
        text = f"The bracket would be {usual * widest:.0%} of the price wide, {LONGEST_SIDE:.0%} is the most."
        return nothing("volatility_too_high", text)
    return None
