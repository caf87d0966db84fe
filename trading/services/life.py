"""An account's life: its periods, one after the other, each with floors of its own, and the steps between them.

A person asks; the desk carries it out once nothing is open, resting or on its way. Money is booked at the
venue first, under the step's own name, and the rows follow in one transaction: whatever dies in between, the
booking is found by its name and never made twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F

from trading.core.life import Stand
from trading.core.types import AccountView, Deal, DealKind, IntentState, TradingState
from trading.models import (
    Account,
    AccountDay,
    AccountPeriod,
    AccountRisk,
    BalanceOperation,
    DeskStatus,
    KillSwitch,
    LifeAction,
    LifeKind,
    LifeState,
    OrderIntent,
    Trade,
    TradeState,
)
from trading.selectors import readiness, risk, rows
from trading.services import days, events, kill_switch, life_plan
from trading.services.life_plan import PAYMENTS, Plan, Wish
from trading.venues.paper import PaperVenue

PHRASES = {kind: kind.value.replace("_", " ").upper() for kind in LifeKind}
# Stands on a step from just before its money moves: nobody can withdraw it any more.
BEGUN = "The desk is carrying it out."
ON_ITS_WAY = (IntentState.PENDING, IntentState.SENDING, IntentState.UNKNOWN)
_ASKED = "SELECT id FROM trading_lifeaction WHERE account_id = %s AND state = 'asked'"


class LifeRefused(Exception):
    """A step cannot be asked for; ``missing`` says in sentences what stands against it."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("; ".join(missing))
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """An account's numbers on one side of a step, with nothing open; money in account currency.

    Floors and room are None when what they hang on is not known; target is None without one.
    """

    number: str
    programme: str
    initial: Decimal
    balance: Decimal
    day_start: Decimal
    daily_floor: Decimal | None
    total_floor: Decimal | None
    room: Decimal | None
    target: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A step before it is asked for.

    after None: it makes no sense yet.  money: booked at the venue, above 0 in, below 0 out.  mistakes: everything
    that stands against it.  notes: what a person should know and may do all the same.  phrase: to be typed.
    """

    kind: LifeKind
    before: Floors | None
    after: Floors | None
    money: Decimal
    mistakes: tuple[str, ...]
    notes: tuple[str, ...]
    phrase: str


def preview(
    *,
    account_id: int,
    kind: str,
    now: datetime,
    amount: Decimal | None = None,
    initial: Decimal | None = None,
    programme: str = "",
    number: str = "",
) -> Preview:
    """What a step would do to the account as the desk last saw it; nothing is written.

    Raises ValueError for a kind that does not exist.
    """
    account = _account(account_id)
    wish = _wish(kind, amount, initial, programme, number)
    view = risk.view_of(account)
    if view is None:
        said = (f"The desk has not seen {account} yet: start it.",)
        return _preview(wish, None, mistakes=said)
    notes = []
    if view.positions:
        notes.append("Positions are open: the step waits until they are closed.")
    if now - view.as_of > readiness.DESK_FRESH:
        notes.append(f"The desk saw it last at {view.as_of:%Y-%m-%d %H:%M} UTC: the step waits for the desk.")
    plan = life_plan.plan(account, wish, balance=view.balance, now=now)
    return _preview(wish, plan, mistakes=plan.mistakes, notes=tuple(notes))


def ask(
    *,
    account_id: int,
    kind: str,
    by_user_id: int,
    reason: str,
    phrase: str,
    now: datetime,
    amount: Decimal | None = None,
    initial: Decimal | None = None,
    programme: str = "",
    number: str = "",
) -> int:
    """Ask for a step: a superuser, a reason, the typed phrase, and nothing that stands against it; its number.

    Raises LifeRefused with everything that is missing, ValueError for a kind that does not exist.
    """
    wish = _wish(kind, amount, initial, programme, number)
    with transaction.atomic():
        _hold(account_id)
        seen = preview(
            account_id=account_id,
            kind=kind,
            now=now,
            amount=amount,
            initial=initial,
            programme=programme,
            number=number,
        )
        user, missing = _person(by_user_id, reason)
        if phrase != seen.phrase:
            missing.append(f"The words {seen.phrase} must be typed.")
        missing += seen.mistakes
        waiting = LifeAction.objects.filter(account_id=account_id, state=LifeState.ASKED).first()
        if waiting is not None:
            missing.append(f"{waiting} ({_name(waiting.kind)}) waits already: withdraw it first.")
        if missing:
            raise LifeRefused(tuple(missing))
        action = LifeAction.objects.create(
            account_id=account_id,
            kind=wish.kind,
            asked_at=now,
            asked_by=user[:150],
            reason=reason.strip()[:300],
            body=wish.body(),
        )
        text = f"{action}: {_name(wish.kind)} of {action.account} asked for by {user}: {reason.strip()}"
        _tell("life_asked", action, text, now=now, by=user, data=wish.body())
    return int(action.pk)


def withdraw(action_id: int, *, by_user_id: int, reason: str, now: datetime) -> None:
    """Take back a step that waits; LifeRefused when the desk has begun it, or without a superuser and a reason."""
    with transaction.atomic():
        action = LifeAction.objects.select_related("account").get(pk=action_id)
        _hold(action.account_id)
        user, missing = _person(by_user_id, reason)
        begun = LifeAction.objects.filter(pk=action_id, answer=BEGUN).exists()
        if not missing and (
            begun or not _end(action, LifeState.REFUSED, f"Withdrawn by {user}: {reason}", now=now)
        ):
            missing.append(f"{action} waits no more.")
        if missing:
            raise LifeRefused(tuple(missing))
        text = f"{action}: {_name(action.kind)} of {action.account} withdrawn by {user}: {reason.strip()}"
        _tell("life_refused", action, text, now=now, by=user)


def carry_out(
    account: Account,
    venue: PaperVenue,
    *,
    now: datetime,
    on_step: Callable[[str], None] = lambda _step: None,
) -> int | None:
    """Carry out the step that is asked for, if nothing is open, resting or on its way; its number, or None.

    Call it from the desk that holds the lease, after a reconcile that found no difference. Afterwards the
    venue's view, the account and its day are others than before: read them again. It costs one plain read
    while nothing is asked for.
    on_step: called between the steps, so that a test can end the process there.
    """
    if not (found := rows.query(_ASKED, (account.pk,))):
        return None
    view = venue.view(now=now)
    if not _nothing_open(account, venue, view):
        return None
    action = LifeAction.objects.get(pk=found[0][0])
    if (booked := _booked_for(action, venue)) is not None:
        with transaction.atomic():
            settle(account, booked, balance=view.balance, now=now)
    else:
        days.ensure_day(account, view=view, now=now)
        plan = life_plan.plan(_account(account.pk), life_plan.wish_of(action), balance=view.balance, now=now)
        if plan.mistakes or plan.after is None:
            _refuse(action, plan, now=now)
            return int(action.pk)
        if not _begin(action):
            return None
        on_step("life_checked")
        deal = venue.pay(plan.money, now, comment=str(action)) if plan.money else None
        on_step("life_paid")
        with transaction.atomic():
            _finish(action, plan, plan.after, deal, now=now)
    on_step("life_done")
    _renew(account)
    venue.log_in(account.number)
    return int(action.pk)


def settle(account: Account, deal: Deal, *, balance: Decimal, now: datetime) -> bool:
    """Book money that the venue shows as paid; False when that is booked already.

    balance: the venue's, with this payment. A payment that bears the name of a step that waits ends that step.
    Any other is one that nobody asked for here: it moves the day's start and halts the account until a person
    has looked. Call it in a transaction; ``account`` may have another login, size and programme afterwards.
    """
    if BalanceOperation.objects.filter(account=account, deal=deal.deal).exists():
        return False
    action = _named(account, deal)
    if action is not None:
        before = balance - deal.profit
        plan = life_plan.plan(_account(account.pk), life_plan.wish_of(action), balance=before, now=deal.at)
        if plan.after is not None and not plan.mistakes and plan.money == deal.profit:
            _finish(action, plan, plan.after, deal, now=now)
            _renew(account)
            return True
        why = "; ".join(plan.mistakes) or f"{plan.money} was to be paid"
        _end(action, LifeState.REFUSED, f"{deal.profit} was paid, but {why}", now=now)
    _unasked(account, deal, now=now)
    return True


def begin_period(
    account: Account,
    *,
    began_by: str,
    opening_balance: Decimal,
    now: datetime,
    closing_balance: Decimal | None = None,
) -> AccountPeriod:
    """End the open period, if there is one, and begin the next with the account's present numbers.

    closing_balance: of the period that ends, the opening balance of the next one when left out.
    Peaks, day starts and what was latched belong to a period: the new one begins without them.
    """
    with transaction.atomic():
        period = _next_period(account, began_by, opening_balance, closing_balance, now=now)
        AccountRisk.objects.update_or_create(
            account=account,
            defaults={
                "level": "green",
                "level_since": now,
                "daily_locked_on": None,
                "total_locked_at": None,
                "breach": "",
                "breached_at": None,
                "peak_equity": max(opening_balance, account.initial_balance),
                "midnight_warned_on": None,
                "losses_from": now,
            },
        )
        return period


def _next_period(
    account: Account, began_by: str, opening: Decimal, closing: Decimal | None, *, now: datetime
) -> AccountPeriod:
    last = account.periods.select_for_update().first()
    if last is not None:
        last.ended_at, last.closing_balance = now, opening if closing is None else closing
        last.save(update_fields=("ended_at", "closing_balance"))
    return account.periods.create(
        sequence=1 if last is None else last.sequence + 1,
        began_by=began_by,
        began_at=now,
        number=account.number,
        programme=account.programme,
        initial_balance=account.initial_balance,
        opening_balance=opening,
    )


# -- carrying out -----------------------------------------------------------------------------


def _finish(action: LifeAction, plan: Plan, after: Stand, deal: Deal | None, *, now: datetime) -> None:
    """Write all that follows from a step whose money is booked: account, period, day, latch, status, Event."""
    account = plan.account
    _hold(account.pk)
    if not _end(action, LifeState.DONE, _sentence(plan, after), now=now):
        return
    at = now if deal is None else deal.at
    data = {"before": _numbers(plan, plan.before), "after": _numbers(plan, after), "money": str(plan.money)}
    day = AccountDay.objects.filter(account=account, period__ended_at=None).first()
    account.number, account.programme, account.initial_balance = plan.number, plan.version, after.initial
    account.save(update_fields=("number", "programme", "initial_balance"))
    if plan.wish.kind in PAYMENTS:
        period = _next_period(account, action.kind, after.balance, plan.before.balance, now=at)
        AccountRisk.objects.filter(account=account).update(peak_equity=after.day.peak_equity)
    else:
        period = begin_period(
            account,
            began_by=action.kind,
            opening_balance=after.balance,
            closing_balance=plan.before.balance,
            now=at,
        )
        day = None
    AccountDay.objects.create(
        account=account,
        period=period,
        day=after.day.day,
        balance=after.day.balance,
        peak_balance=after.day.peak_balance,
        equity=after.day.equity,
        proven=after.day.proven,
        how=days.FIRST if day is None else day.how if after.day.proven else days.UNPROVEN,
        recorded_at=now,
    )
    if deal is not None:
        _book(account, period, deal, action=action, now=now)
    # Whoever reads the status before the desk writes it again must not take the payment for a loss.
    DeskStatus.objects.filter(account=account).update(balance=after.balance, equity=after.balance)
    text = f"{action}: {_name(action.kind)} of {account} done. {action.answer}"
    _tell("life_done", action, text, now=now, by=action.asked_by, data=data)


def _unasked(account: Account, deal: Deal, *, now: datetime) -> None:
    """Book money that nobody asked for here, and halt: whoever moved it may have changed more than that."""
    period = account.periods.get(ended_at=None)
    _book(account, period, deal, action=None, now=now)
    days.move(account, at=deal.at, amount=deal.profit)
    DeskStatus.objects.filter(account=account).update(
        balance=F("balance") + deal.profit, equity=F("equity") + deal.profit
    )
    money = f"{deal.profit:+.2f} {account.currency}"
    what = f"{money} was booked at the venue (deal {deal.deal}) that nobody asked for here"
    events.record(
        "money_unasked", now=now, text=f"{account}: {what}.", severity="error", account_id=account.pk
    )
    kill_switch.set_state(TradingState.HALTED, by="reconcile", reason=what, now=now, account_id=account.pk)


def _book(
    account: Account, period: AccountPeriod, deal: Deal, *, action: LifeAction | None, now: datetime
) -> None:
    BalanceOperation.objects.create(
        account=account,
        period=period,
        action=action,
        deal=deal.deal,
        amount=deal.profit,
        at=deal.at,
        booked_at=now,
    )


def _refuse(action: LifeAction, plan: Plan, *, now: datetime) -> None:
    with transaction.atomic():
        if _end(action, LifeState.REFUSED, " ".join(plan.mistakes), now=now):
            text = f"{action}: {_name(action.kind)} of {action.account} refused. {action.answer}"
            _tell("life_refused", action, text, now=now, by="crpbot")


def _end(action: LifeAction, state: LifeState, answer: str, *, now: datetime) -> bool:
    """Move a step that waits to its end by one conditional update; False when it had ended already."""
    waiting = LifeAction.objects.filter(pk=action.pk, state=LifeState.ASKED)
    moved = waiting.update(state=state, answer=answer[:300], done_at=now)
    action.state, action.answer = state, answer[:300]
    return bool(moved)


def _begin(action: LifeAction) -> bool:
    """Say that the money is about to move; False when the step was withdrawn in the meantime."""
    with transaction.atomic():
        _hold(action.account_id)
        return bool(LifeAction.objects.filter(pk=action.pk, state=LifeState.ASKED).update(answer=BEGUN))


def _nothing_open(account: Account, venue: PaperVenue, view: AccountView) -> bool:
    return not (
        view.positions
        or venue.resting()
        or OrderIntent.objects.filter(account=account, state__in=ON_ITS_WAY).exists()
        or Trade.objects.filter(account=account, state=TradeState.OPEN).exists()
    )


def _booked_for(action: LifeAction, venue: PaperVenue) -> Deal | None:
    """The payment that was already made for a step."""
    paid = (d for d in venue.deals(after="") if d.kind is DealKind.BALANCE)
    return next((d for d in paid if d.details.get("comment") == str(action)), None)


def _named(account: Account, deal: Deal) -> LifeAction | None:
    """The step that waits and whose name the payment bears."""
    waiting = LifeAction.objects.filter(account=account, state=LifeState.ASKED).first()
    return waiting if waiting is not None and deal.details.get("comment") == str(waiting) else None


# -- words ------------------------------------------------------------------------------------


def _wish(kind: str, amount: Decimal | None, initial: Decimal | None, programme: str, number: str) -> Wish:
    return Wish(
        kind=LifeKind(kind),
        amount=amount,
        initial=initial,
        programme=programme.strip(),
        number=number.strip(),
    )


def _preview(
    wish: Wish, plan: Plan | None, *, mistakes: tuple[str, ...], notes: tuple[str, ...] = ()
) -> Preview:
    return Preview(
        kind=wish.kind,
        before=None if plan is None else _floors(plan, plan.before),
        after=None if plan is None or plan.after is None else _floors(plan, plan.after),
        money=plan.money if plan else Decimal(0),
        mistakes=mistakes,
        notes=(*(plan.notes if plan else ()), *notes),
        phrase=PHRASES[wish.kind],
    )


def _floors(plan: Plan, stand: Stand) -> Floors:
    old = stand is plan.before
    return Floors(
        number=plan.account.number if old else plan.number,
        programme=str(plan.account.programme if old else plan.version),
        initial=stand.initial,
        balance=stand.balance,
        day_start=stand.day.balance,
        daily_floor=stand.daily_floor,
        total_floor=stand.total_floor,
        room=stand.room,
        target=stand.target,
    )


def _numbers(plan: Plan, stand: Stand) -> dict[str, Any]:
    """One side of a step as JSON, for the record."""
    floors = _floors(plan, stand)
    found = {name: getattr(floors, name) for name in Floors.__dataclass_fields__}
    return {name: _money(value) if isinstance(value, Decimal) else value for name, value in found.items()}


def _sentence(plan: Plan, after: Stand) -> str:
    paid = f"{plan.money:+.2f} paid, balance" if plan.money else "Balance"
    daily, total = _money(after.daily_floor), _money(after.total_floor)
    return f"{paid} {_money(after.balance)}, daily floor {daily}, total floor {total}, {plan.version}."


def _money(amount: Decimal | None) -> str:
    return "not known" if amount is None else f"{amount:.2f}"


def _account(account_id: int) -> Account:
    return Account.objects.select_related("programme__profile").get(pk=account_id)


def _renew(account: Account) -> None:
    """Read again what a step changes of an account that someone holds in hand."""
    account.refresh_from_db(fields=("number", "initial_balance", "programme"))


def _hold(account_id: int) -> None:
    """Hold the account's switch, the row that claims, halts and locks take first."""
    list(KillSwitch.objects.select_for_update().filter(account_id=account_id).values_list("pk"))


def _person(user_id: int, reason: str) -> tuple[str, list[str]]:
    """The superuser's name, and what is missing of a person's word."""
    user = get_user_model().objects.filter(pk=user_id, is_active=True, is_superuser=True).first()
    missing = [] if user else ["A superuser must ask for it."]
    if not reason.strip():
        missing.append("A reason is needed; it goes into the record.")
    return user.get_username() if user else "", missing


def _name(kind: str) -> str:
    return kind.replace("_", " ")


def _tell(
    kind: str, action: LifeAction, text: str, *, now: datetime, by: str, data: dict[str, Any] | None = None
) -> None:
    said = {"action": action.pk, "kind": action.kind, **(data or {})}
    severity = "warning" if kind != "life_asked" else "info"
    events.record(kind, now=now, text=text, severity=severity, by=by, account_id=action.account_id, data=said)
