"""A strategy built to lose money fast, as large as it may, in every programme on the worst days there are."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.proof.patched import PROJECT
from trading.core.programme import PROFILES

FILE = "binance_spot_BTCUSDT_1m.parquet"
# The days of the widest range in the file, each begun the evening before: a midnight in Prague is always among them.
DAYS = ("2025-10-10", "2024-08-05", "2023-10-23")
MONTHS = ("2025-10-01", "2024-08-01", "2024-03-01")
NIGHTLY = bool(os.environ.get("CRPBOT_NIGHTLY"))
STRETCHES = [(day, 1.25) for day in DAYS] + ([(month, 30.0) for month in MONTHS] if NIGHTLY else [])
PROGRAMMES = [programme.name for programme in PROFILES]
# The largest share of the initial balance that one trade may risk here: a few lost trades reach every limit.
RISK = "0.015"
# The worst case is what the day began with: the gate sees an account that never loses.
UNGUARDED = (
    "trading/core/headroom.py",
    "worst, lowest, booked = equity - held.falls - sum(coming), equity,",
    "worst, lowest, booked = to_day + of_day, equity,",
)

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.proof, pytest.mark.data, pytest.mark.timeout(900 if NIGHTLY else 240)]


def play(
    programme: str, start: str, days: float, *, changed: tuple[str, str, str] | None = None
) -> dict[str, Any]:
    folder = os.environ.get("CRPBOT_CANDLES", "")
    file = Path(folder) / FILE
    require("data", found=bool(folder) and file.exists(), why=f"CRPBOT_CANDLES names no folder with {FILE}")
    job = {
        "file": str(file),
        "market": "BTC-USD",
        "programme": programme,
        "from": start,
        "days": days,
        "risk": RISK,
        "changed": changed,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.loser", json.dumps(job)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=880 if NIGHTLY else 230,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    log.info("%s", found)
    return found


@pytest.mark.parametrize("programme", PROGRAMMES)
@pytest.mark.parametrize(("start", "days"), STRETCHES)
def test_it_is_stopped_before_a_limit_breaks(programme: str, start: str, days: float) -> None:
    found = play(programme, start, days)
    assert found["lost"] > 0
    assert found["breaches"] == []
    assert found["open"] == 0
    assert found["level"] in {"red", "locked"} or found["state"] == "halted", found


@pytest.mark.parametrize("programme", PROGRAMMES)
def test_with_the_guards_line_changed_it_breaks_a_limit(programme: str) -> None:
    found = play(programme, DAYS[0], 1.25, changed=UNGUARDED)
    assert found["breaches"], found
