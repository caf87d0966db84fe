"""Plain words for the codes that rows carry: reasons of scans and rules of the gate."""

from __future__ import annotations

from collections.abc import Sequence

from trading.core import gate

REASONS = {
    "not_due": "not asked at this minute",
    "warming_up": "too few bars known yet",
    "bad_data": "a price of the window is missing",
    "flat_market": "the market hardly moves",
    "volatility_too_low": "it moves too little to pay the costs",
    "volatility_too_high": "it moves too much for a stop and a target",
    "inside_range": "the close is inside its range",
    "against_trend": "the breakout is against the trend",
    "breakout": "the close left its range with the trend",
    "no_excess": "no excess to fade",
    "still_leaving": "the price still runs away from its mean",
    "trend_runs": "the trend is too strong to fade",
    "excess_ended": "the close came back inside its band",
    "not_first_bar": "it buys on the first bar of the day only",
    "day_began": "the first bar of the day",
    "strategy_error": "the strategy failed; nothing was traded",
    "gap": "minutes are missing",
    "signal": "a signal",
    "approved": "approved by every rule",
}


def reason(code: str) -> str:
    """A code in words; an unknown code is shown as it stands, without underscores."""
    return REASONS.get(code) or _inside(rule(code))


def _inside(title: str) -> str:
    """A title as it stands inside a sentence."""
    return title[:1].lower() + title[1:]


def rule(code: str) -> str:
    """The title of a rule of the gate."""
    return gate.CODES.get(code) or code.replace("_", " ")


def answer(*, approved: bool, codes: Sequence[str]) -> str:
    """A signal's answer from the gate, as a list shows it."""
    if approved:
        return "approved"
    return f"refused: {', '.join(reason(code) for code in codes)}"
