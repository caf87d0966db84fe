"""The headroom number, by worked examples and against exact fractions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.core.worlds import BTC, INSTRUMENTS, LIMITS, TWO_STEP, account, day, pending, position
from trading.core.exits import falls_at_stops
from trading.core.headroom import Headroom, level_of
from trading.core.programme import DailyReference, TotalLossMode
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
TRAILS = replace(TWO_STEP, total_loss_mode=TotalLossMode.TRAILING_INTRADAY)
BY_EQUITY = replace(TWO_STEP, daily_reference=DailyReference.EQUITY)
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
    *({"position": {"side": bad}} for bad in [None, "up", 1, "long"]),
    *(
        {"position": {"side": Side.SHORT, "stop": D(93000)} | {name: bad}}
        for name in ("lots", "entry", "price", "stop")
        for bad in (D(0), D(-1), D("Infinity"))
    ),
    *({"position": {"symbol": bad}} for bad in [None, "DOGE-USD", ["BTC-USD"]]),
    *({"account": replace(account(), positions=bad)} for bad in [None, [], "", {}, (None,), ("T-1",)]),
    *({"day": bad} for bad in [None, replace(day(), peak_balance=None)]),
    *({"programme": bad} for bad in [None, replace(TRAILS, total_loss_mode="other")]),
    *({"programme": replace(TWO_STEP, daily_loss=bad)} for bad in [*NOT_MONEY, D(0), D("1.01"), D(-1)]),
    *({"programme": replace(TWO_STEP, total_loss=bad)} for bad in [*NOT_MONEY, D(0), D("1.01"), D(-1)]),
    *({"programme": replace(TWO_STEP, daily_counts_open=bad)} for bad in [None, 1, "no"]),
    *({"programme": replace(TWO_STEP, daily_reference=bad)} for bad in [None, "mean"]),
    *({"programme": replace(TWO_STEP, daily_basis=bad)} for bad in [None, "peak"]),
    *({"programme": TRAILS, "day": replace(day(), peak_equity=bad)} for bad in [*NOT_MONEY, D(0), D(-1)]),
    *({"programme": BY_EQUITY, "day": replace(day(), equity=bad)} for bad in [*NOT_MONEY, D(0), D(-1)]),
    {"pending": None},
    {"pending": (None,)},
    {"instruments": None},
    {"limits": None},
    *({"instruments": {"BTC-USD": replace(BTC, tick_size=bad)}} for bad in [*NOT_MONEY, D(0)]),
    *({"instruments": {"BTC-USD": replace(BTC, contract_size=bad)}} for bad in [*NOT_MONEY, D(0)]),
    *({"instruments": {"BTC-USD": replace(BTC, commission_rate=bad)}} for bad in [*NOT_MONEY, D(-1)]),
    *({"instruments": {"BTC-USD": replace(BTC, spread_bp=bad)}} for bad in [*NOT_MONEY, D(-1), D(20000)]),
    *({"instruments": {"BTC-USD": replace(BTC, slippage_bp=bad)}} for bad in [*NOT_MONEY, D(-1), D(10000)]),
    *({"instruments": {"BTC-USD": replace(BTC, gap_buffer_bp=bad)}} for bad in [*NOT_MONEY, D(-1)]),
    {"account": account(positions=(position(stop=D("0.004"), price=D("0.005")),))},
    {"account": account(positions=(position(price=D("1E+999999")),))},
    {"now": datetime(2026, 11, 19, tzinfo=UTC).replace(tzinfo=None)},
    {"now": None},
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_an_account_that_cannot_be_read_has_no_headroom(make_headroom: Make, broken: dict[str, Any]) -> None:
    world = {"account": account(positions=(position(),))} | broken
    if "position" in world:
        world["account"] = account(positions=(position(**world.pop("position")),))
    with pytest.raises(ValueError, match=r"must |is known|is not a valid|cannot be read|leaves no price"):
        make_headroom(**world)


def test_a_level_needs_a_number() -> None:
    with pytest.raises(ValueError, match="must be"):
        level_of(D("NaN"), breach=False)
    assert level_of(D(0), breach=True) is Level.BREACH


def test_a_blown_account_has_a_number_and_a_breach(make_headroom: Make) -> None:
    """Equity 0 can be read: whoever sees it must be told, not stopped by an error."""
    for programme in (TWO_STEP, TRAILS, BY_EQUITY):
        room = make_headroom(programme=programme, account=account("100000", "0"))
        assert (room.level, room.headroom, room.used_equity >= 1) == (Level.BREACH, 0, True)


@pytest.mark.parametrize(
    ("minutes", "counts"),
    [pytest.param(61, False), pytest.param(60, True, id="from 60 minutes on"), pytest.param(0, True)],
)
def test_the_coming_floor_counts_during_the_last_hour(
    make_headroom: Make, minutes: int, counts: bool
) -> None:
    """100,000 at midnight and 3,000 booked since: the floor will be 98,000, until then it is 95,000."""
    now = datetime(2026, 11, 19, 23, 0, tzinfo=UTC) - timedelta(minutes=minutes, seconds=1)
    room = make_headroom(account=account("103000"), now=now)
    assert (room.minutes_to_reset, room.next_floor) == (minutes, 98000)
    assert (room.floor, room.headroom) == ((98000, 5000) if counts else (95000, 8000))
    assert room.used_daily == 0


def test_gains_that_stops_secure_lift_the_coming_floor(make_headroom: Make) -> None:
    """A winner stopped out before midnight leaves the loser alone against a higher floor."""
    winner = position(ticket="w", lots=D(1), entry=D(90000), price=D(94000), stop=D(93000), profit=D(4000))
    loser = position(ticket="l", lots=D(1), entry=D(90000), price=D(88000), stop=D(86000), profit=D(-2000))
    free = {"BTC-USD": replace(BTC, commission_rate=D(0))}
    limits = replace(LIMITS, gap_buffer_bp=D(0))
    late = datetime(2026, 11, 19, 22, 50, tzinfo=UTC)
    world = {
        "instruments": free,
        "limits": limits,
        "account": account(equity="102000", positions=(winner, loser)),
    }
    room = make_headroom(now=late, **world)
    assert (room.worst_case, room.next_floor, room.next_floor_at_stops) == (99000, 95000, 98000)
    assert (room.floor, room.headroom) == (98000, 1000)
    assert make_headroom(**world).headroom == 4000


def test_where_open_profit_does_not_count_the_balance_is_judged(make_headroom: Make) -> None:
    programme = replace(TWO_STEP, daily_counts_open=False)
    held = position(lots=D(1), entry=D(90000), price=D(84000), stop=D(83900), profit=D(-6000))
    room = make_headroom(programme=programme, account=account(equity="94000", positions=(held,)))
    assert (room.breach, room.gone_daily) == ("", 6000)
    assert room.used_equity == D("1.2")
    assert room.level is Level.LOCKED
    booked = make_headroom(programme=programme, account=account("94999.99", "101000"))
    assert (booked.level, booked.breach) == (Level.BREACH, "daily")


def test_gains_do_not_cover_losses_where_only_booked_money_counts(make_headroom: Make) -> None:
    """The loser may close alone: the balance falls by its loss, whatever the winner would bring."""
    programme = replace(TWO_STEP, daily_counts_open=False)
    winner = position(ticket="w", lots=D(1), entry=D(90000), price=D(94000), stop=D(93000), profit=D(4000))
    loser = position(ticket="l", lots=D(1), entry=D(90000), price=D(88000), stop=D(86000), profit=D(-2000))
    free = {"BTC-USD": replace(BTC, commission_rate=D(0))}
    limits = replace(LIMITS, gap_buffer_bp=D(0))
    world = {
        "instruments": free,
        "limits": limits,
        "account": account(equity="102000", positions=(winner, loser)),
    }
    assert make_headroom(**world).worst_case == 99000
    assert make_headroom(programme=programme, **world).worst_case == 96000


def test_a_peak_of_this_instant_lifts_a_floor_that_trails_equity(make_headroom: Make) -> None:
    room = make_headroom(programme=TRAILS, account=account("100000", "107000"))
    assert (room.total_floor, room.floor, room.to_total) == (97000, 97000, 10000)
    seen = make_headroom(
        programme=TRAILS, account=account("100000", "104000"), day=day(peak_equity=D(107000))
    )
    assert (seen.total_floor, seen.headroom) == (97000, 7000)


def test_the_market_s_own_gap_buffer_counts_where_it_is_larger(make_headroom: Make) -> None:
    held = account(positions=(position(),))

    def fall(of_market: str, of_account: str) -> D:
        return make_headroom(
            account=held,
            instruments={"BTC-USD": replace(BTC, gap_buffer_bp=D(of_market))},
            limits=replace(LIMITS, gap_buffer_bp=D(of_account)),
        ).at_stops

    assert fall("25", "10") == fall("10", "25") == fall("25", "25") > fall("10", "10") == fall("0", "10")


def test_one_position_s_fall_is_what_headroom_counts(make_headroom: Make) -> None:
    held = (position(), position("ETH-USD", Side.SHORT, entry=D(3000), price=D(3010), stop=D(3060)))
    held = (*held, position(ticket="naked", stop=None))
    falls = falls_at_stops(held, INSTRUMENTS, LIMITS.gap_buffer_bp)
    assert falls[2] == 0
    assert sum(falls) == make_headroom(account=account(positions=held[:2])).at_stops


@pytest.mark.parametrize(("side", "stop"), [(Side.LONG, "91000.00"), (Side.SHORT, "92680.00")])
def test_a_fill_on_the_tick_grid_is_not_moved_further(make_headroom: Make, side: Side, stop: str) -> None:
    held = position(side=side, lots=D(1), stop=D(stop))
    free = {"BTC-USD": replace(BTC, commission_rate=D(0))}
    room = make_headroom(
        account=account(positions=(held,)), instruments=free, limits=replace(LIMITS, gap_buffer_bp=D(0))
    )
    assert room.at_stops == abs(D(91840) - D(stop)) == 840


@pytest.mark.parametrize("name", ["lots", "entry", "price", "stop", "profit", "swap"])
def test_what_cannot_be_read_of_a_position_is_named(make_headroom: Make, name: str) -> None:
    """Also a volume of nothing, which would otherwise look like a price off the grid."""
    bad = D("NaN") if name in {"profit", "swap"} else D(0)
    with pytest.raises(ValueError, match=rf"^{name} must be"):
        make_headroom(account=account(positions=(position(**{name: bad}),)))
