"""Before midnight: the floor that will apply, and what to do about it."""

from __future__ import annotations

from enum import StrEnum


class MidnightAction(StrEnum):
    """What is done when the floating loss would break the coming day's floor."""

    WARN = "warn"
    REDUCE = "reduce"
    FLATTEN = "flatten"
