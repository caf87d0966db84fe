"""What the panel shows of one account on every page: whose numbers, how old, and who may act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from trading.core.timeframes import PRAGUE
from trading.core.types import TradingState, ms_from_utc
from trading.models import Account, DeskStatus, KillSwitch, Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The prop-firm day at an instant: ``[start, end)`` in UTC, and the zone it is counted in."""

    start: datetime
    end: datetime
    zone: str

    @property
    def start_ms(self) -> int:
        return ms_from_utc(self.start)

    def local(self, instant: datetime) -> datetime:
        """An instant on the clock of the day's zone."""
        return instant.astimezone(ZoneInfo(self.zone))

    @property
    def place(self) -> str:
        """The zone's city, as it stands beside a clock."""
        return self.zone.rsplit("/", 1)[-1].replace("_", " ")


def accounts() -> list[Account]:
    """Every account with its programme, real ones first."""
    return list(Account.objects.select_related("programme__profile").order_by("synthetic", "name"))


def shown(all_accounts: list[Account], number: str | None) -> Account | None:
    """The account whose numbers a page shows.

    The one asked for by number; else the first that is not synthetic and has an enabled market; else
    the first synthetic one; else any; None when there is no account.
    """
    asked = next((account for account in all_accounts if account.number == number), None)
    if asked is not None:
        return asked
    sources = set(Market.objects.filter(enabled=True, synthetic=False).values_list("source", flat=True))
    real = [a for a in all_accounts if not a.synthetic and a.source in sources]
    made_up = [a for a in all_accounts if a.synthetic]
    return next(iter(real + made_up + all_accounts), None)


def day_of(account: Account | None, *, now: datetime) -> Day:
    """The prop-firm day of an account; Prague's when there is no account."""
    clock = account.programme.clock if account is not None else PRAGUE
    start, end = clock.bounds(clock.day(now))
    return Day(start=start, end=end, zone=clock.zone)


def switch(account_id: int | None) -> KillSwitch | None:
    """The stored switch of an account, or the global one."""
    rows = KillSwitch.objects.select_related("account")
    meant = rows.filter(account=None) if account_id is None else rows.filter(account_id=account_id)
    return meant.first()


def closed_switches() -> list[KillSwitch]:
    """Every switch that is not ACTIVE, the global one first."""
    closed = KillSwitch.objects.exclude(state=TradingState.ACTIVE).select_related("account")
    return sorted(closed, key=lambda one: one.account_id or 0)


def desks() -> list[DeskStatus]:
    """What the desk last said of each account."""
    return list(DeskStatus.objects.select_related("account").order_by("account__synthetic", "account__name"))
