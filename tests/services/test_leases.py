"""Leases: one holder at a time, and a number that only grows."""

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.worlds import NOW, SECOND, World, make_close, make_intent, state_of
from trading.core.types import IntentState
from trading.models import Lease
from trading.services import leases, paper
from trading.services.claims import LEASE, request
from trading.services.desk import Desk
from trading.venues.base import VenueRejected

pytestmark = pytest.mark.django_db

TTL = leases.TTL


def take(owner: str, *, now: datetime = NOW, fencing: int | None = None) -> int | None:
    return leases.acquire(name="role", owner=owner, now=now, fencing=fencing)


def holds(owner: str, fencing: int, now: datetime = NOW) -> bool:
    with transaction.atomic():
        return leases.holds(name="role", owner=owner, fencing=fencing, now=now)


def test_the_first_to_ask_has_it() -> None:
    assert take("one") == 1
    assert take("two") is None
    assert holds("one", 1)
    assert not holds("two", 1)
    assert not holds("one", 2)


def test_whoever_renews_in_time_keeps_it_and_its_number() -> None:
    assert take("one") == 1
    for seconds in range(10, 100, 10):
        assert take("one", now=NOW + seconds * SECOND, fencing=1) == 1
    assert take("two", now=NOW + 100 * SECOND) is None


@pytest.mark.parametrize(("late", "held"), [(TTL - SECOND / 1000, True), (TTL, False), (TTL + SECOND, False)])
def test_it_runs_out_at_the_end_of_its_time(late: timedelta, held: bool) -> None:
    take("one")
    assert holds("one", 1, NOW + late) is held
    assert take("two", now=NOW + late) == (None if held else 2)


def test_every_change_of_hands_has_a_higher_number() -> None:
    numbers = [take(owner, now=NOW + number * TTL) for number, owner in enumerate("abcab")]
    assert numbers == [1, 2, 3, 4, 5]


def test_who_comes_back_late_gets_a_new_number_and_the_old_one_is_dead() -> None:
    assert take("one") == 1
    assert take("one", now=NOW + TTL, fencing=1) == 2
    assert not holds("one", 1, NOW + TTL)


def test_who_was_followed_by_another_gets_nothing() -> None:
    take("one")
    assert take("two", now=NOW + TTL) == 2
    assert take("one", now=NOW + TTL + SECOND, fencing=1) is None
    assert holds("two", 2, NOW + TTL)


def test_a_restart_under_the_same_name_gets_a_new_number() -> None:
    assert take("one") == 1
    assert take("one", now=NOW + SECOND) == 2
    assert take("one", now=NOW + SECOND, fencing=1) == 3


def test_letting_go_hands_over_at_once_and_only_what_is_one_s_own() -> None:
    take("one")
    leases.release(name="role", owner="two", now=NOW)
    assert take("two", now=NOW) is None
    leases.release(name="role", owner="one", now=NOW)
    assert take("two", now=NOW) == 2


def test_nobody_holds_what_was_never_taken() -> None:
    assert not holds("one", 0)


def test_roles_do_not_know_each_other() -> None:
    take("one")
    assert leases.acquire(name="other", owner="two", now=NOW) == 1
    assert Lease.objects.count() == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    asks=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.sampled_from(["ask", "release"])),
        min_size=20,
        max_size=40,
    )
)
def test_never_two_holders_and_numbers_never_come_back(asks: list[tuple[str, int, str]]) -> None:
    Lease.objects.all().delete()
    now = NOW
    held: dict[str, int] = {}
    highest = 0
    for owner, pause, what in asks:
        now += pause * SECOND
        if what == "release":
            leases.release(name="role", owner=owner, now=now)
        else:
            number = take(owner, now=now, fencing=held.get(owner))
            if number is not None:
                assert number == held.get(owner) or number > highest
                held[owner], highest = number, max(highest, number)
        holders = [name for name, number in held.items() if holds(name, number, now)]
        assert len(holders) <= 1
        assert all(held[name] == highest for name in holders)


def test_a_stale_holder_s_claim_is_refused(world: World) -> None:
    first = Desk("one")
    first.tick(now=NOW)
    late = NOW + TTL
    assert Desk("two").tick(now=late).holds
    intent = make_close(world, ticket="7", now=late)
    seat = first._seats[world.account.pk]
    assert not first._claim(world.account, intent, seat.venue.view(now=late), now=late)
    assert state_of(intent) == IntentState.PENDING


def test_a_desk_without_the_lease_does_nothing(world: World) -> None:
    assert Desk("one").tick(now=NOW).holds
    intent = make_close(world, ticket="7")
    second = Desk("two").tick(now=NOW + SECOND)
    assert (second.holds, second.sent) == (False, 0)
    assert state_of(intent) == IntentState.PENDING


def test_the_paper_book_refuses_a_lower_number(world: World) -> None:
    first = Desk("one")
    first.tick(now=NOW)
    Desk("two").tick(now=NOW + TTL)
    stale = paper.venue_for(world.account)
    with pytest.raises(VenueRejected, match="fencing number 1 is below 2"):
        stale.send(request(make_intent(world)), fencing=1, now=NOW + TTL)
    assert Lease.objects.get(name=LEASE).fencing == 2
