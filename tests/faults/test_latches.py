"""What is latched is latched for the next process too: the first is killed, and another reads the rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.databases import own_database

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.faults


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of processes that share one database of their own."""
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    ours = {
        "CRPBOT_DATA_DIR": str(tmp_path),
        "CRPBOT_ENV_FILE": os.devnull,
        "CRPBOT_SECRET_KEY": "the key of the test environment, which guards nothing at all 0123456789",
        "DJANGO_SETTINGS_MODULE": "crpbot_site.settings",
    }
    if request.param == "sqlite":
        yield {**kept, **ours}
        return
    with own_database(request.getfixturevalue("postgresql_url")) as url:
        yield {**kept, **ours, "DATABASE_URL": url}


def start(environment: dict[str, str], word: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.latching", word],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def found_after_a_kill(environment: dict[str, str], look: str = "look") -> dict[str, Any]:
    """Latch in one process, kill it, and look with another."""
    first = start(environment, "make")
    assert first.stdout is not None
    said = first.stdout.readline()
    if said != "latched\n":
        pytest.fail(first.communicate(timeout=60)[1][-3000:])
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL
    second = start(environment, look)
    told, errors = second.communicate(timeout=100)
    assert second.returncode == 0, errors[-3000:]
    return dict(json.loads(told))


def test_locks_halts_and_breaches_outlive_their_process(environment: dict[str, str]) -> None:
    found = found_after_a_kill(environment)
    # State, who wrote the account's own switch, level, and whether it is still being flattened.
    assert found["soon"] == {
        "daily": ["reducing", "bootstrap", "locked", False],
        "total": ["reducing", "bootstrap", "locked", False],
        "breach": ["halted", "risk", "breach", False],
        "halted": ["halted", "runaway", "green", False],
        # Nothing was open: the new process found the order to close everything, and found it done.
        "flatten": ["reducing", "bootstrap", "green", False],
    }
    assert found["next day"] == {
        **found["soon"],
        "daily": ["reducing", "bootstrap", "green", False],
    }


@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
def test_a_process_that_forgets_is_found_out(environment: dict[str, str]) -> None:
    found = found_after_a_kill(environment, "forget")
    assert [found["soon"][name][2] for name in ("daily", "total")] == ["green", "green"]
