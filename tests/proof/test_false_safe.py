"""No order is let through whose worst case would break a limit: thousands of lives beside an exact second opinion."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import pytest

from tests.proof import lives
from tests.proof.patched import PROJECT

LIVES = 200_000 if os.environ.get("CRPBOT_NIGHTLY") else 10_000
PARTS = 8
FIRST = 20_261_120
CONTROL_LIVES = 400

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.proof, pytest.mark.timeout(60 + LIVES // 20)]


@pytest.mark.parametrize("part", range(PARTS))
def test_no_order_is_let_through_that_could_break_a_limit(part: int) -> None:
    each = LIVES // PARTS
    first = FIRST + part * each
    tally = lives.run(range(first, first + each))
    log.info(
        "%s lives of %.1f events, %s orders asked, %s let through, %s not safe, %s of %s safe ones refused, codes %s",
        tally.lives,
        tally.events / tally.lives,
        tally.asked,
        tally.approved,
        len(tally.unsafe),
        tally.denied,
        tally.safe,
        dict(sorted(tally.codes.items())),
    )
    assert tally.events / tally.lives >= 30
    assert tally.near >= tally.lives // 2
    assert tally.approved > tally.lives
    assert set(tally.codes) <= lives.GUARDED
    assert tally.unsafe == []
    assert tally.denied <= tally.safe // 100, tally.denials[:5]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        pytest.param(
            "trading/core/headroom.py",
            "worst = equity - at_stops - known - unknown",
            "worst = equity - at_stops - known",
            id="unknown orders are not counted",
        ),
    ],
)
def test_the_second_opinion_finds_the_product_with_one_line_changed(file: str, old: str, new: str) -> None:
    first, last = str(FIRST), str(FIRST + CONTROL_LIVES)
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.patched", file, old, new, first, last],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert json.loads(done.stdout)["unsafe"] > 0
