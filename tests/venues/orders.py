"""Orders and instruments of the paper venue's tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from trading.core.types import Action, Instrument, OrderRequest, Side, ms_from_utc
from trading.venues.paper import PaperVenue

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
START_MS = ms_from_utc(START)
SYMBOL = "X-USD"
INSTRUMENT = Instrument(
    symbol=SYMBOL,
    contract_size=D(1),
    volume_min=D("0.01"),
    volume_max=D(50),
    volume_step=D("0.01"),
    tick_size=D("0.01"),
    commission_rate=D("0.001"),
    spread_bp=D(20),
    slippage_bp=D(5),
)
TENS = Instrument(
    symbol="TEN-USD",
    contract_size=D(10),
    volume_min=D("0.1"),
    volume_max=D(5),
    volume_step=D("0.1"),
    tick_size=D("0.05"),
    commission_rate=D("0.000325"),
    spread_bp=D("2.5"),
    slippage_bp=D("0.5"),
)
INSTRUMENTS = {SYMBOL: INSTRUMENT, "TEN-USD": TENS}


def at(minute: float) -> datetime:
    """An instant counted in minutes from the start."""
    return START + timedelta(minutes=minute)


def entry(
    magic: int = 1,
    *,
    side: Side = Side.LONG,
    lots: str = "2",
    stop: str | None = None,
    target: str | None = None,
    symbol: str = SYMBOL,
    deadline: datetime | None = None,
) -> OrderRequest:
    """A market order around 100 with a bracket of 2."""
    low, high = ("98", "102")
    ends = (low, high) if side is Side.LONG else (high, low)
    return OrderRequest(
        magic=magic,
        action=Action.OPEN,
        symbol=symbol,
        side=side,
        lots=D(lots),
        stop=D(stop or ends[0]),
        target=D(target or ends[1]),
        deadline=deadline or at(1e6),
        comment="signal",
    )


def leave(
    ticket: str,
    magic: int = 99,
    *,
    side: Side = Side.SHORT,
    lots: str = "2",
    comment: str = "time",
    symbol: str = SYMBOL,
) -> OrderRequest:
    """A market order that closes a position."""
    return OrderRequest(
        magic=magic,
        action=Action.CLOSE,
        symbol=symbol,
        side=side,
        lots=D(lots),
        stop=None,
        target=None,
        deadline=at(1e6),
        ticket=ticket,
        comment=comment,
    )


def cancel(
    ticket: str, magic: int = 77, *, symbol: str = SYMBOL, deadline: datetime | None = None
) -> OrderRequest:
    """The cancel of a waiting entry."""
    return OrderRequest(
        magic=magic,
        action=Action.CANCEL,
        symbol=symbol,
        side=Side.LONG,
        lots=D(2),
        stop=None,
        target=None,
        deadline=deadline or at(1e6),
        ticket=ticket,
        comment="flatten",
    )


def state(venue: PaperVenue) -> tuple[object, ...]:
    """Everything a venue shows; two venues that agree in it are the same to whoever uses them."""
    return (
        venue.view(now=START),
        venue.deals(after=""),
        venue.resting(),
        venue.exposed(),
        venue.margin_free(START),
        [venue.find(magic) for magic in range(1, 40)],
    )
