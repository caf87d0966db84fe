"""The rule strategies by name, with their parameters, and what their reasons mean."""

from __future__ import annotations

from trading.strategies.base import Strategy
from trading.strategies.buy_and_hold import BuyAndHold
from trading.strategies.mean_reversion import MeanReversion
from trading.strategies.momentum import Momentum

ALL: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Momentum(channel=60, margin=0.5, fast=30, slow=240, trend=2.0, target=1.5, stop=1.0),
        MeanReversion(band=60, width=2.3, slow=240, look_back=60, trend=4.0, target=0.8, stop=1.2),
        BuyAndHold(target=10.0, stop=10.0, days=30),
    )
}

REASONS: dict[str, str] = {
    "warming_up": "There are not enough bars yet to judge.",
    "bad_data": "A price of the window is missing or not above zero.",
    "flat_market": "The price has hardly moved.",
    "volatility_too_low": "The market moves too little to bear the costs.",
    "volatility_too_high": "The market moves too much for a bracket.",
    "not_due": "The strategy is not asked at this minute.",
    "inside_range": "The close is inside the range.",
    "against_trend": "The close left the range against the trend.",
    "breakout": "The close left the range with the trend.",
    "no_excess": "The close is inside its band, as before.",
    "still_leaving": "The close is outside its band and has not come back.",
    "trend_runs": "A trend runs, so the return is not bet on.",
    "excess_ended": "The close came back inside its band.",
    "not_first_bar": "It buys on the first bar of the UTC day only.",
    "day_began": "The first bar of the UTC day.",
}
