"""The rules of the gate that have a present value, as they stand between two signals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from crpbot_site.panel.figures import coin, money
from trading.core import limits as limit_rules
from trading.core.answer import Answer
from trading.core.headroom import AMBER_FROM, RED_FROM, Headroom
from trading.core.programme import DailyBasis, DailyReference, Programme, TotalLossMode
from trading.core.types import ZERO, Level, Limits, Usage
from trading.selectors.risk_book import GroupNow

_BASIS = {DailyBasis.INITIAL: "initial", DailyBasis.CURRENT: "what the day began with"}
_REFERENCE = {
    DailyReference.BALANCE: "midnight balance",
    DailyReference.EQUITY: "midnight equity",
    DailyReference.HIGHER: "higher of balance and equity at midnight",
}
_TOTAL = {
    TotalLossMode.STATIC: "does not move",
    TotalLossMode.TRAILING_END_OF_DAY: "trails the highest midnight balance",
    TotalLossMode.TRAILING_INTRADAY: "trails the highest equity",
    TotalLossMode.TRAILING_LOCKED: "trails midnights up to the initial balance",
}
_SIZES = {
    Level.GREEN: (Decimal(1), "pass", "full size; half from 50 % used"),
    Level.AMBER: (Decimal("0.5"), "caution", "half size; nothing new from 70 % used"),
}
# From so much of a limit on a row is marked as near.
NEAR = Decimal("0.75")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleNow:
    """One rule with its present value: state is pass, caution, no, unknown or none (does not apply).

    share: percent of the limit used, None without a bar.
    """

    code: str
    title: str
    text: str
    value: str
    state: str = "pass"
    share: float | None = None


def losses(room: Headroom, programme: Programme) -> list[RuleNow]:
    """The two loss limits at the worst case."""
    basis, reference = DailyBasis(programme.daily_basis), DailyReference(programme.daily_reference)
    daily = f"{_share(programme.daily_loss)} of {_BASIS[basis]}, from the {_REFERENCE[reference]}"
    total = f"{_share(programme.total_loss)} of initial, {_TOTAL[TotalLossMode(programme.total_loss_mode)]}"
    return [
        _loss("headroom", "Daily loss", daily, used=room.used_daily, limit=room.daily_limit),
        _loss("headroom", "Total loss", total, used=room.used_total, limit=room.total_limit),
    ]


def _loss(code: str, title: str, text: str, *, used: Decimal, limit: Decimal) -> RuleNow:
    state = "no" if used >= RED_FROM else "caution" if used >= AMBER_FROM else "pass"
    value = f"{money(used * limit)} of {money(limit)}"
    return RuleNow(code=code, title=title, text=text, value=value, state=state, share=_percent(used))


def risk_a_trade(level: Level, limits: Limits) -> RuleNow:
    """How much one trade may risk at the present level."""
    whole = limits.risk_per_trade
    factor, state, text = _SIZES.get(level, (ZERO, "no", "no new risk at this level"))
    return RuleNow(
        code="below_minimum",
        title="Risk a trade",
        text=text,
        value=f"{whole * factor * 100:.2f} of {whole * 100:.2f} %",
        state=state,
        share=_percent(factor),
    )


def positions(usage: Usage, limits: Limits, coins: list[str], on_their_way: int) -> RuleNow:
    """Open positions and orders on their way against the most that may be open."""
    held = max(usage.open_positions, len(coins) + on_their_way)
    text = ", ".join(coins) or "nothing is open"
    if on_their_way:
        text = f"{text}; {on_their_way} on the way"
    if held >= limits.max_positions:
        text = f"{text}; the next opens when one closes"
    return _count("max_positions", "Open positions", text, held, limits.max_positions)


def hourly(usage: Usage, limits: Limits) -> RuleNow:
    """Approved signals of the last hour, the High ones beside them."""
    text = f"last 60 minutes; High {usage.high_last_hour} of {limits.high_per_hour}"
    return _count("rate_limit", "Signals an hour", text, usage.signals_last_hour, limits.signals_per_hour)


def messages(usage: Usage, limits: Limits) -> RuleNow:
    """Messages of the day to the venue; entries end before the firm's limit, closes never do."""
    answer = limit_rules.messages(usage, limits)
    row = _count("messages", "Venue messages today", "", usage.messages_today, limits.messages_per_day)
    state = "caution" if not answer.passed else row.state
    return replace(row, text=f"entries stop at {answer.limit}; closes never", state=state)


def basis(basis_bp: Decimal | None, limits: Limits, *, paper: bool) -> RuleNow:
    """How far the venue is from the price a signal was judged on."""
    answer = limit_rules.basis(basis_bp, limits)
    limit = limits.basis_limit_bp
    if basis_bp is None:
        return RuleNow(
            code="basis",
            title="Price basis",
            text="not known yet",
            value=f"of {limit:.1f} bp",
            state="unknown",
        )
    text = (
        "the paper venue trades at the signal's own prices" if paper else "venue against the signal's source"
    )
    used = abs(basis_bp)
    share = _percent(used / limit) if limit else None
    state = "pass" if answer.passed else "no"
    return RuleNow(
        code="basis",
        title="Price basis",
        text=text,
        value=f"{used:.1f} of {limit:.1f} bp",
        state=state,
        share=share,
    )


def group(found: GroupNow | None, limit: Decimal) -> RuleNow:
    """What the worst direction of a group of markets may lose together."""
    code, title = "group_risk", "Worst case together"
    if found is None:
        return RuleNow(
            code=code,
            title=title,
            text="nothing is open",
            value=f"{money(ZERO)} of {money(limit)}",
            share=0.0,
        )
    coins = ", ".join(coin(symbol) for symbol in found.symbols) or "orders on their way"
    text = f"{coins}: {found.name} {found.side.value}s move as one; no hedge counted"
    if found.loss is None:
        return RuleNow(code=code, title=title, text="a position has no stop", value="unlimited", state="no")
    return _amount(code, title, text, used=found.loss, limit=limit)


def margin(taken: Decimal | None, equity: Decimal, share: Decimal) -> RuleNow:
    """What is taken of margin; one order may take ``share`` of what is free."""
    code, title = "margin", "Margin"
    if taken is None:
        return RuleNow(
            code=code,
            title=title,
            text="an order on its way has no known price",
            value="unknown",
            state="unknown",
        )
    text = f"by each market's rate; one order may take {_share(share)} of {money(equity - taken)} free"
    return _amount(code, title, text, used=taken, limit=equity)


def calendar(code: str, title: str, answer: Answer, *, applies: bool, coming: str, value: str) -> RuleNow:
    """News, closures or maintenance: what refuses now, else what comes next."""
    if not answer.passed:
        return RuleNow(code=code, title=title, text=answer.sentence, value="refuses now", state="no")
    if not applies:
        return RuleNow(code=code, title=title, text=answer.sentence, value="does not apply", state="none")
    return RuleNow(code=code, title=title, text=coming or "nothing is announced", value=value)


def _count(code: str, title: str, text: str, used: int, limit: int) -> RuleNow:
    """A count against its limit; one more is refused from the limit on."""
    share = Decimal(used) / limit if limit else Decimal(1)
    # A full count refuses the next entry, but nothing is in danger by it.
    state = "caution" if share >= NEAR else "pass"
    return RuleNow(
        code=code, title=title, text=text, value=f"{used:,} of {limit:,}", state=state, share=_percent(share)
    )


def _amount(code: str, title: str, text: str, *, used: Decimal, limit: Decimal) -> RuleNow:
    """Money against its limit."""
    part = used / limit if limit > 0 else Decimal(1)
    state = "no" if used > limit else "caution" if part >= NEAR else "pass"
    value = f"{money(used)} of {money(limit)}"
    return RuleNow(code=code, title=title, text=text, value=value, state=state, share=_percent(part))


def left_at_midnight(room: Headroom) -> Decimal:
    """What is left to the coming floor once every stop is hit; below 0 when it would be broken."""
    return room.worst_case - room.next_floor_at_stops


def midnight(room: Headroom) -> RuleNow:
    """Whether what is open may be carried over the coming midnight."""
    left = left_at_midnight(room)
    if left > 0:
        text = f"all stops hit, {money(left)} remain to the new floor"
        return RuleNow(code="midnight", title="Before midnight", text=text, value="safe to carry")
    if room.equity > room.next_floor:
        text = f"all stops hit, {money(-left)} below the new floor {money(room.next_floor)}"
        return RuleNow(
            code="midnight", title="Before midnight", text=text, value="not safe to carry", state="caution"
        )
    text = f"equity is not above the new floor {money(room.next_floor)}"
    return RuleNow(code="midnight", title="Before midnight", text=text, value="would break it", state="no")


def _share(fraction: Decimal) -> str:
    return f"{(fraction * 100).normalize():f} %"


def _percent(share: Decimal) -> float:
    return float(min(max(share, ZERO), Decimal(1)) * 100)
