"""Everything the overview shows of one account: figures of today, positions, answers, prices, tasks, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, F, Q, QuerySet, Sum

from trading.core.timeframes import TIMEFRAMES
from trading.core.types import ZERO, IntentState, Position, Side, ms_from_utc, utc_from_ms
from trading.models import (
    Account,
    Candle,
    Gap,
    Lease,
    Market,
    OrderIntent,
    RiskSnapshot,
    Scan,
    Signal,
    StrategySwitch,
    TaskHealth,
    Trade,
    TradeState,
    candle_id,
)
from trading.selectors.panel import Day

SPARK_STEP_MS = 15 * 60_000
SPARK_POINTS = 96
LOOK_BACK = 120
CURVE_POINTS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Equity and worst case at an instant, in account currency."""

    at: datetime
    equity: Decimal
    worst_case: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrade:
    """A trade that is open in our books, beside the venue's view of it where the venue shows one."""

    trade: Trade
    position: Position | None

    @property
    def result(self) -> Decimal | None:
        """Open profit with swap and the commission paid; None when the venue does not show the position."""
        if self.position is None:
            return None
        return self.position.profit + self.position.swap + Decimal(self.trade.commission)

    @property
    def result_r(self) -> Decimal | None:
        """The result in units of the risk decided at entry."""
        if self.result is None or not self.trade.risk:
            return None
        return self.result / Decimal(self.trade.risk)

    @property
    def to_stop(self) -> Decimal | None:
        """Distance from the present price to the stop, as a fraction of the price."""
        if self.position is None or self.position.stop is None:
            return None
        away = (self.position.price - self.position.stop) * Side(self.trade.side).sign
        return away / self.position.price


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedToday:
    """Trades closed since the day's start: the latest with their results after costs, how many, and the sum."""

    trades: list[tuple[Trade, Decimal]]
    count: int
    result: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What today's candles came to; ``judged`` counts slots, each with exactly one result."""

    judged: int
    signals: int
    approved: int
    orders: int
    last_order_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestAnswers:
    """The newest answer of each market and strategy, by market; and the newest of each of their other reasons."""

    newest: list[Scan]
    earlier: list[Scan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A market's newest close, when that candle closed, and the day's course at quarter hours.

    course: (quarter, close), quarters counted from 24 hours before the newest candle; missing ones
    are left out.
    """

    market: Market
    close: Decimal | None
    closed_at: datetime | None
    change: float | None
    course: list[tuple[int, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingMinutes:
    """How many minutes of the last day have no candle in one market, and since when the newest of them."""

    market: Market
    no_trades: int
    outage: int
    newest: datetime


def curve(account_id: int, *, since: datetime) -> list[CurvePoint]:
    """Equity and worst case since an instant, thinned to what a chart can show; oldest first."""
    rows = RiskSnapshot.objects.filter(account_id=account_id, at__gte=since).order_by("at")
    points = [
        CurvePoint(at=at, equity=equity, worst_case=worst)
        for at, equity, worst in rows.values_list("at", "equity", "worst_case")
    ]
    step = max(1, -(-len(points) // CURVE_POINTS))
    thinned = points[::step]
    return thinned if not points or thinned[-1] is points[-1] else [*thinned, points[-1]]


def open_trades(account_id: int, positions: Sequence[Position]) -> list[OpenTrade]:
    """Open trades in the order they were opened, each with its live position when the venue shows it."""
    live = {position.ticket: position for position in positions}
    rows = Trade.objects.filter(account_id=account_id, state=TradeState.OPEN).select_related(
        "market", "signal"
    )
    return [OpenTrade(trade=trade, position=live.get(trade.ticket)) for trade in rows.order_by("opened_at")]


def closed_since(account_id: int, *, since: datetime, limit: int) -> ClosedToday:
    """Trades closed since an instant, the newest first."""
    closed = Trade.objects.filter(account_id=account_id, state=TradeState.CLOSED, closed_at__gte=since)
    net = F("profit") + F("commission") + F("swap")
    total = closed.aggregate(count=Count("id"), result=Sum(net))
    newest = (
        closed.select_related("market", "signal").order_by("-closed_at")[:limit] if total["count"] else ()
    )
    return ClosedToday(
        trades=[(trade, trade.profit + trade.commission + trade.swap) for trade in newest],
        count=total["count"],
        result=total["result"] or ZERO,
    )


def slots_since(account: Account, *, since_ms: int) -> QuerySet[Scan]:
    """Scans of candles that opened at or after an instant, found through the slot's own index."""
    markets = list(Market.objects.filter(source=account.source).values_list("id", flat=True))
    strategies = list(StrategySwitch.objects.values_list("name", flat=True))
    return Scan.objects.filter(
        account=account,
        market_id__in=markets,
        strategy__in=strategies,
        timeframe__in=list(TIMEFRAMES),
        open_ms__gte=since_ms,
    )


def counts(account: Account, day: Day) -> Counts:
    """The day's figures of an account."""
    signals = Signal.objects.filter(account=account, judged_at__gte=day.start).aggregate(
        all=Count("id"), approved=Count("id", filter=Q(approved=True))
    )
    orders = OrderIntent.objects.filter(account=account, action="open", state=IntentState.PLACED)
    last = orders.order_by("-id").values_list("settled_at", flat=True).first()
    return Counts(
        judged=slots_since(account, since_ms=day.start_ms).count(),
        signals=signals["all"],
        approved=signals["approved"],
        orders=orders.filter(created_at__gte=day.start).count(),
        last_order_at=last,
    )


def latest_answers(account_id: int) -> LatestAnswers:
    """What the newest scans said, the same answer only once."""
    rows = Scan.objects.filter(account_id=account_id).select_related("market", "signal").order_by("-id")
    newest: dict[tuple[int, str], Scan] = {}
    others: dict[tuple[int, str, str], Scan] = {}
    for scan in rows[:LOOK_BACK]:
        first = newest.setdefault((scan.market_id, scan.strategy), scan)
        if scan.reason != first.reason:
            others.setdefault((scan.market_id, scan.strategy, scan.reason), scan)
    return LatestAnswers(
        newest=sorted(newest.values(), key=lambda scan: (scan.market.key, scan.strategy)),
        earlier=sorted(others.values(), key=lambda scan: (-scan.open_ms, scan.market.key, scan.strategy)),
    )


def prices(markets: Sequence[Market]) -> list[Price]:
    """The newest close of each market and its last day at quarter hours, read by exact opening times."""
    wanted = {m.pk: _quarters(m.newest_ms) for m in markets if m.newest_ms is not None}
    keys = [candle_id(market_id, opening) for market_id, times in wanted.items() for opening in times]
    rows = Candle.objects.filter(pk__in=keys).values_list("market_id", "open_ms", "close").order_by("open_ms")
    closes: dict[int, list[tuple[int, float]]] = {market_id: [] for market_id in wanted}
    for market_id, open_ms, close in rows:
        closes[market_id].append((open_ms, close))
    return [_price(market, closes.get(market.pk, [])) for market in markets]


def _quarters(newest_ms: int) -> list[int]:
    return [newest_ms - step * SPARK_STEP_MS for step in range(SPARK_POINTS + 1)]


def _price(market: Market, closes: list[tuple[int, float]]) -> Price:
    newest = market.newest_ms
    if newest is None or not closes or closes[-1][0] != newest:
        return Price(market=market, close=None, closed_at=None, change=None, course=[])
    first = newest - SPARK_POINTS * SPARK_STEP_MS
    last = closes[-1][1]
    whole_day = closes[0][0] == first
    return Price(
        market=market,
        close=Decimal(repr(last)),
        closed_at=utc_from_ms(newest + 60_000),
        change=last / closes[0][1] - 1 if whole_day else None,
        course=[((open_ms - first) // SPARK_STEP_MS, close) for open_ms, close in closes],
    )


def shown_markets() -> list[Market]:
    """The enabled markets, real ones first."""
    return list(Market.objects.filter(enabled=True).order_by("synthetic", "key"))


def missing_minutes(markets: Sequence[Market], *, now: datetime) -> list[MissingMinutes]:
    """Gaps that touch the last 24 hours, added up by market and cause."""
    since_ms = ms_from_utc(now - timedelta(days=1))
    by_id = {market.pk: market for market in markets}
    rows = Gap.objects.filter(market_id__in=by_id, end_ms__gt=since_ms).order_by("start_ms")
    sums: dict[int, dict[str, int]] = {}
    for gap in rows:
        minutes = (gap.end_ms - max(gap.start_ms, since_ms)) // 60_000
        one = sums.setdefault(gap.market_id, {"no_trades": 0, "outage": 0, "newest": 0})
        one[gap.kind] += minutes
        one["newest"] = max(one["newest"], gap.start_ms)
    return [
        MissingMinutes(
            market=by_id[market_id],
            no_trades=one["no_trades"],
            outage=one["outage"],
            newest=utc_from_ms(one["newest"]),
        )
        for market_id, one in sums.items()
    ]


def tasks() -> list[TaskHealth]:
    """Every task that ever ran, those in trouble first."""
    return list(TaskHealth.objects.order_by("-failures_in_a_row", "task"))


def leases() -> list[Lease]:
    """Who holds which role."""
    return list(Lease.objects.order_by("name"))


def unknown_intents(account_id: int) -> list[OrderIntent]:
    """Orders whose outcome nobody knows, oldest first."""
    rows = OrderIntent.objects.filter(account_id=account_id, state=IntentState.UNKNOWN)
    return list(rows.select_related("market", "signal").order_by("id"))
