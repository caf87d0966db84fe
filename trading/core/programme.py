"""Prop-firm programmes as versioned data, and the floors that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from trading.core.guards import count, finite, fraction, positive
from trading.core.timeframes import PROP_ZONE, prop_day


class TotalLossMode(StrEnum):
    """What the total floor hangs on."""

    STATIC = "static"


class Phase(StrEnum):
    CHALLENGE = "challenge"
    VERIFICATION = "verification"
    FUNDED = "funded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One phase of one firm's programme, in one version.

    daily_loss, total_loss, profit_target: fractions of the initial balance; profit_target None when
    the phase has none.  effective_from: first day this version is known to hold.  verified_on: when
    the source was last read.  swing: weekend and news restrictions do not apply.
    """

    name: str
    title: str
    firm: str
    phase: Phase
    version: int
    effective_from: date
    verified_on: date
    source: str
    daily_loss: Decimal
    total_loss: Decimal
    total_loss_mode: TotalLossMode
    profit_target: Decimal | None
    min_trading_days: int
    zone: str = PROP_ZONE
    swing: bool = False

    @property
    def label(self) -> str:
        """Name and version, as it stands on every decision."""
        return f"{self.name} v{self.version}"


_CHALLENGE = Programme(
    name="ftmo-2-step-challenge",
    title="FTMO 2-Step Challenge",
    firm="FTMO",
    phase=Phase.CHALLENGE,
    version=1,
    effective_from=date(2026, 1, 1),
    verified_on=date(2026, 11, 20),
    source="https://ftmo.com/en/trading-objectives/ and academy.ftmo.com/lesson/maximum-daily-loss",
    daily_loss=Decimal("0.05"),
    total_loss=Decimal("0.10"),
    total_loss_mode=TotalLossMode.STATIC,
    profit_target=Decimal("0.10"),
    min_trading_days=4,
)
_FUNDED = replace(
    _CHALLENGE,
    name="ftmo-2-step-funded",
    title="FTMO 2-Step Account, Standard",
    phase=Phase.FUNDED,
    profit_target=None,
    min_trading_days=0,
)

PROFILES: tuple[Programme, ...] = (
    _CHALLENGE,
    replace(
        _CHALLENGE,
        name="ftmo-2-step-verification",
        title="FTMO 2-Step Verification",
        phase=Phase.VERIFICATION,
        profit_target=Decimal("0.05"),
    ),
    _FUNDED,
    replace(
        _FUNDED,
        name="ftmo-2-step-funded-swing",
        title="FTMO 2-Step Account, Swing",
        swing=True,
    ),
)


def profile(name: str) -> Programme:
    """The programme of that name; ValueError, naming those that exist, when there is none."""
    for programme in PROFILES:
        if programme.name == name:
            return programme
    known = ", ".join(p.name for p in PROFILES)
    raise ValueError(f"programme must be one of {known}, was {name!r}")


def daily_floor(day_start_balance: Decimal, initial: Decimal, programme: Programme) -> Decimal:
    """The equity below which the daily limit is broken: midnight balance less a share of the initial.

    Money in account currency; ValueError when a number is not finite and above zero.
    Source: docs/risk_rules.md#headroom (FTMO, maximum daily loss).
    """
    start = positive("balance at the day's start", day_start_balance)
    return start - _limit(initial, programme.daily_loss, "daily loss")


def total_floor(initial: Decimal, programme: Programme) -> Decimal:
    """The equity below which the total limit is broken; static: a share of the initial balance.

    Raises ValueError for a mode that is not implemented and for numbers that are not above zero.
    Source: docs/risk_rules.md#headroom (FTMO, maximum loss).
    """
    if programme.total_loss_mode is not TotalLossMode.STATIC:
        raise ValueError(f"total loss mode must be static, was {programme.total_loss_mode!r}")
    return initial - _limit(initial, programme.total_loss, "total loss")


def effective_floor(day_start_balance: Decimal, initial: Decimal, programme: Programme) -> Decimal:
    """The higher of the daily and the total floor: the one that is reached first."""
    return max(daily_floor(day_start_balance, initial, programme), total_floor(initial, programme))


def breached(equity: Decimal, floor: Decimal) -> bool:
    """Whether equity lies strictly below the floor; equal is not a breach to the firm."""
    return finite("equity", equity) < finite("floor", floor)


def with_ceilings(programme: Programme, max_daily_loss: Decimal, max_total_loss: Decimal) -> Programme:
    """The programme under the owner's ceilings: limits only ever become smaller."""
    return replace(
        programme,
        daily_loss=min(fraction("daily loss", programme.daily_loss), fraction("ceiling", max_daily_loss)),
        total_loss=min(fraction("total loss", programme.total_loss), fraction("ceiling", max_total_loss)),
    )


def target_met(balance: Decimal, initial: Decimal, open_positions: int, programme: Programme) -> bool:
    """Whether the balance exceeds the target with every position closed; False when there is no target."""
    if programme.profit_target is None or count("open positions", open_positions):
        return False
    target = positive("initial balance", initial) * (1 + programme.profit_target)
    return finite("balance", balance) > target


def trading_days(opened: Iterable[datetime], zone: str = PROP_ZONE) -> int:
    """How many prop-firm days saw at least one position opened; holding one counts once."""
    return len({prop_day(instant, zone) for instant in opened})


def _limit(initial: Decimal, share: Decimal, name: str) -> Decimal:
    return positive("initial balance", initial) * fraction(name, share)
