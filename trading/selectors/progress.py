"""How far an account is in its phase, and its own trades as the futures are drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from trading.core import pass_probability
from trading.core.own_trades import Booking, OwnTrade
from trading.core.pass_paths import Standing
from trading.core.pass_probability import Chances, History
from trading.core.programme import Programme
from trading.core.progress import Progress, progress
from trading.core.types import ZERO
from trading.models import Account, AccountDay, AccountPeriod, Fill, Trade, TradeState
from trading.selectors import risk

# A page waits for them; the command draws more.
PAGE_PATHS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Life:
    """The open period of an account as its rows have it."""

    account: Account
    programme: Programme
    period: AccountPeriod
    day: AccountDay | None
    trades: tuple[Trade, ...]
    deals: dict[int, tuple[Booking, ...]]
    balance: Decimal

    @property
    def open(self) -> list[Trade]:
        return [trade for trade in self.trades if trade.state == TradeState.OPEN]

    def today(self, now: datetime) -> date:
        """The newest day of the period that is recorded, never after the one that holds ``now``."""
        today = self.programme.clock.day(now)
        return today if self.day is None else min(self.day.day, today)

    @property
    def bookings(self) -> list[Booking]:
        return [one for deals in self.deals.values() for one in deals]


def progress_of(account: Account, *, now: datetime) -> Progress:
    """Where the account stands against the objectives of its phase, from the rows of its open period.

    Raises ValueError when it has no open period or its balance is not proven: nothing is guessed.
    """
    return _progress(_life(account), now=now)


def chances_of(
    account: Account,
    *,
    now: datetime,
    paths: int = PAGE_PATHS,
    seed: int = pass_probability.SEED,
) -> Chances:
    """How likely the account passes, remembered until a trade, a day or a setting changes what it rests on.

    Raises ValueError when the account cannot be read.
    """
    return _remembered(history_of(account, now=now), paths, seed)


@lru_cache(maxsize=16)
def _remembered(history: History, paths: int, seed: int) -> Chances:
    return pass_probability.chances(history, paths=paths, seed=seed)


def history_of(account: Account, *, now: datetime) -> History:
    """The closed trades of the open period, and where the account stands with every open trade lost at its stop.

    The day that goes on counts as soon as a trade was closed on it; days that nobody recorded are not days of the
    account.  Raises ValueError when the account has no
    open period, its balance or the peak that its programme trails is not known, or an open trade has no stop.
    """
    life = _life(account)
    clock = life.programme.clock
    done = _progress(life, now=now)
    trades = tuple(own_trade(trade, life.deals.get(trade.pk, ())) for trade in life.trades if trade.closed_at)
    first = clock.day(life.period.began_at)
    closed = max((clock.day(trade.closed_at) for trade in trades), default=first)
    return History(
        trades=trades,
        programme=life.programme,
        initial=life.period.initial_balance,
        standing=_standing(life, done),
        first=first,
        last=max(closed, life.today(now) - timedelta(days=1), first),
        set_risk=risk.limits_of(account).risk_per_trade,
        breach=risk.latch_of(account.pk).breach,
        met=done.met,
    )


def own_trade(trade: Trade, deals: Sequence[Booking]) -> OwnTrade:
    """A closed trade's row with its deals; without a contract size or a target nobody knows how high it was.

    What the row knows beyond its deals, such as a swap that came late, counts at its end.
    """
    if trade.closed_at is None:
        raise ValueError(f"{trade} is not closed")
    booked = tuple(sorted(deals, key=lambda one: one.at))
    rest = trade.profit + trade.commission + trade.swap - sum((one.amount for one in booked), ZERO)
    if rest or not booked:
        end = max((trade.closed_at, *(one.at for one in booked)))
        booked = (*booked, Booking(at=end, amount=rest))
    upside = None
    if trade.target is not None and trade.contract_size is not None:
        upside = abs(trade.target - trade.entry) * trade.lots * trade.contract_size
    return OwnTrade(
        # A venue's deal may bear a stamp a moment outside of what the row says.
        opened_at=min(trade.opened_at, booked[0].at),
        closed_at=max(trade.closed_at, booked[-1].at),
        bookings=booked,
        risk=trade.risk,
        upside=upside,
    )


def _life(account: Account) -> _Life:
    period = AccountPeriod.objects.filter(account=account, ended_at=None).first()
    if period is None:
        raise ValueError(f"{account} has no open period")
    found = Trade.objects.filter(account=account, opened_at__gte=period.began_at).order_by("opened_at", "pk")
    fills = Fill.objects.filter(account=account, at__gte=period.began_at).order_by("at", "pk")
    deals: dict[int, tuple[Booking, ...]] = {}
    for trade_id, at, *sums in fills.values_list("trade_id", "at", "profit", "commission", "swap"):
        deals[trade_id] = (*deals.get(trade_id, ()), Booking(at=at, amount=sum(sums, ZERO)))
    programme = risk.programme_of(account)
    day = AccountDay.objects.filter(period=period).first()
    return _Life(
        account=account,
        programme=programme,
        period=period,
        day=day,
        trades=tuple(found),
        deals=deals,
        balance=_balance(period, day, programme, [one for of in deals.values() for one in of]),
    )


def _balance(
    period: AccountPeriod, day: AccountDay | None, programme: Programme, bookings: Sequence[Booking]
) -> Decimal:
    """What the newest day began with and every deal since; money paid in or out is in the former."""
    if day is None:
        return Decimal(period.opening_balance) + sum((one.amount for one in bookings), ZERO)
    if not day.proven:
        raise ValueError(f"what {day.day} began with is not proven, so the balance is unknown")
    start, base = max(programme.clock.bounds(day.day)[0], period.began_at), Decimal(day.balance)
    return base + sum((one.amount for one in bookings if one.at >= start), ZERO)


def _progress(life: _Life, *, now: datetime) -> Progress:
    clock = life.programme.clock
    first = clock.day(life.period.began_at)
    last_deal = max((clock.day(one.at) for one in life.bookings), default=first)
    return progress(
        programme=life.programme,
        initial=life.period.initial_balance,
        balance=life.balance,
        open_positions=len(life.open),
        bookings=life.bookings,
        opened=[trade.opened_at for trade in life.trades],
        first=first,
        today=max(life.today(now), last_deal),
    )


def _standing(life: _Life, done: Progress) -> Standing:
    """Where the next day begins, if every open trade is lost at its stop before."""
    lost = ZERO
    for trade in life.open:
        if trade.risk <= ZERO:
            raise ValueError(f"{trade} is open and nobody knows what it can lose")
        lost += trade.risk + sum((one.amount for one in life.deals.get(trade.pk, ())), ZERO)
    initial, peak_equity = life.period.initial_balance, risk.kept_of(life.account.pk).peak_equity
    peak_balance = max(initial, life.day.peak_balance if life.day else life.period.opening_balance)
    if peak_equity is None and life.programme.watches_peak:
        raise ValueError("the highest equity, which this programme trails, is not known")
    best = done.best
    return Standing(
        balance=life.balance - lost,
        peak_balance=peak_balance,
        peak_equity=max(peak_equity or initial, peak_balance),
        trading_days=done.trading_days,
        best_day=best.result if best else ZERO,
        profitable=best.profitable if best else ZERO,
    )
