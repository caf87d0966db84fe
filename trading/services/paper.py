"""The paper venue on rows: its book in the database, its bars from the candle store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from trading import candle_store
from trading.core.types import ms_from_utc
from trading.models import Account, Market, PaperBook, PaperEntry
from trading.selectors import risk
from trading.venues.paper import PaperVenue
from trading.venues.paper_book import Entry, Head

# Written every minute while a position is open: building this statement costs more than running it.
_MOVE = """
UPDATE trading_paperbook SET sequence = %s, fencing = %s, seen_to = %s
WHERE id = %s AND sequence = %s AND fencing <= %s
"""


class RowBook:
    """The paper venue's book as append-only rows; every write is one transaction of its own."""

    def __init__(self, account_id: int) -> None:
        self._book, _ = PaperBook.objects.get_or_create(account_id=account_id)

    def load(self) -> tuple[Head, list[Entry]]:
        self._book.refresh_from_db()
        book = self._book
        marks = {symbol: (int(ms), str(price)) for symbol, (ms, price) in book.seen_to.items()}
        entries = [
            Entry(
                sequence=row.sequence,
                kind=row.kind,
                magic=row.magic,
                ticket=row.ticket,
                body=row.body,
                at=row.at,
            )
            for row in PaperEntry.objects.filter(book=book)
        ]
        return Head(fencing=book.fencing, sequence=book.sequence, marks=marks), entries

    def write(self, *, was: Head, now: Head, entries: list[Entry]) -> bool:
        if not entries:
            return self._move(was, now)
        with transaction.atomic():
            if not self._move(was, now):
                return False
            PaperEntry.objects.bulk_create(
                PaperEntry(
                    book=self._book,
                    sequence=entry.sequence,
                    kind=entry.kind,
                    magic=entry.magic,
                    ticket=entry.ticket,
                    body=entry.body,
                    at=entry.at,
                )
                for entry in entries
            )
        return True

    def _move(self, was: Head, now: Head) -> bool:
        """Move the head by one conditional update; False when it is not at ``was`` or was fenced off."""
        marks = json.dumps({symbol: [ms, price] for symbol, (ms, price) in now.marks.items()})
        place = (self._book.pk, was.sequence, now.fencing)
        with connection.cursor() as cursor:
            cursor.execute(_MOVE, (now.sequence, now.fencing, marks, *place))
            return bool(cursor.rowcount)


def venue_for(account: Account) -> PaperVenue:
    """The account's paper venue, its state read from the book, which began with the account's first period."""
    return PaperVenue(
        number=account.number,
        currency=account.currency,
        initial_balance=Decimal(account.periods.get(sequence=1).opening_balance),
        instruments=risk.instruments_of(account),
        book=RowBook(account.pk),
    )


def refresh(venue: PaperVenue, account: Account) -> dict[str, int]:
    """Read how the account's markets trade now, and their ids by key."""
    markets = list(Market.objects.filter(source=account.source))
    venue.instruments = {market.key: market.instrument() for market in markets}
    return {market.key: market.pk for market in markets}


def advance(venue: PaperVenue, markets: Mapping[str, int], *, now: datetime) -> int:
    """Let the venue see every stored bar it has not seen in the markets where it is exposed; deals made.

    markets: ids by key, from ``refresh``.
    """
    deals = 0
    for key, from_ms in venue.exposed().items():
        candles = candle_store.between(markets[key], from_ms, ms_from_utc(now))
        if len(candles):
            deals += venue.advance(key, candles)
    return deals
