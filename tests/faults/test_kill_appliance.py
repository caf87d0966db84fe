"""kill -9 of the whole appliance, panel, beat, worker and desk at once, at random moments of a market that runs."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import servers
from tests.appliances import Appliance
from tests.site.conftest import PROJECT, own_environment

KILLS = int(os.environ.get("CRPBOT_KILLS", "30"))
SEED = 20_261_121

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300 + 30 * KILLS)]


def check(data: Path) -> dict[str, object]:
    """What the rows say once nobody writes them any more."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.checker", "--live"],
        cwd=PROJECT,
        env={**own_environment(data), "DJANGO_SETTINGS_MODULE": "crpbot_site.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return dict(json.loads(done.stdout))


def test_killed_whole_it_goes_on_where_it_was(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    port = servers.free_port()
    scans = 0
    for kill in range(KILLS):
        appliance = Appliance(tmp_path, port=port)
        appliance.until(60, lambda up=appliance: up.get("/health/live")[0] == 200)
        time.sleep(chance.uniform(0.0, 6.0))
        assert appliance.process.poll() is None, appliance.text
        appliance.process.kill()
        appliance.process.wait(10)
        log.info("kill %s of %s", kill + 1, KILLS)
    last = Appliance(tmp_path, port=port)
    last.until_ready()
    found = check(tmp_path / "data")
    scans = int(str(found["scans"]))
    # The next turn of the scan comes within two minutes; it judges what closed in the meantime.
    last.until(150, lambda: int(str(check(tmp_path / "data")["scans"])) > scans)
    code, _ = last.end()
    assert code == 0, last.text
    found = check(tmp_path / "data")
    log.info("%s kills, %s scans, intents %s, seed %s", KILLS, found["scans"], found["intents"], SEED)
    assert found["violations"] == []
