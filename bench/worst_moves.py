"""The worst one-minute moves of real candles against open positions: what is lost beyond the stop.

``CRPBOT_CANDLES=FOLDER python -m bench.worst_moves`` takes the ``--moves`` worst minutes of all one-minute files of
the folder, opens a position on the losing side one minute before, at each of several stop distances, lets the minute
pass through the paper venue, and compares what was lost with what the headroom number had counted at the stop
without any buffer. One JSON line a figure, the table last.

Minute bars do not show the path within the minute, so three fills are shown. ``venue`` is the paper venue's: the
stop, or the opening where the market opened beyond it. ``second`` adds one second of the minute's move at an even pace:
the time an order may take. ``worst`` is the worst price of the minute: no fill can have been worse.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from trading.core.costs import commission, stop_fill, to_tick
from trading.core.types import Action, Candles, Instrument, OrderRequest, Side, utc_from_ms
from trading.feeds.candle_files import load_candles
from trading.venues.paper import PaperVenue
from trading.venues.paper_book import MemoryBook

MINUTE = timedelta(minutes=1)
MINUTE_MS = 60_000
BP = Decimal(10_000)
# Distances of the stop from the price before the minute, in basis points.
DISTANCES_BP = (5, 10, 25, 50, 100, 200)
LOTS = Decimal("1")
COVERED = 0.999
QUANTILES = (0.5, 0.9, 0.99, COVERED, 1.0)
# Deep enough that the venue's share of a bar's volume never cuts the position.
VOLUME = 1e9


@dataclass(frozen=True, slots=True)
class Move:
    """One minute that went against a position of ``side``: ``share`` of the price before it."""

    file: str
    side: Side
    share: float
    candles: Candles


def worst(files: list[Path], moves: int) -> list[Move]:
    """The largest adverse moves from the close before a minute to its extreme, of both sides and all files."""
    found: list[Move] = []
    for path in files:
        candles = load_candles(path)
        before, low, high = candles.close[:-1], candles.low[1:], candles.high[1:]
        # A break in the file is no minute: nobody held a position through it.
        whole = np.diff(candles.open_ms) == MINUTE_MS
        for side, share in ((Side.LONG, 1 - low / before), (Side.SHORT, high / before - 1)):
            share = np.where(whole, share, 0.0)
            for index in np.argsort(share)[-moves:]:
                part = candles[max(int(index) - 1, 0) : int(index) + 2]
                found.append(Move(path.stem, side, float(share[index]), part))
    found.sort(key=lambda move: move.share, reverse=True)
    return found[:moves]


def instrument(price: float) -> Instrument:
    """A market as the appliance makes it, with a tick fine enough for the price."""
    return Instrument(
        symbol="M",
        contract_size=Decimal(1),
        volume_min=Decimal("0.01"),
        volume_max=Decimal(100),
        volume_step=Decimal("0.01"),
        tick_size=Decimal("0.01") if price > 10 else Decimal("0.0001"),
        commission_rate=Decimal("0.000325"),
        spread_bp=Decimal("2.5"),
        slippage_bp=Decimal("0.5"),
    )


def beyond(move: Move, distance_bp: int) -> dict[str, float] | None:
    """How far beyond its stop the position was closed, in basis points of the stop; None when it was not hit."""
    bars = move.candles
    last = len(bars) - 1
    spec = instrument(float(bars.close[last - 1]))
    before = Decimal(repr(float(bars.close[last - 1])))
    sign = move.side.sign
    stop = to_tick(before * (1 - sign * distance_bp / BP), spec, up=move.side is Side.SHORT)
    venue = _held(move, spec, stop)
    if venue is None:
        return None
    balance = venue.view(now=utc_from_ms(int(bars.open_ms[last]))).balance
    entry = venue.view(now=utc_from_ms(int(bars.open_ms[last]))).positions[0].entry
    venue.advance("M", _deep(bars[last : last + 1]))
    view = venue.view(now=utc_from_ms(int(bars.open_ms[last]) + MINUTE_MS))
    if view.positions:
        return None
    counted = stop_fill(move.side, stop, spec, Decimal(0))
    expected = (counted - entry) * sign * LOTS - commission(LOTS, counted, spec)
    by_venue = float((expected - (view.balance - balance)) / stop * BP)
    opened, extreme = float(bars.open[last]), float((bars.low if sign > 0 else bars.high)[last])
    second = abs(opened - extreme) / opened * 10_000 / 60
    at_worst = max((float(counted) - extreme) * sign / float(stop) * 10_000, by_venue)
    return {"venue": by_venue, "second": min(by_venue + second, at_worst), "worst": at_worst}


def _held(move: Move, spec: Instrument, stop: Decimal) -> PaperVenue | None:
    """A venue that holds one position with this stop when the minute begins; None where it could not be."""
    bars = move.candles
    last = len(bars) - 1
    if last < 1:
        return None
    venue = PaperVenue(
        number="1",
        currency="USD",
        initial_balance=Decimal(10_000_000),
        instruments={"M": spec},
        book=MemoryBook(),
    )
    start = utc_from_ms(int(bars.open_ms[last - 1]))
    far = to_tick(stop * (1 + move.side.sign * Decimal("0.9")), spec, up=True)
    request = OrderRequest(
        magic=1,
        action=Action.OPEN,
        symbol="M",
        side=move.side,
        lots=LOTS,
        stop=stop,
        target=far,
        deadline=start + MINUTE,
    )
    venue.send(request, fencing=1, now=start)
    # The minute before is flat at its close: the position is opened there and not stopped in it.
    close = bars.close[last - 1 : last]
    flat = Candles(
        open_ms=bars.open_ms[last - 1 : last],
        open=close,
        high=close,
        low=close,
        close=close,
        volume=np.array([VOLUME]),
    )
    venue.advance("M", flat)
    return venue if venue.view(now=start + MINUTE).positions else None


def _deep(bars: Candles) -> Candles:
    return Candles(
        open_ms=bars.open_ms,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=np.full(len(bars), VOLUME),
    )


def figures(moves: list[Move]) -> Iterator[dict[str, object]]:
    """One record a fill model and stop distance, and one over all distances."""
    hits = [(distance, beyond(move, distance)) for move in moves for distance in DISTANCES_BP]
    for model in ("venue", "second", "worst"):
        for distance in (*DISTANCES_BP, None):
            chosen = [hit[model] for d, hit in hits if hit is not None and distance in (d, None)]
            yield {
                "bench": "worst_moves",
                "fill": model,
                "stop_bp": distance or "all",
                "stops_hit": len(chosen),
                "beyond_bp": {f"{100 * q:g} %": round(float(np.quantile(chosen, q)), 2) for q in QUANTILES},
            }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.worst_moves", description=__doc__)
    parser.add_argument("--moves", type=int, default=1000)
    options = parser.parse_args()
    folder = os.environ.get("CRPBOT_CANDLES")
    if not folder:
        print("Set CRPBOT_CANDLES to a folder with one-minute candle files.", file=sys.stderr)
        return 2
    files = sorted(Path(folder).glob("*_1m*.parquet"))
    moves = worst(files, options.moves)
    if not moves:
        print(f"{folder} holds no one-minute file (*_1m*.parquet).", file=sys.stderr)
        return 2
    first, last = moves[0], moves[-1]
    print(json.dumps({"bench": "worst_moves", "files": [path.name for path in files], "moves": len(moves)}))
    print(json.dumps({"largest": round(first.share, 4), "in": first.file, "smallest": round(last.share, 4)}))
    rows = list(figures(moves))
    for row in rows:
        print(json.dumps(row))
    print(
        f"\n{'fill':8} {'stop bp':>8} {'hit':>6} "
        + " ".join(f"{q:>8}" for q in ("50 %", "90 %", "99 %", "99.9 %", "worst"))
    )
    for row in rows:
        numbers = " ".join(f"{value:8.1f}" for value in row["beyond_bp"].values())  # type: ignore[attr-defined]
        print(f"{row['fill']:8} {row['stop_bp']!s:>8} {row['stops_hit']:>6} {numbers}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
