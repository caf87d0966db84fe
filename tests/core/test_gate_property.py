"""The gate against an oracle in exact fractions, near the limits, and over whole days of trading."""

from dataclasses import replace
from decimal import Decimal as D
from fractions import Fraction as F
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.core import oracle
from tests.core.worlds import (
    BTC,
    ETH,
    LIMITS,
    NOW,
    SOL,
    account,
    day,
    draft,
    gate_input,
    pending,
    position,
    usage,
)
from trading.core.costs import commission, fill_price, stop_fill
from trading.core.equity import equity_of
from trading.core.gate import Facts, GateInput, decide
from trading.core.types import AccountView, Level, Margin, Position, Side

PRICES = {"BTC-USD": 90000, "ETH-USD": 3000, "SOL-USD": 140}
CENT = D("0.01")

# The loss limits are to bind in these worlds, nothing else.
AMPLE = Margin(free=D(10**9), per_lot=D(90000))

bps = st.integers(0, 30).map(D)
sides = st.sampled_from(Side)


@st.composite
def markets(draw: st.DrawFn) -> dict[str, Any]:
    """The three instruments with drawn spreads and slippages."""
    spread, slippage = draw(bps), draw(bps)
    return {i.symbol: replace(i, spread_bp=spread, slippage_bp=slippage) for i in (BTC, ETH, SOL)}


@st.composite
def positions(draw: st.DrawFn, symbol: str) -> Position:
    """A position that has moved by up to 3 % either way, its stop up to 3 % from its entry."""
    side = draw(sides)
    entry = D(PRICES[symbol]) * (1 + D(draw(st.integers(-200, 200))) / 10000)
    price = entry * (1 + D(draw(st.integers(-300, 300))) / 10000)
    stop = entry * (1 - side.sign * D(draw(st.integers(-100, 300))) / 10000)
    lots = D(draw(st.integers(1, 60))) / 100
    size = {"BTC-USD": 1, "ETH-USD": 10, "SOL-USD": 100}[symbol]
    profit = ((price - entry) * side.sign * lots * size).quantize(CENT)
    return position(symbol, side, entry=entry, price=price, stop=stop, lots=lots, profit=profit)


@st.composite
def worlds(draw: st.DrawFn, *, roomy: bool = False) -> GateInput:
    """A world of up to two positions and an order on its way; half of them within 1 % of a limit.

    roomy: only worlds in which the daily limit binds and at least 30 % of it are left.
    """
    instruments = draw(markets())
    held = tuple(draw(positions(s)) for s in ("ETH-USD", "SOL-USD") if draw(st.booleans()))
    coming = (pending(str(draw(st.integers(0, 400))), unknown=draw(st.booleans())),) * draw(st.integers(0, 1))
    coming = coming if len(held) < 2 else ()
    midnight = D(draw(st.integers(100_000 if roomy else 90_500, 112_000)))
    room = gate_input(
        instruments=instruments,
        instrument=instruments["BTC-USD"],
        account=account(str(midnight), str(midnight), positions=held),
        day=day(str(midnight)),
        pending=tuple(replace(p, symbol="XRP-USD") for p in coming),
        limits=replace(
            LIMITS,
            risk_per_trade=D(draw(st.integers(1, 150 if roomy else 600))) / 10000,
            gap_buffer_bp=draw(bps),
            max_group_risk=D(1),
        ),
        margin=AMPLE,
        usage=usage(open_positions=len(held)),
    )
    view = oracle.opinion(room)
    share = D(draw(st.integers(3000 if roomy else -100, 9000))) / 10000
    if draw(st.booleans()):
        edge = draw(st.sampled_from(["0.5"] if roomy else ["0.5", "0.7", "0.8", "1"]))
        share = 1 - D(edge) + D(draw(st.integers(-100, 100))) / 10000
    fall = view.worst_high - view.floor - F(share) * view.daily_limit
    equity = (midnight - D(fall.numerator) / fall.denominator).quantize(CENT)
    assume(equity > 0)
    side = draw(sides)
    away = D(draw(st.integers(20, 300))) / 10000
    plan = draft(side=side, stop=D(90000) * (1 - side.sign * away), target=D(90000) * (1 + side.sign * away))
    return replace(room, account=replace(room.account, equity=equity), draft=plan)


@settings(max_examples=600)
@given(worlds())
def test_headroom_equals_exact_fractions(world: GateInput) -> None:
    room, view = Facts(world).headroom, oracle.opinion(world)
    assert view.worst_low <= F(room.worst_case) <= view.worst_high
    assert F(room.daily_floor) == view.daily_floor
    assert F(room.total_floor) == view.total_floor
    assert room.headroom == max(room.worst_case - room.floor, 0) == min(room.to_daily, room.to_total)
    assert room.worst_case + room.at_stops + room.pending_risk + room.unknown_risk == room.equity
    assert abs(F(room.used) - view.used(F(room.worst_case))) < F(1, 10**20)
    assert (room.level is Level.BREACH) is (F(room.equity) < view.floor)


@settings(max_examples=1000)
@given(worlds())
def test_no_order_passes_that_the_oracle_calls_unsafe(world: GateInput) -> None:
    view, decision = oracle.opinion(world), decide(world)
    if not decision.approved:
        assert set(decision.codes) <= {"level", "below_minimum", "headroom", "would_lock"}
        return
    falls = oracle.order_falls(world, F(decision.lots))
    assert view.worst_high - falls > view.floor
    assert view.used(view.worst_high - falls) < F(8, 10)
    assert view.used(view.worst_high) < F(7, 10)
    allowed = F(world.limits.risk_per_trade) * F(world.initial)
    assert falls <= (allowed if view.used(view.worst_high) < F(1, 2) else allowed / 2)


@settings(max_examples=1000)
@given(worlds(roomy=True))
def test_no_order_is_refused_that_the_oracle_calls_safe(world: GateInput) -> None:
    view = oracle.opinion(world)
    used = view.used(view.worst_low)
    allowed = F(world.limits.risk_per_trade) * F(world.initial) / (1 if used < F(1, 2) else 2)
    assume(used < F(7, 10))
    assume(oracle.order_falls(world, F(world.instrument.volume_min)) <= allowed - F(1, 50))
    assume(view.used(view.worst_low - allowed) < F(8, 10))
    assert decide(world).approved, decide(world).rejections


@settings(max_examples=300)
@given(worlds(), st.integers(1, 2000))
def test_more_risk_never_turns_a_rejection_into_a_pass(world: GateInput, lost: int) -> None:
    assume(not decide(world).approved)
    riskier = [
        replace(world, account=replace(world.account, equity=max(world.account.equity - lost, D(0)))),
        replace(world, pending=(*world.pending, pending(str(lost), "ADA-USD", unknown=True))),
        replace(world, account=replace(world.account, positions=(*world.account.positions, _naked()))),
    ]
    for worse in riskier:
        assert not decide(worse).approved


def _naked() -> Position:
    return position("SOL-USD", entry=D(140), price=D(140), stop=None, lots=D("0.01"))


@settings(max_examples=300)
@given(worlds(), st.integers(1, 500))
def test_a_riskier_account_never_gets_a_larger_order(world: GateInput, lost: int) -> None:
    poorer = replace(world, account=replace(world.account, equity=max(world.account.equity - lost, D(0))))
    assert decide(poorer).lots <= decide(world).lots


class Book:
    """A broker in a few lines: fills at the counted prices, books in cents."""

    def __init__(self, buffer: D) -> None:
        self.balance = D(100000)
        self.midnight = D(100000)
        self.held: dict[str, Position] = {}
        self.prices = {s: D(p) for s, p in PRICES.items()}
        self.instruments = {i.symbol: replace(i, spread_bp=D(2), slippage_bp=D(1)) for i in (BTC, ETH, SOL)}
        self.buffer = buffer

    def view(self) -> AccountView:
        held = tuple(self._marked(p) for p in self.held.values())
        return account(str(self.balance), str(equity_of(self.balance, held)), positions=held)

    def _marked(self, held: Position) -> Position:
        price = self.prices[held.symbol]
        size = held.lots * self.instruments[held.symbol].contract_size
        profit = ((price - held.entry) * held.side.sign * size).quantize(CENT)
        return replace(held, price=price, profit=profit)

    def ask(self, symbol: str, side: Side, away: D, risk: D) -> GateInput:
        entry = self.prices[symbol]
        plan = draft(
            symbol=symbol, side=side, entry=entry,
            stop=entry * (1 - side.sign * away), target=entry * (1 + side.sign * away),
        )  # fmt: skip
        return gate_input(
            draft=plan,
            account=self.view(),
            day=day(str(self.midnight)),
            instrument=self.instruments[symbol],
            instruments=self.instruments,
            limits=replace(LIMITS, risk_per_trade=risk, gap_buffer_bp=self.buffer, max_group_risk=D(1)),
            margin=AMPLE,
            usage=usage(open_positions=len(self.held)),
        )

    def open(self, asked: GateInput, lots: D) -> None:
        plan, instrument = asked.draft, asked.instrument
        entry = fill_price(plan.side, plan.entry, instrument, opening=True)
        self.balance -= commission(lots, entry, instrument)
        self.held[plan.symbol] = position(
            plan.symbol, plan.side, entry=entry, price=plan.entry, stop=plan.stop, lots=lots
        )

    def close(self, symbol: str, price: D) -> None:
        held, instrument = self.held.pop(symbol), self.instruments[symbol]
        size = held.lots * instrument.contract_size
        self.balance += ((price - held.entry) * held.side.sign * size).quantize(CENT)
        self.balance -= commission(held.lots, price, instrument)

    def all_stopped(self) -> D:
        """The balance if every stop fired now, each as bad as it is counted."""
        copy = Book(self.buffer)
        copy.balance, copy.prices, copy.held = self.balance, self.prices, dict(self.held)
        for symbol, held in self.held.items():
            assert held.stop is not None
            copy.close(symbol, stop_fill(held.side, held.stop, self.instruments[symbol], self.buffer))
        return copy.balance

    def move(self, symbol: str, change: D) -> None:
        self.prices[symbol] = (self.prices[symbol] * (1 + change)).quantize(CENT)
        held = self.held.get(symbol)
        if held is not None and held.stop is not None:
            if (self.prices[symbol] - held.stop) * held.side.sign > 0:
                return
            self.close(symbol, stop_fill(held.side, held.stop, self.instruments[symbol], self.buffer))


steps = st.tuples(
    st.sampled_from(list(PRICES)),
    sides,
    st.integers(20, 250).map(lambda n: D(n) / 10000),
    st.integers(-150, 150).map(lambda n: D(n) / 10000),
    st.integers(0, 30),
)


@settings(max_examples=120)
@given(
    history=st.lists(steps, min_size=30, max_size=60),
    risk=st.integers(10, 100).map(lambda n: D(n) / 10000),
    start=st.integers(0, 3900),
)
def test_no_history_of_allowed_orders_reaches_a_floor_through_its_stops(
    history: list[tuple[str, Side, D, D, int]], risk: D, start: int
) -> None:
    book = Book(D(10))
    book.balance -= start
    for symbol, side, away, change, midnight in history:
        asked = book.ask(symbol, side, away, risk)
        decision = decide(asked)
        if decision.approved:
            book.open(asked, decision.lots)
            floor = max(book.midnight - 5000, D(90000))
            assert book.all_stopped() > floor - CENT * len(book.held)
            assert book.all_stopped() > book.midnight - D(4000) - CENT * len(book.held)
        if midnight == 0 and not book.held:
            book.midnight = book.balance
        book.move(symbol, change)


def test_the_histories_do_trade() -> None:
    book = Book(D(10))
    asked = book.ask("BTC-USD", Side.LONG, D("0.01"), D("0.005"))
    decision = decide(asked)
    assert decision.approved
    book.open(asked, decision.lots)
    book.move("BTC-USD", D("-0.02"))
    assert not book.held
    assert D(100000) - book.balance <= decision.risk <= D(500)
    assert asked.now == NOW
