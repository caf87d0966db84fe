"""What an account may still lose, and everything a decision about it depends on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from trading.core.headroom import Headroom, headroom
from trading.core.limits import Ceilings, tighten
from trading.core.programme import Programme, with_ceilings
from trading.core.types import (
    AccountView,
    Action,
    DayStart,
    Instrument,
    IntentState,
    Limits,
    Pending,
    Position,
    Side,
)
from trading.models import Account, AccountDay, AccountRisk, DeskStatus, Market, Order, OrderIntent

ON_ITS_WAY = (IntentState.PENDING, IntentState.SENDING, IntentState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadroomNow:
    """The one headroom number of an account with what it was worked out from.

    as_of: when the venue's view was read.  positions: as the venue showed them.
    """

    room: Headroom
    day_start: DayStart
    balance: Decimal
    currency: str
    positions: tuple[Position, ...]
    as_of: datetime


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


def day_start_of(account: Account, *, programme: Programme, now: datetime) -> DayStart:
    """What the current prop-firm day of the open period began with; unproven when that is not recorded."""
    day = programme.clock.day(now)
    latest = AccountDay.objects.filter(account=account, period__ended_at=None).first()
    peak_equity = AccountRisk.objects.filter(account=account).values_list("peak_equity", flat=True).first()
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


def headroom_of(account: Account, *, view: AccountView, now: datetime) -> HeadroomNow:
    """The headroom number for a view that has just been read."""
    programme = programme_of(account)
    day = day_start_of(account, programme=programme, now=now)
    room = headroom(
        account=view,
        day=day,
        initial=account.initial_balance,
        programme=programme,
        instruments=instruments_of(account),
        pending=pending_of(account.pk),
        limits=limits_of(account),
        now=now,
    )
    return HeadroomNow(
        room=room,
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
