"""News, closures and maintenance: when nothing may be opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from trading.core.answer import Answer
from trading.core.guards import aware, count
from trading.core.programme import Programme

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class EntryKind(StrEnum):
    """NEWS is an instant; CLOSURE shuts the market; MAINTENANCE keeps the platform from answering."""

    NEWS = "news"
    CLOSURE = "closure"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One announced stretch of time; ``symbols`` empty means every market. News starts and ends at its release."""

    kind: EntryKind
    title: str
    starts_at: datetime
    ends_at: datetime
    symbols: tuple[str, ...] = ()


def news(entries: tuple[Entry, ...], symbol: str, programme: Programme, now: datetime) -> Answer:
    """Refuse from ``news_minutes`` before a release to as long after it, both ends included.

    Only where the programme knows such minutes.  Source: docs/risk_rules.md#calendar_news.
    """
    around = _news_span(programme)
    found = _of(EntryKind.NEWS, entries, symbol)
    if not around:
        return Answer(passed=True, sentence=f"News is free in {programme.title}.", limit="free")
    limit = _length(around)
    for entry in found:
        if _around(aware("now", now), entry, around):
            ends = _clock(entry.ends_at + around, programme)
            text = (
                f"{entry.title} is released at {_clock(entry.starts_at, programme)},"
                f" {limit} before and after it nothing is opened. Opens by itself after {ends}."
            )
            return Answer(passed=False, sentence=text, value=entry.title, limit=limit)
    return Answer(passed=True, sentence=f"No news within {limit}.", value="none", limit=limit)


def closure(entries: tuple[Entry, ...], symbol: str, programme: Programme, now: datetime) -> Answer:
    """Refuse while the market is shut, and from ``gap_hours`` before it shuts for ``gap_hours`` or more.

    Closures that touch or overlap are one; both ends are included.  Source: docs/risk_rules.md#calendar_closure.
    """
    gap, moment = _gap(programme), aware("now", now)
    limit = _length(gap)
    for shut in stretches(entries, symbol):
        before = gap if shut.ends_at - shut.starts_at >= gap else timedelta(0)
        if shut.starts_at - before <= moment <= shut.ends_at:
            told = f", {limit} before it nothing is opened" if moment < shut.starts_at else ""
            span = f"from {_clock(shut.starts_at, programme)} to {_clock(shut.ends_at, programme)}"
            text = f"{symbol} is shut {span} ({shut.title}){told}. Opens by itself after it."
            return Answer(passed=False, sentence=text, value=shut.title, limit=limit)
    return Answer(passed=True, sentence=f"No closure of {symbol} is near.", value="none", limit=limit)


def maintenance(entries: tuple[Entry, ...], symbol: str, programme: Programme, now: datetime) -> Answer:
    """Refuse while the platform is announced not to answer, both ends included.

    Source: docs/risk_rules.md#maintenance.
    """
    moment = aware("now", now)
    for entry in _of(EntryKind.MAINTENANCE, entries, symbol):
        if entry.starts_at <= moment <= entry.ends_at:
            ends = _clock(entry.ends_at, programme)
            text = f"The platform is under maintenance ({entry.title}) until {ends}. Opens by itself then."
            return Answer(passed=False, sentence=text, value=entry.title, limit="none")
    return Answer(passed=True, sentence="No maintenance is announced for now.", value="none", limit="none")


Question = Callable[[tuple[Entry, ...], str, Programme, datetime], Answer]
QUESTIONS: tuple[Question, ...] = (news, closure, maintenance)


def entry_blocked(
    entries: tuple[Entry, ...], symbol: str, programme: Programme, now: datetime
) -> Answer | None:
    """The first refusal of an entry by the calendar; None when nothing stands against it."""
    for question in QUESTIONS:
        answer = question(entries, symbol, programme, now)
        if answer.passed is not True:
            return answer
    return None


def must_be_flat(
    entries: tuple[Entry, ...], symbol: str, programme: Programme, now: datetime, minutes: int
) -> Entry | None:
    """The closure before or in which a position may not be held, from so many minutes before it; None otherwise.

    Only where the programme asks to be flat, and only closures of its ``gap_hours`` or more.
    """
    lead = count("minutes", minutes) * MINUTE
    gap, moment = _gap(programme), aware("now", now)
    shuts = stretches(entries, symbol)
    if not programme.flat_before_closure:
        return None
    for shut in shuts:
        if shut.ends_at - shut.starts_at >= gap and shut.starts_at - lead <= moment <= shut.ends_at:
            return shut
    return None


def news_breach(fill_at: datetime, release_at: datetime, programme: Programme) -> bool:
    """Whether a fill so near to targeted news breaks the programme's rules, be it an entry, a stop or a target.

    Source: docs/risk_rules.md#calendar_news.
    """
    around = _news_span(programme)
    apart = abs(aware("fill", fill_at) - aware("release", release_at))
    return bool(around) and apart <= around


def reach(programme: Programme) -> timedelta:
    """How far from an instant an entry can matter to it, touching closures included."""
    return max(_news_span(programme), 2 * _gap(programme))


def stretches(entries: tuple[Entry, ...], symbol: str) -> list[Entry]:
    """The closures of a market in the order of their time, those that touch or overlap as one."""
    merged: list[Entry] = []
    for entry in sorted(_of(EntryKind.CLOSURE, entries, symbol), key=lambda one: one.starts_at):
        if merged and entry.starts_at <= merged[-1].ends_at:
            ends = max(merged[-1].ends_at, entry.ends_at)
            merged[-1] = replace(merged[-1], ends_at=ends)
        else:
            merged.append(entry)
    return merged


def _of(kind: EntryKind, entries: Sequence[Entry], symbol: str) -> list[Entry]:
    """The entries of one kind that concern a market; ValueError for anything that cannot be read."""
    if not isinstance(entries, tuple):
        # Whatever stands for "no answer" must not look like "no entries".
        raise ValueError(f"the calendar must be a tuple, was {entries!r}")
    return [entry for entry in entries if _concerns(entry, symbol) and EntryKind(entry.kind) is kind]


def _concerns(entry: Entry, symbol: str) -> bool:
    starts, ends = aware("start of a calendar entry", entry.starts_at), aware("its end", entry.ends_at)
    if ends < starts:
        raise ValueError(f"a calendar entry must not end before it starts, was {starts} to {ends}")
    if not isinstance(entry.symbols, tuple) or not all(isinstance(key, str) for key in entry.symbols):
        raise ValueError(f"the markets of a calendar entry must be a tuple of text, was {entry.symbols!r}")
    return not entry.symbols or symbol in entry.symbols


def _around(moment: datetime, entry: Entry, span: timedelta) -> bool:
    return entry.starts_at - span <= moment <= entry.ends_at + span


def _news_span(programme: Programme) -> timedelta:
    return count("minutes around news", programme.news_minutes) * MINUTE


def _gap(programme: Programme) -> timedelta:
    return count("hours of a closure", programme.gap_hours) * HOUR


def _length(span: timedelta) -> str:
    """A duration of whole minutes as ``2 min`` or ``2 h``."""
    minutes = span // MINUTE
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"


def _clock(instant: datetime, programme: Programme) -> str:
    """An instant on the programme's clock: ``Sat 26 Jul 07:00 Prague``."""
    city = programme.zone.rpartition("/")[2].replace("_", " ")
    return f"{instant.astimezone(ZoneInfo(programme.zone)):%a %d %b %H:%M} {city}"
