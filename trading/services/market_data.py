"""Candles from their sources into the store: the live edge each minute, and history on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, Q
from pydantic import SecretStr

from trading import candle_store
from trading.candle_store import Appended, GapChanges, Stretch
from trading.core.timeframes import DAY_MS, MINUTE_MS
from trading.core.types import Candles, ms_from_utc, utc_from_ms
from trading.feeds.base import Feed, FeedRejected, FeedUnavailable, Fetched, OutOfReach
from trading.feeds.registry import make_feed
from trading.models import Event, Market
from trading.selectors import rows
from trading.services import events

# The first fetch of a market reaches so far back that every indicator of the scan is warmed up.
WARM_UP = timedelta(hours=36)
# So many bars are read again each time: sources restate the newest ones.
REREAD_BARS = 5
# One fetch ends after so many pages; after a long absence the following minutes do the rest.
MAX_PAGES = 60
# A source shows a closed bar some seconds after its end.
GRACE_SECONDS = 4.0
# More outages than this in one answer are told in one sentence.
_TOLD_SINGLY = 5
_REFUSED = "refused: "
# A file is stored in pieces of so many bars, so that progress shows and memory does not grow.
IMPORT_BARS = 100_000
# Candles that came from a file have no source to ask.
FILE_SOURCE = "replay"
# What every minute's fetch needs of a market; the whole row is read when there is something to tell.
_EDGE = """
    SELECT source, symbol, fetched_to_ms, CASE WHEN unavailable_since IS NULL THEN 0 ELSE 1 END
    FROM trading_market WHERE id = %s
"""
# Never backwards: of two fetches that ran at once the one that saw less may finish last.
_MOVE_EDGE = """
    UPDATE trading_market SET fetched_to_ms = %s
    WHERE id = %s AND (fetched_to_ms IS NULL OR fetched_to_ms < %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One step of a backfill: what was stored, and up to which minute the source has answered."""

    appended: Appended
    refused: int
    start_ms: int
    end_ms: int

    @property
    def progressed(self) -> bool:
        """False when the source could not settle even the first minute asked for."""
        return self.end_ms > self.start_ms


@cache
def feed_for(source: str) -> Feed:
    """The feed of a market's source, made from the settings once a process; it paces its own requests.

    Raises FeedRejected for an unknown source or unusable settings.
    """
    return make_feed(source, **_options(source))


def _options(source: str) -> dict[str, Any]:
    crpbot = settings.CRPBOT
    if source == "coinbase":
        return {
            "base_url": crpbot.coinbase_url,
            "key_name": crpbot.coinbase_key_name,
            "key_secret": _revealed(crpbot.coinbase_key_secret),
        }
    if source == "synthetic":
        return {"seed": crpbot.synthetic_seed}
    options: dict[str, Any] = {}
    if source.startswith("ccxt:"):
        options["url"] = crpbot.ccxt_url
    if source == "ccxt:binance":
        options["api_key"] = _revealed(crpbot.binance_api_key)
        options["secret"] = _revealed(crpbot.binance_api_secret)
    return options


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def grace_wait(now: datetime) -> float:
    """Seconds to wait at ``now`` so that the bar that just closed is shown by its source; 0 to 4."""
    return max(0.0, GRACE_SECONDS - now.second - now.microsecond / 1e6)


def fetch_all(*, now: datetime) -> dict[str, int]:
    """Fetch every enabled market's closed bars; market key to number of new candles.

    One market's failure does not stop the others; errors that are no feed's are raised together
    at the end as an ExceptionGroup.
    """
    counts: dict[str, int] = {}
    errors: list[Exception] = []
    for market in Market.objects.filter(enabled=True).exclude(source=FILE_SOURCE):
        try:
            counts[market.key] = fetch(market_id=market.pk, now=now)
        except Exception as error:  # the others have their turn first, then all errors are raised
            errors.append(error)
    if errors:
        raise ExceptionGroup("candles could not be fetched", errors)
    return counts


def fetch(*, market_id: int, now: datetime, until: datetime | None = None, feed: Feed | None = None) -> int:
    """Store one market's bars that closed since the last time; returns how many are new.

    Reads the last ``REREAD_BARS`` bars again.  A source that fails leaves an event when it begins to
    fail and when it is back, and never a row; what was stored before it failed stays.
    until: bars open before it; left out, ``now``.  feed: in place of the market's own source.
    """
    found = rows.query(_EDGE, (market_id,))
    if not found:
        raise Market.DoesNotExist(f"there is no market with the id {market_id}")
    ((name, symbol, fetched_to_ms, is_away),) = found
    end = _minute(until or now)
    new = 0
    try:
        source = feed or feed_for(name)
        reached = fetched_to_ms or ms_from_utc(_minute(now - WARM_UP))
        since_ms = reached - REREAD_BARS * MINUTE_MS if fetched_to_ms else reached
        for _ in range(MAX_PAGES):
            since = utc_from_ms(since_ms)
            try:
                page = source.fetch_closed(symbol=symbol, since=since, until=end, now=now)
            except OutOfReach as error:
                # Not an error at the live edge: what lies before stays "not yet fetched".
                since_ms = reached = ms_from_utc(error.oldest)
                continue
            new += _store(market_id, page, since_ms=since_ms, now=now, live=True).new
            since_ms = _complete_ms(page)
            if since_ms <= reached or since_ms >= ms_from_utc(end):
                break
            reached = since_ms
    except (FeedUnavailable, FeedRejected) as error:
        _note_failure(Market.objects.get(pk=market_id), error, now=now)
    else:
        if is_away:
            _note_recovery(Market.objects.get(pk=market_id), now=now)
    return new


def backfill_page(
    *, market_id: int, start_ms: int, end_ms: int, now: datetime, feed: Feed | None = None
) -> Page | None:
    """Store the oldest page of ``[start_ms, end_ms)`` that was never asked for; None when none is left.

    Candles and the note that they were asked for are one transaction: killed at any moment, the next
    call goes on where the last page ended.  Raises FeedUnavailable and FeedRejected.
    """
    missing = candle_store.uncovered(market_id, start_ms, end_ms)
    if not missing:
        return None
    market = Market.objects.get(pk=market_id)
    source = feed or feed_for(market.source)
    since_ms, until_ms = missing[0]
    answer = source.fetch_closed(
        symbol=market.symbol, since=utc_from_ms(since_ms), until=utc_from_ms(until_ms), now=now
    )
    appended = _store(market.pk, answer, since_ms=since_ms, now=now, live=False)
    reached = max(since_ms, _complete_ms(answer))
    return Page(appended=appended, refused=answer.refused, start_ms=since_ms, end_ms=reached)


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _complete_ms(page: Fetched) -> int:
    return ms_from_utc(_minute(page.complete_to))


def _store(market_id: int, page: Fetched, *, since_ms: int, now: datetime, live: bool) -> Appended:
    """Candles, what they say of gaps, and how far they reach: all in one transaction."""
    complete_ms = _complete_ms(page)
    if not len(page.candles) and complete_ms <= since_ms and not page.refused:
        return Appended()
    with transaction.atomic():
        appended = _append(market_id, page.candles, now=now)
        if complete_ms > since_ms:
            changes = candle_store.mark_complete(market_id, from_ms=since_ms, to_ms=complete_ms, now=now)
            if changes.outages or changes.filled:
                _tell_gaps(Market.objects.get(pk=market_id), changes, now=now)
        if live and complete_ms > since_ms:
            _move_edge(market_id, complete_ms)
        if page.refused:
            _tell_refused(Market.objects.get(pk=market_id), page, now=now)
    return appended


def _append(market_id: int, candles: Candles, *, now: datetime) -> Appended:
    if not len(candles):
        # Taken by the store when there are candles: coverage and gaps are changed by one at a time.
        Market.objects.select_for_update().get(pk=market_id)
        return Appended()
    try:
        return candle_store.append(market_id, candles, now=now)
    except ValueError as error:
        source = Market.objects.get(pk=market_id).source
        raise FeedUnavailable(f"{source} gave candles that cannot be: {error}") from error


def _move_edge(market_id: int, complete_ms: int) -> None:
    """Every minute's statement, so it is plain SQL: building it costs more than running it."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_EDGE, (complete_ms, market_id, complete_ms))


def _tell_refused(market: Market, page: Fetched, *, now: datetime) -> None:
    """Count refused rows and say so once: the same rows come again while they are read again."""
    last = Event.objects.filter(kind="candles_refused", market=market).order_by("-id").first()
    # The example names its bar, then the values in brackets: those of a running bar still change.
    bar = page.refused_example.partition(" (")[0]
    again = last is not None and last.data["example"].partition(" (")[0] == bar
    known = last.data["refused"] if last is not None and again else 0
    if page.refused <= known:
        return
    Market.objects.filter(pk=market.pk).update(refused_candles=F("refused_candles") + page.refused - known)
    events.record(
        "candles_refused",
        now=now,
        severity="warning",
        market_id=market.pk,
        text=f"{market}: {page.refused} impossible candles refused, first {page.refused_example}",
        data={"refused": page.refused, "example": page.refused_example},
    )


def _tell_gaps(market: Market, changes: GapChanges, *, now: datetime) -> None:
    """Events about outages: seen for the first time, or filled by late bars."""
    for kind, severity, word, stretches in (
        ("gap_outage", "warning", "no candles, an outage of the source", changes.outages),
        ("gap_filled", "info", "late candles arrived in an outage", changes.filled),
    ):
        for stretch in stretches[:_TOLD_SINGLY]:
            events.record(
                kind,
                now=now,
                severity=severity,
                market_id=market.pk,
                text=f"{market}: {word}, {_words(stretch)}",
                data={"start_ms": stretch.start_ms, "end_ms": stretch.end_ms},
            )
        if rest := stretches[_TOLD_SINGLY:]:
            text = f"{market}: {word}, {len(rest)} more times, {_minutes(rest)} minutes in all"
            events.record(kind, now=now, severity=severity, market_id=market.pk, text=text)


def _words(stretch: Stretch) -> str:
    start, end = utc_from_ms(stretch.start_ms), utc_from_ms(stretch.end_ms)
    return f"{stretch.minutes} minutes from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def _minutes(stretches: Iterable[Stretch]) -> int:
    return sum(stretch.minutes for stretch in stretches)


def _note_failure(market: Market, error: FeedUnavailable | FeedRejected, *, now: datetime) -> None:
    """Mark the market as without its source; the event is written when that begins or becomes final."""
    final = isinstance(error, FeedRejected)
    reason = f"{_REFUSED}{error}" if final else str(error)
    news = Q(unavailable_since__isnull=True)
    if final:
        news |= ~Q(unavailable_reason__startswith=_REFUSED)
    with transaction.atomic():
        told = Market.objects.filter(news, pk=market.pk).update(
            unavailable_since=market.unavailable_since or now, unavailable_reason=reason[:300]
        )
        if not told:
            return
        remedy = "a setting or the market must change" if final else "it is asked again each minute"
        events.record(
            "feed_rejected" if final else "feed_unavailable",
            now=now,
            severity="error" if final else "warning",
            market_id=market.pk,
            text=f"{market}: no candles from {market.source}, {remedy}: {error}",
            data={"reason": reason},
        )


def _note_recovery(market: Market, *, now: datetime) -> None:
    with transaction.atomic():
        back = Market.objects.filter(pk=market.pk, unavailable_since__isnull=False).update(
            unavailable_since=None, unavailable_reason=""
        )
        if back and market.unavailable_since is not None:
            minutes = round((now - market.unavailable_since).total_seconds() / 60)
            text = f"{market}: candles come from {market.source} again after {minutes} minutes"
            events.record("feed_back", now=now, market_id=market.pk, text=text, data={"minutes": minutes})


def import_candles(
    *,
    key: str,
    candles: Candles,
    now: datetime,
    create_from: str | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Appended:
    """Store a file's candles in the market ``key``, all of them or none.

    What is missing between two bars counts as asked for and absent, unless more than a day is
    missing: a file with such a break does not know of that time.
    create_from: make the market, not fetched, with this source.  told: called with the minutes and
    bars of each part.  Raises ValueError for impossible candles, for a synthetic market, and for one
    that exists although it should be made, Market.DoesNotExist when it does not exist.
    """
    total = Appended()
    with transaction.atomic():
        market = Market.objects.get(key=key) if create_from is None else _create(key, create_from)
        if market.synthetic:
            raise ValueError(f"{market} makes its own prices, a file's do not belong there")
        for part, end_ms in _parts(candles):
            first_ms = int(part.open_ms[0])
            total += candle_store.append(market.pk, part, now=now)
            changes = candle_store.mark_complete(market.pk, from_ms=first_ms, to_ms=end_ms, now=now)
            _tell_gaps(market, changes, now=now)
            if told:
                told((end_ms - first_ms) // MINUTE_MS, len(part))
        text = f"{market}: {total.new} new and {total.restated} restated candles imported from a file"
        events.record("candles_imported", now=now, market_id=market.pk, text=text)
    return total


def _create(key: str, source: str) -> Market:
    if Market.objects.filter(key=key).exists():
        raise ValueError(f"the market {key} exists already")
    market = Market(key=key, symbol=key, source=source, synthetic=source == "synthetic", enabled=False)
    try:
        market.clean_fields(
            exclude={field.name for field in Market._meta.fields} - {"key", "symbol", "source"}
        )
    except ValidationError as error:
        raise ValueError(f"the market {key!r} cannot be made: {'; '.join(error.messages)}") from error
    market.save()
    return market


def _parts(candles: Candles) -> Iterator[tuple[Candles, int]]:
    """Pieces of at most ``IMPORT_BARS`` bars, each with the end of what the file knows there.

    That is the next bar; before a break of more than a day it is the end of the piece's last bar.
    """
    breaks = np.flatnonzero(np.diff(candles.open_ms) > DAY_MS + MINUTE_MS) + 1
    for first, end in pairwise([0, *breaks.tolist(), len(candles)]):
        for start in range(first, end, IMPORT_BARS):
            stop = min(start + IMPORT_BARS, end)
            known_to = candles.open_ms[stop] if stop < end else candles.open_ms[stop - 1] + MINUTE_MS
            yield candles[start:stop], int(known_to)
