"""From closed candles to signals: every slot is judged once and leaves its one result."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction

from trading import candle_store
from trading.core.costs import round_trip_bp, to_tick
from trading.core.tiers import expected_value_bp, proven, tier_of
from trading.core.timeframes import MINUTE_MS, timeframe_ms
from trading.core.types import (
    AccountView,
    Action,
    Candles,
    Decision,
    Draft,
    Judgement,
    Mode,
    Side,
    ms_from_utc,
    utc_from_ms,
)
from trading.models import (
    Account,
    Market,
    OrderIntent,
    Outcome,
    Scan,
    Signal,
    candle_id,
)
from trading.selectors import risk, rows, signals
from trading.services import events, kill_switch
from trading.services.decisions import checks_body, decide_entry
from trading.strategies import ALL
from trading.strategies.base import Strategy

MOST_BARS = 1500
# What was never judged before begins with the candles of the hour before its first scan at the earliest.
NEWCOMER_MS = 60 * MINUTE_MS
SIGNAL = "signal"
_NEWEST = "SELECT source, newest_ms FROM trading_market WHERE id = %s"
_ACCOUNTS = "SELECT id FROM trading_account WHERE source = %s ORDER BY synthetic, name"
_NEWEST_SLOT = """
SELECT max(open_ms) FROM trading_scan
WHERE account_id = %s AND market_id = %s AND strategy = %s AND timeframe = %s
"""
# Candles that came after a newer one had been judged, no older than the first slot there is.
_LATE = """
SELECT c.open_ms FROM trading_candle c
WHERE c.id >= %s AND c.id < %s
  AND NOT EXISTS (SELECT 1 FROM trading_scan s WHERE s.account_id = %s AND s.market_id = %s
                  AND s.strategy = %s AND s.timeframe = %s AND s.open_ms = c.open_ms)
  AND EXISTS (SELECT 1 FROM trading_scan s WHERE s.account_id = %s AND s.market_id = %s
              AND s.strategy = %s AND s.timeframe = %s AND s.open_ms < c.open_ms)
ORDER BY c.id
"""
_SWITCHED_ON = "SELECT name FROM trading_strategyswitch WHERE enabled ORDER BY name"
_REASONS = """
INSERT INTO trading_scan (account_id, market_id, strategy, timeframe, open_ms, judged_at, reason, note) VALUES
"""
_ONE_REASON = "(%s, %s, %s, %s, %s, %s, %s, %s)"
# SQLite takes so many values in one statement on every version that Python brings.
MOST_REASONS = 100
LATE_MS = 60 * MINUTE_MS
STRATEGY_ERROR = "strategy_error"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What one scan of a market did: slots judged, ids of the signals made."""

    judged: int = 0
    signals: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One account and strategy that judge a market: from ``judged_to_ms`` on, after the slot ``last_ms``.

    newest_ms: opening of the market's newest candle.
    """

    account_id: int
    market_id: int
    strategy: Strategy
    judged_to_ms: int
    last_ms: int | None
    newest_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """An account, a market and the strategy that has just spoken there."""

    account: Account
    strategy: Strategy
    market: Market


def run_all(*, now: datetime) -> int:
    """Judge every market's candles that are not judged yet; the number of slots judged.

    Fetch first (``market_data.fetch_all``), and read the clock after it: the account's view must not be
    older or younger than ``now``.  One market's failure is an Event and does not keep the others from
    being judged; the failures are raised together at the end as an ExceptionGroup.
    """
    judged = 0
    errors: list[Exception] = []
    for market_id in Market.objects.filter(enabled=True).order_by("pk").values_list("pk", flat=True):
        try:
            judged += _run_told(market_id, now=now)
        except Exception as error:  # the others have their turn first
            errors.append(error)
    if errors:
        raise ExceptionGroup("markets could not be judged", errors)
    return judged


def _run_told(market_id: int, *, now: datetime) -> int:
    """Judge one market; a failure leaves an Event before it is raised."""
    try:
        return run(market_id=market_id, now=now).judged
    except Exception as error:
        events.record(
            "scan_failed",
            now=now,
            text=f"The scan failed: {type(error).__name__}: {error}",
            severity="error",
            market_id=market_id,
        )
        raise


def run(*, market_id: int, now: datetime) -> Scanned:
    """Judge every closed candle of one market that has not been judged yet, oldest first."""
    found = rows.query(_NEWEST, (market_id,))
    if not found:
        raise Market.DoesNotExist(f"there is no market with the id {market_id}")
    ((source, newest_ms),) = found
    if newest_ms is None:
        return Scanned()
    judged = 0
    made: list[int] = []
    for place in _places(market_id, source, newest_ms, now=now):
        for open_ms in _late(place):
            window = candle_store.window(market_id, until_ms=open_ms + 1, bars=place.strategy.warm_up)
            judged += _judge(place, window, len(window) - 1, now=now).judged
        bars = _bars(place)
        if bars is None:
            continue
        candles, first = bars
        done = _judge(place, candles, first, now=now)
        judged += done.judged
        made += done.signals
    return Scanned(judged=judged, signals=tuple(made))


def _late(place: _Place) -> list[int]:
    """Openings of one-minute candles of the last hour that were stored after a newer one had been judged."""
    if place.last_ms is None or place.strategy.timeframe != "1m":
        return []
    market_id = place.market_id
    slot = (place.account_id, market_id, place.strategy.name, place.strategy.timeframe)
    hour = (candle_id(market_id, place.last_ms - LATE_MS), candle_id(market_id, place.last_ms))
    return [open_ms for (open_ms,) in rows.query(_LATE, (*hour, *slot, *slot))]


def _places(market_id: int, source: str, newest_ms: int, *, now: datetime) -> list[_Place]:
    """Every account and enabled strategy that judges this market, and how far each has come."""
    accounts = [account_id for (account_id,) in rows.query(_ACCOUNTS, (source,))]
    names = [name for (name,) in rows.query(_SWITCHED_ON) if name in ALL]
    return [
        _of(account_id, ALL[name], market_id, newest_ms, now=now) for account_id in accounts for name in names
    ]


def _of(account_id: int, strategy: Strategy, market_id: int, newest_ms: int, *, now: datetime) -> _Place:
    slot = (account_id, market_id, strategy.name, strategy.timeframe)
    ((last,),) = rows.query(_NEWEST_SLOT, slot)
    length = timeframe_ms(strategy.timeframe)
    if last is not None:
        judged_to = last + length
    else:
        # A newcomer judges the bar that has just closed, so that a first start says something at once, and what
        # closes from then on; older history is not made up for.
        created_at = Account.objects.values_list("created_at", flat=True).get(pk=account_id)
        began = max(ms_from_utc(created_at) - length, ms_from_utc(now) - NEWCOMER_MS)
        judged_to = began - length + 1
    return _Place(
        account_id=account_id,
        market_id=market_id,
        strategy=strategy,
        judged_to_ms=judged_to,
        last_ms=last,
        newest_ms=newest_ms,
    )


def _bars(place: _Place) -> tuple[Candles, int] | None:
    """The bars needed, and the index of the first unjudged one; None when no bar is due."""
    end_ms = place.newest_ms + MINUTE_MS
    length = timeframe_ms(place.strategy.timeframe)
    judged_to = place.judged_to_ms
    while judged_to + length <= end_ms:
        backlog = min((end_ms - judged_to) // length + 1, MOST_BARS)
        until_ms = min(judged_to + backlog * length, end_ms)
        candles = candle_store.window(
            place.market_id,
            until_ms=until_ms,
            bars=place.strategy.warm_up + backlog,
            timeframe=place.strategy.timeframe,
        )
        first = int(candles.open_ms.searchsorted(judged_to))
        if first < len(candles):
            return candles, first
        # Nothing but a gap so far: the next bar may lie behind it.
        judged_to = until_ms
    return None


def _judge(place: _Place, candles: Candles, first: int, *, now: datetime) -> Scanned:
    """Judge the bars from index ``first`` on, in order; plain reasons are stored together, signals one by one."""
    reasons: list[Scan] = []
    made: list[int] = []
    for index in range(first, len(candles)):
        judgement = _ask(place.strategy, candles, index)
        slot = _slot(place, int(candles.open_ms[index]), judgement, now=now)
        if judgement.side is None:
            reasons.append(slot)
            if len(reasons) == MOST_REASONS:
                _store_reasons(reasons)
                reasons = []
            continue
        # Stored before the signal: the newest stored slot says how far this desk has judged.
        _store_reasons(reasons)
        reasons = []
        signal_id = _signal(place, slot, judgement, _window(place.strategy, candles, index), now=now)
        if signal_id is not None:
            made.append(signal_id)
    _store_reasons(reasons)
    return Scanned(judged=len(candles) - first, signals=tuple(made))


def _store_reasons(reasons: list[Scan]) -> None:
    """Store plain reasons in one statement; a slot that has its result keeps it."""
    if not reasons:
        return
    values: list[Any] = []
    for slot in reasons:
        judged_at = connection.ops.adapt_datetimefield_value(slot.judged_at)
        values += [slot.account_id, slot.market_id, slot.strategy, slot.timeframe, slot.open_ms]
        values += [judged_at, slot.reason, slot.note]
    with connection.cursor() as cursor:
        cursor.execute(f"{_REASONS} {', '.join([_ONE_REASON] * len(reasons))} ON CONFLICT DO NOTHING", values)


def _window(strategy: Strategy, candles: Candles, index: int) -> Candles:
    return candles[max(index + 1 - strategy.warm_up, 0) : index + 1]


def _ask(strategy: Strategy, candles: Candles, index: int) -> Judgement:
    minute = int(candles.open_ms[index]) // MINUTE_MS + timeframe_ms(strategy.timeframe) // MINUTE_MS
    if minute % strategy.stride_minutes:
        return Judgement(side=None, reason="not_due")
    if index + 1 < strategy.warm_up:
        return Judgement(side=None, reason="warming_up", note=f"{index + 1} of {strategy.warm_up} bars")
    try:
        return strategy.judge(_window(strategy, candles, index))
    except Exception as error:
        # The slot is judged all the same: one candle must not hold up all that follow it.
        log.exception(
            "%s failed on the candle of %s", strategy.name, utc_from_ms(int(candles.open_ms[index]))
        )
        return Judgement(side=None, reason=STRATEGY_ERROR, note=f"{type(error).__name__}: {error}")


def _slot(place: _Place, open_ms: int, judgement: Judgement, *, now: datetime) -> Scan:
    return Scan(
        account_id=place.account_id,
        market_id=place.market_id,
        strategy=place.strategy.name,
        timeframe=place.strategy.timeframe,
        open_ms=open_ms,
        judged_at=now,
        reason=judgement.reason if judgement.side is None else SIGNAL,
        note=judgement.note[:200],
    )


def _signal(place: _Place, slot: Scan, judgement: Judgement, window: Candles, *, now: datetime) -> int | None:
    """Ask the gate and store scan, signal, outcome, intent and event in one transaction.

    None when the slot has its result already: the unique keys say so and nothing happens.
    """
    desk = _Desk(
        account=Account.objects.select_related("programme__profile").get(pk=place.account_id),
        strategy=place.strategy,
        market=Market.objects.get(pk=place.market_id),
    )
    view = risk.view_of(desk.account)
    draft = _draft(desk, slot, judgement, window)
    gap = candle_store.has_gap(desk.market.pk, int(window.open_ms[0]), int(window.open_ms[-1]) + MINUTE_MS)
    try:
        with transaction.atomic():
            decision = _decide(desk, draft, view, gap, now=now)
            signal = _store(desk, slot, draft, judgement, decision, now=now)
    except IntegrityError:
        if Scan.objects.filter(
            account_id=slot.account_id,
            market_id=slot.market_id,
            strategy=slot.strategy,
            timeframe=slot.timeframe,
            open_ms=slot.open_ms,
        ).exists():
            return None
        raise
    return int(signal.pk)


def _decide(desk: _Desk, draft: Draft, view: AccountView | None, gap: bool, *, now: datetime) -> Decision:
    # Without a view the gate is asked about an account seen at the beginning of time: it refuses
    # with "account_stale", in the same words and rows as any other refusal.
    seen = view or AccountView(
        number=desk.account.number,
        currency=desk.account.currency,
        balance=desk.account.initial_balance,
        equity=desk.account.initial_balance,
        positions=(),
        as_of=utc_from_ms(0),
    )
    return decide_entry(
        draft,
        account=desk.account,
        market=desk.market,
        view=seen,
        state=kill_switch.effective(desk.account.pk),
        window_has_gap=gap,
        now=now,
    )


def _draft(desk: _Desk, slot: Scan, judgement: Judgement, window: Candles) -> Draft:
    if judgement.side is None or judgement.bracket is None:
        raise ValueError(f"{desk.strategy.name} named a side without a bracket")
    instrument = desk.market.instrument()
    bracket = judgement.bracket
    sign = judgement.side.sign
    entry = to_tick(Decimal(repr(float(window.close[-1]))), instrument, up=True)
    confidence = signals.confidence_of(strategy=desk.strategy.name, market_id=desk.market.pk)
    value = expected_value_bp(confidence, bracket, round_trip_bp(instrument)) if proven(confidence) else None
    closed_at = utc_from_ms(slot.open_ms + timeframe_ms(slot.timeframe))
    return Draft(
        symbol=desk.market.key,
        strategy=desk.strategy.name,
        timeframe=slot.timeframe,
        side=judgement.side,
        entry=entry,
        stop=to_tick(entry * (1 - sign * bracket.stop), instrument, up=judgement.side is Side.LONG),
        target=to_tick(entry * (1 + sign * bracket.target), instrument, up=judgement.side is Side.SHORT),
        cap=bracket.cap,
        closed_at=closed_at,
        expires_at=closed_at + risk.limits_of(desk.account).signal_ttl,
        tier=tier_of(confidence, value),
        confidence=confidence,
        expected_value_bp=value,
        unproven=not proven(confidence),
    )


def _store(
    desk: _Desk, slot: Scan, draft: Draft, judgement: Judgement, decision: Decision, *, now: datetime
) -> Signal:
    signal = Signal.objects.create(
        account=desk.account,
        market=desk.market,
        strategy=draft.strategy,
        timeframe=draft.timeframe,
        open_ms=slot.open_ms,
        closed_at=draft.closed_at,
        judged_at=now,
        expires_at=draft.expires_at,
        side=draft.side,
        entry=draft.entry,
        stop=draft.stop,
        target=draft.target,
        cap_seconds=int(draft.cap.total_seconds()),
        tier=draft.tier,
        confidence=draft.confidence.rate,
        confidence_low=draft.confidence.low,
        confidence_high=draft.confidence.high,
        confidence_n=draft.confidence.n,
        expected_value_bp=draft.expected_value_bp,
        unproven=draft.unproven,
        synthetic=desk.market.synthetic,
        note=judgement.note[:200],
        approved=decision.approved,
        codes=list(decision.codes),
        checks=checks_body(decision),
        lots=decision.lots,
        risk=decision.risk,
        programme=desk.account.programme,
    )
    slot.signal = signal
    slot.save()
    Outcome.objects.create(
        signal=signal,
        market=desk.market,
        strategy=draft.strategy,
        seen_to_ms=ms_from_utc(draft.closed_at),
    )
    if decision.approved and Mode(desk.account.mode).trades:
        _intent(signal, decision, now=now)
    _tell(signal, desk, decision, now=now)
    return signal


def _intent(signal: Signal, decision: Decision, *, now: datetime) -> None:
    OrderIntent.objects.create(
        account=signal.account,
        market=signal.market,
        signal=signal,
        action=Action.OPEN,
        reason=SIGNAL,
        side=signal.side,
        lots=decision.lots,
        stop=signal.stop,
        target=signal.target,
        risk=decision.risk,
        created_at=now,
        expires_at=signal.expires_at,
    )


def _tell(signal: Signal, desk: _Desk, decision: Decision, *, now: datetime) -> None:
    what = f"{signal}: {signal.side} {desk.market.label} by {signal.strategy}, tier {signal.tier}"
    answer = (
        f"{decision.lots.normalize():f} lots"
        if decision.approved
        else f"refused: {decision.rejections[0].sentence}"
    )
    events.record(
        "signal_approved" if decision.approved else "signal_refused",
        now=now,
        text=f"{what}, {answer}",
        account_id=desk.account.pk,
        market_id=desk.market.pk,
        data={"signal": signal.pk, "codes": list(decision.codes)},
    )
