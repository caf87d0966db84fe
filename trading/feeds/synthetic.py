"""A made-up market: every minute can be computed alone, from the seed and the minute's number.

The logarithm of the price is a Brownian motion built by midpoint displacement: at each of
``LEVELS`` dyadic scales one tent function covers an instant, with a height drawn by hashing
(seed, level, tent). Heights follow a slow volatility field and are sometimes huge, so returns
have fat tails and cluster. Only +, -, *, / and integer hashing are used: the bits are the same
on every machine.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import numpy as np

from trading.core.timeframes import MINUTE_MS
from trading.core.types import Candles, ms_from_utc
from trading.feeds.base import Fetched
from trading.feeds.paging import conclude, nothing, window
from trading.feeds.validation import Sifted, take

BASE_PRICE = 50_000.0
TICK = 0.01
LEVELS = 17
# The standard deviation of a one-minute return in quiet times; three to four times that in wild ones.
MINUTE_SIGMA = 0.0005
# How far the price strays over the longest scale, 2**17 minutes or three months.
DRIFT_SIGMA = 0.12
VOLATILITY_LEVELS = (6, 8, 10, 12)
MISSING_ONE_IN = 500
MAX_MINUTES = 20_000

_DRIFT, _SHOCK, _VOLATILITY, _RANGE_UP, _RANGE_DOWN, _VOLUME, _MISSING, _GAP = range(8)


class SyntheticFeed:
    """A seeded market without end or beginning; each symbol is a market of its own."""

    name = "synthetic"
    synthetic = True

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def ping(self) -> None:
        """Always well: nothing is asked of anybody."""

    def fetch_closed(self, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Fetched:
        """Closed bars, at most ``MAX_MINUTES`` minutes of them; a bar is closed a minute after it opened."""
        asked = window(since=since, until=until, known_ms=ms_from_utc(now), grace_ms=0, page=MAX_MINUTES + 1)
        if asked.empty:
            return nothing(since)
        bars = self.candles(symbol, first_ms=asked.first_ms, end_ms=asked.end_ms)
        sifted = Sifted(candles=bars, refused=0, example="")
        return conclude(sifted, asked, settled_ms=asked.end_ms)

    def candles(self, symbol: str, *, first_ms: int, end_ms: int) -> Candles:
        """All bars with ``first_ms <= open_ms < end_ms``, closed or not; both are full minutes."""
        key = _key(self._seed, symbol)
        minutes = np.arange(first_ms // MINUTE_MS, end_ms // MINUTE_MS, dtype=np.int64)
        if not minutes.size:
            return Candles.empty()
        bars = _bars(key, minutes)
        return take(bars, np.flatnonzero(_hash(key, _MISSING, 0, minutes) % np.uint64(MISSING_ONE_IN) != 0))


def _key(seed: int, symbol: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{symbol}".encode(), digest_size=8).digest(), "big")


def _bars(key: int, minutes: np.ndarray) -> Candles:
    """One bar for each of these consecutive minutes, (T,) int64 minute numbers."""
    instants = np.append(minutes, minutes[-1] + 1)
    prices = _cents(BASE_PRICE * _exp(_log_price(key, instants)))
    wild = _volatility(key, minutes)
    close, before = prices[1:], prices[:-1]
    # One bar in eight opens a little away from the close before it.
    step = _centred(key, _GAP, 0, minutes) * (_hash(key, _GAP, 1, minutes) % np.uint64(8) == 0)
    open_ = _cents(before * (1.0 + 0.3 * MINUTE_SIGMA * step))
    reach = MINUTE_SIGMA * wild
    up = 1.0 + reach * _skewed(key, _RANGE_UP, minutes)
    down = 1.0 + reach * _skewed(key, _RANGE_DOWN, minutes)
    busy = wild * wild * (0.2 + 3.0 * _skewed(key, _VOLUME, minutes)) * _hour_of_day(minutes)
    return Candles(
        open_ms=minutes * MINUTE_MS,
        open=open_,
        high=np.maximum(_cents(np.maximum(open_, close) * up), np.maximum(open_, close)),
        low=np.minimum(_cents(np.minimum(open_, close) / down), np.minimum(open_, close)),
        close=close,
        volume=np.floor(busy * 4e8 + 1.0) / 1e8,
    )


def _log_price(key: int, instants: np.ndarray) -> np.ndarray:
    """The logarithm of price over ``BASE_PRICE`` at consecutive minute boundaries, (T,) float64."""
    path = _interpolated(key, _DRIFT, LEVELS, instants) * DRIFT_SIGMA
    for level in range(1, LEVELS + 1):
        length = 1 << level
        tents = np.arange(instants[0] >> level, (instants[-1] >> level) + 1, dtype=np.int64)
        middles = (tents << level) + (length >> 1)
        # The midpoint of a Brownian bridge over n minutes has the deviation sigma * sqrt(n) / 2.
        sigma = MINUTE_SIGMA * np.sqrt(float(length)) / 2.0
        heights = sigma * _centred(key, _SHOCK, level, tents) * _volatility(key, middles, sparse=True)
        if level <= 3:
            heights = heights * _outliers(key, level, tents)
        inside = instants - ((instants >> level) << level)
        tent = 1.0 - np.abs(2.0 * inside / length - 1.0)
        path = path + heights[(instants >> level) - tents[0]] * tent
    return np.asarray(path)


def _volatility(key: int, minutes: np.ndarray, *, sparse: bool = False) -> np.ndarray:
    """The factor on ``MINUTE_SIGMA``: about 0.3 to 4, wandering over hours and days, (T,) float64."""
    field = np.zeros(minutes.shape[0])
    for level in VOLATILITY_LEVELS:
        field = field + (_pointwise if sparse else _interpolated)(key, _VOLATILITY, level, minutes)
    return np.asarray(np.minimum(np.maximum(_exp(0.35 * field), 0.3), 4.0))


def _interpolated(key: int, purpose: int, level: int, minutes: np.ndarray) -> np.ndarray:
    """Straight lines between random values every 2**level minutes; ``minutes`` are consecutive."""
    first = int(minutes[0] >> level)
    knots = np.arange(first, (int(minutes[-1]) >> level) + 2, dtype=np.int64)
    values = _centred(key, purpose, level, knots)
    place = (minutes >> level) - first
    return _between(values[place], values[place + 1], minutes, level)


def _pointwise(key: int, purpose: int, level: int, minutes: np.ndarray) -> np.ndarray:
    """The same lines as ``_interpolated`` at minutes that lie apart."""
    left = minutes >> level
    before, after = _centred(key, purpose, level, left), _centred(key, purpose, level, left + 1)
    return _between(before, after, minutes, level)


def _between(before: np.ndarray, after: np.ndarray, minutes: np.ndarray, level: int) -> np.ndarray:
    share = (minutes - ((minutes >> level) << level)) / float(1 << level)
    return np.asarray(before * (1.0 - share) + after * share)


def _hash(key: int, purpose: int, level: int, index: np.ndarray) -> np.ndarray:
    """64 well-mixed bits for each index (the finaliser of SplitMix64), (T,) uint64."""
    salt = np.uint64((key ^ ((purpose * 64 + level + 1) * 0xD1342543DE82EF95)) & 0xFFFFFFFFFFFFFFFF)
    x = (index.astype(np.uint64) + salt) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _centred(key: int, purpose: int, level: int, index: np.ndarray) -> np.ndarray:
    """Nearly normal values, mean 0 and deviation 1, within 3.5: a sum of four 16-bit uniforms."""
    bits = _hash(key, purpose, level, index)
    mask = np.uint64(0xFFFF)
    total = sum((bits >> np.uint64(shift)) & mask for shift in (0, 16, 32, 48))
    return (np.asarray(total).astype(np.float64) / 65_535.0 - 2.0) * 1.7320508075688772


def _skewed(key: int, purpose: int, minutes: np.ndarray) -> np.ndarray:
    """Values in [0, 2), mostly small: the product of two uniforms, doubled."""
    bits = _hash(key, purpose, 0, minutes)
    first = (bits >> np.uint64(32)).astype(np.float64)
    second = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64)
    return first * second / 2.0**63


def _outliers(key: int, level: int, index: np.ndarray) -> np.ndarray:
    """1 nearly always, 4 once in 64 draws and 10 once in 2048."""
    bits = _hash(key, _SHOCK, 32 + level, index)
    large = np.where(bits % np.uint64(64) == 0, 4.0, 1.0)
    return np.where(bits % np.uint64(2048) == 1, 10.0, large)


def _hour_of_day(minutes: np.ndarray) -> np.ndarray:
    """Trading is busiest at 15:00 UTC and calmest at 03:00: a factor from 0.5 to 1.5."""
    return 1.5 - np.abs((minutes - 180) % 1440 / 720.0 - 1.0)


def _exp(x: np.ndarray) -> np.ndarray:
    """exp(x) to about x*x/8192, in operations that round alike on every machine."""
    y = 1.0 + x / 4096.0
    for _ in range(12):
        y = y * y
    return np.asarray(y)


def _cents(prices: np.ndarray) -> np.ndarray:
    return np.maximum(np.floor(prices / TICK + 0.5), 1.0) / 100.0
