"""The kill switch: every source tightens, the strictest wins, only a person loosens."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection

from tests.services.worlds import NOW, SECOND, World, make_intent, make_superuser, second_account
from trading.core.types import Mode, TradingState
from trading.models import AccountRisk, DeskStatus, Event, Flatten, KillSwitch, OrderIntent
from trading.selectors import readiness
from trading.services import flatten, kill_switch
from trading.services.desk import Desk
from trading.services.kill_switch import LooseningRefused, ResumeRefused

pytestmark = pytest.mark.django_db

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
Change = Callable[..., None]


@pytest.fixture
def ada() -> User:
    return make_superuser()


def switch(state: TradingState, account_id: int | None = None) -> None:
    KillSwitch.objects.filter(account_id=account_id).update(state=state, changed_by="set by the test")


# -- the sources ------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", list(TradingState))
@pytest.mark.parametrize("own", list(TradingState))
def test_the_stricter_row_counts(
    world: World, environment: Change, whole: TradingState, own: TradingState
) -> None:
    switch(whole)
    switch(own, world.account.pk)
    found = kill_switch.effective(world.account.pk)
    assert found.state is max(whole, own, key=lambda state: state.strictness)
    assert kill_switch.effective().state is whole
    if own.strictness > whole.strictness:
        assert found.source == "account"
    elif whole.strictness > own.strictness:
        assert found.source == "switch"


@pytest.mark.parametrize("state", list(TradingState))
@pytest.mark.parametrize("source", ["file", "environment"])
def test_the_file_and_the_environment_halt_over_every_row(
    world: World, environment: Change, tmp_path: Path, state: TradingState, source: str
) -> None:
    switch(state)
    if source == "file":
        (tmp_path / "HALT").touch()
    else:
        environment(halt=True)
    for account_id in (None, world.account.pk):
        found = kill_switch.effective(account_id)
        assert (found.state, found.source) == (HALTED, source)


def test_without_anything_against_it_it_is_active(world: World, environment: Change) -> None:
    assert kill_switch.effective(world.account.pk).state is ACTIVE


@pytest.mark.parametrize("account", [True, False])
def test_a_missing_row_is_halted(world: World, environment: Change, account: bool) -> None:
    KillSwitch.objects.filter(account_id=world.account.pk if account else None).delete()
    found = kill_switch.effective(world.account.pk)
    assert (found.state, found.reason) == (HALTED, "the switch has no row")


def test_an_unknown_account_is_halted(world: World, environment: Change) -> None:
    assert kill_switch.effective(10**6).state is HALTED


@pytest.mark.parametrize("lock", [False, True])
def test_a_bad_value_is_halted(world: World, environment: Change, lock: bool) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE trading_killswitch DROP CONSTRAINT kill_switch_state")
    else:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints=ON")
    try:
        KillSwitch.objects.filter(account=None).update(state="open")
        found = kill_switch.effective(world.account.pk, lock=lock)
        assert (found.state, found.source) == (HALTED, "unreadable")
    finally:
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA ignore_check_constraints=OFF")


def test_a_table_that_cannot_be_read_is_halted_and_permits_no_act(world: World, environment: Change) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE trading_killswitch RENAME TO elsewhere")
    if connection.vendor == "sqlite":
        assert kill_switch.effective(world.account.pk).source == "unreadable"
    with pytest.raises(DatabaseError):
        kill_switch.effective(world.account.pk, lock=True)


def spoil_gone(folder: Path) -> Path:
    return folder / "gone"


def spoil_no_folder(folder: Path) -> Path:
    (folder / "plain").touch()
    return folder / "plain"


def spoil_loop(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


@pytest.mark.parametrize("spoil", [spoil_gone, spoil_no_folder, spoil_loop])
@pytest.mark.parametrize("lock", [False, True])
def test_a_folder_that_cannot_be_looked_into_is_halted(
    world: World, environment: Change, tmp_path: Path, spoil: Callable[[Path], Path], lock: bool
) -> None:
    environment(data_dir=spoil(tmp_path))
    found = kill_switch.effective(world.account.pk, lock=lock)
    assert (found.state, found.source) == (HALTED, "unreadable")
    (line,) = [line for line in readiness.resume_blockers(now=NOW) if line.title == "HALT file"]
    assert "cannot be told" in line.sentence


@pytest.mark.parametrize("aim", ["nowhere", "HALT"])
def test_a_link_in_the_file_s_place_halts(
    world: World, environment: Change, tmp_path: Path, aim: str
) -> None:
    (tmp_path / "HALT").symlink_to(tmp_path / aim)
    assert kill_switch.effective().source == "file"


def test_a_file_that_appears_while_a_claim_waits_for_the_rows_counts(
    world: World, environment: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = kill_switch._rows

    def slow(*given: Any, **named: Any) -> Any:
        (tmp_path / "HALT").touch()
        return rows(*given, **named)

    monkeypatch.setattr(kill_switch, "_rows", slow)
    assert kill_switch.effective(world.account.pk, lock=True).state is HALTED


@pytest.mark.parametrize("state", list(TradingState))
@pytest.mark.parametrize(("breach", "source"), [("daily", "level"), ("total", "level"), ("", "flatten")])
def test_a_breach_and_a_flatten_halt_their_account_over_every_row(
    world: World, environment: Change, state: TradingState, breach: str, source: str
) -> None:
    other = second_account(world.account)
    if breach:
        AccountRisk.objects.filter(account=world.account).update(breach=breach)
    else:
        flatten.ask(account_id=world.account.pk, by="level", reason="80 % is gone", now=NOW)
    switch(state)
    found = kill_switch.effective(world.account.pk)
    assert found.state is HALTED
    if state is not HALTED:
        assert found.source == source
        assert (breach or "asked by level: 80 % is gone") in found.reason
    assert kill_switch.effective().state is state
    assert kill_switch.effective(other.pk).state is state
    Flatten.objects.update(done_at=NOW)
    AccountRisk.objects.update(breach="")
    assert kill_switch.effective(world.account.pk).state is state


@pytest.mark.parametrize("table", ["trading_flatten", "trading_accountrisk"])
def test_what_an_account_is_halted_for_must_be_readable(
    world: World, environment: Change, table: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    with pytest.raises(DatabaseError):
        kill_switch.effective(world.account.pk, lock=True)
    if connection.vendor == "sqlite":
        found = kill_switch.effective(world.account.pk)
        assert (found.state, found.source) == (HALTED, "unreadable")


# -- machines tighten -------------------------------------------------------------------------


@pytest.mark.parametrize("present", list(TradingState))
@pytest.mark.parametrize("asked", list(TradingState))
@pytest.mark.parametrize("of_account", [True, False])
def test_machines_can_only_tighten(
    world: World, environment: Change, present: TradingState, asked: TradingState, of_account: bool
) -> None:
    account_id = world.account.pk if of_account else None
    switch(present, account_id)
    before = Event.objects.filter(kind="kill_switch").count()

    def ask() -> bool:
        return kill_switch.set_state(asked, by="guard", reason="a loss", now=NOW, account_id=account_id)

    if asked.strictness < present.strictness:
        with pytest.raises(LooseningRefused):
            ask()
    else:
        assert ask() is (asked is not present)
    row = KillSwitch.objects.get(account_id=account_id)
    assert row.state == max(present, asked, key=lambda state: state.strictness)
    changed = asked.strictness > present.strictness
    assert Event.objects.filter(kind="kill_switch").count() - before == changed
    if changed:
        event = Event.objects.latest("pk")
        assert (event.by, event.account_id, event.data["was"], event.data["state"]) == (
            "guard",
            account_id,
            present,
            asked,
        )


@pytest.mark.parametrize("asked", [ACTIVE, REDUCING])
def test_a_missing_row_is_not_loosened_by_writing_it(
    world: World, environment: Change, asked: TradingState
) -> None:
    KillSwitch.objects.filter(account=None).delete()
    with pytest.raises(LooseningRefused):
        kill_switch.set_state(asked, by="guard", reason="x", now=NOW)
    assert kill_switch.effective().state is HALTED


def test_a_missing_row_can_be_halted(world: World, environment: Change) -> None:
    KillSwitch.objects.filter(account=None).delete()
    assert kill_switch.set_state(HALTED, by="guard", reason="x", now=NOW)
    assert KillSwitch.objects.get(account=None).state == HALTED


def test_a_halt_latches(world: World, environment: Change) -> None:
    kill_switch.set_state(HALTED, by="guard", reason="the first", now=NOW)
    assert not kill_switch.set_state(HALTED, by="guard", reason="the second", now=NOW + timedelta(days=1))
    assert kill_switch.effective().reason == "the first (guard)"
    assert not kill_switch.open_fresh(now=NOW + timedelta(days=2))
    assert kill_switch.effective(world.account.pk).state is HALTED


def test_the_first_start_opens_a_new_switch_once(environment: Change) -> None:
    assert kill_switch.open_fresh(now=NOW)
    assert kill_switch.effective().state is ACTIVE
    assert not kill_switch.open_fresh(now=NOW)


def test_a_halt_before_the_first_start_is_not_opened_by_it(environment: Change) -> None:
    assert kill_switch.set_state(HALTED, by="ada", reason="not yet", now=NOW)
    assert not kill_switch.open_fresh(now=NOW)
    assert kill_switch.effective().state is HALTED


def test_a_new_account_is_halted_and_an_old_one_stays_as_it_is(world: World, environment: Change) -> None:
    other = second_account(world.account)
    KillSwitch.objects.filter(account=other).delete()
    kill_switch.add_account(account_id=other.pk, now=NOW)
    assert kill_switch.effective(other.pk).state is HALTED
    kill_switch.add_account(account_id=world.account.pk, now=NOW)
    assert kill_switch.effective(world.account.pk).state is ACTIVE


# -- flatten with the halt ---------------------------------------------------------------------


def test_a_halt_can_ask_for_everything_of_every_account_to_be_closed(
    world: World, environment: Change
) -> None:
    other = second_account(world.account)
    assert kill_switch.set_state(HALTED, by="ada", reason="out, now", now=NOW, flatten=True)
    rows = Flatten.objects.filter(done_at=None)
    assert {row.account_id for row in rows} >= {world.account.pk, other.pk}
    assert {(row.asked_by, row.reason) for row in rows} == {("ada", "out, now")}


def test_one_that_is_halted_already_can_still_be_flattened_once(world: World, environment: Change) -> None:
    account_id = world.account.pk
    kill_switch.set_state(HALTED, by="ada", reason="lunch", now=NOW, account_id=account_id)
    for _ in range(2):
        changed = kill_switch.set_state(
            HALTED, by="guard", reason="a loss", now=NOW, account_id=account_id, flatten=True
        )
        assert not changed
    assert [row.account_id for row in Flatten.objects.all()] == [account_id]
    assert Event.objects.filter(kind="flatten_asked").count() == 1


def test_a_refused_loosening_flattens_nothing(world: World, environment: Change) -> None:
    switch(HALTED)
    with pytest.raises(LooseningRefused):
        kill_switch.set_state(REDUCING, by="guard", reason="x", now=NOW, flatten=True)
    assert not Flatten.objects.exists()


# -- a person loosens -------------------------------------------------------------------------


@pytest.fixture
def halted(world: World, environment: Change, ada: User) -> World:
    """Everything is in order, only the switch is HALTED."""
    Desk("one").tick(now=NOW)
    kill_switch.set_state(HALTED, by="ada", reason="lunch", now=NOW)
    return world


def resume(user: User, *, reason: str = "lunch is over", phrase: str = "RESUME", **other: int | None) -> None:
    kill_switch.resume(user_id=user.pk, reason=reason, phrase=phrase, now=NOW + SECOND, **other)


def test_a_superuser_resumes_and_it_is_written_down(halted: World, ada: User) -> None:
    resume(ada)
    assert kill_switch.effective(halted.account.pk).state is ACTIVE
    event = Event.objects.latest("pk")
    assert (event.kind, event.by, event.data["was"], event.data["reason"]) == (
        "kill_switch",
        "ada",
        "halted",
        "lunch is over",
    )


@pytest.mark.parametrize("phrase", ["", "resume", "RESUME ", "Resume", "YES"])
def test_the_word_must_be_typed(halted: World, ada: User, phrase: str) -> None:
    with pytest.raises(ResumeRefused, match="must be typed"):
        resume(ada, phrase=phrase)
    assert kill_switch.effective().state is HALTED


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_reason_is_needed(halted: World, ada: User, reason: str) -> None:
    with pytest.raises(ResumeRefused, match="reason"):
        resume(ada, reason=reason)


@pytest.mark.parametrize("lacks", [{"is_superuser": False}, {"is_active": False}])
def test_only_an_active_superuser_may(halted: World, ada: User, lacks: dict[str, bool]) -> None:
    User.objects.filter(pk=ada.pk).update(**lacks)
    with pytest.raises(ResumeRefused, match="superuser"):
        resume(ada)
    assert kill_switch.effective().state is HALTED


def test_nobody_may_not(halted: World, ada: User) -> None:
    with pytest.raises(ResumeRefused, match="superuser"):
        kill_switch.resume(user_id=10**6, reason="x", phrase="RESUME", now=NOW + SECOND)


def block_file(_world: World, folder: Path, _change: Change) -> None:
    (folder / "HALT").touch()


def block_environment(_world: World, _folder: Path, change: Change) -> None:
    change(halt=True)


def block_desk_unseen(_world: World, _folder: Path, _change: Change) -> None:
    DeskStatus.objects.all().delete()


def block_desk_old(_world: World, _folder: Path, _change: Change) -> None:
    DeskStatus.objects.update(seen_at=NOW - timedelta(seconds=30))


def block_desk_not_ready(_world: World, _folder: Path, _change: Change) -> None:
    DeskStatus.objects.update(ready=False, reason="positions differ")


def block_unknown(world: World, _folder: Path, _change: Change) -> None:
    OrderIntent.objects.filter(pk=make_intent(world).pk).update(state="unknown")


def block_not_measured(_world: World, _folder: Path, _change: Change) -> None:
    AccountRisk.objects.all().delete()


def block_total_lock(_world: World, _folder: Path, _change: Change) -> None:
    AccountRisk.objects.update(total_locked_at=NOW, level="green")


def block_breach(_world: World, _folder: Path, _change: Change) -> None:
    AccountRisk.objects.update(breach="daily", breached_at=NOW, level="green")


def block_guessed_breach(_world: World, _folder: Path, _change: Change) -> None:
    AccountRisk.objects.update(level="breach")


def block_flatten(world: World, _folder: Path, _change: Change) -> None:
    flatten.ask(account_id=world.account.pk, by="level", reason="80 % is gone", now=NOW)


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (block_file, "remove it first"),
        (block_environment, "CRPBOT_HALT is set"),
        (block_desk_unseen, "has not seen Paper yet"),
        (block_desk_old, "saw Paper 31 s ago, 30 s allowed"),
        (block_desk_not_ready, "not ready: positions differ"),
        (block_unknown, "unknown outcome"),
        (block_not_measured, "not been measured"),
        (
            block_total_lock,
            "LOCKED: 80 % of its total limit was used on 2 March, 12:00 UTC. Reopen it first.",
        ),
        (block_breach, "BREACH: its daily limit was broken on 2 March, 12:00 UTC."),
        (block_guessed_breach, "below a floor on a day whose start is not proven"),
        (block_flatten, "cancels and closes everything of Paper, asked by level: 80 % is gone"),
    ],
)
def test_each_thing_that_stands_against_it(
    halted: World,
    ada: User,
    tmp_path: Path,
    environment: Change,
    block: Callable[[World, Path, Change], None],
    sentence: str,
) -> None:
    block(halted, tmp_path, environment)
    with pytest.raises(ResumeRefused) as refused:
        resume(ada)
    (only,) = refused.value.missing
    assert sentence in only
    assert KillSwitch.objects.get(account=None).state == HALTED


def test_all_that_is_missing_is_named_at_once(halted: World, ada: User, tmp_path: Path) -> None:
    (tmp_path / "HALT").touch()
    User.objects.update(is_superuser=False)
    with pytest.raises(ResumeRefused) as refused:
        resume(ada, phrase="", reason="")
    assert len(refused.value.missing) == 4


def test_another_account_does_not_stand_against_one_account_s_resume(halted: World, ada: User) -> None:
    other = second_account(halted.account)
    kill_switch.set_state(HALTED, by="guard", reason="x", now=NOW, account_id=halted.account.pk)
    with pytest.raises(ResumeRefused, match="has not seen Second"):
        resume(ada)
    resume(ada, account_id=halted.account.pk)
    other.mode = Mode.OBSERVE
    other.save()
    resume(ada)
    assert kill_switch.effective(halted.account.pk).state is ACTIVE


def test_resuming_one_account_leaves_the_switch_of_all(halted: World, ada: User) -> None:
    kill_switch.set_state(HALTED, by="guard", reason="x", now=NOW, account_id=halted.account.pk)
    resume(ada, account_id=halted.account.pk)
    assert kill_switch.effective(halted.account.pk).source == "switch"


def test_a_switch_without_a_row_cannot_be_resumed(halted: World, ada: User) -> None:
    KillSwitch.objects.filter(account=None).delete()
    with pytest.raises(ResumeRefused, match="no row"):
        resume(ada)


def test_the_daily_lock_does_not_hold_the_switch(halted: World, ada: User) -> None:
    AccountRisk.objects.filter(account=halted.account).update(daily_locked_on=NOW.date(), level="locked")
    lines = readiness.resume_checklist(now=NOW + SECOND)
    assert any("LOCKED for the day: nothing opens before" in line.sentence for line in lines)
    resume(ada)
    assert kill_switch.effective(halted.account.pk).state is ACTIVE


@pytest.mark.parametrize("own", [True, False])
def test_what_the_runaway_stop_counts_begins_anew_with_the_account_s_own_resume(
    halted: World, ada: User, own: bool
) -> None:
    account = halted.account
    AccountRisk.objects.filter(account=account).update(losses_from=NOW - timedelta(days=1))
    kill_switch.set_state(HALTED, by="runaway", reason="x", now=NOW, account_id=account.pk)
    resume(ada, account_id=account.pk if own else None)
    since = AccountRisk.objects.get(account=account).losses_from
    assert since == (NOW + SECOND if own else NOW - timedelta(days=1))
