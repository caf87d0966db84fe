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
# The days of the widest range in the file, from the first minute of the UTC day to just before midnight in Prague: a
# lock of the daily limit ends there. The months have their midnights.
DAYS = ("2025-10-10", "2024-08-05", "2023-10-23")
DAY = 0.9
MONTHS = ("2025-10-01", "2024-08-01", "2024-03-01")
MONTH = 30.0
NIGHTLY = bool(os.environ.get("CRPBOT_NIGHTLY"))
STRETCHES = [(day, DAY) for day in DAYS] + ([(month, MONTH) for month in MONTHS] if NIGHTLY else [])
# It speaks every so many minutes: a position at a time is all it may have, and each word costs time.
STRIDE = 7
PROGRAMMES = [programme.name for programme in PROFILES]
# The share of the initial balance that a trade risks as the appliance comes: small enough that its half fits between
# 70 % of the smallest daily limit, where no new risk is taken, and 80 %, where an order would lock the account.
RISK = "0.005"
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
        "stride": STRIDE,
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
    if days <= 1:
        assert found["open"] == 0
        assert found["level"] in {"red", "locked"} or found["state"] == "halted", found
    else:
        # After each midnight it may begin again, until the total limit locks or its outcomes speak against it.
        assert set(found["levels"]) & {"red", "locked"} or found["state"] == "halted", found


@pytest.mark.parametrize("programme", PROGRAMMES)
def test_with_the_guards_line_changed_it_breaks_a_limit(programme: str) -> None:
    found = play(programme, DAYS[0], DAY, changed=UNGUARDED)
    assert found["breaches"], found
