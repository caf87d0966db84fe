"""The headroom number, by worked examples and against exact fractions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

import pytest

from tests.core.worlds import BTC, INSTRUMENTS, LIMITS, account, day, pending, position
from trading.core.headroom import Headroom, level_of
from trading.core.types import Level, Side

Make = Callable[..., Headroom]


def test_an_untouched_account_has_its_whole_limit(make_headroom: Make) -> None:
    room = make_headroom()
    assert (room.headroom, room.to_daily, room.to_total) == (D(5000), D(5000), D(10000))
    assert (room.used, room.gone_daily, room.at_stops, room.level) == (0, 0, 0, Level.GREEN)


def test_the_panel_s_example_to_the_cent(make_headroom: Make) -> None:
    """A long of 0.37 BTC that loses 513.3326 at its stop from its entry, counted up to the cent."""
    long = position(price=D("92112.50"), stop=D("90572.60"), profit=D("100.83"))
    room = make_headroom(account=account("101240.00", "101340.83", positions=(long,)), day=day("101240"))
    # from the price: 0.37 * (92112.50 - 90482.02) to the stop less 10 bp, and 10.88 commission
    assert room.at_stops == D("614.17")
    assert room.at_stops - D("100.83") == D("513.34")
    assert room.worst_case == D("100726.66")
    assert (room.floor, room.headroom) == (D(96240), D("4486.66"))
    assert room.gone_daily == 0


def test_used_counts_gone_stops_pending_and_unknown(make_headroom: Make) -> None:
    room = make_headroom(
        account=account("96931.60"),
        pending=(pending("467.90"), pending("498.90", "ETH-USD", unknown=True)),
    )
    assert room.gone_daily == D("3068.40")
    assert (room.pending_risk, room.unknown_risk) == (D("467.90"), D("498.90"))
    assert room.headroom == D("964.80")
    assert round(room.used_daily, 3) == D("0.807")
    assert room.level is Level.LOCKED


@pytest.mark.parametrize(
    ("initial", "midnight", "balance", "headroom"),
    [
        pytest.param("200000", "200000", "192000", "2000", id="V1"),
        pytest.param("200000", "200000", "204000", "14000", id="V2"),
        pytest.param("100000", "94200", "94200", "4200", id="V15 the total floor is nearer"),
    ],
)
def test_worked_examples(
    make_headroom: Make, initial: str, midnight: str, balance: str, headroom: str
) -> None:
    room = make_headroom(initial=D(initial), day=day(midnight), account=account(balance))
    assert room.headroom == D(headroom)


def test_v12_floating_profit_does_not_move_the_floor(make_headroom: Make) -> None:
    room = make_headroom(account=account("100000", "106000"))
    assert (room.daily_floor, room.headroom, room.gone_daily) == (D(95000), D(11000), 0)


def test_the_floor_that_the_coming_midnight_brings(make_headroom: Make) -> None:
    """V3 and V4: legal at 23:59, a breach at 00:00."""
    room = make_headroom(initial=D(200000), day=day("200000"), account=account("204000", "191000"))
    assert room.level is not Level.BREACH
    assert room.next_floor == D(194000)
    tomorrow = make_headroom(initial=D(200000), day=day("204000"), account=account("204000", "191000"))
    assert tomorrow.level is Level.BREACH


@pytest.mark.parametrize(
    ("equity", "level"),
    [
        pytest.param("97500.01", Level.GREEN, id="below 50 %"),
        pytest.param("97500", Level.AMBER, id="50 %"),
        pytest.param("96500.01", Level.AMBER, id="below 70 %"),
        pytest.param("96500", Level.RED, id="70 %"),
        pytest.param("96000.01", Level.RED, id="below 80 %"),
        pytest.param("96000", Level.LOCKED, id="80 %"),
        pytest.param("95000", Level.LOCKED, id="at the floor is not below it"),
        pytest.param("94999.99", Level.BREACH, id="below the floor"),
    ],
)
def test_levels_of_the_daily_limit(make_headroom: Make, equity: str, level: Level) -> None:
    assert make_headroom(account=account(equity)).level is level


@pytest.mark.parametrize(
    ("equity", "level"),
    [("95000", Level.AMBER), ("93000", Level.RED), ("92000", Level.LOCKED), ("89999.99", Level.BREACH)],
)
def test_levels_of_the_total_limit(make_headroom: Make, equity: str, level: Level) -> None:
    assert make_headroom(account=account(equity), day=day(equity)).level is level


def test_stops_count_towards_the_level(make_headroom: Make) -> None:
    open_now = (position(lots=D("2.2"), price=D(91840), stop=D("90572.60")),)
    assert make_headroom(account=account(positions=open_now)).level is Level.AMBER


def test_worst_case_below_the_floor_is_locked_not_breached(make_headroom: Make) -> None:
    room = make_headroom(account=account("95100"), pending=(pending("200"),))
    assert (room.level, room.headroom, room.to_daily) == (Level.LOCKED, 0, 0)
    assert room.worst_case == D(94900)


@pytest.mark.parametrize(
    ("equity", "midnight", "risk", "used"),
    [
        pytest.param("100000", "100000", "0", "0", id="nothing"),
        pytest.param("99000", "100000", "500", "0.3", id="the daily limit binds"),
        pytest.param("94000", "94000", "500", "0.65", id="the total limit binds"),
        pytest.param("104000", "100000", "3000", "0", id="still in profit"),
        pytest.param("104000", "104000", "3000", "0.6", id="the day's start counts, not the initial"),
    ],
)
def test_used_after_an_order(make_headroom: Make, equity: str, midnight: str, risk: str, used: str) -> None:
    room = make_headroom(account=account(equity), day=day(midnight))
    assert room.used_after(D(risk)) == D(used)
    assert (room.daily_limit, room.total_limit) == (D(5000), D(10000))


@pytest.mark.parametrize("bad", [D("NaN"), D(-1), None, 1.0])
def test_used_after_needs_a_risk(make_headroom: Make, bad: D) -> None:
    with pytest.raises(ValueError, match="risk"):
        make_headroom().used_after(bad)


def test_a_stop_in_profit_adds_no_room(make_headroom: Make) -> None:
    safe = position(price=D(95000), stop=D(94000), profit=D("1169.20"))
    room = make_headroom(account=account("100000", "101169.20", positions=(safe,)))
    assert room.worst_case < room.equity
    assert room.at_stops == D("416.07")  # 0.37 * (95000 - 93906) and 11.29 commission


def test_a_stop_that_the_price_has_passed_counts_at_the_price(make_headroom: Make) -> None:
    passed = position(price=D(90000), stop=D("90572.60"), profit=D("-680.80"))
    room = make_headroom(account=account("100000", "99319.20", positions=(passed,)))
    assert room.at_stops == D("44.11")  # 0.37 * 90 and 10.81 commission


@pytest.mark.parametrize("side", list(Side))
def test_both_sides_alike(make_headroom: Make, side: Side) -> None:
    stop = D(91840) - side.sign * D(1000)
    room = make_headroom(account=account(positions=(position(side=side, stop=stop),)))
    fill = stop * (1 - side.sign * D("0.001"))
    commission = (fill * D("0.37") * D("0.000325")).quantize(D("0.01"))
    assert abs(room.at_stops - (abs(D(91840) - fill) * D("0.37") + commission)) < D("0.02")


def test_a_profit_that_contradicts_the_prices_counts_as_the_worse(make_headroom: Make) -> None:
    honest = make_headroom(account=account(positions=(position(),))).at_stops
    rosy = make_headroom(account=account(positions=(position(profit=D(300)),))).at_stops
    gloomy = make_headroom(account=account(positions=(position(profit=D(-300)),))).at_stops
    assert (rosy, gloomy) == (honest + 300, honest)


@pytest.mark.parametrize(
    "worse",
    [{"spread_bp": D(4)}, {"slippage_bp": D(2)}, {"commission_rate": D("0.001")}],
)
def test_costs_and_the_gap_buffer_make_it_worse(make_headroom: Make, worse: dict[str, D]) -> None:
    held = account(positions=(position(),))
    usual = make_headroom(account=held)
    dear = make_headroom(account=held, instruments=INSTRUMENTS | {"BTC-USD": replace(BTC, **worse)})
    wide = make_headroom(account=held, limits=replace(LIMITS, gap_buffer_bp=D(20)))
    assert dear.worst_case < usual.worst_case
    assert wide.worst_case < usual.worst_case


def test_a_position_without_a_stop_leaves_nothing(make_headroom: Make) -> None:
    naked = position(stop=None, ticket="48790114")
    room = make_headroom(
        account=account(positions=(naked, position("ETH-USD", entry=D(3000), price=D(3000), stop=D(2900))))
    )
    assert (room.headroom, room.worst_case, room.naked) == (0, 0, ("48790114",))
    assert room.at_stops == room.equity
    assert room.used >= 1
    assert room.level is Level.LOCKED


@pytest.mark.parametrize(
    ("now", "minutes"),
    [
        ("2026-11-19T13:32:08", 567),
        ("2026-03-28T23:00:00", 23 * 60),
        ("2026-10-24T22:00:00", 25 * 60),
        ("2026-07-01T21:59:30", 0),
    ],
)
def test_minutes_to_the_reset(make_headroom: Make, now: str, minutes: int) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert make_headroom(now=instant).minutes_to_reset == minutes


NOT_MONEY = [D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"), None, "100000", 100000.0, True]
BROKEN: list[dict[str, Any]] = [
    *({"account": replace(account(), balance=bad)} for bad in [*NOT_MONEY, D(-1), D(0)]),
    *({"account": replace(account(), equity=bad)} for bad in [*NOT_MONEY, D(-1)]),
    *({"day": replace(day(), balance=bad)} for bad in [*NOT_MONEY, D(-1), D(0)]),
    *({"initial": bad} for bad in [*NOT_MONEY, D(-1), D(0)]),
    *({"limits": replace(LIMITS, gap_buffer_bp=bad)} for bad in [*NOT_MONEY, D(-1), D(10000)]),
    *({"pending": (replace(pending("1"), risk=bad),)} for bad in [*NOT_MONEY, D(-1)]),
    *({"pending": (replace(pending("1"), unknown=bad),)} for bad in [None, 0, "no"]),
    *({"position": {"lots": bad}} for bad in [*NOT_MONEY, D(-1), D(0)]),
    *({"position": {"entry": bad}} for bad in [*NOT_MONEY, D(-1), D(0)]),
    *({"position": {"price": bad}} for bad in [*NOT_MONEY, D(-1), D(0)]),
    *({"position": {"stop": bad}} for bad in [b for b in NOT_MONEY if b is not None] + [D(-1), D(0)]),
    *({"position": {"profit": bad}} for bad in NOT_MONEY),
    *({"position": {"swap": bad}} for bad in NOT_MONEY),
    *({"position": {"side": bad}} for bad in [None, "up", 1]),
    *({"position": {"symbol": bad}} for bad in [None, "DOGE-USD"]),
    *({"instruments": {"BTC-USD": replace(BTC, tick_size=bad)}} for bad in [*NOT_MONEY, D(0)]),
    *({"instruments": {"BTC-USD": replace(BTC, contract_size=bad)}} for bad in [*NOT_MONEY, D(0)]),
    *({"instruments": {"BTC-USD": replace(BTC, commission_rate=bad)}} for bad in [*NOT_MONEY, D(-1)]),
    {"now": datetime(2026, 11, 19, tzinfo=UTC).replace(tzinfo=None)},
    {"now": None},
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_an_account_that_cannot_be_read_has_no_headroom(make_headroom: Make, broken: dict[str, Any]) -> None:
    world = {"account": account(positions=(position(),))} | broken
    if "position" in world:
        world["account"] = account(positions=(position(**world.pop("position")),))
    with pytest.raises((ValueError, TypeError)):
        make_headroom(**world)


def test_a_level_needs_a_number() -> None:
    with pytest.raises(ValueError, match="must be"):
        level_of(D("NaN"), breach=False)
    assert level_of(D(0), breach=True) is Level.BREACH
