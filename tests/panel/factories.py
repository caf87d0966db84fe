"""Rows for the panel: one busy day of a paper account, built from the real bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Permission, User

from crpbot_site import schedule
from trading.core import gate
from trading.core.types import Mode, Position, Side, TradingState, ms_from_utc
from trading.models import (
    Account,
    AccountDay,
    Candle,
    DeskStatus,
    Fill,
    Gap,
    KillSwitch,
    Lease,
    Market,
    Order,
    OrderIntent,
    Outcome,
    RiskSnapshot,
    Scan,
    Signal,
    TaskHealth,
    TaskRun,
    Trade,
    candle_id,
)
from trading.selectors.risk import position_body
from trading.services import bootstrap, kill_switch

D = Decimal
PASSWORD = "a password for tests only"
STARTS = {"BTC-USD": 91_840.0, "ETH-USD": 3_110.0, "SOL-USD": 141.0, "TEST-USD": 100.0}
RULES = [rule.code for rule in gate.RULES]


@dataclass(frozen=True)
class World:
    """What a test asks for by name."""

    account: Account
    markets: dict[str, Market]
    owner: User
    now: datetime


def make_world(*, now: datetime | None = None, synthetic: bool = False) -> World:
    """An opened paper account with markets, a live desk, and nothing traded yet."""
    at = now or datetime.now(UTC)
    # A database that was emptied has lost the row that the migration made.
    fresh = {
        "state": "halted",
        "reason": "fresh installation",
        "changed_by": kill_switch.FRESH,
        "changed_at": at,
    }
    KillSwitch.objects.get_or_create(account=None, defaults=fresh)
    symbols = ("BTC-USD", "ETH-USD", "SOL-USD")
    sources = bootstrap.Sources(real="coinbase", symbols=symbols, reached=not synthetic, why="")
    bootstrap.run(
        now=at - timedelta(days=2), sources=sources, owner=bootstrap.Owner(name="owner", password=PASSWORD)
    )
    account = Account.objects.get(synthetic=synthetic)
    markets = {m.key: m for m in Market.objects.all()}
    make_day(account, now=at)
    make_desk(account, now=at)
    return World(account=account, markets=markets, owner=User.objects.get(username="owner"), now=at)


def make_day(account: Account, *, now: datetime, balance: str = "101240.00") -> AccountDay:
    """The proven balance at the prop-firm day's start."""
    day = account.programme.clock.day(now)
    return AccountDay.objects.create(
        account=account,
        period=account.periods.get(ended_at=None),
        day=day,
        balance=D(balance),
        peak_balance=D(balance),
        equity=D(balance),
        proven=True,
        how="seen",
        recorded_at=now,
    )


def make_desk(
    account: Account,
    *,
    now: datetime,
    positions: tuple[Position, ...] = (),
    balance: str = "101240.00",
    equity: str = "101240.00",
    ready: bool = True,
) -> DeskStatus:
    """The venue's last view; replaces an earlier one."""
    values = {
        "ready": ready,
        "reason": "" if ready else "the venue does not answer",
        "reconciled_at": now,
        "seen_at": now,
        "balance": D(balance),
        "equity": D(equity),
        "positions": [position_body(position) for position in positions],
    }
    return DeskStatus.objects.update_or_create(account=account, defaults=values)[0]


def make_person(name: str, *rights: str, superuser: bool = False) -> User:
    """A member of the staff with the rights named, such as change_killswitch."""
    person = User.objects.create_user(name, password=PASSWORD, is_staff=True, is_superuser=superuser)
    person.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return person


def make_candles(market: Market, *, now: datetime, minutes: int = 1560, gap: range = range(0)) -> None:
    """Closed minutes up to now along a quiet wave; the minutes of ``gap`` (counted back) are left out."""
    newest = ms_from_utc(now) // 60_000 * 60_000 - 60_000
    start = STARTS[market.key]
    rows = []
    for back in range(minutes, -1, -1):
        if back in gap:
            continue
        turn = (minutes - back) / 90 + len(market.symbol) * 0.1 + market.pk * 2.1
        close = start * (
            1 + 0.006 * math.sin(turn) + 0.002 * math.sin(turn * 7.3) + 0.0006 * math.sin(turn * 41)
        )
        rows.append(
            Candle(
                id=candle_id(market.pk, newest - back * 60_000),
                market=market,
                open_ms=newest - back * 60_000,
                open=close,
                high=close * 1.0004,
                low=close * 0.9996,
                close=round(close, 2),
                volume=1.5,
            )
        )
    Candle.objects.bulk_create(rows)
    Market.objects.filter(pk=market.pk).update(newest_ms=newest, fetched_to_ms=newest + 60_000)


def make_checks(refused: str | None = None) -> list[dict[str, object]]:
    """The answers of every rule in order; those after the refusing one were not asked."""
    checks: list[dict[str, object]] = []
    stopped = False
    for code in RULES:
        passed: bool | None = None if stopped else code != refused
        sentence = gate.NOT_ASKED if stopped else f"{gate.CODES[code]} answers with a sentence."
        checks.append({"code": code, "passed": passed, "sentence": sentence, "value": "3", "limit": "10"})
        stopped = stopped or code == refused
    return checks


def make_signal(
    account: Account,
    market: Market,
    *,
    at: datetime,
    side: Side = Side.LONG,
    refused: str | None = None,
    strategy: str = "momentum",
) -> Signal:
    """A judged signal, approved unless a rule is named."""
    entry = D(str(STARTS[market.key]))
    away = entry * D("0.012") * side.sign
    closed = at.replace(second=0, microsecond=0)
    signal = Signal.objects.create(
        account=account,
        market=market,
        strategy=strategy,
        timeframe="1m",
        open_ms=ms_from_utc(closed) - 60_000,
        closed_at=closed,
        judged_at=closed + timedelta(seconds=4),
        expires_at=closed + timedelta(seconds=90),
        side=side,
        entry=entry,
        stop=entry - away,
        target=entry + away,
        cap_seconds=6 * 3600,
        tier="medium" if strategy == "momentum" else "low",
        confidence=D("0.72"),
        confidence_low=D("0.57"),
        confidence_high=D("0.84"),
        confidence_n=40,
        expected_value_bp=D("2.4"),
        unproven=True,
        synthetic=market.synthetic,
        approved=refused is None,
        codes=[] if refused is None else [refused],
        checks=make_checks(refused),
        lots=D("0.37") if refused is None else D(0),
        risk=D("496.67") if refused is None else D(0),
        programme=account.programme,
    )
    make_scan(account, market, at=at, strategy=strategy, signal=signal)
    return signal


def make_scan(
    account: Account,
    market: Market,
    *,
    at: datetime,
    strategy: str = "momentum",
    reason: str = "inside_range",
    note: str = "",
    signal: Signal | None = None,
) -> Scan:
    """The one answer of one slot."""
    closed = at.replace(second=0, microsecond=0)
    return Scan.objects.create(
        account=account,
        market=market,
        strategy=strategy,
        timeframe="1m",
        open_ms=ms_from_utc(closed) - 60_000,
        judged_at=closed + timedelta(seconds=4),
        reason="signal" if signal else reason,
        note=note,
        signal=signal,
    )


def make_intent(signal: Signal, *, state: str = "placed", risk: str = "496.67") -> OrderIntent:
    """The entry order of a signal."""
    at = signal.judged_at
    return OrderIntent.objects.create(
        account=signal.account,
        market=signal.market,
        signal=signal,
        action="open",
        reason="signal",
        side=signal.side,
        lots=D("0.37"),
        stop=signal.stop,
        target=signal.target,
        risk=D(risk),
        state=state,
        created_at=at,
        expires_at=at + timedelta(seconds=60),
        claimed_at=at + timedelta(milliseconds=500),
        settled_at=at + timedelta(seconds=1),
    )


def make_trade(signal: Signal, *, ticket: str, net: str | None = None, reason: str = "target") -> Trade:
    """The trade of a signal with its order and first fill; closed when a result is given."""
    intent = make_intent(signal)
    at = signal.judged_at + timedelta(seconds=1)
    Order.objects.create(
        intent=intent, account=signal.account, market=signal.market, ticket=ticket, placed_at=at, closed_at=at
    )
    closed = {} if net is None else _closed(signal, net=net, reason=reason, at=at)
    trade = Trade.objects.create(
        account=signal.account,
        market=signal.market,
        signal=signal,
        ticket=ticket,
        side=signal.side,
        lots=D("0.37"),
        entry=signal.entry,
        stop=signal.stop,
        target=signal.target,
        opened_at=at,
        commission=D("-11.04"),
        risk=D("496.67"),
        synthetic=signal.synthetic,
        **closed,
    )
    Fill.objects.create(
        account=signal.account,
        market=signal.market,
        trade=trade,
        deal=f"d-{ticket}",
        ticket=ticket,
        entry=True,
        side=signal.side,
        lots=D("0.37"),
        price=signal.entry,
        profit=D(0),
        commission=D("-11.04"),
        swap=D(0),
        at=at,
        booked_at=at,
    )
    return trade


def _closed(signal: Signal, *, net: str, reason: str, at: datetime) -> dict[str, object]:
    price = signal.target if reason == "target" else signal.stop
    return {
        "state": "closed",
        "exit": price,
        "closed_at": at + timedelta(minutes=25),
        "closed_lots": D("0.37"),
        "exit_reason": reason,
        "profit": D(net),
    }


def make_position(trade: Trade, *, move: str = "0.003") -> Position:
    """The venue's view of an open trade whose price has moved by a fraction of its entry."""
    price = (trade.entry * (1 + D(move))).quantize(D("0.01"))
    gain = (price - trade.entry) * Side(trade.side).sign * trade.lots * trade.market.contract_size
    return Position(
        ticket=trade.ticket,
        magic=1,
        symbol=trade.market.key,
        side=Side(trade.side),
        lots=trade.lots,
        entry=trade.entry,
        price=price,
        stop=trade.stop,
        target=trade.target,
        opened_at=trade.opened_at,
        profit=gain.quantize(D("0.01")),
    )


def make_snapshot(
    account: Account,
    *,
    at: datetime,
    equity: str,
    level: str = "green",
    worst: str = "99863.06",
    used_total: str = "0.014",
) -> RiskSnapshot:
    """The account's risk at an instant."""
    return RiskSnapshot.objects.create(
        account=account,
        at=at,
        trigger="change",
        mode=Mode.PAPER,
        state=TradingState.ACTIVE,
        balance=D("101240.00"),
        equity=D(equity),
        day=at.date(),
        day_start_balance=D("101240.00"),
        daily_floor=D("96240.00"),
        total_floor=D("90000.00"),
        next_floor=D("95890.84"),
        worst_case=D(worst),
        pending_risk=D(0),
        unknown_risk=D(0),
        headroom=D("3623.06"),
        used_daily=D("0.275"),
        used_total=D(used_total),
        level=level,
        open_positions=2,
        programme=account.programme,
        synthetic=account.synthetic,
    )


def make_busy_day(world: World) -> World:
    """Signals, trades, refusals, prices, tasks and a gap, as a day leaves them."""
    account, now = world.account, world.now
    shown = [m for m in world.markets.values() if m.source == account.source]
    for index, market in enumerate(shown):
        make_candles(market, now=now, gap=range(300, 309) if index == 2 else range(0))
    _answers(account, shown, now=now)
    opened = make_trade(make_signal(account, shown[0], at=now - timedelta(minutes=71)), ticket="48811207")
    positions = [make_position(opened)]
    if len(shown) > 1:
        short = make_signal(account, shown[1], at=now - timedelta(minutes=27), side=Side.SHORT)
        positions.append(make_position(make_trade(short, ticket="48811209"), move="0.0011"))
        won = make_signal(account, shown[1], at=now - timedelta(minutes=61), strategy="mean_reversion")
        make_trade(won, ticket="48811203", net="171.12")
        Gap.objects.create(
            market=shown[2],
            start_ms=ms_from_utc(now) // 60_000 * 60_000 - 309 * 60_000,
            end_ms=ms_from_utc(now) // 60_000 * 60_000 - 300 * 60_000,
            kind="outage",
            found_at=now,
        )
        _outcome(make_signal(account, shown[2], at=now - timedelta(minutes=41), refused="cool_down"))
    _course(account, now=now)
    balance = D("101389.08")
    equity = balance + sum((p.profit for p in positions), D(0))
    make_desk(account, now=now, positions=tuple(positions), balance=str(balance), equity=str(equity))
    _tasks(now=now)
    return world


_ASKED = {
    "inside_range": "momentum",
    "against_trend": "momentum",
    "no_excess": "mean_reversion",
    "volatility_too_low": "mean_reversion",
}


def _answers(account: Account, markets: list[Market], *, now: datetime) -> None:
    reasons = ("inside_range", "no_excess", "volatility_too_low", "against_trend")
    for back in range(50, 0, -1):
        for index, market in enumerate(markets):
            at = now - timedelta(minutes=2 * back)
            reason = reasons[(back + index) % 4]
            note = "It moved 3.1 bp, 9.0 bp of costs." if reason == "volatility_too_low" else ""
            make_scan(account, market, at=at, strategy=_ASKED[reason], reason=reason, note=note)


def _outcome(signal: Signal) -> None:
    Outcome.objects.create(
        signal=signal,
        market=signal.market,
        strategy=signal.strategy,
        state="target",
        seen_to_ms=signal.open_ms + 35 * 60_000,
        entry=signal.entry,
        entered_ms=signal.open_ms + 60_000,
        exit=signal.target,
        resolved_at=signal.judged_at + timedelta(minutes=33),
        net_bp=D("110.4"),
    )


def _course(account: Account, *, now: datetime) -> None:
    for step in range(48):
        at = now - timedelta(minutes=6 * (48 - step))
        equity = D("101240.00") + D(str(round(160 * math.sin(step / 6) + 40 * math.sin(step * 1.7), 2)))
        make_snapshot(
            account, at=at, equity=str(equity), worst=str(equity - (D("520") if step > 14 else D(0)) - 400)
        )


def _tasks(*, now: datetime) -> None:
    schedule.sync()
    for name, age in (
        ("fetch_candles", 31),
        ("scan", 64),
        ("follow_outcomes", 40),
        ("snapshot_risk", 900),
        ("abandon_runs", 300),
    ):
        at = now - timedelta(seconds=age)
        TaskHealth.objects.create(task=f"trading.{name}", last_success_at=at)
        TaskRun.objects.create(
            task=f"trading.{name}",
            run_id=f"run-{name}",
            queue="scan",
            state="done",
            started_at=at,
            finished_at=at,
        )
    Lease.objects.create(
        name="desk", owner="attic:4711", fencing=3, expires_at=now + timedelta(seconds=12), renewed_at=now
    )


def keep_fresh(account: Account) -> None:
    """Let the desk have seen the account just now, as it does every few seconds."""
    DeskStatus.objects.filter(account=account).update(
        seen_at=datetime.now(UTC), reconciled_at=datetime.now(UTC)
    )


def halted() -> bool:
    """Whether the global switch stands at HALTED."""
    return KillSwitch.objects.get(account=None).state == TradingState.HALTED
