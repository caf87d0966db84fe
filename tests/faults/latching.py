"""``python -m tests.faults.latching make|look|forget``: latch everything that latches, or say what is found of it.

The first waits to be killed; the second is another process on the same database.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from typing import Any

import django
from django.core.management import call_command


def make() -> None:
    """An account each that is daily locked, totally locked, breached, halted by itself, and being flattened."""
    from tests.services import worlds
    from tests.services.worlds import NOW
    from trading.core.types import TradingState
    from trading.models import Account
    from trading.services import flatten, kill_switch, runaway
    from trading.services.desk import Desk

    call_command("migrate", verbosity=0, interactive=False)
    world = worlds.make_world()
    accounts = {"daily": world.account}
    for name in ("total", "breach", "halted", "flatten"):
        accounts[name] = worlds.second_account(world.account, name=name)
    Account.objects.filter(name="halted").update(orders_per_minute=0)
    Desk("first").tick(now=NOW)
    for name, (start, equity) in LOOKS.items():
        _look(accounts[name].pk, start=start, equity=equity)
    halted = Account.objects.select_related("programme__profile").get(name="halted")
    runaway.check(halted, lots=halted.lots_per_day, now=NOW)
    flatten.ask(account_id=accounts["flatten"].pk, by="ada", reason="out", now=NOW)
    kill_switch.set_state(TradingState.REDUCING, by="ada", reason="news", now=NOW)
    sys.stdout.write("latched\n")
    sys.stdout.flush()
    time.sleep(600)


# The balance of the day's start and the equity that is seen then, of initially 100,000.
LOOKS = {"daily": (100_000, 96_000), "total": (93_000, 92_000), "breach": (100_000, 94_999)}


def _look(account_id: int, *, start: int, equity: int) -> None:
    from decimal import Decimal

    from tests.services.worlds import NOW
    from trading.core.types import AccountView
    from trading.models import Account, AccountDay
    from trading.selectors import risk
    from trading.services import levels

    AccountDay.objects.filter(account_id=account_id).update(balance=Decimal(start))
    account = Account.objects.select_related("programme__profile").get(pk=account_id)
    seen = AccountView(
        number=account.number,
        currency=account.currency,
        balance=Decimal(equity),
        equity=Decimal(equity),
        positions=(),
        as_of=NOW,
    )
    levels.hold(account, risk.headroom_of(account, view=seen, now=NOW), now=NOW)


def look() -> None:
    """What a new process, and a new desk in it, make of the rows; soon and a day later."""
    from tests.services.worlds import NOW
    from trading.models import Account
    from trading.services.desk import Desk

    names = {"Paper": "daily"}
    found: dict[str, Any] = {}
    for word, now in (("soon", NOW + timedelta(minutes=2)), ("next day", NOW + timedelta(days=1))):
        Desk(f"desk {word}", lease_ttl=timedelta(milliseconds=1)).tick(now=now)
        accounts = Account.objects.select_related("programme__profile").order_by("pk")
        found[word] = {names.get(one.name, one.name): _said(one) for one in accounts if not one.synthetic}
    sys.stdout.write(json.dumps(found))


def forget() -> None:
    """The control: ``selectors.risk.kept_of`` as it would be if what is latched lay in the process."""
    from unittest.mock import patch

    from trading.core.levels import Latch
    from trading.selectors import risk

    right = risk.kept_of

    def kept_of(account_id: int) -> risk.Kept:
        kept = right(account_id)
        return risk.Kept(latch=Latch(), level=kept.level, peak_equity=kept.peak_equity)

    with patch.object(risk, "kept_of", kept_of):
        look()


def _said(account: Any) -> list[Any]:
    from trading.models import AccountRisk, KillSwitch
    from trading.selectors import flattens
    from trading.services import kill_switch

    return [
        kill_switch.effective(account.pk).state.value,
        KillSwitch.objects.get(account=account).changed_by,
        AccountRisk.objects.get(account=account).level,
        flattens.open_id(account.pk) is not None,
    ]


if __name__ == "__main__":
    django.setup()
    {"make": make, "look": look, "forget": forget}[sys.argv[1]]()
