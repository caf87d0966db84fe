"""What the templates are given: on every page, and on the overview."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from crpbot_site.panel import drawings, opens, words
from crpbot_site.panel.glance import Glance, glance
from trading.core.headroom import level_of
from trading.models import Scan
from trading.selectors import overview as reads
from trading.selectors import readiness
from trading.selectors.overview import OpenTrade, Price
from trading.selectors.risk import limits_of

CLOSED_SHOWN = 3
EARLIER_SHOWN = 3
ANSWERS_SHOWN = 12
PRICE_PROMISE = 150
SCAN_PROMISE = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One loss limit: what it is worth, the part left of it, and its gauge."""

    floor: Decimal
    whole: Decimal
    left: Decimal
    gauge: drawings.Gauge

    @property
    def share_left(self) -> Decimal:
        return self.left / self.whole


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLine:
    """An open trade with its track."""

    open: OpenTrade
    track: drawings.Track | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """A market's price with its course."""

    price: Price
    lines: list[str]


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """The state bar's figures for whoever may see them; nothing on the login page."""
    user = getattr(request, "user", None)
    if user is None or not user.is_active or not user.is_staff:
        return {}
    return {"glance": glance(request)}


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The overview's figures, added to what every page has."""
    return {**context, **figures(glance(request))}


def figures(seen: Glance) -> dict[str, Any]:
    """Everything on the overview, for the page and for its polls."""
    markets = reads.shown_markets()
    common = {
        "glance": seen,
        "prices": [_price_line(price) for price in reads.prices(markets)],
        "missing": reads.missing_minutes(markets, now=seen.now),
        "silent": [market for market in markets if market.unavailable_since is not None],
        "tasks": reads.tasks(),
        "price_promise": PRICE_PROMISE,
        "scan_promise": SCAN_PROMISE,
        "halt_in_environment": settings.CRPBOT.halt,
    }
    if seen.account is None:
        return {**common, "verdict": words.overview(seen, trades=[], counts=None, unknown=[])}
    return {**common, **_of_account(seen)}


def _of_account(seen: Glance) -> dict[str, Any]:
    account = seen.account
    if account is None:
        return {}
    trades = reads.open_trades(account.pk, seen.positions)
    counts = reads.counts(account, seen.day)
    unknown = reads.unknown_intents(account.pk)
    answers = reads.latest_answers(account.pk)
    return {
        "verdict": words.overview(seen, trades=trades, counts=counts, unknown=unknown),
        "positions": [_position_line(trade) for trade in trades],
        "closed": reads.closed_since(account.pk, since=seen.day.start, limit=CLOSED_SHOWN),
        "counts": counts,
        "unknown": unknown,
        "answers": answers.newest,
        "earlier": answers.earlier[:EARLIER_SHOWN],
        "last_judged": _last_judged(answers.newest),
        "max_positions": limits_of(account).max_positions,
        "steps": _steps(seen),
        **limits(seen),
    }


def _last_judged(answers: list[Scan]) -> Any:
    return max((scan.judged_at for scan in answers), default=None)


def _steps(seen: Glance) -> list[opens.Step]:
    """What opens trading again while the page is in danger; nothing on a calm page."""
    if not seen.danger or seen.account is None:
        return []
    return opens.steps(seen, readiness.resume_blockers(now=seen.now, account_id=seen.account.pk))


def limits(seen: Glance) -> dict[str, Any]:
    """Both loss limits with their gauges, and the day so far; nothing while the account cannot be read."""
    if seen.room is None or seen.account is None:
        return {}
    room, start = seen.room.room, seen.room.day_start.balance
    daily, total = room.daily_limit, room.total_limit
    points = reads.curve(seen.account.pk, since=seen.day.start)
    return {
        "daily": Limit(
            floor=room.daily_floor,
            whole=daily,
            left=room.to_daily,
            gauge=drawings.gauge(room, limit=daily, gone=start - room.equity, level=seen.room.level),
        ),
        "total": Limit(
            floor=room.total_floor,
            whole=total,
            left=room.to_total,
            gauge=drawings.gauge(
                room,
                limit=total,
                gone=seen.account.initial_balance - room.equity,
                level=level_of(room.used_total, breach=False),
            ),
        ),
        "today_change": room.equity - start,
        "today_share": (room.equity - start) / start,
        "chart": drawings.day_chart(points, start=seen.day.start, end=seen.day.end, room=room, balance=start),
        "points": points[-24:],
        "target": _target(seen),
    }


def _target(seen: Glance) -> Decimal | None:
    """The balance that the programme's profit target asks for; None when the phase has none."""
    if seen.account is None or seen.account.programme.profit_target is None:
        return None
    return seen.account.initial_balance * (1 + seen.account.programme.profit_target)


def _position_line(trade: OpenTrade) -> PositionLine:
    return PositionLine(open=trade, track=drawings.track(trade.position) if trade.position else None)


def _price_line(price: Price) -> PriceLine:
    return PriceLine(price=price, lines=drawings.spark(price.course, steps=reads.SPARK_POINTS))
