"""Paths walked against floors: every one as a slow second walk finds it, and as the theory of ruin says."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D
from fractions import Fraction as F
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import pass_oracle
from tests.core.changed import changed
from trading.core import pass_paths
from trading.core.own_trades import OwnDay
from trading.core.pass_paths import Standing, Table
from trading.core.programme import (
    PROFILES,
    DailyBasis,
    DailyReference,
    Programme,
    TotalLossMode,
    profile,
)

pytestmark = pytest.mark.proof

TWO_STEP, ONE_STEP, GENERIC = PROFILES[0], profile("ftmo-1-step-challenge"), profile("generic")
INITIAL = D(100000)
FRESH = Standing(balance=INITIAL, peak_balance=INITIAL, peak_equity=INITIAL)
EVERY_SWITCH = [
    replace(
        TWO_STEP,
        name="-".join((mode, basis, reference, "open" if counts else "closed")),
        total_loss_mode=mode,
        daily_basis=basis,
        daily_reference=reference,
        daily_counts_open=counts,
        best_day_share=share,
        min_trading_days=days,
    )
    for (mode, basis, reference, counts), (share, days) in zip(
        product(TotalLossMode, DailyBasis, DailyReference, (True, False)),
        [(D("0.5"), 0), (None, 4), (D("0.4"), 3)] * 16,
        strict=True,
    )
]
# Forty-eight switches share the examples that one property has.
FEW = settings(max_examples=max(settings.default.max_examples // 10, 8))
NAMES = ["undecided", "pass", "lock", "daily", "total"]


def day(net: str, low: str | None = None, **changes: Any) -> OwnDay:
    """A day that closed with ``net``; its low is its result or the start unless named."""
    result = D(net)
    down = min(result, D(0)) if low is None else D(low)
    up = max(result, D(0))
    return OwnDay(
        **{
            "day": date(2026, 11, 2),
            "net": result,
            "low": down,
            "high": up,
            "low_balance": min(result, D(0)),
            "fall": up - down,
            "start_high": D(0),
            "opened": 1,
            "closed": 1,
            "flat": result,
            **changes,
        }
    )


def walked(
    days: list[OwnDay],
    draws: np.ndarray,
    *,
    programme: Programme = TWO_STEP,
    standing: Standing = FRESH,
    scale: str = "1",
    lock: bool = True,
    halves: bool = False,
    module: ModuleType = pass_paths,
) -> list[tuple[str, int]]:
    """How each path ends in the product's words, and on which day."""
    table = module.Table.of(days, initial=INITIAL, scale=D(scale), halves=halves)
    rules = module.Rules.of(programme, lock=lock)
    ends, on = module.walk(table, rules, standing, initial=INITIAL, draws=draws)
    return [(NAMES[end], int(number)) for end, number in zip(ends, on, strict=True)]


def by_the_oracle(
    days: list[OwnDay],
    draws: np.ndarray,
    *,
    programme: Programme = TWO_STEP,
    standing: Standing = FRESH,
    scale: str = "1",
    lock: bool = True,
    halves: bool = False,
) -> list[tuple[str, int]]:
    found = []
    for column in draws.T:
        end, on = pass_oracle.path(
            days,
            [int(one) for one in column],
            programme=programme,
            standing=standing,
            initial=F(INITIAL),
            scale=F(scale),
            lock=lock,
            halves=halves,
        )
        found.append((end or "undecided", on))
    return found


def ending(*days: OwnDay, **changes: Any) -> tuple[str, int]:
    """How the one path ends that lives through these days in their order, each once."""
    draws = np.arange(len(days), dtype=np.uint16)[:, None]
    return walked(list(days), draws, **changes)[0]


# -- one path, by hand ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "end"), [("-5000", ("undecided", 0)), ("-5000.01", ("daily", 1)), ("-10000.01", ("daily", 1))]
)
def test_the_daily_floor_is_strict_and_reached_before_the_total_one(low: str, end: tuple[str, int]) -> None:
    assert ending(day("100", low), lock=False) == end


def test_the_daily_floor_hangs_on_the_days_first_balance() -> None:
    rising = [day("4000"), day("0", "-5000")]
    assert ending(*rising, lock=False) == ("undecided", 0)
    assert ending(day("4000"), day("0", "-5000.01"), lock=False) == ("daily", 2)


@pytest.mark.parametrize(
    ("low", "lock", "end"),
    [
        ("-3999.99", True, ("undecided", 0)),
        pytest.param("-4000", True, ("lock", 2), id="80 % of the total limit is our lock"),
        ("-4000", False, ("undecided", 0)),
    ],
)
def test_our_lock_ends_a_path_at_80_percent_of_the_total_limit(
    low: str, lock: bool, end: tuple[str, int]
) -> None:
    assert ending(day("-4000"), day("0", low), lock=lock) == end


@pytest.mark.parametrize(("low", "end"), [("-2000", ("undecided", 0)), ("-2000.01", ("total", 3))])
def test_the_total_floor_is_strict(low: str, end: tuple[str, int]) -> None:
    assert ending(day("-4000"), day("-4000"), day("0", low), lock=False) == end


@pytest.mark.parametrize(
    ("balance", "end"), [("-7000", ("lock", 3)), ("-6999.99", ("undecided", 0))], ids=["70 %", "a cent less"]
)
def test_where_no_new_risk_is_taken_a_flat_account_stays_for_good(balance: str, end: tuple[str, int]) -> None:
    # The third day would win it all back, but it is never traded.
    lost = [day("-3500"), day(str(D(balance) + 3500)), day("9000")]
    assert ending(*lost) == end
    assert ending(*lost, lock=False) == ("undecided", 0)


def test_positions_are_half_as_large_from_half_of_the_total_limit_on() -> None:
    lost = [day("-2500"), day("-2500"), day("-1000"), day("-1000", "-3000")]
    # 95,000, then 500 less: a low of 1,500 at half size stays clear of our lock at 92,000.
    assert ending(*lost, halves=True) == ("undecided", 0)
    assert ending(*lost) == ("lock", 4)
    almost = [day("-2500"), day("-2499.99"), day("-1000.01"), day("-1000", "-2000")]
    assert ending(*almost, halves=True) == ("undecided", 0)
    assert ending(*almost[:2], day("0", "-3000.01"), halves=True) == ("lock", 3)
    assert ending(day("-5000"), day("0", "-6000"), halves=True, programme=GENERIC) == ("lock", 2)


def test_a_day_that_jumps_over_our_lock_is_a_breach() -> None:
    assert ending(day("-4000"), day("-2900"), day("0", "-4000")) == ("total", 3)


def test_v7_the_target_must_be_exceeded_after_four_trading_days() -> None:
    exact = [day("2500")] * 4
    assert ending(*exact) == ("undecided", 0)
    assert ending(*exact, day("0.01")) == ("pass", 5)
    assert ending(day("9000"), day("1000.01"), day("0"), day("0")) == ("pass", 4)
    idle = day("0", opened=0)
    assert ending(day("9000"), day("1000.01"), idle, idle, day("0"), day("0")) == ("pass", 6)


def test_trading_days_and_results_so_far_count() -> None:
    later = replace(FRESH, trading_days=3)
    assert ending(day("10000.01"), standing=later) == ("pass", 1)
    # 1-Step: 6,000 of 12,000 is half; the 1,000 that came before were other days.
    before = replace(FRESH, balance=D(101000), best_day=D(1000), profitable=D(1000))
    assert ending(day("6000"), day("3000.01"), programme=ONE_STEP, standing=before) == ("undecided", 0)
    assert ending(day("6000"), day("5000"), programme=ONE_STEP, standing=before) == ("pass", 2)


def test_v10_more_on_other_days_opens_the_gate() -> None:
    days = [day("6000"), day("3000"), day("-1000"), day("2500")]
    assert ending(*days, programme=ONE_STEP) == ("undecided", 0)
    assert ending(*days, day("499.99"), programme=ONE_STEP) == ("undecided", 0)
    assert ending(*days, day("500"), programme=ONE_STEP) == ("pass", 5)


def test_v6_the_total_floor_of_the_one_step_trails_midnights() -> None:
    # 104,000 at midnight: the floor is 94,000. 103,000 does not lower it.
    days = [day("4000"), day("-1000"), day("-2500"), day("-2500")]
    assert ending(
        *days, day("0", "-4000"), programme=replace(ONE_STEP, daily_loss=D("0.05")), lock=False
    ) == (
        "undecided",
        0,
    )
    assert ending(
        *days, day("0", "-4000.01"), programme=replace(ONE_STEP, daily_loss=D("0.05")), lock=False
    ) == ("total", 5)


def test_a_trailing_floor_that_locks_stops_at_the_initial_balance() -> None:
    locked = replace(GENERIC, total_loss_mode=TotalLossMode.TRAILING_LOCKED, daily_loss=D("0.9"))
    assert ending(day("30000"), day("0", "-30000"), programme=locked, lock=False) == ("undecided", 0)
    assert ending(day("30000"), day("0", "-30000.01"), programme=locked, lock=False) == ("total", 2)


def test_an_intraday_peak_counts_at_once_and_stays() -> None:
    intraday = replace(GENERIC, total_loss_mode=TotalLossMode.TRAILING_INTRADAY, daily_loss=D("0.9"))
    up_and_down = day("0", "0", high=D(10000), fall=D(10000))
    assert ending(up_and_down, programme=intraday, lock=False) == ("undecided", 0)
    assert ending(replace(up_and_down, fall=D("10000.01")), programme=intraday, lock=False) == ("total", 1)
    assert ending(up_and_down, day("0", "-0.01"), programme=intraday, lock=False) == ("total", 2)
    assert ending(replace(up_and_down, fall=D(8000)), programme=intraday) == ("lock", 1)


def test_the_target_counts_at_the_last_instant_with_nothing_open() -> None:
    ready = replace(FRESH, trading_days=9)
    assert ending(day("10000.01", flat=None), standing=ready) == ("undecided", 0)
    assert ending(day("10000.01", flat=D(10000)), standing=ready) == ("undecided", 0)
    assert ending(day("9000", flat=D("10000.01")), standing=ready) == ("pass", 1)
    assert ending(day("10000.01", flat=None), day("-20", flat=D(0)), standing=ready) == ("pass", 2)


def test_the_first_end_of_a_path_is_its_only_one() -> None:
    days = [day("-8000", "-8000"), day("30000")]
    draws = np.array([[0], [1], [1], [1], [1], [1], [1], [1], [1], [1]], dtype=np.uint16)
    quiet = replace(TWO_STEP, daily_loss=D("0.5"))
    assert walked(days, draws, programme=quiet) == [("lock", 1)]


@pytest.mark.parametrize("scale", ["NaN", "-1", "Infinity"])
def test_a_scale_that_is_none_is_an_error(scale: str) -> None:
    with pytest.raises(ValueError, match="scale"):
        Table.of([day("1")], initial=INITIAL, scale=D(scale))


def test_what_does_not_fit_a_unit_is_rounded_to_the_unsafe_side() -> None:
    third = Table.of([day("-0.01"), day("0.01", "-0.01")], initial=D(300000), scale=D(1))
    assert third.net.tolist() == [-4, 3]
    assert third.low.tolist() == [-4, -4]
    assert third.fall.tolist() == [4, 7]


# -- against the oracle -----------------------------------------------------------------------


@st.composite
def _days(draw: st.DrawFn) -> list[OwnDay]:
    """Eight to twelve days on a lattice of 500, so that floors and targets are met exactly."""
    found = []
    for number in range(draw(st.integers(8, 12))):
        net = 500 * draw(st.integers(-5, 6))
        low = min(net, 0) - 500 * draw(st.sampled_from([0, 0, 1, 2, 4, 7]))
        high = max(net, 0) + 500 * draw(st.sampled_from([0, 0, 1, 3]))
        found.append(
            day(
                str(net),
                str(low),
                high=D(high),
                low_balance=D(min(net, 0) - 500 * draw(st.sampled_from([0, 0, 1]))),
                fall=D(draw(st.sampled_from([high - low, max(high, -low, net - low)]))),
                start_high=D(500 * draw(st.sampled_from([0, 0, 0, 1, 2]))),
                opened=draw(st.integers(0, 2)),
                day=date(2026, 11, 2) + timedelta(days=number),
                flat=draw(st.sampled_from([D(net), D(net), None, D(500 * draw(st.integers(-3, 3)))])),
            )
        )
    return found


@st.composite
def _standing(draw: st.DrawFn) -> Standing:
    """An account somewhere on its way, half of the time within a day of a floor or of the target."""
    near = draw(st.booleans())
    balance = draw(st.sampled_from([91000, 92500, 94000, 108500, 110000])) if near else 100000
    peak = max(balance, 100000) + 500 * draw(st.integers(0, 8))
    best = 500 * draw(st.integers(0, 6))
    return Standing(
        balance=D(balance),
        peak_balance=D(peak),
        peak_equity=D(peak + 500 * draw(st.integers(0, 2))),
        trading_days=draw(st.integers(0, 5)),
        best_day=D(best),
        profitable=D(best + 500 * draw(st.integers(0, 6))),
    )


def drawn(days: list[OwnDay], seed: int, *, paths: int = 16, horizon: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, len(days), size=(horizon, paths), dtype=np.uint16)


@pytest.mark.parametrize("programme", EVERY_SWITCH, ids=lambda p: p.name)
def test_every_path_ends_as_the_oracle_says_under_every_switch(programme: Programme) -> None:
    @FEW
    @given(
        days=_days(),
        standing=_standing(),
        seed=st.integers(0, 2**32),
        guard=st.sampled_from([(False, False), (True, False), (True, True)]),
    )
    def check(days: list[OwnDay], standing: Standing, seed: int, guard: tuple[bool, bool]) -> None:
        draws = drawn(days, seed)
        for scale in ("1", "0.5", "2"):
            given_: dict[str, Any] = {"programme": programme, "standing": standing, "scale": scale}
            given_ |= {"lock": guard[0], "halves": guard[1]}
            assert walked(days, draws, **given_) == by_the_oracle(days, draws, **given_)

    check()


@FEW
@given(days=_days(), seed=st.integers(0, 2**32))
@pytest.mark.parametrize("programme", PROFILES, ids=lambda p: p.name)
def test_every_path_ends_as_the_oracle_says_in_every_programme(
    programme: Programme, days: list[OwnDay], seed: int
) -> None:
    draws = drawn(days, seed, horizon=60)
    assert walked(days, draws, programme=programme) == by_the_oracle(days, draws, programme=programme)


CONTROLS = [
    ("return np.where(alone, _ALWAYS, table.low)", "return table.low"),
    (
        "daily = start + self._counted(rows) < daily_floor",
        "daily = start + self._counted(rows) <= daily_floor",
    ),
    ("daily = start + self._counted(rows) < daily_floor", "daily = start + table.net[rows] < daily_floor"),
    ("return self.table.low_balance[rows]", "return self.table.low[rows]"),
    ("limit: np.ndarray | int = self.daily_limit", "limit: np.ndarray | int = self.total_limit"),
    ("limit = reference * top // bottom", "limit = start * top // bottom"),
    ("start if seen is DailyReference.BALANCE else start + start_high", "start"),
    ("near |= start + self._counted(rows) < daily", "pass"),
    ("daily & (~total | (daily_floor >= total_floor))", "daily & ~total"),
    ("daily & (~total | (daily_floor >= total_floor))", "daily & (~total | (daily_floor > total_floor))"),
    ("total = worst < total_floor", "total = worst <= total_floor"),
    ("total |= table.fall[rows] > rules.total_limit", "total |= table.fall[rows] >= rules.total_limit"),
    ("locked = worst <= total_floor + margin", "locked = worst < total_floor + margin"),
    ("table.fall[rows] >= rules.total_limit - margin", "table.fall[rows] > rules.total_limit - margin"),
    ("alone |= table.fall >= rules.total_limit - (rules.line or 0)", "pass"),
    ("trailed = np.minimum(trailed, UNITS)", "pass"),
    ('np.maximum(state["peak"], start, out=state["peak"])', "pass"),
    ('start + table.high[rows], out=state["peak"]', 'start, out=state["peak"]'),
    ("stuck = above <= rules.red", "stuck = above < rules.red"),
    ("ends[stuck[found]] = End.LOCK", "pass"),
    ("(above <= self.rules.amber)", "(above < self.rules.amber)"),
    ("self.table.half * (above <= self.rules.amber)", "0"),
    ("self.table.flat[rows] > rules.target", "self.table.flat[rows] >= rules.target"),
    ("self.table.flat[rows] > rules.target", "self.table.net[rows] > rules.target"),
    ('state["traded"] >= rules.programme', 'state["traded"] > rules.programme'),
    ('state["best"] * bottom <= state["profit"] * top', 'state["best"] * bottom < state["profit"] * top'),
    ("fresh = self.ends[ids] == End.UNDECIDED", "fresh = self.ends[ids] >= End.UNDECIDED"),
    ("self.days[ids[fresh]] = day + 1", "self.days[ids[fresh]] = day"),
]
UNDER = [TWO_STEP, replace(ONE_STEP, daily_loss=D("0.05")), *EVERY_SWITCH[::5], *EVERY_SWITCH[3::7]]


def hard_days(seed: int) -> list[OwnDay]:
    """Twelve days on a lattice of 500 that run into every floor and into the target."""
    rng = np.random.default_rng(seed)

    def some(*steps: int) -> D:
        return D(500 * int(rng.choice(steps)))

    found = []
    for number in range(12):
        net = some(-4, -2, 0, 2, 4, 6)
        low, high = min(net, D(0)) - some(0, 1, 4, 8), max(net, D(0)) + some(0, 2, 6)
        found.append(
            day(
                str(net),
                str(low),
                high=high,
                fall=high - low,
                low_balance=min(net, D(0)) - some(0, 1, 2),
                start_high=some(0, 0, 2, 6),
                opened=int(rng.integers(0, 2)),
                day=date(2026, 11, 2) + timedelta(days=number),
                flat=(net, None, net + some(-2, 0, 2))[number % 3],
            )
        )
    return found


@pytest.fixture(scope="module")
def told() -> list[tuple[list[OwnDay], np.ndarray, dict[str, Any], list[tuple[str, int]]]]:
    """Histories under many programmes with what the oracle says of them, and the product as well."""
    found = []
    # Where both floors are one, and where the best day is exactly half: chance seldom comes there.
    exact = [(TWO_STEP, [day("-5000"), day("0", "-6000")]), (ONE_STEP, [day("6000"), day("6000")])]
    hard = [(programme, hard_days(seed)) for seed, programme in enumerate(UNDER)]
    for seed, (programme, days) in enumerate([*exact, *hard]):
        for lock, halves in ((True, False), (True, True), (False, False)):
            given_: dict[str, Any] = {"programme": programme, "lock": lock, "halves": halves}
            draws = drawn(days, seed, paths=48)
            expected = by_the_oracle(days, draws, **given_)
            assert walked(days, draws, **given_) == expected
            found.append((days, draws, given_, expected))
    return found


@pytest.mark.parametrize(("old", "new"), CONTROLS)
def test_a_product_with_one_line_changed_differs_from_the_oracle(
    old: str,
    new: str,
    told: list[tuple[list[OwnDay], np.ndarray, dict[str, Any], list[tuple[str, int]]]],
) -> None:
    with changed(pass_paths, old, new) as module:
        assert any(
            walked(days, draws, module=module, **given_) != expected for days, draws, given_, expected in told
        )
