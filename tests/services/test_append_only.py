"""What is written once stays: the database itself refuses, whoever asks."""

from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model

from tests.services.worlds import NOW, World, make_close, make_intent, make_signal, store
from trading.core.types import TradingState
from trading.models import (
    Account,
    Event,
    Fill,
    KillSwitch,
    OrderIntent,
    Outcome,
    PaperEntry,
    RiskSnapshot,
    Scan,
    Signal,
)
from trading.services import events, kill_switch, outcomes
from trading.services.desk import Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def traded(world: World) -> World:
    """A world in which one signal was traded, filled and has come to its end."""
    intent = make_intent(world)
    desk = Desk("one")
    report = desk.tick(now=NOW)
    intent.refresh_from_db()
    assert report.sent == 1, (report, intent.state, intent.answer)
    store(world.market, [100.0, (100, 103, 100, 102)], start=NOW)
    report = desk.tick(now=NOW + timedelta(minutes=2))
    assert report.fills == 2, report
    assert outcomes.follow_all(now=NOW + timedelta(minutes=2)) == 1
    for table in (Signal, Fill, Event, PaperEntry, RiskSnapshot, Outcome):
        assert table.objects.exists()
    return world


def refused(statement: str) -> bool:
    """Whether the database refuses a statement because rows are append-only."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        return "is append-only" in str(error)
    return False


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trading_signal SET note = 'changed'",
        "UPDATE trading_signal SET id = id",
        "DELETE FROM trading_signal",
        "UPDATE trading_fill SET price = 1",
        "DELETE FROM trading_fill",
        "UPDATE trading_event SET text = 'changed'",
        "DELETE FROM trading_event",
        "UPDATE trading_paperentry SET magic = 0",
        "DELETE FROM trading_paperentry",
        "UPDATE trading_risksnapshot SET headroom = 0",
        "UPDATE trading_outcome SET state = 'target'",
        "UPDATE trading_outcome SET resolved_at = NULL",
        "DELETE FROM trading_outcome",
    ],
)
def test_raw_sql_cannot_change_the_record(traded: World, statement: str) -> None:
    assert refused(statement)


def test_the_models_cannot_either(traded: World) -> None:
    for row in (
        Signal.objects.first(),
        Fill.objects.first(),
        Event.objects.first(),
        PaperEntry.objects.first(),
    ):
        assert row is not None
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            row.save()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.all().delete()


@pytest.mark.only_on("sqlite")  # REPLACE is its own
def test_a_row_cannot_be_replaced_by_a_new_one_with_its_number(traded: World) -> None:
    event = Event.objects.earliest("pk")
    columns = "at, kind, severity, text, by, data, synthetic"
    replace = f"INSERT OR REPLACE INTO trading_event (id, {columns}) SELECT id, {columns} FROM trading_event"
    assert refused(f"{replace} WHERE id = {event.pk}")


def test_what_may_change_can_change(world: World) -> None:
    """The control of the tests above: an outcome that is followed may move on, a snapshot may be pruned."""
    make_signal(world)
    Outcome.objects.update(seen_to_ms=1)
    Desk("one").tick(now=NOW)
    assert RiskSnapshot.objects.all().delete()[0] > 0
    assert not refused("UPDATE trading_orderintent SET answer = ''")


def test_the_global_switch_exists_halted_after_the_migrations() -> None:
    switch = KillSwitch.objects.get(account=None)
    assert (switch.state, switch.changed_by) == (TradingState.HALTED, kill_switch.FRESH)
    assert kill_switch.effective().state is TradingState.HALTED


def test_there_is_one_switch_for_all_and_one_for_each(world: World) -> None:
    given = {"state": "active", "reason": "", "changed_by": "x", "changed_at": NOW}
    for account_id in (None, world.account.pk):
        with pytest.raises(IntegrityError), transaction.atomic():
            KillSwitch.objects.create(account_id=account_id, **given)


def broken(row: Model, **values: object) -> bool:
    """Whether a constraint refuses a row with these values."""
    for name, value in values.items():
        setattr(row, name, value)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        return True
    return False


def test_rows_that_make_no_sense_are_refused(world: World) -> None:
    signal = make_signal(world)
    intent = make_intent(world, signal=signal)
    assert broken(KillSwitch.objects.get(account=None), state="open")
    assert broken(Account.objects.get(), mode="yolo")
    assert broken(Account.objects.get(), initial_balance=D(0))
    assert broken(Account.objects.get(), synthetic=True, mode="live")
    assert broken(OrderIntent.objects.get(pk=intent.pk), state="sent")
    assert broken(OrderIntent.objects.get(pk=intent.pk), lots=D(0))
    assert broken(OrderIntent.objects.get(pk=intent.pk), stop=None)
    assert broken(OrderIntent.objects.get(pk=intent.pk), pk=None)  # a second entry for one signal
    assert broken(Outcome.objects.get(), state="won")


def test_one_close_at_a_time(world: World) -> None:
    first = make_close(world, ticket="1")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_close(world, ticket="1")
    OrderIntent.objects.filter(pk=first.pk).update(state="expired")
    make_close(world, ticket="1")


def test_a_slot_has_one_result(world: World) -> None:
    signal = make_signal(world)
    slot = {"account": world.account, "market": world.market, "strategy": "scripted", "timeframe": "1m"}
    with pytest.raises(IntegrityError), transaction.atomic():
        make_signal(world)
    Scan.objects.create(**slot, open_ms=signal.open_ms, judged_at=NOW, reason="signal", signal=signal)
    with pytest.raises(IntegrityError), transaction.atomic():
        Scan.objects.create(**slot, open_ms=signal.open_ms, judged_at=NOW, reason="inside_range")


def test_events_carry_the_label_of_invented_prices(world: World) -> None:
    events.record("told", now=NOW, text="x" * 900, account_id=world.account.pk, market_id=world.market.pk)
    world.market.synthetic = True
    world.market.save()
    events.record("told", now=NOW, text="x", market_id=world.market.pk)
    first, second = Event.objects.filter(kind="told").order_by("pk")
    assert (first.synthetic, len(first.text), second.synthetic) == (False, 500, True)
    with pytest.raises(ValueError, match="loud"):
        events.record("told", now=NOW, text="x", severity="loud")
