"""What the guard would have seen of a history: the firm's examples, an oracle of its own, and wrong products."""

import json
import os
import sys
import types
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from tests.core import histories, whatif_oracle
from trading.core import history, whatif
from trading.core.programme import DailyBasis, DailyReference, Programme, TotalLossMode, profile
from trading.core.types import Breach
from trading.core.whatif import Mark, Opened, Paid, Start

COUNT = 2000 if os.environ.get("CRPBOT_NIGHTLY") else 100
CHALLENGE = profile("ftmo-2-step-challenge")
ONE_STEP = profile("ftmo-1-step-challenge")
Line = dict[str, Any]


def at(text: str) -> datetime:
    """A time of day in Prague in January 2026, such as ``15 08:00``."""
    day, clock = text.split()
    return datetime.fromisoformat(f"2026-01-{day}T{clock}:00+01:00").astimezone(UTC)


def mark(when: str, balance: str, equity: str | None = None, **changes: Any) -> Mark:
    return Mark(at=at(when), balance=D(balance), equity=D(balance if equity is None else equity), **changes)


def judged(*events: whatif.Event, programme: Programme = CHALLENGE, initial: str = "100000") -> list[Line]:
    """The lines of the marks of a history that begins on 15 January at 08:00."""
    moments = whatif.judge([Start(at=at("15 08:00"), initial=D(initial)), *events], programme)
    return [whatif.line(moment) for moment in moments if moment.is_mark]


def only(lines: list[Line], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(line[name] for name in names) for line in lines]


def told(lines: list[Line], programme: str, product: Any = whatif) -> list[Line]:
    """What the product says of a file of these lines."""
    text = "\n".join(json.dumps(line) for line in lines)
    moments = product.judge(history.read(text.encode()).events, profile(programme))
    return [product.line(moment) for moment in moments if moment.is_mark]


# -- the oracle ---------------------------------------------------------------------------------


@pytest.mark.proof
@pytest.mark.parametrize("programme", whatif_oracle.RULES)
def test_every_history_is_judged_as_by_hand(programme: str) -> None:
    seen: Counter[str] = Counter()
    for lines in histories.histories(programme, COUNT):
        assert len(lines) > 30
        expected = whatif_oracle.verdicts(lines, programme)
        assert told(lines, programme) == expected, json.dumps(lines)
        seen.update(f"level {line['level']}" for line in expected)
        seen.update(f"breach {line['breach']}" for line in expected[-1:])
        seen["at the floor"] += sum(
            1 for line in expected if line["headroom"] == "0.00" and not line["breach"]
        )
    words = {f"level {word}" for word in ("green", "amber", "red", "locked", "breach")}
    words |= {"breach daily", "breach total", "breach None", "at the floor"}
    assert not [word for word in words if seen[word] < COUNT // 50], f"these were hardly tried: {seen}"


def test_half_of_the_marks_lie_at_a_limit_or_a_level() -> None:
    close, everything = 0, 0
    for lines in histories.histories("ftmo-2-step-challenge", 50):
        seen = whatif_oracle.sights(lines)
        for sight in seen:
            if sight.number is None:
                continue
            held = whatif_oracle.floors(lines, seen, "ftmo-2-step-challenge", sight.at)
            parts = whatif_oracle.used(lines, "ftmo-2-step-challenge", sight, held)
            limits = (*histories.LEVELS, 1)
            close += any(abs(part - limit) < D("0.001") for part in parts for limit in limits)
            everything += 1
    assert close >= 0.4 * everything


def wrong(old: str, new: str) -> types.ModuleType:
    """The product with this one line changed."""
    source = Path(whatif.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1, old
    module = types.ModuleType("wrong_whatif")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source.replace(old, new), "wrong_whatif.py", "exec"), module.__dict__)  # noqa: S102
    finally:
        del sys.modules[module.__name__]
    # The events are made by the right product: to the wrong one they are the same words.
    module.__dict__.update(Start=Start, Mark=Mark, Opened=Opened, Paid=Paid)
    return module


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("            yield self.look(self.at)\n", "", id="midnight does not count"),
        pytest.param("if event.at == self.reset:", "if False:", id="a mark at midnight is of the day before"),
        pytest.param("        self.day_locked = False\n", "", id="a daily lock never ends"),
        pytest.param(
            "self.day_locked = self.day_locked or ", "self.day_locked = ", id="a daily lock is not held"
        ),
        pytest.param(
            "self.total_locked = self.total_locked or ", "self.total_locked = ", id="nor a total one"
        ),
        pytest.param("self.breach = self.breach or ", "self.breach = ", id="a breach does not stay"),
        pytest.param("max(self.peak_balance, self.balance)", "self.peak_balance", id="no peak is trailed"),
        pytest.param(
            "max(self.peak_balance, self.balance)", "max(self.peak_balance, self.equity)", id="of the equity"
        ),
        pytest.param(
            "return max(self.daily_floor, self.total_floor)", "return self.daily_floor", id="one floor"
        ),
        pytest.param("used_daily >= LOCKED_FROM", "used_daily > LOCKED_FROM", id="80 % is not locked"),
    ],
)
def test_control_a_wrong_line_is_found_out(old: str, new: str) -> None:
    product = wrong(old, new)
    assert any(
        told(lines, programme, product) != whatif_oracle.verdicts(lines, programme)
        for programme in ("ftmo-1-step-challenge", "ftmo-2-step-challenge")
        for lines in histories.histories(programme, 60)
    )


# -- the firm's examples, as a history ------------------------------------------------------------


def test_a_legal_floating_loss_breaches_at_midnight() -> None:
    lines = judged(
        mark("15 12:00", "204000"),
        mark("15 23:59", "204000", "191000"),
        mark("16 08:00", "204000", "206000"),
        initial="200000",
    )
    assert only(lines, "day", "daily_floor", "headroom", "level", "breach") == [
        ("2026-01-15", "190000.00", "14000.00", "green", None),
        ("2026-01-15", "190000.00", "1000.00", "locked", None),
        ("2026-01-16", "194000.00", "12000.00", "breach", "daily"),
    ]


def test_a_mark_at_midnight_says_what_holds_there() -> None:
    lines = judged(
        mark("15 23:59", "204000", "191000"),
        Opened(at=at("16 00:00")),
        mark("16 00:00", "191500"),
        initial="200000",
    )
    assert only(lines, "day_start_balance", "floor", "level", "breach", "trading_days")[1:] == [
        ("191500.00", "181500.00", "green", None, 1)
    ]


def test_the_first_of_two_marks_at_midnight_begins_the_day() -> None:
    lines = judged(mark("16 00:00", "101000"), mark("16 00:00", "103000"))
    assert only(lines, "day_start_balance") == [("101000.00",), ("101000.00",)]


def test_what_held_begins_every_day_between_two_marks() -> None:
    moments = whatif.judge(
        [Start(at=at("15 08:00"), initial=D(100000)), mark("15 09:00", "103000"), mark("18 09:00", "103500")],
        CHALLENGE,
    )
    assert [(str(m.day), m.is_mark, m.day_start_balance) for m in moments] == [
        ("2026-01-15", True, 100000),
        ("2026-01-16", False, 103000),
        ("2026-01-17", False, 103000),
        ("2026-01-18", False, 103000),
        ("2026-01-18", True, 103000),
    ]


def test_the_fields_of_a_line_and_their_order() -> None:
    (line,) = judged(Opened(at=at("15 09:00")), mark("15 10:00", "99000.005", "98500", written="as it came"))
    assert list(line.items()) == [
        ("at", "as it came"),
        ("day", "2026-01-15"),
        ("day_start_balance", "100000.00"),
        ("daily_floor", "95000.00"),
        ("total_floor", "90000.00"),
        ("floor", "95000.00"),
        ("headroom", "3500.00"),
        ("level", "green"),
        ("breach", None),
        ("trading_days", 1),
    ]


@pytest.mark.parametrize(
    ("equity", "level", "breach"),
    [
        ("97500.01", "green", None),
        ("97500", "amber", None),
        ("96500.01", "amber", None),
        ("96500", "red", None),
        ("96000.01", "red", None),
        ("96000", "locked", None),
        ("95000", "locked", None),
        ("94999.99", "breach", "daily"),
    ],
)
def test_levels_begin_at_their_share_of_the_daily_limit(equity: str, level: str, breach: str | None) -> None:
    assert only(judged(mark("15 10:00", "100000", equity)), "level", "breach") == [(level, breach)]


def test_a_daily_lock_ends_at_midnight_and_a_level_below_it_at_once() -> None:
    lines = judged(
        mark("15 10:00", "100000", "96100"),
        mark("15 11:00", "100000", "99900"),
        mark("15 12:00", "100000", "96000"),
        mark("15 13:00", "100000", "100000"),
        mark("16 00:00", "100000", "100000"),
    )
    assert only(lines, "level") == [("red",), ("green",), ("locked",), ("locked",), ("green",)]


def test_a_loss_that_is_held_over_midnight_locks_the_new_day() -> None:
    lines = judged(
        mark("15 10:00", "103000", "103000"),
        mark("15 23:00", "103000", "98900"),  # of the day that began with 100,000 little is used
        mark("16 09:00", "103000", "103000"),  # at midnight 4,100 of 5,000 were gone
    )
    assert only(lines, "level") == [("green",), ("green",), ("locked",)]


def test_a_total_lock_stays_for_nobody_reopens() -> None:
    # Four days of small losses, none of which uses much of its day.
    events = [mark(f"{day} 12:00", str(100000 - 2000 * n)) for n, day in enumerate(range(16, 21), start=1)]
    lines = judged(*events, mark("25 12:00", "99000"), mark("26 12:00", "99000"))
    assert only(lines, "level", "breach") == [
        ("green", None),
        ("green", None),
        ("amber", None),
        ("locked", None),
        ("locked", None),
        ("locked", None),
        ("locked", None),
    ]


@pytest.mark.parametrize(("equity", "level"), [("92000", "locked"), ("92000.01", "red")])
def test_a_total_lock_begins_at_80_percent(equity: str, level: str) -> None:
    # The day begins at 95,000, so that of the daily limit only three fifths are gone.
    lines = judged(mark("16 00:00", "95000"), mark("16 10:00", equity), mark("17 10:00", "95000"))
    assert only(lines, "level")[1] == (level,)
    assert only(lines, "level")[2] == ("locked" if level == "locked" else "amber",)


def test_days_with_an_opening_are_counted_once_and_at_their_own_day() -> None:
    lines = judged(
        Opened(at=at("15 09:00")),
        Opened(at=at("15 23:59")),
        mark("15 23:59", "100000"),
        Opened(at=at("16 00:00")),
        mark("18 12:00", "100000"),
    )
    assert only(lines, "trading_days") == [(1,), (2,)]


def test_the_1_step_floor_trails_balances_at_midnight_only() -> None:
    lines = judged(
        mark("15 10:00", "104000", "109000"),
        mark("15 11:00", "103000"),
        mark("16 00:00", "104000", "120000"),
        mark("17 00:00", "103000"),
        programme=ONE_STEP,
    )
    assert only(lines, "total_floor") == [("90000.00",), ("90000.00",), ("94000.00",), ("94000.00",)]


# -- switches that no named programme turns ---------------------------------------------------------


def changed(**switches: Any) -> Programme:
    return replace(CHALLENGE, **switches)


def test_every_switch_is_heard() -> None:
    events = (mark("15 23:00", "104000", "106000"), mark("16 10:00", "104000", "103000"))

    def last(**switches: Any) -> tuple[Any, ...]:
        return only(judged(*events, programme=changed(**switches)), "daily_floor", "total_floor", "headroom")[
            -1
        ]

    assert last() == ("99000.00", "90000.00", "4000.00")
    assert last(daily_reference=DailyReference.EQUITY) == ("101000.00", "90000.00", "2000.00")
    assert last(daily_reference=DailyReference.HIGHER) == ("101000.00", "90000.00", "2000.00")
    assert last(daily_basis=DailyBasis.CURRENT) == ("98800.00", "90000.00", "4200.00")
    assert last(daily_counts_open=False) == ("99000.00", "90000.00", "5000.00")
    assert last(total_loss_mode=TotalLossMode.TRAILING_INTRADAY)[1] == "96000.00"
    assert last(total_loss_mode=TotalLossMode.TRAILING_LOCKED)[1] == "94000.00"
    assert last(zone="UTC", day_shift=timedelta(hours=16)) == ("99000.00", "90000.00", "4000.00")
    assert last(zone="UTC") == ("99000.00", "90000.00", "4000.00")
    assert last(zone="America/New_York", day_shift=timedelta(0))[0] == "99000.00"


def test_open_loss_that_is_not_counted_breaks_the_total_limit_only() -> None:
    quiet = changed(daily_counts_open=False)
    lines = judged(mark("15 10:00", "100000", "91000"), mark("15 11:00", "100000", "89999"), programme=quiet)
    assert only(lines, "breach") == [(None,), ("total",)]


def test_an_intraday_peak_counts_from_the_instant_it_was_seen() -> None:
    lines = judged(
        mark("15 10:00", "100000", "104000"),
        mark("15 11:00", "100000", "101000"),
        programme=changed(total_loss_mode=TotalLossMode.TRAILING_INTRADAY),
    )
    assert only(lines, "total_floor") == [("94000.00",), ("94000.00",)]


# -- payments, and accounts below zero ---------------------------------------------------------------


def test_a_payout_is_no_loss_and_takes_the_trailed_peak_along() -> None:
    lines = judged(
        mark("16 00:00", "104000"),
        Paid(at=at("16 09:00"), amount=D(-4000)),
        mark("16 09:00", "100000"),
        mark("17 09:00", "100000"),
        programme=ONE_STEP,
    )
    assert only(lines, "day_start_balance", "daily_floor", "total_floor", "level") == [
        ("104000.00", "101000.00", "94000.00", "green"),
        ("100000.00", "97000.00", "90000.00", "green"),
        ("100000.00", "97000.00", "90000.00", "green"),
    ]


def test_a_deposit_raises_the_day_and_gives_no_room_on_it() -> None:
    lines = judged(
        Paid(at=at("15 09:00"), amount=D(5000)), mark("15 09:00", "105000"), mark("15 10:00", "99999.99")
    )
    assert only(lines, "day_start_balance", "breach") == [("105000.00", None), ("105000.00", "daily")]


def test_money_paid_in_at_midnight_is_of_the_new_day() -> None:
    lines = judged(
        mark("15 10:00", "101000"), Paid(at=at("16 00:00"), amount=D(-1000)), mark("16 00:00", "100000")
    )
    assert only(lines, "day", "day_start_balance")[-1] == ("2026-01-16", "100000.00")


@pytest.mark.parametrize("mode", [TotalLossMode.TRAILING_END_OF_DAY, TotalLossMode.TRAILING_INTRADAY])
def test_money_paid_in_or_out_moves_a_trailed_peak_by_as_much(mode: TotalLossMode) -> None:
    lines = judged(
        mark("16 00:00", "104000"),
        Paid(at=at("16 09:00"), amount=D(-1000)),
        mark("16 09:00", "103000"),
        Paid(at=at("16 10:00"), amount=D(500)),
        mark("16 10:00", "103500"),
        programme=changed(total_loss_mode=mode),
    )
    assert only(lines, "total_floor") == [("94000.00",), ("93000.00",), ("93500.00",)]


@pytest.mark.parametrize(("balance", "floor"), [("104000", "94000.00"), ("97000", "90000.00")])
def test_an_account_that_was_running_already_begins_with_what_it_held(balance: str, floor: str) -> None:
    start = Start(at=at("15 08:00"), initial=D(100000), balance=D(balance))
    (moment,) = whatif.judge([start, mark("15 09:00", balance)], ONE_STEP)
    line = whatif.line(moment)
    assert (line["day_start_balance"], line["total_floor"]) == (f"{balance}.00", floor)


def test_before_the_first_mark_the_initial_balance_is_known_to_hold() -> None:
    start = Start(at=at("15 08:00"), initial=D(100000))
    midnight, _ = whatif.judge([start, mark("16 09:00", "99000", floating_known=False)], CHALLENGE)
    assert (midnight.floating_known, midnight.equity, midnight.is_mark) == (True, D(100000), False)


def test_a_peak_never_falls_below_the_initial_balance() -> None:
    lines = judged(Paid(at=at("15 09:00"), amount=D(-4000)), mark("15 09:00", "96000"), programme=ONE_STEP)
    assert only(lines, "total_floor") == [("90000.00",)]


def test_a_balance_below_zero_is_judged_too() -> None:
    lines = judged(mark("15 10:00", "-3.20", "100000"), mark("16 10:00", "-3.20", "-3.20"))
    assert only(lines, "day_start_balance", "daily_floor", "headroom", "breach") == [
        ("100000.00", "95000.00", "5000.00", None),
        ("-3.20", "-5003.20", "0.00", "total"),
    ]


def test_a_day_that_begins_with_nothing_has_no_limit_to_lose() -> None:
    current = changed(daily_basis=DailyBasis.CURRENT)
    lines = judged(mark("15 10:00", "-3.20"), mark("16 10:00", "-3.20"), programme=current)
    assert only(lines, "daily_floor", "level") == [("95000.00", "breach"), ("-3.20", "breach")]


# -- what is no history ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([], "begins with its start"),
        ([mark("15 10:00", "1")], "begins with its start"),
        ([Start(at=at("15 10:00"), initial=D(1)), Start(at=at("15 10:00"), initial=D(1))], "one start"),
        ([Start(at=at("15 10:00"), initial=D(1)), mark("15 09:59", "1")], "in order of time"),
        ([Start(at=at("15 10:00"), initial=D(0))], "above 0"),
        ([Start(at=at("15 10:00"), initial=D("NaN"))], "finite"),
        ([Start(at=at("15 10:00"), initial=D(1), balance=D("NaN"))], "finite"),
        ([Start(at=datetime(2026, 1, 1), initial=D(1))], "aware"),  # noqa: DTZ001
        ([Start(at=at("15 10:00"), initial=D(1)), mark("15 10:00", "NaN", "1")], "finite"),
        ([Start(at=at("15 10:00"), initial=D(1)), mark("15 10:00", "1", "Infinity")], "finite"),
        ([Start(at=at("15 10:00"), initial=D(1)), Paid(at=at("15 10:00"), amount=D("NaN"))], "finite"),
    ],
)
def test_what_is_no_history_is_refused(events: list[whatif.Event], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        whatif.judge(events, CHALLENGE)


# -- the summary ------------------------------------------------------------------------------------


def summed(*events: whatif.Event) -> whatif.Summary:
    return whatif.summary(whatif.judge([Start(at=at("15 08:00"), initial=D(100000)), *events], CHALLENGE))


def test_the_summary_counts_midnights_as_well() -> None:
    found = summed(
        mark("15 10:00", "104000"), mark("15 23:00", "104000", "99100"), mark("16 10:00", "104000", "103500")
    )
    assert found.breach is None
    assert (found.nearest.at, found.nearest.headroom) == (at("16 00:00"), D(100))
    assert found.worst is not None
    assert (str(found.worst.day), found.worst.gone) == ("2026-01-16", D(4900))
    assert [(str(row.day), row.least.headroom, row.level.value) for row in found.days] == [
        ("2026-01-15", D(4100), "green"),
        ("2026-01-16", D(100), "locked"),
    ]
    assert (found.first.at, found.last.at, found.floating_known) == (at("15 10:00"), at("16 10:00"), True)


def test_the_summary_names_the_first_moment_below_a_floor() -> None:
    found = summed(mark("15 10:00", "94999"), mark("15 11:00", "80000"))
    assert found.breach is not None
    assert (found.breach.at, found.breach.breach) == (at("15 10:00"), Breach.DAILY)


def test_a_history_without_a_loss_has_no_worst_day() -> None:
    assert summed(mark("15 10:00", "101000")).worst is None


def test_a_summary_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="without a mark"):
        whatif.summary(())


def test_a_mark_whose_open_profit_is_not_known_is_told_apart() -> None:
    assert not summed(mark("15 10:00", "101000", floating_known=False)).floating_known
    known, unknown = mark("15 10:00", "101000"), mark("15 11:00", "101000", floating_known=False)
    assert not summed(known, unknown).floating_known


def test_a_day_is_drawn_with_its_worst_level() -> None:
    (row,) = summed(mark("15 10:00", "100000", "97000"), mark("15 11:00", "100000")).days
    assert (row.level.value, row.least.headroom) == ("amber", D(2000))
