"""What the Risk page is given: the day, the rules, the locks, midnight, days and the runaway stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from crpbot_site.panel import context, drawings_pass, risk_bars, risk_chart, risk_rules, risk_words
from crpbot_site.panel.figures import coin
from crpbot_site.panel.glance import Glance
from crpbot_site.panel.words import span
from trading.core import calendar as calendar_rules
from trading.core.calendar import Entry, EntryKind
from trading.core.midnight import MidnightAction, Plan
from trading.core.midnight import plan as plan_midnight
from trading.core.pass_probability import estimate
from trading.core.programme import Programme
from trading.core.runaway import Counters, RunawayLimits
from trading.core.types import ZERO
from trading.models import Account, AccountPeriod
from trading.selectors import calendar, progress, risk, risk_book, risk_page, runaway, signals
from trading.selectors.risk import HeadroomNow
from trading.services.decisions import PAPER

POINTS_LISTED = 48
AHEAD = timedelta(days=7)
_ACTIONS = {
    MidnightAction.WARN: "It only warns",
    MidnightAction.REDUCE: "It closes as many positions as needed, {minutes} minutes before 00:00",
    MidnightAction.FLATTEN: "It closes everything {minutes} minutes before 00:00",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Midnight:
    """The coming midnight: floors, what is left at the stops, and what the desk will do; money."""

    floor: Decimal
    next_floor: Decimal
    left: Decimal
    floating: Decimal
    state: str
    sentence: str
    setting: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One number of the runaway stop beside its limit."""

    title: str
    value: str
    limit: str
    near: bool


def figures(seen: Glance) -> dict[str, Any]:
    """Everything on the Risk page that is polled."""
    if seen.account is None:
        return {"glance": seen, "verdict": risk_words.verdict(seen, [])}
    account, period = seen.account, risk_page.open_period(seen.account.pk)
    row, flatten = risk_page.risk_row(account.pk), risk_page.last_flatten(account.pk)
    locks = risk_words.locks(seen, row, flatten)
    begun = account.created_at if period is None else period.began_at
    near = risk_page.near_days(account.pk, since=begun)
    return {
        **context.limits(seen),
        **_day(seen, period),
        **_numbers(seen),
        "glance": seen,
        "verdict": risk_words.verdict(seen, locks),
        "locks": locks,
        "stories": risk_page.stories(account, since=begun),
        "near_days": near,
        "near": risk_bars.near_bars(near),
        "days": [] if period is None else risk_page.days(period),
        "day_number": None if period is None else risk_page.day_number(period, _today(seen, account)),
        "runaway": _runaway(account, seen),
        **_progress(account, seen),
        "gap_buffer": f"{risk.limits_of(account).gap_buffer_bp.normalize():f}",
    }


def _today(seen: Glance, account: Account) -> date:
    return account.programme.clock.day(seen.now)


def _day(seen: Glance, period: AccountPeriod | None) -> dict[str, Any]:
    """The day chart, wide and narrow; nothing while the account cannot be read."""
    since = risk_page.day_since(seen.day, period)
    if seen.room is None or seen.account is None:
        return {"charts": [], "day_from": since, "newest_points": []}
    points = risk_page.course(seen.account.pk, since=since, until=seen.day.end)
    marks = risk_page.marks(seen.account.pk, since=since, until=seen.day.end)
    charts = [
        risk_chart.draw(
            frame,
            points,
            day=seen.day,
            now=seen.now,
            room=seen.room.room,
            balance=seen.room.day_start.balance,
            since=since,
            marks=marks,
        )
        for frame in (risk_chart.DESKTOP, risk_chart.PHONE)
    ]
    return {"charts": charts, "day_from": since, "newest_points": points[: -POINTS_LISTED - 1 : -1]}


def _numbers(seen: Glance) -> dict[str, Any]:
    """The rules with their values, and the coming midnight."""
    if seen.room is None or seen.account is None:
        return {"rules": [], "midnight": None}
    account, now = seen.account, seen.room
    return {"rules": _rules(seen, account, now), "midnight": _midnight(seen, account, now)}


def _rules(seen: Glance, account: Account, now: HeadroomNow) -> list[risk_rules.RuleNow]:
    """The rules with a present value; the gate works them out from the same rows with the same functions."""
    programme, limits = risk.programme_of(account), risk.limits_of(account)
    instruments, pending = risk.instruments_of(account), risk.pending_of(account.pk)
    market = risk_page.market_of(account)
    if market is None:
        return risk_rules.losses(now.room, programme)
    # Of any market: what is read here are the account's own counts.
    usage = signals.usage_of(
        account.pk, market=market, now=seen.now, day_start=seen.day.start, pending=pending
    )
    coming = signals.coming_of(account.pk) if pending else ()
    group = risk_book.worst_group(now.positions, pending, instruments, gap_buffer_bp=limits.gap_buffer_bp)
    paper = account.venue == PAPER
    return [
        *risk_rules.losses(now.room, programme),
        risk_rules.risk_a_trade(now.level, limits),
        risk_rules.positions(usage, limits, [coin(p.symbol) for p in now.positions], len(pending)),
        risk_rules.group(group, limits.max_group_risk * account.initial_balance),
        risk_rules.margin(
            risk_book.margin_taken(now.positions, coming, instruments),
            now.room.equity,
            limits.max_margin_share,
        ),
        risk_rules.hourly(usage, limits),
        risk_rules.messages(usage, limits),
        risk_rules.basis(ZERO if paper else None, limits, paper=paper),
        *_calendar(programme, list(instruments), seen.now),
        risk_rules.midnight(now.room),
    ]


def _calendar(programme: Programme, symbols: list[str], now: datetime) -> list[risk_rules.RuleNow]:
    """What the calendar refuses now, else what is next of each kind within a week."""
    entries = calendar.entries_for(programme, now=now, ahead=AHEAD)
    kinds = (
        ("calendar_news", "News window", EntryKind.NEWS, calendar_rules.news, programme.news_minutes > 0),
        ("calendar_closure", "Venue closed", EntryKind.CLOSURE, calendar_rules.closure, True),
        ("maintenance", "Maintenance", EntryKind.MAINTENANCE, calendar_rules.maintenance, True),
    )
    found = []
    for code, title, kind, question, applies in kinds:
        answers = [question(entries, symbol, programme, now) for symbol in symbols]
        answer = next((one for one in answers if not one.passed), answers[0] if answers else None)
        if answer is None:
            continue
        following = [e for e in entries if e.kind is kind and e.starts_at > now and _matters(e, symbols)]
        soonest = min(following, key=lambda one: one.starts_at, default=None)
        found.append(
            risk_rules.calendar(
                code,
                title,
                answer,
                applies=applies,
                coming="" if soonest is None else _coming(soonest),
                value="none in a week"
                if soonest is None
                else f"in {span((soonest.starts_at - now).total_seconds())}",
            )
        )
    return found


def _matters(entry: Entry, symbols: list[str]) -> bool:
    return not entry.symbols or any(symbol in entry.symbols for symbol in symbols)


def _coming(entry: Entry) -> str:
    """An announced stretch in words: ``Exchange upgrade, Sat 21 Nov 07:00 to 11:00``."""
    starts, ends = timezone.localtime(entry.starts_at), timezone.localtime(entry.ends_at)
    until = (
        ""
        if ends == starts
        else f" to {ends:%H:%M}"
        if ends.date() == starts.date()
        else f" to {ends:%a %H:%M}"
    )
    return f"{entry.title}, {starts:%a} {starts.day} {starts:%b %H:%M}{until}"


def _midnight(seen: Glance, account: Account, now: HeadroomNow) -> Midnight:
    rule = risk_rules.midnight(now.room)
    state = {"pass": "safe", "caution": "warn"}.get(rule.state, "no")
    sentence = f"{rule.text[:1].upper()}{rule.text[1:]}."
    plan = _plan(seen, account, now)
    if plan is not None and plan.due:
        state, sentence = "warn" if plan.action is MidnightAction.WARN else "no", plan.sentence
    action = MidnightAction(account.midnight_action)
    setting = _ACTIONS[action].format(minutes=account.midnight_minutes)
    return Midnight(
        floor=max(now.room.daily_floor, now.room.total_floor),
        next_floor=now.room.next_floor,
        left=risk_rules.left_at_midnight(now.room),
        floating=now.room.equity - now.balance,
        state=state,
        sentence=sentence,
        setting=f"{setting}, if the floating loss would break the coming floor.",
    )


def _plan(seen: Glance, account: Account, now: HeadroomNow) -> Plan | None:
    """What the desk will do before this midnight, as it works it out itself; None before the last hour."""
    view = risk.view_of(account) if seen.near_midnight else None
    if view is None:
        return None
    return plan_midnight(
        room=now.room,
        view=view,
        day=now.day_start,
        initial=account.initial_balance,
        programme=risk.programme_of(account),
        instruments=risk.instruments_of(account),
        limits=risk.limits_of(account),
        action=MidnightAction(account.midnight_action),
        act_minutes=account.midnight_minutes,
        now=seen.now,
    )


def _progress(account: Account, seen: Glance) -> dict[str, Any]:
    """Where the account stands in its phase; an error is said, never a number."""
    try:
        found = progress.progress_of(account, now=seen.now)
    except (ValueError, ArithmeticError, LookupError) as error:
        return {"progress": None, "progress_error": _sentence(error)}
    floor = account.initial_balance * (1 - account.programme.total_loss)
    if seen.room is not None:
        floor = seen.room.room.total_floor
    way = risk_bars.way(balance=found.balance, initial=found.initial, floor=floor, target=found.target)
    return {"progress": found, "way": way}


def chances(seen: Glance) -> dict[str, Any]:
    """How likely the account passes: many drawn futures, about a second the first time."""
    if seen.account is None:
        return {}
    try:
        found = progress.chances_of(seen.account, now=seen.now)
    except (ValueError, ArithmeticError, LookupError) as error:
        return {"chances_error": _sentence(error)}
    rows = [
        (one.words, drawings_pass.interval(one.share, one.low, one.high), estimate(one))
        for one in found.outcomes
    ]
    return {"chances": found, "outcomes": rows, "curve": drawings_pass.risk_chart(found)}


def _sentence(error: Exception) -> str:
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _runaway(account: Account, seen: Glance) -> list[Counted]:
    found, limits = runaway.counters_of(account, now=seen.now), account.runaway_limits()
    return _counted(found, runaway.losses_of(account), limits)


def _counted(found: Counters, losses: int, limits: RunawayLimits) -> list[Counted]:
    pairs: list[tuple[str, Decimal, Decimal]] = [
        ("Orders, last minute", Decimal(found.orders_minute), Decimal(limits.orders_per_minute)),
        ("Orders, last hour", Decimal(found.orders_hour), Decimal(limits.orders_per_hour)),
        ("Orders today", Decimal(found.orders_day), Decimal(limits.orders_per_day)),
        ("Lots today", found.lots_day, limits.lots_per_day),
        ("Messages today", Decimal(found.messages_day), Decimal(limits.messages_per_day)),
        ("Losses in a row", Decimal(losses), Decimal(limits.losses_in_row)),
    ]
    return [
        Counted(title=title, value=_plain(used), limit=_plain(most), near=used >= most * risk_rules.NEAR)
        for title, used, most in pairs
    ]


def _plain(number: Decimal) -> str:
    """A count or a volume without idle zeros, with thousands."""
    whole = number == number.to_integral_value()
    return f"{number:,.0f}" if whole else f"{number.normalize():,f}"
