"""The record of facts: rows that are only ever added, in the transaction of what they tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trading.models import Account, Event, Market, Severity

TEXT_LENGTH = 500


def record(
    kind: str,
    *,
    now: datetime,
    text: str,
    severity: str = Severity.INFO,
    by: str = "crpbot",
    account_id: int | None = None,
    market_id: int | None = None,
    data: dict[str, Any] | None = None,
) -> int:
    """Write one Event and return its id; it is labelled synthetic when its account or its market is."""
    return Event.objects.create(
        at=now,
        kind=kind,
        severity=Severity(severity),
        text=text[:TEXT_LENGTH],
        by=by[:150],
        account_id=account_id,
        market_id=market_id,
        data=data or {},
        synthetic=_synthetic(account_id, market_id),
    ).pk


def _synthetic(account_id: int | None, market_id: int | None) -> bool:
    if account_id is not None and Account.objects.filter(pk=account_id, synthetic=True).exists():
        return True
    return market_id is not None and Market.objects.filter(pk=market_id, synthetic=True).exists()
