"""The machine's own clock is set under a running desk, by libfaketime: it halts within a round and claims no more."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
# A round or a claim that looked at the clock just before it was set may say so just after.
UNDER_WAY = 0.5
STEPS = {"+1h": "+3600", "-1h": "-3600", "+2min": "+120", "-2min": "-120", "+1d": "+86400", "-1d": "-86400"}

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


@dataclass
class Desk:
    """A desk in a process of its own, and the file that says what its clock shows."""

    process: subprocess.Popen[str]
    clock: Path
    lines: list[dict[str, Any]] = field(default_factory=list)

    def read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(json.loads(line) for line in self.process.stdout)

    def when(self, word: str, after: float = 0.0) -> list[float]:
        return [
            line["at"] for line in list(self.lines) if line["what"].startswith(word) and line["at"] > after
        ]

    def wait_for(self, word: str, count: int, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if len(self.when(word)) >= count:
                return True
            time.sleep(0.05)
        return len(self.when(word)) >= count

    def set_clock(self, text: str) -> float:
        """Set it in one step; the monotonic time at which it was set."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.clock)
        return time.monotonic()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with all tables and nothing in them, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    environment = {**os.environ, "CRPBOT_DATA_DIR": str(folder), "CRPBOT_ENV_FILE": os.devnull}
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    return folder


@pytest.fixture
def desk(migrated: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk that has claimed a few times by the right time."""
    require("faketime", found=LIBRARY is not None, why="libfaketime is not on this machine (apt: faketime)")
    data, clock = tmp_path / "data", tmp_path / "clock"
    shutil.copytree(migrated, data)
    clock.write_text("+0")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "CRPBOT_DATA_DIR": str(data),
        "CRPBOT_ENV_FILE": os.devnull,
    }
    environment.pop("DATABASE_URL", None)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.clock_player"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        found = Desk(process=process, clock=clock)
        threading.Thread(target=found.read, daemon=True).start()
        assert found.wait_for("claimed", 3, 120), "the desk never claimed anything"
        yield found
        process.kill()


def halted_by(desk: Desk, text: str, allowed: float = 0.0) -> None:
    """Set the clock and see it found in the first round that begins so many seconds later, with no claim since."""
    at = desk.set_clock(text) + allowed
    assert desk.wait_for("halted: the machine's clock was set", 1, 60), "never halted"
    (halted,) = desk.when("halted")
    rounds = [begun for begun in desk.when("round", after=at + UNDER_WAY) if begun <= halted]
    assert len(rounds) <= 1
    time.sleep(2.5)
    assert [claim - at for claim in desk.when("claimed", after=at) if claim - at > UNDER_WAY] == []


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_the_machine_s_clock_halts_within_a_round(desk: Desk, name: str) -> None:
    halted_by(desk, STEPS[name])


def test_a_machine_s_clock_that_stands_still_halts(desk: Desk) -> None:
    """It is out by two seconds after two, and the text that stops it has no fraction of a second."""
    halted_by(desk, time.strftime("%Y-%m-%d %H:%M:%S"), allowed=3.0)


@pytest.mark.parametrize("text", ["+1", "-1"])
def test_a_second_is_allowed(desk: Desk, text: str) -> None:
    """The control: the same desk goes on when its clock moves by what a time service may correct."""
    at = desk.set_clock(text)
    assert desk.wait_for("claimed", len(desk.when("claimed")) + 3, 30)
    time.sleep(max(0.0, at + 3 - time.monotonic()))
    assert desk.when("halted") == []
