"""The runaway stop's numbers: the order that would cross a limit is named, and nothing unreadable passes."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core.runaway import (
    Counters,
    RunawayLimits,
    crossed_by_entry,
    crossed_by_losses,
    crossed_by_message,
    losses_in_row,
)

LIMITS = RunawayLimits(
    orders_per_minute=10,
    orders_per_hour=60,
    orders_per_day=200,
    lots_per_day=D(100),
    messages_per_day=2000,
    losses_in_row=10,
)
QUIET = Counters(orders_minute=0, orders_hour=0, orders_day=0, lots_day=D(0), messages_day=0)


def after(**changes: Any) -> Counters:
    return replace(QUIET, **changes)


@pytest.mark.parametrize(
    ("counters", "lots", "words"),
    [
        (after(orders_minute=9), D(1), ""),
        (after(orders_minute=10), D(1), "10 orders within a minute and one more to come, 10 allowed"),
        (after(orders_hour=59), D(1), ""),
        (after(orders_hour=60), D(1), "60 orders within an hour and one more to come, 60 allowed"),
        (after(orders_day=199), D(1), ""),
        (after(orders_day=200), D(1), "200 orders within a day and one more to come, 200 allowed"),
        (after(lots_day=D("99.99")), D("0.01"), ""),
        (after(lots_day=D("99.99")), D("0.02"), "100.01 lots within a day, 100 allowed"),
        (after(messages_day=1999), D(1), ""),
        (after(messages_day=2000), D(1), "2000 messages to the venue within a day and one more to come"),
    ],
)
def test_each_limit_stands_at_its_edge(counters: Counters, lots: D, words: str) -> None:
    found = crossed_by_entry(counters, lots, LIMITS)
    assert (words in found) if words else found == ""


def test_a_message_that_opens_nothing_crosses_only_the_limit_of_messages() -> None:
    busy = after(orders_minute=99, orders_hour=99, orders_day=999, lots_day=D(999), messages_day=1999)
    assert crossed_by_message(busy, LIMITS) == ""
    assert "2000 allowed" in crossed_by_message(replace(busy, messages_day=2000), LIMITS)


@pytest.mark.parametrize(
    ("results", "found"),
    [
        ([], 0),
        (["-1", "-0.01", "-5"], 3),
        (["-1", "0", "-5"], 1),
        (["0.01", "-1"], 0),
        (["0"], 0),
    ],
)
def test_losses_in_a_row_end_at_the_first_that_is_none(results: list[str], found: int) -> None:
    assert losses_in_row(map(D, results)) == found


@pytest.mark.parametrize(("found", "stops"), [(9, False), (10, True), (11, True)])
def test_the_last_loss_allowed_stops_the_account(found: int, stops: bool) -> None:
    assert bool(crossed_by_losses(found, LIMITS)) is stops


BAD_COUNTS = [-1, None, 1.0, "3", True, D(1)]
BAD_LOTS = [D("NaN"), D("Infinity"), D("-Infinity"), D("-0.01"), None, 1.0, "1", 1]


@pytest.mark.parametrize("bad", BAD_COUNTS)
@pytest.mark.parametrize("name", ["orders_minute", "orders_hour", "orders_day", "messages_day"])
def test_a_count_that_is_none_passes_nothing(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        crossed_by_entry(after(**{name: bad}), D(1), LIMITS)


@pytest.mark.parametrize("bad", BAD_COUNTS)
@pytest.mark.parametrize(
    "name", ["orders_per_minute", "orders_per_hour", "orders_per_day", "messages_per_day"]
)
def test_a_limit_that_is_none_passes_nothing(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        crossed_by_entry(QUIET, D(1), replace(LIMITS, **{name: bad}))


@pytest.mark.parametrize("bad", BAD_LOTS)
def test_lots_that_are_no_number_pass_nothing(bad: Any) -> None:
    with pytest.raises(ValueError, match="lots"):
        crossed_by_entry(QUIET, bad, LIMITS)
    with pytest.raises(ValueError, match="lots"):
        crossed_by_entry(after(lots_day=bad), D(1), LIMITS)
    with pytest.raises(ValueError, match="lots"):
        crossed_by_entry(QUIET, D(1), replace(LIMITS, lots_per_day=bad))


@pytest.mark.parametrize("bad", [D("NaN"), None, 1.0, "-1"])
def test_a_result_that_is_no_number_is_not_a_gain(bad: Any) -> None:
    with pytest.raises(ValueError, match="result"):
        losses_in_row([bad])


@given(
    counters=st.builds(
        Counters,
        orders_minute=st.integers(5, 15),
        orders_hour=st.integers(55, 65),
        orders_day=st.integers(195, 205),
        lots_day=st.decimals(95, 105, places=2),
        messages_day=st.integers(1995, 2005),
    ),
    lots=st.decimals(0, 5, places=2),
    more=st.integers(1, 5),
    name=st.sampled_from(["orders_minute", "orders_hour", "orders_day", "lots_day", "messages_day"]),
)
def test_more_never_turns_a_stop_into_a_pass(counters: Counters, lots: D, more: int, name: str) -> None:
    if crossed_by_entry(counters, lots, LIMITS):
        worse = replace(counters, **{name: getattr(counters, name) + more})
        assert crossed_by_entry(worse, lots, LIMITS)
