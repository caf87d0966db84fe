"""What is said of a future: against the theory of ruin, with intervals that few trades widen, or not at all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import numpy as np
import pytest

from trading.core import pass_probability as pp
from trading.core.own_trades import Booking, OwnTrade, own_days
from trading.core.pass_paths import End, Rules, Standing, Table, walk
from trading.core.pass_probability import History, Sample, chances
from trading.core.programme import PROFILES, profile
from trading.core.timeframes import PRAGUE
from trading.core.types import Breach

TWO_STEP = PROFILES[0]
VERIFICATION, FUNDED = profile("ftmo-2-step-verification"), profile("ftmo-2-step-funded")
INITIAL = D(100000)
FRESH = Standing(balance=INITIAL, peak_balance=INITIAL, peak_equity=INITIAL)
FIRST = date(2026, 1, 1)


def trade(day: int, net: str, *, hour: float = 9, risk: str = "500") -> OwnTrade:
    """A trade of two hours; it wins or loses at its end."""
    begin = PRAGUE.bounds(FIRST + timedelta(days=day))[0] + timedelta(hours=hour)
    end = begin + timedelta(hours=2)
    return OwnTrade(
        opened_at=begin,
        closed_at=end,
        bookings=(Booking(at=end, amount=D(net)),),
        risk=D(risk),
        upside=D(risk),
    )


def coin(days: int, *, wins: int, each: str = "500", apart: float = 3) -> tuple[OwnTrade, ...]:
    """Three trades a day; of all of them ``wins`` in a hundred win what the others lose."""
    rng = np.random.default_rng(3)
    nets = np.where(rng.permutation(3 * days) < 3 * days * wins / 100, 1, -1)
    return tuple(
        trade(number // 3, str(int(sign) * D(each)), hour=6 + apart * (number % 3), risk=each)
        for number, sign in enumerate(nets)
    )


def history(trades: Sequence[OwnTrade], **changes: Any) -> History:
    given: dict[str, Any] = {
        "trades": tuple(trades),
        "programme": TWO_STEP,
        "initial": INITIAL,
        "standing": FRESH,
        "first": FIRST,
        "last": max((PRAGUE.day(one.closed_at) for one in trades), default=FIRST),
        "set_risk": D("0.005"),
    }
    return History(**(given | changes))


QUICK = {"paths": 4000, "seed": 5}


# -- the theory of ruin -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("programme", "lock", "up", "down"),
    [
        pytest.param(TWO_STEP, False, 11, 11, id="10 % up exceeded, 10 % down passed: eleven steps each"),
        pytest.param(VERIFICATION, False, 6, 11, id="5 % up"),
        pytest.param(VERIFICATION, True, 6, 7, id="no new risk is taken seven steps down"),
    ],
)
def test_a_fair_walk_between_two_barriers_ends_as_the_theory_of_ruin_says(
    programme: Any, lock: bool, up: int, down: int
) -> None:
    # One per cent up or down a day and nothing below it: P(up first) = down / (up + down).
    days = [replace(one, low=min(one.net, D(0))) for one in own_days(
        [trade(0, "1000"), trade(1, "-1000")], clock=PRAGUE, first=FIRST, last=FIRST + timedelta(days=1)
    )]  # fmt: skip
    size = 40_000
    draws = np.random.default_rng(1).integers(0, 2, size=(1500, size), dtype=np.uint16)
    table = Table.of(days, initial=INITIAL, scale=D(1))
    ends, on = walk(table, Rules.of(programme, lock=lock), FRESH, initial=INITIAL, draws=draws)
    expected = down / (up + down)
    error = 4 * (expected * (1 - expected) / size) ** 0.5
    assert abs(float((ends == End.PASS).mean()) - expected) < error
    assert np.count_nonzero(ends == End.UNDECIDED) == 0
    # And the mean number of days is up times down.
    assert abs(float(on.mean()) - up * down) < 0.03 * up * down


def test_a_daily_breach_comes_with_the_geometric_law() -> None:
    # One day in ten breaks the daily limit, the others change nothing.
    quiet, bad = (trade(number, "0.01" if number else "-5600", risk="0.01") for number in (1, 0))
    days = own_days([bad, quiet], clock=PRAGUE, first=FIRST, last=FIRST + timedelta(days=9))
    size, horizon = 40_000, 7
    draws = np.random.default_rng(2).integers(0, 10, size=(horizon, size), dtype=np.uint16)
    table = Table.of(days, initial=INITIAL, scale=D(1))
    ends, _ = walk(table, Rules.of(TWO_STEP, lock=True), FRESH, initial=INITIAL, draws=draws)
    expected = 1 - 0.9**horizon
    assert abs(float((ends == End.DAILY).mean()) - expected) < 4 * (expected * (1 - expected) / size) ** 0.5


# -- properties -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [p.name for p in PROFILES if p.profit_target is None])
def test_more_risk_never_saves_a_path_that_has_no_target(name: str) -> None:
    programme = profile(name)
    days = own_days(coin(30, wins=50), clock=PRAGUE, first=FIRST, last=FIRST + timedelta(days=29))
    draws = np.random.default_rng(4).integers(0, 30, size=(200, 2000), dtype=np.uint16)
    before, when = np.zeros(2000, dtype=bool), np.full(2000, 10_000)
    seen = 0
    for scale in ("0.5", "1", "1.5", "2", "3", "5"):
        table = Table.of(days, initial=INITIAL, scale=D(scale))
        rules = Rules.of(replace(programme, total_loss_mode=TWO_STEP.total_loss_mode), lock=True)
        ends, on = walk(table, rules, FRESH, initial=INITIAL, draws=draws)
        stopped = ends != End.UNDECIDED
        assert not np.any(before & ~stopped), "what a smaller risk stopped a larger one stops too"
        assert np.all(on[before] <= when[before]), "and not later"
        before, when = stopped, np.where(stopped, on, 10_000)
        seen += int(stopped.sum())
    assert seen


def test_a_zero_edge_breaches_more_often_with_more_risk() -> None:
    def stopped(each: str) -> float:
        found = chances(history(coin(40, wins=50, each=each)), **QUICK, horizon=120)
        return sum(one.share for one in found.outcomes if one.end in (End.LOCK, End.DAILY, End.TOTAL))

    risks = [stopped(each) for each in ("100", "300", "600", "1200", "2400")]
    assert risks == sorted(risks)
    assert risks[-1] > risks[0] + 0.3


def test_half_the_size_near_the_floor_saves_some_paths() -> None:
    past = history(coin(40, wins=53))
    plain, guarded = chances(past, **QUICK), chances(past, **QUICK, guarded=True)
    assert guarded.guarded
    assert not plain.guarded
    before, after = plain.share(End.LOCK), guarded.share(End.LOCK)
    assert before is not None
    assert after is not None
    assert after.share < before.share
    with pytest.raises(ValueError, match="needs our own lock"):
        chances(past, **QUICK, lock=False, guarded=True)


def test_positions_held_together_stay_together() -> None:
    # The same trades at the same size: one after the other they lose 1,800 at most, together 5,400 a day.
    apart = chances(history(coin(40, wins=60, each="1800", apart=3)), **QUICK)
    together = chances(history(coin(40, wins=60, each="1800", apart=0)), **QUICK)
    assert apart.share(End.DAILY).share < together.share(End.DAILY).share  # type: ignore[union-attr]
    assert together.share(End.DAILY).share == 1.0  # type: ignore[union-attr]


def test_the_shares_are_all_there_is() -> None:
    found = chances(history(coin(40, wins=55)), **QUICK)
    assert [one.name for one in found.outcomes] == ["pass", "lock", "daily", "total", "undecided"]
    assert sum(one.share for one in found.outcomes) == pytest.approx(1)
    assert all(0 <= one.low <= one.share <= one.high <= 1 for one in found.outcomes)
    assert all(point.low <= point.share <= point.high for point in found.curve)
    drawn = sum(up + down for _, up, down in found.by_day)
    undecided = found.share(End.UNDECIDED)
    assert undecided is not None
    assert drawn == round(4000 * (1 - undecided.share))


def test_the_same_seed_says_the_same_and_another_nearly() -> None:
    past = history(coin(40, wins=55))
    one, same, other = chances(past, **QUICK), chances(past, **QUICK), chances(past, paths=4000, seed=6)
    assert one == same
    assert one.outcomes != other.outcomes
    assert abs(one.outcomes[0].share - other.outcomes[0].share) < 0.1


def test_few_paths_are_the_beginning_of_many() -> None:
    many = pp.group_draws(40, seed=1, group=7, paths=200, horizon=50)
    few = pp.group_draws(40, seed=1, group=7, paths=70, horizon=20)
    assert np.array_equal(many[:20, :70], few)
    assert not np.array_equal(many, pp.group_draws(40, seed=1, group=8, paths=200, horizon=50))
    # A group draws from a history of its own, in which about a third of the days is missing.
    assert 20 <= len(set(many.ravel().tolist())) <= 32


# -- how sure ---------------------------------------------------------------------------------


def test_more_trades_of_the_same_kind_narrow_the_interval() -> None:
    def width(days: int) -> float:
        found = chances(history(coin(days, wins=53)), **QUICK, horizon=200).outcomes[0]
        return found.high - found.low

    assert width(20) > 0.5
    assert width(400) < width(20) - 0.15


def test_an_interval_knows_histories_from_paths() -> None:
    rng = np.random.default_rng(1)
    few = pp.interval(rng.random((200, 50)) < 0.5, of=60)
    many = pp.interval(rng.random((200, 5000)) < 0.5, of=60)
    assert 0.2 < few[2] - few[1] < 0.35, "fifty paths of a history leave that much open"
    assert many[2] - many[1] < 0.05, "all histories say the same"
    apart = np.repeat(np.arange(200) < 100, 50).reshape(200, 50)
    assert pp.interval(apart, of=60) == (0.5, 0.0, 1.0)
    # Five in a hundred histories are hopeless: their number of paths must not hide them.
    for paths in (10, 1000):
        rare = np.repeat(np.arange(200) >= 10, paths).reshape(200, paths)
        assert pp.interval(rare, of=60)[1] == 0.0
    mean, low, high = pp.interval(np.zeros((200, 50), dtype=bool), of=60)
    assert (mean, low) == (0, 0)
    assert 0 < high < 0.001, "10,000 paths without one do not say never"


@pytest.mark.parametrize(("of", "tail"), [(10, 0.0086), (20, 0.0159), (60, 0.0219), (100_000, 0.0250)])
def test_few_days_have_longer_tails(of: int, tail: float) -> None:
    low, high = pp.tails(of)
    assert low == pytest.approx(tail, abs=0.0002)
    assert low + high == pytest.approx(1)


@pytest.mark.proof
def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    # Sixty days of a known coin: the truth is what endless days of it would say.
    truth = chances(history(coin(1000, wins=53)), paths=20_000, seed=9, horizon=120).outcomes[0].share
    held = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        nets = np.where(rng.random(180) < 0.53, 500, -500)
        past = [trade(n // 3, str(int(net)), hour=6 + 3 * (n % 3)) for n, net in enumerate(nets)]
        found = chances(history(past), paths=2000, seed=seed, horizon=120).outcomes[0]
        held += found.low <= truth <= found.high
    assert held >= 34, "95 % of 40 are 38; fewer than 34 come once in a hundred times"


# -- nothing, where there is nothing to say ---------------------------------------------------


@pytest.mark.parametrize(
    ("trades", "sample"),
    [
        pytest.param([], Sample.TOO_FEW, id="none"),
        pytest.param(coin(9, wins=50) + coin(9, wins=50), Sample.TOO_FEW, id="54 trades on nine days"),
        pytest.param([trade(n, "5") for n in range(29)], Sample.TOO_FEW, id="29 trades"),
        pytest.param([trade(n, "5") for n in range(30)], Sample.THIN, id="30 trades"),
        pytest.param(coin(29, wins=50) * 2, Sample.THIN, id="29 days"),
        pytest.param(coin(34, wins=50), Sample.ENOUGH, id="102 trades on 34 days"),
    ],
)
def test_too_few_have_no_figure_and_few_are_marked(trades: Sequence[OwnTrade], sample: Sample) -> None:
    found = chances(history(trades), **QUICK, horizon=20)
    assert found.sample is sample
    assert found.sentence
    if sample is Sample.TOO_FEW:
        assert not found.outcomes
        assert not found.curve
        assert found.to_pass is found.best_risk is found.present is None
        assert "Too few" in found.sentence
    else:
        assert ("too few to rely on" in found.sentence) is (sample is Sample.THIN)


def test_trades_held_over_midnight_leave_days_to_draw_from() -> None:
    held = [replace(trade(n, "5"), closed_at=trade(n + 1, "0").closed_at) for n in range(40)]
    found = chances(history(held), **QUICK, horizon=30)
    assert (found.days, found.sample) == (41, Sample.THIN)
    # Something is open at every instant, so the target is never met with all closed.
    assert found.share(End.PASS).share == 0  # type: ignore[union-attr]


def test_a_broken_limit_has_answered_already() -> None:
    found = chances(history(coin(40, wins=60), breach=Breach.DAILY))
    assert found.sample is Sample.ENDED
    assert not found.outcomes
    assert "daily" in found.sentence
    met = chances(history(coin(40, wins=60), met=True))
    assert (met.sample, met.outcomes) == (Sample.ENDED, ())
    assert "met" in met.sentence
    both = chances(history([], breach=Breach.TOTAL, met=True))
    assert "total" in both.sentence, "a target that was reached does not mend a broken limit"


def test_a_phase_without_a_target_has_no_probability_to_pass() -> None:
    found = chances(history(coin(40, wins=60), programme=FUNDED), **QUICK, horizon=60)
    assert found.share(End.PASS) is None
    assert found.share(End.UNDECIDED) is not None
    assert (found.curve, found.best_risk, found.to_pass) == ((), None, None)
    assert "no target" in found.curve_sentence


def test_an_unknown_risk_counts_as_the_largest_and_is_told() -> None:
    trades = coin(40, wins=55, each="200")
    hidden = (replace(trades[0], risk=D(0)), *trades[1:-1], replace(trades[-1], risk=D(900)))
    known, assumed = pp._with_risk(hidden)
    assert assumed == 1
    assert known[0].depth == D(900)
    assert chances(history(hidden), **QUICK).assumed == 1
    with pytest.raises(ValueError, match="no trade's risk is known"):
        chances(history([replace(one, risk=D(0)) for one in trades]))


@pytest.mark.parametrize("wrong", [{"paths": 199}, {"horizon": 0}, {"paths": True}, {"paths": 1000.0}])
def test_wrong_wishes_are_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"paths|horizon|whole number"):
        chances(history(coin(40, wins=55)), **wrong)


# -- which risk -------------------------------------------------------------------------------


def test_the_best_risk_is_found_and_what_cannot_be_told_apart_is_said() -> None:
    found = chances(history(coin(400, wins=55)), paths=20_000, horizon=250)
    assert found.present == D("0.005")
    at_best = next(point for point in found.curve if point.risk == found.best_risk)
    assert at_best.like_best
    assert all(point.share <= at_best.share for point in found.curve)
    # Three trades of 2 % a day cannot live within five per cent.
    assert not next(point for point in found.curve if point.risk == D("0.02")).like_best
    assert [point.risk for point in found.curve] == sorted(point.risk for point in found.curve)


def test_a_setting_other_than_what_was_traded_is_told_and_drawn() -> None:
    found = chances(history(coin(60, wins=55), set_risk=D("0.007")), **QUICK)
    assert D("0.007") in {point.risk for point in found.curve}
    assert "set to 0.70 %" in found.curve_sentence
    assert "set to" not in chances(history(coin(60, wins=55)), **QUICK).curve_sentence


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0"), (0.004, "<1"), (0.006, "1"), (0.996, ">99"), (1.0, "100"), (0.5, "50")],
)
def test_what_is_not_quite_nothing_never_reads_as_nothing(share: float, words: str) -> None:
    assert pp.percent(share) == words


def test_progress_is_told_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    chances(history(coin(40, wins=55)), **QUICK, told=lambda done, whole: seen.append((done, whole)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
