"""Feeds by name."""

import operator
import subprocess
import sys
from pathlib import Path

import pytest

from trading.feeds.base import FeedRejected
from trading.feeds.coinbase import CoinbaseFeed
from trading.feeds.registry import FEEDS, make_feed
from trading.feeds.synthetic import SyntheticFeed


def test_a_name_makes_its_feed_with_its_options() -> None:
    assert isinstance(make_feed("synthetic", seed=5), SyntheticFeed)
    feed = make_feed("coinbase", base_url="http://127.0.0.1:9")
    assert isinstance(feed, CoinbaseFeed)
    feed.close()


@pytest.mark.parametrize("name", ["", "kraken", "ccxt", "ccxt:", "coinbase:x", "Coinbase", "replay:"])
def test_other_names_are_refused_with_the_list(name: str) -> None:
    with pytest.raises(FeedRejected, match="known are coinbase, ccxt:<exchange>, synthetic, replay"):
        make_feed(name)


def test_options_that_no_feed_has_are_mistakes() -> None:
    with pytest.raises(TypeError, match="colour"):
        make_feed("synthetic", colour="red")


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        operator.setitem(FEEDS, "x", SyntheticFeed)


def test_who_needs_only_the_errors_holds_no_files_and_no_network() -> None:
    code = (
        "import sys; import trading.feeds.base, trading.feeds.validation; "
        "print([name for name in ('pyarrow', 'httpx', 'jwt', 'ccxt') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
