"""The paper venue: simulated fills with spread, commission, slippage, partial fills and latency.

It behaves as a broker does, traps included: it keeps a book of its own, it has no idempotency key
(the same ``magic`` twice makes two orders), and it refuses an order whose fencing number is lower
than one it has seen. A market order fills at the open of the first bar that opens after it arrived;
inside one bar the stop comes before the target; a gap through the stop fills at the open. A cancel ends
what no bar has filled that opened before it arrived. It is its own bank: money is paid in and out here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from trading.core.brackets import MINUTE_MS, end_on, touched
from trading.core.types import (
    ZERO,
    AccountView,
    Action,
    Candles,
    Deal,
    DealKind,
    ExitReason,
    Instrument,
    OrderRequest,
    Placed,
    Position,
    Side,
    ms_from_utc,
    utc_from_ms,
)
from trading.venues.base import VenueRejected, VenueUnavailable
from trading.venues.paper_book import Book, Entry, deal_of, order_body, order_request

CENT = Decimal("0.01")
BP = Decimal(10_000)
PARTICIPATION = Decimal("0.1")
REST_MS = 5 * MINUTE_MS
# A market may be without trades for minutes; a price older than this is not the price any more.
PRICE_LASTS = timedelta(minutes=10)


@dataclass(slots=True, kw_only=True)
class _Resting:
    """A market order waiting for its bar, or for the rest of its volume.

    until_ms: when a cancel of it arrived; no bar that opens then or later fills it.
    """

    request: OrderRequest
    ticket: str
    from_ms: int
    left: Decimal
    until_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class _Held:
    """An open position."""

    ticket: str
    magic: int
    symbol: str
    side: Side
    lots: Decimal
    entry: Decimal
    stop: Decimal | None
    target: Decimal | None
    opened_ms: int


class PaperVenue:
    """One paper account. Call ``advance`` with new bars; everything else is the common venue protocol.

    latency: how long an order travels before it can meet a bar.  participation: share of a bar's
    volume that one entry may take; the rest waits for the bars of the next five minutes.
    """

    name = "paper"

    def __init__(
        self,
        *,
        number: str,
        currency: str,
        initial_balance: Decimal,
        instruments: Mapping[str, Instrument],
        book: Book,
        latency: timedelta = timedelta(0),
        participation: Decimal = PARTICIPATION,
    ) -> None:
        self.number = number
        self.currency = currency
        self.instruments = instruments
        self.latency_ms = int(latency.total_seconds() * 1000)
        self.participation = participation
        self._book = book
        self._balance = initial_balance
        self._resting: dict[str, _Resting] = {}
        self._held: dict[str, _Held] = {}
        self._deals: list[Deal] = []
        self._by_magic: dict[int, str] = {}
        self._fresh: list[Entry] = []
        self._head, entries = book.load()
        self._marks = dict(self._head.marks)
        for entry in entries:
            self._apply(entry)

    # -- the common protocol ------------------------------------------------------------------

    def send(self, request: OrderRequest, *, fencing: int, now: datetime) -> Placed:
        """Take a market order or a cancel; see ``Venue.send``. Rejections carry a word for what is wrong."""
        if fencing < self._head.fencing:
            raise VenueRejected("stale_sender", f"fencing number {fencing} is below {self._head.fencing}")
        self._check(request, now)
        ticket = str(self._head.sequence + 1) if request.action is Action.OPEN else request.ticket
        self._note("order", request.magic, ticket, order_body(request), now)
        if request.action is Action.CANCEL:
            self._end_unfillable(request, now)
        self._commit(fencing=fencing)
        return Placed(ticket=ticket, accepted_at=now)

    def fence(self, fencing: int) -> None:
        """Refuse every sender with a lower number from now on; a successor says this before all else."""
        self._commit(fencing=fencing)

    def view(self, *, now: datetime) -> AccountView:
        """The account now, or as of the last price of a held symbol once that is older than ``PRICE_LASTS``."""
        seen = [utc_from_ms(self._marks[held.symbol][0]) for held in self._held.values()]
        stale = [at for at in seen if now - at > PRICE_LASTS]
        positions = tuple(self._position(held) for held in self._held.values())
        return AccountView(
            number=self.number,
            currency=self.currency,
            balance=self._balance,
            equity=self._balance + sum((p.profit for p in positions), ZERO),
            positions=positions,
            as_of=min(stale, default=now),
        )

    def find(self, magic: int) -> str | None:
        return self._by_magic.get(magic)

    def resting(self) -> frozenset[int]:
        return frozenset(order.request.magic for order in self._resting.values())

    def deals(self, *, after: str) -> list[Deal]:
        first = 0 if not after else int(after) + 1
        start = len(self._deals)
        while start and int(self._deals[start - 1].deal) >= first:
            start -= 1
        return self._deals[start:]

    def margin(self, request: OrderRequest) -> Decimal:
        """See ``Venue.margin``. What the order will meet is not known: the dearest price inside its bracket counts."""
        if request.action is not Action.OPEN or request.stop is None or request.target is None:
            return ZERO
        return self._bound(request.symbol, request.lots, max(request.stop, request.target))

    def margin_free(self, now: datetime) -> Decimal:
        view = self.view(now=now)
        held = sum((self._bound(p.symbol, p.lots, p.price) for p in view.positions), ZERO)
        entries = (replace(o.request, lots=o.left) for o in self._resting.values())
        return view.equity - held - sum((self.margin(entry) for entry in entries), ZERO)

    # -- the bank -----------------------------------------------------------------------------

    def pay(self, amount: Decimal, now: datetime, *, comment: str = "") -> Deal:
        """Book money paid in (above 0) or out (below 0); ``comment`` comes back in the deal's details.

        amount: in account currency, to the cent.  Nothing here knows a payment that was asked for twice.
        Raises ValueError for an amount that cannot be paid, VenueUnavailable as ``send`` does.
        """
        if not amount.is_finite() or not amount or amount != amount.quantize(CENT):
            raise ValueError(f"an amount must be money above or below 0, to the cent, was {amount}")
        if self._balance + amount < 0:
            raise ValueError(f"{-amount} cannot be paid out of {self._balance}")
        self._note("balance", 0, "", {"amount": str(amount), "comment": comment}, now)
        self._commit(fencing=self._head.fencing)
        return self._deals[-1]

    def log_in(self, number: str) -> None:
        """See ``Venue.log_in``. The book stays the same."""
        self.number = number

    # -- the simulation -----------------------------------------------------------------------

    def exposed(self) -> dict[str, int]:
        """Symbols whose bars matter now, each with the opening (epoch ms) from which they are wanted."""
        wanted: dict[str, int] = {}
        for held in self._held.values():
            wanted[held.symbol] = self._marks.get(held.symbol, (held.opened_ms, ""))[0]
        for order in self._resting.values():
            symbol = order.request.symbol
            start = self._marks.get(symbol, (0, ""))[0]
            wanted[symbol] = min(wanted.get(symbol, 2**62), max(start, order.from_ms))
        return wanted

    def advance(self, symbol: str, candles: Candles) -> int:
        """Let closed bars pass, oldest first; returns the number of deals made.

        Bars before the last one simulated are ignored. All that one bar causes is booked in one step.
        """
        seen_to = self._marks.get(symbol, (0, ""))[0]
        deals = len(self._deals)
        for index in range(len(candles)):
            open_ms = int(candles.open_ms[index])
            if open_ms >= seen_to:
                self._bar(symbol, candles, index)
        if len(candles) and int(candles.open_ms[-1]) >= seen_to:
            self._commit(fencing=self._head.fencing)
        return len(self._deals) - deals

    def _bar(self, symbol: str, candles: Candles, index: int) -> None:
        open_ms = int(candles.open_ms[index])
        waiting = [o for o in self._resting.values() if o.request.symbol == symbol and o.from_ms <= open_ms]
        for order in waiting:
            if order in self._resting.values():  # an earlier one may have closed what this one enlarges
                self._fill(order, float(candles.open[index]), float(candles.volume[index]), open_ms)
        for held in [h for h in self._held.values() if h.symbol == symbol]:
            self._bracket(held, candles, index)
        self._marks[symbol] = (open_ms + MINUTE_MS, repr(float(candles.close[index])))

    def _fill(self, order: _Resting, opened: float, volume: float, open_ms: int) -> None:
        request = order.request
        at = utc_from_ms(open_ms)
        if order.until_ms is not None and open_ms >= order.until_ms:
            self._note("closed", request.magic, order.ticket, {"why": "cancelled"}, at)
            return
        if request.action is Action.CLOSE:
            held = self._held.get(order.ticket)
            if held is None:
                self._note("closed", request.magic, order.ticket, {"why": "position already closed"}, at)
            else:
                price = self._market_price(request.symbol, opened, request.side)
                self._close(held, min(order.left, held.lots), price, at, _exit_reason(request), request.magic)
                self._note("closed", request.magic, order.ticket, {"why": "filled"}, at)
            return
        if open_ms > order.from_ms + REST_MS:
            self._note("closed", request.magic, order.ticket, {"why": "not filled in time"}, at)
            return
        lots = min(order.left, self._takeable(request.symbol, volume))
        if lots <= 0:
            return
        price = self._market_price(request.symbol, opened, request.side)
        self._deal(order.ticket, request.magic, request.symbol, request.side, lots, price, at, entry=True)
        if order.left <= 0:
            self._note("closed", request.magic, order.ticket, {"why": "filled"}, at)

    def _bracket(self, held: _Held, candles: Candles, index: int) -> None:
        if held.stop is None or held.target is None:
            return
        bar = candles[index : index + 1]
        half = float(self.instruments[held.symbol].spread_bp / 2 / BP)
        stop, target = float(held.stop), float(held.target)
        if touched(bar, side=held.side, stop=stop, target=target, half_spread=half) is None:
            return
        end = end_on(bar, 0, side=held.side, stop=stop, target=target, half_spread=half)
        price = Decimal(repr(end.price))
        if end.reason is ExitReason.STOP:
            price *= 1 - held.side.sign * self.instruments[held.symbol].slippage_bp / BP
        at = utc_from_ms(int(bar.open_ms[0]) + MINUTE_MS)
        self._close(
            held, held.lots, self._on_tick(held.symbol, price, held.side.opposite), at, end.reason, held.magic
        )

    def _close(
        self, held: _Held, lots: Decimal, price: Decimal, at: datetime, reason: ExitReason, magic: int
    ) -> None:
        self._deal(
            held.ticket, magic, held.symbol, held.side.opposite, lots, price, at, entry=False, reason=reason
        )
        if held.ticket not in self._held and self._entry_of(held.ticket) is not None:
            self._note("closed", held.magic, held.ticket, {"why": "its position was closed"}, at)

    def _end_unfillable(self, cancel: OrderRequest, now: datetime) -> None:
        """End a cancelled entry at once when no bar can come any more that opened before the cancel arrived."""
        order = self._entry_of(cancel.ticket)
        seen_to = self._marks.get(cancel.symbol, (0, ""))[0]
        if order and order.until_ms is not None and max(order.from_ms, seen_to) >= order.until_ms:
            self._note("closed", order.request.magic, order.ticket, {"why": "cancelled"}, now)

    def _entry_of(self, ticket: str) -> _Resting | None:
        """The order that still enlarges a position, if its volume was not yet to be had."""
        orders = (o for o in self._resting.values() if o.ticket == ticket and o.request.action is Action.OPEN)
        return next(orders, None)

    # -- prices, volume, money ----------------------------------------------------------------

    def _market_price(self, symbol: str, opened: float, side: Side) -> Decimal:
        spec = self.instruments[symbol]
        worse = (spec.spread_bp / 2 + spec.slippage_bp) / BP
        return self._on_tick(symbol, Decimal(repr(opened)) * (1 + side.sign * worse), side)

    def _on_tick(self, symbol: str, price: Decimal, side: Side) -> Decimal:
        """Round to the tick against whoever trades: a buy up, a sell down."""
        tick = self.instruments[symbol].tick_size
        rounding = "ROUND_CEILING" if side is Side.LONG else "ROUND_FLOOR"
        return (price / tick).quantize(Decimal(1), rounding=rounding) * tick

    def _takeable(self, symbol: str, volume: float) -> Decimal:
        spec = self.instruments[symbol]
        most = Decimal(repr(volume)) * self.participation / spec.contract_size
        return (most / spec.volume_step).quantize(Decimal(1), rounding=ROUND_DOWN) * spec.volume_step

    def _position(self, held: _Held) -> Position:
        spec = self.instruments[held.symbol]
        mid = Decimal(self._marks[held.symbol][1])
        price = self._on_tick(
            held.symbol, mid * (1 - held.side.sign * spec.spread_bp / 2 / BP), held.side.opposite
        )
        return Position(
            ticket=held.ticket,
            magic=held.magic,
            symbol=held.symbol,
            side=held.side,
            lots=held.lots,
            entry=held.entry,
            price=price,
            stop=held.stop,
            target=held.target,
            opened_at=utc_from_ms(held.opened_ms),
            profit=self._profit(held, held.lots, price),
        )

    def _profit(self, held: _Held, lots: Decimal, price: Decimal) -> Decimal:
        gross = (price - held.entry) * held.side.sign * lots * self.instruments[held.symbol].contract_size
        return gross.quantize(CENT, rounding=ROUND_HALF_UP)

    def _bound(self, symbol: str, lots: Decimal, price: Decimal) -> Decimal:
        """Margin of so many lots at a price, rounded up to the cent."""
        spec = self._spec(symbol)
        raw = price * lots * spec.contract_size * spec.margin_rate
        return raw.quantize(CENT, rounding=ROUND_CEILING)

    def _spec(self, symbol: str) -> Instrument:
        if (spec := self.instruments.get(symbol)) is None:
            raise VenueRejected("unknown_symbol", f"{symbol} is not traded here")
        return spec

    def _check(self, request: OrderRequest, now: datetime) -> None:
        spec = self._spec(request.symbol)
        if now > request.deadline:
            raise VenueRejected("expired", f"the order's deadline was {request.deadline}")
        if request.action is Action.CANCEL:
            order = self._entry_of(request.ticket)
            if order is None or order.request.symbol != request.symbol:
                raise VenueRejected("no_order", f"order {request.ticket} does not wait in {request.symbol}")
            return
        if request.action is Action.CLOSE:
            held = self._held.get(request.ticket)
            if held is None or held.symbol != request.symbol:
                raise VenueRejected(
                    "no_position", f"position {request.ticket} is not open in {request.symbol}"
                )
            if request.side is not held.side.opposite or request.lots <= 0:
                raise VenueRejected(
                    "invalid_close", f"{request.side} {request.lots} lots close no {held.side}"
                )
            return
        if not spec.volume_min <= request.lots <= spec.volume_max or request.lots % spec.volume_step:
            raise VenueRejected("invalid_volume", f"{request.lots} lots of {request.symbol}")
        if request.stop is None or request.target is None:
            raise VenueRejected("invalid_stops", "an order must carry its stop and its target")
        if (request.target - request.stop) * request.side.sign <= 0 or min(request.stop, request.target) <= 0:
            raise VenueRejected("invalid_stops", f"stop {request.stop} and target {request.target}")

    # -- the book -----------------------------------------------------------------------------

    def _deal(
        self,
        ticket: str,
        magic: int,
        symbol: str,
        side: Side,
        lots: Decimal,
        price: Decimal,
        at: datetime,
        *,
        entry: bool,
        reason: ExitReason | None = None,
    ) -> None:
        spec = self.instruments[symbol]
        notional = price * lots * spec.contract_size
        commission = -(notional * spec.commission_rate).quantize(CENT, rounding=ROUND_HALF_UP)
        profit = ZERO if entry else self._profit(self._held[ticket], lots, price)
        body = {
            "symbol": symbol,
            "side": side.value,
            "entry": entry,
            "lots": str(lots),
            "price": str(price),
            "profit": str(profit),
            "commission": str(commission),
            "reason": reason.value if reason else "",
        }
        self._note("deal", magic, ticket, body, at)

    def _note(self, kind: str, magic: int, ticket: str, body: dict[str, Any], at: datetime) -> None:
        self._head = replace(self._head, sequence=self._head.sequence + 1)
        entry = Entry(sequence=self._head.sequence, kind=kind, magic=magic, ticket=ticket, body=body, at=at)
        self._fresh.append(entry)
        self._apply(entry)

    def _commit(self, *, fencing: int) -> None:
        """Store what is new; a book that someone else wrote to, or that cannot be written, makes this venue useless."""
        was = replace(self._head, sequence=self._head.sequence - len(self._fresh))
        head = replace(self._head, fencing=max(fencing, self._head.fencing), marks=dict(self._marks))
        if not self._book.write(was=was, now=head, entries=self._fresh):
            raise VenueUnavailable("the paper book was written by another desk; it must be read again")
        self._head = head
        self._fresh = []

    def _apply(self, entry: Entry) -> None:
        """Change the live state by one line of the book; the only way it ever changes."""
        if entry.kind == "order":
            self._apply_order(entry)
        elif entry.kind == "closed":
            self._resting = {
                key: order
                for key, order in self._resting.items()
                if (order.request.magic, order.ticket) != (entry.magic, entry.ticket)
            }
        else:
            self._apply_deal(entry)

    def _apply_order(self, entry: Entry) -> None:
        request = order_request(entry)
        self._by_magic.setdefault(entry.magic, entry.ticket)
        arrived_ms = ms_from_utc(entry.at) + self.latency_ms
        if request.action is Action.CANCEL:
            order = self._entry_of(entry.ticket)
            if order is not None:
                order.until_ms = min(arrived_ms, order.until_ms or arrived_ms)
            return
        self._resting[f"{entry.sequence}"] = _Resting(
            request=request, ticket=entry.ticket, from_ms=_next_minute(arrived_ms), left=request.lots
        )

    def _apply_deal(self, entry: Entry) -> None:
        deal = deal_of(entry)
        self._deals.append(deal)
        self._balance += deal.profit + deal.commission
        if deal.kind is DealKind.BALANCE:
            return
        if deal.entry:
            self._grow(deal)
            return
        held = self._held[deal.ticket]
        held.lots -= deal.lots
        if held.lots <= 0:
            del self._held[deal.ticket]

    def _grow(self, deal: Deal) -> None:
        order = next(
            o for o in self._resting.values() if (o.request.magic, o.ticket) == (deal.magic, deal.ticket)
        )
        order.left -= deal.lots
        held = self._held.get(deal.ticket)
        if held is not None:
            lots = held.lots + deal.lots
            average = (held.entry * held.lots + deal.price * deal.lots) / lots
            held.entry = self._on_tick(deal.symbol, average, deal.side)
            held.lots = lots
            return
        self._marks.setdefault(deal.symbol, (ms_from_utc(deal.at), str(deal.price)))
        self._held[deal.ticket] = _Held(
            ticket=deal.ticket,
            magic=deal.magic,
            symbol=deal.symbol,
            side=deal.side,
            lots=deal.lots,
            entry=deal.price,
            stop=order.request.stop,
            target=order.request.target,
            opened_ms=ms_from_utc(deal.at),
        )


def _next_minute(ms: int) -> int:
    """The first minute that opens at or after ``ms``."""
    return -(-ms // MINUTE_MS) * MINUTE_MS


def _exit_reason(request: OrderRequest) -> ExitReason:
    """What a close was asked for; a comment that is none of the words is a person's."""
    try:
        return ExitReason(request.comment)
    except ValueError:
        return ExitReason.MANUAL
