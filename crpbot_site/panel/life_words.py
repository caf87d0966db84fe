"""An account's life in words: what each step is, what it needs, and the verdict of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from crpbot_site.panel.figures import UNKNOWN, money
from crpbot_site.panel.glance import Glance
from crpbot_site.panel.words import Verdict, counted
from trading.models import AccountPeriod, LifeAction, LifeKind
from trading.services.life import Floors, Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One kind of step: its title, when a person takes it, and what the floors do then."""

    kind: LifeKind
    title: str
    when: str
    floors: str


STEPS = (
    Step(
        kind=LifeKind.PHASE_UP,
        title="Next phase",
        when="The firm has passed the account to its next phase.",
        floors="A new period with the next programme: floors, peaks and days begin anew.",
    ),
    Step(
        kind=LifeKind.PAYOUT,
        title="Payout",
        when="The firm has paid out of a funded account.",
        floors="The balance falls by the amount and the day's start with it; the total floor stays or trails anew.",
    ),
    Step(
        kind=LifeKind.DEPOSIT,
        title="Deposit",
        when="Money was paid in.",
        floors="The balance rises by the amount and the day's start with it; give a new initial balance where the "
        "firm counts from it.",
    ),
    Step(
        kind=LifeKind.RESET,
        title="Reset",
        when="The account begins anew under the same login.",
        floors="A new period: balance back to the initial one, floors, peaks, locks and days begin anew.",
    ),
    Step(
        kind=LifeKind.NEW_LOGIN,
        title="New login",
        when="The firm has given a new login.",
        floors="A new period under the new number: floors, peaks, locks and days begin anew.",
    ),
)
BY_KIND = {step.kind: step for step in STEPS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One number of an account before and after a step."""

    title: str
    before: str
    after: str
    changed: bool


def title(kind: str) -> str:
    """The step's title; a word that is none is shown as it stands."""
    known = {step.kind.value: step.title for step in STEPS}
    return known.get(kind, kind.replace("_", " "))


def verdict(seen: Glance, waiting: LifeAction | None, period: AccountPeriod | None) -> Verdict:
    """The sentence that the page of an account's life opens with."""
    if seen.account is None:
        return Verdict(
            "There is no account yet.", "Start the appliance once: it makes a paper account by itself.", True
        )
    if waiting is not None:
        held = len(seen.positions)
        left = f"{counted(held, 'position is', 'positions are')} open: " if held else ""
        text = (
            f"{left}The desk carries it out once nothing is open, resting or on its way."
            if held
            else ("The desk carries it out within seconds once nothing is resting or on its way.")
        )
        return Verdict(f"{title(waiting.kind)} waits, asked by {waiting.asked_by}.", text)
    if period is None:
        return Verdict("This account has no period yet.", "The first begins with the account.", True)
    there = seen.day.local(period.began_at)
    begun = f"{there:%a} {there.day} {there:%b %Y}"
    return Verdict(
        f"Period {period.sequence} since {begun}.",
        "No step waits. Each step shows both sides before it is asked for.",
    )


def lines(seen: Preview, titles: Mapping[str, str]) -> list[Line]:
    """Both sides of a step, number by number; titles: of each programme by its name."""
    before = _numbers(seen.before, titles)
    after = _numbers(seen.after, titles)
    return [
        Line(title=name, before=value, after=after.get(name, UNKNOWN), changed=after.get(name) != value)
        for name, value in before.items()
    ]


def _numbers(side: Floors | None, titles: Mapping[str, str]) -> dict[str, str]:
    if side is None:
        return {}
    name, _, version = side.programme.rpartition(" ")
    return {
        "Login": side.number,
        "Programme": f"{titles.get(name, name)} {version}",
        "Initial balance": money(side.initial),
        "Balance": money(side.balance),
        "Balance at the day's start": money(side.day_start),
        "Daily floor": money(side.daily_floor),
        "Total floor": money(side.total_floor),
        "May be lost": money(side.room),
        "Target: balance above": _target(side.target),
    }


def _target(target: Decimal | None) -> str:
    return "none in this phase" if target is None else money(target)
