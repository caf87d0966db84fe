"""What each prop-firm day of an account began with, and how that is known."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from trading.core.equity import balance_at
from trading.core.types import AccountView, Deal, Side
from trading.models import Account, AccountDay, AccountPeriod, Fill
from trading.services import events

SEEN_WITHIN = timedelta(minutes=2)


def ensure_day(account: Account, *, view: AccountView, now: datetime) -> AccountDay:
    """Record what the current prop-firm day began with, if that is not yet done.

    A midnight that nobody watched is reconstructed: the balance now less every deal since then. Days
    that were slept through are filled in too, since the highest balance at any midnight must be known.
    """
    clock = account.programme.clock
    today = clock.day(now)
    period = account.periods.get(ended_at=None)
    last = AccountDay.objects.filter(period=period).first()
    if last is not None and last.day >= today:
        return last
    with transaction.atomic():
        missing = _missing_days(period, last, today)
        deals = _deals_since(account, clock.bounds(missing[0])[0]) if missing else []
        for day in missing:
            last = _record_day(account, period, day=day, last=last, deals=deals, view=view, now=now)
    if last is None:
        raise ValueError(f"no prop-firm day could be recorded for {account}")
    return last


def _missing_days(period: AccountPeriod, last: AccountDay | None, today: date) -> list[date]:
    first = min(period.programme.clock.day(period.began_at), today)
    if last is not None:
        first = last.day + timedelta(days=1)
    return [first + timedelta(days=n) for n in range((today - first).days + 1)]


def _record_day(
    account: Account,
    period: AccountPeriod,
    *,
    day: date,
    last: AccountDay | None,
    deals: list[Deal],
    view: AccountView,
    now: datetime,
) -> AccountDay:
    start = account.programme.clock.bounds(day)[0]
    balance = period.opening_balance if last is None else balance_at(deals, view.balance, start)
    how = "first_day" if last is None else "seen" if now - start <= SEEN_WITHIN else "reconstructed"
    peak = max(balance, period.initial_balance, last.peak_balance if last else Decimal(0))
    equity = balance if how == "first_day" else view.equity if how == "seen" else None
    row = AccountDay.objects.create(
        account=account,
        period=period,
        day=day,
        balance=balance,
        peak_balance=peak,
        equity=equity,
        proven=True,
        how=how,
        recorded_at=now,
    )
    events.record(
        "day_start",
        now=now,
        text=f"{account}: the day {day} began with {balance} {account.currency} ({how}).",
        account_id=account.pk,
        data={"day": str(day), "balance": str(balance), "how": how},
    )
    return row


def _deals_since(account: Account, instant: datetime) -> list[Deal]:
    fills = Fill.objects.filter(account=account, at__gte=instant).select_related("market")
    return [
        Deal(
            deal=fill.deal,
            ticket=fill.ticket,
            magic=0,
            symbol=fill.market.key,
            side=Side(fill.side),
            entry=fill.entry,
            lots=fill.lots,
            price=fill.price,
            profit=fill.profit,
            commission=fill.commission,
            swap=fill.swap,
            at=fill.at,
        )
        for fill in fills
    ]
