"""Steps in an account's life as the real desk carries them out, also when one desk dies over them."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.services.lives import NOW, SAID, asked, free_of_costs, under
from tests.services.lives import Desk as Hand
from tests.services.worlds import MINUTE, SECOND, World, make_superuser
from trading.core.types import Level, TradingState
from trading.models import (
    Account,
    AccountRisk,
    BalanceOperation,
    DeskStatus,
    LifeAction,
    LifeState,
    RiskSnapshot,
)
from trading.selectors import risk as reads
from trading.services import kill_switch
from trading.services.desk import Desk

pytestmark = pytest.mark.django_db

LATER = NOW + 9 * MINUTE


class Ended(Exception):
    """The desk died here."""


@pytest.fixture
def ada(db: None) -> User:
    return make_superuser()


@pytest.fixture
def account(world: World) -> Account:
    """An account that has earned 2,000 since noon."""
    free_of_costs()
    under(world.account, "ftmo-2-step-verification")
    hand = Hand(world.account)
    hand.attend(NOW)
    hand.earn(D(2000), NOW + MINUTE)
    return world.account


def on_step_dies(step: str) -> Callable[[str], None]:
    def on_step(name: str) -> None:
        if name == step:
            raise Ended(name)

    return on_step


def put(account: Account, kind: str) -> Account:
    """Payments are made on a funded account only."""
    return under(account, "ftmo-2-step-funded") if kind == "payout" else account


def is_well(account: Account, kind: str, now: Any) -> None:
    """The step is done, its money booked once, and nothing was taken for a loss."""
    assert LifeAction.objects.get().state == LifeState.DONE
    assert BalanceOperation.objects.count() == 1
    assert kill_switch.effective(account.pk).state is TradingState.ACTIVE
    assert AccountRisk.objects.get().level == Level.GREEN
    assert not RiskSnapshot.objects.exclude(level=Level.GREEN).exists()
    status = DeskStatus.objects.get()
    assert status.ready, status.reason
    found = reads.headroom_now(account.pk, now=now)
    assert found is not None
    assert found.day_start.proven
    assert found.room.headroom > 4 * found.room.daily_limit / 5
    stored = Account.objects.get(pk=account.pk)
    assert stored.number == SAID[kind].get("number", "paper-replay")


@pytest.mark.parametrize("kind", sorted(SAID))
def test_the_desk_carries_a_step_out(account: Account, ada: User, kind: str) -> None:
    put(account, kind)
    desk = Desk("one", lease_ttl=timedelta(days=2))
    desk.tick(now=LATER)
    asked(account, ada, kind, now=LATER + SECOND, **SAID[kind])
    for second in range(2, 6):
        desk.tick(now=LATER + second * SECOND)
    is_well(account, kind, LATER + 6 * SECOND)


@pytest.mark.parametrize("hours", [0, 14])
@pytest.mark.parametrize("kind", sorted(SAID))
def test_a_desk_that_died_over_a_step_leaves_no_loss_behind(
    account: Account, ada: User, kind: str, hours: int
) -> None:
    put(account, kind)
    one = Desk("one", lease_ttl=timedelta(seconds=1), on_step=on_step_dies("life_paid"))
    asked(account, ada, kind, now=LATER, **SAID[kind])
    with pytest.raises(Ended):
        one.tick(now=LATER)
    assert LifeAction.objects.get().state == LifeState.ASKED
    after = LATER + timedelta(hours=hours, seconds=30)
    two = Desk("two", lease_ttl=timedelta(days=2))
    for second in range(4):
        two.tick(now=after + second * SECOND)
    is_well(account, kind, after + 5 * SECOND)


@pytest.mark.parametrize("kind", sorted(SAID))
def test_the_desk_that_stumbled_over_a_step_goes_on(account: Account, ada: User, kind: str) -> None:
    """The same process, after an error between the payment and the rows."""
    put(account, kind)
    stumbled: list[str] = []

    def on_step(name: str) -> None:
        if name == "life_paid" and not stumbled:
            stumbled.append(name)
            raise Ended(name)

    desk = Desk("one", lease_ttl=timedelta(days=2), on_step=on_step)
    desk.tick(now=LATER)
    asked(account, ada, kind, now=LATER + SECOND, **SAID[kind])
    with pytest.raises(Ended):
        desk.tick(now=LATER + 2 * SECOND)
    for second in range(3, 7):
        desk.tick(now=LATER + second * SECOND)
    is_well(account, kind, LATER + 8 * SECOND)
