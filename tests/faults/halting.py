"""The processes of the halt test: one asks for orders, one sends them, one halts, one serves the panel and dies.

``python -m tests.faults.halting ROLE …`` on the database of the environment. Instants that are compared
between processes are read from the machine's monotonic clock, which all of them share.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import time
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

MARKETS = tuple(f"C{number}-USD" for number in range(12))
A_SECOND = 5
OWNER = "owner"


def say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def prepare() -> None:
    """Tables, one account that trades twelve markets with its own limits out of the way, and a person's session."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.utils import timezone

    from tests.services import worlds
    from trading.models import Account

    call_command("migrate", verbosity=0, interactive=False)
    call_command("sync_schedule", verbosity=0)
    worlds.make_world(now=timezone.now(), symbols=MARKETS)
    Account.objects.update(
        max_positions=100,
        orders_per_minute=30_000,
        orders_per_hour=30_000,
        orders_per_day=30_000,
        lots_per_day=30_000,
        messages_per_day=1_000_000,
    )
    owner = User.objects.create_superuser(OWNER, password="not used: the session is made here")
    session = SessionStore()
    session[SESSION_KEY] = str(owner.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = owner.get_session_auth_hash()
    session.save()
    say(session=session.session_key)


def producer() -> None:
    """Five signals a second with their intents, as approved ones of a scan, until it is ended."""
    from django.db import transaction
    from django.utils import timezone

    from tests.services import worlds
    from trading.models import Account, Market

    account = Account.objects.select_related("programme__profile").get(source="replay")
    markets = cycle(Market.objects.filter(key__in=MARKETS).order_by("pk"))
    world = worlds.World(account=account, markets={})
    due = time.monotonic()
    for number in range(10**9):
        now = timezone.now()
        with transaction.atomic():
            signal = worlds.make_signal(
                world, now=now, market=next(markets), open_ms=number, approved=False, strategy="wild"
            )
            worlds.make_intent(world, now=now, signal=signal)
        due += 1 / A_SECOND
        time.sleep(max(0.0, due - time.monotonic()))


def desk(log: Path, control: str) -> None:
    """The real desk, at a venue that notes when the last byte of an order reached it, and says no."""
    import threading
    from unittest.mock import patch

    from tests.services import races
    from trading.services.desk import Desk
    from trading.venues.base import VenueRejected
    from trading.venues.paper import PaperVenue

    with log.open("a", buffering=1) as noted:

        def send(_venue: PaperVenue, request: Any, *, fencing: int, now: Any) -> Any:
            noted.write(json.dumps([time.monotonic(), request.action.value, request.magic]) + "\n")
            raise VenueRejected("test", "it was taken note of")

        wrong = races.CONTROLS[control]() if control else contextlib.nullcontext()
        with wrong, patch.object(PaperVenue, "send", send):
            say(desk=os.getpid())
            Desk(f"desk-{os.getpid()}").run(threading.Event())


def halter() -> None:
    """Does what each line of its input says: open, halt by the command line's own door, ask for exits, count."""
    from django.utils import timezone

    from trading.core.types import TradingState
    from trading.models import Account, DeskStatus, KillSwitch, OrderIntent
    from trading.services import kill_switch

    say(ready=True)
    for line in sys.stdin:
        word = line.strip()
        if word == "open":
            KillSwitch.objects.update(state=TradingState.ACTIVE, changed_at=timezone.now())
            say(done=word)
        elif word == "halt":
            call_command("halt", "a flip of the test", stdout=io.StringIO())
            say(at=time.monotonic(), claimed=_claimed())
        elif word == "exits":
            say(intents=[_exit(action) for action in ("close", "cancel")])
        elif word == "state":
            account = Account.objects.get(source="replay")
            say(
                state=str(kill_switch.effective(account.pk)),
                desk=str(DeskStatus.objects.get(account=account)),
            )
        elif word == "count":
            say(claimed=_claimed(), all=OrderIntent.objects.filter(action="open").count())


def _claimed() -> int:
    """Entries that were ever claimed; a halt that has committed keeps this number as it is."""
    from trading.models import OrderIntent

    return OrderIntent.objects.filter(action="open").exclude(claimed_at=None).count()


def _exit(action: str) -> int:
    """A person's wish to close, or to cancel, of its own."""
    from django.utils import timezone

    from trading.models import Account, Market, OrderIntent

    now = timezone.now()
    return OrderIntent.objects.create(
        account=Account.objects.get(source="replay"),
        market=Market.objects.filter(key__in=MARKETS).earliest("pk"),
        action=action,
        reason="manual",
        by_person=True,
        side="short",
        lots=1,
        ticket=f"{action}-{time.monotonic_ns()}",
        created_at=now,
        expires_at=now + timedelta(seconds=60),
    ).pk


def web(port: int) -> None:
    """The panel; its process is killed at the instant at which a halt of its has committed."""
    from django.core.wsgi import get_wsgi_application
    from waitress import create_server

    from trading.services import kill_switch

    right = kill_switch.set_state

    def set_state(*given: Any, **named: Any) -> bool:
        right(*given, **named)
        say(at=time.monotonic(), claimed=_claimed())
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it is dead")

    kill_switch.set_state = set_state
    server = create_server(get_wsgi_application(), host="127.0.0.1", port=port, threads=2)
    say(ready=True)
    server.run()


def main() -> None:
    django.setup()
    role, *words = sys.argv[1:]
    if role == "desk":
        desk(Path(words[0]), words[1] if words[1:] else "")
    elif role == "web":
        web(int(words[0]))
    else:
        {"prepare": prepare, "producer": producer, "halter": halter}[role]()


if __name__ == "__main__":
    main()
