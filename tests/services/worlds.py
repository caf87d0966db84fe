"""Small worlds for the services: accounts and markets as the bootstrap makes them, candles, scripted strategies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from django.contrib.auth.models import User

from tests.candles import MINUTE_MS, Row, make_candles
from trading import candle_store
from trading.core.types import (
    Action,
    Bracket,
    Candles,
    IntentState,
    Judgement,
    OrderRequest,
    Placed,
    Side,
    Tier,
    TradingState,
    ms_from_utc,
    utc_from_ms,
)
from trading.models import (
    Account,
    AccountPeriod,
    KillSwitch,
    Market,
    OrderIntent,
    Outcome,
    Signal,
    StrategySwitch,
)
from trading.services import bootstrap, kill_switch, life
from trading.venues.base import VenueUnavailable, VenueUnknownOutcome
from trading.venues.paper import PaperVenue
from trading.venues.paper_book import MemoryBook

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@dataclass
class Scripted:
    """A strategy that says what it was told to say: a side by the candle's opening, or on every candle.

    failing: openings at which it breaks.  asked: the openings it was asked about, in order.
    """

    name: str = "scripted"
    title: str = "Scripted"
    timeframe: str = "1m"
    stride_minutes: int = 1
    warm_up: int = 1
    sides: Mapping[int, Side] = field(default_factory=dict)
    always: Side | None = None
    failing: frozenset[int] = frozenset()
    cap: timedelta = timedelta(hours=1)
    asked: list[int] = field(default_factory=list)

    def judge(self, candles: Candles) -> Judgement:
        open_ms = int(candles.open_ms[-1])
        self.asked.append(open_ms)
        if open_ms in self.failing:
            raise ZeroDivisionError("told to fail")
        side = self.sides.get(open_ms, self.always)
        if side is None:
            return Judgement(side=None, reason="inside_range", note="nothing to say")
        bracket = Bracket(target=D("0.02"), stop=D("0.02"), cap=self.cap)
        return Judgement(side=side, reason="breakout", note="told to speak", score=0.5, bracket=bracket)


@dataclass(frozen=True)
class World:
    """One account with its markets, opened by the first start."""

    account: Account
    markets: dict[str, Market]

    @property
    def market(self) -> Market:
        return next(iter(self.markets.values()))


def make_world(*, now: datetime = NOW, symbols: tuple[str, ...] = ("BTC-USD",)) -> World:
    """What the first start makes: a paper account that is ACTIVE, its markets, and no strategy switched on."""
    if not KillSwitch.objects.filter(account=None).exists():
        # A flushed database has lost the row that the migration made.
        KillSwitch.objects.create(
            account=None,
            state=TradingState.HALTED,
            reason="fresh installation",
            changed_by=kill_switch.FRESH,
            changed_at=now,
        )
    sources = bootstrap.Sources(real="replay", symbols=symbols, reached=True)
    bootstrap.run(now=now, sources=sources, owner=None)
    StrategySwitch.objects.update(enabled=False)
    account = Account.objects.select_related("programme__profile").get(source="replay")
    return World(account=account, markets={market.key: market for market in Market.objects.order_by("pk")})


def second_account(first: Account, *, name: str = "Second", **changes: Any) -> Account:
    """Another account of the same source and programme, opened."""
    account = Account.objects.select_related("programme__profile").get(pk=first.pk)
    account.pk, account.name, account.number = None, name, name.lower()
    for key, value in changes.items():
        setattr(account, key, value)
    return open_account(account)


def open_account(account: Account) -> Account:
    """Store an account that is not stored yet, as the first start does: period, latch and switch."""
    account.save(force_insert=True)
    now = account.created_at
    life.begin_period(account, began_by="opened", opening_balance=account.initial_balance, now=now)
    kill_switch.add_account(account_id=account.pk, now=now)
    kill_switch.open_fresh(now=now, account_id=account.pk)
    return account


def born(account: Account, at: datetime) -> Account:
    """Move the birth of an account that has seen no day yet, and with it the beginning of its first period."""
    Account.objects.filter(pk=account.pk).update(created_at=at)
    AccountPeriod.objects.filter(account=account).update(began_at=at)
    account.refresh_from_db()
    return account


def make_superuser(name: str = "ada") -> User:
    return User.objects.create(username=name, is_staff=True, is_superuser=True)


def switch_on(*names: str) -> None:
    for name in names:
        StrategySwitch.objects.update_or_create(name=name, defaults={"enabled": True})


def store(market: Market, rows: Iterable[Row], *, start: datetime, now: datetime | None = None) -> Candles:
    """Put bars into the store as a fetch does, one a minute from ``start``; what is left out was asked for too."""
    listed = list(rows)
    candles = make_candles(listed, start_ms=ms_from_utc(start))
    end = start + len(listed) * MINUTE
    if len(candles):
        candle_store.append(market.pk, candles, now=now or end)
    candle_store.mark_complete(market.pk, from_ms=ms_from_utc(start), to_ms=ms_from_utc(end), now=now or end)
    return candles


def make_signal(world: World, *, now: datetime = NOW, market: Market | None = None, **changes: Any) -> Signal:
    """An approved long at 100 with a bracket of 2, judged at ``now`` on the last candle, and its outcome."""
    closed = now.replace(second=0, microsecond=0)
    values: dict[str, Any] = {
        "account": world.account,
        "market": market or world.market,
        "strategy": "scripted",
        "timeframe": "1m",
        "open_ms": ms_from_utc(closed) - MINUTE_MS,
        "closed_at": closed,
        "judged_at": now,
        "expires_at": closed + timedelta(seconds=90),
        "side": Side.LONG,
        "entry": D(100),
        "stop": D(98),
        "target": D(102),
        "cap_seconds": 3600,
        "tier": Tier.LOW,
        "approved": True,
        "lots": D("0.01"),
        "risk": D("0.04"),
        "programme": world.account.programme,
    }
    signal = Signal.objects.create(**{**values, **changes})
    Outcome.objects.create(
        signal=signal,
        market=signal.market,
        strategy=signal.strategy,
        seen_to_ms=ms_from_utc(signal.closed_at),
    )
    return signal


def make_intent(
    world: World, *, now: datetime = NOW, signal: Signal | None = None, **changes: Any
) -> OrderIntent:
    """The intent to open what an approved signal asks for."""
    wish = signal or make_signal(world, now=now)
    values: dict[str, Any] = {
        "account": wish.account,
        "market": wish.market,
        "signal": wish,
        "action": Action.OPEN,
        "reason": "signal",
        "side": wish.side,
        "lots": wish.lots,
        "stop": wish.stop,
        "target": wish.target,
        "risk": wish.risk,
        "created_at": now,
        "expires_at": wish.expires_at,
    }
    return OrderIntent.objects.create(**{**values, **changes})


def make_close(world: World, *, ticket: str, now: datetime = NOW, **changes: Any) -> OrderIntent:
    """The intent to close a long position."""
    values: dict[str, Any] = {
        "account": world.account,
        "market": world.market,
        "action": Action.CLOSE,
        "reason": "time",
        "side": Side.SHORT,
        "lots": D("0.01"),
        "ticket": ticket,
        "created_at": now,
        "expires_at": now + timedelta(seconds=60),
    }
    return OrderIntent.objects.create(**{**values, **changes})


def state_of(intent: OrderIntent) -> IntentState:
    return IntentState(OrderIntent.objects.get(pk=intent.pk).state)


# -- a broker that misbehaves -----------------------------------------------------------------


class Broker:
    """A paper venue on a book of its own, told how to treat the next order.

    mood: "lost" takes the order and its answer never comes; "vanished" does not take it and no answer
    comes; "late" is lost, and the order arrives when ``land`` is called; "away" cannot be reached by
    orders; "down" cannot be reached at all; "" behaves.  sent: every order that a desk handed over.
    """

    def __init__(self, world: World) -> None:
        self.book = MemoryBook()
        self.mood = ""
        self.sent: list[OrderRequest] = []
        self.under_way: list[tuple[OrderRequest, int]] = []
        self._instruments = {key: market.instrument() for key, market in world.markets.items()}

    def venue_for(self, account: Account) -> PaperVenue:
        """Stands where ``services.paper.venue_for`` stood."""
        return Moody(
            self,
            number=account.number,
            currency=account.currency,
            initial_balance=account.initial_balance,
            instruments=self._instruments,
            book=self.book,
        )

    def orders(self) -> list[int]:
        """The numbers of all orders in the book, oldest first."""
        return [entry.magic for entry in self.book.entries if entry.kind == "order"]

    def land(self, account: Account, *, now: datetime) -> None:
        """Let what was under way arrive; whoever reads the book afterwards finds it."""
        for request, fencing in self.under_way:
            plain = self.venue_for(account)
            PaperVenue.send(plain, request, fencing=fencing, now=now)
        self.under_way = []


class Moody(PaperVenue):
    def __init__(self, broker: Broker, **given: Any) -> None:
        super().__init__(**given)
        self._broker = broker

    def send(self, request: OrderRequest, *, fencing: int, now: datetime) -> Placed:
        broker = self._broker
        broker.sent.append(request)
        if broker.mood == "away":
            raise VenueUnavailable("no route to the broker")
        if broker.mood == "vanished":
            raise VenueUnknownOutcome("no answer in time")
        if broker.mood == "broken":
            raise ConnectionResetError("the line broke")
        if broker.mood == "late":
            broker.under_way.append((request, fencing))
            raise VenueUnknownOutcome("no answer in time")
        placed = super().send(request, fencing=fencing, now=now)
        if broker.mood == "lost":
            raise VenueUnknownOutcome("no answer in time")
        return placed

    def view(self, *, now: datetime) -> Any:
        if self._broker.mood == "down":
            raise VenueUnavailable("no route to the broker")
        return super().view(now=now)


def minutes_from(start: datetime, count: int) -> list[int]:
    """The openings of ``count`` minutes, epoch ms."""
    return [ms_from_utc(start) + number * MINUTE_MS for number in range(count)]


def minute(open_ms: int) -> str:
    """An opening as a person reads it."""
    return f"{utc_from_ms(open_ms):%H:%M}"
