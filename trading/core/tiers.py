"""Confidence from realised outcomes, expected value after costs, and the tier they earn."""

from __future__ import annotations

from decimal import Decimal

from trading.core.guards import BASIS_POINT, count, finite, not_negative, positive
from trading.core.types import Bracket, Confidence, Tier

HIGH = Decimal("0.75")
MEDIUM = Decimal("0.65")
PROVEN_OUTCOMES = 30
Z_95 = Decimal("1.959963984540054")
PLACES = Decimal("0.0001")


def wilson(hits: int, n: int) -> Confidence:
    """The realised rate of ``hits`` in ``n`` with its 95 % Wilson interval, four places.

    ``n`` 0 is unknown: rate and interval are None.  Raises ValueError unless 0 <= hits <= n.
    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.
    """
    if count("hits", hits) > count("n", n):
        raise ValueError(f"hits must not exceed n {n}, was {hits}")
    if n == 0:
        return Confidence(rate=None, low=None, high=None, n=0)
    rate = Decimal(hits) / n
    spread = Z_95 * Z_95 / n
    centre = (rate + spread / 2) / (1 + spread)
    half = (rate * (1 - rate) * spread + spread * spread / 4).sqrt() / (1 + spread)
    low, high = max(centre - half, Decimal(0)), min(centre + half, Decimal(1))
    return Confidence(rate=rate.quantize(PLACES), low=low.quantize(PLACES), high=high.quantize(PLACES), n=n)


def expected_value_bp(confidence: Confidence, bracket: Bracket, round_trip_bp: Decimal) -> Decimal | None:
    """What a trade of this bracket brings on average, after costs, in basis points of its entry price.

    Every trade is taken to end at its target or its stop.  None while the rate is unknown.
    """
    costs = not_negative("round trip costs", round_trip_bp)
    if confidence.rate is None:
        return None
    rate = not_negative("rate", confidence.rate)
    gain = rate * positive("target", bracket.target)
    loss = (1 - rate) * positive("stop", bracket.stop)
    return ((gain - loss) / BASIS_POINT - costs).quantize(Decimal("0.01"))


def proven(confidence: Confidence) -> bool:
    """Whether there are enough outcomes to speak of a rate at all."""
    return confidence.known and count("n", confidence.n) >= PROVEN_OUTCOMES


def tier_of(confidence: Confidence, expected_value: Decimal | None) -> Tier:
    """The tier a signal has earned: Low unless its rate is proven and its expected value is above 0.

    Source: docs/risk_rules.md#tier.
    """
    if not proven(confidence) or confidence.rate is None or expected_value is None:
        return Tier.LOW
    if finite("expected value", expected_value) <= 0:
        return Tier.LOW
    rate = finite("rate", confidence.rate)
    if rate >= HIGH:
        return Tier.HIGH
    return Tier.MEDIUM if rate >= MEDIUM else Tier.LOW
