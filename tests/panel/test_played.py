"""What the pictures show is an appliance at work, and its minutes can be played."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crpbot_site import checks
from tests.panel import played
from trading.core.types import ms_from_utc
from trading.models import Candle, DeskStatus, Market, Outcome, Scan, Signal, TaskRun

START = datetime(2026, 11, 19, 7, 32, 16, tzinfo=UTC)
END = START + timedelta(minutes=90)


@pytest.mark.django_db
def test_an_appliance_that_was_played_is_well() -> None:
    clock = played.Clock(START)
    played.Played(played.made_up(), clock, owner=None).play(END)
    assert clock() == END
    assert [f for f in checks.run(checks.READY, now=END) if f.verdict is not checks.Verdict.OK] == []
    assert DeskStatus.objects.get(account__synthetic=True).seen_at == END
    market = Market.objects.get(enabled=True)
    assert market.synthetic
    judged = Candle.objects.filter(market=market, open_ms__gt=ms_from_utc(START - 2 * played.MINUTE))
    assert Scan.objects.filter(market=market).count() == 2 * judged.count() > 150
    assert Signal.objects.count() == Outcome.objects.count()
    assert TaskRun.objects.filter(task="trading.fetch_candles", state="done").exists()
