"""The ordered rules between a signal and an order; any error is a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from trading.core import limits as limit_rules
from trading.core.answer import Answer, money, percent, plain, seconds
from trading.core.guards import aware, count, finite, flag, fraction, positive, span
from trading.core.headroom import LOCKED_FROM, Headroom, headroom
from trading.core.programme import Programme
from trading.core.sizing import Sized, size
from trading.core.types import (
    AccountView,
    Check,
    DayStart,
    Decision,
    Draft,
    Instrument,
    Level,
    Limits,
    Mode,
    Pending,
    Rejection,
    Side,
    Tier,
    TradingState,
    Usage,
)

ACCOUNT_VIEW_LASTS = timedelta(seconds=5)
HALF = Decimal("0.5")
WHOLE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """Everything a decision depends on.

    programme: already under the owner's ceilings.  instrument: of the draft's market; instruments: by
    the symbol of each open position.  state: the strictest of all sources; state_source and
    state_reason say whose it is.  window_has_gap: whether the candles the draft was judged on have a
    hole.  pending: orders on their way, without the one this decision is about; the same holds for
    ``usage`` when a decision is repeated.
    """

    draft: Draft
    account: AccountView
    day: DayStart
    initial: Decimal
    programme: Programme
    instrument: Instrument
    instruments: Mapping[str, Instrument]
    usage: Usage
    limits: Limits
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

    @property
    def smallest(self) -> bool:
        """Whether only the venue's smallest volume may be traded: micro, or unproven on paper."""
        draft = self.given.draft
        value = draft.expected_value_bp
        worthless = value is None or finite("expected value", value) <= 0
        unproven = flag("unproven", draft.unproven) or draft.tier is Tier.LOW
        return Mode(self.given.mode) is Mode.MICRO or unproven or worthless

    @cached_property
    def sized(self) -> Sized:
        """Whole size while GREEN, half from AMBER on, and half where the whole would lock the account.

        Without the last a little more loss could turn a refusal into a pass, by halving the order.
        """
        whole = self._size(WHOLE)
        return self._size(HALF) if self.halved(whole) else whole

    def halved(self, whole: Sized) -> bool:
        """Whether an order of ``whole`` size must be halved."""
        room = self.headroom
        return room.level is not Level.GREEN or room.used_after(whole.risk) >= LOCKED_FROM

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
        )


def _state(facts: Facts) -> Answer:
    given = facts.given
    state = TradingState(given.state)
    source = f" by {given.state_source}" if given.state_source else ""
    reason = f": {given.state_reason}" if given.state_reason else ""
    if state is TradingState.ACTIVE:
        return Answer(passed=True, sentence="Trading is ACTIVE.", value="ACTIVE", limit="ACTIVE")
    word = state.value.upper()
    text = f"Trading is {word}{source}{reason}. Nothing may be opened until a person resumes it."
    return Answer(passed=False, sentence=text, value=word, limit="ACTIVE")


def _synthetic(facts: Facts) -> Answer:
    mode = Mode(facts.given.mode)
    if not flag("synthetic market", facts.given.is_synthetic):
        return Answer(passed=True, sentence="Prices come from a real market.", value="real")
    if mode.rank > Mode.PAPER.rank:
        text = f"The market is SYNTHETIC and the account is in mode {mode}; invented prices end at paper."
        return Answer(passed=False, sentence=text, value="SYNTHETIC", limit="paper")
    return Answer(passed=True, sentence="SYNTHETIC prices, on paper only.", value="SYNTHETIC", limit="paper")


def _data_age(facts: Facts) -> Answer:
    draft, now = facts.given.draft, aware("now", facts.given.now)
    closed, expires = aware("candle close", draft.closed_at), aware("expiry", draft.expires_at)
    lasts = min(span("time to live", facts.given.limits.signal_ttl), expires - closed)
    age = now - closed
    value, limit = seconds(age), seconds(lasts)
    if age < timedelta(0):
        text = f"The judged candle closes {seconds(-age)} in the future. Check the clocks."
        return Answer(passed=False, sentence=text, value=value, limit=limit)
    if age >= lasts:
        text = f"The judged candle closed {value} before the decision, {limit} allowed. The next one counts."
        return Answer(passed=False, sentence=text, value=value, limit=limit)
    text = f"The judged candle closed {value} before the decision."
    return Answer(passed=True, sentence=text, value=value, limit=limit)


def _data_quality(facts: Facts) -> Answer:
    if flag("gap in the candles", facts.given.window_has_gap):
        text = "The candles judged have a gap. Opens by itself when the gap is filled or has passed."
        return Answer(passed=False, sentence=text, value="gap", limit="no gap")
    return Answer(passed=True, sentence="The candles judged have no gap.", value="no gap", limit="no gap")


def _account_view(facts: Facts) -> Answer:
    age = aware("now", facts.given.now) - aware("account view", facts.given.account.as_of)
    value, limit = seconds(age), seconds(ACCOUNT_VIEW_LASTS)
    if age > timedelta(days=1):
        text = f"The account has not been seen for a day or more, {limit} allowed. Waits for the venue."
        return Answer(passed=False, sentence=text, value="not seen", limit=limit)
    if abs(age) > ACCOUNT_VIEW_LASTS:
        text = f"The account was seen {value} before the decision, {limit} allowed. Waits for the venue."
        return Answer(passed=False, sentence=text, value=value, limit=limit)
    text = f"The account was seen {value} before the decision."
    return Answer(passed=True, sentence=text, value=value, limit=limit)


def _day_start(facts: Facts) -> Answer:
    day = facts.given.day
    positive("balance at the day's start", day.balance)
    if not flag("proven day start", day.proven):
        text = (
            "The balance at midnight is not proven, so the daily floor is unknown. Ends at the next midnight."
        )
        return Answer(passed=False, sentence=text, value="unproven", limit="proven")
    text = f"The day {day.day} began with {money(day.balance)}."
    return Answer(passed=True, sentence=text, value="proven", limit="proven")


def _expected_value(facts: Facts) -> Answer:
    mode, value = Mode(facts.given.mode), facts.given.draft.expected_value_bp
    shown = "unknown" if value is None else f"{finite('expected value', value):+.1f} bp"
    if value is not None and value > 0:
        text = f"Expected {shown} after costs."
        return Answer(passed=True, sentence=text, value=shown, limit="above 0")
    if mode.rank >= Mode.DEMO.rank:
        text = f"Expected value after costs is {shown}; in mode {mode} it must be above 0."
        return Answer(passed=False, sentence=text, value=shown, limit="above 0")
    text = f"Expected value after costs is {shown}; up to paper it trades at the smallest size."
    return Answer(passed=True, sentence=text, value=shown, limit="above 0 from demo up")


def _tier(facts: Facts) -> Answer:
    mode, tier = Mode(facts.given.mode), Tier(facts.given.draft.tier)
    confidence = facts.given.draft.confidence
    shown = tier.title()
    n = count("outcomes", confidence.n)
    rate = "unknown" if confidence.rate is None else percent(finite("rate", confidence.rate))
    if tier is Tier.LOW and mode.rank >= Mode.DEMO.rank:
        text = f"Tier Low, confidence {rate} of {n} outcomes; in mode {mode} Medium or High is needed."
        return Answer(passed=False, sentence=text, value=shown, limit="Medium")
    return Answer(passed=True, sentence=f"Tier {shown}, confidence {rate} of {n} outcomes.", value=shown)


def _rate_limit(facts: Facts) -> Answer:
    return limit_rules.signals_per_hour(facts.given.usage, facts.given.limits)


def _high_rate_limit(facts: Facts) -> Answer:
    return limit_rules.high_per_hour(facts.given.draft, facts.given.usage, facts.given.limits)


def _cool_down(facts: Facts) -> Answer:
    return limit_rules.cool_down(facts.given.usage, facts.given.limits, facts.given.now)


def _duplicate(facts: Facts) -> Answer:
    given = facts.given
    return limit_rules.one_per_market(given.draft, given.usage, given.account, given.pending)


def _max_positions(facts: Facts) -> Answer:
    given = facts.given
    return limit_rules.open_positions(given.usage, given.account, given.pending, given.limits)


def _bracket(facts: Facts) -> Answer:
    draft = facts.given.draft
    entry, stop = positive("entry", draft.entry), positive("stop", draft.stop)
    target = positive("target", draft.target)
    sign = Side(draft.side).sign
    if (entry - stop) * sign <= 0 or (target - entry) * sign <= 0:
        ends = f"its stop at {plain(stop)} and its target at {plain(target)}"
        text = f"A {draft.side} from {plain(entry)} cannot have {ends}."
        return Answer(passed=False, sentence=text, value=plain(stop))
    if span("holding time", draft.cap) <= timedelta(0):
        return Answer(passed=False, sentence="The longest holding time must be above 0.", value="0")
    return Answer(passed=True, sentence=f"Stop {plain(stop)}, target {plain(target)}.", value=plain(stop))


def _level(facts: Facts) -> Answer:
    room = facts.headroom
    word, used = room.level.value.upper(), percent(room.used)
    if room.level.rank >= Level.RED.rank:
        naked = f" Position {', '.join(room.naked)} has no stop." if room.naked else ""
        text = f"{word}: {used} of a loss limit is used at worst, no new risk from 70 %.{naked}"
        return Answer(passed=False, sentence=text, value=used, limit="70 %")
    size_word = "half" if room.level is Level.AMBER else "full"
    text = f"{word}: {used} of a loss limit is used at worst, orders at {size_word} size."
    return Answer(passed=True, sentence=text, value=used, limit="70 %")


def _size(facts: Facts) -> Answer:
    sized, instrument = facts.sized, facts.given.instrument
    limit = money(sized.allowed)
    if sized.lots <= 0:
        least = plain(instrument.volume_min)
        text = f"Even {least} lots would risk more than the {limit} allowed for this trade."
        return Answer(passed=False, sentence=text, value="0", limit=least)
    why = ", the smallest size" if facts.smallest else ", the largest allowed" if sized.capped else ""
    text = f"{plain(sized.lots)} lots{why}, {money(sized.risk)} at risk of {limit} allowed."
    return Answer(passed=True, sentence=text, value=money(sized.risk), limit=limit)


def _headroom(facts: Facts) -> Answer:
    room, risk = facts.headroom, facts.sized.risk
    after = room.worst_case - positive("risk of this order", risk)
    value, limit = money(risk), money(room.headroom)
    if after <= room.floor:
        floor = f"at or below the floor {money(room.floor)}"
        text = f"Risk {value} would bring the worst case to {money(after)}, {floor}."
        return Answer(passed=False, sentence=text, value=value, limit=limit)
    text = f"After this order {money(after - room.floor)} would be left to the floor {money(room.floor)}."
    return Answer(passed=True, sentence=text, value=value, limit=limit)


def _would_lock(facts: Facts) -> Answer:
    used = facts.headroom.used_after(facts.sized.risk)
    value, limit = percent(used), percent(LOCKED_FROM)
    if used >= LOCKED_FROM:
        text = f"With this order {value} of a loss limit would be used at worst; {limit} locks the account."
        return Answer(passed=False, sentence=text, value=value, limit=limit)
    text = f"With this order {value} of a loss limit would be used at worst."
    return Answer(passed=True, sentence=text, value=value, limit=limit)


def _observe_only(facts: Facts) -> Answer:
    mode = Mode(facts.given.mode)
    if not mode.trades:
        text = "The account only observes: the signal is followed to its end, no order is made."
        return Answer(passed=False, sentence=text, value=mode.value, limit="paper")
    return Answer(passed=True, sentence=f"Mode {mode} makes orders.", value=mode.value)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the gate: a stable code, a short title, and the question."""

    code: str
    title: str
    ask: Callable[[Facts], Answer]


RULES: tuple[Rule, ...] = (
    Rule("state", "State", _state),
    Rule("synthetic", "Synthetic market", _synthetic),
    Rule("stale", "Data age", _data_age),
    Rule("gap", "Data quality", _data_quality),
    Rule("account_stale", "Account view", _account_view),
    Rule("day_start", "Day start", _day_start),
    Rule("expected_value", "Expected value", _expected_value),
    Rule("tier", "Tier", _tier),
    Rule("rate_limit", "Signals an hour", _rate_limit),
    Rule("high_rate_limit", "High signals an hour", _high_rate_limit),
    Rule("cool_down", "Cool-down", _cool_down),
    Rule("duplicate", "One per market", _duplicate),
    Rule("max_positions", "Open positions", _max_positions),
    Rule("bracket", "Stop and target", _bracket),
    Rule("level", "Loss level", _level),
    Rule("below_minimum", "Size", _size),
    Rule("headroom", "Headroom", _headroom),
    Rule("would_lock", "Lock after this order", _would_lock),
    Rule("observe_only", "Mode", _observe_only),
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
    *, state: TradingState, by_person: bool, state_source: str = "", state_reason: str = ""
) -> Decision:
    """Decide about a close: ACTIVE and REDUCING let it pass, HALTED only when a person asked for it.

    A state that cannot be read counts as HALTED.  Stops and targets stand at the venue and are not asked.
    """
    known = state if isinstance(state, TradingState) else TradingState.HALTED
    word = known.value.upper()
    if known is not TradingState.HALTED or by_person is True:
        who = "A person may always close." if by_person is True else f"{word}: closing is allowed."
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
