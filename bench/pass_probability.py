"""Futures of an account, beside the same walk in plain Python: one JSON line a figure.

``python -m bench.pass_probability`` measures; ``--paths`` and ``--rounds`` make it shorter. Ours and the reference
take turns, the figures are medians of processor time, since a neighbour's work is not theirs. Every path of the
reference must end as ours does.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from trading.core.own_trades import Booking, OwnTrade, own_days
from trading.core.pass_paths import UNITS, Rules, Standing, Table, walk
from trading.core.pass_probability import HORIZON, PATHS, History, chances, group_draws
from trading.core.programme import PROFILES, Programme, profile
from trading.core.timeframes import PRAGUE

TARGET_SECONDS = 2.0
# The reference walks so many times fewer paths, and its time is multiplied: it would take minutes.
REFERENCE_PART = 50
INITIAL = Decimal(100_000)
FIRST = date(2026, 1, 1)
FRESH = Standing(balance=INITIAL, peak_balance=INITIAL, peak_equity=INITIAL)


def past(*, days: int, wins: float, risk: int, programme: Programme) -> History:
    """Three trades a day, known from a seed, each winning or losing what it risks."""
    rng = np.random.default_rng(17)
    trades = []
    for number in range(3 * days):
        begin = PRAGUE.bounds(FIRST + timedelta(days=number // 3))[0] + timedelta(hours=6 + 3 * (number % 3))
        end = begin + timedelta(hours=4)
        amount = Decimal(risk if rng.random() < wins else -risk)
        trades.append(
            OwnTrade(
                opened_at=begin,
                closed_at=end,
                bookings=(Booking(at=end, amount=amount),),
                risk=Decimal(risk),
                upside=Decimal(risk),
            )
        )
    last = FIRST + timedelta(days=days - 1)
    return History(
        trades=tuple(trades),
        programme=programme,
        initial=INITIAL,
        standing=FRESH,
        first=FIRST,
        last=last,
        set_risk=Decimal("0.005"),
    )


def plain(net: Sequence[int], low: Sequence[int], draws: Sequence[Sequence[int]]) -> list[int]:
    """The FTMO 2-Step Challenge with our levels, a path after the other; draws: for each path its days."""
    daily, total, target = UNITS // 20, UNITS - UNITS // 10, UNITS + UNITS // 10
    lock, red = total + UNITS // 50, total + UNITS * 3 // 100
    ends = []
    for path in draws:
        balance, end = UNITS, 0
        for number, day in enumerate(path):
            if balance <= red:
                end = 2
                break
            down = low[day]
            worst = balance + down
            if down < -daily:
                end = 3 if balance - daily >= total or worst >= total else 4
                break
            if worst <= lock:
                end = 4 if worst < total else 2
                break
            balance += net[day]
            if balance > target and number >= 3:
                end = 1
                break
        ends.append(end)
    return ends


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def told(bench: str, ours: float, reference: float | None, *, target: float) -> bool:
    """Print one figure; returns whether the target was met."""
    body = {
        "bench": bench,
        "ours": round(ours, 4),
        "reference": None if reference is None else round(reference, 2),
        "ratio": None if reference is None else round(reference / ours, 1),
        "target": target,
        "ok": ours <= target,
        "unit": "seconds of one processor",
    }
    print(json.dumps(body), flush=True)
    return ours <= target


def measure_walk(name: str, history: History, *, paths: int, rounds: int) -> bool:
    """The walk alone, ours and plain Python on the first paths of the same draws."""
    days = own_days(history.trades, clock=PRAGUE, first=history.first, last=history.last)
    table = Table.of(days, initial=INITIAL, scale=Decimal(1))
    rules = Rules.of(history.programme, lock=True)
    size = -(-paths // 64)
    lots = [group_draws(len(days), seed=1, group=n, paths=64, horizon=HORIZON) for n in range(size)]
    together = [np.concatenate(lots[n : n + 256], axis=1) for n in range(0, size, 256)]
    few = np.concatenate(lots[: max(size // REFERENCE_PART, 1)], axis=1)
    listed, net, low = few.T.tolist(), table.net.tolist(), table.low.tolist()

    def ours() -> list[np.ndarray]:
        return [walk(table, rules, FRESH, initial=INITIAL, draws=draws)[0] for draws in together]

    expected = plain(net, low, listed)
    if np.concatenate(ours())[: len(expected)].tolist() != expected:
        raise SystemExit("a path of the reference ends otherwise than ours")
    mine, others = [], []
    for _ in range(rounds):
        mine.append(timed(ours) * paths / (size * 64))
        others.append(timed(lambda: plain(net, low, listed)) * paths / len(expected))
    return told(f"walk_{name}", statistics.median(mine), statistics.median(others), target=TARGET_SECONDS)


def measure_whole(name: str, history: History, *, paths: int, rounds: int) -> bool:
    """Everything that is said: outcomes with their intervals, days, and P(pass) at every risk."""
    seconds = [timed(lambda: chances(history, paths=paths)) for _ in range(rounds)]
    return told(f"chances_{name}", statistics.median(seconds), None, target=TARGET_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pass_probability", description=__doc__)
    parser.add_argument("--paths", type=int, default=PATHS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    wanted = {"paths": options.paths, "rounds": options.rounds}
    two_step, one_step = PROFILES[0], profile("ftmo-1-step-challenge")
    usual = past(days=60, wins=0.53, risk=500, programme=two_step)
    # So little risk that hardly a path is decided: every one walks all of its days.
    slow = past(days=60, wins=0.50, risk=50, programme=two_step)
    met = [
        measure_walk("usual", usual, **wanted),
        measure_walk("undecided", slow, **wanted),
        measure_whole("usual", usual, **wanted),
        measure_whole("undecided", slow, **wanted),
        measure_whole("one_step", past(days=60, wins=0.53, risk=500, programme=one_step), **wanted),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
