"""What holds for every strategy: warm-up, determinism, no look-ahead, no number that goes wrong."""

import timeit
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.strategies.conftest import MINUTE, NOON, build, walk
from trading.core.types import Candles, Judgement
from trading.strategies import ALL, REASONS
from trading.strategies.base import Strategy

Make = Callable[..., Candles]
EVERY = pytest.mark.parametrize("strategy", ALL.values(), ids=ALL)
BARS = 481
DAY = 1440


def speak(strategy: Strategy, candles: Candles) -> Judgement:
    """Judge with numeric warnings as errors, and check what holds for every judgement."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        said = strategy.judge(candles)
    assert said.reason in REASONS
    if said.side is None:
        assert said.bracket is None
        assert said.score is None
        return said
    assert said.bracket is not None
    assert said.score is not None
    assert 0.0 <= said.score <= 1.0
    assert min(said.bracket.target, said.bracket.stop) > 0
    assert max(said.bracket.target, said.bracket.stop) <= D("0.5")
    assert said.bracket.cap >= timedelta(hours=1)
    return said


def signals(strategy: Strategy, candles: Candles) -> list[tuple[int, Judgement]]:
    """Every signal in a run of candles, with the index of its bar."""
    said = [
        (i - 1, speak(strategy, candles[i - strategy.warm_up : i]))
        for i in range(strategy.warm_up, len(candles) + 1)
    ]
    return [(i, one) for i, one in said if one.side is not None]


def mirrored(candles: Candles) -> Candles:
    """The same market upside down."""
    return replace(
        candles,
        open=1e9 / candles.open,
        high=1e9 / candles.low,
        low=1e9 / candles.high,
        close=1e9 / candles.close,
    )


def test_the_three_rule_strategies_stand_under_their_names() -> None:
    assert list(ALL) == ["momentum", "mean_reversion", "buy_and_hold"]
    assert all(name == strategy.name and strategy.title for name, strategy in ALL.items())
    assert all(s.timeframe == "1m" and s.stride_minutes == 1 for s in ALL.values())
    assert all(text.endswith(".") for text in REASONS.values())


@EVERY
def test_too_few_bars_is_warming_up(strategy: Strategy) -> None:
    for bars in (0, 1, strategy.warm_up - 1):
        candles = build(walk(1, bars)) if bars else Candles.empty()
        assert speak(strategy, candles).reason == "warming_up"
    assert speak(strategy, build(walk(1, strategy.warm_up))).reason != "warming_up"


@EVERY
def test_only_the_last_bars_count(strategy: Strategy) -> None:
    for seed in range(20):
        candles = build(walk(seed, 2 * BARS))
        assert strategy.judge(candles) == strategy.judge(candles[-strategy.warm_up :])
        assert strategy.judge(candles) == strategy.judge(candles)


@EVERY
def test_the_past_alone_decides(strategy: Strategy) -> None:
    """A look-ahead would show: what is said of a bar does not change when later bars exist."""
    long = build(walk(7, BARS + 300))
    for i in range(BARS, BARS + 300, 37):
        other = build(
            np.concatenate((long.close[:i], walk(99, 50))),
            last_open_ms=int(long.open_ms[i - 1]) + 50 * MINUTE,
        )
        assert strategy.judge(long[:i]) == strategy.judge(other[:i])


@EVERY
def test_prices_alone_decide_not_volume(strategy: Strategy) -> None:
    candles = build(walk(3, BARS + 200))
    for volume in (candles.volume * 0.0, candles.volume * np.nan, candles.volume * 1e300):
        mute = replace(candles, volume=volume)
        for i in range(BARS, BARS + 200):
            assert speak(strategy, mute[:i]) == strategy.judge(candles[:i])


@EVERY
@pytest.mark.parametrize("price", [1e-8, 0.5, 1.0, 90_000.0, 1e12])
def test_a_flat_market_says_nothing(strategy: Strategy, price: float) -> None:
    midnight = NOON - NOON % 86_400_000
    said = speak(strategy, build(np.full(BARS, price), last_open_ms=midnight, spread=0.0))
    assert said.reason == "flat_market"


@EVERY
def test_a_market_that_hardly_moves_is_too_quiet(strategy: Strategy) -> None:
    midnight = NOON - NOON % 86_400_000
    said = speak(strategy, build(walk(2, BARS, sigma=2e-5), last_open_ms=midnight))
    assert said.reason == "volatility_too_low"


@EVERY
def test_a_market_gone_wild_has_no_bracket(strategy: Strategy) -> None:
    midnight = NOON - NOON % 86_400_000
    said = speak(strategy, build(walk(2, BARS, sigma=0.05), last_open_ms=midnight))
    assert said.reason == "volatility_too_high"


@EVERY
@pytest.mark.parametrize("series", ["high", "low", "close"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_an_impossible_price_is_bad_data(strategy: Strategy, series: str, bad: float) -> None:
    for index in (0, 200, BARS - 1):
        values = getattr(build(walk(4, BARS)), series).copy()
        values[index] = bad
        assert speak(strategy, replace(build(walk(4, BARS)), **{series: values})).reason == "bad_data"


@EVERY
@pytest.mark.parametrize("factor", [0.1, 0.721, 1.195, 10.0])
@pytest.mark.parametrize("after", [0, 1, 5, 61, 300])
def test_a_huge_move_is_no_error(strategy: Strategy, factor: float, after: int) -> None:
    close = walk(5, BARS)
    close[BARS - 1 - after :] *= factor
    speak(strategy, build(close))


@EVERY
@settings(max_examples=150)
@given(
    moves=arrays(
        np.float64,
        BARS,
        elements=st.one_of(st.just(0.0), st.floats(-0.5, 0.5), st.floats(-1e-3, 1e-3)),
    ),
    price=st.sampled_from([1e-6, 1.0, 3e4, 1e9]),
    midnight=st.booleans(),
)
def test_no_window_makes_a_number_go_wrong(
    strategy: Strategy, moves: np.ndarray, price: float, midnight: bool
) -> None:
    steps = np.clip(np.cumsum(moves), -20.0, 20.0)
    with np.errstate(under="ignore"):
        close = price * np.exp(steps)
    last = NOON - NOON % 86_400_000 if midnight else NOON
    speak(strategy, build(close, last_open_ms=last))


@EVERY
def test_every_bracket_is_wide_enough_to_bear_the_costs(strategy: Strategy) -> None:
    found = [said for _, said in signals(strategy, build(walk(8, 2 * DAY, sigma=1.2e-4)))]
    assert found
    for said in found:
        assert said.bracket is not None
        assert said.bracket.target >= D("0.0025") * D("0.8")
        assert said.bracket.stop >= D("0.0025")


@pytest.mark.parametrize("name", ["momentum", "mean_reversion"])
def test_both_sides_are_treated_alike(name: str) -> None:
    candles = build(walk(9, BARS + 2 * DAY))
    there = {i: said.side for i, said in signals(ALL[name], candles)}
    back = {i: said.side for i, said in signals(ALL[name], mirrored(candles))}
    same = {i for i in there if i in back}
    # Prices turned upside down are no longer evenly spaced, so a signal at a threshold may differ.
    assert len(same) >= 0.9 * len(there) > 5
    assert all(there[i] is not back[i] for i in same)


@EVERY
def test_judging_is_quick(strategy: Strategy) -> None:
    """A replay judges a hundred thousand windows: 150 microseconds each, the best of several runs."""
    candles = build(walk(10, BARS))
    best = min(timeit.repeat(lambda: strategy.judge(candles), number=50, repeat=15)) / 50
    assert best < 150e-6


def test_a_breakout_with_the_trend_is_a_long() -> None:
    close = 50_000.0 * np.exp(np.linspace(0.0, 0.02, BARS) + 2e-4 * np.sin(np.arange(BARS)))
    close[-60:] = close[-61] * (1.0 + 3e-4 * np.sin(np.arange(60)))
    close[-1] = close[-61:-1].max() * 1.003
    said = speak(ALL["momentum"], build(close))
    assert (said.side, said.reason) == ("long", "breakout")
    again = np.append(close, close[-1] * 1.001)
    assert speak(ALL["momentum"], build(again)).reason == "inside_range"


def test_a_breakout_against_the_trend_is_none() -> None:
    close = 50_000.0 * np.exp(np.linspace(0.0, -0.02, BARS) + 2e-4 * np.sin(np.arange(BARS)))
    close[-60:] = close[-61] * (1.0 + 3e-4 * np.sin(np.arange(60)))
    close[-1] = close[-61:-1].max() * 1.003
    assert speak(ALL["momentum"], build(close)).reason == "against_trend"


@pytest.mark.parametrize(("sign", "side"), [(1, "short"), (-1, "long")])
def test_mean_reversion_bets_on_the_way_back(sign: int, side: str) -> None:
    close = 50_000.0 * (1.0 + 4e-4 * np.sin(np.arange(BARS) * 0.9))
    close[-2:] = 50_000.0 * (1.0 + sign * np.array([4e-3, 4e-4]))
    said = speak(ALL["mean_reversion"], build(close))
    assert (said.side, said.reason) == (side, "excess_ended")
    outside = close.copy()
    outside[-1] = close[-2] * (1.0 + sign * 1e-4)
    assert speak(ALL["mean_reversion"], build(outside)).reason == "still_leaving"


def test_mean_reversion_does_not_stand_against_a_trend() -> None:
    close = 50_000.0 * np.exp(np.linspace(0.0, 0.08, BARS) + 2e-4 * np.sin(np.arange(BARS) * 0.9))
    close[-2] *= 1.02
    said = speak(ALL["mean_reversion"], build(close))
    assert said.reason == "trend_runs"


def test_buy_and_hold_asks_once_a_day() -> None:
    candles = build(walk(11, BARS + 3 * DAY), last_open_ms=NOON)
    found = signals(ALL["buy_and_hold"], candles)
    opened = [int(candles.open_ms[i]) % 86_400_000 for i, _ in found]
    assert opened == [0, 0, 0]
    assert {said.side for _, said in found} == {"long"}


def test_buy_and_hold_takes_the_first_bar_there_is() -> None:
    """The minute of midnight had no trade: the first bar after it counts."""
    candles = build(walk(12, BARS), last_open_ms=NOON - NOON % 86_400_000)
    late = replace(candles, open_ms=np.append(candles.open_ms[:-1], candles.open_ms[-1] + 7 * MINUTE))
    assert speak(ALL["buy_and_hold"], late).reason == "day_began"


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "start"),
    [
        pytest.param("kraken_spot_BTCUSDC_1m_sparse", 0, id="half of the minutes absent"),
        pytest.param("coinbase_spot_BTCUSD_1m_sample", 0, id="Coinbase"),
        pytest.param("binanceus_spot_BTCUSD_1m", 12_000, id="the de-peg of March 2023"),
        pytest.param("binance_spot_ETHUSDT_1m", 838_000, id="ETH in February 2025"),
    ],
)
@EVERY
def test_recorded_candles(strategy: Strategy, file: str, start: int, candles_dir: Any) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(candles_dir / f"{file}.parquet").slice(start, 4 * DAY)
    columns = {name: table.column(name).to_numpy() for name in ("open", "high", "low", "close", "volume")}
    opened = table.column("timestamp").to_numpy().astype("datetime64[ms]").astype(np.int64)
    candles = Candles(open_ms=opened, **columns)
    found = signals(strategy, candles)
    a_day = len(found) / ((len(candles) - BARS) / DAY)
    assert a_day <= 60.0
    assert found or strategy.name == "buy_and_hold"
