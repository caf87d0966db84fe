"""The paper venue against tables of bars worked out by hand, and against itself after every reading of its book."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.candles import Row, make_candles
from tests.venues.orders import START_MS, SYMBOL, at, cancel, entry, leave, state
from trading.core.types import Candles, Deal, DealKind, ExitReason, OrderRequest, Side, utc_from_ms
from trading.models import Account
from trading.services import bootstrap
from trading.services.paper import RowBook
from trading.venues.base import VenueRejected, VenueUnavailable
from trading.venues.paper import PRICE_LASTS, PaperVenue
from trading.venues.paper_book import Book, MemoryBook

Venues = Callable[..., PaperVenue]

LONG_IN = "in 2 100.15 0 -0.20 @1"
SHORT_IN = "in 2 99.85 0 -0.20 @1"


def written(deal: Deal) -> str:
    """A deal in one line: in or out, lots, price, profit, commission, the minute, and why."""
    minute = (deal.at - at(0)).total_seconds() / 60
    words = ("in" if deal.entry else "out", deal.lots.normalize(), deal.price, deal.profit, deal.commission)
    return f"{words[0]} {words[1]:f} {words[2]} {words[3]} {words[4]} @{minute:g}" + (
        f" {deal.reason}" if deal.reason else ""
    )


@dataclass(frozen=True)
class Case:
    """An order sent half a minute before the bar of minute 1, the bars from minute 0 on, and the deals they make."""

    name: str
    bars: list[Row]
    deals: list[str]
    order: OrderRequest = field(default_factory=entry)
    sent: float = 0.5
    latency: float = 0.0
    resting: bool = False


SHORT = entry(side=Side.SHORT)
THIN = (100.0, 100.0, 100.0, 100.0, 5.0)
CASES = [
    Case("waits for its bar", [100.0], [], resting=True),
    Case("fills at the next bar's open, not at a bar that runs", [50.0, 100.0], [LONG_IN]),
    Case("buys at the ask with slippage", [100.0, (100.0, 101, 99.5, 99.7)], [LONG_IN]),
    Case("sells at the bid with slippage", [100.0, 100.0], [SHORT_IN], order=SHORT),
    Case("sent with the minute meets its open", [100.0, 100.0], [LONG_IN], sent=1.0),
    Case("a millisecond later it waits", [100.0, 100.0], [], sent=1.0 + 1 / 60_000, resting=True),
    Case("travels for a minute and a half", [100.0, 90.0, 100.0], ["in 2 100.15 0 -0.20 @2"], latency=1.5),
    Case(
        "long to its target",
        [100.0, 100.0, (100, 103, 100, 102)],
        [LONG_IN, "out 2 102.00 3.70 -0.20 @3 target"],
    ),
    Case("the bid must reach a long's target", [100.0, 100.0, (100, 102.05, 100, 102)], [LONG_IN]),
    Case(
        "long to its stop, with slippage",
        [100.0, 100.0, (100, 100, 98.05, 99)],
        [LONG_IN, "out 2 97.95 -4.40 -0.20 @3 stop"],
    ),
    Case("the bid must reach a long's stop", [100.0, 100.0, (100, 100, 98.2, 99)], [LONG_IN]),
    Case(
        "a gap through a long's stop fills at the open",
        [100.0, 100.0, (95, 96, 94, 95)],
        [LONG_IN, "out 2 94.85 -10.60 -0.19 @3 stop"],
    ),
    Case(
        "a gap through a long's target pays the target only",
        [100.0, 100.0, (105, 106, 104, 105)],
        [LONG_IN, "out 2 102.00 3.70 -0.20 @3 target"],
    ),
    Case(
        "the stop comes before the target in one bar",
        [100.0, 100.0, (100, 103, 97, 100)],
        [LONG_IN, "out 2 97.95 -4.40 -0.20 @3 stop"],
    ),
    Case(
        "the bar of the entry can stop it out",
        [100.0, (100, 100, 97, 98)],
        [LONG_IN, "out 2 97.95 -4.40 -0.20 @2 stop"],
    ),
    Case(
        "who enters beyond the own stop leaves at once and gains nothing",
        [100.0, (95, 99, 94, 98)],
        ["in 2 95.15 0 -0.19 @1", "out 2 94.85 -0.60 -0.19 @2 stop"],
    ),
    Case(
        "short to its target",
        [100.0, 100.0, (100, 100, 97.9, 98)],
        [SHORT_IN, "out 2 98.00 3.70 -0.20 @3 target"],
        order=SHORT,
    ),
    Case(
        "the ask must reach a short's target", [100.0, 100.0, (100, 100, 97.95, 98)], [SHORT_IN], order=SHORT
    ),
    Case(
        "short to its stop, with slippage",
        [100.0, 100.0, (100, 101.95, 100, 101)],
        [SHORT_IN, "out 2 102.06 -4.42 -0.20 @3 stop"],
        order=SHORT,
    ),
    Case(
        "a gap through a short's stop fills at the open",
        [100.0, 100.0, (105, 106, 104, 105)],
        [SHORT_IN, "out 2 105.16 -10.62 -0.21 @3 stop"],
        order=SHORT,
    ),
    Case(
        "a short entered beyond its own stop gains nothing",
        [100.0, (105, 106, 101, 102)],
        ["in 2 104.84 0 -0.21 @1", "out 2 105.16 -0.64 -0.21 @2 stop"],
        order=SHORT,
    ),
    Case(
        "a thin market fills it bar by bar",
        [100.0, THIN, THIN, (101, 101, 101, 101, 5), THIN, 100.0],
        [
            "in 0.5 100.15 0 -0.05 @1",
            "in 0.5 100.15 0 -0.05 @2",
            "in 0.5 101.16 0 -0.05 @3",
            "in 0.5 100.15 0 -0.05 @4",
        ],
    ),
    Case(
        "what is not filled five minutes later is given up",
        [100.0, *[(100.0, 100, 100, 100, 1)] * 8],
        [f"in 0.1 100.15 0 -0.01 @{minute}" for minute in range(1, 7)],
    ),
    Case(
        "a bar without volume fills nothing",
        [100.0, (100, 100, 100, 100, 0), 100.0],
        ["in 2 100.15 0 -0.20 @2"],
    ),
    Case("less than a step of volume fills nothing", [100.0, (100, 100, 100, 100, 0.09)], [], resting=True),
    Case("absent minutes are waited for", [100.0, None, None, 100.0], ["in 2 100.15 0 -0.20 @3"]),
    Case("the bar five minutes later still counts", [100.0, *[None] * 5, 100.0], ["in 2 100.15 0 -0.20 @6"]),
    Case("a bar six minutes later comes too late", [100.0, *[None] * 6, 100.0], []),
    Case(
        "a stop while the rest still waits gives up the rest",
        [100.0, (100, 100, 97, 98, 5), 100.0, 100.0],
        ["in 0.5 100.15 0 -0.05 @1", "out 0.5 97.95 -1.10 -0.05 @2 stop"],
    ),
    Case(
        "lots of ten units, a grid of five hundredths, commission to the cent",
        [None, 1234.567, (1234.567, 1260, 1234, 1250)],
        # 1234.567 + 1.75 bp is 1234.783; ten units of 0.3 lots at 1234.80 cost 0.0325 % of 3704.40.
        ["in 0.3 1234.80 0 -1.20 @1", "out 0.3 1250.00 45.60 -1.22 @3 target"],
        order=entry(symbol="TEN-USD", lots="0.3", stop="1200", target="1250"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bars_and_the_deals_they_make(make_venue: Venues, case: Case) -> None:
    venue = make_venue(latency=timedelta(minutes=case.latency))
    venue.send(case.order, fencing=1, now=at(case.sent))
    made = venue.advance(case.order.symbol, make_candles(case.bars, start_ms=START_MS))
    deals = venue.deals(after="")
    assert [written(deal) for deal in deals] == case.deals
    assert made == len(deals)
    assert venue.resting() == (frozenset({1}) if case.resting else frozenset())
    booked = sum((deal.profit + deal.commission for deal in deals), D(0))
    assert venue.view(now=at(9)).balance == 10_000 + booked
    lots = sum((deal.lots if deal.entry else -deal.lots for deal in deals), D(0))
    assert [position.lots for position in venue.view(now=at(9)).positions] == ([lots] if lots else [])


def advanced(venue: PaperVenue, bars: list[Row], *, first: int = 1) -> PaperVenue:
    venue.advance(SYMBOL, make_candles(bars, start_ms=START_MS + first * 60_000))
    return venue


@pytest.fixture
def holding(make_venue: Venues) -> PaperVenue:
    """A venue that holds one long of 2, entered in minute 1; its ticket is 1."""
    venue = make_venue()
    venue.send(entry(), fencing=1, now=at(0.5))
    return advanced(venue, [100.0])


@pytest.mark.parametrize(
    ("comment", "reason"),
    [("time", ExitReason.TIME), ("manual", ExitReason.MANUAL), ("asked by Ada", ExitReason.MANUAL)],
)
def test_a_close_trades_at_the_next_open(holding: PaperVenue, comment: str, reason: ExitReason) -> None:
    holding.send(leave("1", comment=comment), fencing=1, now=at(1.5))
    assert holding.resting() == {99}
    advanced(holding, [(101, 101, 101, 101, 0)], first=2)
    # 101 less 15 bp is 100.8485, rounded against the seller; an exit needs no volume.
    assert [written(deal) for deal in holding.deals(after="")[1:]] == [f"out 2 100.84 1.38 -0.20 @2 {reason}"]
    assert not holding.resting()
    assert not holding.view(now=at(3)).positions


def test_part_of_a_position_can_be_closed(holding: PaperVenue) -> None:
    holding.send(leave("1", lots="0.5"), fencing=1, now=at(1.5))
    advanced(holding, [100.0], first=2)
    (left,) = holding.view(now=at(3)).positions
    assert (left.lots, left.entry) == (D("1.5"), D("100.15"))


def test_the_close_of_a_closed_position_is_refused(holding: PaperVenue) -> None:
    advanced(holding, [(100, 103, 100, 103)], first=2)
    with pytest.raises(VenueRejected) as refused:
        holding.send(leave("1"), fencing=1, now=at(3))
    assert refused.value.code == "no_position"


def test_a_position_that_ends_before_its_close_arrives_is_closed_once(holding: PaperVenue) -> None:
    holding.send(leave("1", magic=98), fencing=1, now=at(1.5))
    holding.send(leave("1", magic=99), fencing=1, now=at(1.5))
    advanced(holding, [100.0], first=2)
    assert len([deal for deal in holding.deals(after="") if not deal.entry]) == 1
    assert not holding.resting()


def test_a_close_gives_up_the_part_of_the_entry_that_still_waits(make_venue: Venues) -> None:
    venue = make_venue()
    venue.send(entry(), fencing=1, now=at(0.5))
    advanced(venue, [THIN])
    venue.send(leave("1", lots="2"), fencing=1, now=at(1.5))
    advanced(venue, [(100, 100, 100, 100, 0), 100.0, 100.0], first=2)
    assert not venue.view(now=at(5)).positions
    assert not venue.resting()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (entry(symbol="Y-USD"), "unknown_symbol"),
        (entry(deadline=at(0.4)), "expired"),
        (entry(lots="0"), "invalid_volume"),
        (entry(lots="-1"), "invalid_volume"),
        (entry(lots="0.015"), "invalid_volume"),
        (entry(lots="50.01"), "invalid_volume"),
        (replace(entry(), stop=None), "invalid_stops"),
        (replace(entry(), target=None), "invalid_stops"),
        (entry(stop="102", target="98"), "invalid_stops"),
        (entry(side=Side.SHORT, stop="98", target="102"), "invalid_stops"),
        (entry(stop="-1"), "invalid_stops"),
        (leave("7"), "no_position"),
    ],
)
def test_what_a_broker_would_not_take_is_refused(
    make_venue: Venues, request_: OrderRequest, code: str
) -> None:
    venue = make_venue()
    with pytest.raises(VenueRejected) as refused:
        venue.send(request_, fencing=1, now=at(0.5))
    assert refused.value.code == code
    assert not venue.resting()
    assert venue.find(request_.magic) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "TEN-USD"}, "no_position"),
        ({"side": Side.LONG}, "invalid_close"),
        ({"lots": D(0)}, "invalid_close"),
        ({"lots": D(-1)}, "invalid_close"),
    ],
)
def test_a_close_must_fit_its_position(holding: PaperVenue, change: dict[str, object], code: str) -> None:
    with pytest.raises(VenueRejected) as refused:
        holding.send(replace(leave("1"), **change), fencing=1, now=at(1.5))
    assert refused.value.code == code


def test_the_same_number_twice_makes_two_orders(make_venue: Venues) -> None:
    """As at a broker: there is no idempotency key, so whoever sends twice has two positions."""
    venue = make_venue()
    first, second = (venue.send(entry(7), fencing=1, now=at(0.5)).ticket for _ in range(2))
    assert first != second
    assert venue.find(7) == first
    advanced(venue, [100.0])
    assert {position.ticket for position in venue.view(now=at(2)).positions} == {first, second}


def test_what_is_not_there_is_not_found(make_venue: Venues) -> None:
    assert make_venue().find(1) is None


def test_bars_seen_before_change_nothing(holding: PaperVenue) -> None:
    bars = make_candles([(100, 103, 97, 100)], start_ms=START_MS + 120_000)
    assert holding.advance(SYMBOL, bars) == 1
    before = state(holding)
    assert holding.advance(SYMBOL, bars) == 0
    assert holding.advance(SYMBOL, make_candles([50.0, 50.0], start_ms=START_MS)) == 0
    assert state(holding) == before


def test_bars_from_before_the_entry_do_not_end_it(holding: PaperVenue) -> None:
    before = state(holding)
    assert holding.advance(SYMBOL, make_candles([50.0, (100, 150, 50, 100)], start_ms=START_MS)) == 0
    assert state(holding) == before


def test_a_position_is_worth_what_closing_it_would_bring(holding: PaperVenue) -> None:
    advanced(holding, [101.0], first=2)
    view = holding.view(now=at(3))
    (held,) = view.positions
    # The bid of 101 is 100.899, rounded against the seller.
    assert (held.price, held.profit) == (D("100.89"), D("1.48"))
    assert view.equity == view.balance + held.profit


def test_a_view_is_as_old_as_its_last_price_once_prices_stop(holding: PaperVenue) -> None:
    last = utc_from_ms(holding._marks[next(iter(holding._held.values())).symbol][0])
    assert holding.view(now=last + PRICE_LASTS).as_of == last + PRICE_LASTS
    late = last + PRICE_LASTS + timedelta(seconds=1)
    assert holding.view(now=late).as_of == last


def test_an_empty_account_needs_no_price(make_venue: Venues) -> None:
    now = at(0) + timedelta(days=30)
    assert make_venue().view(now=now).as_of == now


def test_deals_after_a_number(holding: PaperVenue) -> None:
    advanced(holding, [(100, 103, 100, 103)], first=2)
    everything = holding.deals(after="")
    assert len(everything) == 2
    assert holding.deals(after=everything[0].deal) == everything[1:]
    assert holding.deals(after=everything[1].deal) == []


# -- cancels ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cancel:
    """An entry sent half a minute before the bar of minute 1, a cancel, the bars, and the deals they make."""

    name: str
    cancelled: float
    bars: list[Row]
    deals: list[str]
    seen: int = 1
    resting_after: bool = False
    latency: float = 0.0


CANCELS = [
    Cancel("before its bar opened it ends at once", 0.75, [100.0, 100.0], []),
    Cancel("in the instant its bar opens it comes first", 1.0, [100.0, 100.0], []),
    Cancel(
        "after its bar opened it comes too late",
        1.0 + 1 / 60_000,
        [100.0, 100.0],
        [LONG_IN],
        resting_after=True,
    ),
    Cancel(
        "it ends what the thin bars before it left",
        2.5,
        [THIN] * 4,
        [
            "in 0.5 100.15 0 -0.05 @1",
            "in 0.5 100.15 0 -0.05 @2",
        ],
        resting_after=True,
    ),
    Cancel(
        "the bar that opens with it fills no more",
        2.0,
        [THIN] * 4,
        [
            "in 0.5 100.15 0 -0.05 @1",
        ],
        resting_after=True,
    ),
    Cancel(
        "bars that were seen already cannot come again",
        2.0,
        [THIN] * 4,
        [
            "in 0.5 100.15 0 -0.05 @1",
        ],
        seen=2,
    ),
    Cancel("it travels as an order does", 0.75, [100.0, 100.0], [LONG_IN], resting_after=True, latency=0.5),
]


@pytest.mark.parametrize("case", CANCELS, ids=lambda case: case.name)
def test_a_cancel_ends_what_was_not_filled_before_it_came(make_venue: Venues, case: Cancel) -> None:
    book = MemoryBook()
    venue = make_venue(book=book, latency=timedelta(minutes=case.latency))
    ticket = venue.send(entry(), fencing=1, now=at(0.5)).ticket
    bars = make_candles([100.0, *case.bars], start_ms=START_MS)
    venue.advance(SYMBOL, bars[: case.seen])
    assert venue.send(cancel(ticket), fencing=1, now=at(case.cancelled)).ticket == ticket
    assert venue.resting() == (frozenset({1}) if case.resting_after else frozenset())
    venue.advance(SYMBOL, bars[case.seen :])
    assert [written(deal) for deal in venue.deals(after="")] == case.deals
    assert not venue.resting()
    assert venue.find(77) == ticket
    assert [line.magic for line in book.entries if line.kind == "order"] == [1, 77]
    again = make_venue(book=book, latency=timedelta(minutes=case.latency))
    assert state(again) == state(venue)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ticket": "9"}, "no_order"),
        ({"symbol": "TEN-USD"}, "no_order"),
        ({"symbol": "Y-USD"}, "unknown_symbol"),
        ({"deadline": at(0.4)}, "expired"),
    ],
)
def test_a_cancel_must_name_an_order_that_waits(
    make_venue: Venues, change: dict[str, object], code: str
) -> None:
    venue = make_venue()
    ticket = venue.send(entry(), fencing=1, now=at(0.5)).ticket
    with pytest.raises(VenueRejected) as refused:
        venue.send(replace(cancel(ticket), **change), fencing=1, now=at(0.5))
    assert refused.value.code == code
    assert (venue.resting(), venue.find(77)) == ({1}, None)


def test_a_second_cancel_gives_back_nothing(make_venue: Venues) -> None:
    venue = make_venue()
    ticket = venue.send(entry(), fencing=1, now=at(0.5)).ticket
    for magic, minute in ((77, 1.5), (78, 3.5)):
        venue.send(cancel(ticket, magic), fencing=1, now=at(minute))
    advanced(venue, [THIN] * 4)
    assert [written(deal) for deal in venue.deals(after="")] == ["in 0.5 100.15 0 -0.05 @1"]
    assert not venue.resting()


def test_an_order_that_is_gone_cannot_be_cancelled(holding: PaperVenue) -> None:
    with pytest.raises(VenueRejected) as refused:
        holding.send(cancel("1"), fencing=1, now=at(1.5))
    assert refused.value.code == "no_order"
    assert holding.view(now=at(2)).positions


def test_a_close_that_waits_is_not_cancelled(holding: PaperVenue) -> None:
    """Its ticket is the position's; whoever flattens must never take back a close."""
    holding.send(leave("1"), fencing=1, now=at(1.5))
    with pytest.raises(VenueRejected) as refused:
        holding.send(cancel("1"), fencing=1, now=at(1.5))
    assert refused.value.code == "no_order"
    assert holding.resting() == {99}


# -- margin -----------------------------------------------------------------------------------


def test_margin_is_the_dearest_price_of_the_bracket(make_venue: Venues) -> None:
    venue = make_venue()
    assert venue.margin(entry(lots="2")) == D("204.00")
    assert venue.margin(entry(side=Side.SHORT, lots="2")) == D("204.00")
    # 0.3 lots of ten units at 1250.
    assert venue.margin(entry(symbol="TEN-USD", lots="0.3", stop="1200", target="1250")) == D(3750)
    assert (venue.margin(leave("1")), venue.margin(cancel("1"))) == (0, 0)
    with pytest.raises(VenueRejected):
        venue.margin(entry(symbol="Y-USD"))


@pytest.mark.parametrize(("rate", "bound"), [("1", "204.00"), ("0.3", "61.20"), ("0.33333", "68.00")])
def test_margin_follows_the_rate_and_is_rounded_up(make_venue: Venues, rate: str, bound: str) -> None:
    venue = make_venue()
    venue.instruments = {SYMBOL: replace(venue.instruments[SYMBOL], margin_rate=D(rate))}
    assert venue.margin(entry(lots="2")) == D(bound)


def test_what_is_held_and_what_waits_binds_margin(make_venue: Venues) -> None:
    venue = make_venue()
    assert venue.margin_free(at(0)) == 10_000
    venue.send(entry(), fencing=1, now=at(0.5))
    assert venue.margin_free(at(0.5)) == 10_000 - D(204)
    advanced(venue, [THIN])
    view = venue.view(now=at(2))
    (held,) = view.positions
    # Half a lot is held at its present price, one and a half still wait.
    assert venue.margin_free(at(2)) == view.equity - held.price * held.lots - D(153)


# -- money paid in and out --------------------------------------------------------------------


def test_money_is_a_line_of_the_book(holding: PaperVenue) -> None:
    before = holding.view(now=at(2))
    paid = holding.pay(D("-250.55"), at(2), comment="L-7")
    assert (paid.kind, paid.profit, paid.deal, paid.details) == (
        DealKind.BALANCE,
        D("-250.55"),
        holding.deals(after="")[-1].deal,
        {"comment": "L-7"},
    )
    assert holding.deals(after="")[-1] == paid
    assert holding.deals(after=paid.deal) == []
    after = holding.view(now=at(2))
    assert (after.balance, after.equity) == (before.balance - D("250.55"), before.equity - D("250.55"))
    assert after.positions == before.positions
    again = PaperVenue(
        number="1",
        currency="USD",
        initial_balance=D(10_000),
        instruments=holding.instruments,
        book=holding._book,
    )
    assert state(again) == state(holding)


@pytest.mark.parametrize("amount", ["0", "0.001", "-10000.01", "NaN", "Infinity", "-Infinity"])
def test_money_that_cannot_be_paid_is_refused(make_venue: Venues, amount: str) -> None:
    book = MemoryBook()
    venue = make_venue(book=book)
    with pytest.raises(ValueError, match=r"amount|paid out"):
        venue.pay(D(amount), at(0))
    assert (venue.view(now=at(0)).balance, book.entries) == (10_000, [])


def test_all_that_is_there_can_be_paid_out(make_venue: Venues) -> None:
    venue = make_venue()
    venue.pay(D(-10_000), at(0))
    assert venue.view(now=at(0)).balance == 0


def test_a_desk_that_was_succeeded_pays_nothing(make_venue: Venues) -> None:
    book = MemoryBook()
    sleeper = make_venue(book=book)
    sleeper.fence(1)
    make_venue(book=book).fence(2)
    with pytest.raises(VenueUnavailable):
        sleeper.pay(D(5), at(1))
    assert make_venue(book=book).view(now=at(1)).balance == 10_000


def test_another_login_keeps_the_book(holding: PaperVenue) -> None:
    before = holding.view(now=at(2))
    holding.log_in("2")
    assert holding.view(now=at(2)) == replace(before, number="2")


def test_a_lower_fencing_number_is_refused(make_venue: Venues) -> None:
    book = MemoryBook()
    make_venue(book=book).fence(5)
    late = make_venue(book=book)
    with pytest.raises(VenueRejected) as refused:
        late.send(entry(), fencing=4, now=at(0.5))
    assert refused.value.code == "stale_sender"
    assert late.send(entry(), fencing=5, now=at(0.5)).ticket


def test_a_sender_that_slept_while_another_fenced_is_refused(make_venue: Venues) -> None:
    book = MemoryBook()
    sleeper = make_venue(book=book)
    sleeper.fence(1)
    make_venue(book=book).fence(2)
    with pytest.raises(VenueUnavailable):
        sleeper.send(entry(), fencing=1, now=at(0.5))
    assert make_venue(book=book).find(1) is None


def test_a_book_that_another_wrote_to_is_useless_until_read_again(make_venue: Venues) -> None:
    book = MemoryBook()
    first, second = make_venue(book=book), make_venue(book=book)
    first.send(entry(1), fencing=1, now=at(0.5))
    for _ in range(2):
        with pytest.raises(VenueUnavailable):
            second.send(entry(2), fencing=1, now=at(0.5))
    with pytest.raises(VenueUnavailable):
        advanced(second, [100.0])
    again = make_venue(book=book)
    assert (again.find(1), again.find(2)) == ("1", None)


# -- the book at any moment -------------------------------------------------------------------


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, int, float, float]]:
    """What happens minute by minute: an order, a close, or nothing, then a bar that may be absent or thin."""
    length = draw(st.integers(12, 30))
    step = st.tuples(
        st.sampled_from(["long", "short", "close", "part", "twice", "cancel", "pay", "draw", "none"]),
        st.integers(0, 3),
        st.floats(-4, 4, allow_nan=False),
        st.sampled_from([-1.0, 0.0, 3.0, 15.0, 1e6]),
    )
    return draw(st.lists(step, min_size=length, max_size=length))


def act(venue: PaperVenue, what: str, which: int, magic: int, minute: int) -> None:
    """One step of the story; what the venue refuses is part of it."""
    now = at(minute + 0.5)
    positions = venue.view(now=now).positions
    try:
        if what in ("long", "short", "twice"):
            side = Side.SHORT if what == "short" else Side.LONG
            for _ in range(2 if what == "twice" else 1):
                venue.send(entry(magic, side=side, lots="1.5"), fencing=1, now=now)
        elif what in ("close", "part") and positions:
            held = positions[which % len(positions)]
            lots = "0.01" if what == "part" else str(held.lots)
            venue.send(leave(held.ticket, magic, side=held.side.opposite, lots=lots), fencing=1, now=now)
        elif what == "cancel":
            tickets = [venue.find(number) for number in sorted(venue.resting())]
            venue.send(
                cancel(tickets[which % len(tickets)] or "" if tickets else "1", magic), fencing=1, now=now
            )
        elif what in ("pay", "draw"):
            venue.pay(D(which + 1) * (1 if what == "pay" else -1), now, comment=f"L-{magic}")
    except VenueRejected:
        return


def bar_of(minute: int, move: float, volume: float) -> Candles:
    row = None if volume < 0 else (100 + move / 2, 100 + abs(move), 100 - abs(move), 100 - move / 2, volume)
    return make_candles([row], start_ms=START_MS + (minute + 1) * 60_000)


def play(story: list[tuple[str, int, float, float]], book: Book, make_venue: Venues) -> PaperVenue:
    """Live through a story with one venue; after every step a venue that reads the book shows the same."""
    venue = make_venue(book=book)
    for minute, (what, which, move, volume) in enumerate(story):
        act(venue, what, which, minute + 1, minute)
        assert state(make_venue(book=book)) == state(venue)
        venue.advance(SYMBOL, bar_of(minute, move, volume))
        assert state(make_venue(book=book)) == state(venue)
        view = venue.view(now=at(minute + 2))
        assert all(position.lots > 0 for position in view.positions)
        assert view.balance == 10_000 + sum((d.profit + d.commission for d in venue.deals(after="")), D(0))
    return venue


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(story=steps())
def test_the_book_read_at_any_moment_shows_the_same(
    make_venue: Venues, story: list[tuple[str, int, float, float]]
) -> None:
    venue = play(story, MemoryBook(), make_venue)
    # Read in one go at the end, bars in one go: the same again.
    deals = venue.deals(after="")
    lots: dict[str, D] = {}
    for deal in (deal for deal in deals if deal.kind is DealKind.FILL):
        lots[deal.ticket] = lots.get(deal.ticket, D(0)) + (deal.lots if deal.entry else -deal.lots)
    assert {ticket: left for ticket, left in lots.items() if left} == {
        position.ticket: position.lots for position in venue.view(now=at(0)).positions
    }


@pytest.fixture
def new_account(db: None) -> Callable[[], Account]:
    """Another paper account each time, so that each story has a book of its own."""
    sources = bootstrap.Sources(real="replay", symbols=(SYMBOL,), reached=True)
    bootstrap.run(now=at(0), sources=sources, owner=None)
    first = Account.objects.get()
    numbers = iter(range(10_000))

    def build() -> Account:
        number = next(numbers)
        account = Account.objects.get(pk=first.pk)
        account.pk, account.name, account.number = None, f"Paper {number}", f"paper-{number}"
        account.save(force_insert=True)
        return account

    return build


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(story=steps())
def test_the_book_in_rows_shows_the_same(
    new_account: Callable[[], Account], make_venue: Venues, story: list[tuple[str, int, float, float]]
) -> None:
    account = new_account()
    in_rows = play(story, RowBook(account.pk), make_venue)
    in_memory = play(story, MemoryBook(), make_venue)
    assert state(make_venue(book=RowBook(account.pk))) == state(in_rows) == state(in_memory)


@pytest.mark.django_db
def test_a_book_in_rows_takes_one_writer_and_no_lower_number(
    new_account: Callable[[], Account], make_venue: Venues
) -> None:
    account = new_account()
    first, second = (make_venue(book=RowBook(account.pk)) for _ in range(2))
    first.fence(3)
    first.send(entry(1), fencing=3, now=at(0.5))
    with pytest.raises(VenueUnavailable):
        second.send(entry(2), fencing=3, now=at(0.5))
    with pytest.raises(VenueRejected, match="below 3"):
        make_venue(book=RowBook(account.pk)).send(entry(2), fencing=2, now=at(0.5))
    assert make_venue(book=RowBook(account.pk)).find(2) is None
