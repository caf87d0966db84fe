"""A strategy built to lose, through the live services: ``python -m tests.proof.loser JOB``, JOB as JSON.

It knows the candles to come and takes the side that is stopped out first, as large and as often as the owner's
ceilings let it. What the account comes to is read from the rows; whether a limit broke is worked out by
the second opinion from every minute's worst price. ``changed`` in the job is a line of the product to change.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np

from tests.proof import oracle
from tests.proof.patched import changed_source, install

MINUTE_MS = 60_000
STOP, TARGET = Decimal("0.004"), Decimal("0.012")
AHEAD = 240
EARLIER = 120


def stopped_first(low: np.ndarray, high: np.ndarray, close: np.ndarray, index: int) -> int:
    """The side (+1 long, -1 short) whose stop the coming bars reach before its target; 0 when neither's is."""
    entry, last = close[index], min(index + 1 + AHEAD, len(close))
    found = []
    for sign in (1, -1):
        worst, best = (low, high) if sign > 0 else (high, low)
        stop = (worst[index + 1 : last] - entry * (1 - sign * float(STOP))) * sign <= 0
        target = (best[index + 1 : last] - entry * (1 + sign * float(TARGET))) * sign >= 0
        at = int(np.argmax(stop)) if stop.any() else AHEAD
        if stop.any() and not target[: at + 1].any():
            found.append((at, sign))
    return min(found)[1] if found else 0


class Loser:
    """Judges with the future in hand."""

    name, title, timeframe, stride_minutes, warm_up = "loser", "Loser", "1m", 1, 2

    def __init__(self, sides: dict[int, int]) -> None:
        self.sides = sides

    def judge(self, candles: Any) -> Any:
        from trading.core.types import Bracket, Judgement, Side

        sign = self.sides.get(int(candles.open_ms[-1]), 0)
        if not sign:
            return Judgement(side=None, reason="inside_range")
        bracket = Bracket(target=TARGET, stop=STOP, cap=timedelta(hours=4))
        side = Side.LONG if sign > 0 else Side.SHORT
        return Judgement(side=side, reason="breakout", score=1.0, bracket=bracket)


@dataclass(slots=True)
class Watch:
    """The account at every minute, and how near it came to a floor by the second opinion."""

    rules: oracle.Rules
    initial: F
    day: oracle.Day
    day_name: str = ""
    least: F = F(10**9)
    breaches: list[str] = field(default_factory=list)
    last: tuple[F, F] = (F(0), F(0))

    def see(self, now: datetime, day_name: str, balance: Decimal, equity: Decimal, worst: Decimal) -> None:
        """One minute: ``worst`` is the equity at the minute's worst prices of what is still open."""
        if day_name != self.day_name:
            if self.day_name:
                before = self.day
                held_balance, held_equity = self.last
                self.day = oracle.Day(
                    held_balance,
                    held_equity,
                    max(before.peak_balance, held_balance),
                    max(before.peak_equity, held_equity),
                )
                self._hold(now, held_equity)
            self.day_name = day_name
        self.day.peak_equity = max(self.day.peak_equity, F(equity))
        self._hold(now, min(F(equity), F(worst)))
        self.last = (F(balance), F(equity))

    def _hold(self, now: datetime, equity: F) -> None:
        room = equity - max(oracle.floors(self.day, self.initial, self.rules))
        self.least = min(self.least, room)
        if room < 0 and not self.breaches:
            self.breaches.append(f"{now:%Y-%m-%d %H:%M} by {float(-room):.2f}")


def main(job: dict[str, Any]) -> None:
    if job.get("changed"):
        file, old, new = job["changed"]
        install(file, changed_source(file, old, new))
    os.environ.update(
        CRPBOT_DATA_DIR=tempfile.mkdtemp(prefix="crpbot-loser-"),
        CRPBOT_ENV_FILE=os.devnull,
        CRPBOT_FEED="synthetic",
        CRPBOT_MAX_RISK_PER_TRADE="0.03",
        CRPBOT_MAX_SIGNALS_PER_HOUR="1000",
        CRPBOT_MAX_HIGH_PER_HOUR="1000",
        CRPBOT_COOL_DOWN_MINUTES="0",
        DJANGO_SETTINGS_MODULE="crpbot_site.settings",
        OMP_NUM_THREADS="1",
    )
    os.environ.pop("DATABASE_URL", None)
    import django

    django.setup()
    from trading.management.scratch import scratch_database

    with scratch_database(keep=False):
        sys.stdout.write(json.dumps(play(job)))


def play(job: dict[str, Any]) -> dict[str, Any]:
    """Replay the job's days with the loser alone, and say how the account ended."""
    from trading.feeds.replay import ReplayFeed
    from trading.models import Account, AccountRisk, DeskStatus, RiskSnapshot, Trade, TradeState
    from trading.services import kill_switch, replay
    from trading.strategies import ALL

    start = datetime.fromisoformat(job["from"]).replace(tzinfo=UTC)
    end = start + timedelta(days=job["days"])
    feed = ReplayFeed(Path(job["file"]))
    feed.keep(since=start, until=end)
    bars = feed.candles
    stride = job.get("stride", 1)
    sides = {
        int(bars.open_ms[i]): stopped_first(bars.low, bars.high, bars.close, i)
        for i in range(0, len(bars) - 1, stride)
    }
    ALL["loser"] = Loser(sides)
    stage = replay.prepare(market_key=job["market"], strategies=["loser"], now=feed.first)
    account = arm(stage, job)
    programme = account.programme.programme()
    watch = Watch(
        rules=oracle.Rules(
            daily=F(programme.daily_loss),
            total=F(programme.total_loss),
            mode=programme.total_loss_mode.value,
            basis=programme.daily_basis.value,
            reference=programme.daily_reference.value,
            counts_open=programme.daily_counts_open,
        ),
        initial=F(account.initial_balance),
        day=oracle.Day(*[F(account.initial_balance)] * 4),
    )
    places = {int(ms): i for i, ms in enumerate(bars.open_ms)}

    def look(now: datetime) -> None:
        status = DeskStatus.objects.filter(account=account).first()
        if status is None or status.balance is None or status.equity is None:
            return
        index = places.get(int(now.timestamp()) * 1000 - MINUTE_MS)
        fall = Decimal(0)
        for held in status.positions:
            long = held["side"] == "long"
            extreme = (
                Decimal(repr(float((bars.low if long else bars.high)[index]))) if index is not None else None
            )
            if extreme is not None:
                move = (Decimal(held["price"]) - extreme) * (1 if long else -1) * Decimal(held["lots"])
                fall += max(move, Decimal(0))
        day = str(programme.clock.day(now))
        watch.see(now, day, status.balance, status.equity, status.equity - fall)

    replay.play(stage, feed, replay.new_desk(), cadence=replay.Cadence(scan=1), told=look)
    status = DeskStatus.objects.get(account=account)
    risk = AccountRisk.objects.get(account=account)
    trades = Trade.objects.filter(account=account)
    return {
        "programme": programme.name,
        "from": job["from"],
        "level": risk.level,
        "levels": sorted(set(RiskSnapshot.objects.filter(account=account).values_list("level", flat=True))),
        "state": kill_switch.effective(account.pk).state.value,
        "open": len(status.positions),
        "trades": trades.count(),
        "lost": trades.filter(state=TradeState.CLOSED, profit__lt=0).count(),
        "equity": str(status.equity),
        "least_room": float(watch.least),
        "breaches": watch.breaches,
        "accounts": Account.objects.count(),
    }


def arm(stage: Any, job: dict[str, Any]) -> Any:
    """Give the account the job's programme and its largest sizes, and the loser a good name from earlier days."""
    from trading.models import Account, AccountPeriod, Market, ProgrammeVersion

    # Sizes are to be bounded by the loss limits, not by margin or the venue's largest volume.
    Market.objects.filter(pk=stage.market_id).update(margin_rate=Decimal("0.001"), volume_max=Decimal(1000))
    account = Account.objects.get(pk=stage.account_id)
    account.programme = ProgrammeVersion.objects.get(profile__name=job["programme"])
    account.risk_per_trade = Decimal(job["risk"])
    account.signals_per_hour = account.high_per_hour = 1000
    account.cool_down_minutes = 0
    account.max_group_risk = Decimal(1)
    account.losses_in_row = job.get("losses_in_row", 1000)
    account.save()
    AccountPeriod.objects.filter(account=account).update(programme=account.programme)
    account = Account.objects.select_related("programme__profile").get(pk=account.pk)
    good_name(account, stage.market_id)
    return account


def good_name(account: Any, market_id: int) -> None:
    """Outcomes of earlier days that all reached their target: the loser is proven, and so may trade at full size."""
    from trading.models import Outcome, OutcomeState, Signal

    for number in range(EARLIER):
        closed = account.created_at - timedelta(hours=2 * (number + 1))
        signal = Signal.objects.create(
            account=account,
            market_id=market_id,
            strategy="loser",
            timeframe="1m",
            open_ms=int(closed.timestamp()) * 1000 - MINUTE_MS,
            closed_at=closed,
            judged_at=closed,
            expires_at=closed + timedelta(seconds=90),
            side="long",
            entry=Decimal(100),
            stop=Decimal(99),
            target=Decimal(102),
            cap_seconds=3600,
            tier="low",
            confidence_n=0,
            unproven=True,
            approved=False,
            codes=["observe_only"],
            checks=[],
            lots=Decimal(0),
            risk=Decimal(0),
            programme=account.programme,
        )
        Outcome.objects.create(
            signal=signal,
            market_id=market_id,
            strategy="loser",
            state=OutcomeState.TARGET,
            seen_to_ms=signal.open_ms + MINUTE_MS,
            resolved_at=closed + timedelta(hours=1),
        )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
