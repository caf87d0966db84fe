"""The first rows of an installation, and at every start the choice of markets that are shown."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth import get_user_model
from django.db import transaction

from trading.core.programme import PROFILES, Programme
from trading.core.timeframes import PRAGUE
from trading.core.types import Mode
from trading.models import (
    Account,
    AccountPeriod,
    Market,
    ProgrammeProfile,
    ProgrammeVersion,
    Severity,
    StrategySwitch,
)
from trading.services import events, kill_switch, life
from trading.strategies import ALL

SYNTHETIC = "synthetic"
SYNTHETIC_SYMBOL = "TEST-USD"
PROGRAMME = "ftmo-2-step-challenge"
BALANCE = Decimal("100000.00")
# Units of the coin in one lot at FTMO since 2025-07-28; a coin that is not named has 1.
CONTRACTS = {"ETH": Decimal(10)}
# Covers 99.9 % of the 1,000 worst minutes of each market: `python -m bench.worst_moves`, docs/guard_proof.md.
GAP_BUFFERS_BP = {"BTC": Decimal(10), "ETH": Decimal(20), "SOL": Decimal(85), "TEST": Decimal(10)}
GAP_BUFFER_BP = Decimal(175)
COMMISSION = Decimal("0.000325")
SWITCHED_OFF = frozenset({"buy_and_hold"})
VERSION_NUMBERS = (
    "effective_from",
    "verified_on",
    "source",
    "daily_loss",
    "total_loss",
    "profit_target",
    "min_trading_days",
    "daily_counts_open",
    "zone",
    "best_day_share",
    "news_minutes",
    "flat_before_closure",
    "gap_hours",
    "swing",
)
VERSION_WORDS = ("phase", "total_loss_mode", "daily_basis", "daily_reference")
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Which prices an installation uses from this start on.

    real: name of the feed of the real markets.  symbols: its markets, in its own spelling.
    reached: whether the real markets are shown; if not, the synthetic one is, and ``why`` says so.
    """

    real: str
    symbols: tuple[str, ...]
    reached: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The first superuser; without a password one is generated."""

    name: str
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrapped:
    """What a bootstrap made; ``password`` is set only when it was generated, and is shown only once."""

    markets: tuple[str, ...]
    accounts: tuple[str, ...]
    owner: str = ""
    password: str = ""
    opened: bool = False


def run(*, now: datetime, sources: Sources, owner: Owner | None) -> Bootstrapped:
    """Make whatever is missing and show the markets that were chosen; changes nothing the second time.

    owner: None where nobody signs in, as in a replay.

    The kill switch is opened only while nobody has ever touched it: a halt is never undone here.
    """
    with transaction.atomic():
        _programmes()
        _strategies()
        markets = [_market(sources.real, symbol) for symbol in sources.symbols]
        if not sources.reached:
            markets.append(_market(SYNTHETIC, SYNTHETIC_SYMBOL))
        _show(sources, made=tuple(filter(None, markets)), now=now)
        accounts = [_account(sources.real, now=now)]
        if not sources.reached:
            accounts.append(_account(SYNTHETIC, now=now))
        opened = kill_switch.open_fresh(now=now)
        name, password = _owner(owner) if owner else ("", "")
    return Bootstrapped(
        markets=tuple(filter(None, markets)),
        accounts=tuple(filter(None, accounts)),
        owner=name,
        password=password,
        opened=opened,
    )


def _programmes() -> None:
    for programme in PROFILES:
        profile, _ = ProgrammeProfile.objects.get_or_create(
            name=programme.name, defaults={"title": programme.title, "firm": programme.firm}
        )
        ProgrammeVersion.objects.get_or_create(
            profile=profile, version=str(programme.version), defaults=_version(programme)
        )


def _version(programme: Programme) -> dict[str, object]:
    numbers = {name: getattr(programme, name) for name in VERSION_NUMBERS}
    words = {name: getattr(programme, name).value for name in VERSION_WORDS}
    return {**numbers, **words, "day_shift_hours": programme.day_shift // HOUR}


def _strategies() -> None:
    for name in ALL:
        StrategySwitch.objects.get_or_create(name=name, defaults={"enabled": name not in SWITCHED_OFF})


def _market(source: str, symbol: str) -> str:
    """Make a market that is missing; its key, or nothing when it was there."""
    exchange = source.partition(":")[2]
    key = f"{exchange}:{symbol}" if exchange else symbol
    coin = symbol.replace("/", "-").partition("-")[0]
    _, created = Market.objects.get_or_create(
        key=key,
        defaults={
            "symbol": symbol,
            "source": source,
            "synthetic": source == SYNTHETIC,
            "enabled": False,  # `_show` decides
            "contract_size": CONTRACTS.get(coin, Decimal(1)),
            "commission_rate": COMMISSION,
            "gap_buffer_bp": GAP_BUFFERS_BP.get(coin, GAP_BUFFER_BP),
        },
    )
    return key if created else ""


def _show(sources: Sources, *, made: tuple[str, ...], now: datetime) -> None:
    """Switch on the markets that are shown and the others off, and say so when that changes.

    Markets that an operator switched off stay off while another one of their source is on.
    """
    source, symbols = (sources.real, sources.symbols) if sources.reached else (SYNTHETIC, (SYNTHETIC_SYMBOL,))
    shown = Market.objects.filter(source=source, symbol__in=symbols)
    off = Market.objects.filter(enabled=True).exclude(pk__in=shown).update(enabled=False)
    fresh = shown.filter(key__in=made) if shown.filter(enabled=True).exists() else shown.filter(enabled=False)
    on = fresh.update(enabled=True)
    if sources.why and (off or on):
        events.record(
            "feed_choice", now=now, text=sources.why, severity=Severity.WARNING, data={"feed": source}
        )
    elif off or on:
        text = f"Prices come from {source}: {', '.join(symbols)}."
        events.record("feed_choice", now=now, text=text, data={"feed": source})


def _account(source: str, *, now: datetime) -> str:
    """Make the paper account of a source and open it; its name, or nothing when it was there."""
    synthetic = source == SYNTHETIC
    exchange = source.partition(":")[2]
    name = "Test market" if synthetic else f"Paper {exchange}" if exchange else "Paper"
    number = f"paper-{exchange or source}"
    # An account keeps the login that it began with in its first period, whatever login it has by now.
    if AccountPeriod.objects.filter(sequence=1, number=number).exists():
        return ""
    account = Account.objects.create(
        name=name,
        number=number,
        venue="paper",
        mode=Mode.PAPER,
        source=source,
        synthetic=synthetic,
        initial_balance=BALANCE,
        programme=_programme_version(now=now),
        created_at=now,
    )
    life.begin_period(account, began_by="opened", opening_balance=BALANCE, now=now)
    text = f"{account}: paper account with {BALANCE} {account.currency}, programme {account.programme}."
    events.record("account_added", now=now, text=text, by="bootstrap", account_id=account.pk)
    kill_switch.add_account(account_id=account.pk, now=now)
    kill_switch.open_fresh(now=now, account_id=account.pk)
    return str(account)


def _programme_version(*, now: datetime) -> ProgrammeVersion:
    """The version in force, not one that begins on a coming day; the first one for a recorded market of before."""
    versions = ProgrammeVersion.objects.filter(profile__name=PROGRAMME).order_by("effective_from", "version")
    in_force = versions.filter(effective_from__lte=PRAGUE.day(now)).last()
    return in_force or versions[0]


def _owner(owner: Owner) -> tuple[str, str]:
    """Make the first superuser where there is none; its name and the password if that was generated."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return "", ""
    generated = "" if owner.password else secrets.token_urlsafe(12)
    users.create_superuser(username=owner.name, password=owner.password or generated)
    return owner.name, generated
