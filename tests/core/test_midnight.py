"""Before midnight: the floor that will apply, and the closes that keep it unbroken."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.worlds import BTC, ETH, INSTRUMENTS, LIMITS, TWO_STEP, account, day, pending, position
from trading.core.costs import commission, fill_price
from trading.core.equity import equity_of, pnl
from trading.core.headroom import Headroom, headroom
from trading.core.midnight import MidnightAction, Plan, plan
from trading.core.programme import (
    DailyBasis,
    DailyReference,
    Programme,
    TotalLossMode,
    begin_day,
    breach_of,
)
from trading.core.types import AccountView, Breach, DayStart, Position, Side

MIDNIGHT = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
FREE = replace(BTC, commission_rate=D(0))


def before(minutes: int) -> datetime:
    """So many whole minutes before midnight, and a second more."""
    return MIDNIGHT - timedelta(minutes=minutes, seconds=1)


def losing(loss: str, ticket: str = "1", *, further: str = "100", market: str = "BTC-USD") -> Position:
    """One lot of BTC from 90,000 that has lost so much, its stop so much further down."""
    price = D(90000) - D(loss)
    stop = price - D(further)
    return position(market, ticket=ticket, lots=D(1), entry=D(90000), price=price, stop=stop, profit=-D(loss))


def view_of(balance: str, *held: Position) -> AccountView:
    return account(balance, str(equity_of(D(balance), held)), positions=held)


def planned(
    view: AccountView,
    start: DayStart,
    *,
    initial: str = "200000",
    programme: Programme = TWO_STEP,
    minutes: int = 5,
    action: MidnightAction = MidnightAction.REDUCE,
    **changes: Any,
) -> Plan:
    given_world: dict[str, Any] = {
        "view": view,
        "day": start,
        "initial": D(initial),
        "programme": programme,
        "instruments": INSTRUMENTS,
        "limits": LIMITS,
        "now": before(minutes),
    }
    changes.setdefault("room", room_of(given_world))
    return plan(**(given_world | {"action": action, "act_minutes": 10} | changes))


def room_of(world: dict[str, Any], *orders: Any) -> Headroom:
    return headroom(account=world["view"], pending=orders, **{k: v for k, v in world.items() if k != "view"})


def closed(view: AccountView, tickets: tuple[str, ...]) -> AccountView:
    """The account once these were closed at the shown prices, worked out apart from the plan."""
    balance = view.balance
    left = tuple(p for p in view.positions if p.ticket not in tickets)
    for gone in (p for p in view.positions if p.ticket in tickets):
        market = INSTRUMENTS[gone.symbol]
        out = fill_price(gone.side, gone.price, market, opening=False)
        won = pnl(gone.side, gone.entry, out, lots=gone.lots, contract_size=market.contract_size)
        balance += won + gone.swap - commission(gone.lots, out, market)
    return replace(view, balance=balance, equity=equity_of(balance, left), positions=left)


def breach_at_midnight(view: AccountView, start: DayStart, initial: D, programme: Programme) -> Breach:
    tomorrow = begin_day(start, day="2026-11-20", balance=view.balance, equity=view.equity)
    return breach_of(
        balance=view.balance, equity=view.equity, day=tomorrow, initial=initial, programme=programme
    )


V4 = view_of("204000", losing("13000"))


@pytest.mark.parametrize("action", [MidnightAction.REDUCE, MidnightAction.FLATTEN])
def test_v4_is_prevented(action: MidnightAction) -> None:
    """204,000 closed, 13,000 floating: legal at 23:59, a breach at 00:00."""
    assert breach_at_midnight(V4, day("200000"), D(200000), TWO_STEP) is Breach.DAILY
    answer = planned(V4, day("200000"), action=action)
    assert (answer.due, answer.action, answer.close) == (True, action, ("1",))
    after = closed(V4, answer.close)
    assert breach_at_midnight(after, day("200000"), D(200000), TWO_STEP) is Breach.NONE
    assert "194,000.00" in answer.sentence
    assert "191,000.00 would break the daily limit" in answer.sentence


def test_v4_is_only_told_where_that_is_the_setting() -> None:
    answer = planned(V4, day("200000"), action=MidnightAction.WARN, minutes=0)
    assert (answer.due, answer.action, answer.close) == (True, MidnightAction.WARN, ())
    assert answer.sentence.endswith("Only a warning is set: close by hand.")


def test_a_plan_against_today_s_floor_lets_v4_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong product: the floor that holds now in place of the one to come."""
    wrong = property(
        lambda self: (0, self.room.worst_case - max(self.room.daily_floor, self.room.total_floor))
    )
    view = view_of("204000", losing("13000", further="10"))
    assert planned(view, day("200000")).close == ("1",)
    monkeypatch.setattr("trading.core.midnight._Account.margin", wrong)
    after = closed(view, planned(view, day("200000")).close)
    assert breach_at_midnight(after, day("200000"), D(200000), TWO_STEP) is Breach.DAILY


@pytest.mark.parametrize(
    ("minutes", "due", "action"),
    [
        pytest.param(61, False, MidnightAction.WARN, id="before the last hour nothing is said"),
        pytest.param(60, True, MidnightAction.WARN, id="from 60 minutes on it warns"),
        pytest.param(11, True, MidnightAction.WARN, id="it does not act early"),
        pytest.param(10, True, MidnightAction.REDUCE, id="it acts at its minute"),
        pytest.param(0, True, MidnightAction.REDUCE, id="and to the last"),
    ],
)
def test_when_it_warns_and_when_it_acts(minutes: int, due: bool, action: MidnightAction) -> None:
    answer = planned(V4, day("200000"), minutes=minutes)
    assert (answer.due, answer.action) == (due, action)
    assert bool(answer.sentence) is due
    assert bool(answer.close) is (action is MidnightAction.REDUCE)


@pytest.mark.parametrize(
    ("act_minutes", "acts"), [pytest.param(5, True), pytest.param(4, False), pytest.param(0, False)]
)
def test_its_minute_is_a_setting(act_minutes: int, acts: bool) -> None:
    assert bool(planned(V4, day("200000"), act_minutes=act_minutes).close) is acts


def test_a_safe_midnight_asks_for_nothing() -> None:
    assert planned(view_of("204000", losing("2000")), day("200000")) == Plan(due=False)
    assert planned(view_of("150000"), day("200000")) == Plan(due=False)


def test_the_fewest_positions_are_closed() -> None:
    """4,000 and 13,000 floating against 10,000: the large one goes, the small one stays."""
    view = view_of("204000", losing("4000", "small"), losing("13000", "large"))
    assert planned(view, day("200000")).close == ("large",)
    assert planned(view, day("200000"), action=MidnightAction.FLATTEN).close == ("large", "small")


def test_a_winner_is_not_closed_for_the_losers_sake() -> None:
    """Its gain would only lift the floor."""
    winner = position(ticket="w", lots=D(1), entry=D(90000), price=D(94000), stop=D(93990), profit=D(4000))
    view = view_of("204000", winner, losing("13000", "l"))
    answer = planned(view, day("200000"))
    assert answer.close == ("l",)
    assert breach_at_midnight(view, day("200000"), D(200000), TWO_STEP) is Breach.NONE


def test_a_gain_that_its_stop_secures_does_not_count_against_another_loss() -> None:
    """If the winner is stopped out before midnight, the floor has risen and the loss stands alone."""
    winner = position(ticket="w", lots=D(1), entry=D(90000), price=D(96000), stop=D(95500), profit=D(6000))
    view = view_of("200000", winner, losing("9800", "l", further="150"))
    answer = planned(view, day("200000"))
    assert (answer.due, answer.close) == (True, ("l",))
    assert breach_at_midnight(closed(view, ("w",)), day("200000"), D(200000), TWO_STEP) is Breach.NONE
    later = closed(view_of("200000", winner, losing("9990", "l", further="0.01")), ("w",))
    assert later.equity - later.balance == -9990


def test_the_worst_case_counts_apart_from_equity() -> None:
    """9,000 floating is legal at midnight, but at its stop 10,500 would be gone from a floor of 194,000."""
    view = view_of("204000", losing("9000", further="1500"))
    answer = planned(view, day("200000"))
    assert breach_at_midnight(view, day("200000"), D(200000), TWO_STEP) is Breach.NONE
    assert (answer.due, answer.close) == (True, ("1",))
    assert "with every stop hit" in answer.sentence


@pytest.mark.parametrize(
    ("further", "due"),
    [pytest.param("999.99", False, id="a cent above"), pytest.param("1000", True, id="touching it")],
)
def test_touching_the_coming_floor_is_not_safe(further: str, due: bool) -> None:
    held = losing("9000", further=further)
    limits = replace(LIMITS, gap_buffer_bp=D(0))
    world = {
        "view": view_of("204000", held),
        "day": day("200000"),
        "initial": D(200000),
        "programme": TWO_STEP,
        "instruments": {"BTC-USD": FREE},
        "limits": limits,
        "now": before(5),
    }
    room = room_of(world)
    assert (room.worst_case - room.next_floor_at_stops == 0) is due
    assert plan(room=room, action=MidnightAction.REDUCE, act_minutes=10, **world).due is due


def test_orders_on_their_way_count() -> None:
    view = view_of("204000", losing("2000"))
    world = {
        "view": view,
        "day": day("200000"),
        "initial": D(200000),
        "programme": TWO_STEP,
        "instruments": INSTRUMENTS,
        "limits": LIMITS,
        "now": before(5),
    }
    for orders in ((pending("7800"),), (pending("7800", unknown=True),)):
        assert planned(view, day("200000"), room=room_of(world, *orders)).close == ("1",)
    assert not planned(view, day("200000"), room=room_of(world, pending("7000"))).due


def test_a_position_without_a_stop_is_closed_first() -> None:
    naked = [replace(losing("100", ticket), stop=None) for ticket in ("n1", "n2")]
    view = view_of("204000", losing("2000", "kept"), *naked)
    assert set(planned(view, day("200000")).close) == {"n1", "n2"}


def bare(*held: Position, orders: str = "0", minutes: int = 5, balance: str = "204000") -> Plan:
    """A plan where nothing costs anything and stops fill at their price."""
    markets = {"BTC-USD": FREE, "BTC-EUR": replace(FREE, symbol="BTC-EUR")}
    world = {
        "view": view_of(balance, *held),
        "day": day("200000"),
        "initial": D(200000),
        "programme": TWO_STEP,
        "instruments": markets,
        "limits": replace(LIMITS, gap_buffer_bp=D(0)),
        "now": before(minutes),
    }
    room = room_of(world, pending(orders))
    return plan(room=room, action=MidnightAction.REDUCE, act_minutes=10, **world)


def test_of_two_closes_that_help_alike_the_larger_floating_loss_goes() -> None:
    """Both would have lost 6,000 at their stops; one has lost more of it already."""
    less = losing("1000", "less", further="5000")
    more = losing("4000", "more", further="2000", market="BTC-EUR")
    assert bare(less, more).close == bare(more, less).close == ("more",)


def test_what_is_lost_at_the_stop_decides_before_what_floats() -> None:
    """One close is enough when it is the one whose stop lies far away."""
    near = losing("6000", "near", further="100")
    far = losing("5000", "far", further="7000", market="BTC-EUR")
    assert bare(near, far).close == ("far",)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        pytest.param(MidnightAction.REDUCE, "The desk reduces 10 min before midnight."),
        pytest.param(MidnightAction.FLATTEN, "The desk closes everything 10 min before midnight."),
    ],
)
def test_the_warning_says_what_will_be_done(action: MidnightAction, words: str) -> None:
    assert planned(V4, day("200000"), minutes=30, action=action).sentence.endswith(words)


def test_the_costs_of_a_close_lower_the_floor_that_hangs_on_the_balance() -> None:
    """After the first close 154.76 are left to the floor, which a balance without its costs would hide."""
    world = {
        "view": view_of(
            "204000", losing("9900", "first", further="10"), losing("9755", "kept", further="10")
        ),
        "day": day("200000"),
        "initial": D(200000),
        "programme": TWO_STEP,
        "instruments": {"BTC-USD": replace(BTC, commission_rate=D("0.001"))},
        "limits": replace(LIMITS, gap_buffer_bp=D(0)),
        "now": before(5),
    }
    room = room_of(world)
    answer = plan(room=room, action=MidnightAction.REDUCE, act_minutes=10, **world)
    assert answer.close == ("first",)


def test_nothing_is_closed_that_does_not_help() -> None:
    """An order on its way fills the room alone; the position at its stop would change nothing."""
    still = position(ticket="s", lots=D(1), entry=D(90000), price=D(91000), stop=D(91000), profit=D(1000))
    answer = bare(still, orders="10000")
    assert (answer.due, answer.action, answer.close) == (True, MidnightAction.WARN, ())
    assert answer.sentence.endswith("what is at risk are orders on their way.")


def test_swap_is_part_of_what_floats() -> None:
    """9,900 by price and 200 of swap: only with the swap it is more than 10,000."""
    tired = replace(losing("9900", "t", further="0.01"), swap=D(-200))
    assert bare(tired).close == ("t",)
    assert bare(replace(tired, swap=D(0))) == Plan(due=False)
    late = replace(losing("5000", "swap", further="0.01", market="BTC-EUR"), swap=D(-400))
    assert bare(losing("5100", "price", further="0.01"), late).close == ("swap",)


@pytest.mark.parametrize(
    ("loss", "closes"),
    [
        pytest.param("13232", True, id="768 left today, 767.68 to pay"),
        pytest.param("13233", False, id="767 left today, 767.67 to pay"),
    ],
)
def test_a_close_that_costs_more_than_is_left_today_is_not_made(loss: str, closes: bool) -> None:
    seen = view_of("204000", losing(loss))
    world = {
        "day": day("200000"),
        "initial": D(200000),
        "programme": TWO_STEP,
        "instruments": {"BTC-USD": replace(BTC, commission_rate=D("0.01"))},
        "limits": LIMITS,
        "now": before(5),
    }
    room = room_of({"view": seen, **world})
    answer = plan(room=room, view=seen, action=MidnightAction.REDUCE, act_minutes=10, **world)
    assert bool(answer.close) is closes
    assert answer.sentence.endswith("are closed now." if closes else "it would break today's limit.")


def test_where_open_loss_does_not_count_a_close_that_breaks_today_is_not_planned() -> None:
    """The day began with 204,000: closing 13,000 now would break the limit that holding them does not."""
    programme = replace(TWO_STEP, daily_counts_open=False)
    answer = planned(V4, day("204000"), programme=programme)
    assert (answer.due, answer.action, answer.close) == (True, MidnightAction.WARN, ())
    assert "would break today's limit" in answer.sentence
    assert planned(V4, day("200000"), programme=programme).close == ("1",)


def test_flatten_names_what_may_be_closed_where_one_has_to_stay() -> None:
    """Of 6,000 that are left today, a loss of 5,000 may be booked, one of 7,000 may not."""
    programme = replace(TWO_STEP, daily_counts_open=False)
    view = view_of("200000", losing("5000", "may"), losing("7000", "must not"))
    answer = planned(view, day("204000"), programme=programme, action=MidnightAction.FLATTEN)
    assert (answer.action, answer.close) == (MidnightAction.REDUCE, ("may",))


def test_an_account_that_is_broken_already_may_be_closed() -> None:
    view = view_of("204000", losing("25000"))
    assert planned(view, day("204000")).close == ("1",)


@pytest.mark.parametrize("bad", ["close", None, 1])
def test_an_unknown_setting_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        planned(V4, day("200000"), action=bad)


@pytest.mark.parametrize("bad", [-1, None, 1.0, True])
def test_minutes_must_be_whole(bad: Any) -> None:
    with pytest.raises(ValueError, match="minutes before midnight"):
        planned(V4, day("200000"), act_minutes=bad)


def test_a_market_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no instrument"):
        planned(V4, day("200000"), instruments={"ETH-USD": ETH})


PROGRAMMES = [
    replace(
        TWO_STEP,
        daily_loss=D("0.03") if mode.startswith("trailing") else D("0.05"),
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


@st.composite
def evenings(draw: st.DrawFn) -> tuple[AccountView, DayStart, Programme]:
    """An unbroken account within the last hour; half of them lose about what the daily limit allows."""
    programme = draw(st.sampled_from(PROGRAMMES))
    near = draw(st.booleans())
    count = draw(st.integers(1, 4))
    began = D(draw(st.integers(9_500_000, 11_500_000))) / 100
    balance = began + D(draw(st.integers(-200_000, 800_000))) / 100
    limit = programme.daily_loss * 100000
    held: list[Position] = []
    for number in range(count):
        side = draw(st.sampled_from(Side))
        symbol, entry = draw(st.sampled_from([("BTC-USD", D(90000)), ("ETH-USD", D(3000))]))
        units = INSTRUMENTS[symbol].contract_size
        share = draw(st.integers(60, 140) if near else st.integers(-200, 150))
        result = -limit * share / 100 / count
        lots = D(draw(st.integers(5, 300))) / 100
        price = (entry + side.sign * result / lots / units).quantize(D("0.01"))
        assume(price > 100)
        stop = (price * (1 - side.sign * D(draw(st.integers(1, 300))) / 10000)).quantize(D("0.01"))
        won = pnl(side, entry, price, lots=lots, contract_size=units)
        held.append(
            position(
                symbol,
                side,
                ticket=str(number),
                lots=lots,
                entry=entry,
                price=price,
                stop=stop,
                profit=won,
                swap=-D(draw(st.integers(0, 3000))) / 100,
            )
        )
    view = account(str(balance), str(equity_of(balance, held)), positions=tuple(held))
    peak = max(began, D(100000)) + draw(st.sampled_from([D(0), D(1500), D(9000)]))
    return view, day(str(began), peak_balance=peak, peak_equity=peak), programme


@given(
    world=evenings(),
    action=st.sampled_from([MidnightAction.REDUCE, MidnightAction.FLATTEN]),
    minutes=st.integers(0, 10),
)
def test_midnight_breaks_nothing_once_the_plan_is_carried_out(
    world: tuple[AccountView, DayStart, Programme], action: MidnightAction, minutes: int
) -> None:
    view, start, programme = world
    initial = D(100000)
    assume(view.equity > 0)

    def breach(seen: AccountView) -> Breach:
        return breach_of(
            balance=seen.balance, equity=seen.equity, day=start, initial=initial, programme=programme
        )

    everything = closed(view, tuple(p.ticket for p in view.positions))
    # Where even closing all would break today's limit, no plan can help.
    assume(not breach(view) and not breach(everything))
    answer = planned(view, start, initial="100000", programme=programme, minutes=minutes, action=action)
    after = closed(view, answer.close)
    assert breach_at_midnight(after, start, initial, programme) is Breach.NONE
    assert breach(after) is Breach.NONE
    if not answer.due:
        assert breach_at_midnight(view, start, initial, programme) is Breach.NONE
    if action is MidnightAction.REDUCE and programme.daily_basis is DailyBasis.INITIAL and answer.close:
        assert_fewest(view, start, programme, answer.close)


def assert_fewest(view: AccountView, start: DayStart, programme: Programme, tickets: tuple[str, ...]) -> None:
    """No smaller number of closes would have made midnight safe."""
    everyone = [p.ticket for p in view.positions]
    for fewer in combinations(everyone, len(tickets) - 1):
        left = closed(view, fewer)
        world = {
            "view": left,
            "day": start,
            "initial": D(100000),
            "programme": programme,
            "instruments": INSTRUMENTS,
            "limits": LIMITS,
            "now": before(5),
        }
        room = room_of(world)
        assert room.worst_case <= room.next_floor_at_stops + D("0.05")
