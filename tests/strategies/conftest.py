"""Windows of candles by shape."""

from collections.abc import Callable

import numpy as np
import pytest

from trading.core.types import Candles

MINUTE = 60_000
NOON = 1_740_830_400_000  # 2025-03-01T12:00:00Z


def build(close: np.ndarray, *, last_open_ms: int = NOON, spread: float = 1e-4) -> Candles:
    """Bars that open at the close before and reach a little beyond both."""
    opened = np.concatenate((close[:1], close[:-1]))
    return Candles(
        open_ms=last_open_ms - MINUTE * np.arange(len(close) - 1, -1, -1, dtype=np.int64),
        open=opened,
        high=np.maximum(opened, close) * (1 + spread),
        low=np.minimum(opened, close) * (1 - spread),
        close=close,
        volume=np.ones(len(close)),
    )


def walk(seed: int, bars: int, sigma: float = 5e-4) -> np.ndarray:
    """Prices of a random walk that begins at 50,000."""
    moves = np.random.default_rng(seed).normal(0.0, sigma, bars)
    return np.asarray(50_000.0 * np.exp(np.cumsum(moves)))


@pytest.fixture
def make_candles() -> Callable[..., Candles]:
    """Build candles from closing prices."""
    return build


@pytest.fixture
def make_walk() -> Callable[..., np.ndarray]:
    """Closing prices of a seeded random walk."""
    return walk
