"""An account that is attended to as the desk does, on the paper venue's book in rows; and a script that a test kills.

``python -m tests.services.lives migrate`` makes the tables in a database file; ``... ask KIND`` earns something and
asks for a step; ``... die STEP`` is one round of a desk, which ends itself as kill -9 does at that step; ``... follow``
is two rounds of the next desk and prints what stands then, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from itertools import count
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command

from tests.candles import MINUTE_MS, make_candles
from trading.core.types import Action, OrderRequest, Side, ms_from_utc
from trading.models import (
    Account,
    AccountDay,
    AccountPeriod,
    BalanceOperation,
    DeskStatus,
    KillSwitch,
    LifeAction,
    Market,
    PaperEntry,
    ProgrammeVersion,
)
from trading.selectors import risk as reads
from trading.services import bootstrap, days, life, paper, reconcile
from trading.venues.paper import PaperVenue

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRICE = D(1_000_000)
NUMBERS = count(9_000)


def under(account: Account, programme: str, **changes: Any) -> Account:
    """Put an account, from its first period on, under a programme, changed as said."""
    version = ProgrammeVersion.objects.select_related("profile").get(profile__name=programme)
    if changes:
        version.pk, version.version = None, 100 + ProgrammeVersion.objects.count()
        for name, value in changes.items():
            setattr(version, name, value)
        version.save(force_insert=True)
    account.programme = version
    account.save(update_fields=("programme",))
    AccountPeriod.objects.filter(account=account).update(programme=version)
    return account


def free_of_costs() -> None:
    """Let every market trade without spread, slippage and commission: what is earned is what was asked for."""
    Market.objects.update(spread_bp=0, slippage_bp=0, commission_rate=0)


class Desk:
    """What a desk does with one account, round by round; reading everything again is what a new desk does."""

    def __init__(self, account: Account) -> None:
        self.account_id = account.pk
        self.sit()

    def sit(self) -> None:
        """Read everything from the rows."""
        self.account = Account.objects.select_related("programme__profile").get(pk=self.account_id)
        self.venue: PaperVenue = paper.venue_for(self.account)
        self.books = reconcile.books_for(self.account, self.venue)

    def attend(self, now: datetime, **given: Any) -> int | None:
        """One round: reconcile, the day, what is written of the account, a step of its life."""
        reconcile.run(self.account, self.books, now=now)
        view = self.venue.view(now=now)
        days.ensure_day(self.account, view=view, now=now)
        self.report(now)
        return life.carry_out(self.account, self.venue, now=now, **given)

    def report(self, now: datetime) -> None:
        view = self.venue.view(now=now)
        said = {
            "balance": view.balance,
            "equity": view.equity,
            "seen_at": now,
            "reason": "reconciled",
            "ready": True,
        }
        said["positions"] = [reads.position_body(position) for position in view.positions]
        DeskStatus.objects.update_or_create(account=self.account, defaults=said)

    def earn(self, amount: D, now: datetime) -> datetime:
        """Earn or lose exactly so much with a trade of four minutes; returns when it is booked."""
        self.open(amount, now)
        market = Market.objects.get(source=self.account.source)
        high, low = float(PRICE + max(amount, D(0))), float(PRICE + min(amount, D(0)))
        start = ms_from_utc(now) // MINUTE_MS * MINUTE_MS + MINUTE_MS
        last = [(float(PRICE), high, low, float(PRICE), 1e6)]
        self.venue.advance(market.key, make_candles([float(PRICE), *last], start_ms=start))
        assert not self.venue.view(now=now).positions
        self.attend(now + 4 * MINUTE)
        return now + 4 * MINUTE

    def open(self, amount: D, now: datetime) -> None:
        """Send an order that ends when the price has moved by an amount."""
        market = Market.objects.get(source=self.account.source)
        order = OrderRequest(
            magic=next(NUMBERS),
            action=Action.OPEN,
            symbol=market.key,
            side=Side.LONG,
            lots=D(1),
            stop=PRICE + amount if amount < 0 else D(1),
            target=PRICE + amount if amount > 0 else 2 * PRICE,
            deadline=now + timedelta(days=1),
        )
        self.venue.send(order, fencing=1, now=now)


def asked(account: Account, user: User, kind: str, *, now: datetime = NOW, **said: Any) -> int:
    """A step that is asked for in due form."""
    phrase = kind.replace("_", " ").upper()
    return life.ask(
        account_id=account.pk,
        kind=kind,
        by_user_id=user.pk,
        reason="as agreed",
        phrase=phrase,
        now=now,
        **said,
    )


# -- the script -------------------------------------------------------------------------------

SAID: dict[str, dict[str, Any]] = {
    "payout": {"amount": D("1500.50")},
    "deposit": {"amount": D("700.25")},
    "phase_up": {"number": "second", "programme": "ftmo-2-step-funded-swing"},
    "new_login": {"number": "second", "initial": D(50_000)},
    "reset": {},
}


def _prepare(kind: str) -> None:
    """An account with 2,000 of profit whose step was asked for."""
    sources = bootstrap.Sources(real="replay", symbols=("BTC-USD",), reached=True)
    bootstrap.run(now=NOW, sources=sources, owner=None)
    free_of_costs()
    user = User.objects.create(username="ada", is_staff=True, is_superuser=True)
    programme = "ftmo-2-step-verification" if kind == "phase_up" else "generic"
    account = under(Account.objects.get(), programme)
    desk = Desk(account)
    desk.attend(NOW)
    desk.earn(D(2000), NOW + MINUTE)
    asked(account, user, kind, now=NOW + 9 * MINUTE, **SAID[kind])


def _die(step: str) -> None:
    def on_step(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    Desk(Account.objects.get()).attend(NOW + 10 * MINUTE, on_step=on_step)


def _follow() -> None:
    for minute in (11, 12):
        Desk(Account.objects.get()).attend(NOW + minute * MINUTE)


def _tell() -> dict[str, Any]:
    account = Account.objects.get()
    day = AccountDay.objects.get(period__ended_at=None)
    return {
        "state": list(LifeAction.objects.values_list("state", flat=True)),
        "balance": str(paper.venue_for(account).view(now=NOW).balance),
        "lines": PaperEntry.objects.filter(kind="balance").count(),
        "booked": BalanceOperation.objects.exclude(action=None).count(),
        "periods": list(AccountPeriod.objects.order_by("pk").values_list("began_by", flat=True)),
        "open": str(AccountPeriod.objects.get(ended_at=None).opening_balance),
        "day": [str(day.balance), str(day.peak_balance), day.proven],
        "account": [account.number, str(account.programme), str(account.initial_balance)],
        "status": str(DeskStatus.objects.get().balance),
        "switch": KillSwitch.objects.get(account=account).state,
    }


def main() -> None:
    """Do one of the things that the module's docstring names."""
    what, *rest = sys.argv[1:]
    if what == "migrate":
        call_command("migrate", verbosity=0)
    elif what == "ask":
        _prepare(rest[0])
    elif what == "die":
        _die(rest[0])
    else:
        _follow()
        sys.stdout.write(json.dumps(_tell()) + "\n")


if __name__ == "__main__":
    main()
