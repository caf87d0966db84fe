"""The words of the trading core: enumerations and frozen messages.

Scalar money, prices and lots are ``Decimal``; series are float64 arrays; instants are aware UTC
``datetime``; instants inside arrays are epoch milliseconds (int64).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np

ZERO = Decimal(0)


class Side(StrEnum):
    """The direction of a position."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short."""
        return 1 if self is Side.LONG else -1

    @property
    def opposite(self) -> Side:
        return Side.SHORT if self is Side.LONG else Side.LONG


class Tier(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Mode(StrEnum):
    """What an account may do, in rising order of consequence."""

    OBSERVE = "observe"
    PAPER = "paper"
    DEMO = "demo"
    MICRO = "micro"
    LIVE = "live"

    @property
    def rank(self) -> int:
        return list(Mode).index(self)

    @property
    def trades(self) -> bool:
        """Whether orders are made in this mode at all."""
        return self is not Mode.OBSERVE


class TradingState(StrEnum):
    """The kill switch, in rising order of strictness."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"

    @property
    def strictness(self) -> int:
        return list(TradingState).index(self)


class Level(StrEnum):
    """How much of a loss limit is used, in rising order of danger."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    LOCKED = "locked"
    BREACH = "breach"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class Action(StrEnum):
    """What an order intent does to exposure."""

    OPEN = "open"
    CLOSE = "close"
    CANCEL = "cancel"


class IntentState(StrEnum):
    """The life of an order intent; ``ALLOWED_MOVES`` holds the permitted changes."""

    PENDING = "pending"
    SENDING = "sending"
    PLACED = "placed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DENIED = "denied"
    UNKNOWN = "unknown"
    NOT_PLACED = "not_placed"

    @property
    def final(self) -> bool:
        return not ALLOWED_MOVES[self]


ALLOWED_MOVES: dict[IntentState, frozenset[IntentState]] = {
    IntentState.PENDING: frozenset({IntentState.SENDING, IntentState.EXPIRED, IntentState.DENIED}),
    IntentState.SENDING: frozenset({IntentState.PLACED, IntentState.REJECTED, IntentState.UNKNOWN}),
    IntentState.UNKNOWN: frozenset({IntentState.PLACED, IntentState.REJECTED, IntentState.NOT_PLACED}),
    IntentState.PLACED: frozenset(),
    IntentState.REJECTED: frozenset(),
    IntentState.EXPIRED: frozenset(),
    IntentState.DENIED: frozenset(),
    # A late arrival at the venue is adopted even after the search was given up.
    IntentState.NOT_PLACED: frozenset({IntentState.PLACED}),
}


class ExitReason(StrEnum):
    TARGET = "target"
    STOP = "stop"
    TIME = "time"
    STRATEGY = "strategy"
    MANUAL = "manual"
    FLATTEN = "flatten"


class DealKind(StrEnum):
    """What a deal did: a fill of an order, or money that was paid in or out."""

    FILL = "fill"
    BALANCE = "balance"


class Breach(StrEnum):
    """Which limit equity fell below; NONE while both hold."""

    NONE = ""
    DAILY = "daily"
    TOTAL = "total"


class ModelState(StrEnum):
    """Whether the model behind a draft may speak; NONE for a strategy of rules."""

    NONE = "none"
    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


def utc_from_ms(milliseconds: int) -> datetime:
    """Aware UTC datetime of an epoch in milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(milliseconds))


def ms_from_utc(instant: datetime) -> int:
    """Epoch milliseconds of an aware datetime; ValueError for a naive one."""
    if instant.tzinfo is None:
        raise ValueError(f"an aware datetime is needed, was {instant!r}")
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candles:
    """Closed bars of one market and timeframe, oldest first.

    open_ms: (T,) int64 epoch milliseconds of each bar's opening, strictly rising.
    open, high, low, close: (T,) float64 prices in quote currency.  volume: (T,) float64 base units.
    """

    open_ms: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def __len__(self) -> int:
        return int(self.open_ms.shape[0])

    def __getitem__(self, part: slice) -> Candles:
        """A slice of bars; arrays are views, nothing is copied."""
        return Candles(
            open_ms=self.open_ms[part],
            open=self.open[part],
            high=self.high[part],
            low=self.low[part],
            close=self.close[part],
            volume=self.volume[part],
        )

    @classmethod
    def empty(cls) -> Candles:
        nothing = np.empty(0, dtype=np.float64)
        return cls(
            open_ms=np.empty(0, dtype=np.int64),
            open=nothing,
            high=nothing,
            low=nothing,
            close=nothing,
            volume=nothing,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """How one market trades at one venue.

    contract_size: base units per lot.  volume_*: lots.  tick_size: price step.
    commission_rate: fraction of notional per side (0.000325 is 0.0325 %).
    spread_bp: full bid/ask spread in basis points.  slippage_bp: extra cost per market fill.
    margin_rate: margin as a fraction of notional, as the venue works it out (1 is no leverage).
    group: markets of one group are taken to fall together.  gap_buffer_bp: how far beyond its stop a fill is
    counted at least; an account's limits can only raise it.
    """

    symbol: str
    contract_size: Decimal
    volume_min: Decimal
    volume_max: Decimal
    volume_step: Decimal
    tick_size: Decimal
    commission_rate: Decimal
    spread_bp: Decimal
    slippage_bp: Decimal
    margin_rate: Decimal = Decimal(1)
    group: str = "crypto"
    gap_buffer_bp: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """A trade's plan: distances as fractions of the entry price, and the longest holding time.

    ``target`` and ``stop`` are > 0; 0.004 is 40 bp.
    """

    target: Decimal
    stop: Decimal
    cap: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a strategy says of one closed candle.

    side None means no signal, and ``reason`` is the code that says why; ``note`` is for people.
    score: raw strength in [0, 1], meaningless across strategies, None when there is no signal.
    """

    side: Side | None
    reason: str
    note: str = ""
    score: float | None = None
    bracket: Bracket | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """The realised rate of target-before-stop with its 95 % Wilson interval.

    rate, low, high are None when ``n`` is 0: unknown, never 50 %.
    """

    rate: Decimal | None
    low: Decimal | None
    high: Decimal | None
    n: int

    @property
    def known(self) -> bool:
        return self.rate is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A signal before the gate has spoken.

    entry: reference price (the judged candle's close).  stop, target: absolute prices.
    closed_at: when the judged candle closed.  expires_at: ``closed_at`` plus time to live.
    expected_value_bp: after costs, None when unknown.
    """

    symbol: str
    strategy: str
    timeframe: str
    side: Side
    entry: Decimal
    stop: Decimal
    target: Decimal
    cap: timedelta
    closed_at: datetime
    expires_at: datetime
    tier: Tier
    confidence: Confidence
    expected_value_bp: Decimal | None
    unproven: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A live position as the venue shows it; ``lots`` > 0, ``swap`` as booked so far."""

    ticket: str
    magic: int
    symbol: str
    side: Side
    lots: Decimal
    entry: Decimal
    price: Decimal
    stop: Decimal | None
    target: Decimal | None
    opened_at: datetime
    profit: Decimal = ZERO
    swap: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account as its venue shows it at ``as_of``; money in ``currency``."""

    number: str
    currency: str
    balance: Decimal
    equity: Decimal
    positions: tuple[Position, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DayStart:
    """What a prop-firm day began with; its floors follow from it.

    day: ISO date in the programme's zone.  balance: at the day's first instant, moved by money paid in or
    out since.  peak_balance: highest balance at any midnight of this period of the account's life, the
    initial one included.  proven: False when the midnight was missed and cannot be reconstructed: no
    entries then.  equity: at the day's first instant, None when nobody saw it.  peak_equity: highest
    equity seen in this period, the initial balance included, None when it was not watched.
    """

    day: str
    balance: Decimal
    peak_balance: Decimal
    proven: bool
    equity: Decimal | None = None
    peak_equity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Risk that is on its way or whose outcome is unknown; counted at its full risk."""

    symbol: str
    risk: Decimal
    unknown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a rule refused: a stable code and a sentence for people."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One gate rule's answer; ``passed`` None means not asked (an earlier rule refused)."""

    code: str
    passed: bool | None
    sentence: str
    value: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The gate's answer: approved with lots and risk, or refused with codes in rule order."""

    approved: bool
    rejections: tuple[Rejection, ...]
    checks: tuple[Check, ...]
    lots: Decimal = ZERO
    risk: Decimal = ZERO
    programme: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(r.code for r in self.rejections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How often the account acted lately, counted at the decision's instant.

    Signals count when approved.  ``last_signal_at`` and ``busy`` are of the draft's own market;
    ``busy`` names what occupies it ("position", "intent", "unknown") or is empty.
    ``messages_today`` counts every order handed to the venue on this prop-firm day, taken or not.
    """

    signals_last_hour: int
    high_last_hour: int
    open_positions: int
    last_signal_at: datetime | None
    messages_today: int
    busy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Numbers of an account's profile, already tightened by the owner's ceilings.

    risk_per_trade: fraction of initial balance.  cool_down: per market.
    max_group_risk: fraction of initial balance that positions of one direction in one group of markets may
    lose together.  max_margin_share: fraction of the free margin that an order may take.
    messages_per_day: the firm's limit.  basis_limit_bp: how far the venue's price may be from the signal's.
    Of spot and generic accounts, None where the profile has none: max_position_share: notional of one
    market as a fraction of equity.  min_order_value, max_order_value: notional in account currency.
    cash_reserve: fraction of equity that stays unspent.
    """

    risk_per_trade: Decimal
    max_positions: int
    signals_per_hour: int
    high_per_hour: int
    cool_down: timedelta
    signal_ttl: timedelta
    gap_buffer_bp: Decimal
    max_group_risk: Decimal
    max_margin_share: Decimal
    messages_per_day: int
    basis_limit_bp: Decimal
    max_position_share: Decimal | None = None
    min_order_value: Decimal | None = None
    max_order_value: Decimal | None = None
    cash_reserve: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Margin by the venue's own calculation, in account currency.

    free: what is left for new positions, orders on their way already taken off.  per_lot: what one lot of
    the draft's market takes at its entry price.
    """

    free: Decimal
    per_lot: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What is handed to a venue; ``magic`` carries the intent's number and is the only identity.

    action CLOSE names the ``ticket`` of the position, CANCEL that of the resting order.  ``stop`` is always set
    when action is OPEN.
    """

    magic: int
    action: Action
    symbol: str
    side: Side
    lots: Decimal
    stop: Decimal | None
    target: Decimal | None
    deadline: datetime
    ticket: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A venue's acceptance of an order."""

    ticket: str
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One deal as the venue booked it; ``profit`` excludes ``commission`` and ``swap`` (both ≤ 0 as costs).

    entry True opens or enlarges, False closes or reduces.  kind BALANCE is money paid in or out: ``profit``
    holds the amount, the fields of a fill say nothing.
    """

    deal: str
    ticket: str
    magic: int
    symbol: str
    side: Side
    entry: bool
    lots: Decimal
    price: Decimal
    profit: Decimal
    commission: Decimal
    swap: Decimal
    at: datetime
    reason: ExitReason | None = None
    kind: DealKind = DealKind.FILL
    details: dict[str, str] = field(default_factory=dict)
