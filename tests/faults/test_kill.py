"""Thirty times kill -9, at random moments and at every step between claim and answer."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trading.feeds.replay import ReplayFeed, save_candles

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("CRPBOT_KILLS", "30"))
# Long enough that the market never ends before the last kill: some 200 minutes pass between two of them.
DAYS = max(6, KILLS // 5)
MINUTES = DAYS * 1440
SEED = 20_261_120
STEPS = ("claimed", "sent", "placed")
# The claim's one line that makes it a claim; without it an intent that may have left is sent again.
CLAIM = (
    "trading/services/claims.py",
    "            state=IntentState.SENDING,\n",
    "            state=IntentState.PENDING,\n",
)

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900 + 20 * KILLS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A database and the product that plays on it."""

    environment: Mapping[str, str]
    product: Path
    file: Path
    minutes: int

    def play(self, die_at: str = "") -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "tests.faults.player",
            str(self.file),
            "--minutes",
            str(self.minutes),
        ]
        return subprocess.Popen(
            [*command, "--die-at", die_at],
            cwd=self.product,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def check(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.checker"],
            cwd=self.product,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return dict(json.loads(done.stdout))


def _environment(data: Path, database: str = "") -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "OMP_NUM_THREADS"}
    }
    ours = {
        "CRPBOT_DATA_DIR": str(data),
        "CRPBOT_ENV_FILE": os.devnull,
        "CRPBOT_SECRET_KEY": "the key of the test environment, which guards nothing at all 0123456789",
        "DJANGO_SETTINGS_MODULE": "crpbot_site.settings",
    }
    return {**kept, **ours, **({"DATABASE_URL": database} if database else {})}


@pytest.fixture(scope="module")
def market(candles_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Days of real Bitcoin minutes in a file of their own, quick to read."""
    feed = ReplayFeed(candles_dir / "binance_spot_BTCUSDT_1m.parquet")
    path = tmp_path_factory.mktemp("market") / "market.parquet"
    save_candles(path, feed.candles[:MINUTES])
    return path


@contextmanager
def _changed_product(change: tuple[str, str, str]) -> Iterator[Path]:
    """A copy of the product in which one named line is another one."""
    file, line, other = change
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "product"
        for room in ("crpbot_site", "trading", "notifications", "ml", "tests"):
            shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("CHANGELOG.md", "pyproject.toml", "manage.py"):
            shutil.copy(ROOT / name, copy / name)
        source = (copy / file).read_text()
        assert source.count(line) == 1, f"the line to change stands {source.count(line)} times in {file}"
        (copy / file).write_text(source.replace(line, other))
        yield copy


def _kill_often(stage: Stage, *, kills: int, seed: int) -> dict[str, int]:
    """Start the market and kill it until it was killed ``kills`` times, then let it end; how it died."""
    chance = random.Random(seed)
    died = {"random": 0, **dict.fromkeys(STEPS, 0)}
    while sum(died.values()) < kills:
        # Every second death is at a named step: chance alone would hardly ever meet the instants that matter.
        turn = sum(died.values())
        step = STEPS[turn // 2 % len(STEPS)] if turn % 2 else ""
        player = stage.play(f"{step}:1" if step else "")
        _wait_until_playing(player)
        if not step:
            time.sleep(chance.uniform(0.05, 1.0))
            player.send_signal(signal.SIGKILL)
        _, errors = player.communicate(timeout=300)
        if player.returncode == 0:
            pytest.fail(f"the market ended after {sum(died.values())} kills; give it more minutes")
        assert player.returncode == -signal.SIGKILL, errors
        died[step or "random"] += 1
    last = stage.play()
    _, errors = last.communicate(timeout=900)
    assert last.returncode == 0, errors
    return died


def _wait_until_playing(player: subprocess.Popen[str]) -> None:
    """Deaths before the market runs would prove little: starting is tested by itself."""
    if player.stdout is None or player.stdout.readline() != "playing\n":
        _, errors = player.communicate(timeout=60)
        pytest.fail(f"the market did not start: {errors}")


@pytest.fixture(scope="module")
def undisturbed(market: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same market played once without a death."""
    stage = Stage(
        environment=_environment(tmp_path_factory.mktemp("undisturbed")),
        product=ROOT,
        file=market,
        minutes=MINUTES,
    )
    player = stage.play()
    _, errors = player.communicate(timeout=900)
    assert player.returncode == 0, errors
    return stage.check()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_killed_thirty_times_nothing_is_doubled_and_nothing_is_lost(
    database: str, market: Path, undisturbed: dict[str, Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = ""
    if database == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    stage = Stage(environment=_environment(tmp_path, url), product=ROOT, file=market, minutes=MINUTES)
    died = _kill_often(stage, kills=KILLS, seed=SEED)
    found = stage.check()
    log.info(
        "%s: died %s, intents %s, %s trades, seed %s", database, died, found["intents"], found["trades"], SEED
    )
    assert found["violations"] == []
    # A strategy judges candles, not accounts: no death may have cost or added a signal.
    assert found["signals"] == undisturbed["signals"]
    assert found["intents"].get("placed", 0) > 0
    assert all(died.values()), died


def test_a_claim_that_does_not_say_so_sends_twice(market: Path, tmp_path: Path) -> None:
    with _changed_product(CLAIM) as product:
        stage = Stage(environment=_environment(tmp_path), product=product, file=market, minutes=MINUTES)
        player = stage.play("sent:1")
        player.communicate(timeout=300)
        assert player.returncode == -signal.SIGKILL
        again = stage.play("sent:1")
        again.communicate(timeout=300)
        doubled = [text for text in stage.check()["violations"] if "orders at the venue" in text]
    assert doubled
