"""One signal from its candle to its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trading.core.types import utc_from_ms
from trading.models import Candle, Fill, Order, OrderIntent, Outcome, Signal, Trade

PATH_POINTS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPage:
    """Everything known of a signal.

    path: (opening in epoch milliseconds, close) from the judged candle to where the outcome stands,
    thinned to what a chart can show.  before, after: numbers of the neighbouring signals of the account.
    """

    signal: Signal
    outcome: Outcome | None
    intent: OrderIntent | None
    order: Order | None
    trade: Trade | None
    fills: list[Fill]
    path: list[tuple[int, float]]
    before: int | None
    after: int | None
    now: datetime

    @property
    def refused_at(self) -> int | None:
        """The place, counted from 1, of the rule that refused; None when all passed."""
        answers = [check.get("passed") for check in self.signal.checks]
        return answers.index(False) + 1 if False in answers else None

    @property
    def opened_at(self) -> datetime:
        """When the judged candle opened."""
        return utc_from_ms(self.signal.open_ms)


def read(signal_id: int | str, *, now: datetime) -> SignalPage | None:
    """The page of one signal; None when the number is unknown or not a number."""
    if not str(signal_id).isdecimal():
        return None
    rows = Signal.objects.select_related(
        "account__programme__profile", "market", "programme__profile", "outcome"
    )
    signal = rows.filter(pk=signal_id).first()
    if signal is None:
        return None
    intent = OrderIntent.objects.filter(signal=signal, action="open").select_related("order").first()
    trade = Trade.objects.filter(signal=signal).first()
    outcome: Outcome | None = getattr(signal, "outcome", None)
    same = Signal.objects.filter(account=signal.account_id).values_list("id", flat=True)
    return SignalPage(
        signal=signal,
        outcome=outcome,
        intent=intent,
        order=getattr(intent, "order", None),
        trade=trade,
        fills=list(Fill.objects.filter(trade=trade).order_by("at", "id")) if trade else [],
        path=_path(signal, outcome),
        before=same.filter(pk__lt=signal.pk).order_by("-id").first(),
        after=same.filter(pk__gt=signal.pk).order_by("id").first(),
        now=now,
    )


def _path(signal: Signal, outcome: Outcome | None) -> list[tuple[int, float]]:
    if outcome is None:
        return []
    rows = Candle.objects.stretch(signal.market_id, signal.open_ms, outcome.seen_to_ms)
    points = list(rows.order_by("open_ms").values_list("open_ms", "close")[: 7 * 1440])
    step = max(1, -(-len(points) // PATH_POINTS))
    thinned = points[::step]
    return thinned if not points or thinned[-1] == points[-1] else [*thinned, points[-1]]
