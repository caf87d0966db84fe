"""A desk of its own process, with the machine's clock, that is given something to send ten times a second.

Run as a script under libfaketime by ``test_clock_machine``. It prints what happens with the monotonic time, which
nothing sets: every round, every claim, and how strict the switch is once a round has found the clock wrong.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import threading
import time
from datetime import datetime
from unittest.mock import patch

import django


def say(word: str) -> None:
    """One line of JSON: what happened, and when by the monotonic clock."""
    sys.stdout.write(json.dumps({"what": word, "at": time.monotonic()}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the desk in a thread, ask for closes until standard input ends."""
    django.setup()
    from django.db import OperationalError  # the rows exist only once Django is set up
    from django.utils import timezone

    from tests.services import worlds
    from trading.services import clock, kill_switch, paper
    from trading.services.desk import Desk

    world = worlds.make_world(now=timezone.now())
    broker = worlds.Broker(world)
    stop = threading.Event()

    right = clock.check

    def check(watch: clock.Watch, *, now: datetime) -> str:
        say("round")
        found = right(watch, now=now)
        if found:
            state = kill_switch.effective(world.account.pk)
            say(f"{state.state}: {state.reason}")
        return found

    def on_step(name: str) -> None:
        if name == "claimed":
            say(name)

    with patch.object(paper, "venue_for", broker.venue_for), patch.object(clock, "check", check):
        desk = Desk("clock", on_step=on_step)
        thread = threading.Thread(target=desk.run, args=(stop,), daemon=True)
        thread.start()
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        for number in itertools.count():
            if ended.wait(0.1):
                break
            with contextlib.suppress(OperationalError):  # the desk may be writing
                worlds.make_close(world, ticket=f"T{number}", now=timezone.now())
        stop.set()
        thread.join(10)


if __name__ == "__main__":
    main()
