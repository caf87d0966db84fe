"""K4, flatten: cancel what rests, close what is open, and keep at it until nothing is left.

It is asked for by a person with the halt, or by a level; the desk works at it before anything else and it
passes HALTED. An order whose outcome is not known is not doubled: one close or cancel of a ticket at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from trading.core.types import AccountView, Action, ExitReason, IntentState, Position, Side
from trading.models import Account, Flatten, KillSwitch, Market, Order, OrderIntent, Trade
from trading.selectors import flattens
from trading.services import events

TTL = timedelta(seconds=60)
# A venue that refuses is asked again after 2, 4, 8 … seconds: a full day of that stays far below its messages a day.
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
ON_ITS_WAY = (IntentState.PENDING, IntentState.SENDING, IntentState.UNKNOWN)
TAKES_OUT = (Action.CLOSE, Action.CANCEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """One close or cancel that the flatten wants."""

    action: Action
    market_id: int
    signal_id: int | None
    side: Side
    lots: Decimal
    ticket: str


def ask(*, account_id: int, by: str, reason: str, now: datetime) -> int:
    """Ask for everything of the account to be cancelled and closed; the number of the flatten.

    One that is open already stays as it is.  The account's switch row is held, so that no entry is claimed
    once this has committed.
    """
    with transaction.atomic():
        # Held until the commit; a claim holds the same row.
        list(KillSwitch.objects.select_for_update().filter(account_id=account_id).values_list("pk"))
        if (already := flattens.open_id(account_id)) is not None:
            return already
        row = Flatten.objects.create(
            account_id=account_id, asked_at=now, asked_by=by[:150], reason=reason[:300]
        )
        events.record(
            "flatten_asked",
            now=now,
            text=f"{row}: everything of {row.account} is to be cancelled and closed, asked by {by}: {reason}",
            severity="warning",
            by=by,
            account_id=account_id,
            data={"flatten": row.pk, "reason": reason},
        )
    return int(row.pk)


def work(account: Account, *, view: AccountView, resting: Iterable[int], now: datetime) -> list[int]:
    """The cancels and closes to send now for the account's open flatten; it is done when nothing is left.

    view: just read from the venue.  resting: numbers of the intents whose orders rest there.  Resting
    entries are cancelled before positions are closed, so that nothing grows behind a close.
    """
    if flattens.open_id(account.pk) is None:
        return []
    with transaction.atomic():
        row = Flatten.objects.select_for_update().filter(account=account, done_at=None).first()
        if row is None:
            return []
        waiting = _waiting(account)
        entries = _resting_entries(account, frozenset(resting))
        if not (waiting or view.positions or frozenset(resting) or _entries_coming(account)):
            _done(row, now=now)
            return []
        wishes = [*_cancels(entries), *_closes(account, view.positions)]
        due = [wish for wish in wishes if wish.ticket not in waiting]
        return _write(account, row, due, now=now)


def _waiting(account: Account) -> set[str]:
    """Tickets whose close or cancel is on its way, of unknown outcome, or resting at the venue."""
    takes_out = OrderIntent.objects.filter(account=account, action__in=TAKES_OUT)
    coming = set(takes_out.filter(state__in=ON_ITS_WAY).values_list("ticket", flat=True))
    resting = Order.objects.filter(account=account, closed_at=None, intent__action__in=TAKES_OUT)
    return coming | set(resting.values_list("intent__ticket", flat=True))


def _entries_coming(account: Account) -> bool:
    entries = OrderIntent.objects.filter(account=account, action=Action.OPEN, state__in=ON_ITS_WAY)
    return entries.exists()


def _resting_entries(account: Account, resting: frozenset[int]) -> list[Order]:
    entries = Order.objects.filter(account=account, intent_id__in=resting, intent__action=Action.OPEN)
    return list(entries.select_related("intent").order_by("pk"))


def _cancels(entries: list[Order]) -> list[_Wish]:
    return [
        _Wish(
            action=Action.CANCEL,
            market_id=order.market_id,
            signal_id=order.intent.signal_id,
            side=Side(order.intent.side),
            lots=order.intent.lots,
            ticket=order.ticket,
        )
        for order in entries
    ]


def _closes(account: Account, positions: tuple[Position, ...]) -> list[_Wish]:
    """A close of every position as the venue shows it, also of one that our rows do not know.

    A symbol that is no market of ours cannot be ordered in: it holds up no other close, and the headroom
    number says of it that the account cannot be read.
    """
    if not positions:
        return []
    markets = dict(Market.objects.filter(source=account.source).values_list("key", "pk"))
    tickets = [position.ticket for position in positions]
    trades = Trade.objects.filter(account=account, ticket__in=tickets)
    signals = dict(trades.values_list("ticket", "signal_id"))
    return [
        _Wish(
            action=Action.CLOSE,
            market_id=markets[position.symbol],
            signal_id=signals.get(position.ticket),
            side=Side(position.side).opposite,
            lots=position.lots,
            ticket=position.ticket,
        )
        for position in positions
        if position.symbol in markets
    ]


def _write(account: Account, row: Flatten, due: list[_Wish], *, now: datetime) -> list[int]:
    """Write the intents whose turn has come; a ticket gets its cancel before its close."""
    tried = _tried(account, row)
    asked: dict[str, int] = {}
    for wish in due:
        if wish.ticket in asked or not _turn(tried.get((wish.ticket, wish.action), []), now=now):
            continue
        intent = OrderIntent.objects.create(
            account=account,
            market_id=wish.market_id,
            signal_id=wish.signal_id,
            action=wish.action,
            reason=ExitReason.FLATTEN,
            side=wish.side,
            lots=wish.lots,
            ticket=wish.ticket,
            created_at=now,
            expires_at=now + TTL,
        )
        asked[wish.ticket] = intent.pk
        events.record(
            f"{wish.action}_asked",
            now=now,
            text=f"{row}: {wish.action} of {wish.ticket}, {wish.lots.normalize():f} lots, asked for.",
            account_id=account.pk,
            market_id=wish.market_id,
            data={"flatten": row.pk, "intent": intent.pk},
        )
    return list(asked.values())


def _tried(account: Account, row: Flatten) -> dict[tuple[str, str], list[datetime]]:
    """When this flatten asked before, by ticket and action, oldest first."""
    earlier = OrderIntent.objects.filter(
        account=account, action__in=TAKES_OUT, reason=ExitReason.FLATTEN, created_at__gte=row.asked_at
    )
    found: dict[tuple[str, str], list[datetime]] = {}
    for ticket, action, at in earlier.order_by("pk").values_list("ticket", "action", "created_at"):
        found.setdefault((ticket, action), []).append(at)
    return found


def _turn(tries: list[datetime], *, now: datetime) -> bool:
    """Whether a ticket may be asked for again; the pause doubles with every time the venue said no."""
    if not tries:
        return True
    pause = min(FIRST_PAUSE * 2 ** min(len(tries) - 1, 10), LONGEST_PAUSE)
    # A clock that stepped back must not hold a close up.
    return not timedelta(0) <= now - tries[-1] < pause


def _done(row: Flatten, *, now: datetime) -> None:
    row.done_at = now
    row.save(update_fields=("done_at",))
    seconds = (now - row.asked_at).total_seconds()
    events.record(
        "flatten_done",
        now=now,
        text=f"{row}: nothing of {row.account} is open, resting or on its way, {seconds:.0f} s after it was asked.",
        account_id=row.account_id,
        data={"flatten": row.pk},
    )
