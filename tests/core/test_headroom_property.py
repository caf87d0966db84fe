"""The headroom number of every kind of programme: against exact fractions, and what may never raise it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.core import oracle
from tests.core.worlds import BTC, ETH, LIMITS, SOL, TWO_STEP, account, day, pending, position
from trading.core.equity import equity_of, pnl
from trading.core.headroom import Headroom, headroom
from trading.core.programme import DailyBasis, DailyReference, Programme, TotalLossMode
from trading.core.types import Breach, Level, Position, Side

CENT = D("0.01")
INITIAL = D(100000)
PRICES = {"BTC-USD": 90000, "ETH-USD": 3000, "SOL-USD": 140}
MIDNIGHT = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
PROGRAMMES = [
    replace(
        TWO_STEP,
        daily_loss=D("0.03"),
        total_loss_mode=mode,
        daily_reference=reference,
        daily_basis=basis,
        daily_counts_open=counts,
    )
    for mode in TotalLossMode
    for reference in DailyReference
    for basis in DailyBasis
    for counts in (True, False)
]


@dataclass(frozen=True)
class World:
    """What headroom is worked out from."""

    given: dict[str, Any]

    @property
    def programme(self) -> Programme:
        found: Programme = self.given["programme"]
        return found

    @property
    def last_hour(self) -> bool:
        return bool(MIDNIGHT - self.given["now"] < timedelta(minutes=61))

    def room(self, **changes: Any) -> Headroom:
        return headroom(**(self.given | changes))

    def opinion(self) -> oracle.RoomOpinion:
        world = self.given
        return oracle.room_opinion(
            world["account"],
            world["day"],
            F(INITIAL),
            world["programme"],
            world["instruments"],
            F(world["limits"].gap_buffer_bp),
            on_their_way=sum((F(p.risk) for p in world["pending"]), F(0)),
            last_hour=self.last_hour,
        )


@st.composite
def held(draw: st.DrawFn, number: int) -> Position:
    """A position that has moved by up to 4 % either way, its stop in profit, in loss or already passed."""
    side = draw(st.sampled_from(Side))
    symbol = draw(st.sampled_from(sorted(PRICES)))
    entry = (D(PRICES[symbol]) * (1 + D(draw(st.integers(-200, 200))) / 10000)).quantize(CENT)
    price = (entry * (1 + D(draw(st.integers(-400, 400))) / 10000)).quantize(CENT)
    stop = (price * (1 - side.sign * D(draw(st.integers(-50, 300))) / 10000)).quantize(CENT)
    lots = D(draw(st.integers(1, 60))) / 100
    size = {"BTC-USD": D(1), "ETH-USD": D(10), "SOL-USD": D(100)}[symbol]
    shown = D(draw(st.sampled_from([0, 0, 0, -300, 300]))) / 100
    return position(
        symbol,
        side,
        ticket=str(number),
        entry=entry,
        price=price,
        stop=stop,
        lots=lots,
        profit=pnl(side, entry, price, lots=lots, contract_size=size) + shown,
        swap=-D(draw(st.integers(0, 5000))) / 100,
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to five positions and two orders under any kind of programme; half of them near the floor."""
    bp = st.integers(0, 30).map(D)
    spread, slippage = draw(bp), draw(bp)
    rate = D(draw(st.sampled_from(["0", "0.000325", "0.001"])))
    costs = {"spread_bp": spread, "slippage_bp": slippage, "commission_rate": rate}
    markets = [replace(m, gap_buffer_bp=draw(bp), **costs) for m in (BTC, ETH, SOL)]
    positions = tuple(draw(held(n)) for n in range(draw(st.integers(0, 5))))
    orders = tuple(
        pending(str(D(draw(st.integers(0, 40_000))) / 100), unknown=draw(st.booleans()))
        for _ in range(draw(st.integers(0, 2)))
    )
    began = D(draw(st.integers(9_200_000, 11_500_000))) / 100
    began_equity = began + D(draw(st.integers(-200_000, 200_000))) / 100
    peak = max(began, INITIAL) + draw(st.sampled_from([D(0), D(2500), D("11000.01")]))
    minutes = draw(st.sampled_from([0, 1, 59, 60, 61, 600]))
    balance = began + D(draw(st.integers(-400_000, 400_000))) / 100
    world = World(
        {
            "account": account(str(balance), str(equity_of(balance, positions)), positions=positions),
            "day": day(
                str(began), equity=began_equity, peak_balance=peak, peak_equity=max(peak, began_equity)
            ),
            "initial": INITIAL,
            "programme": draw(st.sampled_from(PROGRAMMES)),
            "instruments": {m.symbol: m for m in markets},
            "pending": orders,
            "limits": replace(LIMITS, gap_buffer_bp=draw(bp)),
            "now": MIDNIGHT - timedelta(minutes=minutes, seconds=1),
        }
    )
    return _near(draw, world) if draw(st.integers(0, 9)) < 7 else world


def _near(draw: st.DrawFn, world: World) -> World:
    """The same with so much less or more money that a share of the daily limit is all that is left."""
    before, seen = world.opinion(), world.given["account"]
    share = D(draw(st.sampled_from(["0", "0.2", "0.3", "0.5"]))) + D(draw(st.integers(-100, 100))) / 10000
    shift = F(share) * before.now.daily_limit - before.margin
    moved = (D(shift.numerator) / D(shift.denominator)).quantize(CENT)
    assume(seen.balance + moved > 1000)
    assume(seen.equity + moved > 1000)
    richer = replace(seen, balance=seen.balance + moved, equity=seen.equity + moved)
    return World(world.given | {"account": richer})


@settings(max_examples=800)
@given(worlds())
def test_every_programme_equals_exact_fractions(world: World) -> None:
    room, view = world.room(), world.opinion()
    assert view.worst - view.slack <= F(room.worst_case) <= view.worst
    assert (F(room.daily_floor), F(room.total_floor)) == (view.now.daily, view.now.total)
    assert (F(room.daily_limit), F(room.total_limit)) == (view.now.daily_limit, view.now.total_limit)
    assert F(room.next_floor) == view.coming.higher
    assert view.next_at_stops - view.slack <= F(room.next_floor_at_stops) <= view.next_at_stops
    counted = max(view.now.higher, F(room.next_floor_at_stops)) if world.last_hour else view.now.higher
    assert F(room.floor) == counted
    assert room.headroom == max(room.worst_case - room.floor, 0)
    assert max(view.margin - view.slack, F(0)) <= F(room.headroom) <= max(view.margin, F(0))
    assert (room.to_daily, room.to_total) == (
        max(room.worst_case - room.daily_floor, 0),
        max(room.worst_case - room.total_floor, 0),
    )
    assert room.minutes_to_reset == (MIDNIGHT - world.given["now"]) // timedelta(minutes=1)


@settings(max_examples=300)
@given(worlds())
def test_level_and_breach_follow_from_exact_fractions(world: World) -> None:
    room, view, seen = world.room(), world.opinion(), world.given["account"]
    counted = F(seen.equity if world.programme.daily_counts_open else seen.balance)
    by_day, in_all = counted < view.now.daily, F(seen.equity) < view.now.total
    assert bool(room.breach) is (by_day or in_all)
    if by_day != in_all:
        assert room.breach is (Breach.DAILY if by_day else Breach.TOTAL)
    if by_day and in_all:
        assert room.breach is (Breach.DAILY if view.now.daily >= view.now.total else Breach.TOTAL)

    def share(value: F, floor: F, limit: F) -> F:
        return max(1 - (value - floor) / limit, F(0))

    worst = F(room.worst_case)
    used = [
        share(worst, view.now.daily, view.now.daily_limit),
        share(worst, view.now.total, view.now.total_limit),
    ]
    assert abs(F(room.used_daily) - used[0]) < F(1, 10**18)
    assert abs(F(room.used_total) - used[1]) < F(1, 10**18)
    steps = [(F(8, 10), Level.LOCKED), (F(7, 10), Level.RED), (F(5, 10), Level.AMBER), (F(0), Level.GREEN)]
    measured = next(level for edge, level in steps if max(used) >= edge)
    assert room.level is (Level.BREACH if room.breach else measured)
    lower = F(min(seen.balance, seen.equity) if not world.programme.daily_counts_open else seen.equity)
    by_equity = max(
        share(lower, view.now.daily, view.now.daily_limit),
        share(F(seen.equity), view.now.total, view.now.total_limit),
    )
    assert abs(F(room.used_equity) - by_equity) < F(1, 10**18)
    assert F(room.gone_daily) == max(view.now.daily + view.now.daily_limit - lower, F(0))


@settings(max_examples=250)
@given(worlds())
def test_nothing_of_it_is_ever_negative(world: World) -> None:
    room = world.room()
    amounts = (room.headroom, room.to_daily, room.to_total, room.at_stops, room.gone_daily, room.used)
    assert min(amounts) >= 0
    assert min(room.used_daily, room.used_total, room.used_equity, room.pending_risk, room.unknown_risk) >= 0
    assert room.worst_case <= room.equity


@settings(max_examples=250)
@given(worlds(), held(9), st.integers(0, 100_000), st.integers(1, 20))
def test_more_risk_never_raises_it(world: World, another: Position, cents: int, wider: int) -> None:
    """Under every programme and at every hour: one more position, order, basis point or lost cent."""
    left, seen, limits = world.room().headroom, world.given["account"], world.given["limits"]
    order = pending(str(D(cents) / 100), unknown=bool(cents % 2))
    more = replace(seen, positions=(*seen.positions, another))
    naked = replace(seen, positions=(*seen.positions, replace(another, stop=None)))
    buffer = replace(limits, gap_buffer_bp=limits.gap_buffer_bp + wider)
    assert world.room(account=more).headroom <= left
    assert world.room(account=naked).headroom == 0
    assert world.room(pending=(*world.given["pending"], order)).headroom <= left
    assert world.room(limits=buffer).headroom <= left


@settings(max_examples=250)
@given(worlds(), st.integers(1, 300))
def test_a_price_that_moves_against_a_position_never_raises_it(world: World, bp: int) -> None:
    """Where the floor hangs on equity it comes down with it; everywhere else the room only shrinks."""
    programme, seen = world.programme, world.given["account"]
    assume(seen.positions)
    assume(programme.daily_reference is DailyReference.BALANCE or not world.last_hour)
    assume(not programme.watches_peak or seen.equity <= world.given["day"].peak_equity)
    first = seen.positions[0]
    price = (first.price * (1 - first.side.sign * D(bp) / 10000)).quantize(CENT)
    size = world.given["instruments"][first.symbol].contract_size
    lost = abs(price - first.price) * first.lots * size
    moved = replace(first, price=price, profit=first.profit - lost)
    after = replace(seen, equity=seen.equity - lost, positions=(moved, *seen.positions[1:]))
    assume(after.equity > 0)
    # The position is counted up to the next cent, from the new price as from the old one.
    assert world.room(account=after).headroom <= world.room().headroom + CENT


def test_half_of_the_worlds_are_near_a_floor() -> None:
    """The properties say something only while the strategy brings worlds that matter."""
    near: list[bool] = []

    @settings(max_examples=300, database=None)
    @given(worlds())
    def look(world: World) -> None:
        view = world.opinion()
        near.append(abs(view.margin) <= F(51, 100) * view.now.daily_limit)

    look()
    assert sum(near) >= len(near) / 2


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"daily_counts_open": False}, id="open profit"),
        pytest.param({"daily_reference": DailyReference.EQUITY}, id="reference"),
        pytest.param({"daily_basis": DailyBasis.CURRENT}, id="basis"),
        pytest.param({"total_loss_mode": TotalLossMode.TRAILING_INTRADAY}, id="total loss"),
    ],
)
def test_every_switch_of_a_programme_matters(changed: dict[str, Any]) -> None:
    """One world in which each of them alone changes what is left."""
    gain = position(ticket="w", entry=D(80000), price=D(90000), stop=D(88000), lots=D("0.5"), profit=D(5000))
    loss = position(ticket="l", price=D(91000), stop=D(90000), lots=D(1), profit=D(-840))
    seen = account("104000", "108160", positions=(gain, loss))
    start = day("104000", equity=D(107000), peak_balance=D(104000), peak_equity=D(118000))

    def left(**words: Any) -> D:
        programme = replace(TWO_STEP, **words)
        return (
            World(
                {
                    "account": seen,
                    "day": start,
                    "initial": INITIAL,
                    "programme": programme,
                    "instruments": {"BTC-USD": BTC},
                    "pending": (),
                    "limits": LIMITS,
                    "now": MIDNIGHT - timedelta(hours=5),
                }
            )
            .room()
            .headroom
        )

    assert left(**changed) != left()
