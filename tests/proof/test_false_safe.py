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
            "worst, lowest, booked = equity - held.falls - sum(coming), equity,",
            "worst, lowest, booked = equity - held.falls - coming[0], equity,",
            id="orders of unknown outcome are not counted",
        ),
        pytest.param(
            "trading/core/headroom.py",
            "worst, lowest, booked = equity - held.falls - sum(coming), equity,",
            "worst, lowest, booked = equity - sum(coming), equity,",
            id="open positions are not counted at their stops",
        ),
        pytest.param(
            "trading/core/headroom.py",
            "LAST_MINUTES = 60",
            "LAST_MINUTES = 0",
            id="the floor of the coming midnight does not count",
        ),
        pytest.param(
            "trading/core/headroom.py",
            'RED_FROM = Decimal("0.70")',
            'RED_FROM = Decimal("0.71")',
            id="new risk from 70 % on",
        ),
        pytest.param(
            "trading/core/gate_rules.py",
            "    if used >= LOCKED_FROM:",
            "    if used > 1:",
            id="an order may lock the account",
        ),
        pytest.param(
            "trading/core/gate_rules.py",
            "    if after <= room.floor:",
            "    if after <= room.total_floor:",
            id="the total floor alone counts",
        ),
        pytest.param(
            "trading/core/costs.py",
            "    loss = (inside - outside) * side.sign * size",
            "    loss = (entry - outside) * side.sign * size",
            id="an entry costs no spread",
        ),
        pytest.param(
            "trading/core/costs.py",
            "    loss += commission(lots, inside, instrument) + commission(lots, outside, instrument)",
            "    loss += commission(lots, outside, instrument)",
            id="one commission is forgotten",
        ),
        pytest.param(
            "trading/core/exits.py",
            "    return Exits(instrument, gap_buffer(instrument, gap_buffer_bp))",
            "    return Exits(instrument, gap_buffer_bp)",
            id="a market's own gap buffer is not counted",
        ),
        pytest.param(
            "trading/core/programme.py",
            '    return max(initial, positive("highest equity", day.peak_equity)) - limit',
            "    return initial - limit",
            id="the intraday trail stands still",
        ),
        pytest.param(
            "trading/core/programme.py",
            '    trailed = max(initial, positive("highest balance at midnight", day.peak_balance)) - limit',
            "    trailed = initial - limit",
            id="the trail of midnights stands still",
        ),
        pytest.param(
            "trading/core/programme.py",
            '        return max(finite("what the day began with", reference), ZERO) * share',
            "        return initial * 2 * share",
            id="the daily limit is a share of something else",
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
