"""Margin as the venue works it out, when an order is about to be claimed."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from tests.services.worlds import NOW, Broker, World, make_close, make_intent, make_signal, state_of
from trading.core.types import IntentState, Margin
from trading.models import Account, Market, OrderIntent
from trading.services import margins
from trading.services.claims import request
from trading.services.desk import Desk
from trading.venues.base import VenueUnavailable
from trading.venues.paper import PaperVenue
from trading.venues.paper_book import MemoryBook

pytestmark = pytest.mark.django_db


def venue_of(account: Account) -> PaperVenue:
    """A broker of its own that takes 30 % of notional."""
    markets = Market.objects.filter(source=account.source)
    return PaperVenue(
        number=account.number,
        currency=account.currency,
        initial_balance=account.initial_balance,
        instruments={m.key: replace(m.instrument(), margin_rate=D("0.3")) for m in markets},
        book=MemoryBook(),
    )


def test_an_entry_takes_what_the_venue_says(world: World) -> None:
    """Two lots that may fill as high as the target of 102: 0.3 of 204."""
    intent = make_intent(world, lots=D(2))
    found = margins.by_venue(venue_of(world.account), intent, now=NOW)
    assert found == Margin(free=D(100000), per_lot=D("30.60"))


def test_entries_that_the_venue_does_not_hold_yet_are_taken_off(wide_world: World) -> None:
    first, *others = list(wide_world.markets.values())[:6]
    intent = make_intent(wide_world, signal=make_signal(wide_world, market=first), lots=D(2))
    states = [
        IntentState.PENDING,
        IntentState.SENDING,
        IntentState.UNKNOWN,
        IntentState.REJECTED,
        IntentState.PLACED,
    ]
    for market, state in zip(others, states, strict=True):
        make_intent(wide_world, signal=make_signal(wide_world, market=market), lots=D(1), state=state)
    found = margins.by_venue(venue_of(wide_world.account), intent, now=NOW)
    assert found == Margin(free=D(100000) - 3 * D("30.60"), per_lot=D("30.60"))


def test_what_the_venue_holds_is_taken_off_by_the_venue(world: World) -> None:
    venue = venue_of(world.account)
    resting = make_intent(world, lots=D(1))
    venue.send(request(resting), fencing=1, now=NOW)
    OrderIntent.objects.update(state=IntentState.PLACED)
    intent = make_intent(world, signal=make_signal(world, open_ms=5), lots=D(2))
    assert margins.by_venue(venue, intent, now=NOW) == Margin(free=D(100000) - D("30.60"), per_lot=D("30.60"))


def test_what_closes_takes_no_margin(world: World) -> None:
    venue = venue_of(world.account)
    assert margins.by_venue(venue, make_close(world, ticket="T-1"), now=NOW) is None


def test_a_market_that_is_not_traded_there_has_nothing_free(world: World) -> None:
    venue = PaperVenue(
        number="7", currency="USD", initial_balance=D(100000), instruments={}, book=MemoryBook()
    )
    assert margins.by_venue(venue, make_intent(world), now=NOW) == margins.NONE_FREE


def test_without_an_answer_nothing_is_guessed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: PaperVenue, now: Any) -> D:
        raise VenueUnavailable("no route to the broker")

    monkeypatch.setattr(PaperVenue, "margin_free", away)
    with pytest.raises(VenueUnavailable):
        margins.by_venue(venue_of(world.account), make_intent(world), now=NOW)


@pytest.mark.parametrize(
    ("free", "state"),
    [(D(2), IntentState.PLACED), (D("1.13"), IntentState.DENIED), (D(-5), IntentState.DENIED)],
)
def test_the_desk_asks_the_venue_before_it_claims(
    world: World, broker: Broker, monkeypatch: pytest.MonkeyPatch, free: D, state: IntentState
) -> None:
    """A hundredth of a lot takes 1.02; 90 % of what is free may be taken."""
    monkeypatch.setattr(PaperVenue, "margin_free", lambda self, now: free)
    intent = make_intent(world)
    Desk("one").tick(now=NOW)
    intent.refresh_from_db()
    assert intent.state == state
    if state is IntentState.DENIED:
        assert intent.answer.startswith("margin: ")
        assert not broker.sent


def test_a_venue_that_says_no_margin_is_sent_nothing(
    world: World, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: PaperVenue, now: Any) -> D:
        raise VenueUnavailable("no route to the broker")

    monkeypatch.setattr(PaperVenue, "margin_free", away)
    intent = make_intent(world)
    Desk("one").tick(now=NOW)
    assert state_of(intent) is IntentState.PENDING
    assert not broker.sent
