"""The one headroom number: what may still be lost before a floor is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from trading.core.costs import commission, stop_fill
from trading.core.guards import CENT, aware, finite, flag, not_negative, positive
from trading.core.programme import (
    Programme,
    begin_day,
    breach_of,
    daily_floor,
    daily_limit,
    effective_floor,
    total_floor,
    total_limit,
)
from trading.core.types import (
    ZERO,
    AccountView,
    Breach,
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
# So long before midnight the floor that will apply counts as well.
LAST_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """What may still be lost, and how it is made up; money in account currency.

    daily_floor, total_floor: as they hold now.  next_floor: the higher of both as it will hold from the coming
    midnight if nothing closes before.  floor: the highest that counts now, the coming one included during
    the last hour of the day.  worst_case: equity after every open position is closed at its stop with costs,
    and every order on its way or of unknown outcome has lost its full risk.  at_stops: the part of that fall
    which open positions cause.  to_daily, to_total: from the worst case to each floor, 0 when it is reached.
    headroom: from the worst case to ``floor``, 0 when it is reached.  daily_limit, total_limit: the whole of
    each limit.  used_daily, used_total: fraction of each limit used at the worst case, 0 while nothing is
    lost, above 1 beyond the floor.  used_equity: the larger fraction that equity itself has used.
    gone_daily: already lost since the day's start.  breach: the limit that equity has broken.
    naked: tickets of positions without a stop; they leave no headroom.
    """

    daily_floor: Decimal
    total_floor: Decimal
    next_floor: Decimal
    floor: Decimal
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
    used_equity: Decimal
    gone_daily: Decimal
    breach: Breach
    level: Level
    minutes_to_reset: int
    naked: tuple[str, ...] = ()

    @property
    def used(self) -> Decimal:
        """The larger fraction used of the two limits."""
        return max(self.used_daily, self.used_total)

    @property
    def used_daily_at_stops(self) -> Decimal:
        """Fraction of the daily limit used with open positions at their stops, no order counted."""
        return _used(self.daily_floor, self._at_stops_only, self.daily_limit)

    @property
    def used_total_at_stops(self) -> Decimal:
        """Fraction of the total limit used with open positions at their stops, no order counted."""
        return _used(self.total_floor, self._at_stops_only, self.total_limit)

    @property
    def _at_stops_only(self) -> Decimal:
        return self.worst_case + self.pending_risk + self.unknown_risk

    def used_after(self, risk: Decimal) -> Decimal:
        """The larger fraction used of the two limits if ``risk`` more were lost at the worst case."""
        worst = self.worst_case - not_negative("risk", risk)
        daily = _used(self.daily_floor, worst, self.daily_limit)
        return max(daily, _used(self.total_floor, worst, self.total_limit))


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
    if not isinstance(account.positions, tuple):
        # Whatever stands for "no answer" must not look like "no positions".
        raise ValueError(f"positions must be a tuple, was {account.positions!r}")
    seen = _with_peak(day, equity) if programme.watches_peak else day
    to_day, to_end = daily_floor(seen, initial, programme), total_floor(seen, initial, programme)
    coming = effective_floor(
        begin_day(seen, day=seen.day, balance=balance, equity=equity), initial, programme
    )
    minutes = _minutes(aware("now", now), programme)
    floor = max(to_day, to_end, coming) if minutes <= LAST_MINUTES else max(to_day, to_end)
    naked = tuple(p.ticket for p in account.positions if p.stop is None)
    at_stops = sum((_at_stop(p, instruments, limits) for p in account.positions), ZERO)
    known, unknown = _pending(pending, lost=False), _pending(pending, lost=True)
    worst = equity - at_stops - known - unknown
    if naked:
        worst = min(worst, ZERO)
        at_stops = equity
    of_day, of_all = daily_limit(seen, initial, programme), total_limit(initial, programme)
    used_daily, used_total = _used(to_day, worst, of_day), _used(to_end, worst, of_all)
    breach = breach_of(balance=balance, equity=equity, day=seen, initial=initial, programme=programme)
    return Headroom(
        daily_floor=to_day,
        total_floor=to_end,
        next_floor=coming,
        floor=floor,
        equity=equity,
        worst_case=worst,
        at_stops=at_stops,
        pending_risk=known,
        unknown_risk=unknown,
        to_daily=max(worst - to_day, ZERO),
        to_total=max(worst - to_end, ZERO),
        headroom=max(worst - floor, ZERO),
        daily_limit=of_day,
        total_limit=of_all,
        used_daily=used_daily,
        used_total=used_total,
        used_equity=max(_used(to_day, equity, of_day), _used(to_end, equity, of_all)),
        gone_daily=max(to_day + of_day - equity, ZERO),
        breach=breach,
        level=level_of(max(used_daily, used_total), breach=bool(breach)),
        minutes_to_reset=minutes,
        naked=naked,
    )


def _with_peak(day: DayStart, equity: Decimal) -> DayStart:
    """The day with the equity of this instant counted as a peak; an unknown peak stays unknown."""
    return day if day.peak_equity is None else replace(day, peak_equity=max(day.peak_equity, equity))


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


def _used(floor: Decimal, worst: Decimal, limit: Decimal) -> Decimal:
    return max(1 - (worst - floor) / limit, ZERO)


def _minutes(now: datetime, programme: Programme) -> int:
    return int((programme.clock.next_reset(now) - now).total_seconds() // 60)
