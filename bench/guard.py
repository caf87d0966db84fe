"""The guard's cost beside plain floats that check nothing: one JSON line a figure.

``python -m bench.guard`` takes turns between ours and the reference; figures are medians in microseconds of
processor time, since a neighbour's work is not the guard's.
Ours is counted in exact money, refuses what is no number and rounds against us; the reference says what the bare
arithmetic costs. ``--profile`` prints where one decision of the gate spends its time.
"""

import argparse
import cProfile
import json
import math
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from tests.core.worlds import INSTRUMENTS, LIMITS, NOW, TWO_STEP, account, day, gate_input, position
from trading.core.equity import equity_of, pnl
from trading.core.gate import decide
from trading.core.headroom import Headroom, headroom
from trading.core.midnight import MidnightAction, plan
from trading.core.programme import effective_floor
from trading.core.types import AccountView, Mode, Position, Side

PRICES = {"BTC-USD": 91840.0, "ETH-USD": 3000.55, "SOL-USD": 180.12}
# Enough calls that reading the clock costs nothing, few enough that a busy neighbour meets both sides.
CALLS = 200
CENT = Decimal("0.01")


def positions(number: int) -> tuple[Position, ...]:
    """So many positions of three markets, long and short, in profit and in loss, each with its stop."""
    found = []
    for n in range(number):
        symbol = list(PRICES)[n % 3]
        side = list(Side)[n % 2]
        entry = Decimal(str(PRICES[symbol]))
        price = (entry * (1 + Decimal(n % 11 - 5) / 1000)).quantize(CENT)
        stop = (price * (1 - side.sign * Decimal("0.004"))).quantize(CENT)
        lots = Decimal(1 + n % 7) / 100
        size = INSTRUMENTS[symbol].contract_size
        won = pnl(side, entry, price, lots=lots, contract_size=size)
        found.append(
            position(symbol, side, ticket=str(n), lots=lots, entry=entry, price=price, stop=stop, profit=won)
        )
    return tuple(found)


def view(number: int) -> AccountView:
    """An account with so many positions."""
    held = positions(number)
    return account("100000", str(equity_of(Decimal(100000), held)), positions=held)


@dataclass(frozen=True, slots=True)
class Plain:
    """A position and its market in floats."""

    lots: float
    entry: float
    price: float
    stop: float
    profit: float
    sign: int
    size: float
    tick: float
    rate: float
    worse: float


def plain(position: Position) -> Plain:
    """The same position, with everything worked out beforehand that ours works out at each look."""
    market = INSTRUMENTS[position.symbol]
    worse = (market.spread_bp / 2 + market.slippage_bp + LIMITS.gap_buffer_bp) / 10_000
    return Plain(
        lots=float(position.lots),
        entry=float(position.entry),
        price=float(position.price),
        stop=float(position.stop or 0),
        profit=float(position.profit),
        sign=position.side.sign,
        size=float(market.contract_size),
        tick=float(market.tick_size),
        rate=float(market.commission_rate),
        worse=float(worse),
    )


def room_in_floats(equity: float, floor: float, held: list[Plain]) -> float:
    """Headroom by the same formula: no checks, no exact cents."""
    worst = equity
    for one in held:
        if one.sign > 0:
            fill = math.floor(min(one.price, one.stop) * (1 - one.worse) / one.tick) * one.tick
        else:
            fill = math.ceil(max(one.price, one.stop) * (1 + one.worse) / one.tick) * one.tick
        units = one.lots * one.size
        by_profit = one.profit - (fill - one.entry) * units * one.sign
        by_price = (one.price - fill) * units * one.sign
        fee = round(units * fill * one.rate, 2)
        worst -= math.ceil(max(by_profit, by_price, 0.0) * 100) / 100 + fee
    return max(worst - floor, 0.0)


def microseconds(work: Callable[[], object]) -> float:
    """Processor time of one call, of ``CALLS`` in a row."""
    began = time.process_time()
    for _ in range(CALLS):
        work()
    return (time.process_time() - began) / CALLS * 1e6


def measure(
    bench: str, ours: Callable[[], object], reference: Callable[[], object], *, target: float, rounds: int
) -> bool:
    """Print one line; True when the median of ours is within the target."""
    ours(), reference()
    pairs = [(microseconds(ours), microseconds(reference)) for _ in range(rounds)]
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ok = mine <= target
    line = {"bench": bench, "ours": round(mine, 1), "reference": round(theirs, 1), "unit": "us"}
    line |= {"ratio": round(mine / theirs, 2), "target": target, "best": round(min(a for a, _ in pairs), 1)}
    print(json.dumps(line | {"ok": ok}), flush=True)
    return ok


def world(number: int) -> dict[str, Any]:
    """What headroom is worked out from."""
    return {
        "day": day(),
        "initial": Decimal(100000),
        "programme": TWO_STEP,
        "instruments": INSTRUMENTS,
        "limits": LIMITS,
        "now": NOW,
        "account": view(number),
        "pending": (),
    }


def measure_headroom(number: int, target: float, rounds: int) -> bool:
    """Headroom of an account with so many positions."""
    given = world(number)
    held = [plain(p) for p in given["account"].positions]
    equity = float(given["account"].equity)
    floor = float(effective_floor(day(), Decimal(100000), TWO_STEP))

    def ours() -> Headroom:
        return headroom(**given)

    def reference() -> float:
        return room_in_floats(equity, floor, held)

    # The reference does the same work: on this account both agree to a cent a position.
    if abs(float(ours().headroom) - reference()) > 0.01 * number + 0.01:
        raise AssertionError(f"ours says {ours().headroom}, floats say {reference()}")
    return measure(f"headroom_{number}_positions", ours, reference, target=target, rounds=rounds)


def measure_gate(rounds: int) -> list[bool]:
    """One decision, all rules asked: with nothing open, with two positions, and refused by the last rule."""
    open_two = replace(view(3), positions=view(3).positions[1:])
    open_two = replace(open_two, equity=equity_of(open_two.balance, open_two.positions))
    inputs = {
        "gate_flat": gate_input(),
        "gate_2_positions": gate_input(account=open_two),
        "gate_refused_last": gate_input(mode=Mode.OBSERVE),
    }
    done = []
    for name, given in inputs.items():
        held = [plain(p) for p in given.account.positions]
        decision = decide(given)
        asked = sum(check.passed is not None for check in decision.checks)
        if asked != len(decision.checks):
            raise AssertionError(f"{name}: only {asked} rules were asked, {decision.rejections}")
        floats = _reference(float(given.account.equity), held)
        done.append(measure(name, partial(decide, given), floats, target=200, rounds=rounds))
    return done


def _reference(equity: float, held: list[Plain]) -> Callable[[], object]:
    """What a careless gate would do: room in floats, lots by division, one comparison."""

    def judge() -> tuple[float, bool]:
        room = room_in_floats(equity, 95_000.0, held)
        per_lot = 600.0 * 1.0 + 0.000325 * (90_000.0 + 89_400.0)
        lots = math.floor(500.0 / per_lot * 100) / 100
        return lots, lots * per_lot < room

    return judge


def measure_plan(rounds: int) -> bool:
    """A look at the coming midnight while nothing is due: asked every few seconds of the last hour."""
    late = {**world(50), "now": NOW.replace(hour=22, minute=50, second=0)}
    room = headroom(**late)
    del late["pending"]
    seen = late.pop("account")

    def ours() -> object:
        return plan(room=room, view=seen, action=MidnightAction.REDUCE, act_minutes=10, **late)

    def reference() -> bool:
        return room.worst_case > room.floor

    return measure("midnight_not_due_50_positions", ours, reference, target=20, rounds=rounds)


def show_profile() -> None:
    """Where one decision spends its time, by function."""
    given = gate_input()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(2000):
        decide(given)
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def main() -> int:
    """Measure all; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true", help="show where the gate spends its time")
    options = parser.parse_args()
    if options.profile:
        show_profile()
        return 0
    done = [measure_headroom(50, 100, options.rounds), measure_headroom(3, 50, options.rounds)]
    done += [*measure_gate(options.rounds), measure_plan(options.rounds)]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
