"""A halt cuts within a second, with Redis, beat, the worker or the web gone: real processes, real databases.

Orders are asked for five times a second. Each flip opens the switch, waits a random while, halts, and looks
at what the venue still received and what the desk still claimed after the halt had committed.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.conftest import require
from tests.faults.databases import own_database

ROOT = Path(__file__).resolve().parents[2]
NIGHTLY = bool(os.environ.get("CRPBOT_NIGHTLY"))
# Of each condition; in a night 60 on PostgreSQL, the database that is traded on.
FLIPS = {"postgresql": 60 if NIGHTLY else 8, "sqlite": 12 if NIGHTLY else 4}
CONDITIONS = ("all well", "redis dead", "beat dead", "worker dead", "web killed")
SEED = 20_261_120
WITHIN = 1.0
# After a halt the flip waits so long for what should not come; the control's cache lasts five seconds.
WATCHED = 1.3

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600 + 30 * sum(FLIPS.values()))]


@dataclass
class Found:
    """What one flip showed: seconds from the halt's commit to the last entry at the venue, and late claims."""

    condition: str
    last: float
    late: int
    entries: int


@dataclass
class House:
    """The processes of one database, each started by a word and killed by its name."""

    environment: dict[str, str]
    folder: Path
    stack: ExitStack
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    redis_port: int = 0
    session: str = ""

    @property
    def sent(self) -> list[tuple[float, str, int]]:
        """When which order reached the venue."""
        lines = (self.folder / "sent").read_text().splitlines()
        return [tuple(json.loads(line)) for line in lines if line.endswith("]")]

    def start(self, name: str, *command: str) -> subprocess.Popen[str]:
        errors = self.stack.enter_context((self.folder / f"{name}-{time.monotonic_ns()}").open("w"))
        process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if name not in {"redis", "worker", "beat"} else errors,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        self.stack.callback(end, process)
        self.running[name] = process
        return process

    def role(self, name: str, *words: str) -> subprocess.Popen[str]:
        return self.start(name, sys.executable, "-m", "tests.faults.halting", name, *words)

    def celery(self, name: str) -> None:
        words = {
            "worker": "worker --queues control --include trading.tasks.control --pool solo",
            "beat": "beat --scheduler django_celery_beat.schedulers:DatabaseScheduler --max-interval 5",
        }[name]
        pid = ["--pidfile", ""] if name == "beat" else ["--without-gossip", "--without-mingle"]
        self.start(name, sys.executable, "-m", "celery", "-A", "crpbot_site.celery", *words.split(), *pid)

    def redis(self) -> None:
        words = f"redis-server --port {self.redis_port} --bind 127.0.0.1 --appendonly no"
        self.start("redis", *words.split(), "--save", "", "--dir", str(self.folder))
        wait_until(lambda: listens(self.redis_port))

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running[name].wait(10)

    def ask(self, word: str) -> dict[str, Any]:
        """One line to the halter, one answer of it."""
        halter = self.running["halter"]
        assert halter.stdin is not None
        halter.stdin.write(f"{word}\n")
        halter.stdin.flush()
        return answer(halter)


def end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    for pipe in filter(None, (process.stdin, process.stdout)):
        with suppress(OSError):
            pipe.close()


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        # Others may speak too; what is an answer is an object.
        if line.startswith("{"):
            return dict(json.loads(line))
    raise AssertionError(f"{process.args} has ended")


def listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def wait_until(true: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come about within {seconds:.0f} s")
        time.sleep(0.02)


@contextmanager
def house(folder: Path, *, database: str = "", control: str = "") -> Iterator[House]:
    """Redis, worker, beat, desk, and what asks for orders and halts, on a database of their own."""
    require("redis", found=shutil.which("redis-server") is not None, why="Redis is not on this machine")
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    port = servers.free_port()
    environment = {
        **kept,
        "CRPBOT_DATA_DIR": str(folder),
        "CRPBOT_ENV_FILE": os.devnull,
        "CRPBOT_SECRET_KEY": "the key of the test environment, which guards nothing at all 0123456789",
        "CRPBOT_FEED": "synthetic",
        "CRPBOT_MAX_POSITIONS": "100",
        "DJANGO_SETTINGS_MODULE": "crpbot_site.settings",
        "OMP_NUM_THREADS": "1",
        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
        **({"DATABASE_URL": database} if database else {}),
    }
    with ExitStack() as stack:
        made = House(environment=environment, folder=folder, stack=stack, redis_port=port)
        (folder / "sent").touch()
        made.session = answer(made.role("prepare"))["session"]
        made.redis()
        for name in ("worker", "beat"):
            made.celery(name)
        answer(made.role("desk", str(folder / "sent"), control))
        answer(made.role("halter"))
        made.role("producer")
        wait_until(lambda: len(made.sent) >= 5)
        yield made


def flip(made: House, condition: str, chance: random.Random) -> Found:
    """Open, wait, halt, and watch; then close and cancel as a person while everything is halted."""
    port = servers.free_port()
    panel = made.role("web", str(port)) if condition == "web killed" else None
    if panel is not None:
        answer(panel)
    before = opened(made)
    time.sleep(chance.uniform(0.0, 1.2))
    halted = made.ask("halt") if panel is None else halt_and_die(made, panel, port)
    exits = made.ask("exits")["intents"]
    watched_to = halted["at"] + WATCHED
    wait_until(lambda: set(exits) <= {magic for _, _, magic in made.sent}, 10)
    time.sleep(max(0.0, watched_to - time.monotonic()))
    entries = [at for at, action, _ in made.sent[before:] if action == "open"]
    return Found(
        condition=condition,
        last=max([at - halted["at"] for at in entries if at > halted["at"]], default=0.0),
        late=made.ask("count")["claimed"] - halted["claimed"],
        entries=len(entries),
    )


def opened(made: House) -> int:
    """Open until orders leave; how many had left before. What else halts meanwhile is told and opened again.

    The desk halts by itself when the machine stands still for seconds, since its clock seems to have been set.
    """
    for _ in range(5):
        made.ask("open")
        before = len(made.sent)
        with suppress(TimeoutError):
            wait_until(lambda seen=before: len(made.sent) > seen, 6)
            return before
        log.info("no order left: %s", made.ask("state"))
    raise AssertionError(f"no order leaves: {made.ask('state')}")


def halt_and_die(made: House, panel: subprocess.Popen[str], port: int) -> dict[str, Any]:
    """Press Halt on the panel; its process is killed right after the commit, so no answer comes."""
    token = "a" * 32
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"crpbot_session={made.session}; csrftoken={token}",
        "X-CSRFToken": token,
        "Host": f"127.0.0.1:{port}",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/halt/", body="state=halted", headers=headers)
    with suppress(http.client.HTTPException, OSError):
        answered = connection.getresponse()
        pytest.fail(f"the panel answered {answered.status}: {answered.read()[:300]!r}")
    connection.close()
    told = answer(panel)
    assert panel.wait(10) == -signal.SIGKILL
    return told


@contextmanager
def without(made: House, condition: str) -> Iterator[None]:
    """The condition of some flips: one process killed, and started again afterwards."""
    name = condition.removesuffix(" dead")
    if not condition.endswith("dead"):
        yield
        return
    made.kill(name)
    yield
    made.redis() if name == "redis" else made.celery(name)


@pytest.fixture
def url(database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of this test's own; "" for the SQLite file of its folder."""
    if database == "sqlite":
        yield ""
        return
    with own_database(request.getfixturevalue("postgresql_url")) as made:
        yield made


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_halt_cuts_within_a_second_whatever_else_is_dead(database: str, url: str, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    found: list[Found] = []
    with house(tmp_path, database=url) as made:
        for condition in CONDITIONS:
            with without(made, condition):
                found += [flip(made, condition, chance) for _ in range(FLIPS[database])]
        assert made.running["desk"].poll() is None
    for condition in CONDITIONS:
        worst = max(one.last for one in found if one.condition == condition)
        log.info("%s, %s: last order at most %.0f ms after the halt", database, condition, worst * 1000)
    entries = sum(one.entries for one in found)
    log.info("%s: %s flips, %s entries sent, seed %s", database, len(found), entries, SEED)
    assert [one for one in found if one.late] == []
    assert max(one.last for one in found) <= WITHIN
    assert all(one.entries for one in found), "a flip without an order says nothing"


def test_a_desk_that_remembers_the_state_is_found_out(tmp_path: Path) -> None:
    """The control: the answer of ``kill_switch.effective`` kept for five seconds."""
    chance = random.Random(SEED)
    with house(tmp_path, control="state_remembered") as made:
        found = [flip_remembered(made, chance) for _ in range(3)]
    assert any(one.late for one in found)
    assert any(one.last > WITHIN for one in found)


def flip_remembered(made: House, chance: random.Random) -> Found:
    """A flip that is opened for long enough that the desk remembers it as open."""
    made.ask("open")
    before = len(made.sent)
    wait_until(lambda: len(made.sent) > before)
    time.sleep(chance.uniform(0.0, 1.2))
    halted = made.ask("halt")
    time.sleep(3)
    entries = [at for at, action, _ in made.sent[before:] if action == "open"]
    return Found(
        condition="control",
        last=max([at - halted["at"] for at in entries], default=0.0),
        late=made.ask("count")["claimed"] - halted["claimed"],
        entries=len(entries),
    )
