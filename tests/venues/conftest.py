"""A paper venue with round costs: 10 bp to each side of the price, 5 bp slippage, 0.1 % commission."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.venues import orders
from trading.core.types import Instrument
from trading.venues.paper import PaperVenue
from trading.venues.paper_book import Book, MemoryBook


@pytest.fixture
def instrument() -> Instrument:
    return orders.INSTRUMENT


@pytest.fixture
def make_venue() -> Callable[..., PaperVenue]:
    """Build a venue of 10,000; ``book`` is where it stands, other names change its way of filling."""

    def build(*, book: Book | None = None, latency: timedelta = timedelta(0), **changes: Any) -> PaperVenue:
        return PaperVenue(
            number="1",
            currency="USD",
            initial_balance=D(10_000),
            instruments=orders.INSTRUMENTS,
            book=MemoryBook() if book is None else book,
            latency=latency,
            **changes,
        )

    return build
