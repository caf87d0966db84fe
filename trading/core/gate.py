"""The ordered rules between a signal and an order; any error is a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trading.core import gate_rules as rules
from trading.core.answer import Answer
from trading.core.gate_input import Facts, GateInput
from trading.core.programme import Programme
from trading.core.types import Check, Decision, Rejection, TradingState

__all__ = ("CODES", "NOT_ASKED", "RULES", "Facts", "GateInput", "Rule", "decide", "decide_close")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the gate: a stable code, a short title, and the question."""

    code: str
    title: str
    ask: Callable[[Facts], Answer]


RULES: tuple[Rule, ...] = (
    Rule("state", "State", rules.state),
    Rule("synthetic", "Synthetic market", rules.synthetic),
    Rule("stale", "Data age", rules.data_age),
    Rule("gap", "Data quality", rules.data_quality),
    Rule("wrong_account", "Account", rules.wrong_account),
    Rule("account_stale", "Account view", rules.account_view),
    Rule("day_start", "Day start", rules.day_start),
    Rule("model", "Model", rules.model),
    Rule("expected_value", "Expected value", rules.expected_value),
    Rule("tier", "Tier", rules.tier),
    Rule("rate_limit", "Signals an hour", rules.rate_limit),
    Rule("high_rate_limit", "High signals an hour", rules.high_rate_limit),
    Rule("cool_down", "Cool-down", rules.cool_down),
    Rule("duplicate", "One per market", rules.duplicate),
    Rule("bracket", "Stop and target", rules.bracket),
    Rule("max_positions", "Open positions", rules.max_positions),
    Rule("position_share", "Share of one market", rules.position_share),
    Rule("order_value", "Order value", rules.order_value),
    Rule("cash_reserve", "Cash reserve", rules.cash_reserve),
    Rule("group_risk", "Risk of the group", rules.group_risk),
    Rule("calendar_news", "News", rules.calendar_news),
    Rule("calendar_closure", "Closures", rules.calendar_closure),
    Rule("maintenance", "Maintenance", rules.maintenance),
    Rule("basis", "Price basis", rules.basis),
    Rule("messages", "Messages a day", rules.messages),
    Rule("level", "Loss level", rules.level),
    Rule("headroom", "Headroom", rules.headroom),
    Rule("would_lock", "Lock after this order", rules.would_lock),
    Rule("below_minimum", "Size", rules.size),
    Rule("margin", "Margin", rules.margin),
    # Last, so that the signal of an observing account shows what all the other rules would have said.
    Rule("observe_only", "Mode", rules.observe_only),
)

RULE_ERROR = "rule_error"
CODES: dict[str, str] = {rule.code: rule.title for rule in RULES} | {RULE_ERROR: "Rule not answered"}
NOT_ASKED = "Not asked: an earlier rule refused."


def decide(inp: GateInput) -> Decision:
    """Ask the rules in order; the first refusal ends it, later rules are marked as not asked.

    Never raises for a bad input: a rule that cannot be answered refuses with ``rule_error``.
    An approval carries lots and the money at risk.  The decision names programme and version.
    """
    facts = Facts(inp)
    checks: list[Check] = []
    refusal: Rejection | None = None
    for rule in RULES:
        if refusal is not None:
            checks.append(Check(code=rule.code, passed=None, sentence=NOT_ASKED))
            continue
        check, refusal = _ask(rule, facts)
        checks.append(check)
    if refusal is not None:
        return Decision(
            approved=False,
            rejections=(refusal,),
            checks=tuple(checks),
            programme=_label(inp),
        )
    return Decision(
        approved=True,
        rejections=(),
        checks=tuple(checks),
        lots=facts.sized.lots,
        risk=facts.sized.risk,
        programme=_label(inp),
    )


def _ask(rule: Rule, facts: Facts) -> tuple[Check, Rejection | None]:
    try:
        answer = rule.ask(facts)
    except Exception as error:
        text = f"The rule {rule.title} could not be answered, so it refuses: {error}"
        return Check(code=rule.code, passed=False, sentence=text), Rejection(code=RULE_ERROR, sentence=text)
    check = Check(
        code=rule.code,
        passed=answer.passed,
        sentence=answer.sentence,
        value=answer.value,
        limit=answer.limit,
    )
    if answer.passed is True:
        return check, None
    return check, Rejection(code=rule.code, sentence=answer.sentence)


def _label(inp: GateInput) -> str:
    programme = getattr(inp, "programme", None)
    return programme.label if isinstance(programme, Programme) else ""


def decide_close(
    *,
    state: TradingState,
    by_person: bool,
    flatten: bool = False,
    state_source: str = "",
    state_reason: str = "",
) -> Decision:
    """Decide about a close or a cancel: ACTIVE and REDUCING let it pass, HALTED only for a person or a flatten.

    flatten: it belongs to an order to close everything of the account.
    A state that cannot be read counts as HALTED.  Stops and targets stand at the venue and are not asked.
    """
    known = state if isinstance(state, TradingState) else TradingState.HALTED
    word = known.value.upper()
    if known is not TradingState.HALTED or by_person is True or flatten is True:
        who = "A person may always close." if by_person is True else f"{word}: closing is allowed."
        who = "Everything of the account is being closed." if flatten is True else who
        return Decision(
            approved=True,
            rejections=(),
            checks=(Check(code="state", passed=True, sentence=who, value=word),),
        )
    source = f" by {state_source}" if state_source else ""
    reason = f": {state_reason}" if state_reason else ""
    text = f"Trading is HALTED{source}{reason}. Only a person may close until a person resumes it."
    return Decision(
        approved=False,
        rejections=(Rejection(code="state", sentence=text),),
        checks=(Check(code="state", passed=False, sentence=text, value=word, limit="REDUCING"),),
    )
