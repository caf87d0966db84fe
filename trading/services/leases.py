"""Leases: a role that one process holds at a time, with a fencing number that only grows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from trading.models import Lease

TTL = timedelta(seconds=15)


def acquire(
    *, name: str, owner: str, now: datetime, ttl: timedelta = TTL, fencing: int | None = None
) -> int | None:
    """Take or renew the lease; the fencing number while it is ours, else None.

    fencing: the number it was last held under. One conditional update renews it; a lease that was
    held by someone else, or had run out, comes back with a higher number.
    """
    if fencing is not None and _renew(name=name, owner=owner, fencing=fencing, now=now, ttl=ttl):
        return fencing
    return _take(name=name, owner=owner, now=now, ttl=ttl)


def _renew(*, name: str, owner: str, fencing: int, now: datetime, ttl: timedelta) -> bool:
    held = Lease.objects.filter(name=name, owner=owner, fencing=fencing, expires_at__gt=now)
    return bool(held.update(expires_at=now + ttl, renewed_at=now))


def _take(*, name: str, owner: str, now: datetime, ttl: timedelta) -> int | None:
    with transaction.atomic():
        row = Lease.objects.select_for_update().filter(name=name).first()
        if row is not None and row.expires_at > now and row.owner != owner:
            return None
        if row is None:
            try:
                with transaction.atomic():
                    row = Lease.objects.create(
                        name=name, owner=owner, fencing=1, expires_at=now + ttl, renewed_at=now
                    )
            except IntegrityError:
                return None
            return row.fencing
        row.owner, row.fencing, row.expires_at, row.renewed_at = owner, row.fencing + 1, now + ttl, now
        row.save()
        return row.fencing


def holds(*, name: str, owner: str, fencing: int, now: datetime) -> bool:
    """Whether this owner holds the lease under this number at ``now``; locks the row inside a transaction."""
    row = Lease.objects.select_for_update().filter(name=name).first()
    return row is not None and (row.owner, row.fencing) == (owner, fencing) and row.expires_at > now


def release(*, name: str, owner: str, now: datetime) -> None:
    """Let go at once, so that a successor need not wait for the lease to run out."""
    Lease.objects.filter(name=name, owner=owner).update(expires_at=now)
