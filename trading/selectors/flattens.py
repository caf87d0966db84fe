"""Whether everything of an account is being closed."""

from __future__ import annotations

from trading.models import Flatten
from trading.selectors import rows

_OPEN = "SELECT id FROM trading_flatten WHERE account_id = %s AND done_at IS NULL"


def open_id(account_id: int) -> int | None:
    """The number of the account's open flatten; None when there is none. Cheap enough for every round."""
    found = rows.query(_OPEN, (account_id,))
    return int(found[0][0]) if found else None


def open_of(account_id: int) -> Flatten | None:
    """The account's open flatten with who asked for it, when and why."""
    return Flatten.objects.filter(account_id=account_id, done_at=None).first()
