"""Plays a recorded market on one database through all services, going on where an earlier process ended.

Run as a script in a process of its own, which a test then kills. With ``--die-at STEP:N`` the process kills
itself, as kill -9 does, when the desk reaches that step for the N-th time.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import django
from django.core.management import call_command

STRATEGIES = ("mean_reversion", "momentum")
MARKET = "BTC-USD"


def main() -> None:
    """Migrate, prepare, say that the market runs, play to the end of the file, settle what is open."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=int, required=True)
    parser.add_argument("--die-at", default="")
    given = parser.parse_args()
    django.setup()
    from trading.feeds.replay import ReplayFeed  # the rows exist only once Django is set up
    from trading.services import replay

    call_command("migrate", verbosity=0, interactive=False)
    feed = ReplayFeed(given.file)
    feed.keep(since=None, until=feed.first + timedelta(minutes=given.minutes))
    stage = replay.prepare(market_key=MARKET, strategies=STRATEGIES, now=feed.first)
    desk = replay.new_desk(on_step=_death(given.die_at))
    sys.stdout.write("playing\n")
    sys.stdout.flush()
    replay.play(stage, feed, desk, cadence=replay.Cadence())
    for second in range(1, 30):
        desk.tick(now=feed.end + timedelta(seconds=second))
    sys.stdout.write("ended\n")


def _death(die_at: str) -> Callable[[str], None] | None:
    if not die_at:
        return None
    step, _, nth = die_at.partition(":")
    seen: Counter[str] = Counter()

    def on_step(name: str) -> None:
        seen[name] += 1
        if name == step and seen[name] == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


if __name__ == "__main__":
    main()
