"""What all positions together may be: caps on the lots, by example and by property."""

from dataclasses import replace
from decimal import Decimal as D
from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import oracle
from tests.core.worlds import (
    BTC,
    ETH,
    INSTRUMENTS,
    LIMITS,
    SOL,
    account,
    draft,
    gate_input,
    pending,
    position,
)
from trading.core import portfolio
from trading.core.gate import GateInput, decide
from trading.core.portfolio import Coming, Portfolio, margin_by_rate
from trading.core.types import Instrument, Margin, Mode, Position, Side

ETH_LONG = position("ETH-USD", entry=D(3000), price=D(3000), stop=D(2990), lots=D("0.1"))
GAP = D(10)


def make(**changes: Any) -> Portfolio:
    """A flat account of 100,000 that asks for a long of BTC from 90,000; name what differs."""
    fresh = Portfolio(
        draft=draft(),
        account=account(),
        initial=D(100000),
        instrument=BTC,
        instruments=INSTRUMENTS,
        limits=LIMITS,
        pending=(),
        margin=Margin(free=D(100000), per_lot=D(90000)),
    )
    return replace(fresh, **changes)


def limits(**changes: Any) -> Any:
    return replace(LIMITS, **changes)


# -- one direction of one group --------------------------------------------------------------------


def test_the_loss_of_the_group_is_its_stops_with_costs_and_what_floats() -> None:
    """ETH 0.1 lots of 10: from 3,000 to 2,990 less 10 bp is 12.99 a unit, and 0.97 of commission."""
    lost = portfolio.group_loss(
        "crypto", Side.LONG, positions=(ETH_LONG,), pending=(), instruments=INSTRUMENTS, limits=LIMITS
    )
    assert lost == D("13.96")
    under = replace(ETH_LONG, price=D(2995), profit=D(-5))
    above = replace(ETH_LONG, price=D(3005), profit=D(5))
    for held, total in ((under, D("13.96")), (above, D("18.96"))):
        known = portfolio.group_loss(
            "crypto", Side.LONG, positions=(held,), pending=(), instruments=INSTRUMENTS, limits=LIMITS
        )
        assert known == total


@pytest.mark.parametrize(
    ("held", "coming", "known"),
    [
        pytest.param((ETH_LONG,), (), "13.96", id="the same direction"),
        pytest.param(
            (replace(ETH_LONG, side=Side.SHORT, stop=D(3010)),), (), "0.00", id="the other direction"
        ),
        pytest.param((), (pending("40"), pending("2", unknown=True)), "42.00", id="orders on their way"),
        pytest.param((ETH_LONG,), (pending("40", "XRP-USD"),), "53.96", id="a market nobody knows"),
    ],
)
def test_what_counts_to_the_group(held: Any, coming: Any, known: str) -> None:
    assert make(account=account(positions=held), pending=coming).group_risk.answer.value == known


def test_another_group_does_not_count() -> None:
    markets = {**INSTRUMENTS, "ETH-USD": replace(ETH, group="gold"), "SOL-USD": replace(SOL, group="gold")}
    asked = make(account=account(positions=(ETH_LONG,)), pending=(pending("40"),), instruments=markets)
    assert asked.group_risk.answer.value == "0.00"


@pytest.mark.parametrize("side", Side)
def test_a_position_without_a_stop_has_no_end_to_its_loss(side: Side) -> None:
    naked = replace(ETH_LONG, side=side, stop=None)
    asked = make(account=account(positions=(naked,)))
    lost = portfolio.group_loss(
        "crypto", side, positions=(naked,), pending=(), instruments=INSTRUMENTS, limits=LIMITS
    )
    assert lost is None
    assert asked.group_risk.answer.passed is (side is Side.SHORT)
    assert (asked.group_risk.most == 0) is (side is Side.LONG)


@pytest.mark.parametrize(("held", "known"), [((), D(0)), ((ETH_LONG, replace(ETH_LONG, stop=None)), None)])
def test_one_position_without_a_stop_is_enough(held: Any, known: D | None) -> None:
    lost = portfolio.group_loss(
        "crypto", Side.LONG, positions=held, pending=(), instruments=INSTRUMENTS, limits=LIMITS
    )
    assert lost == known


@pytest.mark.parametrize(
    "broken",
    [
        {"instruments": {"BTC-USD": BTC}, "account": account(positions=(ETH_LONG,))},
        {"instrument": replace(BTC, group="")},
        {"instrument": replace(BTC, group=None)},
        {"pending": (replace(pending("1"), risk=D(-1)),)},
        {"account": account(positions=(replace(ETH_LONG, profit=D("NaN")),))},
        {"limits": limits(max_group_risk=D(0))},
        {"limits": limits(max_group_risk=D("1.01"))},
    ],
)
def test_a_group_that_cannot_be_read_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|no instrument"):
        _ = make(**broken).group_risk


# -- one market, one order, the reserve, the margin -------------------------------------------------


def test_what_the_market_holds_already_counts() -> None:
    """Half a Bitcoin at 92,000 is 46,000 of the 50,000 that half of equity allows: 4,000 are left."""
    held = position(lots=D("0.5"), price=D(92000))
    asked = make(account=account(positions=(held,)), limits=limits(max_position_share=D("0.5")))
    assert asked.position_share.most == D(4000) / D(90000)
    assert (asked.position_share.answer.value, asked.position_share.answer.limit) == (
        "46,000.00",
        "50,000.00",
    )


@pytest.mark.parametrize(
    ("changes", "name", "most"),
    [
        ({"limits": limits(max_position_share=D("0.45"))}, "position_share", "0.5"),
        ({"limits": limits(max_order_value=D(9000))}, "order_value", "0.1"),
        ({"limits": limits(cash_reserve=D("0.55"))}, "cash_reserve", "0.5"),
        ({"limits": limits(max_margin_share=D("0.45"))}, "margin", "0.5"),
    ],
)
def test_the_most_lots_by_each_limit(changes: dict[str, Any], name: str, most: str) -> None:
    assert make(**changes).caps[name] == D(most)


def test_a_lot_is_worth_its_contract_size() -> None:
    """One lot of ETH is ten: 30,000 at 3,000, the smallest volume 300, and 0.2 lots at 3,100 are worth 6,200."""
    asked = make(
        draft=draft(symbol="ETH-USD", entry=D(3000), stop=D(2990), target=D(3020)),
        instrument=ETH,
        account=account(positions=(replace(ETH_LONG, lots=D("0.2"), price=D(3100)),)),
        limits=limits(max_position_share=D("0.362"), max_order_value=D(6000), min_order_value=D(900)),
    )
    assert (asked.position_share.answer.value, asked.position_share.most) == ("6,200.00", D(1))
    assert (asked.order_value.answer.value, asked.order_value.most) == ("300.00", D("0.2"))
    assert asked.too_small(D("0.03")) is None
    small = asked.too_small(D("0.02"))
    assert small is not None
    assert (small.value, small.limit) == ("600.00", "900.00")


@pytest.mark.parametrize(
    ("changes", "rule", "value", "limit", "words"),
    [
        pytest.param(
            {
                "limits": limits(max_position_share=D("0.5")),
                "account": account(positions=(position(lots=D("0.55"), price=D(90000)),)),
            },
            "position_share",
            "50,400.00",
            "50,000.00",
            "BTC-USD is worth 49,500.00, with the smallest order 50,400.00; 50,000.00 allowed, 50.0 % of equity.",
            id="share",
        ),
        pytest.param(
            {"limits": limits(max_order_value=D(500))},
            "order_value",
            "900.00",
            "500.00",
            "The smallest order is worth 900.00, 500.00 allowed. Ends when an admin raises the limit.",
            id="order",
        ),
        pytest.param(
            {"limits": limits(cash_reserve=D("0.995"))},
            "cash_reserve",
            "100,000.00",
            "99,500.00",
            "100,000.00 is unspent, 99,500.00 must stay, 99.5 % of equity. Opens by itself when a position closes.",
            id="cash",
        ),
        pytest.param(
            {"pending": (pending("1995"),)},
            "group_risk",
            "1,995.00",
            "2,000.00",
            "crypto longs may lose 1,995.00 together, with the smallest order 2,002.48; 2,000.00 allowed.",
            id="group",
        ),
    ],
)
def test_a_refusal_says_number_against_limit(
    changes: dict[str, Any], rule: str, value: str, limit: str, words: str
) -> None:
    answer = getattr(make(**changes), rule).answer
    assert (answer.passed, answer.value, answer.limit) == (False, value, limit)
    assert answer.sentence.startswith(words)


def test_the_margins_refusal_says_number_against_limit() -> None:
    answer = make(margin=Margin(free=D(1000), per_lot=D(90000))).margin_for(D("0.66"))
    assert answer.sentence == (
        "0.66 lots take 59,400.00 of margin, 900.00 of 1,000.00 free allowed. Opens by itself when a position closes."
    )


def test_limits_that_a_profile_does_not_set_cap_nothing() -> None:
    asked = make()
    assert set(asked.caps) == {"group_risk", "margin"}
    for fits in (asked.position_share, asked.order_value, asked.cash_reserve):
        assert fits.answer.passed
        assert fits.answer.limit == "none"


@pytest.mark.parametrize(
    ("lots", "refused"),
    [("0.11", True), ("0.12", False), ("0", False), ("0.1111111", True), ("0.1111112", False)],
)
def test_an_order_may_be_worth_too_little(lots: str, refused: bool) -> None:
    """Nothing is 0 lots: that is for the rule of the size to say."""
    answer = make(limits=limits(min_order_value=D(10000))).too_small(D(lots))
    assert (answer is not None) is refused
    assert make().too_small(D("0.01")) is None


@pytest.mark.parametrize(
    ("free", "lots", "passed"),
    [("1000", "0.01", True), ("999.99", "0.01", False), ("-5", "0.01", False), ("0", "0.01", False)],
)
def test_the_margin_is_asked_of_the_size_itself(free: str, lots: str, passed: bool) -> None:
    """Also where no cap was worked out: the rule is complete without it."""
    asked = make(margin=Margin(free=D(free), per_lot=D(90000)))
    assert asked.margin_for(D(lots)).passed is passed
    assert ("margin" in asked.caps) is passed


def test_an_unknown_margin_caps_nothing_and_refuses() -> None:
    asked = make(margin=None)
    assert "margin" not in asked.caps
    assert not asked.margin_for(D("0.01")).passed


@pytest.mark.parametrize(
    "broken", [{"free": D("NaN")}, {"per_lot": D(0)}, {"per_lot": D("Infinity")}, {"free": None}]
)
def test_a_margin_that_cannot_be_read_is_an_error(broken: dict[str, Any]) -> None:
    asked = make(margin=replace(Margin(free=D(1), per_lot=D(1)), **broken))
    with pytest.raises(ValueError, match="must"):
        _ = asked.caps
    with pytest.raises(ValueError, match="must"):
        asked.margin_for(D(1))


# -- the margin where the venue has no calculation ---------------------------------------------------


def by_rate(**changes: Any) -> Margin | None:
    given: dict[str, Any] = {
        "view": account(),
        "draft": draft(),
        "instrument": BTC,
        "instruments": INSTRUMENTS,
        "coming": (),
    }
    return margin_by_rate(**(given | changes))


def test_margin_by_rate_counts_positions_at_the_dearer_price_and_orders_on_their_way() -> None:
    third = {key: replace(market, margin_rate=D("0.3")) for key, market in INSTRUMENTS.items()}
    held = (replace(ETH_LONG, price=D(3100)), position("SOL-USD", entry=D(140), price=D(130), lots=D("0.5")))
    coming = (Coming(symbol="SOL-USD", lots=D("0.2"), price=D(150)),)
    found = by_rate(
        view=account("100000", "99000", positions=held),
        instrument=third["BTC-USD"],
        instruments=third,
        coming=coming,
    )
    taken = D("0.3") * (D("0.1") * 10 * 3100 + D("0.5") * 100 * 140 + D("0.2") * 100 * 150)
    assert found == Margin(free=D(99000) - taken, per_lot=D(27270))


def test_margin_by_rate_without_leverage_is_the_whole_notional() -> None:
    """The long of a Bitcoin may fill as high as its target, 90,900, a short as high as its stop."""
    flat = replace(BTC, margin_rate=D(1))
    assert by_rate(instrument=flat) == Margin(free=D(100000), per_lot=D(90900))
    short = draft(side=Side.SHORT, stop=D(90600), target=D(89100))
    assert by_rate(instrument=flat, draft=short) == Margin(free=D(100000), per_lot=D(90600))


def test_an_order_of_unknown_price_makes_the_margin_unknown() -> None:
    assert by_rate(coming=(Coming(symbol="SOL-USD", lots=D(1), price=None),)) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"view": account(equity=D("NaN"))},
        {"view": account(positions=(replace(ETH_LONG, lots=D(0)),))},
        {"coming": (Coming(symbol="XRP-USD", lots=D(1), price=D(1)),)},
        {"instrument": replace(BTC, margin_rate=D(0))},
        {"draft": draft(entry=D(-1))},
    ],
)
def test_a_margin_by_rate_of_what_cannot_be_read_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|no instrument"):
        by_rate(**broken)


# -- every approved order keeps every limit, and no cap is tighter than it must be --------------------


@st.composite
def worlds(draw: st.DrawFn) -> GateInput:
    """A draft beside up to two positions; every limit is drawn near what the order would take."""
    side = draw(st.sampled_from(Side))
    away = D(draw(st.integers(20, 300))) / 10000
    markets: dict[str, Instrument] = {
        key: replace(market, spread_bp=D(draw(st.integers(0, 20))), slippage_bp=D(draw(st.integers(0, 5))))
        for key, market in INSTRUMENTS.items()
    }
    held = tuple(draw(_positions(symbol)) for symbol in ("ETH-USD", "SOL-USD") if draw(st.booleans()))
    near = st.integers(1, 3000).map(lambda n: D(n) / 1000)
    share = st.none() | near.map(lambda n: min(n * D("0.3"), D(1)))
    limit = limits(
        risk_per_trade=D(draw(st.integers(10, 100))) / 10000,
        max_group_risk=min(draw(near) * D("0.01"), D(1)),
        max_margin_share=min(draw(near), D(1)),
        max_position_share=draw(share),
        max_order_value=draw(st.none() | near.map(lambda n: n * 20000)),
        min_order_value=draw(st.none() | near.map(lambda n: n * 3000)),
        cash_reserve=draw(share),
    )
    return gate_input(
        draft=draft(
            side=side, stop=D(90000) * (1 - side.sign * away), target=D(90000) * (1 + side.sign * away)
        ),
        account=account(positions=held),
        instrument=markets["BTC-USD"],
        instruments=markets,
        limits=limit,
        margin=Margin(free=draw(near) * 50000, per_lot=D(90000)),
        pending=draw(st.sampled_from([(), (pending("120"),), (pending("120", "XRP-USD"),)])),
        mode=draw(st.sampled_from([Mode.DEMO, Mode.LIVE])),
    )


@st.composite
def _positions(draw: st.DrawFn, symbol: str) -> Position:
    side = draw(st.sampled_from(Side))
    entry = D({"ETH-USD": 3000, "SOL-USD": 140}[symbol])
    price = entry * (1 + D(draw(st.integers(-100, 100))) / 10000)
    stop = entry * (1 - side.sign * D(draw(st.integers(-50, 200))) / 10000)
    lots = D(draw(st.integers(1, 30))) / 100
    size = INSTRUMENTS[symbol].contract_size
    profit = ((price - entry) * side.sign * lots * size).quantize(D("0.01"))
    return position(symbol, side, entry=entry, price=price, stop=stop, lots=lots, profit=profit)


def broken_limits(world: GateInput, lots: D) -> set[str]:
    """Which limits an order of so many lots breaks, in exact fractions, with a cent of grace for each rounding."""
    limit, free = world.limits, F(world.margin.free) if world.margin else F(0)
    worth, equity, cents = F(lots) * 90000, F(world.account.equity), F(3, 100)
    group = sum((F(p.risk) for p in world.pending), F(0)) + oracle.order_falls(world, F(lots))
    for held in world.account.positions:
        if held.side is world.draft.side:
            group += oracle.falls_at_stop(held, world.instruments[held.symbol], F(GAP)) + max(
                -F(held.profit), F(0)
            )
            cents += F(2, 100)
    checks = {
        "group": group > F(limit.max_group_risk) * 100000 + cents,
        "margin": worth > F(limit.max_margin_share) * free,
        "share": limit.max_position_share is not None and worth > F(limit.max_position_share) * equity,
        "largest": limit.max_order_value is not None and worth > F(limit.max_order_value),
        "smallest": limit.min_order_value is not None and worth < F(limit.min_order_value),
        "reserve": limit.cash_reserve is not None and free - worth < F(limit.cash_reserve) * equity,
    }
    return {name for name, broken in checks.items() if broken}


@settings(max_examples=600)
@given(worlds())
def test_an_approved_order_keeps_every_limit(world: GateInput) -> None:
    decision = decide(world)
    if decision.approved:
        assert not broken_limits(world, decision.lots)


@settings(max_examples=400)
@given(worlds())
def test_no_order_is_refused_or_cut_that_would_keep_every_limit(world: GateInput) -> None:
    """The smallest volume fits, and so does the step above what was allowed: then the risk money ends it."""
    decision = decide(world)
    wanted = decide(replace(world, limits=_wide(world), margin=Margin(free=D(10**9), per_lot=D(90000))))
    if not wanted.approved:
        return
    if not decision.approved:
        assert (
            broken_limits(world, D("0.01"))
            or broken_limits(world, wanted.lots)
            or _near_group(world, D("0.01"))
        )
        return
    if decision.lots < wanted.lots:
        above = decision.lots + D("0.01")
        assert broken_limits(world, above) or _near_group(world, above)


def _wide(world: GateInput) -> Any:
    return replace(
        world.limits,
        max_group_risk=D(1),
        max_position_share=None,
        max_order_value=None,
        min_order_value=None,
        cash_reserve=None,
    )


def _near_group(world: GateInput, lots: D) -> bool:
    """Within the cents by which the group is rounded up."""
    tighter = replace(
        world, limits=replace(world.limits, max_group_risk=world.limits.max_group_risk - D("0.0000012"))
    )
    return "group" in broken_limits(tighter, lots)
