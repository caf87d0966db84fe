"""One-minute candles: stored once, restated when their source corrects itself, never invented.

What is stored how is this package's secret; callers hand in and get back arrays.
"""

from trading.candle_store.coverage import is_covered, uncovered
from trading.candle_store.gaps import GapChanges, Stretch, gap_counts, has_gap, mark_complete
from trading.candle_store.reading import between, window
from trading.candle_store.writing import Appended, append

__all__ = [
    "Appended",
    "GapChanges",
    "Stretch",
    "append",
    "between",
    "gap_counts",
    "has_gap",
    "is_covered",
    "mark_complete",
    "uncovered",
    "window",
]
