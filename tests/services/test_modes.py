"""How far an account may go: everything lowers it, one person raises it, one step at a time."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.services.worlds import NOW, SECOND, Broker, World, make_intent, make_superuser, state_of
from trading.core.types import IntentState, Mode
from trading.models import Account, AccountRisk, DeskStatus, Event, LifeAction, OrderIntent
from trading.services import flatten, kill_switch, modes
from trading.services.desk import Desk
from trading.services.modes import ModeRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_superuser()


@pytest.fixture
def observing(world: World) -> World:
    """The account as it was after somebody lowered it, everything else in order."""
    Desk("one").tick(now=NOW)
    Account.objects.filter(pk=world.account.pk).update(mode="observe")
    return world


def up(world: World, user: User, mode: Mode = Mode.PAPER, **given: str) -> bool:
    words = {"reason": "enough seen", "phrase": "RAISE", **given}
    return modes.set_mode(world.account.pk, mode, user_id=user.pk, now=NOW + SECOND, **words)


def mode_of(world: World) -> Mode:
    return Mode(Account.objects.get(pk=world.account.pk).mode)


def test_a_superuser_raises_it_and_it_is_written_down(observing: World, ada: User) -> None:
    assert up(observing, ada)
    assert mode_of(observing) is Mode.PAPER
    event = Event.objects.latest("pk")
    assert (event.kind, event.by, event.data["was"], event.data["mode"]) == (
        "mode",
        "ada",
        "observe",
        "paper",
    )


@pytest.mark.parametrize(
    "given", [{"phrase": ""}, {"phrase": "raise"}, {"phrase": "RESUME"}, {"reason": " "}]
)
def test_word_and_reason_are_needed(observing: World, ada: User, given: dict[str, str]) -> None:
    with pytest.raises(ModeRefused):
        up(observing, ada, **given)
    assert mode_of(observing) is Mode.OBSERVE


@pytest.mark.parametrize("lacks", [{"is_superuser": False}, {"is_active": False}, {"is_staff": False}])
def test_only_an_active_superuser_of_the_staff_raises(
    observing: World, ada: User, lacks: dict[str, bool]
) -> None:
    User.objects.filter(pk=ada.pk).update(**lacks)
    with pytest.raises(ModeRefused, match="must ask for it"):
        up(observing, ada)
    assert mode_of(observing) is Mode.OBSERVE


@pytest.mark.parametrize("lacks", [{"is_active": False}, {"is_staff": False}])
def test_lowering_needs_somebody_on_the_staff(world: World, ada: User, lacks: dict[str, bool]) -> None:
    User.objects.filter(pk=ada.pk).update(**lacks)
    with pytest.raises(ModeRefused, match="staff"):
        up(world, ada, Mode.OBSERVE)
    assert mode_of(world) is Mode.PAPER


def test_lowering_needs_no_word_and_nothing_in_order(world: World) -> None:
    guest = User.objects.create(username="guest", is_staff=True)
    assert up(world, guest, Mode.OBSERVE, phrase="")
    assert not up(world, guest, Mode.OBSERVE, phrase="")
    assert mode_of(world) is Mode.OBSERVE


@pytest.mark.parametrize("mode", [Mode.DEMO, Mode.MICRO, Mode.LIVE])
def test_above_paper_a_venue_is_missing(world: World, ada: User, mode: Mode) -> None:
    Desk("one").tick(now=NOW)
    with pytest.raises(ModeRefused, match=f"Mode {mode} needs a broker's venue"):
        up(world, ada, mode)
    assert mode_of(world) is Mode.PAPER


def test_no_step_is_left_out(observing: World, ada: User) -> None:
    with pytest.raises(ModeRefused, match="the next step up is paper"):
        up(observing, ada, Mode.DEMO)


def block_unseen(_world: World) -> None:
    DeskStatus.objects.all().delete()


def block_unknown(world: World) -> None:
    OrderIntent.objects.filter(pk=make_intent(world).pk).update(state="unknown")


def block_flatten(world: World) -> None:
    flatten.ask(account_id=world.account.pk, by="ada", reason="x", now=NOW)


def block_total_lock(_world: World) -> None:
    AccountRisk.objects.update(total_locked_at=NOW)


def block_breach(_world: World) -> None:
    AccountRisk.objects.update(breach="daily")


def block_life(world: World) -> None:
    LifeAction.objects.create(
        account=world.account, kind="payout", asked_at=NOW, asked_by="ada", reason="x", body={}
    )


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (block_unseen, "has not seen"),
        (block_unknown, "unknown outcome"),
        (block_flatten, "cancels and closes everything"),
        (block_total_lock, "Reopen it first"),
        (block_breach, "BREACH"),
        (block_life, "not carried out yet"),
    ],
)
def test_each_condition_of_the_step(
    observing: World, ada: User, block: Callable[[World], None], sentence: str
) -> None:
    block(observing)
    with pytest.raises(ModeRefused) as refused:
        up(observing, ada)
    (only,) = refused.value.missing
    assert sentence in only
    assert mode_of(observing) is Mode.OBSERVE


def test_invented_prices_end_at_paper(world: World, ada: User) -> None:
    Account.objects.filter(pk=world.account.pk).update(synthetic=True)
    with pytest.raises(ModeRefused, match="it never goes above paper"):
        up(world, ada, Mode.DEMO)


def test_machines_lower_and_never_raise(world: World) -> None:
    account_id = world.account.pk
    assert modes.lower(account_id, Mode.OBSERVE, by="guard", reason="no outcomes", now=NOW)
    assert not modes.lower(account_id, Mode.OBSERVE, by="guard", reason="no outcomes", now=NOW)
    with pytest.raises(ModeRefused, match="only a person can raise it"):
        modes.lower(account_id, Mode.PAPER, by="guard", reason="x", now=NOW)
    assert mode_of(world) is Mode.OBSERVE


def test_a_mode_lowered_while_a_claim_waits_for_the_rows_counts(
    world: World, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = kill_switch.effective

    def slow(account_id: int | None = None, *, lock: bool = False) -> Any:
        if lock:
            Account.objects.filter(pk=world.account.pk).update(mode="observe")
        return right(account_id, lock=lock)

    desk = Desk("one")
    desk.tick(now=NOW)
    intent = make_intent(world)
    monkeypatch.setattr(kill_switch, "effective", slow)
    desk.tick(now=NOW + SECOND)
    assert state_of(intent) is IntentState.DENIED
    assert broker.sent == []
