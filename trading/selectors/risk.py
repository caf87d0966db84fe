"""What an account may still lose, and everything a decision about it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from trading.core.headroom import Headroom, headroom
from trading.core.levels import Latch, level_under
from trading.core.limits import Ceilings, tighten
from trading.core.programme import Programme, with_ceilings
from trading.core.types import (
    AccountView,
    Action,
    Breach,
    DayStart,
    Instrument,
    IntentState,
    Level,
    Limits,
    Pending,
    Position,
    Side,
)
from trading.models import Account, AccountDay, DeskStatus, Market, Order, OrderIntent
from trading.selectors import rows

_KEPT = """
    SELECT CAST(daily_locked_on AS varchar(10)), CASE WHEN total_locked_at IS NULL THEN 0 ELSE 1 END,
           breach, level, CAST(peak_equity AS varchar(40))
    FROM trading_accountrisk WHERE account_id = %s
"""

ON_ITS_WAY = (IntentState.PENDING, IntentState.SENDING, IntentState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an account's rows keep of its worst moments.

    level: as last written, None when nobody has measured the account yet.  peak_equity: highest equity
    seen in this period, None when it is not known.
    """

    latch: Latch
    level: Level | None
    peak_equity: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadroomNow:
    """The one headroom number of an account with what it was worked out from.

    room.level is what was measured; ``level`` is what counts: the stricter of that and of what is latched.
    written: the level as the rows have it, None before the first measurement.
    as_of: when the venue's view was read.  positions: as the venue showed them.
    """

    room: Headroom
    latch: Latch
    level: Level
    written: Level | None
    day_start: DayStart
    balance: Decimal
    currency: str
    positions: tuple[Position, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an account trades under, already tightened by the owner's ceilings; it changes with the rows only."""

    programme: Programme
    limits: Limits
    instruments: Mapping[str, Instrument]


def programme_of(account: Account) -> Programme:
    """The account's programme under the owner's hard ceilings."""
    ceilings = settings.CRPBOT
    return with_ceilings(
        account.programme.programme(),
        max_daily_loss=ceilings.max_daily_loss,
        max_total_loss=ceilings.max_total_loss,
    )


def limits_of(account: Account) -> Limits:
    """The account's limits under the owner's hard ceilings."""
    ceilings = settings.CRPBOT
    return tighten(
        account.limits(),
        Ceilings(
            risk_per_trade=ceilings.max_risk_per_trade,
            max_positions=ceilings.max_positions,
            signals_per_hour=ceilings.max_signals_per_hour,
            high_per_hour=ceilings.max_high_per_hour,
            cool_down=timedelta(minutes=ceilings.cool_down_minutes),
            signal_ttl=timedelta(seconds=ceilings.signal_ttl_seconds),
        ),
    )


def instruments_of(account: Account) -> dict[str, Instrument]:
    """How each market of the account's source trades, by market key."""
    markets = Market.objects.filter(source=account.source)
    return {market.key: market.instrument() for market in markets}


def kept_of(account_id: int) -> Kept:
    """What the rows keep of an account; ValueError when a word in them is not known."""
    found = rows.query(_KEPT, (account_id,))
    if not found:
        return Kept(latch=Latch(), level=None, peak_equity=None)
    ((day, locked, breach, level, peak),) = found
    latch = Latch(daily_locked_on=day or "", total_locked=bool(locked), breach=Breach(breach))
    return Kept(latch=latch, level=Level(level), peak_equity=None if peak is None else Decimal(peak))


def latch_of(account_id: int) -> Latch:
    """Which locks and which breach of the account hold until a day, a person or a new period ends them."""
    return kept_of(account_id).latch


def day_start_of(
    account: Account, *, programme: Programme, now: datetime, kept: Kept | None = None
) -> DayStart:
    """What the current prop-firm day of the open period began with; unproven when that is not recorded.

    kept: what was just read of the account's rows, so that it need not be read again.
    """
    day = programme.clock.day(now)
    latest = AccountDay.objects.filter(account=account, period__ended_at=None).first()
    peak_equity = (kept or kept_of(account.pk)).peak_equity
    today = latest is not None and latest.day == day
    return DayStart(
        day=str(day),
        balance=latest.balance if latest else account.initial_balance,
        peak_balance=latest.peak_balance if latest else account.initial_balance,
        proven=bool(latest and latest.proven and today),
        equity=latest.equity if latest and today else None,
        peak_equity=peak_equity,
    )


def messages_since(account_id: int, start: datetime) -> int:
    """How many orders were handed to the venue since ``start``, taken or not."""
    return OrderIntent.objects.filter(account_id=account_id, claimed_at__gte=start).count()


def pending_of(account_id: int, *, without_intent: int | None = None) -> tuple[Pending, ...]:
    """Orders on their way, of unknown outcome, or resting at the venue, each at its full risk."""
    intents = OrderIntent.objects.filter(account_id=account_id, action=Action.OPEN, state__in=ON_ITS_WAY)
    if without_intent is not None:
        intents = intents.exclude(pk=without_intent)
    found = [
        Pending(symbol=key, risk=risk, unknown=state == IntentState.UNKNOWN)
        for key, risk, state in intents.values_list("market__key", "risk", "state")
    ]
    resting = Order.objects.filter(account_id=account_id, closed_at=None, intent__action=Action.OPEN)
    found += [
        Pending(symbol=key, risk=risk, unknown=False)
        for key, risk in resting.values_list("market__key", "intent__risk")
    ]
    return tuple(found)


def view_of(account: Account) -> AccountView | None:
    """The venue's view as the desk last wrote it; None when it never did."""
    status = DeskStatus.objects.filter(account=account).first()
    if status is None or status.balance is None or status.equity is None:
        return None
    return AccountView(
        number=account.number,
        currency=account.currency,
        balance=status.balance,
        equity=status.equity,
        positions=tuple(position_from(body) for body in status.positions),
        as_of=status.seen_at,
    )


def headroom_now(account_id: int, *, now: datetime) -> HeadroomNow | None:
    """The headroom number from the desk's last view; None when there is no view yet.

    Raises ValueError when the account cannot be read; nothing is guessed.
    """
    account = Account.objects.select_related("programme__profile").get(pk=account_id)
    view = view_of(account)
    return None if view is None else headroom_of(account, view=view, now=now)


def terms_of(account: Account, *, instruments: Mapping[str, Instrument] | None = None) -> Terms:
    """What the account trades under; instruments: as just read by the caller, or else from the rows."""
    return Terms(
        programme=programme_of(account),
        limits=limits_of(account),
        instruments=instruments_of(account) if instruments is None else instruments,
    )


def headroom_of(
    account: Account,
    *,
    view: AccountView,
    now: datetime,
    terms: Terms | None = None,
    day: DayStart | None = None,
    pending: tuple[Pending, ...] | None = None,
) -> HeadroomNow:
    """The headroom number for a view that has just been read.

    terms, day, pending: as known to whoever alone may change them, so that they need not be read again.
    """
    terms, kept = terms or terms_of(account), kept_of(account.pk)
    day = day or day_start_of(account, programme=terms.programme, now=now, kept=kept)
    room = headroom(
        account=view,
        day=day,
        initial=account.initial_balance,
        programme=terms.programme,
        instruments=terms.instruments,
        pending=pending_of(account.pk) if pending is None else pending,
        limits=terms.limits,
        now=now,
    )
    return HeadroomNow(
        room=room,
        latch=kept.latch,
        level=level_under(kept.latch, room, day=day.day),
        written=kept.level,
        day_start=day,
        balance=view.balance,
        currency=view.currency,
        positions=view.positions,
        as_of=view.as_of,
    )


def position_body(position: Position) -> dict[str, Any]:
    """A position as JSON; ``position_from`` reads it back exactly."""
    return {
        "ticket": position.ticket,
        "magic": position.magic,
        "symbol": position.symbol,
        "side": position.side.value,
        "lots": str(position.lots),
        "entry": str(position.entry),
        "price": str(position.price),
        "stop": None if position.stop is None else str(position.stop),
        "target": None if position.target is None else str(position.target),
        "opened_at": position.opened_at.isoformat(),
        "profit": str(position.profit),
        "swap": str(position.swap),
    }


def position_from(body: dict[str, Any]) -> Position:
    """A position from its JSON form."""
    return Position(
        ticket=body["ticket"],
        magic=body["magic"],
        symbol=body["symbol"],
        side=Side(body["side"]),
        lots=Decimal(body["lots"]),
        entry=Decimal(body["entry"]),
        price=Decimal(body["price"]),
        stop=None if body["stop"] is None else Decimal(body["stop"]),
        target=None if body["target"] is None else Decimal(body["target"]),
        opened_at=datetime.fromisoformat(body["opened_at"]),
        profit=Decimal(body["profit"]),
        swap=Decimal(body["swap"]),
    )
