"""It fails closed: fourteen faults, twenty-five ways each, and not one order that opens anything.

A way is one of five moments (before the desk starts, after its first round, after ten, inside a round between the
reconciliation and the claim, and over a restart) times one of five things to send. Every fault has its control: the
product with the one function that its name says put to a wrong one, on which orders must leave.
"""

import contextlib
import copy
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError, connection, transaction

from tests.services.worlds import (
    NOW,
    SECOND,
    Broker,
    Moody,
    World,
    make_close,
    make_intent,
    make_signal,
    make_world,
    store,
)
from trading.core.types import Action, Side, TradingState
from trading.models import Account, AccountDay, DeskStatus, KillSwitch, Lease, Market, Trade, TradeState
from trading.selectors import risk as risk_selectors
from trading.services import kill_switch, leases, paper, reconcile, sentinel
from trading.services.desk import Desk
from trading.venues.paper_book import MemoryBook

pytestmark = [pytest.mark.proof, pytest.mark.django_db, pytest.mark.timeout(300)]

WAYS = 25
DAY = timedelta(days=1)
BEGIN = 122
Stack = contextlib.ExitStack


@dataclass
class Stage:
    """One desk before a broker that notes every order, and what was asked for."""

    world: World
    broker: Broker
    folder: Path
    way: int
    stack: Stack
    desk: Desk = field(default_factory=lambda: Desk("one", lease_ttl=DAY))
    seconds: float = BEGIN
    undone: bool = False

    @property
    def account(self) -> Account:
        return self.world.account

    def tick(self) -> None:
        """One round; what fails in it is undone in the rows, and what was sent stays sent."""
        self.undone = True
        with contextlib.suppress(Exception), transaction.atomic():
            self.desk.tick(now=NOW + self.seconds * SECOND)
            self.undone = False
        self.seconds += 1

    def settings(self, **values: Any) -> None:
        changed = django_settings.CRPBOT.model_copy(update=values)
        self.stack.enter_context(patch.object(django_settings, "CRPBOT", changed))


@dataclass(frozen=True)
class Ground:
    """An account with one open position, on which every way of a fault begins anew."""

    world: World
    book: MemoryBook
    folder: Path

    def broker(self) -> Broker:
        """A broker of its own with the book as it stood."""
        broker = Broker(self.world)
        broker.book = copy.deepcopy(self.book)
        return broker


@pytest.fixture
def ground(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """An account whose first order was filled."""
    world = make_world(symbols=("C0-USD", "C1-USD", "C2-USD", "C3-USD"))
    broker = Broker(world)
    desk = Desk("one", lease_ttl=DAY)
    with monkeypatch.context() as patched:
        patched.setattr(paper, "venue_for", broker.venue_for)
        make_intent(world, signal=make_signal(world, cap_seconds=10**6))
        desk.tick(now=NOW)
        store(world.market, [100.0] * 8, start=NOW)
        desk.tick(now=NOW + 121 * SECOND)
    assert Trade.objects.get().state == TradeState.OPEN
    return Ground(world=world, book=broker.book, folder=tmp_path)


Fault = Callable[[Stage], None]


# -- the faults -------------------------------------------------------------------------------


def no_global_row(stage: Stage) -> None:
    KillSwitch.objects.filter(account=None).delete()


def no_account_row(stage: Stage) -> None:
    KillSwitch.objects.filter(account=stage.account).delete()


WORDS: tuple[str, ...] = (
    "",
    "ACTIVE",
    "Active",
    "active ",
    " active",
    "activ",
    "actives",
    "on",
    "1",
    "true",
    "null",
    "none",
    "NaN",
)
WORDS += (
    "aktiv",
    "acti ve",
    "\u0430ctive",
    "halt",
    "reduce",
    "ok",
    "?",
    "-1",
    "0",
    "active\n",
    "act1ve",
    "any",
)


def not_a_word(stage: Stage) -> None:
    """A value that no migration ever wrote; the database's own constraint is taken away first."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Triggers that are still to fire would forbid to change the table.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE trading_killswitch DROP CONSTRAINT IF EXISTS kill_switch_state")
        else:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            stage.stack.callback(lambda: connection.cursor().execute("PRAGMA ignore_check_constraints = OFF"))
    rows = KillSwitch.objects.filter(account=stage.account if stage.way % 2 else None)
    rows.update(state=WORDS[stage.way])


def table_cannot_be_read(stage: Stage) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        column = ("state", "reason", "changed_by", "changed_at")[stage.way % 4]
        cursor.execute(f"ALTER TABLE trading_killswitch RENAME COLUMN {column} TO {column}_gone")


def halt_file(stage: Stage) -> None:
    path = stage.folder / "HALT"
    kinds: tuple[Callable[[], object], ...] = (
        path.touch,
        path.mkdir,
        lambda: path.symlink_to(stage.folder / "nowhere"),
        lambda: os.mkfifo(path),
        lambda: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0)),
    )
    kinds[stage.way % 5]()
    stage.settings(data_dir=stage.folder)


def folder_cannot_be_read(stage: Stage) -> None:
    """Whether there is a HALT file cannot be told: no folder, a file for a folder, a loop, a name without end."""
    plain, loop = stage.folder / "plain", stage.folder / "loop"
    plain.touch()
    loop.symlink_to(loop)
    bad = (stage.folder / "gone", plain, loop, stage.folder / ("x" * 300), stage.folder / "with\0zero")
    stage.settings(data_dir=bad[stage.way % 5] / ("deeper" if stage.way > 15 else ""))


def environment_halts(stage: Stage) -> None:
    stage.settings(halt=True)


def lease_lost(stage: Stage) -> None:
    row = Lease.objects.filter(name="desk")
    Lease.objects.get_or_create(
        name="desk", defaults={"owner": "x", "fencing": 1, "expires_at": NOW + DAY, "renewed_at": NOW}
    )
    taken = {"owner": f"two-{stage.way}", "fencing": 7 + stage.way, "expires_at": NOW + 2 * DAY}
    row.update(**taken)


def venue_away(stage: Stage) -> None:
    stage.broker.mood = "down"


def _seen(stage: Stage, **changes: Any) -> None:
    right = Moody.view

    def view(venue: Moody, *, now: Any) -> Any:
        seen = right(venue, now=now)
        given = {k: v(seen) if callable(v) else v for k, v in changes.items()}
        return replace(seen, **given)

    stage.stack.enter_context(patch.object(Moody, "view", view))


BAD_NUMBERS: tuple[Any, ...] = (
    D("NaN"),
    D("-NaN"),
    D("sNaN"),
    D("Infinity"),
    D("-Infinity"),
    D("-0.01"),
    None,
)
BAD_NUMBERS += ("", "1", "100000", b"1", 1, 100000, 1.0, 100000.0, float("nan"), float("inf"), True, False)
BAD_NUMBERS += ((), [], {}, object(), D(-1), D("-1E9"))


def not_a_number(stage: Stage) -> None:
    _seen(stage, **{("equity", "balance")[stage.way % 2]: BAD_NUMBERS[stage.way]})


AGES: tuple[float, ...] = (
    5.001,
    5.1,
    5.5,
    6,
    7,
    10,
    15,
    30,
    59,
    60,
    61,
    90,
    120,
    600,
    3600,
    86_400,
    86_400 * 365,
)
AGES += (-5.001, -6, -10, -60, -600, -3600, -86_400, -86_400 * 365)


def view_of_another_time(stage: Stage) -> None:
    _seen(stage, as_of=lambda seen: seen.as_of - AGES[stage.way] * SECOND)


def another_account(stage: Stage) -> None:
    numbers: tuple[Any, ...] = (
        "",
        "other",
        "0",
        None,
        "PAPER-REPLAY",
        "paper-replay ",
        7,
        "paper",
        b"paper-replay",
    )
    currencies: tuple[Any, ...] = ("EUR", "usd", "", None, "USDT", "USD ", "GBP", 0)
    values = [("number", value) for value in numbers] + [("currency", value) for value in currencies]
    name, value = values[stage.way % len(values)]
    _seen(stage, **{name: value})


def another_contract_size(stage: Stage) -> None:
    held = Market.objects.filter(pk=next(iter(stage.world.markets.values())).pk)
    held.update(contract_size=D(2) + stage.way if stage.way % 2 else D("0.5") / (1 + stage.way))


def day_start_not_known(stage: Stage) -> None:
    AccountDay.objects.filter(account=stage.account).update(proven=False)


# -- the controls: one function each, put to a wrong one --------------------------------------


def _active(*_given: Any, **_named: Any) -> kill_switch.Effective:
    return kill_switch.Effective(state=TradingState.ACTIVE, source="control", reason="")


@contextlib.contextmanager
def rows_default_to_active() -> Iterator[None]:
    """``kill_switch._of_row`` that takes what it cannot read for ACTIVE."""
    with patch.object(kill_switch, "_of_row", _active):
        yield


@contextlib.contextmanager
def error_means_active() -> Iterator[None]:
    """``kill_switch.effective`` that answers an error with ACTIVE."""
    right = kill_switch.effective

    def effective(account_id: int | None = None, *, lock: bool = False) -> kill_switch.Effective:
        try:
            with transaction.atomic():
                found = right(account_id, lock=lock)
        except DatabaseError:
            return _active()
        return _active() if found.source == "unreadable" else found

    with patch.object(kill_switch, "effective", effective), _no_look_at_the_switch():
        yield


@contextlib.contextmanager
def _no_look_at_the_switch() -> Iterator[None]:
    """The round's own look at the rows left out: it reads the same table, and would fail before the claim."""
    from trading.services import guard

    with patch.object(guard, "look_after", lambda *_given, **_named: guard.Held()):
        yield


@contextlib.contextmanager
def nothing_outside() -> Iterator[None]:
    """``kill_switch._outside`` that finds nothing."""
    with patch.object(kill_switch, "_outside", list):
        yield


@contextlib.contextmanager
def lease_always_held() -> Iterator[None]:
    """``leases.holds`` that says yes."""
    with patch.object(leases, "holds", lambda **_named: True):
        yield


@contextlib.contextmanager
def view_is_guessed() -> Iterator[None]:
    """A venue that answers with a guess where it cannot be reached."""
    with patch.object(Moody, "view", Moody.__mro__[1].view):
        yield


@contextlib.contextmanager
def sentinel_sees_nothing() -> Iterator[None]:
    """``sentinel.look`` that finds every view well."""
    with patch.object(sentinel, "look", lambda account, view, *, now: sentinel.WELL):
        yield


@contextlib.contextmanager
def sizes_not_compared() -> Iterator[None]:
    """``sentinel._changed_sizes`` that finds none."""
    with patch.object(sentinel, "_changed_sizes", lambda account, view: ""):
        yield


@contextlib.contextmanager
def every_day_proven() -> Iterator[None]:
    """``selectors.risk.day_start_of`` that takes every day's start for proven."""
    right = risk_selectors.day_start_of

    def proven(*given: Any, **named: Any) -> Any:
        return replace(right(*given, **named), proven=True)

    with patch.object(risk_selectors, "day_start_of", proven):
        yield


Control = Callable[[], contextlib.AbstractContextManager[None]]
# Where the gate itself refuses what the sentinel missed, a desk that calls itself ready gives the control away.
FAULTS: list[tuple[Fault, Control, str]] = [
    (no_global_row, rows_default_to_active, "orders"),
    (no_account_row, rows_default_to_active, "orders"),
    (not_a_word, rows_default_to_active, "orders"),
    (table_cannot_be_read, error_means_active, "orders"),
    (halt_file, nothing_outside, "orders"),
    (folder_cannot_be_read, nothing_outside, "orders"),
    (environment_halts, nothing_outside, "orders"),
    (lease_lost, lease_always_held, "orders"),
    (venue_away, view_is_guessed, "orders"),
    (not_a_number, sentinel_sees_nothing, "ready"),
    (view_of_another_time, sentinel_sees_nothing, "ready"),
    (another_account, sentinel_sees_nothing, "ready"),
    (another_contract_size, sizes_not_compared, "orders"),
    (day_start_not_known, every_day_proven, "orders"),
]


# -- the play ---------------------------------------------------------------------------------


def ask(stage: Stage) -> None:
    """Ask for one of five things: an entry, two, a short one, one in its last seconds, one beside a machine's close."""
    world, kind = stage.world, stage.way // 5
    markets = list(world.markets.values())[1:]
    judged_at = NOW + stage.seconds * SECOND
    if kind == 3:
        judged_at, stage.seconds = NOW + 120 * SECOND, 205
    short = {"side": Side.SHORT, "stop": D(102), "target": D(98)} if kind == 2 else {}
    for number in range(2 if kind == 1 else 1):
        signal = make_signal(world, now=judged_at, market=markets[number], open_ms=number + 1, **short)
        make_intent(world, now=judged_at, signal=signal)
    if kind == 4:
        make_close(world, ticket=Trade.objects.get().ticket, now=judged_at)


def played(ground: Ground, fault: Fault | None, way: int) -> tuple[int, bool]:
    """One way of a fault: how many entries reached the broker from then on, and whether the desk was ready at last."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_undone())
        broker = ground.broker()
        stack.enter_context(patch.object(paper, "venue_for", broker.venue_for))
        folder = ground.folder / str(way)
        folder.mkdir()
        stage = Stage(world=ground.world, broker=broker, folder=folder, way=way, stack=stack)
        stage.settings(data_dir=folder)
        moment = way % 5
        if moment == 0 and fault is not None:
            fault(stage)
        for _ in range((0, 1, 10, 1, 1)[moment]):
            stage.tick()
        if moment == 3 and fault is not None:
            _inside_the_round(stage, fault)
        elif moment != 0 and fault is not None:
            fault(stage)
        if moment == 4:
            stage.desk = Desk("one", lease_ttl=DAY)
        ask(stage)
        for _ in range(3):
            stage.tick()
        ready = DeskStatus.objects.filter(account=stage.account, ready=True).exists()
        return sum(request.action is Action.OPEN for request in broker.sent), ready


@contextlib.contextmanager
def _undone() -> Iterator[None]:
    """Everything that is written inside is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _inside_the_round(stage: Stage, fault: Fault) -> None:
    """Let the fault begin in the middle of the next round, after the venue and the rows were compared."""
    right = reconcile.run

    def run(*given: Any, **named: Any) -> Any:
        found = right(*given, **named)
        # What a round that failed has undone of it in the rows is done again in the next one.
        if not begun or (stage.undone and fault is table_cannot_be_read):
            begun.append(True)
            fault(stage)
        return found

    begun: list[bool] = []
    stage.stack.enter_context(patch.object(reconcile, "run", run))


def test_without_a_fault_the_orders_leave(ground: Ground) -> None:
    found = [played(ground, None, way) for way in range(WAYS)]
    assert found == [(2 if way // 5 == 1 else 1, True) for way in range(WAYS)]


@pytest.mark.parametrize(
    ("fault", "shown"), [(f, shown) for f, _, shown in FAULTS], ids=[f.__name__ for f, _, _ in FAULTS]
)
def test_no_order_leaves(ground: Ground, fault: Fault, shown: str) -> None:
    found = [played(ground, fault, way) for way in range(WAYS)]
    assert [sent for sent, _ in found] == [0] * WAYS
    if shown == "ready":
        assert [ready for _, ready in found] == [False] * WAYS


@pytest.mark.parametrize(
    ("fault", "control", "shown"), FAULTS, ids=[f"{f.__name__}-{c.__name__}" for f, c, _ in FAULTS]
)
def test_the_control_of_each_fault_lets_it_through(
    ground: Ground, fault: Fault, control: Control, shown: str
) -> None:
    with control():
        found = [played(ground, fault, way) for way in range(0, WAYS, 4)]
    assert any(sent if shown == "orders" else ready for sent, ready in found)
