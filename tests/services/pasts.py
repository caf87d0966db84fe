"""Rows of an account that has traded: closed trades with their deals, as the reconciliation books them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal as D
from typing import Any

import numpy as np

from trading.core.types import Side
from trading.models import Account, AccountDay, AccountPeriod, Fill, Market, Trade, TradeState

COST = D("-3.25")


def trade(
    account: Account,
    market: Market,
    *,
    opened_at: datetime,
    hours: float = 2,
    net: str | None = "0",
    **changes: Any,
) -> Trade:
    """A long at 100 with 10 lots, a stop at 50 and a target at 180; closed with ``net`` after costs, or open."""
    closed = net is not None
    ends = opened_at + timedelta(hours=hours)
    result = D(net or 0) - 2 * COST
    values: dict[str, Any] = {
        "account": account,
        "market": market,
        "ticket": f"t{Trade.objects.count() + 1}",
        "state": TradeState.CLOSED if closed else TradeState.OPEN,
        "side": Side.LONG,
        "lots": D(10),
        "closed_lots": D(10) if closed else D(0),
        "entry": D(100),
        "stop": D(50),
        "target": D(180),
        "contract_size": D(1),
        "opened_at": opened_at,
        "closed_at": ends if closed else None,
        "profit": result if closed else D(0),
        "commission": 2 * COST if closed else COST,
        "risk": D(500),
        "synthetic": account.synthetic,
    }
    row = Trade.objects.create(**(values | changes))
    deal(row, at=opened_at, entry=True, commission=COST)
    if closed:
        deal(row, at=ends, entry=False, commission=COST, profit=result)
    return row


def deal(row: Trade, *, at: datetime, entry: bool, commission: D = D(0), profit: D = D(0)) -> Fill:
    """One deal of a trade as its venue booked it."""
    return Fill.objects.create(
        account=row.account,
        market=row.market,
        trade=row,
        deal=f"d{Fill.objects.count() + 1}",
        ticket=row.ticket,
        entry=entry,
        side=Side.LONG if entry else Side.SHORT,
        lots=row.lots,
        price=row.entry,
        profit=profit,
        commission=commission,
        swap=D(0),
        at=at,
        booked_at=at,
    )


def day(
    account: Account, *, at: datetime, balance: str, peak: str | None = None, **changes: Any
) -> AccountDay:
    """What the prop-firm day of an instant began with."""
    values: dict[str, Any] = {
        "account": account,
        "period": AccountPeriod.objects.get(account=account, ended_at=None),
        "day": account.programme.clock.day(at),
        "balance": D(balance),
        "peak_balance": D(peak or balance),
        "equity": D(balance),
        "proven": True,
        "how": "seen",
        "recorded_at": at,
    }
    return AccountDay.objects.create(**(values | changes))


def past(account: Account, market: Market, *, since: datetime, days: int, wins: float = 0.55) -> None:
    """Three trades a day that win or lose 500, known from a seed."""
    rng = np.random.default_rng(11)
    for number in range(3 * days):
        opened = since + timedelta(days=number // 3, hours=3 * (number % 3))
        trade(account, market, opened_at=opened, net="500" if rng.random() < wins else "-500")
