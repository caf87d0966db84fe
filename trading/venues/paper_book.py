"""The paper venue's record: its lines, its head, and where they live."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from trading.core.types import ZERO, Action, Deal, DealKind, ExitReason, OrderRequest, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the book.

    kind: "order" (one that was taken, a cancel too), "deal", "closed" (an order that rests no more) or
    "balance" (money paid in or out).
    """

    sequence: int
    kind: str
    magic: int
    ticket: str
    body: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The book's state besides its lines; ``marks`` holds [ms simulated to, last price] by symbol."""

    fencing: int = 0
    sequence: int = 0
    marks: dict[str, tuple[int, str]] = field(default_factory=dict)


class Book(Protocol):
    """Where the venue's record lives; a write is one atomic step."""

    def load(self) -> tuple[Head, list[Entry]]: ...

    def write(self, *, was: Head, now: Head, entries: list[Entry]) -> bool:
        """Store the lines and the new head; False, and nothing stored, unless the book stands at ``was``
        and has seen no higher fencing number than ``now``'s.
        """
        ...


class MemoryBook:
    """A book that lives as long as its process; for research and tests."""

    def __init__(self) -> None:
        self.head = Head()
        self.entries: list[Entry] = []

    def load(self) -> tuple[Head, list[Entry]]:
        return self.head, list(self.entries)

    def write(self, *, was: Head, now: Head, entries: list[Entry]) -> bool:
        if self.head.sequence != was.sequence or now.fencing < self.head.fencing:
            return False
        self.head = now
        self.entries.extend(entries)
        return True


def order_body(request: OrderRequest) -> dict[str, Any]:
    """An order as JSON; ``order_request`` reads it back."""
    body = {key: value for key, value in asdict(request).items() if key not in {"magic", "ticket"}}
    body["deadline"] = request.deadline.isoformat()
    for key in ("lots", "stop", "target"):
        body[key] = None if body[key] is None else str(body[key])
    return {key: (str(value) if isinstance(value, Side | Action) else value) for key, value in body.items()}


def order_request(entry: Entry) -> OrderRequest:
    """The order that a line of the book tells of."""
    body = entry.body
    return OrderRequest(
        magic=entry.magic,
        action=Action(body["action"]),
        symbol=body["symbol"],
        side=Side(body["side"]),
        lots=Decimal(body["lots"]),
        stop=None if body["stop"] is None else Decimal(body["stop"]),
        target=None if body["target"] is None else Decimal(body["target"]),
        deadline=datetime.fromisoformat(body["deadline"]),
        ticket=entry.ticket,
        comment=body["comment"],
    )


def deal_of(entry: Entry) -> Deal:
    """The deal, or the money paid, that a line of the book tells of."""
    body = entry.body
    if entry.kind == "balance":
        return Deal(
            deal=str(entry.sequence),
            ticket="",
            magic=0,
            symbol="",
            side=Side.LONG,
            entry=False,
            lots=ZERO,
            price=ZERO,
            profit=Decimal(body["amount"]),
            commission=ZERO,
            swap=ZERO,
            at=entry.at,
            kind=DealKind.BALANCE,
            details={"comment": body["comment"]},
        )
    return Deal(
        deal=str(entry.sequence),
        ticket=entry.ticket,
        magic=entry.magic,
        symbol=body["symbol"],
        side=Side(body["side"]),
        entry=body["entry"],
        lots=Decimal(body["lots"]),
        price=Decimal(body["price"]),
        profit=Decimal(body["profit"]),
        commission=Decimal(body["commission"]),
        swap=ZERO,
        at=entry.at,
        reason=ExitReason(body["reason"]) if body["reason"] else None,
    )
