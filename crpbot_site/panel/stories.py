"""A signal's story: the verdict its page opens with, and its seven stops."""

from __future__ import annotations

from dataclasses import dataclass

from crpbot_site.panel.words import Verdict
from trading.core.types import IntentState
from trading.models import OutcomeState, TradeState
from trading.selectors.signal_page import SignalPage
from trading.selectors.words import reason, rule

MINUS = "\u2212"
_ENDINGS = {
    OutcomeState.TARGET: "reached its target",
    OutcomeState.STOP: "hit its stop",
    OutcomeState.TIMEOUT: "ended by its time",
    OutcomeState.UNJUDGED: "could not be judged: minutes are missing",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop on the way from candle to outcome; state is done, refused or none."""

    name: str
    text: str
    state: str


def verdict(page: SignalPage) -> Verdict:
    """What became of a signal, in one sentence."""
    signal, trade = page.signal, page.trade
    if not signal.approved:
        code = signal.codes[0] if signal.codes else "rule_error"
        sentence = next((c.get("sentence", "") for c in signal.checks if c.get("passed") is False), "")
        return Verdict(f"Refused: {rule(code)}.", f"{sentence} {_ending(page)}".strip())
    if trade is not None and trade.state == TradeState.CLOSED:
        net = trade.profit + trade.commission + trade.swap
        money = f"{net:+,.2f}".replace("-", MINUS)
        parts = f" ({net / trade.risk:+.2f} R)".replace("-", MINUS) if trade.risk else ""
        text = "One outcome says nothing about a strategy."
        return Verdict(f"Taken, closed by {trade.exit_reason or 'the venue'}, {money}{parts}.", text)
    if trade is not None:
        return Verdict("Taken, the position is open.", "Its stop and target stand at the venue.")
    if page.intent is not None:
        words = page.intent.answer or "The desk says what became of it."
        return Verdict(f"Passed every rule; the order is {page.intent.state}.", words)
    return Verdict("Passed every rule.", "No order has been asked for yet.")


def _ending(page: SignalPage) -> str:
    outcome = page.outcome
    if outcome is None or outcome.state == OutcomeState.FOLLOWING:
        return "It is followed to its end all the same."
    net = f", {outcome.net_bp:+.1f} bp after costs".replace("-", MINUS) if outcome.net_bp is not None else ""
    return f"Followed anyway: it {_ENDINGS[OutcomeState(outcome.state)]}{net}."


def stops(page: SignalPage) -> list[Stop]:
    """Candle, strategy, tier, gate, intent, order, outcome."""
    signal = page.signal
    rate = (
        "unknown"
        if signal.confidence is None
        else f"{signal.confidence * 100:.0f} %, n {signal.confidence_n}"
    )
    return [
        Stop("Candle", f"{signal.timeframe}, closed", "done"),
        Stop("Strategy", f"{reason(signal.strategy)} {signal.side}", "done"),
        Stop("Rate so far", f"{signal.tier}, {rate}", "done"),
        _gate(page),
        _intent(page),
        _order(page),
        _outcome(page),
    ]


def _gate(page: SignalPage) -> Stop:
    checks = page.signal.checks
    passed = sum(1 for check in checks if check.get("passed") is True)
    if page.signal.approved:
        return Stop("Gate", f"{passed} of {len(checks)} pass", "done")
    return Stop("Gate", f"rule {page.refused_at or '?'} refused", "refused")


def _intent(page: SignalPage) -> Stop:
    intent = page.intent
    if intent is None:
        return Stop("Intent", "none", "none")
    bad = intent.state in (
        IntentState.DENIED,
        IntentState.EXPIRED,
        IntentState.REJECTED,
        IntentState.NOT_PLACED,
    )
    return Stop(f"Intent I-{intent.pk}", f"{intent.state}", "refused" if bad else "done")


def _order(page: SignalPage) -> Stop:
    if page.order is None:
        return Stop("Order", "none", "none")
    return Stop("Order", f"ticket {page.order.ticket}", "done")


def _outcome(page: SignalPage) -> Stop:
    outcome = page.outcome
    if outcome is None:
        return Stop("Outcome", "not followed yet", "none")
    if outcome.state == OutcomeState.FOLLOWING:
        return Stop("Outcome", "still open", "none")
    return Stop("Outcome", str(outcome.state), "done")
