"""What people and machines have asked of an account, in one cheap look a round."""

from __future__ import annotations

from dataclasses import dataclass

from trading.core.types import IntentState
from trading.selectors import rows

_COMING = (IntentState.PENDING, IntentState.SENDING, IntentState.UNKNOWN)
_STANDING = """
SELECT 'switch', COALESCE(account_id, 0), state FROM trading_killswitch WHERE account_id IS NULL OR account_id = %s
UNION ALL SELECT 'flatten', id, '' FROM trading_flatten WHERE account_id = %s AND done_at IS NULL
UNION ALL SELECT 'life', id, '' FROM trading_lifeaction WHERE account_id = %s AND state = 'asked'
UNION ALL SELECT 'kept', 0, level || ' ' || COALESCE(CAST(daily_locked_on AS varchar(10)), '') || ' ' ||
    CASE WHEN total_locked_at IS NULL THEN '' ELSE 'locked' END || ' ' || breach
    FROM trading_accountrisk WHERE account_id = %s
UNION ALL SELECT 'coming', count(*), '' FROM trading_orderintent
    WHERE account_id = %s AND state IN (%s, %s, %s)
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """stance: the switches' states and what is latched, as rows that only need comparing.

    flatten, life: whether everything is being closed, and whether a step of the account's life waits.
    coming: how many intents wait to be sent, are being sent or have no known outcome.
    """

    stance: tuple[tuple[str, int, str], ...]
    flatten: bool
    life: bool
    coming: int


def standing_of(account_id: int) -> Standing:
    """Read where an account stands; plain SQL, because every round asks."""
    found = rows.query(_STANDING, (account_id,) * 5 + _COMING)
    words = [word for word, _, _ in found]
    return Standing(
        stance=tuple(row for row in found if row[0] in ("switch", "kept")),
        flatten="flatten" in words,
        life="life" in words,
        coming=next(count for word, count, _ in found if word == "coming"),
    )
