"""What a step in an account's life would do, and everything that stands against it; nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from trading.core import life
from trading.core.life import Stand
from trading.core.programme import Phase, Programme, target_met, with_ceilings
from trading.core.types import TradingState
from trading.models import Account, AccountRisk, LifeAction, LifeKind, ProgrammeProfile, ProgrammeVersion
from trading.selectors import risk
from trading.services import days, kill_switch

PAYMENTS = (LifeKind.PAYOUT, LifeKind.DEPOSIT)
PAPER = "paper"
NUMBER_LENGTH = 40
# What each kind can be told; a word that says nothing there is a mistake, not a thing to overlook.
_TAKES: dict[LifeKind, tuple[str, ...]] = {
    LifeKind.PAYOUT: ("amount",),
    LifeKind.DEPOSIT: ("amount", "initial"),
    LifeKind.PHASE_UP: ("initial", "programme", "number"),
    LifeKind.RESET: ("initial", "programme"),
    LifeKind.NEW_LOGIN: ("initial", "programme", "number"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for.

    amount: paid in or out, above 0, in account currency.  initial: what the limits are a share of from then on.
    programme: name of a profile.  number: login at the venue.
    """

    kind: LifeKind
    amount: Decimal | None = None
    initial: Decimal | None = None
    programme: str = ""
    number: str = ""

    def body(self) -> dict[str, str]:
        """What was said, as JSON."""
        said = {name: getattr(self, name) for name in ("amount", "initial", "programme", "number")}
        return {name: str(value) for name, value in said.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An account before and after a step.

    after None: what was asked for makes no sense.  version: the programme from then on.  money: booked at the
    venue, above 0 in, below 0 out.  mistakes: in sentences, everything that stands against it.  notes: what a
    person should know and may do all the same.
    """

    wish: Wish
    account: Account
    before: Stand
    after: Stand | None
    version: ProgrammeVersion
    number: str
    money: Decimal
    mistakes: tuple[str, ...]
    notes: tuple[str, ...]


def wish_of(action: LifeAction) -> Wish:
    """What an action that was asked for says."""
    body: dict[str, Any] = action.body
    return Wish(
        kind=LifeKind(action.kind),
        amount=Decimal(body["amount"]) if "amount" in body else None,
        initial=Decimal(body["initial"]) if "initial" in body else None,
        programme=body.get("programme", ""),
        number=body.get("number", ""),
    )


def plan(account: Account, wish: Wish, *, balance: Decimal, now: datetime) -> Plan:
    """Work out a step for an account whose balance is known and that has nothing open."""
    programme = risk.programme_of(account)
    before = Stand(
        programme=programme,
        initial=account.initial_balance,
        balance=balance,
        day=risk.day_start_of(account, programme=programme, now=now),
    )
    mistakes = [] if account.venue == PAPER else [f"{account} is not at the paper venue."]
    mistakes += _misplaced(wish) + _money_mistakes(wish)
    version = account.programme
    after: Stand | None = None
    if wish.kind in PAYMENTS:
        mistakes += _against_payment(account, wish)
        after = _paid(before, wish, mistakes)
    else:
        found = _version(account, wish, mistakes, now=now)
        mistakes += _against_number(account, wish)
        if found is not None and not mistakes:
            version = found
            initial = account.initial_balance if wish.initial is None else wish.initial
            after = life.begun(programme=_tightened(found), initial=initial, day=found.clock.day(now))
    return Plan(
        wish=wish,
        account=account,
        before=before,
        after=after,
        version=version,
        number=wish.number or account.number,
        money=after.balance - balance if after else Decimal(0),
        mistakes=tuple(mistakes),
        notes=tuple(_notes(wish, before, after)),
    )


def what_follows(account: Account) -> tuple[str, ...]:
    """What a person still has to do before the account opens positions again, in sentences."""
    found = []
    state = kill_switch.effective(account.pk)
    if state.state is not TradingState.ACTIVE:
        found.append(
            f"{account} stays {state.state.upper()} ({state.source}: {state.reason}); "
            "a step of its life loosens no switch: resume it."
        )
    kept = risk.latch_of(account.pk)
    if kept.breach:
        found.append(f"The {kept.breach} limit is broken: a reset, a new login or the next phase ends that.")
    if kept.total_locked:
        found.append("The total limit stays locked until a person reopens it.")
    return tuple(found) or (f"{account} goes on by itself.",)


def _tightened(version: ProgrammeVersion) -> Programme:
    ceilings = settings.CRPBOT
    return with_ceilings(
        version.programme(), max_daily_loss=ceilings.max_daily_loss, max_total_loss=ceilings.max_total_loss
    )


def _misplaced(wish: Wish) -> list[str]:
    kind = _name(wish.kind)
    return [f"A {kind} takes no {name}." for name in wish.body() if name not in _TAKES[wish.kind]]


def _money_mistakes(wish: Wish) -> list[str]:
    takes = _TAKES[wish.kind]
    found = []
    if "amount" in takes:
        found.append(life.money_mistake("The amount", wish.amount))
    if wish.initial is not None and "initial" in takes:
        found.append(life.money_mistake("The initial balance", wish.initial))
    return [mistake for mistake in found if mistake]


def _against_payment(account: Account, wish: Wish) -> list[str]:
    found = []
    if wish.kind is LifeKind.PAYOUT and account.programme.phase != Phase.FUNDED:
        found.append(
            f"Payouts are made on a funded account; {account} is in phase {account.programme.phase}."
        )
    breach = AccountRisk.objects.filter(account=account).values_list("breach", flat=True).first()
    if breach:
        found.append(
            f"{account} broke its {breach} limit: only a reset, a new login or the next phase follows."
        )
    return found


def _paid(before: Stand, wish: Wish, mistakes: list[str]) -> Stand | None:
    """The account after the payment; what would lock it, or loosen its limits for little money, is a mistake."""
    if wish.amount is None or mistakes:
        return None
    if wish.kind is LifeKind.DEPOSIT:
        least, most = before.initial, before.initial + wish.amount
        if wish.initial is not None and not least <= wish.initial <= most:
            mistakes.append(f"The initial balance after this deposit lies between {least} and {most}.")
            return None
        return life.paid(before, wish.amount, initial=wish.initial)
    if wish.amount >= before.balance:
        mistakes.append(f"The account holds {before.balance}: less than that can be paid out.")
        return None
    after = life.paid(before, -wish.amount)
    if after.total_locks:
        mistakes.append(
            "After it 80 % of the total limit would be used, or its floor is not known: it would lock."
        )
    return after


def _version(account: Account, wish: Wish, mistakes: list[str], *, now: datetime) -> ProgrammeVersion | None:
    """The newest version in force of the programme that follows; None, and a mistake more, when there is none."""
    own = account.programme.profile
    name = wish.programme or (
        life.NEXT_PHASE.get(own.name, "") if wish.kind is LifeKind.PHASE_UP else own.name
    )
    profile = ProgrammeProfile.objects.filter(name=name).first()
    if profile is None:
        known = ", ".join(ProgrammeProfile.objects.values_list("name", flat=True))
        said = (
            f"There is no programme {name!r}" if name else f"No phase is known to follow {own.name}: name one"
        )
        mistakes.append(f"{said}; there are: {known}.")
        return None
    found = days.newest_version(profile.pk, account.programme.clock.day(now))
    if found is None:
        mistakes.append(f"No version of {name} is in force yet.")
        return None
    if wish.kind is LifeKind.PHASE_UP and not _is_next(account.programme, found):
        mistakes.append(f"{profile} is no later phase of {own}: use a new login or a reset instead.")
        return None
    return found


def _is_next(was: ProgrammeVersion, found: ProgrammeVersion) -> bool:
    return found.profile.firm == was.profile.firm and life.follows(Phase(found.phase), Phase(was.phase))


def _against_number(account: Account, wish: Wish) -> list[str]:
    if wish.kind is LifeKind.NEW_LOGIN and not wish.number:
        return ["A new login needs its number."]
    if not wish.number:
        return []
    if (
        len(wish.number) > NUMBER_LENGTH
        or not wish.number.isprintable()
        or wish.number != wish.number.strip()
    ):
        return [f"A login is at most {NUMBER_LENGTH} printable characters."]
    if wish.number == account.number:
        return [f"{wish.number} is the login that {account} has."]
    taken = Account.objects.filter(number=wish.number).first()
    return [f"{wish.number} is the login of {taken}."] if taken else []


def _notes(wish: Wish, before: Stand, after: Stand | None) -> list[str]:
    found = []
    if wish.kind is LifeKind.PHASE_UP and not target_met(before.balance, before.initial, 0, before.programme):
        found.append("The profit target of the present phase is not met.")
    profit = before.balance - before.initial
    if (
        wish.kind is LifeKind.PAYOUT
        and after is not None
        and wish.amount is not None
        and wish.amount > profit
    ):
        found.append(f"It is more than the profit of {profit}: a prop firm pays out profit only.")
    if wish.kind is LifeKind.DEPOSIT and wish.initial is None:
        found.append(
            "The limits stay shares of the initial balance; give a new one where the firm counts from it."
        )
    if not before.day.proven:
        found.append("The start of the present day is not proven.")
    return found


def _name(kind: LifeKind) -> str:
    return kind.value.replace("_", " ")
