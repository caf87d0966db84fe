"""What all positions together may be: one market, one group, one order, the money kept back, the margin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from trading.core.answer import Answer, money, percent, plain
from trading.core.costs import loss_per_lot
from trading.core.exits import falls_at_stops
from trading.core.guards import CENT, finite, fraction, not_negative, positive
from trading.core.types import (
    ZERO,
    AccountView,
    Draft,
    Instrument,
    Limits,
    Margin,
    Pending,
    Position,
    Side,
)

# Commissions are booked in whole cents and the loss is rounded up: an order may lose so much more.
ROUNDED = 2 * CENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """What one limit says before the size is known; ``most``: lots that fit, None where nothing limits them."""

    answer: Answer
    most: Decimal | None = None


def _no_limit(text: str) -> Fits:
    return Fits(answer=Answer(passed=True, sentence=text, limit="none"))


NO_SHARE = _no_limit("The profile sets no share of equity for one market.")
NO_LARGEST = _no_limit("The profile sets no largest order.")
NO_RESERVE = _no_limit("The profile keeps no cash back.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """An order on its way: ``price`` is the worst that it can fill at, None when that is not known."""

    symbol: str
    lots: Decimal
    price: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """A draft beside everything that is open; each limit answers for itself and caps the lots.

    A limit refuses when not even the venue's smallest volume fits into it.
    """

    draft: Draft
    account: AccountView
    initial: Decimal
    instrument: Instrument
    instruments: Mapping[str, Instrument]
    limits: Limits
    pending: tuple[Pending, ...]
    margin: Margin | None

    @cached_property
    def caps(self) -> dict[str, Decimal]:
        """The most lots by each limit, in the words of its rule."""
        fits = {
            "position_share": self.position_share.most,
            "order_value": self.order_value.most,
            "cash_reserve": self.cash_reserve.most,
            "group_risk": self.group_risk.most,
            "margin": self._margin_cap,
        }
        return {name: most for name, most in fits.items() if most is not None}

    @cached_property
    def position_share(self) -> Fits:
        """How much of equity one market may be worth. Source: docs/risk_rules.md#position_share."""
        share = self.limits.max_position_share
        if share is None:
            return NO_SHARE
        symbol, equity = self.draft.symbol, not_negative("equity", self.account.equity)
        allowed = fraction("share of one market", share) * equity
        held = sum((self._value(p) for p in self.account.positions if p.symbol == symbol), ZERO)
        most = self._lots(allowed - held, self._lot_value)
        limit = money(allowed)
        if most < self._smallest:
            text = (
                f"{symbol} is worth {money(held)}, with the smallest order {money(held + self._least_value)};"
                f" {limit} allowed, {percent(share)} of equity. Opens by itself when equity or room grows."
            )
            return _refused(text, money(held + self._least_value), limit, most)
        text = f"{symbol} is worth {money(held)}, {limit} allowed, {percent(share)} of equity."
        return _passed(text, money(held), limit, most)

    @cached_property
    def order_value(self) -> Fits:
        """How much one order may be worth at most. Source: docs/risk_rules.md#order_value."""
        largest = self.limits.max_order_value
        if largest is None:
            return NO_LARGEST
        allowed = not_negative("largest order", largest)
        most, least, limit = self._lots(allowed, self._lot_value), money(self._least_value), money(allowed)
        if most < self._smallest:
            text = (
                f"The smallest order is worth {least}, {limit} allowed. Ends when an admin raises the limit."
            )
            return _refused(text, least, limit, most)
        return _passed(f"The smallest order is worth {least}, {limit} allowed.", least, limit, most)

    def too_small(self, lots: Decimal) -> Answer | None:
        """The refusal of an order of ``lots`` that is worth less than the profile allows; None otherwise."""
        smallest = self.limits.min_order_value
        if smallest is None or lots <= ZERO:
            return None
        value, limit = money(lots * self._lot_value), money(not_negative("smallest order", smallest))
        if lots * self._lot_value >= smallest:
            return None
        text = f"The order would be worth {value}, at least {limit} needed. The next signal may be larger."
        return Answer(passed=False, sentence=text, value=value, limit=limit)

    @cached_property
    def cash_reserve(self) -> Fits:
        """How much of equity stays unspent. Source: docs/risk_rules.md#cash_reserve."""
        reserve = self.limits.cash_reserve
        if reserve is None:
            return NO_RESERVE
        equity = not_negative("equity", self.account.equity)
        kept = fraction("cash reserve", reserve) * equity
        limit, share = money(kept), percent(reserve)
        if self.margin is None:
            return _refused(
                f"What is unspent is not known, {limit} must stay. Waits for the venue.", "", limit
            )
        free = finite("free margin", self.margin.free)
        most = self._lots(free - kept, positive("margin of one lot", self.margin.per_lot))
        if most < self._smallest:
            text = (
                f"{money(free)} is unspent, {limit} must stay, {share} of equity."
                " Opens by itself when a position closes."
            )
            return _refused(text, money(free), limit, most)
        return _passed(
            f"{money(free)} is unspent, {limit} must stay, {share} of equity.", money(free), limit, most
        )

    @cached_property
    def group_risk(self) -> Fits:
        """What one direction of one group of markets may lose together. Source: docs/risk_rules.md#group_risk."""
        allowed = fraction("group risk", self.limits.max_group_risk) * positive("initial", self.initial)
        name, side, limit = _group(self.instrument), Side(self.draft.side), money(allowed)
        held = _held(self.account.positions, name, side, self.instruments)
        naked = ", ".join(p.ticket for p in held if p.stop is None)
        if naked:
            text = f"Position {naked} has no stop. Opens by itself when it has one or is closed."
            return _refused(text, "unlimited", limit, ZERO)
        known = _lost(held, self.pending, name, self.instruments, self.limits)
        per_lot = self._loss_per_lot
        most = self._lots(allowed - known - ROUNDED, per_lot)
        word = f"{name} {side.value}s"
        if most < self._smallest:
            text = (
                f"{word} may lose {money(known)} together, with the smallest order"
                f" {money(known + self._smallest * per_lot)}; {limit} allowed."
                " Opens by itself when one closes."
            )
            return _refused(text, money(known), limit, most)
        return _passed(
            f"{word} may lose {money(known)} together, {limit} allowed.", money(known), limit, most
        )

    def margin_for(self, lots: Decimal) -> Answer:
        """Whether an order of ``lots`` stays within its share of the free margin.

        Source: docs/risk_rules.md#margin.
        """
        if self.margin is None:
            text = "The venue did not say what margin the order takes. Waits for the venue."
            return Answer(passed=False, sentence=text, value="unknown")
        taken = positive("lots", lots) * positive("margin of one lot", self.margin.per_lot)
        allowed, value = self._margin_allowed(self.margin), money(taken)
        limit = money(allowed)
        free = f"{limit} of {money(self.margin.free)} free allowed"
        if taken > allowed:
            text = (
                f"{plain(lots)} lots take {value} of margin, {free}. Opens by itself when a position closes."
            )
            return Answer(passed=False, sentence=text, value=value, limit=limit)
        text = f"{plain(lots)} lots take {value} of margin, {free}."
        return Answer(passed=True, sentence=text, value=value, limit=limit)

    @property
    def _margin_cap(self) -> Decimal | None:
        """None where not even the smallest volume fits: the rule of the margin says so then, in its own words."""
        if self.margin is None:
            return None
        most = self._lots(
            self._margin_allowed(self.margin), positive("margin of one lot", self.margin.per_lot)
        )
        return most if most >= self._smallest else None

    def _margin_allowed(self, margin: Margin) -> Decimal:
        share = fraction("share of the free margin", self.limits.max_margin_share)
        return share * finite("free margin", margin.free)

    @property
    def _smallest(self) -> Decimal:
        return positive("smallest volume", self.instrument.volume_min)

    @cached_property
    def _lot_value(self) -> Decimal:
        size = positive("contract size", self.instrument.contract_size)
        return positive("entry", self.draft.entry) * size

    @property
    def _least_value(self) -> Decimal:
        return self._smallest * self._lot_value

    @cached_property
    def _loss_per_lot(self) -> Decimal:
        draft, buffer = self.draft, self.limits.gap_buffer_bp
        side = Side(draft.side)
        loss = loss_per_lot(side, draft.entry, draft.stop, self.instrument, gap_buffer_bp=buffer)
        return positive("loss per lot", loss)

    def _value(self, position: Position) -> Decimal:
        size = positive("contract size", _market(position.symbol, self.instruments).contract_size)
        return positive("lots", position.lots) * positive("price", position.price) * size

    @staticmethod
    def _lots(room: Decimal, per_lot: Decimal) -> Decimal:
        return max(room / per_lot, ZERO)


def group_loss(
    name: str,
    side: Side,
    *,
    positions: Sequence[Position],
    pending: Sequence[Pending],
    instruments: Mapping[str, Instrument],
    limits: Limits,
) -> Decimal | None:
    """What the positions of one direction in a group lose when all their stops fire; None without a stop.

    A floating loss counts with it, a floating profit does not.  An order on its way counts whatever its
    direction, and so does one of a market that is not known.  Source: docs/risk_rules.md#group_risk.
    """
    held = _held(positions, name, side, instruments)
    if any(p.stop is None for p in held):
        return None
    return _lost(held, pending, name, instruments, limits)


def _held(
    positions: Sequence[Position], name: str, side: Side, instruments: Mapping[str, Instrument]
) -> list[Position]:
    """The positions of one direction in a group."""
    return [p for p in positions if Side(p.side) is side and _group(_market(p.symbol, instruments)) == name]


def _lost(
    held: Sequence[Position],
    pending: Sequence[Pending],
    name: str,
    instruments: Mapping[str, Instrument],
    limits: Limits,
) -> Decimal:
    lost = falls_at_stops(held, instruments, limits.gap_buffer_bp)
    lost += [max(-finite("profit", p.profit), ZERO) for p in held]
    for order in pending:
        market = instruments.get(order.symbol)
        if market is None or _group(market) == name:
            lost.append(not_negative("risk on its way", order.risk))
    return sum(lost, ZERO)


def _market(symbol: str, instruments: Mapping[str, Instrument]) -> Instrument:
    found = instruments.get(symbol)
    if found is None:
        raise ValueError(f"no instrument is known for the open position in {symbol}")
    return found


def _group(instrument: Instrument) -> str:
    if not isinstance(instrument.group, str) or not instrument.group:
        raise ValueError(f"the group of {instrument.symbol} must be named, was {instrument.group!r}")
    return instrument.group


def margin_by_rate(
    *,
    view: AccountView,
    draft: Draft,
    instrument: Instrument,
    instruments: Mapping[str, Instrument],
    coming: Sequence[Coming],
) -> Margin | None:
    """The margin where the venue has no calculation of its own: a fixed fraction of notional.

    A position counts at the dearer of its entry and its price, an order at the dearest price it can fill at,
    the draft between its stop and its target.  None when an order on its way has no price.
    Raises ValueError for a number that is none, and for a market that is not among ``instruments``.
    """
    if any(order.price is None for order in coming):
        return None
    rows: Iterable[tuple[str, Decimal, Decimal]] = [
        *(
            (p.symbol, p.lots, max(positive("entry", p.entry), positive("price", p.price)))
            for p in view.positions
        ),
        *((order.symbol, order.lots, positive("price", order.price)) for order in coming),
    ]
    taken = ZERO
    for symbol, lots, price in rows:
        if symbol not in instruments:
            raise ValueError(f"no instrument is known for {symbol}")
        taken += positive("lots", lots) * _margin_per_lot(instruments[symbol], price)
    free = finite("equity", view.equity) - taken
    prices = (("entry", draft.entry), ("stop", draft.stop), ("target", draft.target))
    dearest = max(positive(name, price) for name, price in prices)
    return Margin(free=free, per_lot=_margin_per_lot(instrument, dearest))


def _margin_per_lot(instrument: Instrument, price: Decimal) -> Decimal:
    rate = positive("margin rate", instrument.margin_rate)
    return rate * price * positive("contract size", instrument.contract_size)


def _passed(text: str, value: str, limit: str, most: Decimal) -> Fits:
    return Fits(answer=Answer(passed=True, sentence=text, value=value, limit=limit), most=most)


def _refused(text: str, value: str, limit: str, most: Decimal | None = None) -> Fits:
    return Fits(answer=Answer(passed=False, sentence=text, value=value, limit=limit), most=most)
