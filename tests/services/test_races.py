"""Threads against each other on a database that commits, with a wrong product beside the right one each time."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.services import races

# Asked before any fixture: emptying an SQLite database would take the rows of the migrations with it.
on_postgresql = pytest.mark.only_on("postgresql")
ROOT = Path(__file__).resolve().parents[2]
Race = Callable[..., dict[str, Any]]


def run_on(folder: Path, *words: str) -> str:
    """Run a race on the SQLite file of a folder, in a process of its own; what it printed."""
    environment = {**os.environ, "CRPBOT_DATA_DIR": str(folder)}
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "-m", "tests.services.race_on_file", *words]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables and nothing in them, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    run_on(folder)
    return folder


@pytest.fixture
def race_on_a_file(migrated: Path, tmp_path: Path) -> Race:
    """Run a race on an SQLite file in a process of its own.

    Not on the database of the tests: that one lives in memory, where all threads share one connection, and
    it could not be emptied afterwards, because the triggers of the append-only rows refuse.
    """

    def race(*words: str) -> dict[str, Any]:
        folder = tmp_path / "-".join(words)
        shutil.copytree(migrated, folder)
        found: dict[str, Any] = json.loads(run_on(folder, *words).splitlines()[-1])
        return found

    return race


@pytest.fixture
def race_on_postgresql(transactional_db: None) -> Race:
    """Run a race in this process, on a PostgreSQL database that commits and is emptied afterwards."""
    return races.run


def check_halt(race: Race, name: str = "halt") -> None:
    right = race(name)
    assert right["late"] == 0
    assert 0 < right["claims"] < right["all"], "the halts came too early or too late to say anything"


def check_lease(race: Race) -> None:
    right = race("lease")
    assert right["holders"] == [1] * 12
    assert right["numbers"] == list(range(1, 13))


def check_scans(race: Race) -> None:
    found = race("scans")
    expected = found["expected"]
    assert found == {
        "errors": 0,
        "slots": expected,
        "quiet": expected,
        "signals": expected,
        "without": 0,
        "expected": expected,
    }


def test_after_a_halt_nothing_is_claimed_on_a_file(race_on_a_file: Race) -> None:
    check_halt(race_on_a_file)
    assert race_on_a_file("halt", "state_remembered")["late"] > 0


@on_postgresql
def test_after_a_halt_nothing_is_claimed_on_postgresql(race_on_postgresql: Race) -> None:
    check_halt(race_on_postgresql)


def test_after_a_flatten_nothing_is_claimed_on_a_file(race_on_a_file: Race) -> None:
    check_halt(race_on_a_file, "flattening")
    assert race_on_a_file("flattening", "state_remembered")["late"] > 0


@on_postgresql
def test_after_a_flatten_nothing_is_claimed_on_postgresql(race_on_postgresql: Race) -> None:
    check_halt(race_on_postgresql, "flattening")


@on_postgresql
def test_the_lock_of_a_flatten_is_what_does_it(race_on_postgresql: Race) -> None:
    assert any(race_on_postgresql("flattening", "state_without_lock")["late"] for _ in range(6))


@on_postgresql
def test_a_remembered_state_is_found_out_on_postgresql(race_on_postgresql: Race) -> None:
    assert race_on_postgresql("halt", "state_remembered")["late"] > 0


@on_postgresql
def test_the_lock_is_what_does_it(race_on_postgresql: Race) -> None:
    assert any(race_on_postgresql("halt", "state_without_lock")["late"] for _ in range(6))


def test_one_of_five_takes_the_lease_on_a_file(race_on_a_file: Race) -> None:
    check_lease(race_on_a_file)
    assert max(race_on_a_file("lease", "lease_taken_unseen")["holders"]) > 1


@on_postgresql
def test_one_of_five_takes_the_lease_on_postgresql(race_on_postgresql: Race) -> None:
    check_lease(race_on_postgresql)


@on_postgresql
def test_taking_the_lease_unseen_is_found_out_on_postgresql(race_on_postgresql: Race) -> None:
    assert max(race_on_postgresql("lease", "lease_taken_unseen")["holders"]) > 1


def test_one_intent_is_sent_once_on_a_file(race_on_a_file: Race) -> None:
    assert race_on_a_file("claim")["orders"] == [1] * 8
    assert max(race_on_a_file("claim", "claim_by_looking")["orders"]) > 1


@on_postgresql
def test_one_intent_is_sent_once_on_postgresql(race_on_postgresql: Race) -> None:
    assert race_on_postgresql("claim")["orders"] == [1] * 8


@on_postgresql
def test_looking_before_claiming_is_found_out_on_postgresql(race_on_postgresql: Race) -> None:
    assert max(race_on_postgresql("claim", "claim_by_looking")["orders"]) > 1


def test_two_scans_at_once_leave_one_result_a_slot_on_a_file(race_on_a_file: Race) -> None:
    check_scans(race_on_a_file)


@on_postgresql
def test_two_scans_at_once_leave_one_result_a_slot_on_postgresql(race_on_postgresql: Race) -> None:
    check_scans(race_on_postgresql)
