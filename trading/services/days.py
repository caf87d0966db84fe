"""What each prop-firm day of an account began with, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Q

from trading.core.equity import balance_at, booked
from trading.core.programme import DailyReference, TotalLossMode
from trading.core.types import ZERO, AccountView, Deal, DealKind, Side
from trading.models import (
    Account,
    AccountDay,
    AccountPeriod,
    AccountRisk,
    BalanceOperation,
    DeskStatus,
    Fill,
    ProgrammeVersion,
    Trade,
)
from trading.services import events

SEEN_WITHIN = timedelta(minutes=2)
# Equity that nobody looked at for longer may have made a peak.
UNWATCHED_AFTER = timedelta(seconds=60)
FIRST, SEEN, RECONSTRUCTED, UNPROVEN = "first_day", "seen", "reconstructed", "unproven"
# Modes whose floor trails every midnight of the period: one that is not known spoils all that follow.
_TRAILS_MIDNIGHTS = (TotalLossMode.TRAILING_END_OF_DAY, TotalLossMode.TRAILING_LOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Money:
    """What is known of an account's money since a proven balance.

    deals: since then, payments included.  sound: whether they explain the balance of today; None when there is no
    proven balance to count from.
    """

    deals: list[Deal]
    sound: bool | None
    view: AccountView
    now: datetime

    def paid(self, begins: datetime, ends: datetime) -> Decimal:
        """Money paid in and out within a day."""
        return sum(
            (d.profit for d in self.deals if d.kind is DealKind.BALANCE and begins <= d.at < ends), ZERO
        )


def ensure_day(account: Account, *, view: AccountView, now: datetime) -> AccountDay:
    """Record what the current prop-firm day began with, if that is not yet done.

    A midnight that nobody watched is reconstructed: the balance now less every deal since then. It is proven
    only when the booked deals, payments included, explain every cent since the last proven day's start; otherwise
    the day is stored as unproven and the gate refuses entries. Days that were slept through are filled in too,
    since the highest balance at any midnight must be known. With the day the newest version of the programme
    that is in force takes the account over.
    """
    _forget_unwatched_peak(account, now=now)
    last = AccountDay.objects.filter(account=account, period__ended_at=None).first()
    if last is not None and last.day >= account.programme.clock.day(now):
        return last
    with transaction.atomic():
        _take_newest_version(account, now=now)
        period = account.periods.get(ended_at=None)
        money = _money(account, period, last, view=view, now=now)
        for day in _missing_days(account, period, last, now=now):
            last = _record_day(account, period, day=day, last=last, money=money)
    if last is None:
        raise ValueError(f"no prop-firm day could be recorded for {account}")
    return last


def move(account: Account, *, at: datetime, amount: Decimal) -> None:
    """Move the start of the day that holds ``at`` by money paid in or out, if that day is recorded.

    A day that is recorded later counts the payment by itself.
    """
    day = account.programme.clock.day(at)
    AccountDay.objects.filter(account=account, period__ended_at=None, day=day).update(
        balance=F("balance") + amount, equity=F("equity") + amount
    )


def newest_version(profile_id: int, day: date) -> ProgrammeVersion | None:
    """The newest version of a programme that is in force on a day; None when none is yet."""
    versions = ProgrammeVersion.objects.filter(profile_id=profile_id, effective_from__lte=day)
    return versions.select_related("profile").order_by("-effective_from", "-version").first()


def _missing_days(
    account: Account, period: AccountPeriod, last: AccountDay | None, *, now: datetime
) -> list[date]:
    clock = account.programme.clock
    today = clock.day(now)
    first = min(clock.day(period.began_at), today) if last is None else last.day + timedelta(days=1)
    return [first + timedelta(days=n) for n in range((today - first).days + 1)]


def _money(
    account: Account, period: AccountPeriod, last: AccountDay | None, *, view: AccountView, now: datetime
) -> _Money:
    """The deals since the last day's start, and whether they explain the balance."""
    if last is None or last.how == FIRST:
        # What was booked before this period is of an earlier one, whatever instant it bears.
        first = period.sequence == 1
        fills = Q() if first else Q(booked_at__gt=period.began_at)
        paid = Q() if first else Q(at__gt=period.began_at)
        base = period.opening_balance
    else:
        since, ends = account.programme.clock.bounds(last.day)
        fills = paid = Q(at__gte=since)
        moved = BalanceOperation.objects.filter(account=account, at__gte=since, at__lt=ends)
        base = last.balance - sum(moved.values_list("amount", flat=True), ZERO)
    deals = [*_fills(account, fills), *_payments(account, paid)]
    known = last is None or last.proven
    return _Money(deals=deals, sound=_explained(deals, view, base) if known else None, view=view, now=now)


def _explained(deals: list[Deal], view: AccountView, base: Decimal) -> bool:
    """Whether the deals lead from one balance to the other, to the cent."""
    try:
        return base + sum((booked(deal) for deal in deals), ZERO) == view.balance
    except ValueError:
        return False


def _record_day(
    account: Account, period: AccountPeriod, *, day: date, last: AccountDay | None, money: _Money
) -> AccountDay:
    row = _next_row(account, period, day, last, money) if last else _first_row(period, day, money)
    row.account, row.recorded_at = account, money.now
    row.save(force_insert=True)
    how = "what it began with cannot be proven: nothing is opened" if row.how == UNPROVEN else row.how
    events.record(
        "day_start",
        now=money.now,
        text=f"{account}: the day {day} began with {row.balance} {account.currency} ({how}).",
        severity="info" if row.proven else "warning",
        account_id=account.pk,
        data={"day": str(day), "balance": str(row.balance), "how": row.how},
    )
    return row


def _first_row(period: AccountPeriod, day: date, money: _Money) -> AccountDay:
    """A period begins with what it was opened with; a balance that does not follow from that is not its own."""
    opening = period.opening_balance
    return AccountDay(
        period=period,
        day=day,
        balance=opening,
        peak_balance=max(opening, period.initial_balance),
        equity=opening,
        proven=money.sound is True,
        how=FIRST if money.sound else UNPROVEN,
    )


def _next_row(
    account: Account, period: AccountPeriod, day: date, last: AccountDay, money: _Money
) -> AccountDay:
    begins, ends = account.programme.clock.bounds(day)
    seen = money.now - begins <= SEEN_WITHIN
    balance = _balance(money, begins, ends) if money.sound or (money.sound is None and seen) else None
    equity = None if balance is None else _equity(account, begins, balance, money, seen=seen)
    needs_equity = account.programme.daily_reference != DailyReference.BALANCE
    chained = last.proven or account.programme.total_loss_mode not in _TRAILS_MIDNIGHTS
    proven = balance is not None and chained and not (needs_equity and equity is None)
    return AccountDay(
        period=period,
        day=day,
        # Where nothing is proven the stricter guess stands, and nothing lasting hangs on it.
        balance=_guess(last, money.view) if balance is None else balance,
        peak_balance=last.peak_balance if balance is None else max(balance, last.peak_balance),
        equity=equity,
        proven=proven,
        how=UNPROVEN if not proven else SEEN if seen else RECONSTRUCTED,
    )


def _balance(money: _Money, begins: datetime, ends: datetime) -> Decimal | None:
    """The balance at a midnight, moved by what was paid on that day; None when it cannot be worked out."""
    try:
        return balance_at(money.deals, money.view.balance, begins) + money.paid(begins, ends)
    except ValueError:
        return None


def _equity(
    account: Account, begins: datetime, balance: Decimal, money: _Money, *, seen: bool
) -> Decimal | None:
    """The equity at a midnight: as it was seen, or the balance where nothing was open; None when nobody knows."""
    if seen:
        return money.view.equity
    return None if _open_between(account, begins, begins) else balance


def _open_between(account: Account, begins: datetime, ends: datetime) -> bool:
    """Whether any position was open at some instant from ``begins`` to ``ends``, both included."""
    still = Q(closed_at=None) | Q(closed_at__gte=begins)
    return Trade.objects.filter(still, account=account, opened_at__lte=ends).exists()


def _guess(last: AccountDay, view: AccountView) -> Decimal:
    readable = isinstance(view.balance, Decimal) and view.balance.is_finite()
    return max(Decimal(last.balance), view.balance) if readable else Decimal(last.balance)


def _fills(account: Account, wanted: Q) -> list[Deal]:
    fills = Fill.objects.filter(wanted, account=account).select_related("market")
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


def _payments(account: Account, wanted: Q) -> list[Deal]:
    return [
        Deal(
            deal=paid.deal,
            ticket="",
            magic=0,
            symbol="",
            side=Side.LONG,
            entry=False,
            lots=ZERO,
            price=ZERO,
            profit=paid.amount,
            commission=ZERO,
            swap=ZERO,
            at=paid.at,
            kind=DealKind.BALANCE,
        )
        for paid in BalanceOperation.objects.filter(wanted, account=account)
    ]


def _forget_unwatched_peak(account: Account, *, now: datetime) -> None:
    """Where the floor trails the highest equity of any instant, a stretch that nobody watched makes it unknown.

    That is so only while something was open; the gate refuses entries until a new period begins.
    """
    if account.programme.total_loss_mode != TotalLossMode.TRAILING_INTRADAY:
        return
    known = AccountRisk.objects.filter(account=account, peak_equity__isnull=False)
    seen_at = DeskStatus.objects.filter(account=account).values_list("seen_at", flat=True).first()
    since = account.created_at if seen_at is None else seen_at
    if now - since <= UNWATCHED_AFTER or not _open_between(account, since, now):
        return
    with transaction.atomic():
        if known.update(peak_equity=None):
            stretch = f"from {since:%H:%M:%S} to {now:%H:%M:%S} UTC"
            text = f"{account}: nobody watched its equity {stretch} while something was open."
            events.record("peak_unknown", now=now, text=text, severity="error", account_id=account.pk)


def _take_newest_version(account: Account, *, now: datetime) -> None:
    """Let the newest version of the account's programme that is in force today take over."""
    was = account.programme
    newest = newest_version(was.profile_id, was.clock.day(now))
    if newest is None or (newest.effective_from, newest.version) <= (was.effective_from, was.version):
        return
    Account.objects.filter(pk=account.pk).update(programme=newest)
    account.programme = newest
    events.record(
        "programme_version",
        now=now,
        text=f"{account}: {newest}, in force from {newest.effective_from}, takes the place of {was}.",
        account_id=account.pk,
        data={"was": str(was), "is": str(newest), "verified_on": str(newest.verified_on)},
    )
