"""The sentinel: whether what the venue shows is this account, as it can be, and of now.

Unreadable is never flat and never zero. What cannot be used keeps the desk from being ready; after a minute with
something at stake, or at once when it is a real difference, the account is HALTED.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading.core.guards import aware, finite, not_negative, positive
from trading.core.types import AccountView, Action, IntentState, TradingState
from trading.models import Account, AccountRisk, Order, OrderIntent, Trade, TradeState
from trading.selectors import rows
from trading.services import kill_switch

BY = "sentinel"
FRESH = timedelta(seconds=5)
PATIENCE = timedelta(seconds=60)
# Only what may still move money: an entry that was given up or refused holds nothing.
AT_STAKE = (IntentState.SENDING, IntentState.UNKNOWN)
_SIZES = """
SELECT t.id, t.contract_size, m.contract_size FROM trading_trade t JOIN trading_market m ON m.id = t.market_id
WHERE t.account_id = %s AND t.state = 'open' AND t.contract_size <> m.contract_size ORDER BY t.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with a view; an empty sentence when nothing is.

    readable: its numbers may be written down and reckoned with.  ours: it is this account, so positions in it
    may be closed.  different: it contradicts what we know, so time does not mend it.
    """

    sentence: str = ""
    readable: bool = True
    ours: bool = True
    different: bool = False

    @property
    def well(self) -> bool:
        return not self.sentence


WELL = Finding()


def look(account: Account, view: AccountView, *, now: datetime) -> Finding:
    """Judge a view by itself: whose it is, whether it can be read, how old it is, and the lots' size."""
    if (view.number, view.currency) != (account.number, account.currency):
        seen, ours = f"{view.number} in {view.currency}", f"{account.number} in {account.currency}"
        return Finding(
            sentence=f"the venue shows account {seen}, ours is {ours}",
            readable=False,
            ours=False,
            different=True,
        )
    try:
        _read(view)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        return Finding(sentence=f"the venue's view cannot be read: {error}", readable=False)
    if changed := _changed_sizes(account, view):
        return Finding(sentence=changed, different=True)
    age = now - view.as_of
    if not -FRESH <= age <= FRESH:
        seen = f"{view.as_of:%Y-%m-%d %H:%M:%S} UTC"
        return Finding(sentence=f"the venue's view is of {seen}, more than {FRESH.seconds} s from now")
    return WELL


def _read(view: AccountView) -> None:
    """Raise ValueError when any number of a view is missing, not finite or impossible."""
    positive("balance", view.balance)
    not_negative("equity", view.equity)
    aware("the view's time", view.as_of)
    if not isinstance(view.positions, tuple):
        raise ValueError(f"positions must be a tuple, was {view.positions!r}")
    for position in view.positions:
        positive("lots", position.lots)
        positive("entry", position.entry)
        positive("price", position.price)
        finite("profit", position.profit)
        finite("swap", position.swap)
        for name, level in (("stop", position.stop), ("target", position.target)):
            if level is not None:
                positive(name, level)


def _changed_sizes(account: Account, view: AccountView) -> str:
    """Which open trade's lots are not what they were when it was opened."""
    if not view.positions:
        return ""
    changed = rows.query(_SIZES, (account.pk,))
    if not changed:
        return ""
    trade, was, now = changed[0]
    before, after = (f"{Decimal(str(size)).normalize():f}" for size in (was, now))
    return f"T-{trade} was opened at {before} units a lot, its market has {after} now"


def note(account: Account, finding: Finding, *, exposed: bool, now: datetime) -> bool:
    """Write down since when nothing usable was seen, and halt when that has lasted or cannot mend; whether halted.

    exposed: something is open or may have been sent, so that not seeing it costs money.
    """
    since = _unseen_since(account, now=now)
    # A clock that stepped back makes a wait of unknown length; unknown is too long.
    waited = not timedelta(0) <= now - since <= PATIENCE
    if not finding.different and not (exposed and waited):
        return False
    seconds = (now - since).total_seconds()
    lasts = "" if finding.different else f" for {seconds:.0f} s with positions or orders at stake"
    return kill_switch.set_state(
        TradingState.HALTED, by=BY, reason=f"{finding.sentence}{lasts}", now=now, account_id=account.pk
    )


def _unseen_since(account: Account, *, now: datetime) -> datetime:
    """When the account was last seen well, as written; from now on when it is not written yet."""
    row, _ = AccountRisk.objects.get_or_create(account=account)
    if row.unseen_since is None:
        AccountRisk.objects.filter(pk=row.pk, unseen_since=None).update(unseen_since=now)
        return now
    return row.unseen_since


def clear(account: Account) -> None:
    """The account is seen well again; a halt that came of it stays."""
    AccountRisk.objects.filter(account=account).exclude(unseen_since=None).update(unseen_since=None)


def exposed(account: Account) -> bool:
    """Whether the rows know of anything at stake: an open trade, a resting entry, an order without an answer."""
    return (
        Trade.objects.filter(account=account, state=TradeState.OPEN).exists()
        or Order.objects.filter(account=account, closed_at=None, intent__action=Action.OPEN).exists()
        or OrderIntent.objects.filter(account=account, action=Action.OPEN, state__in=AT_STAKE).exists()
    )
