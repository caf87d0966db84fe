"""What becomes of every signal, taken or not: its bracket followed over the candles to its end."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import connection, transaction

from trading import candle_store
from trading.core.brackets import BracketEnd, end_ms, resolve
from trading.core.costs import round_trip_bp
from trading.core.types import Candles, ExitReason, Side, ms_from_utc, utc_from_ms
from trading.models import Market, Outcome, OutcomeState
from trading.selectors import rows
from trading.services import events

STATES = {
    ExitReason.TARGET: OutcomeState.TARGET,
    ExitReason.STOP: OutcomeState.STOP,
    ExitReason.TIME: OutcomeState.TIMEOUT,
}
# How far a follower may lag behind the candles before its mark is written again.
MARK_EVERY_MS = 30 * 60_000
_FOLLOWING = """
SELECT o.id, o.market_id, o.seen_to_ms, o.entered_ms, s.side, s.stop, s.target, s.cap_seconds
FROM trading_outcome o JOIN trading_signal s ON s.id = o.signal_id WHERE o.state = %s ORDER BY o.id
"""
_MOVE_MARK = "UPDATE trading_outcome SET seen_to_ms = %s WHERE id = %s AND state = %s"
BP = Decimal(10_000)
PLACES = Decimal("0.01")


class _Followed(NamedTuple):
    """What the following of one outcome needs each minute, in the order of ``_FOLLOWING``."""

    pk: int
    market_id: int
    seen_to_ms: int
    entered_ms: int | None
    side: str
    stop: float
    target: float
    cap_seconds: int


def follow_all(*, now: datetime) -> int:
    """Follow every open outcome as far as its market's candles go; the number resolved."""
    waiting: dict[int, list[_Followed]] = defaultdict(list)
    for row in rows.query(_FOLLOWING, (OutcomeState.FOLLOWING,)):
        waiting[row[1]].append(_Followed(*row))
    return sum(_follow_market(market_id, outcomes, now=now) for market_id, outcomes in waiting.items())


def _follow_market(market_id: int, outcomes: list[_Followed], *, now: datetime) -> int:
    start = min(outcome.seen_to_ms for outcome in outcomes)
    candles = candle_store.between(market_id, start, ms_from_utc(now))
    resolved = 0
    for outcome in outcomes:
        first = int(candles.open_ms.searchsorted(outcome.seen_to_ms))
        if first < len(candles):
            resolved += _follow(outcome, candles[first:], now=now)
    return resolved


def _follow(outcome: _Followed, candles: Candles, *, now: datetime) -> int:
    entering = outcome.entered_ms is None
    entered_ms = int(candles.open_ms[0]) if outcome.entered_ms is None else outcome.entered_ms
    if int(candles.open_ms[0]) >= entered_ms + outcome.cap_seconds * 1000:
        # The cap passed without a bar: the price it is booked at is that of the last one before.
        candles = candle_store.between(outcome.market_id, entered_ms, int(candles.open_ms[0]) + 1)
    end = resolve(
        candles,
        side=Side(outcome.side),
        stop=float(outcome.stop),
        target=float(outcome.target),
        entered_ms=entered_ms,
        cap=timedelta(seconds=outcome.cap_seconds),
    )
    seen_to = int(candles.open_ms[-1]) + 1
    lagging = seen_to - outcome.seen_to_ms > MARK_EVERY_MS
    if end is None and not entering and not lagging:
        return 0
    if end is None and not entering:
        return _move_mark(outcome.pk, seen_to)
    row = Outcome.objects.select_related("signal", "market").get(pk=outcome.pk)
    if row.resolved_at is not None:
        return 0
    if row.entry is None:
        row.entered_ms, row.entry = entered_ms, Decimal(repr(float(candles.open[0])))
    if end is not None:
        _resolve(row, row.market, candles, end, now=now)
        return 1
    row.seen_to_ms = seen_to
    row.save(update_fields=("entered_ms", "entry", "seen_to_ms"))
    return 0


def _move_mark(outcome_id: int, seen_to: int) -> int:
    """Note how far an outcome that goes on has been followed; 0, as none was resolved."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_MARK, (seen_to, outcome_id, OutcomeState.FOLLOWING))
    return 0


def _resolve(outcome: Outcome, market: Market, candles: Candles, end: BracketEnd, *, now: datetime) -> None:
    ended = end_ms(candles, end)
    entered, entry = outcome.entered_ms, outcome.entry
    if entered is None or entry is None:
        raise ValueError(f"{outcome} was resolved before it was entered")
    # Nobody knows what prices did during an outage, so a bracket that spans one is not scored, nor one
    # that could only be entered after it. One that timed out was held to its cap, whenever its last bar came.
    held_to = entered + outcome.signal.cap_seconds * 1000 if end.reason is ExitReason.TIME else ended
    blind = candle_store.has_gap(market.pk, ms_from_utc(outcome.signal.closed_at), held_to)
    outcome.state = OutcomeState.UNJUDGED if blind else STATES[end.reason]
    outcome.exit = Decimal(repr(end.price))
    outcome.seen_to_ms = ended
    outcome.resolved_at = utc_from_ms(ended)
    if not blind:
        gain = (outcome.exit - entry) / entry * Side(outcome.signal.side).sign * BP
        outcome.net_bp = (gain - round_trip_bp(market.instrument())).quantize(PLACES)
    with transaction.atomic():
        outcome.save()
        events.record(
            "outcome",
            now=now,
            text=f"{outcome.signal} ended: {outcome.state}"
            + ("" if blind else f", {outcome.net_bp} bp after costs"),
            account_id=outcome.signal.account_id,
            market_id=market.pk,
            data={"signal": outcome.signal_id, "state": str(outcome.state)},
        )
