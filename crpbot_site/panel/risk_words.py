"""The Risk page in sentences: its verdict, what is locked and who ends it, how a day is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crpbot_site.panel.figures import money
from crpbot_site.panel.glance import Glance
from crpbot_site.panel.words import Verdict, counted, local
from trading.core.types import Level
from trading.models import AccountDay, AccountRisk, Flatten

HOW_KNOWN = {
    "first_day": "the period's first day",
    "seen": "seen at midnight",
    "reconstructed": "worked out from the deals since",
    "unproven": "not proven: no entries that day",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One thing that stays closed: its badge, what happened, and who ends it.

    reopen: a person may reopen it on the reopen page.  life: only the account's next stretch ends it.
    """

    word: str
    title: str
    text: str
    ends: str
    reopen: bool = False
    life: bool = False


def how_known(day: AccountDay) -> str:
    """How the beginning of a day is known."""
    return HOW_KNOWN.get(day.how, day.how.replace("_", " "))


def verdict(seen: Glance, locks: list[Lock]) -> Verdict:
    """The sentence the Risk page opens with; the gravest thing first."""
    if seen.account is None:
        return Verdict(
            "There is no account yet.", "Start the appliance once: it makes a paper account by itself.", True
        )
    if seen.error:
        text = (
            f"{seen.error[:1].upper()}{seen.error[1:]}. Entries are refused until it can be read; Halt works."
        )
        return Verdict("This account cannot be read.", text, True)
    if locks:
        first = locks[0]
        return Verdict(f"{first.title}.", f"{first.text} Ends: {first.ends}", True)
    if seen.room is None:
        return Verdict(
            "The desk has not seen this account yet.", "It looks every few seconds, by itself.", True
        )
    return _level(seen)


def _level(seen: Glance) -> Verdict:
    if seen.room is None:
        return Verdict("No reading yet.", "", True)
    room, used = seen.room.room, f"{seen.room.room.used * 100:.1f} %"
    left = f"{money(room.to_daily)} would still be left to the daily floor and {money(room.to_total)} to the total one."
    if seen.level is Level.RED:
        return Verdict(
            "No new risk is taken.", f"At worst {used} of a loss limit is used, 70 % allowed. {left}", True
        )
    if seen.level is Level.AMBER:
        return Verdict(
            "Half size from here.", f"At worst {used} of a loss limit is used, full size ends at 50 %. {left}"
        )
    if seen.level in (Level.LOCKED, Level.BREACH):
        return Verdict(
            "Nothing new opens.", f"At worst {used} of a loss limit is used, 80 % locks. {left}", True
        )
    stops = sum(1 for position in seen.positions if position.stop is not None)
    if not seen.positions:
        return Verdict("Far from every limit.", f"Nothing is open: {left}")
    all_stops = (
        "its stop was" if stops == 1 else "both stops were" if stops == 2 else f"all {stops} stops were"
    )
    return Verdict("Far from every limit.", f"If {all_stops} hit now, {left}")


def locks(seen: Glance, row: AccountRisk | None, flatten: Flatten | None) -> list[Lock]:
    """What stays closed on the shown account, the gravest first."""
    found: list[Lock] = []
    if row is not None and row.breach:
        found.append(_breach(seen, row))
    if row is not None and row.total_locked_at is not None:
        found.append(_total(seen, row))
    if row is not None and row.daily_locked_on is not None and str(row.daily_locked_on) == today(seen):
        found.append(_daily(seen))
    if flatten is not None and flatten.done_at is None:
        found.append(_closing(seen, flatten))
    return found


def today(seen: Glance) -> str:
    """The shown account's prop-firm day, as its rows write it."""
    if seen.account is None:
        return ""
    return str(seen.account.programme.clock.day(seen.now))


def _breach(seen: Glance, row: AccountRisk) -> Lock:
    when = "" if row.breached_at is None else f" on {_at(seen, row.breached_at)}"
    return Lock(
        word="breach",
        title=f"The {row.breach} loss limit was broken{when}",
        text="Equity fell below its floor. Nothing can be opened on this account any more.",
        ends="only by the account's next stretch: reset, new login or another phase.",
        life=True,
    )


def _total(seen: Glance, row: AccountRisk) -> Lock:
    since = "" if row.total_locked_at is None else f" since {_at(seen, row.total_locked_at)}"
    return Lock(
        word="locked",
        title=f"The total limit is locked{since}",
        text="80 % of the total loss limit was used. That limit does not begin anew at midnight.",
        ends="by an admin, on the reopen page, with a reason.",
        reopen=True,
    )


def _daily(seen: Glance) -> Lock:
    end = seen.day.local(seen.day.end)
    return Lock(
        word="locked",
        title="The daily limit is locked",
        text="80 % of today's loss limit was used at worst. Nothing new opens today.",
        ends=f"by itself {end:%a} {end.day} {end:%b %H:%M} {seen.day.place}; no person can open it earlier.",
    )


def _closing(seen: Glance, flatten: Flatten) -> Lock:
    held = len(seen.positions)
    left = (
        f"{counted(held, 'position is', 'positions are')} still open" if held else "Nothing is open any more"
    )
    return Lock(
        word="closing",
        title="Everything is being closed",
        text=f"Asked {_at(seen, flatten.asked_at)} by {flatten.asked_by}: {flatten.reason.rstrip('.')}. {left}.",
        ends="by itself, when the venue shows nothing open and nothing resting.",
    )


def _at(seen: Glance, instant: datetime) -> str:
    there = local(seen, instant)
    return f"{there.day} {there:%b %H:%M:%S}"
