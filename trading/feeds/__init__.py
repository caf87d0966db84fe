"""Sources of candles, registered by name.

To add one: write a module with a class that fulfils ``base.Feed`` and name it in ``FEEDS``; the
contract in ``tests/feeds`` runs over every name.
"""

from __future__ import annotations

import importlib
from typing import cast

from trading.feeds.base import Feed, FeedRejected

# Dotted names, loaded when asked for: a process that needs only the errors holds neither pyarrow
# nor an HTTP client.
FEEDS: dict[str, tuple[str, str]] = {
    "coinbase": ("trading.feeds.coinbase", "CoinbaseFeed"),
    "ccxt": ("trading.feeds.ccxt", "CcxtFeed"),
    "synthetic": ("trading.feeds.synthetic", "SyntheticFeed"),
    "replay": ("trading.feeds.replay", "ReplayFeed"),
}


def make_feed(name: str, **options: object) -> Feed:
    """The feed of this name; ``ccxt:binance`` is the exchange binance through ccxt.

    options: the keyword arguments of the feed's class.  Raises FeedRejected for an unknown name
    and whatever the class raises for its options.
    """
    family, _, rest = name.partition(":")
    if family not in FEEDS or bool(rest) != (family == "ccxt"):
        known = ", ".join("ccxt:<exchange>" if feed == "ccxt" else feed for feed in FEEDS)
        raise FeedRejected(f"there is no feed {name!r}; known are {known}")
    if rest:
        options["exchange"] = rest
    module, kind = FEEDS[family]
    return cast(Feed, getattr(importlib.import_module(module), kind)(**options))
