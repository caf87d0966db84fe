"""A clock that is set, or stands still, halts before anything more is sent, and no slot is lost or judged twice.

The wall clock is set by one second, two minutes, an hour or a day, forwards or back, or stands still, at twenty points
of a stretch in which something is sent every second.
"""

import contextlib
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import transaction

from tests.candles import MINUTE_MS, make_candles
from tests.services.worlds import NOW, SECOND, Broker, Scripted, World, make_close, make_world, minutes_from
from trading.core.types import Candles, Side, TradingState, ms_from_utc
from trading.feeds.base import Fetched
from trading.feeds.paging import conclude, floor_minute, nothing, window
from trading.feeds.validation import Sifted
from trading.models import Event, KillSwitch, Lease, Market, Scan, Signal
from trading.services import clock, kill_switch, market_data, paper, reconcile, scan
from trading.services.desk import Desk
from trading.venues.paper_book import MemoryBook

pytestmark = [pytest.mark.proof, pytest.mark.django_db, pytest.mark.timeout(300)]

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
POINTS = range(20)
FROZEN = "frozen"
SHIFTS: dict[str, timedelta | None] = {
    f"{sign}{name}": (1 if sign == "+" else -1) * span
    for name, span in (("1s", SECOND), ("2min", 120 * SECOND), ("1h", HOUR), ("1d", DAY))
    for sign in "+-"
} | {FROZEN: None}


@dataclass
class Clocks:
    """A wall clock that can be set or stopped, and a monotonic one that cannot."""

    true: float = 0.0
    offset: timedelta = timedelta(0)
    stopped: datetime | None = None

    def wall(self) -> datetime:
        return self.stopped or NOW + self.true * SECOND + self.offset

    def monotonic(self) -> float:
        return 5000.0 + self.true

    def fault(self, shift: timedelta | None) -> None:
        if shift is None:
            self.stopped = self.wall()
        else:
            self.offset += shift

    def repair(self) -> None:
        self.offset, self.stopped = timedelta(0), None

    @property
    def moved(self) -> timedelta:
        return self.wall() - NOW - self.true * SECOND


# -- the watch by itself ----------------------------------------------------------------------


def test_the_watch_measures_from_where_it_first_looked() -> None:
    clocks = Clocks()
    watch = clock.Watch(clocks.monotonic)
    assert watch.moved(clocks.wall()) == timedelta(0)
    clocks.true += 1e6
    assert watch.moved(clocks.wall()) == timedelta(0)
    for step in (1.5, 0.5):
        clocks.offset += step * SECOND
    assert watch.moved(clocks.wall()) == 2 * SECOND
    assert watch.steady(clocks.wall())
    clocks.offset += timedelta(microseconds=1)
    assert not watch.steady(clocks.wall())
    watch.accept(clocks.wall())
    assert watch.moved(clocks.wall()) == timedelta(0)


def test_small_steps_add_up(world: World) -> None:
    clocks = Clocks()
    watch = clock.Watch(clocks.monotonic)
    for _ in range(4):
        clocks.true += 1
        assert clock.check(watch, now=clocks.wall()) == ""
        clocks.offset += timedelta(seconds=0.6)
    found = clock.check(watch, now=clocks.wall())
    assert found == "the machine's clock was set ahead by 2.4 s, or stood still"
    assert kill_switch.effective().state is TradingState.HALTED
    assert kill_switch.effective(world.account.pk).reason == f"{found} (clock)"


def test_a_stall_is_no_set_clock(world: World) -> None:
    """A machine too busy to go on for seconds: the round's ``now`` is old, the clock itself is well."""
    clocks = Clocks()
    desk = Desk("one", lease_ttl=3 * DAY, clock=clocks.wall, watch=clock.Watch(clocks.monotonic))
    desk.tick(now=clocks.wall())
    for stall in (3, 30):
        now = clocks.wall()
        clocks.true += stall
        desk.tick(now=now)
    assert kill_switch.effective().state is TradingState.ACTIVE


# -- orders -----------------------------------------------------------------------------------


@dataclass
class Play:
    """What one play saw; seconds of true time."""

    sent: list[float] = field(default_factory=list)
    wrong_from: float | None = None
    halted_at: float | None = None
    after_repair: int = 0
    after_resume: int = 0


def play(book: MemoryBook, world: World, shift: timedelta | None, point: int) -> Play:
    """Eleven rounds a second apart, each with one thing to send; the fault before or inside one of the first ten."""
    clocks, found = Clocks(), Play()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_undone())
        broker = Broker(world)
        broker.book = copy.deepcopy(book)
        stack.enter_context(patch.object(paper, "venue_for", broker.venue_for))
        watch = clock.Watch(clocks.monotonic)
        desk = Desk("one", lease_ttl=3 * DAY, clock=clocks.wall, watch=watch)
        desk.tick(now=clocks.wall())
        inside = _inside(stack, lambda: clocks.fault(shift)) if point % 2 else []
        for second in range(1, 15):
            clocks.true = float(second)
            if second == 1 + point // 2:
                inside.append(1) if point % 2 else clocks.fault(shift)
            _round(desk, broker, clocks, world, found)
        clocks.repair()
        before = len(broker.sent)
        for second in range(15, 18):
            clocks.true = float(second)
            _round(desk, broker, clocks, world, Play())
        found.after_repair = len(broker.sent) - before
        KillSwitch.objects.update(state=TradingState.ACTIVE)
        clocks.true = 18.0
        _round(desk, broker, clocks, world, Play())
        found.after_resume = len(broker.sent) - before - found.after_repair
    return found


@contextlib.contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _inside(stack: contextlib.ExitStack, fault: Callable[[], None]) -> list[int]:
    """Once the returned list holds a 1, let the fault come inside a round: after now was read, before the claim."""
    right = reconcile.run
    armed: list[int] = []

    def run(*given: Any, **named: Any) -> Any:
        if armed == [1]:
            armed.append(2)
            fault()
        return right(*given, **named)

    stack.enter_context(patch.object(reconcile, "run", run))
    return armed


def _round(desk: Desk, broker: Broker, clocks: Clocks, world: World, found: Play) -> None:
    """One round with something new to send: a machine's close, which HALTED refuses and nothing else does."""
    make_close(world, ticket=f"T{clocks.true}", now=clocks.wall())
    before = len(broker.sent)
    desk.tick(now=clocks.wall())
    found.sent += [clocks.true] * (len(broker.sent) - before)
    if found.wrong_from is None and abs(clocks.moved) > clock.MOST:
        found.wrong_from = clocks.true
    halted = kill_switch.effective(world.account.pk).state is TradingState.HALTED
    if found.halted_at is None and halted:
        found.halted_at = clocks.true


def faults_of(shift: timedelta | None, point: int, found: Play) -> list[str]:
    """What is wrong with a play; empty when nothing is."""
    wrong = []
    if shift is not None and abs(shift) <= clock.MOST:
        if found.halted_at is not None:
            wrong.append("halted by a step that is allowed")
        if len(set(found.sent)) != 14:
            wrong.append("a step that is allowed kept something from being sent")
        return wrong
    if found.wrong_from is None or found.halted_at is None:
        return ["never halted"]
    # A fault inside a round keeps that round from claiming; the next one halts.
    if found.halted_at - found.wrong_from > point % 2:
        wrong.append("halted too late")
    if [second for second in found.sent if second >= found.wrong_from]:
        wrong.append("sent while the clock was wrong")
    if not found.sent and point >= 2:
        wrong.append("nothing was sent before the fault")
    if found.after_repair:
        wrong.append("sent before a person resumed")
    if not found.after_resume:
        wrong.append("nothing is sent once a person has resumed")
    return wrong


@pytest.fixture
def ground() -> tuple[World, MemoryBook]:
    """An account with its first round behind it."""
    world = make_world()
    broker = Broker(world)
    return world, broker.book


@pytest.mark.parametrize("name", SHIFTS)
def test_nothing_is_sent_by_a_clock_that_was_set(ground: tuple[World, MemoryBook], name: str) -> None:
    world, book = ground
    found = {
        point: faults_of(SHIFTS[name], point, play(book, world, SHIFTS[name], point)) for point in POINTS
    }
    assert not {point: wrong for point, wrong in found.items() if wrong}


@pytest.mark.parametrize(
    "name", [name for name, shift in SHIFTS.items() if shift is None or abs(shift) > SECOND]
)
def test_a_desk_that_bears_any_step_is_found_out(
    ground: tuple[World, MemoryBook], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: ``clock.MOST`` is a year."""
    world, book = ground
    plays = []
    for point in (3, 8):
        with monkeypatch.context() as patched:
            patched.setattr(clock, "MOST", timedelta(days=365))
            done = play(book, world, SHIFTS[name], point)
        done.wrong_from = 1.0 + point // 2
        plays.append(faults_of(SHIFTS[name], point, done))
    assert all("never halted" in wrong for wrong in plays)


def test_a_desk_that_looks_at_the_clock_once_a_round_only_sends_inside_it(
    ground: tuple[World, MemoryBook], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the look inside the claim: ``Watch.steady`` says yes."""
    world, book = ground
    monkeypatch.setattr(clock.Watch, "steady", lambda watch, wall: True)
    found = faults_of(-DAY, 5, play(book, world, -DAY, 5))
    assert "sent while the clock was wrong" in found


def test_a_clock_that_fell_back_while_nothing_ran_is_told_by_the_lease(world: World) -> None:
    clocks = Clocks()
    Desk("one", watch=clock.Watch(clocks.monotonic)).tick(now=NOW)
    clocks.offset = -DAY
    late = Desk("two", watch=clock.Watch(clocks.monotonic))
    assert not late.tick(now=clocks.wall()).holds
    found = kill_switch.effective(world.account.pk)
    assert (found.state, found.source) == (TradingState.HALTED, "switch")
    assert "behind what was written before" in found.reason
    assert Event.objects.filter(kind="kill_switch", by="clock").count() == 1


def test_a_desk_that_waits_beside_another_halts_nobody(world: World) -> None:
    clocks = Clocks()
    Desk("one", watch=clock.Watch(clocks.monotonic)).tick(now=NOW)
    for second in range(3):
        clocks.true = float(second)
        assert not Desk("two", watch=clock.Watch(clocks.monotonic)).tick(now=clocks.wall()).holds
    assert Lease.objects.get().owner == "one"
    assert kill_switch.effective(world.account.pk).state is TradingState.ACTIVE


# -- slots ------------------------------------------------------------------------------------

FIRST = NOW - 60 * timedelta(minutes=1)


class Source:
    """A source of candles with a clock of its own, as the real ones have: it shows what has closed by then."""

    name = "replay"
    synthetic = False

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self.candles: Candles = make_candles([100.0 + n % 7 for n in range(90)], start_ms=ms_from_utc(FIRST))

    def ping(self) -> None:
        """Always well."""

    def fetch_closed(self, *, symbol: str, since: datetime, until: datetime, now: datetime) -> Fetched:
        true_ms = ms_from_utc(NOW) + int(self._clocks.true * 1000)
        known_ms = min(true_ms, ms_from_utc(now))
        asked = window(since=since, until=until, known_ms=known_ms, grace_ms=0, page=300)
        if asked.empty:
            return nothing(since)
        first, end = self.candles.open_ms.searchsorted([asked.first_ms, asked.end_ms])
        sifted = Sifted(candles=self.candles[int(first) : int(end)], refused=0, example="")
        return conclude(sifted, asked, settled_ms=floor_minute(known_ms))


def slots(market: Market, shift: timedelta | None, point: int) -> tuple[Counter[int], int]:
    """How often each slot was judged, and the signals made: twenty rounds of half a minute, then ten that are right."""
    clocks = Clocks()
    source = Source(clocks)
    with _undone():
        for number in range(30):
            clocks.true = 30.0 * number
            if number == point:
                clocks.fault(shift)
            if number == point + 4:
                clocks.repair()
            market_data.fetch(market_id=market.pk, now=clocks.wall(), feed=source)
            scan.run(market_id=market.pk, now=clocks.wall())
        return Counter(Scan.objects.values_list("open_ms", flat=True)), Signal.objects.count()


def expected_slots(first_ms: int) -> set[int]:
    """The minutes from the first one judged to the last one closed after fourteen and a half minutes."""
    return set(range(first_ms, ms_from_utc(NOW) + 14 * MINUTE_MS, MINUTE_MS))


@pytest.mark.parametrize("name", SHIFTS)
def test_no_slot_is_judged_twice_or_left_out(
    world: World, make_strategy: Callable[..., Scripted], name: str
) -> None:
    speaking = minutes_from(NOW + 3 * timedelta(minutes=1), 2)
    make_strategy(sides=dict.fromkeys(speaking, Side.LONG))
    wrong = {}
    for point in POINTS:
        judged, signals = slots(world.market, SHIFTS[name], point)
        twice = [slot for slot, count in judged.items() if count != 1]
        left_out = expected_slots(min(judged)) - set(judged)
        if twice or left_out or signals != 2 or min(judged) > ms_from_utc(NOW):
            wrong[point] = (twice, left_out, signals, len(judged))
    assert not wrong


def test_a_source_that_believes_the_machine_s_clock_loses_slots(
    world: World, make_strategy: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the source takes the machine's hour ahead for its own and says that nothing was traded in it."""
    make_strategy()

    def fetch_closed(
        self: Source, *, symbol: str, since: datetime, until: datetime, now: datetime
    ) -> Fetched:
        asked = window(since=since, until=until, known_ms=ms_from_utc(now), grace_ms=0, page=300)
        if asked.empty:
            return nothing(since)
        true_ms = ms_from_utc(NOW) + int(self._clocks.true * 1000)
        ends = [asked.first_ms, min(asked.end_ms, floor_minute(true_ms))]
        first, end = self.candles.open_ms.searchsorted(ends)
        sifted = Sifted(candles=self.candles[int(first) : int(end)], refused=0, example="")
        return conclude(sifted, asked, settled_ms=floor_minute(ms_from_utc(now)))

    monkeypatch.setattr(Source, "fetch_closed", fetch_closed)
    judged, _ = slots(world.market, HOUR, 6)
    assert expected_slots(min(judged)) - set(judged)


def test_the_clock_of_the_tests_is_a_clock() -> None:
    """A stopped clock shows the same instant, one that was set goes on from there."""
    clocks = Clocks()
    clocks.true = 5.0
    clocks.fault(None)
    clocks.true = 9.0
    assert (clocks.wall(), clocks.moved) == (NOW + 5 * SECOND, -4 * SECOND)
    clocks.repair()
    clocks.fault(HOUR)
    assert clocks.wall() == NOW + 9 * SECOND + HOUR
