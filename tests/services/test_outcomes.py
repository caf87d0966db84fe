"""Outcomes: brackets followed to their end, the same whatever the pieces in which the candles come."""

from datetime import timedelta
from decimal import Decimal as D
from typing import NamedTuple

import pytest
from django.db import DatabaseError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.candles import MINUTE_MS, Row
from tests.services.worlds import MINUTE, NOW, World, make_signal, second_account, store
from trading.core.types import Side, ms_from_utc
from trading.models import Event, Outcome, OutcomeState
from trading.services import outcomes

pytestmark = pytest.mark.django_db

NOW_MS = ms_from_utc(NOW)
# Two commissions of 3.25 bp, a spread of 2.5 bp, slippage of 0.5 bp twice.
COSTS = D("10.0")


def follow(world: World, rows: list[Row], **signal: object) -> Outcome:
    """What became of a signal given at NOW when these minutes followed."""
    made = make_signal(world, **signal)
    store(world.market, rows, start=NOW)
    outcomes.follow_all(now=NOW + len(rows) * MINUTE)
    return Outcome.objects.get(signal=made)


def short(**signal: object) -> dict[str, object]:
    return {"side": Side.SHORT, "stop": D(102), "target": D(98), **signal}


@pytest.mark.parametrize(
    ("rows", "signal", "state", "price", "minutes", "gain"),
    [
        ([100.0, (100, 102, 100, 101)], {}, "target", "102", 2, 200),
        ([100.0, (100, 101, 98, 99)], {}, "stop", "98", 2, -200),
        ([100.0, (100, 102, 98, 100)], {}, "stop", "98", 2, -200),
        ([(100, 102, 98, 100)], {}, "stop", "98", 1, -200),
        ([100.0, (97, 99, 96, 98)], {}, "stop", "97", 2, -300),
        ([100.0, (103, 104, 102.5, 103)], {}, "target", "102", 2, 200),
        ([(97, 99, 96, 98)], {}, "stop", "97", 1, 0),
        ([100.0, (100, 100, 98, 98)], short(), "target", "98", 2, 200),
        ([100.0, (100, 102, 100, 101)], short(), "stop", "102", 2, -200),
        ([100.0, (100, 102, 98, 100)], short(), "stop", "102", 2, -200),
        ([100.0, (103, 104, 102, 103)], short(), "stop", "103", 2, -300),
        ([100.0, 100.5, 101.0], {"cap_seconds": 180}, "timeout", "101", 3, 100),
        ([100.0, 100.5, 99.0], short(cap_seconds=180), "timeout", "99", 3, 100),
        ([100.0, 100.5, (101, 102, 101, 101.5)], {"cap_seconds": 180}, "target", "102", 3, 200),
        ([100.0, 100.5, 101.0, (101, 105, 101, 104)], {"cap_seconds": 180}, "timeout", "101", 3, 100),
        ([None, None, 100.0, None, (100, 102, 100, 101)], {}, "target", "102", 5, 200),
        ([100.0, None, None, 101.0], {"cap_seconds": 120}, "timeout", "100", 1, 0),
        ([100.0, 100.5, None, None, 101.0], {"cap_seconds": 180}, "timeout", "100.5", 2, 50),
    ],
)
def test_how_brackets_end(
    world: World, rows: list[Row], signal: dict[str, object], state: str, price: str, minutes: int, gain: int
) -> None:
    found = follow(world, rows, **signal)
    assert (found.state, found.exit, found.resolved_at) == (state, D(price), NOW + minutes * MINUTE)
    assert found.net_bp == D(gain) - COSTS
    assert Event.objects.filter(kind="outcome", data__signal=found.signal_id).count() == 1


def test_undecided_is_followed_on(world: World) -> None:
    found = follow(world, [100.0, 101.0])
    assert (found.state, found.entry, found.entered_ms, found.resolved_at) == (
        "following",
        D(100),
        NOW_MS,
        None,
    )


def test_before_the_next_candle_there_is_no_entry(world: World) -> None:
    found = follow(world, [None])
    assert (found.state, found.entry) == ("following", None)


def test_bars_before_the_signal_do_not_count(world: World) -> None:
    store(world.market, [100.0, (100, 110, 90, 100)], start=NOW - 2 * MINUTE)
    assert follow(world, [100.0]).state == "following"


def outage(rows_before: list[Row], missing: int, after: list[Row]) -> list[Row]:
    return [*rows_before, *[None] * missing, *after]


@pytest.mark.parametrize(
    "rows",
    [
        outage([100.0], 40, [(100, 103, 100, 102)]),
        outage([100.0], 70, [100.0]),
        outage([], 40, [100.0, (100, 103, 100, 102)]),
    ],
    ids=["between entry and target", "over the cap", "before the entry"],
)
def test_a_bracket_over_an_outage_is_not_scored(world: World, rows: list[Row]) -> None:
    store(world.market, [100.0] * 120, start=NOW - timedelta(hours=2))
    found = follow(world, rows)
    assert (found.state, found.net_bp) == (OutcomeState.UNJUDGED, None)
    assert found.resolved_at is not None


def test_an_outage_before_the_signal_or_after_the_end_does_not_matter(world: World) -> None:
    store(world.market, [*[100.0] * 90, *[None] * 40, 100.0], start=NOW - timedelta(minutes=131))
    assert follow(world, [100.0, (100, 103, 100, 102), *[None] * 40, 100.0]).state == "target"


def test_minutes_without_trades_do_not_spoil_it(world: World) -> None:
    store(
        world.market,
        [100.0 if number % 4 == 0 else None for number in range(120)],
        start=NOW - timedelta(hours=2),
    )
    found = follow(world, [100.0, *[None] * 40, (100, 103, 100, 102)])
    assert found.state == "target"


def test_refused_signals_are_followed_too(world: World) -> None:
    assert follow(world, [100.0, (100, 103, 100, 102)], approved=False).state == "target"


def test_what_is_resolved_is_final(world: World) -> None:
    found = follow(world, [100.0, (100, 103, 100, 102)])
    store(world.market, [(100, 100, 90, 90)] * 3, start=NOW + 2 * MINUTE)
    assert outcomes.follow_all(now=NOW + timedelta(hours=3)) == 0
    again = Outcome.objects.get()
    assert (again.state, again.exit, again.resolved_at) == (found.state, found.exit, found.resolved_at)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Outcome.objects.update(state="stop")


def test_a_cap_that_passes_without_a_bar_is_booked_at_the_last_price(world: World) -> None:
    """The follower looks right after the entry; the next bar opens when the cap is long over."""
    make_signal(world, cap_seconds=180)
    store(world.market, [100.0, 100.5], start=NOW)
    assert outcomes.follow_all(now=NOW + 2 * MINUTE) == 0
    store(world.market, [None] * 5, start=NOW + 2 * MINUTE)
    assert outcomes.follow_all(now=NOW + 7 * MINUTE) == 0
    store(world.market, [110.0], start=NOW + 7 * MINUTE)
    assert outcomes.follow_all(now=NOW + 8 * MINUTE) == 1
    found = Outcome.objects.get()
    assert (found.state, found.exit, found.resolved_at) == ("timeout", D("100.5"), NOW + 2 * MINUTE)


def test_no_bar_is_passed_over_between_two_looks(world: World) -> None:
    make_signal(world)
    rows: list[Row] = [100.0, (100, 103, 100, 102), (100, 100, 90, 90)]
    for minute, row in enumerate(rows):
        store(world.market, [row], start=NOW + minute * MINUTE)
        outcomes.follow_all(now=NOW + (minute + 1) * MINUTE)
    assert Outcome.objects.get().state == "target"


def test_two_accounts_and_two_markets_do_not_mix(wide_world: World) -> None:
    first, second = list(wide_world.markets.values())[:2]
    other = second_account(wide_world.account)
    up = [make_signal(wide_world, market=first), make_signal(wide_world, market=first, account=other)]
    down = make_signal(wide_world, market=second)
    store(first, [100.0, (100, 103, 100, 102)], start=NOW)
    store(second, [100.0, (100, 101, 97, 98)], start=NOW)
    assert outcomes.follow_all(now=NOW + 2 * MINUTE) == 3
    assert [Outcome.objects.get(signal=signal).state for signal in (*up, down)] == [
        "target",
        "target",
        "stop",
    ]


# -- against a slow, plain oracle, in pieces of any size ---------------------------------------


class Answer(NamedTuple):
    state: str
    price: float | None
    ended_ms: int | None


def oracle(rows: list[Row], *, sign: int, stop: float, target: float, cap_minutes: int) -> Answer:
    """Minute by minute, with nothing but comparisons; worked out once all minutes are known."""
    bars = [(number, row) for number, row in enumerate(rows) if isinstance(row, tuple)]
    if not bars:
        return Answer("following", None, None)
    due = bars[0][0] + cap_minutes
    last: tuple[int, float] | None = None
    for number, (opened, high, low, close) in bars:
        if number >= due and last is not None:
            return Answer("timeout", last[1], last[0] + 1)
        worst, best = (low, high) if sign > 0 else (high, low)
        if (worst - stop) * sign <= 0:
            price = opened if (opened - stop) * sign < 0 else stop
            return Answer("stop", price, number + 1)
        if (best - target) * sign >= 0:
            return Answer("target", target, number + 1)
        last = (number, close)
        if number + 1 >= due:
            return Answer("timeout", close, number + 1)
    return Answer("following", None, None)


@st.composite
def bars(draw: st.DrawFn) -> tuple[float, float, float, float] | None:
    if draw(st.integers(0, 2)) == 0:
        return None
    opened, close = (draw(st.integers(9_850, 10_150)) / 100 for _ in range(2))
    high = max(opened, close) + draw(st.integers(0, 90)) / 100
    low = min(opened, close) - draw(st.integers(0, 90)) / 100
    return opened, high, low, close


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Row], int, list[int], Side]:
    """Minutes, the cap, after which minutes the follower looks, and the side."""
    length = draw(st.integers(25, 45))
    rows: list[Row] = draw(st.lists(bars(), min_size=length, max_size=length))
    looks = draw(st.sets(st.integers(1, 8), min_size=2)) | draw(
        st.sets(st.integers(9, length - 1), max_size=8)
    )
    cap = draw(st.integers(1, 5) | st.integers(1, 30))
    return rows, cap, [*sorted(looks), length], draw(st.sampled_from(Side))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(story=stories())
def test_any_pieces_give_the_oracle_s_answer(
    wide_world: World, story: tuple[list[Row], int, list[int], Side]
) -> None:
    rows, cap, looks, side = story
    assert len(rows) >= 25
    world = wide_world
    start = NOW + timedelta(days=Outcome.objects.count())
    given_ = {"side": side, "stop": D(100 - 2 * side.sign), "target": D(100 + 2 * side.sign)}
    signal = make_signal(world, now=start, cap_seconds=cap * 60, **given_)
    at = 0
    for look in looks:
        store(world.market, rows[at:look], start=start + at * MINUTE)
        outcomes.follow_all(now=start + look * MINUTE)
        at = look
    found = Outcome.objects.get(signal=signal)
    expected = oracle(
        rows, sign=side.sign, stop=100 - 2 * side.sign, target=100 + 2 * side.sign, cap_minutes=cap
    )
    ended = (
        None
        if found.resolved_at is None
        else (ms_from_utc(found.resolved_at) - ms_from_utc(start)) // MINUTE_MS
    )
    price = None if found.exit is None else float(found.exit)
    assert Answer(found.state, price, ended) == expected


def test_the_oracle_can_tell_right_from_wrong() -> None:
    rows: list[Row] = [(100.0, 100.0, 100.0, 100.0), (100.0, 103.0, 97.0, 100.0)]
    assert oracle(rows, sign=1, stop=98, target=102, cap_minutes=9) == Answer("stop", 98, 2)
    assert oracle(rows, sign=1, stop=96, target=102, cap_minutes=9) == Answer("target", 102, 2)
    assert oracle(rows, sign=1, stop=96, target=104, cap_minutes=2) == Answer("timeout", 100.0, 2)
    assert oracle(rows, sign=1, stop=96, target=104, cap_minutes=9) == Answer("following", None, None)
