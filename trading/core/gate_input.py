"""What one decision of the gate depends on, and the figures that its rules share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from trading.core import calendar, portfolio
from trading.core.guards import finite, flag, fraction, positive
from trading.core.headroom import LOCKED_FROM, Headroom, headroom
from trading.core.levels import Latch, level_under
from trading.core.programme import Programme
from trading.core.sizing import Sized, size
from trading.core.types import (
    AccountView,
    DayStart,
    Draft,
    Instrument,
    Level,
    Limits,
    Margin,
    Mode,
    ModelState,
    Pending,
    Side,
    Tier,
    TradingState,
    Usage,
)

HALF = Decimal("0.5")
WHOLE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """Everything a decision depends on.

    number, currency: of the account that is meant; the view must show the same.
    programme: already under the owner's ceilings.  instrument: of the draft's market; instruments: by
    the symbol of each open position.  state: the strictest of all sources; state_source and
    state_reason say whose it is.  window_has_gap: whether the candles the draft was judged on have a
    hole.  pending: orders on their way, without the one this decision is about; the same holds for
    ``usage`` when a decision is repeated.  latch: locks that outlast the measure.  margin: by the venue's
    own calculation, None when it did not say.  calendar: news, closures and maintenance around ``now``.
    basis_bp: how far the venue's price is above (below: negative) that of the signal's source, None when
    unknown.  model, model_reason: whether the model behind the draft may speak, and why not.
    """

    draft: Draft
    number: str
    currency: str
    account: AccountView
    day: DayStart
    initial: Decimal
    programme: Programme
    instrument: Instrument
    instruments: Mapping[str, Instrument]
    usage: Usage
    limits: Limits
    latch: Latch
    margin: Margin | None
    calendar: tuple[calendar.Entry, ...]
    basis_bp: Decimal | None
    model: ModelState
    model_reason: str
    state: TradingState
    mode: Mode
    is_synthetic: bool
    window_has_gap: bool
    now: datetime
    pending: tuple[Pending, ...] = ()
    state_source: str = ""
    state_reason: str = ""


class Facts:
    """The input of one decision, with the figures that several rules share worked out once."""

    def __init__(self, given: GateInput) -> None:
        self.given = given

    @cached_property
    def headroom(self) -> Headroom:
        given = self.given
        return headroom(
            account=given.account,
            day=given.day,
            initial=given.initial,
            programme=given.programme,
            instruments=given.instruments,
            pending=given.pending,
            limits=given.limits,
            now=given.now,
        )

    @cached_property
    def level(self) -> Level:
        """The stricter of the measured level and what is latched."""
        return level_under(self.given.latch, self.headroom, day=self.given.day.day)

    @cached_property
    def smallest(self) -> bool:
        """Whether only the venue's smallest volume may be traded: micro, or unproven on paper."""
        draft = self.given.draft
        value = draft.expected_value_bp
        worthless = value is None or finite("expected value", value) <= 0
        unproven = flag("unproven", draft.unproven) or draft.tier is Tier.LOW
        return Mode(self.given.mode) is Mode.MICRO or unproven or worthless

    @cached_property
    def portfolio(self) -> portfolio.Portfolio:
        given = self.given
        return portfolio.Portfolio(
            draft=given.draft,
            account=given.account,
            initial=given.initial,
            instrument=given.instrument,
            instruments=given.instruments,
            limits=given.limits,
            pending=given.pending,
            margin=given.margin,
        )

    @cached_property
    def sized(self) -> Sized:
        """Whole size while GREEN, half from AMBER on, and half where the whole would lock the account.

        Without the last a little more loss could turn a refusal into a pass, by halving the order.
        """
        whole = self._size(WHOLE)
        return self._size(HALF) if self.halved(whole) else whole

    def halved(self, whole: Sized) -> bool:
        """Whether an order of ``whole`` size must be halved."""
        return self.level is not Level.GREEN or self.headroom.used_after(whole.risk) >= LOCKED_FROM

    def _size(self, factor: Decimal) -> Sized:
        given = self.given
        share = fraction("risk per trade", given.limits.risk_per_trade)
        return size(
            draft_entry=given.draft.entry,
            stop=given.draft.stop,
            side=Side(given.draft.side),
            risk_money=positive("initial balance", given.initial) * share,
            instrument=given.instrument,
            factor=factor,
            smallest=self.smallest,
            gap_buffer_bp=given.limits.gap_buffer_bp,
            caps=self.portfolio.caps,
        )
