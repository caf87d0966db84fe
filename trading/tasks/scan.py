"""The queue `scan`: candles and what they are judged to be."""

import time

from celery import shared_task
from django.utils import timezone

from trading.services import market_data, scan


@shared_task(name="trading.fetch_candles", soft_time_limit=42, time_limit=54)
def fetch_candles() -> int:
    """Fetch the candles of every market that have closed since the last time; the number of new ones."""
    time.sleep(market_data.grace_wait(timezone.now()))
    return sum(market_data.fetch_all(now=timezone.now()).values())


@shared_task(name="trading.scan", soft_time_limit=84, time_limit=108)
def scan_markets() -> int:
    """Fetch, then judge every closed candle that has not been judged yet; the number of candles."""
    time.sleep(market_data.grace_wait(timezone.now()))
    try:
        market_data.fetch_all(now=timezone.now())
    finally:  # a market that cannot be fetched does not keep the others from being judged
        judged = scan.run_all(now=timezone.now())
    return judged
