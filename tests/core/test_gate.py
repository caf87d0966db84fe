"""The gate, rule by rule: what passes, what refuses, and what stands on the panel."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from tests.core.worlds import (
    BTC,
    INSTRUMENTS,
    LIMITS,
    NOW,
    SOL,
    TWO_STEP,
    account,
    day,
    draft,
    pending,
    position,
    usage,
)
from trading.core import gate
from trading.core.answer import Answer
from trading.core.calendar import Entry, EntryKind
from trading.core.gate import CODES, NOT_ASKED, RULES, GateInput, decide, decide_close
from trading.core.levels import Latch
from trading.core.programme import profile
from trading.core.types import Breach, Confidence, Margin, Mode, ModelState, Side, Tier, TradingState

Make = Callable[..., GateInput]
SECOND = timedelta(seconds=1)
UNKNOWN = Confidence(rate=None, low=None, high=None, n=0)
ETH_HELD = position("ETH-USD", entry=D(3000), price=D(3000), stop=D(2990), lots=D("0.1"))
DEEP = replace(BTC, volume_max=D(100))
# Nothing but the loss limits binds here.
WIDE = {"instrument": DEEP, "margin": Margin(free=D(10**9), per_lot=D(90000))}


def wide(risk: str) -> dict[str, Any]:
    """A world in which so large a fraction may be risked on one trade."""
    limits = replace(LIMITS, risk_per_trade=D(risk), max_group_risk=D(1))
    return {**WIDE, "limits": limits}


def limited(**changes: Any) -> dict[str, Any]:
    """A world with these limits of its profile."""
    return {"limits": replace(LIMITS, **changes)}


def margin(free: str, per_lot: str = "90000") -> Margin:
    return Margin(free=D(free), per_lot=D(per_lot))


def shut(start: int, hours: int, *, kind: EntryKind = EntryKind.CLOSURE, symbols: str = "") -> Entry:
    """An entry that begins so many minutes after the decision and lasts so many hours."""
    starts = NOW + timedelta(minutes=start)
    ends = starts + timedelta(hours=hours)
    return Entry(kind=kind, title="Weekend", starts_at=starts, ends_at=ends, symbols=tuple(symbols.split()))


NEWS = shut(1, 0, kind=EntryKind.NEWS)
FUNDED = profile("ftmo-2-step-funded")

# Each row: what differs from a world that passes, and the code it is refused with (None: it passes).
TABLE: list[Any] = [
    pytest.param({}, None, id="a world that passes"),
    pytest.param({"state": TradingState.REDUCING}, "state", id="reducing"),
    pytest.param({"state": TradingState.HALTED}, "state", id="halted"),
    pytest.param({"is_synthetic": True}, "synthetic", id="invented prices on demo"),
    pytest.param({"is_synthetic": True, "mode": Mode.LIVE}, "synthetic", id="invented prices on live"),
    pytest.param({"is_synthetic": True, "mode": Mode.PAPER}, None, id="invented prices on paper"),
    pytest.param({"draft": draft(closed_at=NOW - 90 * SECOND)}, "stale", id="as old as its time to live"),
    pytest.param(
        {"draft": draft(closed_at=NOW - 89 * SECOND, expires_at=NOW + SECOND)}, None, id="a second younger"
    ),
    pytest.param({"draft": draft(closed_at=NOW)}, None, id="a candle that closes this instant"),
    pytest.param({"draft": draft(expires_at=NOW)}, "stale", id="expired by its own word"),
    pytest.param({"draft": draft(closed_at=NOW + SECOND)}, "stale", id="a candle from the future"),
    pytest.param({"limits": replace(LIMITS, signal_ttl=8 * SECOND)}, "stale", id="a tighter time to live"),
    pytest.param({"window_has_gap": True}, "gap", id="a gap"),
    pytest.param({"account": account(number="8")}, "wrong_account", id="another account"),
    pytest.param({"account": account(currency="EUR")}, "wrong_account", id="another currency"),
    pytest.param({"number": "8"}, "wrong_account", id="another account is meant"),
    pytest.param({"number": "", "account": account(number="")}, "rule_error", id="no account is meant"),
    pytest.param(
        {"currency": None, "account": account(currency=None)}, "rule_error", id="no currency is meant"
    ),
    pytest.param({"account": account(as_of=NOW - 5 * SECOND)}, None, id="account seen 5 s ago"),
    pytest.param(
        {"account": account(as_of=NOW - timedelta(seconds=5, microseconds=1))},
        "account_stale",
        id="account seen more than 5 s ago",
    ),
    pytest.param({"account": account(as_of=NOW - timedelta(days=400))}, "account_stale", id="never seen"),
    pytest.param({"account": account(as_of=NOW + 6 * SECOND)}, "account_stale", id="account from the future"),
    pytest.param({"day": day(proven=False)}, "day_start", id="midnight unproven"),
    pytest.param({"model": ModelState.VALID}, None, id="a model that may speak"),
    pytest.param({"model": ModelState.INVALID}, "model", id="a model that may not speak"),
    pytest.param({"model": ModelState.UNKNOWN}, "model", id="a model of which nothing is known"),
    pytest.param(
        {"model": ModelState.INVALID, "mode": Mode.PAPER}, "model", id="a model that may not speak, on paper"
    ),
    pytest.param({"draft": draft(expected_value_bp=None)}, "expected_value", id="expected value unknown"),
    pytest.param({"draft": draft(expected_value_bp=D(0))}, "expected_value", id="nothing expected"),
    pytest.param({"draft": draft(expected_value_bp=D("-3"))}, "expected_value", id="a loss expected"),
    pytest.param({"draft": draft(expected_value_bp=D("0.01"))}, None, id="a trace expected"),
    pytest.param(
        {"draft": draft(expected_value_bp=None), "mode": Mode.PAPER}, None, id="unknown value on paper"
    ),
    pytest.param({"draft": draft(tier=Tier.LOW)}, "tier", id="Low on demo"),
    pytest.param({"draft": draft(tier=Tier.LOW), "mode": Mode.MICRO}, "tier", id="Low on micro"),
    pytest.param({"draft": draft(tier=Tier.LOW), "mode": Mode.PAPER}, None, id="Low on paper"),
    pytest.param({"draft": draft(tier=Tier.MEDIUM)}, None, id="Medium on demo"),
    pytest.param({"usage": usage(signals_last_hour=9)}, None, id="the tenth signal"),
    pytest.param({"usage": usage(signals_last_hour=10)}, "rate_limit", id="the eleventh signal"),
    pytest.param({"usage": usage(high_last_hour=5)}, "high_rate_limit", id="the sixth High signal"),
    pytest.param(
        {"usage": usage(high_last_hour=5), "draft": draft(tier=Tier.MEDIUM)},
        None,
        id="Medium after five High",
    ),
    pytest.param(
        {"usage": usage(last_signal_at=NOW - timedelta(minutes=14))}, "cool_down", id="14 minutes after"
    ),
    pytest.param({"usage": usage(last_signal_at=NOW - timedelta(minutes=15))}, None, id="15 minutes after"),
    pytest.param({"usage": usage(busy="unknown")}, "duplicate", id="an unknown order in the market"),
    pytest.param({"account": account(positions=(position(lots=D("0.01")),))}, "duplicate", id="held already"),
    pytest.param({"pending": (pending("5", "BTC-USD"),)}, "duplicate", id="on its way already"),
    pytest.param({"usage": usage(open_positions=3)}, "max_positions", id="three open"),
    pytest.param(
        {"pending": (pending("5"),) * 2, "account": account(positions=(ETH_HELD,))},
        "max_positions",
        id="one open and two on their way",
    ),
    pytest.param({"draft": draft(stop=D(90000))}, "bracket", id="stop at the entry"),
    pytest.param({"draft": draft(stop=D(90600))}, "bracket", id="stop on the wrong side"),
    pytest.param({"draft": draft(target=D(90000))}, "bracket", id="target at the entry"),
    pytest.param({"draft": draft(side=Side.SHORT)}, "bracket", id="a short with a long's bracket"),
    pytest.param(
        {"draft": draft(entry=D("0.5"), stop=D("0.4"), target=D("0.7"))}, None, id="a price below 1"
    ),
    pytest.param({"draft": draft(cap=timedelta(0))}, "bracket", id="no time to hold"),
    pytest.param({"draft": draft(cap=SECOND)}, None, id="a second to hold"),
    pytest.param(
        {"draft": draft(side=Side.SHORT, stop=D(90600), target=D(89100))}, None, id="a short with its own"
    ),
    pytest.param(limited(max_position_share=D("0.3")), None, id="30 % of equity for one market"),
    pytest.param(limited(max_position_share=D("0.009")), None, id="just enough for the smallest volume"),
    pytest.param(limited(max_position_share=D("0.0089")), "position_share", id="too small a share"),
    pytest.param(limited(max_order_value=D(900)), None, id="the smallest volume is the largest order"),
    pytest.param(
        limited(max_order_value=D("899.99")), "order_value", id="a largest order below the smallest"
    ),
    pytest.param(limited(min_order_value=D(59400)), None, id="an order as small as allowed"),
    pytest.param(limited(min_order_value=D("59400.01")), "order_value", id="an order below the smallest"),
    pytest.param(
        {**limited(cash_reserve=D("0.2")), "margin": margin("20900")}, None, id="the reserve is just kept"
    ),
    pytest.param(
        {**limited(cash_reserve=D("0.2")), "margin": margin("20899.99")},
        "cash_reserve",
        id="a reserve broken",
    ),
    pytest.param({**limited(cash_reserve=D("0.2")), "margin": None}, "cash_reserve", id="unspent is unknown"),
    pytest.param(
        limited(max_group_risk=D("0.0000749675944")), "group_risk", id="the smallest volume is too risky"
    ),
    pytest.param(
        limited(max_group_risk=D("0.0000749675945")), None, id="just enough for the smallest volume's risk"
    ),
    pytest.param(
        {"pending": (pending("1993"),)}, "group_risk", id="the group is full of orders on their way"
    ),
    pytest.param({"pending": (pending("1990"),)}, None, id="the group has room for the smallest volume"),
    pytest.param({"pending": (pending("1993", "XRP-USD"),)}, "group_risk", id="a market nobody knows"),
    pytest.param(
        {
            "pending": (pending("1993"),),
            "instruments": {**INSTRUMENTS, "SOL-USD": replace(SOL, group="other")},
        },
        None,
        id="orders on their way in another group",
    ),
    pytest.param({"account": account(positions=(replace(ETH_HELD, stop=None),))}, "group_risk", id="no stop"),
    pytest.param({"calendar": (NEWS,)}, None, id="news in evaluation"),
    pytest.param({"calendar": (NEWS,), "programme": FUNDED}, "calendar_news", id="news when funded"),
    pytest.param(
        {"calendar": (shut(3, 0, kind=EntryKind.NEWS),), "programme": FUNDED}, None, id="news in 3 minutes"
    ),
    pytest.param(
        {"calendar": (replace(NEWS, symbols=("ETH-USD",)),), "programme": FUNDED},
        None,
        id="news of another market",
    ),
    pytest.param({"calendar": (shut(120, 2),)}, "calendar_closure", id="2 h before a closure of 2 h"),
    pytest.param({"calendar": (shut(121, 2),)}, None, id="more than 2 h before a closure"),
    pytest.param({"calendar": (shut(120, 1),)}, None, id="2 h before a closure of 1 h"),
    pytest.param(
        {"calendar": (shut(120, 1), shut(180, 1))}, "calendar_closure", id="two closures of 1 h that touch"
    ),
    pytest.param({"calendar": (shut(-30, 1),)}, "calendar_closure", id="in a closure of 1 h"),
    pytest.param(
        {"calendar": (shut(-30, 1, kind=EntryKind.MAINTENANCE),)}, "maintenance", id="under maintenance"
    ),
    pytest.param({"calendar": (shut(1, 9, kind=EntryKind.MAINTENANCE),)}, None, id="before maintenance"),
    pytest.param({"basis_bp": D(12)}, None, id="venue 12 bp above"),
    pytest.param({"basis_bp": D("12.01")}, "basis", id="venue more than 12 bp above"),
    pytest.param({"basis_bp": D("-12.01")}, "basis", id="venue more than 12 bp below"),
    pytest.param({"basis_bp": None}, "basis", id="basis unknown"),
    pytest.param({"usage": usage(messages_today=1599)}, None, id="just below 80 % of the messages"),
    pytest.param({"usage": usage(messages_today=1600)}, "messages", id="80 % of the messages"),
    pytest.param({"account": account("96500")}, "level", id="70 % used"),
    pytest.param({"account": account("96500.01")}, None, id="just below 70 %"),
    pytest.param({"account": account("96000")}, "level", id="locked"),
    pytest.param({"account": account("94000")}, "level", id="breached"),
    pytest.param({"latch": Latch(daily_locked_on="2026-11-19")}, "level", id="the day is locked"),
    pytest.param({"latch": Latch(daily_locked_on="2026-11-18")}, None, id="yesterday was locked"),
    pytest.param({"latch": Latch(total_locked=True)}, "level", id="the total limit is locked"),
    pytest.param({"latch": Latch(breach=Breach.DAILY)}, "level", id="broken earlier"),
    pytest.param(
        {"account": account(positions=(replace(ETH_HELD, side=Side.SHORT, stop=None),))},
        "level",
        id="no stop in the other direction",
    ),
    pytest.param(wide("0.2"), "headroom", id="an order beyond the floor"),
    pytest.param(wide("0.09"), "would_lock", id="an order that would lock"),
    pytest.param(
        {**wide("0.005"), "instrument": replace(BTC, volume_min=D(1))},
        "below_minimum",
        id="smallest volume too big",
    ),
    pytest.param({"margin": None}, "margin", id="margin unknown"),
    pytest.param({"margin": margin("1000")}, None, id="margin for the smallest volume"),
    pytest.param({"margin": margin("999.99")}, "margin", id="not enough margin"),
    pytest.param({"margin": margin("-1")}, "margin", id="no margin is left"),
    pytest.param({"mode": Mode.OBSERVE}, "observe_only", id="an account that observes"),
    pytest.param({"initial": D("NaN")}, "rule_error", id="a number that is none"),
]


@pytest.mark.parametrize(("changes", "code"), TABLE)
def test_rules(make_gate_input: Make, changes: dict[str, Any], code: str | None) -> None:
    decision = decide(make_gate_input(**changes))
    assert decision.codes == (() if code is None else (code,))
    assert decision.approved is (code is None)
    assert (decision.lots > 0) is (decision.risk > 0) is (code is None)


def test_every_code_has_a_refusal_in_the_table() -> None:
    assert {row.values[1] for row in TABLE} == {*CODES, None}


@pytest.mark.parametrize("code", CODES)
def test_every_code_stands_in_the_documents(code: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "risk_rules.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    mine = [part for part in sections if part.splitlines()[0] == code]
    assert len(mine) == 1
    assert mine[0].splitlines()[1].startswith(f"{CODES[code]}.")
    assert re.search(r"^Source: .*\d{4}-\d{2}-\d{2}", mine[0], re.MULTILINE | re.DOTALL)


def test_the_documents_name_the_rules_in_their_order_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs" / "risk_rules.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (\S+)$", text, re.MULTILINE) == list(CODES)


def test_codes_are_unique_and_stand_in_their_order() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES) == len(CODES) - 1
    assert " ".join(rule.code for rule in RULES) == (
        "state synthetic stale gap wrong_account account_stale day_start model expected_value tier"
        " rate_limit high_rate_limit cool_down duplicate bracket max_positions"
        " position_share order_value cash_reserve group_risk calendar_news calendar_closure maintenance"
        " basis messages level headroom would_lock below_minimum margin observe_only"
    )


def test_an_approval_shows_every_rule_with_its_numbers(make_gate_input: Make) -> None:
    decision = decide(make_gate_input())
    assert [check.code for check in decision.checks] == [rule.code for rule in RULES]
    assert all(check.passed is True and check.sentence.endswith(".") for check in decision.checks)
    shown = {check.code: (check.value, check.limit) for check in decision.checks}
    assert shown["stale"] == ("8.0 s", "90.0 s")
    assert shown["rate_limit"] == ("1", "10")
    assert shown["below_minimum"] == ("493.48", "500.00")
    assert shown["headroom"] == ("493.48", "5,000.00")
    assert shown["would_lock"] == ("9.9 %", "80.0 %")
    assert (decision.lots, decision.risk) == (D("0.66"), D("493.48"))
    assert decision.programme == "ftmo-2-step-challenge v1"


def test_after_a_refusal_nothing_more_is_asked(make_gate_input: Make) -> None:
    decision = decide(make_gate_input(usage=usage(signals_last_hour=10), account=account("1")))
    asked = [check for check in decision.checks if check.passed is not None]
    assert [check.code for check in asked][-1] == "rate_limit"
    assert [check.passed for check in asked] == [True] * (len(asked) - 1) + [False]
    rest = decision.checks[len(asked) :]
    assert {check.sentence for check in rest} == {NOT_ASKED}
    assert len(decision.checks) == len(RULES)
    assert len(decision.rejections) == 1


def test_the_state_is_asked_before_anything_can_go_wrong(make_gate_input: Make) -> None:
    broken = make_gate_input(state=TradingState.HALTED, draft=None, account=None, limits=None)
    assert decide(broken).codes == ("state",)


def test_the_refusal_of_the_state_says_who_and_why(make_gate_input: Make) -> None:
    halted = make_gate_input(
        state=TradingState.HALTED, state_source="the HALT file", state_reason="moving house"
    )
    sentence = decide(halted).rejections[0].sentence
    assert sentence.startswith("Trading is HALTED by the HALT file: moving house.")


@pytest.mark.parametrize(
    ("latch", "words"),
    [
        (
            Latch(daily_locked_on="2026-11-19"),
            "LOCKED: 80 % of the daily limit was used today. Opens by itself",
        ),
        (Latch(total_locked=True), "LOCKED: 80 % of the total limit was used. Ends when an admin reopens"),
        (
            Latch(breach=Breach.TOTAL, total_locked=True),
            "BREACH: the total limit was broken. Ends with a new",
        ),
    ],
)
def test_a_lock_says_who_ends_it(make_gate_input: Make, latch: Latch, words: str) -> None:
    assert decide(make_gate_input(latch=latch)).rejections[0].sentence.startswith(words)


def test_a_lock_is_stricter_than_the_measure_only(make_gate_input: Make) -> None:
    """Where the measure itself is as strict, its number is told."""
    broken = make_gate_input(account=account("94000"), latch=Latch(breach=Breach.DAILY))
    assert "120.0 % of a loss limit" in decide(broken).rejections[0].sentence


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ModelState.INVALID, "The model may not speak: it drifted. Ends with a valid release"),
        (ModelState.UNKNOWN, "The model is not known to be valid: it drifted. Ends with a valid release"),
    ],
)
def test_a_silent_model_says_why(make_gate_input: Make, state: ModelState, words: str) -> None:
    told = decide(make_gate_input(model=state, model_reason="it drifted")).rejections[0].sentence
    assert told.startswith(words)
    assert ": it drifted" not in decide(make_gate_input(model=state)).rejections[0].sentence


@pytest.mark.parametrize(
    ("ago", "value"), [(timedelta(days=1), "1440 min"), (timedelta(days=1, microseconds=1), "not seen")]
)
def test_an_account_not_seen_for_a_day_is_said_to_be_not_seen(
    make_gate_input: Make, ago: timedelta, value: str
) -> None:
    decision = decide(make_gate_input(account=account(as_of=NOW - ago)))
    assert next(check.value for check in decision.checks if check.passed is False) == value


@pytest.mark.parametrize(
    ("changes", "lots", "words"),
    [
        pytest.param({"instrument": replace(BTC, volume_max=D("0.5"))}, "0.5", "largest volume", id="venue"),
        pytest.param({"margin": margin("20000")}, "0.2", "the free margin", id="margin"),
        pytest.param(limited(max_position_share=D("0.3")), "0.33", "the share of one market", id="share"),
        pytest.param(limited(max_order_value=D(10000)), "0.11", "the largest order", id="order"),
        pytest.param(
            {**limited(cash_reserve=D("0.5")), "margin": margin("80000")},
            "0.33",
            "the cash reserve",
            id="cash",
        ),
        pytest.param({"pending": (pending("1850"),)}, "0.2", "the risk of the group", id="group"),
    ],
)
def test_what_caps_the_lots_is_said(
    make_gate_input: Make, changes: dict[str, Any], lots: str, words: str
) -> None:
    decision = decide(make_gate_input(**changes))
    assert (decision.approved, decision.lots) == (True, D(lots))
    size = next(check for check in decision.checks if check.code == "below_minimum")
    assert f"capped by {words}" in size.sentence or f"capped by the venue's {words}" in size.sentence


def test_a_cap_between_two_steps_that_leaves_too_little_is_named(make_gate_input: Make) -> None:
    """Room for 0.019 lots where the smallest volume is 0.015 and the step 0.01: nothing fits."""
    odd = replace(BTC, volume_min=D("0.015"))
    decision = decide(make_gate_input(instrument=odd, **limited(max_order_value=D(1710))))
    assert decision.codes == ("below_minimum",)
    assert decision.rejections[0].sentence.endswith("0.015 lots is left by the largest order.")


def test_a_draft_with_another_markets_numbers_is_an_error(make_gate_input: Make) -> None:
    decision = decide(make_gate_input(draft=draft(symbol="ETH-USD")))
    assert decision.codes == ("rule_error",)
    assert "'ETH-USD' has the market 'BTC-USD'" in decision.rejections[0].sentence


@pytest.mark.parametrize(
    ("changes", "value", "limit"),
    [
        ({"draft": draft(cap=timedelta(0))}, "0", ""),
        ({"instrument": replace(BTC, volume_min=D(1)), "margin": margin("200000")}, "0", "1"),
        ({"draft": draft(target=D(90000))}, "89400", ""),
        ({"account": account("96500")}, "70.0 %", "70 %"),
        ({"latch": Latch(total_locked=True)}, "0.0 %", "70 %"),
    ],
)
def test_a_refusal_shows_its_value_and_limit(
    make_gate_input: Make, changes: dict[str, Any], value: str, limit: str
) -> None:
    refused = next(check for check in decide(make_gate_input(**changes)).checks if check.passed is False)
    assert (refused.value, refused.limit) == (value, limit)


def test_amber_halves_the_size(make_gate_input: Make) -> None:
    whole = decide(make_gate_input(account=account("97500.01")))
    half = decide(make_gate_input(account=account("97500")))
    assert (whole.lots, half.lots) == (D("0.66"), D("0.33"))
    assert half.risk <= D(250)


@pytest.mark.parametrize(
    ("room", "code"),
    [
        pytest.param("0.00", "headroom", id="touching the floor is a breach"),
        pytest.param("0.01", "would_lock", id="one cent of room left"),
    ],
)
def test_the_floor_must_not_be_touched(make_gate_input: Make, room: str, code: str) -> None:
    rich = make_gate_input(**wide("0.2"), account=account("105000"))
    risk = gate.Facts(rich).sized.risk
    exact = account("100000", str(D(95000) + risk + D(room)))
    decision = decide(replace(rich, account=exact))
    assert gate.Facts(replace(rich, account=exact)).sized.risk == risk
    assert decision.codes == (code,)


@pytest.mark.parametrize(("room", "code"), [("0.00", "would_lock"), ("0.01", None)])
def test_80_percent_after_the_order_is_locked(make_gate_input: Make, room: str, code: str | None) -> None:
    rich = make_gate_input(**wide("0.2"), account=account("105000"))
    risk = gate.Facts(rich).sized.risk
    decision = decide(replace(rich, account=account("100000", str(D(96000) + risk + D(room)))))
    assert decision.codes == (() if code is None else (code,))


@pytest.mark.parametrize(("room", "lots"), [("0.00", "0.33"), ("0.01", "0.66")])
def test_an_order_that_would_lock_at_80_percent_is_halved(
    make_gate_input: Make, room: str, lots: str
) -> None:
    """A daily limit of 1 %, so that one order of 0.5 % is half of it."""
    strict = replace(TWO_STEP, daily_loss=D("0.01"))
    risk = decide(make_gate_input()).risk
    equity = str(D(99200) + risk + D(room))
    assert decide(make_gate_input(programme=strict, account=account("100000", equity))).lots == D(lots)


@pytest.mark.parametrize(("equity", "words"), [("97500.01", "full size"), ("97500", "half size")])
def test_the_level_says_the_size(make_gate_input: Make, equity: str, words: str) -> None:
    level = next(c for c in decide(make_gate_input(account=account(equity))).checks if c.code == "level")
    assert words in level.sentence


def test_an_order_that_would_lock_at_full_size_is_asked_again_at_half(make_gate_input: Make) -> None:
    decision = decide(make_gate_input(**wide("0.045")))
    assert D(2200) < decision.risk <= D(2250)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"draft": draft(unproven=True), "mode": Mode.PAPER}, id="unproven"),
        pytest.param({"draft": draft(tier=Tier.LOW), "mode": Mode.PAPER}, id="Low"),
        pytest.param({"draft": draft(expected_value_bp=None), "mode": Mode.PAPER}, id="unknown value"),
        pytest.param({"draft": draft(expected_value_bp=D(-1)), "mode": Mode.PAPER}, id="negative value"),
        pytest.param({"draft": draft(expected_value_bp=D(0)), "mode": Mode.PAPER}, id="value of nothing"),
        pytest.param({"draft": draft(unproven=True), "mode": Mode.DEMO}, id="unproven on demo"),
        pytest.param({"mode": Mode.MICRO}, id="micro"),
    ],
)
def test_the_smallest_size(make_gate_input: Make, changes: dict[str, Any]) -> None:
    assert decide(make_gate_input(**changes)).lots == BTC.volume_min


@pytest.mark.parametrize("mode", [Mode.PAPER, Mode.DEMO, Mode.LIVE])
def test_the_full_size(make_gate_input: Make, mode: Mode) -> None:
    assert decide(make_gate_input(mode=mode)).lots == D("0.66")


def test_a_trace_of_expected_value_is_traded_at_full_size(make_gate_input: Make) -> None:
    assert decide(make_gate_input(draft=draft(expected_value_bp=D("0.01")))).lots == D("0.66")


def test_an_unknown_confidence_is_said_to_be_unknown(make_gate_input: Make) -> None:
    world = make_gate_input(draft=draft(confidence=UNKNOWN, tier=Tier.LOW), mode=Mode.PAPER)
    tier = next(c for c in decide(world).checks if c.code == "tier")
    assert "confidence unknown of 0 outcomes" in tier.sentence


def test_a_naked_position_is_named(make_gate_input: Make) -> None:
    naked = replace(ETH_HELD, stop=None, ticket="48790114")
    for held in (naked, replace(naked, side=Side.SHORT)):
        sentence = decide(make_gate_input(account=account(positions=(held,)))).rejections[0].sentence
        assert "Position 48790114 has no stop." in sentence


def test_a_rule_that_breaks_refuses_by_name(make_gate_input: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(facts: gate.Facts) -> None:
        raise ZeroDivisionError("division by zero")

    for i, rule in enumerate(RULES):
        broken = (*RULES[:i], replace(rule, ask=explode), *RULES[i + 1 :])
        with monkeypatch.context() as patch:
            patch.setattr(gate, "RULES", broken)
            decision = decide(make_gate_input())
        assert decision.codes == ("rule_error",)
        assert not decision.approved
        assert decision.checks[i].passed is False
        assert f"The rule {rule.title} could not be answered" in decision.rejections[0].sentence


def test_an_answer_that_is_not_true_refuses(make_gate_input: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (None, 1, "yes"):
        odd = Answer(passed=answer, sentence="Odd.")
        patched = (replace(RULES[0], ask=lambda facts, odd=odd: odd), *RULES[1:])
        monkeypatch.setattr(gate, "RULES", patched)
        assert decide(make_gate_input()).codes == ("state",)


@pytest.mark.parametrize(
    ("state", "by_person", "flatten", "words"),
    [
        (TradingState.ACTIVE, False, False, "ACTIVE: closing is allowed."),
        (TradingState.REDUCING, False, False, "REDUCING: closing is allowed."),
        (TradingState.HALTED, True, False, "A person may always close."),
        (TradingState.HALTED, False, True, "Everything of the account is being closed."),
        (TradingState.HALTED, True, True, "Everything of the account is being closed."),
        (None, True, False, "A person may always close."),
        (None, False, True, "Everything of the account is being closed."),
        (TradingState.HALTED, False, False, ""),
        (None, False, False, ""),
        ("active", False, False, ""),
        (TradingState.HALTED, None, None, ""),
        (TradingState.HALTED, 1, 1, ""),
    ],
)
def test_closes(state: Any, by_person: Any, flatten: Any, words: str) -> None:
    """Without words it is refused."""
    decision = decide_close(
        state=state, by_person=by_person, flatten=flatten, state_source="the panel", state_reason="test"
    )
    assert decision.approved is bool(words)
    assert decision.codes == (() if words else ("state",))
    (check,) = decision.checks
    assert check.passed is decision.approved
    assert check.sentence == (
        words or "Trading is HALTED by the panel: test. Only a person may close until a person resumes it."
    )


def test_a_close_is_no_flatten_unless_said() -> None:
    assert not decide_close(state=TradingState.HALTED, by_person=False).approved
