"""A recorded market played through the same services as a live one, with ``now`` taken from the file.

Nothing here judges, decides or fills: it calls fetch, follow, scan, desk and snapshot at the cadence of
the timetable, and counts what they left in the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.core.types import Mode, utc_from_ms
from trading.feeds.replay import ReplayFeed
from trading.models import (
    Account,
    Fill,
    Market,
    OrderIntent,
    Outcome,
    RiskSnapshot,
    Scan,
    Signal,
    StrategySwitch,
    Trade,
    TradeState,
)
from trading.selectors import signals as signal_selectors
from trading.services import bootstrap, kill_switch, market_data, outcomes, risk, scan
from trading.services.desk import Desk

SOURCE = "replay"
MINUTE = timedelta(minutes=1)
LEASE_TTL = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often each step runs, in minutes of the file's time; the timetable's own intervals."""

    fetch: int = 1
    outcomes: int = 1
    scan: int = 2
    snapshot: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a replay plays on: ids of its market and its account."""

    market_id: int
    account_id: int


def prepare(*, market_key: str, strategies: Sequence[str], now: datetime) -> Stage:
    """Make the rows a replay needs in an empty database: one market, one paper account, its strategies.

    In a database where they stand already it changes nothing but which strategies are on.
    """
    source = bootstrap.Sources(real=SOURCE, symbols=(market_key,), reached=True)
    bootstrap.run(now=now, sources=source, owner=None)
    StrategySwitch.objects.exclude(name__in=strategies).update(enabled=False)
    StrategySwitch.objects.filter(name__in=strategies).update(enabled=True)
    market = Market.objects.get(key=market_key)
    account = Account.objects.get(source=SOURCE, mode=Mode.PAPER)
    return Stage(market_id=market.pk, account_id=account.pk)


def play(
    stage: Stage,
    feed: ReplayFeed,
    desk: Desk,
    *,
    cadence: Cadence,
    told: Callable[[datetime], None] = lambda _now: None,
) -> None:
    """Let the file's time pass minute by minute; ``told`` hears of every minute that has passed.

    A replay that was cut off goes on with the minute in which it ended.
    """
    fetched_to = Market.objects.values_list("fetched_to_ms", flat=True).get(pk=stage.market_id)
    now = feed.first if fetched_to is None else max(utc_from_ms(fetched_to) - MINUTE, feed.first)
    while now < feed.end:
        now += MINUTE
        _minute(stage, feed, desk, int(now.timestamp()) // 60, cadence, now=now)
        told(now)


def _minute(
    stage: Stage, feed: ReplayFeed, desk: Desk, minute: int, cadence: Cadence, *, now: datetime
) -> None:
    if minute % cadence.fetch == 0:
        market_data.fetch(market_id=stage.market_id, now=now, feed=feed)
    if minute % cadence.outcomes == 0:
        outcomes.follow_all(now=now)
    desk.tick(now=now)
    # The last minute of the file is judged even if its turn would come after the end.
    if minute % cadence.scan == 0 or now >= feed.end:
        found = scan.run(market_id=stage.market_id, now=now)
        if found.signals:
            desk.tick(now=now)
    if minute % cadence.snapshot == 0:
        risk.snapshot_all(now=now, trigger="hourly")


def new_desk(on_step: Callable[[str], None] | None = None) -> Desk:
    """A desk whose lease outlasts the minutes between two of its ticks."""
    return Desk("replay", lease_ttl=LEASE_TTL, on_step=on_step)


def figures(stage: Stage, feed: ReplayFeed, *, strategies: Sequence[str]) -> dict[str, Any]:
    """What a replay did, in numbers that depend on the file and the settings alone; money as strings."""
    account = Account.objects.get(pk=stage.account_id)
    signals = Signal.objects.filter(account=account)
    market = Market.objects.get(pk=stage.market_id)
    return {
        "market": market.key,
        "strategies": list(strategies),
        "from": feed.first.isoformat(),
        "to": feed.end.isoformat(),
        "candles": len(feed.candles),
        "judged": Scan.objects.filter(account=account).count(),
        "reasons": _counts(Scan.objects.filter(account=account).values_list("reason", flat=True)),
        "signals": {
            "approved": signals.filter(approved=True).count(),
            "refused": signals.filter(approved=False).count(),
        },
        "refusals": _counts(code for codes in signals.values_list("codes", flat=True) for code in codes),
        "intents": _counts(OrderIntent.objects.filter(account=account).values_list("state", flat=True)),
        "outcomes": _counts(Outcome.objects.values_list("state", flat=True)),
        "confidence": {name: _confidence(name, stage.market_id) for name in strategies},
        "account": _account(account),
        "trades": [_trade(trade) for trade in Trade.objects.filter(account=account).order_by("pk")],
        "switch": kill_switch.effective(account.pk).state.value,
    }


def _confidence(strategy: str, market_id: int) -> dict[str, Any]:
    found = signal_selectors.confidence_of(strategy=strategy, market_id=market_id)
    return {"rate": _text(found.rate), "low": _text(found.low), "high": _text(found.high), "n": found.n}


def _counts(words: Any) -> dict[str, int]:
    return dict(sorted(Counter(str(word) for word in words).items()))


def _text(number: Decimal | None) -> str | None:
    return (
        None if number is None else str(number.normalize() + 0) if number == 0 else f"{number.normalize():f}"
    )


def _account(account: Account) -> dict[str, Any]:
    """Money of the whole replay: costs and results from the fills, extremes from the snapshots."""
    fills = list(Fill.objects.filter(account=account).values_list("profit", "commission", "swap"))
    snapshots = list(
        RiskSnapshot.objects.filter(account=account).order_by("pk").values_list("equity", "headroom", "level")
    )
    closed = Trade.objects.filter(account=account, state=TradeState.CLOSED)
    results = [trade.profit + trade.commission + trade.swap for trade in closed]
    zero = Decimal("0.00")
    return {
        "initial": str(account.initial_balance),
        "balance": str(account.initial_balance + sum((sum(fill, zero) for fill in fills), zero)),
        "equity": str(snapshots[-1][0]) if snapshots else None,
        "lowest_equity": str(min(row[0] for row in snapshots)) if snapshots else None,
        "least_headroom": str(min(row[1] for row in snapshots)) if snapshots else None,
        "levels": _counts(row[2] for row in snapshots),
        "commission": str(sum((fill[1] for fill in fills), zero)),
        "trades_open": Trade.objects.filter(account=account, state=TradeState.OPEN).count(),
        "trades_closed": len(results),
        "won": sum(result > 0 for result in results),
        "lost": sum(result < 0 for result in results),
        "result": str(sum(results, zero)),
    }


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "side": trade.side,
        "lots": _text(trade.lots),
        "opened_at": trade.opened_at.isoformat(),
        "entry": _text(trade.entry),
        "closed_at": trade.closed_at.isoformat() if trade.closed_at else None,
        "exit": _text(trade.exit),
        "reason": trade.exit_reason or None,
        "profit": str(trade.profit),
        "commission": str(trade.commission),
    }
