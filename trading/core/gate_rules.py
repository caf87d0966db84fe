"""The rules of the gate, each one question with its answer for people."""

from __future__ import annotations

from datetime import timedelta

from trading.core import calendar
from trading.core import limits as limit_rules
from trading.core.answer import Answer, money, percent, plain, seconds
from trading.core.gate_input import Facts
from trading.core.guards import aware, count, finite, flag, not_negative, positive, span
from trading.core.headroom import LOCKED_FROM
from trading.core.types import Breach, Level, Mode, ModelState, Side, Tier, TradingState

ACCOUNT_VIEW_LASTS = timedelta(seconds=5)
NO_NEW_RISK = (Level.RED, Level.LOCKED, Level.BREACH)
# What caps the lots, in the words of a sentence.
CAPPED_BY = {
    "position_share": "the share of one market",
    "order_value": "the largest order",
    "cash_reserve": "the cash reserve",
    "group_risk": "the risk of the group",
    "margin": "the free margin",
}


def state(facts: Facts) -> Answer:
    given = facts.given
    state = TradingState(given.state)
    source = f" by {given.state_source}" if given.state_source else ""
    reason = f": {given.state_reason}" if given.state_reason else ""
    if state is TradingState.ACTIVE:
        return Answer(passed=True, sentence="Trading is ACTIVE.", value="ACTIVE", limit="ACTIVE")
    word = state.value.upper()
    text = f"Trading is {word}{source}{reason}. Nothing may be opened until a person resumes it."
    return Answer(passed=False, sentence=text, value=word, limit="ACTIVE")


def synthetic(facts: Facts) -> Answer:
    mode = Mode(facts.given.mode)
    if not flag("synthetic market", facts.given.is_synthetic):
        return Answer(passed=True, sentence="Prices come from a real market.", value="real")
    if mode.rank > Mode.PAPER.rank:
        text = f"The market is SYNTHETIC and the account is in mode {mode}; invented prices end at paper."
        return Answer(passed=False, sentence=text, value="SYNTHETIC", limit="paper")
    return Answer(passed=True, sentence="SYNTHETIC prices, on paper only.", value="SYNTHETIC", limit="paper")


def data_age(facts: Facts) -> Answer:
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


def data_quality(facts: Facts) -> Answer:
    if flag("gap in the candles", facts.given.window_has_gap):
        text = "The candles judged have a gap. Opens by itself when the gap is filled or has passed."
        return Answer(passed=False, sentence=text, value="gap", limit="no gap")
    return Answer(passed=True, sentence="The candles judged have no gap.", value="no gap", limit="no gap")


def wrong_account(facts: Facts) -> Answer:
    given, seen = facts.given, facts.given.account
    if not (isinstance(given.number, str) and given.number and isinstance(given.currency, str)):
        raise ValueError(f"the account must be named, was {given.number!r} in {given.currency!r}")
    meant, shown = f"{given.number} in {given.currency}", f"{seen.number} in {seen.currency}"
    if seen.number != given.number or seen.currency != given.currency:
        text = f"The venue shows account {shown}, {meant} is meant. Ends when the venue is logged in to it."
        return Answer(passed=False, sentence=text, value=shown, limit=meant)
    return Answer(passed=True, sentence=f"The venue shows account {shown}.", value=shown, limit=meant)


def account_view(facts: Facts) -> Answer:
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


def day_start(facts: Facts) -> Answer:
    day = facts.given.day
    positive("balance at the day's start", day.balance)
    if not flag("proven day start", day.proven):
        text = (
            "The balance at midnight is not proven, so the daily floor is unknown. Ends at the next midnight."
        )
        return Answer(passed=False, sentence=text, value="unproven", limit="proven")
    text = f"The day {day.day} began with {money(day.balance)}."
    return Answer(passed=True, sentence=text, value="proven", limit="proven")


def model(facts: Facts) -> Answer:
    state, reason = ModelState(facts.given.model), facts.given.model_reason
    if state is ModelState.NONE:
        return Answer(passed=True, sentence="A strategy of rules, no model behind it.", value="rules")
    if state is ModelState.VALID:
        return Answer(passed=True, sentence="The model may speak.", value=state.value, limit="valid")
    why = f": {reason}" if reason else ""
    word = "may not speak" if state is ModelState.INVALID else "is not known to be valid"
    text = f"The model {word}{why}. Ends with a valid release or when it behaves again."
    return Answer(passed=False, sentence=text, value=state.value, limit="valid")


def expected_value(facts: Facts) -> Answer:
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


def tier(facts: Facts) -> Answer:
    mode, tier = Mode(facts.given.mode), Tier(facts.given.draft.tier)
    confidence = facts.given.draft.confidence
    shown = tier.title()
    n = count("outcomes", confidence.n)
    rate = "unknown" if confidence.rate is None else percent(finite("rate", confidence.rate))
    if tier is Tier.LOW and mode.rank >= Mode.DEMO.rank:
        text = f"Tier Low, confidence {rate} of {n} outcomes; in mode {mode} Medium or High is needed."
        return Answer(passed=False, sentence=text, value=shown, limit="Medium")
    return Answer(passed=True, sentence=f"Tier {shown}, confidence {rate} of {n} outcomes.", value=shown)


def rate_limit(facts: Facts) -> Answer:
    return limit_rules.signals_per_hour(facts.given.usage, facts.given.limits)


def high_rate_limit(facts: Facts) -> Answer:
    return limit_rules.high_per_hour(facts.given.draft, facts.given.usage, facts.given.limits)


def cool_down(facts: Facts) -> Answer:
    return limit_rules.cool_down(facts.given.usage, facts.given.limits, facts.given.now)


def duplicate(facts: Facts) -> Answer:
    given = facts.given
    if given.draft.symbol != given.instrument.symbol:
        raise ValueError(f"a draft for {given.draft.symbol!r} has the market {given.instrument.symbol!r}")
    return limit_rules.one_per_market(given.draft, given.usage, given.account, given.pending)


def max_positions(facts: Facts) -> Answer:
    given = facts.given
    return limit_rules.open_positions(given.usage, given.account, given.pending, given.limits)


def bracket(facts: Facts) -> Answer:
    draft = facts.given.draft
    entry, stop = positive("entry", draft.entry), positive("stop", draft.stop)
    target = positive("target", draft.target)
    low, high = (stop, target) if Side(draft.side) is Side.LONG else (target, stop)
    if not low < entry < high:
        ends = f"its stop at {plain(stop)} and its target at {plain(target)}"
        text = f"A {draft.side} from {plain(entry)} cannot have {ends}."
        return Answer(passed=False, sentence=text, value=plain(stop))
    if span("holding time", draft.cap) <= timedelta(0):
        return Answer(passed=False, sentence="The longest holding time must be above 0.", value="0")
    return Answer(passed=True, sentence=f"Stop {plain(stop)}, target {plain(target)}.", value=plain(stop))


def position_share(facts: Facts) -> Answer:
    return facts.portfolio.position_share.answer


def order_value(facts: Facts) -> Answer:
    largest = facts.portfolio.order_value.answer
    if facts.given.limits.min_order_value is None:
        return largest
    return facts.portfolio.too_small(facts.sized.lots) or largest


def cash_reserve(facts: Facts) -> Answer:
    return facts.portfolio.cash_reserve.answer


def group_risk(facts: Facts) -> Answer:
    return facts.portfolio.group_risk.answer


def calendar_news(facts: Facts) -> Answer:
    given = facts.given
    return calendar.news(given.calendar, given.draft.symbol, given.programme, given.now)


def calendar_closure(facts: Facts) -> Answer:
    given = facts.given
    return calendar.closure(given.calendar, given.draft.symbol, given.programme, given.now)


def maintenance(facts: Facts) -> Answer:
    given = facts.given
    return calendar.maintenance(given.calendar, given.draft.symbol, given.programme, given.now)


def basis(facts: Facts) -> Answer:
    return limit_rules.basis(facts.given.basis_bp, facts.given.limits)


def messages(facts: Facts) -> Answer:
    return limit_rules.messages(facts.given.usage, facts.given.limits)


def level(facts: Facts) -> Answer:
    room, held = facts.headroom, facts.level
    word, used = held.value.upper(), percent(room.used)
    if held is not room.level:
        return Answer(passed=False, sentence=f"{word}: {_latched(facts)}", value=used, limit="70 %")
    if held in NO_NEW_RISK:
        naked = f" Position {', '.join(room.naked)} has no stop." if room.naked else ""
        text = f"{word}: {used} of a loss limit is used at worst, no new risk from 70 %.{naked}"
        return Answer(passed=False, sentence=text, value=used, limit="70 %")
    size_word = "half" if held is Level.AMBER else "full"
    text = f"{word}: {used} of a loss limit is used at worst, orders at {size_word} size."
    return Answer(passed=True, sentence=text, value=used, limit="70 %")


def _latched(facts: Facts) -> str:
    """Which lock holds, and who ends it."""
    latch = facts.given.latch
    broken = Breach(latch.breach)
    if broken:
        return f"the {broken.value} limit was broken. Ends with a new phase, a reset or a new login."
    if latch.total_locked:
        return "80 % of the total limit was used. Ends when an admin reopens the account."
    return "80 % of the daily limit was used today. Opens by itself with the next prop-firm day."


def headroom(facts: Facts) -> Answer:
    room, risk = facts.headroom, not_negative("risk of this order", facts.sized.risk)
    after = room.worst_case - risk
    value, limit = money(risk), money(room.headroom)
    if after <= room.floor:
        floor = f"at or below the floor {money(room.floor)}"
        text = f"Risk {value} would bring the worst case to {money(after)}, {floor}."
        return Answer(passed=False, sentence=text, value=value, limit=limit)
    text = f"After this order {money(after - room.floor)} would be left to the floor {money(room.floor)}."
    return Answer(passed=True, sentence=text, value=value, limit=limit)


def would_lock(facts: Facts) -> Answer:
    used = facts.headroom.used_after(facts.sized.risk)
    value, limit = percent(used), percent(LOCKED_FROM)
    if used >= LOCKED_FROM:
        text = f"With this order {value} of a loss limit would be used at worst; {limit} locks the account."
        return Answer(passed=False, sentence=text, value=value, limit=limit)
    text = f"With this order {value} of a loss limit would be used at worst."
    return Answer(passed=True, sentence=text, value=value, limit=limit)


def size(facts: Facts) -> Answer:
    sized, instrument = facts.sized, facts.given.instrument
    limit, cap = money(sized.allowed), CAPPED_BY.get(sized.capped_by, "the venue's largest volume")
    if sized.lots <= 0:
        least = plain(positive("smallest volume", instrument.volume_min))
        text = f"Even {least} lots would risk more than the {limit} allowed for this trade."
        if sized.capped_by:
            text = f"Less than the smallest volume of {least} lots is left by {cap}."
        return Answer(passed=False, sentence=text, value="0", limit=least)
    why = ", the smallest size" if facts.smallest else f", capped by {cap}" if sized.capped_by else ""
    text = f"{plain(sized.lots)} lots{why}, {money(sized.risk)} at risk of {limit} allowed."
    return Answer(passed=True, sentence=text, value=money(sized.risk), limit=limit)


def margin(facts: Facts) -> Answer:
    return facts.portfolio.margin_for(facts.sized.lots)


def observe_only(facts: Facts) -> Answer:
    mode = Mode(facts.given.mode)
    if not mode.trades:
        text = "The account only observes: the signal is followed to its end, no order is made."
        return Answer(passed=False, sentence=text, value=mode.value, limit="paper")
    return Answer(passed=True, sentence=f"Mode {mode} makes orders.", value=mode.value)
