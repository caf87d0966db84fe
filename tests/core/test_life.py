"""What a step in an account's life does to money, day and floors, without rows."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest

from trading.core.life import NEXT_PHASE, Stand, begun, follows, money_mistake, paid
from trading.core.programme import DailyReference, Phase, Programme, TotalLossMode, profile
from trading.core.types import DayStart

GENERIC = profile("generic")
DAY = DayStart(
    day="2026-03-02",
    balance=D(104_000),
    peak_balance=D(106_000),
    proven=True,
    equity=D(104_500),
    peak_equity=D(107_000),
)


def stand(programme: Programme = GENERIC, *, balance: str = "105000", **day: Any) -> Stand:
    return Stand(programme=programme, initial=D(100_000), balance=D(balance), day=replace(DAY, **day))


def mode(word: TotalLossMode) -> Programme:
    return replace(GENERIC, total_loss_mode=word)


def test_money_out_moves_balance_and_day_alike() -> None:
    before = stand()
    after = paid(before, D("-1234.56"))
    assert (after.balance, after.day.balance, after.day.equity) == (
        D("103765.44"),
        D("102765.44"),
        D("103265.44"),
    )
    assert before.room is not None
    assert after.daily_floor is not None
    assert before.daily_floor is not None
    assert after.balance - after.daily_floor == before.balance - before.daily_floor


@pytest.mark.parametrize(
    ("word", "out", "balance_peak", "equity_peak"),
    [
        (TotalLossMode.STATIC, "-5000", "106000", "107000"),
        (TotalLossMode.TRAILING_LOCKED, "-5000", "106000", "107000"),
        (TotalLossMode.TRAILING_INTRADAY, "-5000", "106000", "107000"),
        (TotalLossMode.TRAILING_END_OF_DAY, "-5000", "100000", "100000"),
        (TotalLossMode.TRAILING_END_OF_DAY, "-4999.99", "100000.01", "100000.01"),
        (TotalLossMode.TRAILING_END_OF_DAY, "-6000", "100000", "100000"),
        (TotalLossMode.TRAILING_END_OF_DAY, "0.01", "106000.01", "107000.01"),
        (TotalLossMode.STATIC, "250", "106250", "107250"),
    ],
)
def test_only_a_reward_of_a_trail_of_midnights_begins_it_anew(
    word: TotalLossMode, out: str, balance_peak: str, equity_peak: str
) -> None:
    day = paid(stand(mode(word)), D(out)).day
    assert (day.peak_balance, day.peak_equity) == (D(balance_peak), D(equity_peak))


def test_the_trail_of_ftmo_stands_at_ninety_per_cent_after_a_reward() -> None:
    """FTMO, 1-Step: the limit resets to 90 % of the initial capital after a reward."""
    funded = profile("ftmo-1-step-funded")
    before = stand(funded)
    assert before.total_floor == D(96_000)
    assert paid(before, D(-5000)).total_floor == D(90_000)


def test_what_is_not_known_stays_unknown() -> None:
    for amount in ("-100", "100"):
        after = paid(stand(mode(TotalLossMode.TRAILING_INTRADAY), peak_equity=None, equity=None), D(amount))
        assert (after.day.peak_equity, after.day.equity, after.total_floor, after.room) == (
            None,
            None,
            None,
            None,
        )
        assert after.total_locks
    assert stand(replace(GENERIC, daily_reference=DailyReference.EQUITY), equity=None).daily_floor is None


def test_a_new_initial_balance_lifts_the_peaks_to_it() -> None:
    after = paid(stand(), D(50_000), initial=D(160_000))
    assert (after.initial, after.day.peak_balance, after.day.peak_equity) == (
        D(160_000),
        D(160_000),
        D(160_000),
    )
    assert (after.total_floor, after.daily_floor) == (D(144_000), D(146_000))


@pytest.mark.parametrize(
    ("balance", "locks"), [("92000.01", False), ("92000", True), ("91999.99", True), ("90000", True)]
)
def test_four_fifths_of_the_total_limit_lock(balance: str, locks: bool) -> None:
    assert stand(balance=balance).total_locks is locks


@pytest.mark.parametrize("amount", ["-105000", "-105000.01"])
def test_an_account_is_never_emptied(amount: str) -> None:
    with pytest.raises(ValueError, match="balance after the payment"):
        paid(stand(), D(amount))


@pytest.mark.parametrize("bad", [D("NaN"), D("Infinity"), None, 1.5, "5"])
def test_money_is_a_finite_decimal(bad: Any) -> None:
    with pytest.raises(ValueError, match="amount"):
        paid(stand(), bad)
    assert money_mistake("The amount", bad) == "The amount must be a sum of money."


@pytest.mark.parametrize(
    ("amount", "mistake"),
    [
        ("0.01", ""),
        ("999999999999.99", ""),
        ("0", "The amount must be above 0."),
        ("-0.01", "The amount must be above 0."),
        ("1000000000000", "The amount is more than any account holds."),
        ("0.001", "The amount must be in whole cents."),
        ("5.00", ""),
        ("5.000", ""),
    ],
)
def test_sums_that_a_person_types(amount: str, mistake: str) -> None:
    assert money_mistake("The amount", D(amount)) == mistake


def test_a_new_beginning_has_no_past() -> None:
    new = begun(programme=profile("ftmo-1-step-challenge"), initial=D(50_000), day=date(2026, 3, 2))
    assert new.day == DayStart(
        day="2026-03-02",
        balance=D(50_000),
        peak_balance=D(50_000),
        proven=True,
        equity=D(50_000),
        peak_equity=D(50_000),
    )
    assert (new.daily_floor, new.total_floor, new.room, new.target) == (
        D(48_500),
        D(45_000),
        D(1500),
        D(55_000),
    )
    assert begun(programme=GENERIC, initial=D(5), day=date(2026, 3, 2)).target is None


def test_phases_follow_each_other_once() -> None:
    for name, following in NEXT_PHASE.items():
        assert follows(profile(following).phase, profile(name).phase)
        assert profile(following).firm == profile(name).firm
    assert not follows(Phase.FUNDED, Phase.FUNDED)
    assert not follows(Phase.CHALLENGE, Phase.VERIFICATION)
