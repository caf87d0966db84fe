"""Money of positions and deals."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.worlds import position
from trading.core.equity import balance_at, booked, equity_of, pnl
from trading.core.types import Deal, DealKind, Side

MIDNIGHT = datetime(2026, 11, 18, 23, 0, tzinfo=UTC)


def deal(number: int, profit: str, at: datetime, **changes: Any) -> Deal:
    fresh = Deal(
        deal=str(number),
        ticket="1",
        magic=1,
        symbol="BTC-USD",
        side=Side.LONG,
        entry=False,
        lots=D(1),
        price=D(1),
        profit=D(profit),
        commission=D("-29.25"),
        swap=D("-1.10"),
        at=at,
    )
    return replace(fresh, **changes)


@pytest.mark.parametrize(
    ("side", "price", "profit"),
    [(Side.LONG, "92112.50", "100.83"), (Side.SHORT, "92112.50", "-100.83"), (Side.LONG, "91840.00", "0.00")],
)
def test_profit_to_the_cent(side: Side, price: str, profit: str) -> None:
    assert pnl(side, D(91840), D(price), lots=D("0.37"), contract_size=D(1)) == D(profit)


def test_equity_is_balance_with_open_profit_and_swap() -> None:
    open_now = [position(profit=D("100.83")), position("ETH-USD", profit=D("-62.70"), swap=D("-1.20"))]
    assert equity_of(D("100890.84"), open_now) == D("100927.77")


def test_the_midnight_balance_undoes_what_was_booked_since() -> None:
    second = timedelta(seconds=1)
    deals = [
        deal(1, "500", MIDNIGHT - second),
        deal(2, "171.12", MIDNIGHT),
        deal(3, "-498.20", MIDNIGHT + second),
    ]
    assert balance_at(deals, D(100000), MIDNIGHT) == D(100000) - D("171.12") + D("498.20") + 2 * D("30.35")


@given(st.lists(st.tuples(st.integers(-100_000, 100_000), st.integers(-500, 500)), min_size=30, max_size=60))
def test_walking_back_gives_the_balance_of_any_moment(steps: list[tuple[int, int]]) -> None:
    deals = [deal(i, str(D(c) / 100), MIDNIGHT + timedelta(minutes=m)) for i, (c, m) in enumerate(steps)]
    start = D(100000)
    now = start + sum((booked(d) for d in deals), D(0))
    forward = start + sum((booked(d) for d in deals if d.at < MIDNIGHT), D(0))
    assert balance_at(deals, now, MIDNIGHT) == forward


def test_money_paid_in_or_out_is_booked_as_it_stands() -> None:
    """A payment since midnight was not in the balance at midnight; who counts payments adds them back."""
    nothing = {"commission": D(0), "swap": D(0), "kind": DealKind.BALANCE}
    paid = [
        deal(1, "-2500", MIDNIGHT + timedelta(hours=1), **nothing),
        deal(2, "300", MIDNIGHT - timedelta(hours=1), **nothing),
    ]
    assert [booked(one) for one in paid] == [D(-2500), D(300)]
    assert balance_at(paid, D(100000), MIDNIGHT) == D(102500)


def test_a_doubled_deal_proves_nothing() -> None:
    with pytest.raises(ValueError, match="listed twice"):
        balance_at([deal(1, "5", MIDNIGHT), deal(1, "5", MIDNIGHT)], D(100000), MIDNIGHT)


@pytest.mark.parametrize(
    "broken",
    [
        {"profit": D("NaN")},
        {"commission": None},
        {"swap": 0.5},
        {"at": MIDNIGHT.replace(tzinfo=None)},
    ],
)
def test_a_deal_that_cannot_be_read_proves_nothing(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        balance_at([replace(deal(1, "5", MIDNIGHT), **broken)], D(100000), MIDNIGHT)


def test_a_naive_instant_proves_nothing() -> None:
    with pytest.raises(ValueError, match="aware"):
        balance_at([], D(100000), MIDNIGHT.replace(tzinfo=None))
