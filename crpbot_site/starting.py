"""What every start does before it serves: choose the source of prices, migrate, and make what is missing."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from trading.core.types import TradingState
from trading.feeds.base import FeedRejected, FeedUnavailable
from trading.feeds.registry import make_feed
from trading.services import bootstrap, kill_switch

PING_SECONDS = 4.0


def sources() -> bootstrap.Sources:
    """The source that CRPBOT_FEED names; with auto, Coinbase when it answers, else the synthetic market."""
    feed, symbols = settings.CRPBOT.feed, settings.CRPBOT.markets
    if feed == "synthetic":
        why = "CRPBOT_FEED is synthetic: the synthetic market is shown, its prices are made up."
        return bootstrap.Sources(real="coinbase", symbols=symbols, reached=False, why=why)
    if feed != "auto":
        return bootstrap.Sources(real=feed, symbols=symbols, reached=True)
    try:
        make_feed("coinbase", base_url=settings.CRPBOT.coinbase_url, timeout=PING_SECONDS).ping()
    except (FeedUnavailable, FeedRejected) as error:
        why = (
            f"{error}. The synthetic market is shown instead, its prices are made up."
            " Coinbase is asked again at the next start."
        )
        return bootstrap.Sources(real="coinbase", symbols=symbols, reached=False, why=why)
    return bootstrap.Sources(real="coinbase", symbols=symbols, reached=True)


def make_rows(*, now: datetime) -> tuple[bootstrap.Sources, bootstrap.Bootstrapped]:
    """Choose the source, then make what is missing; asks Coinbase when CRPBOT_FEED is auto."""
    chosen = sources()
    password = settings.CRPBOT.admin_password
    owner = bootstrap.Owner(
        name=settings.CRPBOT.admin_user, password=password.get_secret_value() if password else None
    )
    return chosen, bootstrap.run(now=now, sources=chosen, owner=owner)


def sentences(chosen: bootstrap.Sources, made: bootstrap.Bootstrapped) -> list[str]:
    """What a start has to tell the person in front of it, the password apart."""
    lines = [chosen.why or f"Prices come from {chosen.real}: {', '.join(chosen.symbols)}."]
    if made.markets:
        lines.append(f"Markets made: {', '.join(made.markets)}.")
    if made.accounts:
        lines.append(f"Paper accounts made: {', '.join(made.accounts)}.")
    if made.opened:
        lines.append("Trading is open on paper; `manage.py halt` stops it.")
    held = kill_switch.effective()
    if held.state is not TradingState.ACTIVE:
        lines.append(f"Trading is {held.state.upper()} ({held.source}: {held.reason}).")
    return lines
