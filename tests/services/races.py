"""Races between threads on a database that commits: on PostgreSQL inside pytest, on an SQLite file in a process.

A control is the product with one function, which it names, replaced by a wrong one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.db import connection

from tests.services import worlds
from tests.services.worlds import NOW, Scripted, World
from trading.core.types import Side, TradingState
from trading.models import Account, Flatten, KillSwitch, Lease, OrderIntent, PaperEntry, Scan, Signal
from trading.services import claims, flatten, kill_switch, leases, scan
from trading.services.claims import LEASE
from trading.services.desk import Desk
from trading.strategies import ALL
from trading.venues.base import VenueUnavailable

DAY = timedelta(days=1)
Found = dict[str, Any]


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run every work in a thread of its own, all let go together; their results, or what they raised."""
    start = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def run(number: int, work: Callable[[], object]) -> None:
        try:
            connection.ensure_connection()
            start.wait(20)
            results[number] = work()
        except Exception as error:  # handed to the caller, who knows whether it is allowed
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


# -- the controls: each puts one function back to a wrong one ---------------------------------


@contextlib.contextmanager
def state_without_lock() -> Iterator[None]:
    """``kill_switch.effective`` as it would be without holding the rows."""
    right = kill_switch.effective
    with patch.object(kill_switch, "effective", lambda account_id=None, lock=False: right(account_id)):
        yield


@contextlib.contextmanager
def state_remembered() -> Iterator[None]:
    """``kill_switch.effective`` as it would be if its answer were kept for five seconds."""
    right = kill_switch.effective
    kept: dict[int | None, tuple[float, kill_switch.Effective]] = {}

    def remembered(account_id: int | None = None, *, lock: bool = False) -> kill_switch.Effective:
        since, answer = kept.get(account_id, (-10.0, None))
        if answer is None or time.monotonic() - since > 5:
            answer = right(account_id, lock=lock)
            kept[account_id] = (time.monotonic(), answer)
        return answer

    with patch.object(kill_switch, "effective", remembered):
        yield


@contextlib.contextmanager
def lease_taken_unseen() -> Iterator[None]:
    """``leases._take`` as it would be if it looked first and wrote later, without holding the row."""

    def take(*, name: str, owner: str, now: Any, ttl: timedelta) -> int | None:
        row = Lease.objects.filter(name=name).first()
        if row is not None and row.expires_at > now and row.owner != owner:
            return None
        fencing = (row.fencing if row else 0) + 1
        time.sleep(0.005)
        values = {"owner": owner, "fencing": fencing, "expires_at": now + ttl, "renewed_at": now}
        Lease.objects.update_or_create(name=name, defaults=values)
        return fencing

    with patch.object(leases, "_take", take):
        yield


@contextlib.contextmanager
def claim_by_looking() -> Iterator[None]:
    """``Desk._claim`` as it would be if it looked at the intent and wrote it afterwards."""

    def claim(desk: Desk, account: Account, intent: OrderIntent, view: object, *, now: Any) -> bool:
        row = OrderIntent.objects.get(pk=intent.pk)
        if row.state != "pending":
            return False
        time.sleep(0.1)
        row.state, row.claimed_at = "sending", now
        row.save()
        intent.state = row.state
        return True

    with patch.object(Desk, "_claim", claim):
        yield


CONTROLS = {
    one.__name__: one for one in (state_without_lock, state_remembered, lease_taken_unseen, claim_by_looking)
}


# -- the races --------------------------------------------------------------------------------


def _halt(world: World, now: Any) -> None:
    kill_switch.set_state(TradingState.HALTED, by="person", reason="now", now=now)


def _flatten(world: World, now: Any) -> None:
    flatten.ask(account_id=world.account.pk, by="level", reason="now", now=now)


def halt(rounds: int = 10, claims: int = 12, cut: Callable[[World, Any], None] = _halt) -> Found:
    """A desk claims one close after the other while someone halts; how many were claimed after the halt.

    Closes of positions that do not exist: the venue refuses them, but each must be claimed before.
    """
    world = worlds.make_world()
    desk = Desk("one", lease_ttl=DAY)
    desk.tick(now=NOW)
    late = before = 0
    for number in range(rounds):
        KillSwitch.objects.filter(account=None).update(state=TradingState.ACTIVE)
        Flatten.objects.filter(done_at=None).update(done_at=NOW)
        now = NOW + timedelta(seconds=number + 1)
        for ticket in range(claims):
            worlds.make_close(world, ticket=f"{number}-{ticket}", now=now)
        # The cut comes after a claim of this round, a little later each time: a slow machine shifts both alike.
        after, pause = 1 + number * 7 % (claims - 3), 0.012 * (number * 3 % rounds) / rounds
        seen: list[int] = []

        def stop(after: int = after, pause: float = pause, now: Any = now, seen: list[int] = seen) -> None:
            deadline = time.monotonic() + 20
            while _claimed() < after and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(pause)
            cut(world, now)
            seen.append(_claimed())

        done = at_once(lambda now=now: desk.tick(now=now), stop)
        _raise_errors(done)
        late += _claimed() - seen[0]
        before += _claimed()
        OrderIntent.objects.update(claimed_at=None)
        OrderIntent.objects.filter(state="pending").update(state="denied")
    return {"late": late, "claims": before, "all": rounds * claims}


def flattening() -> Found:
    """The same where not the switch but an order to close everything cuts."""
    return halt(cut=_flatten)


def _claimed() -> int:
    return OrderIntent.objects.exclude(claimed_at=None).count()


def _raise_errors(results: list[object]) -> None:
    errors = [result for result in results if isinstance(result, Exception)]
    if errors:
        raise ExceptionGroup("a racer fell", errors)


def lease(rounds: int = 12, takers: int = 5) -> Found:
    """Five desks reach for the lease at once: how many got it each time, and the numbers they got."""
    holders: list[int] = []
    numbers: list[int] = []
    for number in range(rounds):
        now = NOW + timedelta(minutes=number)
        works = [
            lambda owner=f"desk-{owner}", now=now: leases.acquire(name=LEASE, owner=owner, now=now)
            for owner in range(takers)
        ]
        got = at_once(*works)
        errors = [result for result in got if isinstance(result, Exception)]
        winners = [result for result in got if isinstance(result, int)]
        holders.append(len(winners) + 100 * len(errors))
        numbers += winners
    return {"holders": holders, "numbers": numbers}


def claim(rounds: int = 8) -> Found:
    """Two threads with the very same right claim and send one intent: how many orders each intent made."""
    world = worlds.make_world()
    first = Desk("one", lease_ttl=DAY)
    first.tick(now=NOW)
    orders = []
    for number in range(rounds):
        now = NOW + timedelta(seconds=number + 1)
        signal = worlds.make_signal(world, now=now, open_ms=number, approved=False)
        intent = worlds.make_intent(world, now=now, signal=signal)
        works = [
            lambda desk=desk, now=now, pk=intent.pk: _send(desk, world, pk, now=now)
            for desk in _twins(first, world)
        ]
        at_once(*works)
        book = PaperEntry.objects.filter(kind="order", magic=intent.pk).count()
        orders.append(book)
        _forget(world)
    return {"orders": orders}


def _twins(desk: Desk, world: World) -> list[Desk]:
    """Two desks that both believe to hold the lease under its present number, each with a venue of its own."""
    twins = []
    for _ in range(2):
        twin = Desk("one", lease_ttl=DAY)
        twin._fencing = desk._fencing
        twin._seat(world.account)
        twins.append(twin)
    return twins


def _send(desk: Desk, world: World, intent_id: int, *, now: Any) -> bool:
    intent = OrderIntent.objects.select_related("market", "signal__market").get(pk=intent_id)
    seat = desk._seats[world.account.pk]
    view = seat.venue.view(now=now)
    if not desk._claim(world.account, intent, view, now=now):
        return False
    # As the desk does, but with the book read anew until it is taken: the venue must not be what saves us.
    for _ in range(20):
        desk._seats = {}
        with contextlib.suppress(VenueUnavailable):
            desk._seat(world.account).venue.send(claims.request(intent), fencing=desk._fencing or 0, now=now)
            return True
    return False


def _forget(world: World) -> None:
    """Leave nothing on its way that would refuse the next round's intent."""
    OrderIntent.objects.filter(state="sending").update(state="rejected")


def scans(rounds: int = 4, minutes: int = 12) -> Found:
    """Two scans of the same candles at once: every slot has one result, every speaking slot one signal."""
    world = worlds.make_world()
    strategy = Scripted(always=Side.LONG)
    quiet = Scripted(name="quiet")
    worlds.switch_on(strategy.name, quiet.name)
    errors = 0
    with patch.dict(ALL, {strategy.name: strategy, quiet.name: quiet}):
        for number in range(rounds):
            start = NOW + timedelta(minutes=number * minutes)
            now = start + timedelta(minutes=minutes)
            worlds.store(world.market, [100.0] * minutes, start=start)
            both = at_once(*[lambda now=now: scan.run(market_id=world.market.pk, now=now)] * 2)
            errors += sum(isinstance(result, Exception) for result in both)
    return {
        "errors": errors,
        "slots": Scan.objects.filter(strategy=strategy.name).count(),
        "quiet": Scan.objects.filter(strategy=quiet.name).count(),
        "signals": Signal.objects.count(),
        "without": Scan.objects.filter(reason="signal", signal=None).count(),
        "expected": rounds * minutes,
    }


RACES: dict[str, Callable[[], Found]] = {
    "halt": halt,
    "flattening": flattening,
    "lease": lease,
    "claim": claim,
    "scans": scans,
}


def run(race: str, control: str = "") -> Found:
    """One race, with the product as it is or with a control."""
    with CONTROLS[control]() if control else contextlib.nullcontext():
        return RACES[race]()
