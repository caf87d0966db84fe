"""The one headroom number: what may still be lost before a floor is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from trading.core.costs import commission, stop_fill
from trading.core.guards import CENT, aware, finite, flag, not_negative, positive
from trading.core.programme import Programme, breached, daily_floor, total_floor
from trading.core.timeframes import next_midnight
from trading.core.types import (
    ZERO,
    AccountView,
    DayStart,
    Instrument,
    Level,
    Limits,
    Pending,
    Position,
    Side,
)

AMBER_FROM = Decimal("0.50")
RED_FROM = Decimal("0.70")
LOCKED_FROM = Decimal("0.80")


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """What may still be lost, and how it is made up; money in account currency.

    worst_case: equity after every open position is closed at its stop with costs, and every order on
    its way or of unknown outcome has lost its full risk.  at_stops: the part of that fall which open
    positions cause.  to_daily, to_total: from the worst case to each floor, 0 when it is reached.
    headroom: the smaller of them.  daily_limit, total_limit: the whole of each limit.
    used_daily, used_total: fraction of each limit used at the worst case, 0 while nothing is lost,
    above 1 beyond the floor.  gone_daily: already lost since the day's start.
    next_daily_floor: the daily floor from the coming midnight if nothing closes before.
    naked: tickets of positions without a stop; they leave no headroom.
    """

    daily_floor: Decimal
    total_floor: Decimal
    floor: Decimal
    next_daily_floor: Decimal
    equity: Decimal
    worst_case: Decimal
    at_stops: Decimal
    pending_risk: Decimal
    unknown_risk: Decimal
    to_daily: Decimal
    to_total: Decimal
    headroom: Decimal
    daily_limit: Decimal
    total_limit: Decimal
    used_daily: Decimal
    used_total: Decimal
    gone_daily: Decimal
    level: Level
    minutes_to_reset: int
    naked: tuple[str, ...] = ()

    @property
    def used(self) -> Decimal:
        """The larger fraction used of the two limits."""
        return max(self.used_daily, self.used_total)

    def used_after(self, risk: Decimal) -> Decimal:
        """The larger fraction used of the two limits if ``risk`` more were lost at the worst case."""
        worst = self.worst_case - not_negative("risk", risk)
        daily = _used(self.daily_floor + self.daily_limit, worst, self.daily_limit)
        return max(daily, _used(self.total_floor + self.total_limit, worst, self.total_limit))


def headroom(
    *,
    account: AccountView,
    day: DayStart,
    initial: Decimal,
    programme: Programme,
    instruments: Mapping[str, Instrument],
    pending: Sequence[Pending],
    limits: Limits,
    now: datetime,
) -> Headroom:
    """Work out the headroom of an account.

    instruments: by position symbol.  pending: orders on their way, counted at full risk.
    A position without a stop may lose everything: worst case 0, nothing left.
    Raises ValueError when any number is not finite or out of its range, or a position's market is not
    among ``instruments``: an account that cannot be read has no headroom number.
    Source: docs/risk_rules.md#headroom.
    """
    equity = not_negative("equity", account.equity)
    balance = positive("balance", account.balance)
    to_day = daily_floor(day.balance, initial, programme)
    to_end = total_floor(initial, programme)
    if not isinstance(account.positions, tuple):
        # Whatever stands for "no answer" must not look like "no positions".
        raise ValueError(f"positions must be a tuple, was {account.positions!r}")
    naked = tuple(p.ticket for p in account.positions if p.stop is None)
    at_stops = sum((_at_stop(p, instruments, limits) for p in account.positions), ZERO)
    known, unknown = _pending(pending, lost=False), _pending(pending, lost=True)
    worst = equity - at_stops - known - unknown
    if naked:
        worst = min(worst, ZERO)
        at_stops = equity
    daily_limit, total_limit = day.balance - to_day, initial - to_end
    used_daily = _used(day.balance, worst, daily_limit)
    used_total = _used(initial, worst, total_limit)
    floor = max(to_day, to_end)
    return Headroom(
        daily_floor=to_day,
        total_floor=to_end,
        floor=floor,
        next_daily_floor=daily_floor(balance, initial, programme),
        equity=equity,
        worst_case=worst,
        at_stops=at_stops,
        pending_risk=known,
        unknown_risk=unknown,
        to_daily=max(worst - to_day, ZERO),
        to_total=max(worst - to_end, ZERO),
        headroom=max(worst - floor, ZERO),
        daily_limit=daily_limit,
        total_limit=total_limit,
        used_daily=used_daily,
        used_total=used_total,
        gone_daily=max(day.balance - equity, ZERO),
        level=level_of(max(used_daily, used_total), breach=breached(equity, floor)),
        minutes_to_reset=_minutes(aware("now", now), programme.zone),
        naked=naked,
    )


def level_of(used: Decimal, *, breach: bool) -> Level:
    """The level at a fraction of a limit used: 50 % half size, 70 % no new risk, 80 % locked.

    Source: docs/risk_rules.md#level.
    """
    share = finite("used part of the limit", used)
    if breach:
        return Level.BREACH
    if share >= LOCKED_FROM:
        return Level.LOCKED
    if share >= RED_FROM:
        return Level.RED
    return Level.AMBER if share >= AMBER_FROM else Level.GREEN


def _at_stop(position: Position, instruments: Mapping[str, Instrument], limits: Limits) -> Decimal:
    """How much further equity falls when this position is closed at its stop, at least 0."""
    if position.stop is None:
        return ZERO
    instrument = instruments.get(position.symbol)
    if instrument is None:
        raise ValueError(f"no instrument is known for the open position in {position.symbol}")
    side = Side(position.side)
    price, stop = positive("price", position.price), positive("stop", position.stop)
    # A stop that the price has already passed fills at the price, not at the stop.
    base = min(price, stop) if side is Side.LONG else max(price, stop)
    fill = stop_fill(side, base, instrument, limits.gap_buffer_bp)
    lots = positive("lots", position.lots)
    exposure = lots * positive("contract size", instrument.contract_size) * side.sign
    by_profit = finite("profit", position.profit) - (fill - positive("entry", position.entry)) * exposure
    by_price = (price - fill) * exposure
    finite("swap", position.swap)
    loss = max(by_profit, by_price, ZERO) + commission(lots, fill, instrument)
    return loss.quantize(CENT, rounding=ROUND_CEILING)


def _pending(pending: Sequence[Pending], *, lost: bool) -> Decimal:
    risks = [(flag("unknown outcome", p.unknown), not_negative("risk on its way", p.risk)) for p in pending]
    return sum((risk for unknown, risk in risks if unknown is lost), ZERO)


def _used(start: Decimal, worst: Decimal, limit: Decimal) -> Decimal:
    return max((start - worst) / limit, ZERO)


def _minutes(now: datetime, zone: str) -> int:
    return int((next_midnight(now, zone) - now).total_seconds() // 60)
