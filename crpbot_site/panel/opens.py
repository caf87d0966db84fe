"""What opens trading again, step by step, with who does each: the danger page's numbered cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crpbot_site.panel.glance import Glance
from trading.core.types import Level
from trading.selectors.readiness import Line

# More than so many of the lines that stand against a resume would hide the first.
BLOCKERS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One numbered card; ``url`` names the page that does it, for those who may."""

    title: str
    text: str
    who: str = ""
    url: str = ""
    link: str = ""


def steps(seen: Glance, blockers: Sequence[Line]) -> list[Step]:
    """The steps in the order in which they are taken; never empty on a page in danger."""
    found = [Step(title=b.title, text=b.sentence, who=b.who) for b in blockers[:BLOCKERS_SHOWN]]
    found += _of_level(seen)
    if seen.halted and seen.level is not Level.BREACH:
        text = "With a reason and the typed word, when the steps before are done."
        found.append(Step(title="An admin resumes", text=text, **_link(seen, "panel:resume", "Resume…")))
    if found:
        return found
    if seen.error:
        text = "The sentence above names it. It is read again every few seconds and opens by itself once it can be."
        return [Step(title="Look at what cannot be read", text=text)]
    return [Step(title="Nothing for you to do", text="It opens by itself when the numbers are fresh again.")]


def _of_level(seen: Glance) -> list[Step]:
    """Who ends what is locked or broken."""
    if seen.room is None:
        return []
    if seen.level is Level.BREACH:
        text = "A breach is not resumed. Reset, new login or another phase begins a new period."
        link = _link(seen, "panel:life", "Account life…")
        return [Step(title="The account's next stretch", text=text, **link)]
    if seen.level is not Level.LOCKED:
        return []
    if seen.room.latch.total_locked:
        text = "80 % of the total limit was used; it does not begin anew at midnight."
        return [
            Step(
                title="An admin reopens the total limit", text=text, **_link(seen, "panel:reopen", "Reopen…")
            )
        ]
    text = "80 % of today's loss limit was used at worst: nothing new opens before the next day, exits pass."
    return [Step(title="The lock ends with the day", text=text, who=f"by itself at 00:00 {seen.day.place}")]


def _link(seen: Glance, url: str, link: str) -> dict[str, str]:
    """The page of a step, for a superuser; others are told who does it."""
    return {"url": url, "link": link} if seen.may_resume else {"who": "by an admin"}
