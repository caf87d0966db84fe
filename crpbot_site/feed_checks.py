"""The checks of `doctor` that ask the sources of prices themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from crpbot_site.checks import Finding, fail, ok
from trading.feeds.base import FeedRejected, FeedUnavailable
from trading.models import Market
from trading.services import market_data

SKEW_SECONDS = 5.0


def feeds(_now: datetime) -> Iterable[Finding]:
    """Each shown source is asked for a sign of life, and for its clock where it tells the time."""
    for source in sorted(set(Market.objects.filter(enabled=True).values_list("source", flat=True))):
        if source == market_data.FILE_SOURCE:
            continue
        try:
            feed = market_data.feed_for(source)
            feed.ping()
        except (FeedUnavailable, FeedRejected) as error:
            yield fail(f"feed {source}", f"{error}.", "Look at the network, or at CRPBOT_FEED.")
            continue
        yield ok(f"feed {source}", "It answers.")
        offset = getattr(feed, "clock_offset", None)
        if offset is not None:
            yield clock(source, offset.total_seconds())


def clock(source: str, seconds: float) -> Finding:
    """How far this machine's clock is from a source's."""
    text = f"This machine's clock differs by {abs(seconds):.1f} s from that of {source}."
    if abs(seconds) > SKEW_SECONDS:
        return fail("clock", text, "Synchronise the clock: `timedatectl set-ntp true`.")
    return ok("clock", text)
