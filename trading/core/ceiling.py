"""How high an account's mode may stand in this environment."""

from __future__ import annotations

from trading.core.types import Mode

CEILINGS: dict[str, Mode] = {"paper": Mode.PAPER, "live": Mode.LIVE}


def allowed(trading_mode: str, *, postgresql: bool) -> tuple[Mode, ...]:
    """The modes at or below the ceiling; on any database but PostgreSQL it is paper.

    Raises ValueError for a word that is no ceiling.  Source: docs/risk_rules.md#mode.
    """
    if trading_mode not in CEILINGS:
        raise ValueError(f"TRADING_MODE must be one of {', '.join(CEILINGS)}, was {trading_mode!r}")
    highest = CEILINGS[trading_mode] if postgresql else Mode.PAPER
    return tuple(mode for mode in Mode if mode.rank <= highest.rank)
