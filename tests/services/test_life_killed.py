"""A step in an account's life under kill -9: at every point it is done once, with its money booked once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.services.lives import SAID

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.proof, pytest.mark.only_on("sqlite")]
# The payment's own name: without it the next desk cannot know it again.
NAME = (
    "trading/services/life.py",
    "        deal = venue.pay(plan.money, now, comment=str(action)) if plan.money else None\n",
    "        deal = venue.pay(plan.money, now, comment='') if plan.money else None\n",
)
AFTER: dict[str, dict[str, Any]] = {
    "payout": {"balance": "100499.50", "day": ["98499.50", "100000.00", True]},
    "deposit": {"balance": "102700.25", "day": ["100700.25", "100700.25", True]},
    "reset": {"balance": "100000.00", "day": ["100000.00", "100000.00", True]},
    "phase_up": {
        "balance": "100000.00",
        "day": ["100000.00", "100000.00", True],
        "account": ["second", "ftmo-2-step-funded-swing v1", "100000.00"],
    },
    "new_login": {
        "balance": "50000.00",
        "day": ["50000.00", "50000.00", True],
        "account": ["second", "generic v1", "50000.00"],
    },
}


def run(folder: Path, *words: str, product: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """One process of the script on the SQLite file of a folder."""
    environment = {
        **os.environ,
        "CRPBOT_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "crpbot_site.settings",
    }
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "-m", "tests.services.lives", *words]
    return subprocess.run(
        command, env=environment, cwd=product, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables and nothing in them, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    assert run(folder, "migrate").returncode == 0
    return folder


@pytest.fixture
def ask(migrated: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A folder with an account whose step was asked for."""

    def prepare(kind: str) -> Path:
        folder = tmp_path / kind
        shutil.copytree(migrated, folder)
        done = run(folder, "ask", kind)
        assert done.returncode == 0, done.stderr[-3000:]
        return folder

    return prepare


def killed_and_followed(folder: Path, step: str, product: Path = ROOT) -> dict[str, Any]:
    """A desk that is killed at a step, then two rounds of the next one; what stands then."""
    died = run(folder, "die", step, product=product)
    assert died.returncode == -signal.SIGKILL, died.stderr[-3000:]
    told = run(folder, "follow", product=product)
    assert told.returncode == 0, told.stderr[-3000:]
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


@contextmanager
def changed_product(change: tuple[str, str, str]) -> Iterator[Path]:
    """A copy of the product in which one named line is another one."""
    file, line, other = change
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "product"
        for room in ("crpbot_site", "trading", "notifications", "ml", "tests"):
            shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("CHANGELOG.md", "pyproject.toml", "manage.py"):
            shutil.copy(ROOT / name, copy / name)
        source = (copy / file).read_text()
        assert source.count(line) == 1, f"the line to change stands {source.count(line)} times in {file}"
        (copy / file).write_text(source.replace(line, other))
        yield copy


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        *((kind, "life_paid") for kind in sorted(SAID)),
        ("payout", "life_checked"),
        ("phase_up", "life_checked"),
        ("payout", "life_done"),
        ("new_login", "life_done"),
    ],
)
def test_killed_at_any_point_it_is_done_once(ask: Callable[[str], Path], kind: str, step: str) -> None:
    found = killed_and_followed(ask(kind), step)
    balance = AFTER[kind]["balance"]
    assert found == {
        "state": ["done"],
        "balance": balance,
        "lines": 1,
        "booked": 1,
        "periods": ["opened", kind],
        "open": balance,
        "day": AFTER[kind]["day"],
        "account": AFTER[kind].get("account", ["paper-replay", "generic v1", "100000.00"]),
        "status": balance,
        "switch": "active",
    }


def test_a_payment_without_its_name_is_found_out(ask: Callable[[str], Path]) -> None:
    with changed_product(NAME) as product:
        found = killed_and_followed(ask("payout"), "life_paid", product)
    assert found["lines"] == 2
    assert found["switch"] == "halted"
