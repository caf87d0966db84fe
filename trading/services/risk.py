"""An account's days and snapshots, and what a decision about it depends on."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from trading.core.equity import balance_at
from trading.core.programme import breached
from trading.core.types import AccountView, Deal, Level, Side, TradingState
from trading.models import Account, AccountDay, AccountPeriod, Fill, RiskSnapshot
from trading.selectors import risk
from trading.services import events, kill_switch

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


def snapshot_all(*, now: datetime, trigger: str) -> list[int]:
    """A snapshot of every account that the desk has seen; ids of those written.

    An account whose numbers cannot be read does not cost the others theirs: the errors are raised
    together at the end.
    """
    written: list[int] = []
    errors: list[Exception] = []
    for account in Account.objects.select_related("programme__profile").order_by("pk"):
        try:
            pk = snapshot(account, now=now, trigger=trigger)
        except Exception as error:  # the others have their turn first
            errors.append(error)
        else:
            written += [] if pk is None else [pk]
    if errors:
        raise ExceptionGroup("risk snapshots could not be written", errors)
    return written


def snapshot(account: Account, *, now: datetime, trigger: str, view: AccountView | None = None) -> int | None:
    """Write an account's risk at this instant; None when no view of it exists yet. A breach halts the account.

    view: a view that was just read; without it the desk's last one counts.
    """
    seen = view if view is not None else risk.view_of(account)
    if seen is None:
        return None
    current = risk.headroom_of(account, view=seen, now=now)
    room = current.room
    if room.level is Level.BREACH and (current.day_start.proven or breached(room.equity, room.total_floor)):
        # The daily floor falls at midnight; what was broken before must not open again by that.
        reason = f"BREACH: equity {room.equity} lies below the floor {room.floor}"
        kill_switch.set_state(TradingState.HALTED, by="risk", reason=reason, now=now, account_id=account.pk)
    row = RiskSnapshot.objects.create(
        account=account,
        at=now,
        trigger=trigger,
        mode=account.mode,
        state=kill_switch.effective(account.pk).state,
        balance=current.balance,
        equity=room.equity,
        day=current.day_start.day,
        day_start_balance=current.day_start.balance,
        daily_floor=room.daily_floor,
        total_floor=room.total_floor,
        next_floor=room.next_floor,
        worst_case=room.worst_case,
        pending_risk=room.pending_risk,
        unknown_risk=room.unknown_risk,
        headroom=room.headroom,
        used_daily=room.used_daily,
        used_total=room.used_total,
        level=room.level,
        open_positions=len(current.positions),
        programme=account.programme,
        synthetic=account.synthetic,
    )
    return int(row.pk)
