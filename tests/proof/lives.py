"""Random lives of an account under the guard, near its limits, with the second opinion beside every decision.

A life is a list of events: prices move (through stops, with gaps inside the buffer), midnights pass, orders are asked
for and filled, their outcome stays unknown for a while, money is paid out. Half of the lives begin within 1 % of a
limit or of one of the guard's own lines. Everything follows from the seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction as F

from tests.proof import oracle
from trading.core import gate
from trading.core.levels import Latch
from trading.core.programme import PROFILES, DailyBasis, DailyReference, Programme, TotalLossMode
from trading.core.types import (
    AccountView,
    Confidence,
    DayStart,
    Decision,
    Draft,
    Instrument,
    Limits,
    Margin,
    Mode,
    ModelState,
    Pending,
    Position,
    Side,
    Tier,
    TradingState,
    Usage,
)

D = Decimal
CENT = D("0.01")
EVENTS = (30, 50)
INITIAL = D(100_000)
HUNDRED = D(10_000)
# How far a refused order must have been from every line before the refusal counts as wrong: rounding up to the
# cent of each position and commission.
SLACK = F(2, 10_000)
GUARDED = frozenset({"level", "headroom", "would_lock", "below_minimum"})

SPECS = {
    "BTC": Instrument(
        symbol="BTC",
        contract_size=D(1),
        volume_min=D("0.01"),
        volume_max=D(5),
        volume_step=D("0.01"),
        tick_size=D("0.01"),
        commission_rate=D("0.000325"),
        spread_bp=D("2.5"),
        slippage_bp=D("0.5"),
    ),
    "ETH": Instrument(
        symbol="ETH",
        contract_size=D(10),
        volume_min=D("0.01"),
        volume_max=D(50),
        volume_step=D("0.01"),
        tick_size=D("0.01"),
        commission_rate=D("0.000325"),
        spread_bp=D(4),
        slippage_bp=D(1),
    ),
    "SOL": Instrument(
        symbol="SOL",
        contract_size=D(100),
        volume_min=D("0.1"),
        volume_max=D(100),
        volume_step=D("0.1"),
        tick_size=D("0.001"),
        commission_rate=D("0.0005"),
        spread_bp=D(8),
        slippage_bp=D(2),
        gap_buffer_bp=D(40),
    ),
    "ADA": Instrument(
        symbol="ADA",
        contract_size=D(1000),
        volume_min=D(1),
        volume_max=D(1000),
        volume_step=D(1),
        tick_size=D("0.0001"),
        commission_rate=D("0.0002"),
        spread_bp=D(10),
        slippage_bp=D(3),
    ),
}
PRICES = {"BTC": D("61234.56"), "ETH": D("3012.34"), "SOL": D("148.321"), "ADA": D("0.4512")}
PROVEN = Confidence(rate=D("0.8"), low=D("0.7"), high=D("0.9"), n=100)


@dataclass(slots=True)
class Tally:
    """What the lives of a run came to; ``unsafe`` tells of each order that should not have been let through."""

    lives: int = 0
    events: int = 0
    near: int = 0
    asked: int = 0
    approved: int = 0
    safe: int = 0
    denied: int = 0
    unsafe: list[str] = field(default_factory=list)
    denials: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)


def frac(number: Decimal) -> F:
    return F(number)


def last_sunday(year: int, month: int) -> date:
    """Both months of the European change of clocks have 31 days."""
    last = date(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def prague_offset(instant: datetime) -> timedelta:
    """Central European time by the rule itself: summer from the last Sunday of March to that of October, 01:00 UTC."""
    start = datetime.combine(last_sunday(instant.year, 3), datetime.min.time(), UTC) + timedelta(hours=1)
    end = datetime.combine(last_sunday(instant.year, 10), datetime.min.time(), UTC) + timedelta(hours=1)
    return timedelta(hours=2 if start <= instant < end else 1)


def next_midnight(instant: datetime) -> datetime:
    """The first instant of the next day in Prague."""
    wall = instant + prague_offset(instant)
    target = datetime.combine(wall.date() + timedelta(days=1), datetime.min.time(), UTC)
    found = target - prague_offset(instant)
    return target - prague_offset(found) if prague_offset(found) != prague_offset(instant) else found


def to_tick(price: Decimal, spec: Instrument, rounding: str) -> Decimal:
    return (price / spec.tick_size).to_integral_value(rounding) * spec.tick_size


@dataclass(slots=True)
class Open:
    """A position of the life; ``price`` is what the venue shows."""

    symbol: str
    side: Side
    lots: Decimal
    entry: Decimal
    stop: Decimal
    price: Decimal

    def profit(self) -> Decimal:
        spec = SPECS[self.symbol]
        gross = (self.price - self.entry) * self.side.sign * self.lots * spec.contract_size
        return gross.quantize(CENT, rounding=ROUND_HALF_UP)

    def held(self) -> oracle.Held:
        return oracle.Held(
            spec=spec_of(self.symbol),
            sign=self.side.sign,
            lots=frac(self.lots),
            entry=frac(self.entry),
            price=frac(self.price),
            stop=frac(self.stop),
        )


def spec_of(symbol: str) -> oracle.Spec:
    spec = SPECS[symbol]
    return oracle.Spec(
        contract=frac(spec.contract_size),
        tick=frac(spec.tick_size),
        rate=frac(spec.commission_rate),
        spread_bp=frac(spec.spread_bp),
        slip_bp=frac(spec.slippage_bp),
        gap_bp=frac(spec.gap_buffer_bp),
    )


def programme_of(chance: random.Random) -> Programme:
    """One of the profiles, or a generic one with every switch thrown at random."""
    if chance.random() < 0.5:
        return chance.choice(PROFILES)
    base = next(one for one in PROFILES if one.name == "generic")
    fields = {name: getattr(base, name) for name in base.__slots__}
    fields.update(
        daily_loss=D(chance.choice(("0.03", "0.04", "0.05", "0.1"))),
        total_loss=D(chance.choice(("0.06", "0.08", "0.1", "0.12"))),
        total_loss_mode=chance.choice(list(TotalLossMode)),
        daily_basis=chance.choice(list(DailyBasis)),
        daily_reference=chance.choice(list(DailyReference)),
        daily_counts_open=chance.random() < 0.5,
    )
    return Programme(**fields)


class Life:
    """One account from its first event to its last."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.programme = programme_of(self.chance)
        self.rules = oracle.Rules(
            daily=frac(self.programme.daily_loss),
            total=frac(self.programme.total_loss),
            mode=self.programme.total_loss_mode.value,
            basis=self.programme.daily_basis.value,
            reference=self.programme.daily_reference.value,
            counts_open=self.programme.daily_counts_open,
        )
        self.buffer = D(self.chance.choice((0, 10, 25, 100)))
        self.share = D(self.chance.randint(5, 300)) / HUNDRED
        self.prices = dict(PRICES)
        self.open: list[Open] = []
        self.waiting: list[tuple[Open, Decimal, bool]] = []
        days = self.chance.randint(0, 364)
        minute = timedelta(minutes=self.chance.randint(0, 1439))
        self.now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days) + minute
        self.midnight = next_midnight(self.now)
        self.balance = INITIAL
        self.day = oracle.Day(frac(INITIAL), frac(INITIAL), frac(INITIAL), frac(INITIAL))
        self.near = seed % 2 == 0
        self._begin()

    def _begin(self) -> None:
        """A balance near a limit or a line of the guard, or anywhere."""
        start = INITIAL + D(self.chance.randint(-500, 900)) * 10
        peak = max(start, INITIAL) + D(self.chance.choice((0, 0, 1500)))
        equity = start + D(self.chance.choice((0, 0, 800, -700)))
        self.day = oracle.Day(
            frac(start), frac(equity), frac(peak), frac(max(peak, equity) + D(self.chance.choice((0, 400))))
        )
        self.balance = start
        if not self.near:
            self.balance += D(self.chance.randint(-200_000, 300_000)) * CENT
            return
        floor_day, floor_all = oracle.floors(self.day, frac(INITIAL), self.rules)
        of_day, of_all = oracle.limits(self.day, frac(INITIAL), self.rules)
        floor, limit = self.chance.choice(((floor_day, of_day), (floor_all, of_all)))
        line = self.chance.choice((F(0), F(2, 10), F(3, 10), F(5, 10)))
        off = F(self.chance.randint(-100, 100), 10_000)
        wanted = floor + limit * (line + (abs(off) if line == 0 else off))
        self.balance = max(D(int(wanted * 100)) * CENT, D(1000))

    # -- what the venue would show ------------------------------------------------------------

    def equity(self) -> Decimal:
        return self.balance + sum((one.profit() for one in self.open), D(0))

    def view(self) -> AccountView:
        positions = tuple(
            Position(
                ticket=str(number),
                magic=number,
                symbol=one.symbol,
                side=one.side,
                lots=one.lots,
                entry=one.entry,
                price=one.price,
                stop=one.stop,
                target=None,
                opened_at=self.now,
                profit=one.profit(),
            )
            for number, one in enumerate(self.open, start=1)
        )
        return AccountView(
            number="1",
            currency="USD",
            balance=self.balance,
            equity=self.equity(),
            positions=positions,
            as_of=self.now,
        )

    def day_start(self) -> DayStart:
        def money(amount: F) -> Decimal:
            return D(amount.numerator) / D(amount.denominator)

        return DayStart(
            day=str((self.now + prague_offset(self.now)).date()),
            balance=money(self.day.balance),
            peak_balance=money(self.day.peak_balance),
            proven=True,
            equity=money(self.day.equity),
            peak_equity=money(self.day.peak_equity),
        )

    # -- events -------------------------------------------------------------------------------

    def live(self, tally: Tally) -> None:
        """Let all events pass; the tally is what came of them."""
        count = self.chance.randint(*EVENTS)
        for _ in range(count):
            self._wait()
            dice = self.chance.random()
            if dice < 0.45:
                self._move()
            elif dice < 0.9:
                self._ask(tally)
            elif dice < 0.97:
                self._settle()
            else:
                self._pay_out()
            if self.balance < 1000 or self.equity() < 0:
                self._rescue()
            self.day.peak_equity = max(self.day.peak_equity, frac(self.equity()))
        tally.lives += 1
        tally.events += count
        tally.near += self.near

    def _wait(self) -> None:
        """Minutes or hours pass, often to just before midnight; each midnight begins a day."""
        jump = self.chance.choice((1, 5, 30, 240))
        left = (self.midnight - self.now) // timedelta(minutes=1)
        if self.chance.random() < 0.1 and left > 61:
            jump = left - self.chance.randint(58, 61)
        self.now += timedelta(minutes=jump)
        while self.now >= self.midnight:
            equity, balance = frac(self.equity()), frac(self.balance)
            peak_balance = max(self.day.peak_balance, balance)
            self.day = oracle.Day(balance, equity, peak_balance, max(self.day.peak_equity, equity))
            self.midnight = next_midnight(self.midnight)

    def _move(self) -> None:
        for symbol, price in self.prices.items():
            wide = self.chance.choice((10, 30, 100))
            moved = price * (1 + D(self.chance.randint(-wide, wide)) / HUNDRED)
            self.prices[symbol] = to_tick(moved, SPECS[symbol], ROUND_FLOOR)
        for one in list(self.open):
            one.price = self._shown(one)
            if (one.price - one.stop) * one.side.sign <= 0:
                self._stop_out(one)

    def _shown(self, one: Open) -> Decimal:
        """The price at which the position could be closed now."""
        spec = SPECS[one.symbol]
        off = 1 - one.side.sign * spec.spread_bp / 2 / HUNDRED
        long = one.side is Side.LONG
        return to_tick(self.prices[one.symbol] * off, spec, ROUND_FLOOR if long else ROUND_CEILING)

    def _stop_out(self, one: Open) -> None:
        spec = SPECS[one.symbol]
        gap = D(self.chance.randint(0, 100)) / 100 * max(self.buffer, spec.gap_buffer_bp)
        worse = (spec.spread_bp / 2 + spec.slippage_bp + gap) / HUNDRED
        self._close(one, one.stop * (1 - one.side.sign * worse))

    def _close(self, one: Open, price: Decimal) -> None:
        spec = SPECS[one.symbol]
        one.price = to_tick(price, spec, ROUND_FLOOR if one.side is Side.LONG else ROUND_CEILING)
        self.open.remove(one)
        self.balance += one.profit() - self._commission(one, one.price)

    def _commission(self, one: Open, price: Decimal) -> Decimal:
        spec = SPECS[one.symbol]
        raw = price * one.lots * spec.contract_size * spec.commission_rate
        return raw.quantize(CENT, rounding=ROUND_HALF_UP)

    def _settle(self) -> None:
        """An order of unknown outcome turns up at the venue, or never left."""
        if not self.waiting:
            return
        one, _risk, _unknown = self.waiting.pop(0)
        if self.chance.random() < 0.7:
            self._fill(one)

    def _fill(self, one: Open) -> None:
        one.price = self._shown(one)
        if (one.price - one.stop) * one.side.sign <= 0:
            return
        self.open.append(one)
        self.balance -= self._commission(one, one.entry)

    def _pay_out(self) -> None:
        """What was earned leaves the account while nothing is open; the day's start moves with it."""
        earned = self.balance - INITIAL
        if self.open or self.waiting or earned <= 0:
            return
        self.balance -= earned
        start = frac(INITIAL)
        self.day = oracle.Day(max(self.day.balance - frac(earned), F(1)), start, start, start)
        self.day.equity = self.day.balance

    def _rescue(self) -> None:
        """An account that is all but empty is a new one; its life goes on."""
        self.open.clear()
        self.waiting.clear()
        self.balance = INITIAL
        start = frac(INITIAL)
        self.day = oracle.Day(start, start, start, start)

    # -- the question -------------------------------------------------------------------------

    def _ask(self, tally: Tally) -> None:
        taken = {one.symbol for one in self.open} | {one.symbol for one, _, _ in self.waiting}
        free = [symbol for symbol in SPECS if symbol not in taken]
        if not free:
            self._close(self.open[0], self.open[0].price) if self.open else self._settle()
            return
        draft = self._draft(self.chance.choice(free))
        decision = gate.decide(self._input(draft))
        found = self._room()
        tally.asked += 1
        for code in decision.codes:
            tally.codes[code] = tally.codes.get(code, 0) + 1
        if decision.approved:
            tally.approved += 1
            order = self._order(draft, decision.lots)
            if why := oracle.verdict(found, order, frac(self.buffer)):
                tally.unsafe.append(f"seed {self.seed}: {self.programme.name}, {draft.symbol}: {why}")
        must = self._must_pass(draft, found)
        tally.safe += must
        if must and not decision.approved:
            tally.denied += 1
            tally.denials.append(f"seed {self.seed}: {decision.rejections[0].sentence}")
        if decision.approved:
            self._take(draft, decision)

    def _take(self, draft: Draft, decision: Decision) -> None:
        spec = SPECS[draft.symbol]
        worse = 1 + draft.side.sign * (spec.spread_bp / 2 + spec.slippage_bp) / HUNDRED
        long = draft.side is Side.LONG
        entry = to_tick(draft.entry * worse, spec, ROUND_CEILING if long else ROUND_FLOOR)
        one = Open(draft.symbol, draft.side, decision.lots, entry, draft.stop, entry)
        if self.chance.random() < 0.25:
            self.waiting.append((one, decision.risk, self.chance.random() < 0.5))
        else:
            self._fill(one)

    def _draft(self, symbol: str) -> Draft:
        spec, price = SPECS[symbol], self.prices[symbol]
        side = self.chance.choice((Side.LONG, Side.SHORT))
        distance = D(self.chance.randint(10, 300)) / HUNDRED
        stop = to_tick(price * (1 - side.sign * distance), spec, ROUND_FLOOR)
        target = to_tick(price * (1 + side.sign * distance), spec, ROUND_CEILING)
        return Draft(
            symbol=symbol,
            strategy="s",
            timeframe="1m",
            side=side,
            entry=price,
            stop=stop if stop != price else price - side.sign * spec.tick_size,
            target=target if target != price else price + side.sign * spec.tick_size,
            cap=timedelta(hours=4),
            closed_at=self.now,
            expires_at=self.now + timedelta(seconds=90),
            tier=Tier.HIGH,
            confidence=PROVEN,
            expected_value_bp=D(10),
            unproven=False,
        )

    def _input(self, draft: Draft) -> gate.GateInput:
        """Every rule that is not about losses is given what lets it pass."""
        return gate.GateInput(
            draft=draft,
            number="1",
            currency="USD",
            account=self.view(),
            day=self.day_start(),
            initial=INITIAL,
            programme=self.programme,
            instrument=SPECS[draft.symbol],
            instruments=SPECS,
            usage=Usage(
                signals_last_hour=0, high_last_hour=0, open_positions=0, last_signal_at=None, messages_today=0
            ),
            limits=Limits(
                risk_per_trade=self.share,
                max_positions=10,
                signals_per_hour=10,
                high_per_hour=10,
                cool_down=timedelta(0),
                signal_ttl=timedelta(seconds=90),
                gap_buffer_bp=self.buffer,
                max_group_risk=D(1),
                max_margin_share=D(1),
                messages_per_day=2000,
                basis_limit_bp=D(10),
            ),
            state=TradingState.ACTIVE,
            mode=Mode.PAPER,
            is_synthetic=False,
            window_has_gap=False,
            now=self.now,
            pending=tuple(
                Pending(symbol=one.symbol, risk=risk, unknown=unknown) for one, risk, unknown in self.waiting
            ),
            latch=Latch(),
            margin=Margin(free=D(10**12), per_lot=D(1)),
            calendar=(),
            basis_bp=D(0),
            model=ModelState.NONE,
            model_reason="",
        )

    def _room(self) -> oracle.Room:
        return oracle.room(
            balance=frac(self.balance),
            equity=frac(self.equity()),
            held=[one.held() for one in self.open],
            on_the_way=sum((frac(risk) for _, risk, _ in self.waiting), F(0)),
            day=self.day,
            initial=frac(INITIAL),
            rules=self.rules,
            buffer_bp=frac(self.buffer),
            minutes_left=(self.midnight - self.now) // timedelta(minutes=1),
        )

    def _order(self, draft: Draft, lots: Decimal) -> oracle.Order:
        return oracle.Order(
            spec=spec_of(draft.symbol),
            sign=draft.side.sign,
            lots=frac(lots),
            entry=frac(draft.entry),
            stop=frac(draft.stop),
        )

    def _must_pass(self, draft: Draft, found: oracle.Room) -> bool:
        """Whether some size that the rules provide is safe by more than rounding."""
        used = found.used()
        if used >= oracle.NO_NEW_RISK - SLACK:
            return False
        spec = SPECS[draft.symbol]
        one_lot = oracle.order_loss(self._order(draft, D(1)), frac(self.buffer))
        step = frac(spec.volume_step)
        for factor in (F(1), F(1, 2)) if used < oracle.HALF_SIZE - SLACK else (F(1, 2),):
            money = frac(self.share) * frac(INITIAL) * factor
            lots = min(int(money / one_lot / step) * step, frac(spec.volume_max))
            loss = one_lot * lots
            if lots - step < frac(spec.volume_min):
                return False
            if found.used(loss) < oracle.LOCK - SLACK:
                return found.worst - loss > found.floor() + SLACK * found.daily_limit
        return False


def run(seeds: range) -> Tally:
    """Live every seed's life."""
    tally = Tally()
    for seed in seeds:
        Life(seed).live(tally)
    return tally
