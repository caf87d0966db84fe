"""Floors, targets and trading days: the firm's worked examples, every mode, every switch of the daily limit."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.worlds import TWO_STEP
from trading.core import programme as pg
from trading.core.programme import DailyBasis, DailyReference, Programme, TotalLossMode
from trading.core.timeframes import DayClock
from trading.core.types import Breach, DayStart

NOT_NUMBERS = [D("NaN"), D("Infinity"), D("-1"), D(0), None, "100", 1.5]
ONE_STEP = pg.profile("ftmo-1-step-challenge")
MODES, BASES, REFERENCES = list(TotalLossMode), list(DailyBasis), list(DailyReference)
FIRST = date(2026, 11, 2)


def begun(balance: str | D, *, equity: str | D | None = None, peak: str | D | None = None) -> DayStart:
    """A day that began with this balance, which is the highest so far unless a peak is named."""
    money = D(balance)
    peak_money = money if peak is None else D(peak)
    return DayStart(
        day="2026-11-19",
        balance=money,
        peak_balance=peak_money,
        proven=True,
        equity=money if equity is None else D(equity),
        peak_equity=peak_money,
    )


def daily(balance: str, initial: str = "100000", programme: Programme = TWO_STEP, **day: Any) -> D:
    return pg.daily_floor(begun(balance, **day), D(initial), programme)


def total(peak: str, initial: str = "100000", programme: Programme = TWO_STEP) -> D:
    return pg.total_floor(begun(peak), D(initial), programme)


# -- the firm's examples ----------------------------------------------------------------------


def test_v1_remaining_after_a_closed_loss() -> None:
    first = pg.first_day(FIRST, D(200000))
    assert pg.daily_floor(first, D(200000), TWO_STEP) == D(190000)
    assert D(192000) - pg.effective_floor(first, D(200000), TWO_STEP) == D(2000)


def test_v2_remaining_after_a_closed_profit() -> None:
    first = pg.first_day(FIRST, D(200000))
    assert D(204000) - pg.effective_floor(first, D(200000), TWO_STEP) == D(14000)


def test_v3_a_floating_loss_of_an_earlier_profit_is_legal_before_midnight() -> None:
    first = pg.first_day(FIRST, D(200000))
    found = pg.breach_of(
        balance=D(204000), equity=D(191000), day=first, initial=D(200000), programme=TWO_STEP
    )
    assert found is Breach.NONE


def test_v4_the_same_floating_loss_breaches_at_midnight() -> None:
    tuesday = pg.begin_day(
        pg.first_day(FIRST, D(200000)), day="2026-11-03", balance=D(204000), equity=D(191000)
    )
    assert pg.daily_floor(tuesday, D(200000), TWO_STEP) == D(194000)
    found = pg.breach_of(
        balance=D(204000), equity=D(191000), day=tuesday, initial=D(200000), programme=TWO_STEP
    )
    assert found is Breach.DAILY


@pytest.mark.parametrize(("floating", "breach"), [("-2001", Breach.TOTAL), ("-2000", Breach.NONE)])
def test_v5_the_total_floor_is_static_and_strict(floating: str, breach: Breach) -> None:
    assert total("104000") == D(90000)
    found = pg.breach_of(
        balance=D(92000),
        equity=D(92000) + D(floating),
        day=begun("92000"),
        initial=D(100000),
        programme=TWO_STEP,
    )
    assert found is breach


def test_v6_the_1_step_floor_trails_midnights_and_never_falls() -> None:
    day, floors = pg.first_day(FIRST, D(100000)), []
    for midnight in ("100000", "104000", "103000"):
        day = pg.begin_day(day, day="later", balance=D(midnight), equity=D(midnight))
        floors.append(pg.total_floor(day, D(100000), ONE_STEP))
    assert floors == [D(90000), D(94000), D(94000)]


def test_v11_a_deep_open_loss_is_a_breach_whatever_follows() -> None:
    found = pg.breach_of(
        balance=D(200000),
        equity=D(200000) - D(71096),
        day=pg.first_day(FIRST, D(200000)),
        initial=D(200000),
        programme=TWO_STEP,
    )
    assert found is Breach.DAILY  # 190,000 was passed on the way to 180,000


def test_v12_floating_profit_at_midnight_is_ignored() -> None:
    assert daily("100000", equity="106000") == D(95000)


@pytest.mark.parametrize(("equity", "breach"), [("99000", False), ("98000", False), ("97999.99", True)])
def test_v13_equity_at_the_floor_is_no_breach(equity: str, breach: bool) -> None:
    assert daily("103000", equity="99000") == D(98000)
    assert pg.breached(D(equity), daily("103000", equity="99000")) is breach


def test_v14_the_limit_is_a_share_of_the_initial_balance() -> None:
    assert daily("112000") == D(107000)
    assert daily("112000", programme=replace(TWO_STEP, daily_basis=DailyBasis.CURRENT)) == D(106400)


@pytest.mark.parametrize(("midnight", "floor"), [("96500", "91500"), ("94200", "90000")])
def test_v15_the_higher_floor_counts(midnight: str, floor: str) -> None:
    assert pg.effective_floor(begun(midnight), D(100000), TWO_STEP) == D(floor)


def test_v16_the_floors_of_the_1_step() -> None:
    day = begun("104000")
    assert pg.daily_floor(day, D(100000), ONE_STEP) == D(101000)
    assert pg.total_floor(day, D(100000), ONE_STEP) == D(94000)
    assert pg.effective_floor(day, D(100000), ONE_STEP) == D(101000)


def test_v24_a_day_counts_when_a_position_was_opened() -> None:
    monday = datetime(2026, 11, 2, 9, tzinfo=UTC)  # held to Saturday: one day
    opened = [monday, *(monday + timedelta(days=n) for n in (5, 6, 7)), monday + timedelta(days=7, hours=2)]
    assert pg.trading_days(opened) == 4


# -- the daily limit: basis, reference, open profit, clock --------------------------------------


@pytest.mark.parametrize(
    ("basis", "reference", "floor", "limit"),
    [
        # initial 100,000, 5 %; the day began with balance 104,000 and equity 106,000
        (DailyBasis.INITIAL, DailyReference.BALANCE, "99000", "5000"),
        (DailyBasis.INITIAL, DailyReference.EQUITY, "101000", "5000"),
        (DailyBasis.INITIAL, DailyReference.HIGHER, "101000", "5000"),
        (DailyBasis.CURRENT, DailyReference.BALANCE, "98800", "5200"),
        (DailyBasis.CURRENT, DailyReference.EQUITY, "100700", "5300"),
        (DailyBasis.CURRENT, DailyReference.HIGHER, "100700", "5300"),
    ],
)
def test_the_daily_floor_of_each_basis_and_reference(
    basis: DailyBasis, reference: DailyReference, floor: str, limit: str
) -> None:
    programme = replace(TWO_STEP, daily_basis=basis, daily_reference=reference)
    day = begun("104000", equity="106000")
    assert pg.daily_floor(day, D(100000), programme) == D(floor)
    assert pg.daily_limit(day, D(100000), programme) == D(limit)


def test_of_balance_and_equity_the_higher_is_either() -> None:
    higher = replace(TWO_STEP, daily_reference=DailyReference.HIGHER)
    assert daily("104000", equity="99000", programme=higher) == D(99000)
    assert daily("99000", equity="104000", programme=higher) == D(99000)


@pytest.mark.parametrize(
    ("counts", "balance", "equity", "breach"),
    [
        (True, "100000", "94999.99", Breach.DAILY),
        (False, "100000", "94999.99", Breach.NONE),
        (False, "94999.99", "99000", Breach.DAILY),
        (True, "94999.99", "99000", Breach.NONE),
        (False, "100000", "89999.99", Breach.TOTAL),  # the total limit always counts open loss
    ],
)
def test_open_profit_counts_to_the_daily_limit_or_not(
    counts: bool, balance: str, equity: str, breach: Breach
) -> None:
    programme = replace(TWO_STEP, daily_counts_open=counts)
    found = pg.breach_of(
        balance=D(balance), equity=D(equity), day=begun("100000"), initial=D(100000), programme=programme
    )
    assert found is breach


@pytest.mark.parametrize("unknown", [None, "yes", 1])
def test_a_switch_that_is_neither_on_nor_off_is_no_answer(unknown: object) -> None:
    programme = replace(TWO_STEP, daily_counts_open=unknown)
    with pytest.raises(ValueError, match="true or false"):
        pg.breach_of(balance=D(1), equity=D(1), day=begun("100000"), initial=D(100000), programme=programme)


def test_the_programme_says_when_its_days_begin() -> None:
    new_york = replace(TWO_STEP, zone="America/New_York", day_shift=timedelta(hours=7))
    assert new_york.clock == DayClock("America/New_York", timedelta(hours=7))
    before = datetime(2026, 7, 1, 20, 59, 59, tzinfo=UTC)  # 16:59:59 in New York
    assert pg.trading_days([before, before + timedelta(seconds=1)], new_york.clock) == 2
    assert pg.trading_days([before, before + timedelta(seconds=1)]) == 1


def test_an_equity_that_nobody_saw_leaves_no_floor_where_it_is_needed() -> None:
    unseen = pg.begin_day(pg.first_day(FIRST, D(100000)), day="2026-11-03", balance=D(101000), equity=None)
    assert pg.daily_floor(unseen, D(100000), TWO_STEP) == D(96000)
    for reference in (DailyReference.EQUITY, DailyReference.HIGHER):
        with pytest.raises(ValueError, match="equity at the day's start"):
            pg.daily_floor(unseen, D(100000), replace(TWO_STEP, daily_reference=reference))
    with pytest.raises(ValueError, match="highest equity"):
        pg.total_floor(unseen, D(100000), replace(TWO_STEP, total_loss_mode=TotalLossMode.TRAILING_INTRADAY))


@pytest.mark.parametrize("field", ["daily_basis", "daily_reference", "total_loss_mode"])
def test_an_unknown_word_leaves_no_floor(field: str) -> None:
    with pytest.raises(ValueError, match="one of its words"):
        pg.effective_floor(begun("100000"), D(100000), replace(TWO_STEP, **{field: "trailing"}))


# -- the total limit: four modes ----------------------------------------------------------------

# (closing balance of the day, highest equity on it), then the floor at the next midnight in each mode
STEPS = [("104000", "105000"), ("109000", "112500"), ("101000", "109000"), ("112000", "112000")]
FLOORS = {
    TotalLossMode.STATIC: ["90000", "90000", "90000", "90000"],
    TotalLossMode.TRAILING_END_OF_DAY: ["94000", "99000", "99000", "102000"],
    TotalLossMode.TRAILING_INTRADAY: ["95000", "102500", "102500", "102500"],
    TotalLossMode.TRAILING_LOCKED: ["94000", "99000", "99000", "100000"],
}


@pytest.mark.parametrize("mode", MODES)
def test_the_total_floor_of_each_mode(mode: TotalLossMode) -> None:
    programme = replace(TWO_STEP, total_loss_mode=mode)
    day, found = pg.first_day(FIRST, D(100000)), []
    assert pg.total_floor(day, D(100000), programme) == D(90000)
    for balance, highest in STEPS:
        assert day.peak_equity is not None
        day = replace(day, peak_equity=max(day.peak_equity, D(highest)))
        day = pg.begin_day(day, day="later", balance=D(balance), equity=D(balance))
        found.append(pg.total_floor(day, D(100000), programme))
    assert found == [D(floor) for floor in FLOORS[mode]]


@pytest.mark.parametrize(
    ("mode", "watches"), [(mode, mode is TotalLossMode.TRAILING_INTRADAY) for mode in MODES]
)
def test_one_mode_needs_the_equity_of_every_instant(mode: TotalLossMode, watches: bool) -> None:
    assert replace(TWO_STEP, total_loss_mode=mode).watches_peak is watches


def test_days_begin_proven_with_what_is_known_of_them() -> None:
    first = pg.first_day(FIRST, D(100000))
    assert first == DayStart(
        day="2026-11-02",
        balance=D(100000),
        peak_balance=D(100000),
        proven=True,
        equity=D(100000),
        peak_equity=D(100000),
    )
    assert pg.begin_day(first, day="2026-11-03", balance=D(99000), equity=D(101000)) == DayStart(
        day="2026-11-03",
        balance=D(99000),
        peak_balance=D(100000),
        proven=True,
        equity=D(101000),
        peak_equity=D(101000),
    )


def test_a_midnight_that_nobody_saw_takes_the_knowledge_of_the_peak_away() -> None:
    day = pg.begin_day(pg.first_day(FIRST, D(100000)), day="2026-11-03", balance=D(104000), equity=None)
    assert (day.equity, day.peak_equity, day.peak_balance) == (None, None, D(104000))
    later = pg.begin_day(day, day=date(2026, 11, 4), balance=D(103000), equity=D(103500))
    assert (later.day, later.equity, later.peak_equity) == ("2026-11-04", D(103500), None)
    assert later.peak_balance == D(104000)


@pytest.mark.parametrize(
    ("midnight", "equity", "breach"),
    [
        ("94200", "89999.99", Breach.TOTAL),  # total floor 90,000 over daily 89,200
        ("94200", "89000", Breach.TOTAL),  # both are broken; the higher one was reached first
        ("100000", "89000", Breach.DAILY),
        ("95000", "89999.99", Breach.DAILY),  # both floors at 90,000
        ("95000", "90000", Breach.NONE),
    ],
)
def test_of_two_broken_limits_the_one_reached_first_is_named(
    midnight: str, equity: str, breach: Breach
) -> None:
    found = pg.breach_of(
        balance=D(midnight), equity=D(equity), day=begun(midnight), initial=D(100000), programme=TWO_STEP
    )
    assert found is breach


# -- all modes with all switches, against sums in fractions --------------------------------------


def floors_by_hand(
    day: DayStart, initial: F, daily_share: F, total_share: F, switches: tuple[str, str, str]
) -> tuple[F, F]:
    """(daily floor, total floor) from the rules as they are written, in exact fractions."""
    mode, basis, reference = switches
    balance, equity = F(day.balance), F(day.equity or 0)
    base = {"balance": balance, "equity": equity, "higher": max(balance, equity)}[reference]
    floor = base - daily_share * (initial if basis == "initial" else base)
    trailed = {
        "static": initial,
        "trailing_end_of_day": max(initial, F(day.peak_balance)),
        "trailing_intraday": max(initial, F(day.peak_equity or 0)),
        "trailing_locked": max(initial, F(day.peak_balance)),
    }[mode]
    end = trailed - total_share * initial
    return floor, min(end, initial) if mode == "trailing_locked" else end


money = st.integers(1, 40_000_000).map(lambda cents: D(cents) / 100)
shares = st.sampled_from(["0.03", "0.04", "0.05", "0.06", "0.1", "0.12", "1", "0.001"]).map(D)
switches = st.tuples(st.sampled_from(MODES), st.sampled_from(BASES), st.sampled_from(REFERENCES))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[DayStart, D, Programme, D, D]:
    """A day, initial, programme, balance and equity; half of the equities lie within a cent of a floor."""
    initial, start, equity = draw(money), draw(money), draw(money)
    mode, basis, reference = draw(switches)
    programme = replace(
        TWO_STEP,
        daily_loss=draw(shares),
        total_loss=draw(shares),
        total_loss_mode=mode,
        daily_basis=basis,
        daily_reference=reference,
        daily_counts_open=draw(st.booleans()),
    )
    day = replace(begun(start, equity=equity), peak_balance=draw(money), peak_equity=draw(money))
    near = st.sampled_from(
        [pg.daily_floor(day, initial, programme), pg.total_floor(day, initial, programme)]
    ).flatmap(lambda floor: st.sampled_from([D("-0.01"), D(0), D("0.01")]).map(lambda by: floor + by))
    value = draw(near) if draw(st.booleans()) else draw(money)
    other = draw(near) if draw(st.booleans()) else draw(money)
    return day, initial, programme, value, other


@given(worlds())
def test_every_mode_with_every_switch_agrees_with_sums_by_hand(
    world: tuple[DayStart, D, Programme, D, D],
) -> None:
    day, initial, programme, balance, equity = world
    words = (programme.total_loss_mode.value, programme.daily_basis.value, programme.daily_reference.value)
    floor, end = floors_by_hand(day, F(initial), F(programme.daily_loss), F(programme.total_loss), words)
    assert F(pg.daily_floor(day, initial, programme)) == floor
    assert F(pg.total_floor(day, initial, programme)) == end
    assert F(pg.effective_floor(day, initial, programme)) == max(floor, end)
    by_day = F(equity if programme.daily_counts_open else balance) < floor
    in_all = F(equity) < end
    expected = {(False, False): "", (True, False): "daily", (False, True): "total"}.get(
        (by_day, in_all), "daily" if floor >= end else "total"
    )
    found = pg.breach_of(balance=balance, equity=equity, day=day, initial=initial, programme=programme)
    assert found.value == expected


@given(st.lists(st.tuples(money, money), min_size=30, max_size=60), st.sampled_from(MODES), money)
def test_a_total_floor_never_falls_whatever_the_days_bring(
    days: list[tuple[D, D]], mode: TotalLossMode, initial: D
) -> None:
    programme = replace(TWO_STEP, total_loss_mode=mode)
    day = pg.first_day(FIRST, initial)
    floors = [pg.total_floor(day, initial, programme)]
    for balance, equity in days:
        day = pg.begin_day(day, day="later", balance=balance, equity=equity)
        floors.append(pg.total_floor(day, initial, programme))
    assert floors == sorted(floors)
    highest = max(initial, *(equity if mode == "trailing_intraday" else balance for balance, equity in days))
    trailed = initial if mode == "static" else highest
    limit = initial * D("0.10")
    assert floors[-1] == (min(trailed - limit, initial) if mode == "trailing_locked" else trailed - limit)


def test_every_combination_of_modes_and_switches_has_floors() -> None:
    for mode, basis, reference, counts in itertools.product(MODES, BASES, REFERENCES, (True, False)):
        programme = replace(
            TWO_STEP,
            total_loss_mode=mode,
            daily_basis=basis,
            daily_reference=reference,
            daily_counts_open=counts,
        )
        first = pg.first_day(FIRST, D(100000))
        assert pg.daily_floor(first, D(100000), programme) == D(95000)
        assert pg.total_floor(first, D(100000), programme) == D(90000)


# -- target, profiles, ceilings -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("balance", "positions", "met"), [("110000.00", 0, False), ("110000.01", 0, True), ("111000", 1, False)]
)
def test_the_target_is_exceeded_with_all_closed(balance: str, positions: int, met: bool) -> None:
    assert pg.target_met(D(balance), D(100000), positions, TWO_STEP) is met


def test_the_target_of_each_phase() -> None:
    assert pg.target_met(D("105000.01"), D(100000), 0, pg.profile("ftmo-2-step-verification"))
    assert not pg.target_met(D("105000.01"), D(100000), 0, TWO_STEP)
    assert not pg.target_met(D(500000), D(100000), 0, pg.profile("ftmo-2-step-funded"))


@pytest.mark.parametrize("positions", [-1, None, True, D(0)])
def test_a_number_of_positions_that_is_none_is_refused(positions: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        pg.target_met(D(500000), D(100000), positions, TWO_STEP)  # type: ignore[arg-type]


def test_days_are_cut_at_prague_midnight() -> None:
    late = datetime(2026, 7, 1, 21, 59, tzinfo=UTC)
    assert pg.trading_days([late, late + timedelta(minutes=2)]) == 2
    assert pg.trading_days([]) == 0


PROFILES = {
    # name: daily, total, mode, target, trading days, best day, news minutes, flat before closure, gap, swing
    "ftmo-2-step-challenge": ("0.05", "0.10", "static", "0.10", 4, None, 0, False, 2, False),
    "ftmo-2-step-verification": ("0.05", "0.10", "static", "0.05", 4, None, 0, False, 2, False),
    "ftmo-2-step-funded": ("0.05", "0.10", "static", None, 0, None, 2, True, 2, False),
    "ftmo-2-step-funded-swing": ("0.05", "0.10", "static", None, 0, None, 0, False, 2, True),
    "ftmo-1-step-challenge": (
        "0.03", "0.10", "trailing_end_of_day", "0.10", 0, "0.5", 0, False, 2, False,
    ),
    "ftmo-1-step-funded": ("0.03", "0.10", "trailing_end_of_day", None, 0, "0.5", 2, True, 2, False),
    "generic": ("0.05", "0.10", "static", None, 0, None, 0, False, 0, False),
}  # fmt: skip


def test_the_profiles_are_the_firms_numbers() -> None:
    def text(value: D | None) -> str | None:
        return None if value is None else str(value)

    assert {
        p.name: (
            text(p.daily_loss),
            text(p.total_loss),
            p.total_loss_mode.value,
            text(p.profit_target),
            p.min_trading_days,
            text(p.best_day_share),
            p.news_minutes,
            p.flat_before_closure,
            p.gap_hours,
            p.swing,
        )
        for p in pg.PROFILES
    } == PROFILES
    assert [p.name for p in pg.PROFILES] == list(PROFILES)


def test_every_profile_says_when_it_was_read_and_where() -> None:
    for programme in pg.PROFILES:
        assert programme.verified_on == date(2026, 11, 20)
        assert programme.effective_from == date(2026, 1, 1)
        assert programme.source
        assert programme.title
        assert programme.label == f"{programme.name} v1"
        assert pg.profile(programme.name) is programme
        assert (programme.zone, programme.day_shift) == ("Europe/Prague", timedelta(0))
        assert (programme.daily_basis, programme.daily_reference) == ("initial", "balance")
        assert programme.daily_counts_open is True
        phase = {"challenge": "challenge", "verification": "verification"}.get(
            programme.name.rsplit("-", 1)[-1], "funded"
        )
        assert programme.phase == phase


def test_an_unknown_profile_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"ftmo-1-step-funded, generic, was 'ftmo-1-step'"):
        pg.profile("ftmo-1-step")


@given(st.decimals("0.001", "1", places=3), st.decimals("0.001", "1", places=3))
def test_ceilings_only_tighten(by_day: D, in_all: D) -> None:
    tight = pg.with_ceilings(TWO_STEP, by_day, in_all)
    assert tight.daily_loss == min(by_day, TWO_STEP.daily_loss)
    assert tight.total_loss == min(in_all, TWO_STEP.total_loss)
    day = begun("100000")
    assert pg.daily_floor(day, D(100000), tight) >= pg.daily_floor(day, D(100000), TWO_STEP)
    assert pg.total_floor(day, D(100000), tight) >= pg.total_floor(day, D(100000), TWO_STEP)


@pytest.mark.parametrize("bad", [*NOT_NUMBERS, D("1.01")])
def test_a_ceiling_that_is_no_fraction_is_refused(bad: D) -> None:
    with pytest.raises(ValueError, match="must be"):
        pg.with_ceilings(TWO_STEP, bad, D("0.1"))
    with pytest.raises(ValueError, match="must be"):
        pg.with_ceilings(TWO_STEP, D("0.05"), bad)


# -- what is no number ----------------------------------------------------------------------------


def changed_day(field: str, bad: object) -> DayStart:
    return replace(begun("100000"), **{field: bad})


@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_floors_need_numbers_above_zero(bad: D) -> None:
    higher = replace(TWO_STEP, daily_reference=DailyReference.HIGHER)
    on_equity = replace(TWO_STEP, daily_reference=DailyReference.EQUITY)
    intraday = replace(TWO_STEP, total_loss_mode=TotalLossMode.TRAILING_INTRADAY)
    locked = replace(TWO_STEP, total_loss_mode=TotalLossMode.TRAILING_LOCKED)
    first = pg.first_day(FIRST, D(100000))
    for ask in (
        lambda: pg.daily_floor(changed_day("balance", bad), D(1), TWO_STEP),
        lambda: pg.daily_floor(begun("1"), bad, TWO_STEP),
        lambda: pg.daily_limit(begun("1"), bad, TWO_STEP),
        lambda: pg.daily_floor(changed_day("equity", bad), D(1), higher),
        lambda: pg.daily_floor(changed_day("equity", bad), D(1), on_equity),
        lambda: pg.daily_floor(changed_day("balance", bad), D(1), on_equity),
        lambda: pg.total_floor(begun("1"), bad, TWO_STEP),
        lambda: pg.total_floor(changed_day("peak_balance", bad), D(1), ONE_STEP),
        lambda: pg.total_floor(changed_day("peak_balance", bad), D(1), locked),
        lambda: pg.total_floor(changed_day("peak_equity", bad), D(1), intraday),
        lambda: pg.first_day(FIRST, bad),
        lambda: pg.begin_day(first, day=FIRST, balance=bad, equity=D(1)),
        lambda: pg.target_met(D(1), bad, 0, TWO_STEP),
    ):
        with pytest.raises(ValueError, match="must be"):
            ask()


@pytest.mark.parametrize("bad", [bad for bad in NOT_NUMBERS if bad is not None])
def test_the_equity_of_a_midnight_is_a_number_or_unseen(bad: D) -> None:
    with pytest.raises(ValueError, match="must be"):
        pg.begin_day(pg.first_day(FIRST, D(1)), day=FIRST, balance=D(1), equity=bad)


@pytest.mark.parametrize("share", [D(0), D("-0.05"), D("1.01"), D("NaN"), None, "0.05"])
def test_a_limit_that_is_no_share_leaves_no_floor(share: D) -> None:
    with pytest.raises(ValueError, match="daily loss must"):
        pg.daily_floor(begun("100000"), D(100000), replace(TWO_STEP, daily_loss=share))
    with pytest.raises(ValueError, match="total loss must"):
        pg.total_floor(begun("100000"), D(100000), replace(TWO_STEP, total_loss=share))


@pytest.mark.parametrize("bad", [D("NaN"), D("-Infinity"), None, "1"])
def test_equity_that_is_no_number_is_neither_safe_nor_breached(bad: D) -> None:
    with pytest.raises(ValueError, match="must be"):
        pg.breached(bad, D(1))
    with pytest.raises(ValueError, match="must be"):
        pg.breached(D(1), bad)
    for equity, balance in ((bad, D(1)), (D(1), bad)):
        with pytest.raises(ValueError, match="must be"):
            pg.breach_of(
                balance=balance,
                equity=equity,
                day=begun("100000"),
                initial=D(100000),
                programme=replace(TWO_STEP, daily_counts_open=False),
            )


def test_an_account_below_zero_still_has_a_floor_in_a_history() -> None:
    # A balance of a hedged account may be below zero while equity is not; histories judge it, the guard refuses.
    assert pg.reference_of(D("-3.20"), D(5), TWO_STEP) == D("-3.20")
    higher = replace(TWO_STEP, daily_reference=DailyReference.HIGHER, daily_basis=DailyBasis.CURRENT)
    assert pg.reference_of(D("-3.20"), D(5), higher) == D(5)
    assert pg.daily_limit_of(D("-3.20"), D(100000), higher) == D(0)
    assert pg.daily_limit_of(D("-3.20"), D(100000), TWO_STEP) == D(5000)
    with pytest.raises(ValueError, match="daily reference must be one of its words"):
        pg.reference_of(D(1), D(1), replace(TWO_STEP, daily_reference="peak"))
