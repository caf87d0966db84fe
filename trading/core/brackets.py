"""How a bracket ends on a run of bars: one rule for outcomes and for the paper venue's exits.

Inside one bar nobody knows which price came first: the stop is assumed to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from trading.core.types import Candles, ExitReason, Side

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BracketEnd:
    """Where a bracket ended: index of the bar, exit price in quote currency, and why."""

    index: int
    price: float
    reason: ExitReason


def touched(
    candles: Candles, *, side: Side, stop: float, target: float, half_spread: float = 0.0
) -> int | None:
    """Index of the first bar that reaches the stop or the target, or None.

    half_spread: fraction of the price between the bars' prices and the side a close trades at;
    a long closes at the bid, a short at the ask.
    """
    hit = _stop_hit(candles, side, stop, half_spread) | _target_hit(candles, side, target, half_spread)
    return int(np.argmax(hit)) if hit.any() else None


def end_on(
    candles: Candles, index: int, *, side: Side, stop: float, target: float, half_spread: float = 0.0
) -> BracketEnd:
    """How a touched bar ends the bracket: a gap through the stop fills at the open, stop before target.

    That holds for the bar of the entry too: who enters beyond the own stop leaves at once, at no better price.
    """
    bar = candles[index : index + 1]
    closing = 1.0 - side.sign * half_spread
    if _stop_hit(bar, side, stop, half_spread)[0]:
        opened = float(bar.open[0]) * closing
        gapped = side.sign * (opened - stop) < 0
        return BracketEnd(index=index, price=opened if gapped else stop, reason=ExitReason.STOP)
    return BracketEnd(index=index, price=target, reason=ExitReason.TARGET)


def resolve(
    candles: Candles, *, side: Side, stop: float, target: float, entered_ms: int, cap: timedelta
) -> BracketEnd | None:
    """Follow a bracket over the next bars until stop, target or the cap; None while undecided.

    entered_ms: opening of the bar at whose open the bracket was entered; ``candles`` begin there or later.
    At the cap it is booked at the close of the last bar that opened before it; that bar's stop or target
    still comes first.
    """
    due_ms = entered_ms + int(cap.total_seconds() * 1000)
    held = int(np.searchsorted(candles.open_ms, due_ms, side="left"))
    index = touched(candles[:held], side=side, stop=stop, target=target)
    if index is not None:
        return end_on(candles, index, side=side, stop=stop, target=target)
    if held and int(candles.open_ms[-1]) + MINUTE_MS >= due_ms:
        return BracketEnd(index=held - 1, price=float(candles.close[held - 1]), reason=ExitReason.TIME)
    return None


def end_ms(candles: Candles, end: BracketEnd) -> int:
    """Epoch milliseconds at which the bar that ended a bracket closed."""
    return int(candles.open_ms[end.index]) + MINUTE_MS


def _stop_hit(candles: Candles, side: Side, stop: float, half_spread: float) -> np.ndarray:
    if side is Side.LONG:
        return candles.low * (1.0 - half_spread) <= stop
    return candles.high * (1.0 + half_spread) >= stop


def _target_hit(candles: Candles, side: Side, target: float, half_spread: float) -> np.ndarray:
    if side is Side.LONG:
        return candles.high * (1.0 - half_spread) >= target
    return candles.low * (1.0 + half_spread) <= target
