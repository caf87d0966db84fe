"""The sources of candles by name.

To add one: write a module with a class that fulfils ``base.Feed`` and name it here; the contract
in ``tests/feeds`` runs over every name. Who needs only the errors imports ``base`` and holds
neither pyarrow nor an HTTP client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from trading.feeds.base import Feed, FeedRejected
from trading.feeds.ccxt import CcxtFeed
from trading.feeds.coinbase import CoinbaseFeed
from trading.feeds.replay import ReplayFeed
from trading.feeds.synthetic import SyntheticFeed

FEEDS: Mapping[str, Callable[..., Feed]] = MappingProxyType(
    {"coinbase": CoinbaseFeed, "ccxt": CcxtFeed, "synthetic": SyntheticFeed, "replay": ReplayFeed}
)


def make_feed(name: str, **options: object) -> Feed:
    """The feed of this name; ``ccxt:binance`` is the exchange binance through ccxt.

    options: the keyword arguments of the feed's class.  Raises FeedRejected for an unknown name
    and whatever the class raises for its options.
    """
    family, _, exchange = name.partition(":")
    if family not in FEEDS or bool(exchange) != (family == "ccxt") or name.endswith(":"):
        known = ", ".join("ccxt:<exchange>" if feed == "ccxt" else feed for feed in FEEDS)
        raise FeedRejected(f"there is no feed {name!r}; known are {known}")
    return FEEDS[family](exchange, **options) if exchange else FEEDS[family](**options)
