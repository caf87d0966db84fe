"""The paper venue on rows: its book in the database, its bars from the candle store."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction

from trading import candle_store
from trading.models import Account, Market, PaperBook, PaperEntry
from trading.selectors import risk
from trading.venues.paper import Entry, Head, PaperVenue


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
        marks = {symbol: [ms, price] for symbol, (ms, price) in now.marks.items()}
        with transaction.atomic():
            changed = PaperBook.objects.filter(
                pk=self._book.pk, sequence=was.sequence, fencing__lte=now.fencing
            ).update(sequence=now.sequence, fencing=now.fencing, seen_to=marks)
            if not changed:
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


def venue_for(account: Account) -> PaperVenue:
    """The account's paper venue, its state read from the book."""
    return PaperVenue(
        number=account.number,
        currency=account.currency,
        initial_balance=Decimal(account.initial_balance),
        instruments=risk.instruments_of(account),
        book=RowBook(account.pk),
    )


def advance(venue: PaperVenue, *, source: str) -> int:
    """Let the venue see every stored bar it has not seen in the markets where it is exposed; deals made."""
    wanted = venue.exposed()
    if not wanted:
        return 0
    deals = 0
    markets = Market.objects.filter(source=source, key__in=wanted)
    for market_id, key, newest_ms in markets.values_list("pk", "key", "newest_ms"):
        if newest_ms is not None and newest_ms >= wanted[key]:
            deals += venue.advance(key, candle_store.between(market_id, wanted[key], newest_ms + 1))
    return deals
