"""Reads nothing but the rows that a killed market left behind, and says which promises they break.

Run as a script with the database in the environment; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import django


def violations(*, live: bool = False) -> list[str]:
    """Every broken promise in a sentence; empty when all were kept.

    live: the market still runs, and an account does not judge what closed before it was there.
    """
    from trading.core.types import Action, IntentState
    from trading.models import (
        Candle,
        Fill,
        OrderIntent,
        Outcome,
        PaperEntry,
        Scan,
        Signal,
        StrategySwitch,
        Trade,
    )

    found: list[str] = []
    orders = Counter(PaperEntry.objects.filter(kind="order").values_list("magic", flat=True))
    found += [f"intent {magic} has {n} orders at the venue" for magic, n in orders.items() if n > 1]
    states = dict(OrderIntent.objects.values_list("pk", "state"))
    found += [f"order without an intent: {magic}" for magic in orders if magic not in states]
    for pk, state in states.items():
        if not live and not IntentState(state).final and state != IntentState.NOT_PLACED:
            found.append(f"intent {pk} is still {state}")
        if (state == IntentState.PLACED) != (pk in orders):
            found.append(f"intent {pk} is {state}, orders at the venue: {orders.get(pk, 0)}")
    entries = Counter(OrderIntent.objects.filter(action=Action.OPEN).values_list("signal_id", flat=True))
    for pk in Signal.objects.filter(approved=True).values_list("pk", flat=True):
        if entries[pk] != 1:
            found.append(f"approved signal {pk} has {entries[pk]} intents")
    candles = 0 if live else Candle.objects.count()
    for name in StrategySwitch.objects.filter(enabled=True).values_list("name", flat=True):
        judged = Scan.objects.filter(strategy=name).count()
        if not live and judged != candles:
            found.append(f"{name} judged {judged} of {candles} candles")
    told = Scan.objects.filter(reason="signal", signal__isnull=False).count()
    if not told == Signal.objects.count() == Outcome.objects.count():
        counts = f"{Signal.objects.count()} signals, {Outcome.objects.count()} outcomes"
        found.append(f"{told} scans name a signal, {counts}")
    deals = set(PaperEntry.objects.filter(kind="deal").values_list("sequence", flat=True))
    fills = {int(deal) for deal in Fill.objects.values_list("deal", flat=True)}
    found += [f"deals that are no fills: {sorted(deals - fills)}"] if deals - fills else []
    found += [f"fills that are no deals: {sorted(fills - deals)}"] if fills - deals else []
    money = sum(
        profit + commission for profit, commission in Fill.objects.values_list("profit", "commission")
    )
    booked = sum(t.profit + t.commission for t in Trade.objects.all())
    found += [f"fills add up to {money}, trades to {booked}"] if money != booked else []
    return found


def summary(*, live: bool) -> dict[str, Any]:
    """What was found, and how much there was to be broken."""
    from trading.models import OrderIntent, Scan, Signal, Trade

    slots = Signal.objects.order_by("strategy", "open_ms").values_list("strategy", "open_ms")
    return {
        "violations": violations(live=live),
        "scans": Scan.objects.count(),
        "signals": [list(slot) for slot in slots],
        "intents": dict(Counter(OrderIntent.objects.values_list("state", flat=True))),
        "trades": Trade.objects.count(),
    }


if __name__ == "__main__":
    django.setup()
    json.dump(summary(live="--live" in sys.argv), sys.stdout)
