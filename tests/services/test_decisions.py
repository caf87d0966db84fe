"""The gate asked with the facts of the rows: scan and desk ask the same question."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.services.worlds import NOW, SECOND, World, make_intent, make_signal
from trading.core.gate import RULES
from trading.core.types import AccountView, Decision, Mode, TradingState
from trading.models import Account, AccountDay, Market, OrderIntent, ProgrammeVersion, Signal
from trading.services import days
from trading.services.decisions import checks_body, decide_entry, draft_of
from trading.services.kill_switch import Effective

pytestmark = pytest.mark.django_db

ACTIVE = Effective(state=TradingState.ACTIVE, source="switch", reason="open")


def view(account: Account, **changes: Any) -> AccountView:
    values = {
        "number": account.number,
        "currency": "USD",
        "balance": D(100000),
        "equity": D(100000),
        "positions": (),
        "as_of": NOW,
    }
    return AccountView(**{**values, **changes})


def decide(
    world: World, signal: Signal, *, now: Any = NOW, state: Effective = ACTIVE, **named: Any
) -> Decision:
    seen = named.pop("view", view(world.account, as_of=now))
    return decide_entry(
        draft_of(signal),
        account=world.account,
        market=world.market,
        view=seen,
        state=state,
        window_has_gap=named.pop("gap", False),
        now=now,
        **named,
    )


@pytest.fixture
def signal(world: World) -> Signal:
    """A signal about which everything is in order."""
    days.ensure_day(world.account, view=view(world.account), now=NOW)
    return make_signal(world, approved=False)


def test_a_clean_world_is_approved_at_the_smallest_size(world: World, signal: Signal) -> None:
    decision = decide(world, signal)
    assert (decision.approved, decision.codes, decision.lots) == (True, (), D("0.01"))
    assert decision.programme.startswith("ftmo-2-step")
    body = checks_body(decision)
    assert [check["code"] for check in body] == [rule.code for rule in RULES]
    assert {check["passed"] for check in body} == {True}


def test_the_draft_of_a_signal_is_what_it_was_made_from(world: World, signal: Signal) -> None:
    stored = Signal.objects.select_related("market").get(pk=signal.pk)
    draft = draft_of(stored)
    assert (draft.symbol, draft.entry, draft.stop, draft.target) == ("BTC-USD", D(100), D(98), D(102))
    assert (draft.cap, draft.closed_at, draft.expires_at) == (timedelta(hours=1), NOW, NOW + 90 * SECOND)
    assert (draft.confidence.known, draft.expected_value_bp, draft.unproven) == (False, None, True)


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"state": Effective(state=TradingState.HALTED, source="file", reason="x")}, "state"),
        ({"state": Effective(state=TradingState.REDUCING, source="switch", reason="x")}, "state"),
        ({"gap": True}, "gap"),
        ({"now": NOW + 90 * SECOND}, "stale"),
        ({"now": NOW - SECOND}, "stale"),
    ],
)
def test_one_thing_wrong_one_code(world: World, signal: Signal, named: dict[str, Any], code: str) -> None:
    decision = decide(world, signal, **named)
    assert (decision.approved, decision.codes, decision.lots) == (False, (code,), 0)


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ({"as_of": NOW - 6 * SECOND}, "account_stale"),
        ({"as_of": NOW + 6 * SECOND}, "account_stale"),
        ({"equity": D(96000), "balance": D(96000)}, "level"),
        ({"equity": D("NaN")}, "rule_error"),
        ({"positions": None}, "rule_error"),
    ],
)
def test_views_that_refuse(world: World, signal: Signal, seen: dict[str, Any], code: str) -> None:
    assert decide(world, signal, view=view(world.account, **seen)).codes == (code,)


def test_an_unproven_day_refuses(world: World, signal: Signal) -> None:
    AccountDay.objects.update(proven=False)
    assert decide(world, signal).codes == ("day_start",)
    AccountDay.objects.all().delete()
    assert decide(world, signal).codes == ("day_start",)


def test_observing_and_invented_prices(world: World, signal: Signal) -> None:
    world.account.mode = Mode.OBSERVE
    assert decide(world, signal).codes == ("observe_only",)
    world.account.mode, world.market.synthetic = Mode.MICRO, True
    assert decide(world, signal).codes == ("synthetic",)


def test_asked_again_the_own_rows_do_not_count(world: World, signal: Signal) -> None:
    approved = make_signal(world, open_ms=1)
    intent = make_intent(world, signal=approved)
    assert decide(world, approved).codes == ("cool_down",)
    assert decide(world, approved, without_signal=approved.pk).codes == ("duplicate",)
    assert decide(world, approved, without_signal=approved.pk, without_intent=intent.pk).approved


def test_what_is_on_its_way_elsewhere_takes_up_room(wide_world: World) -> None:
    days.ensure_day(wide_world.account, view=view(wide_world.account), now=NOW)
    first, *others = wide_world.markets.values()
    wish = make_signal(wide_world, market=first, approved=False)
    for market in others[:2]:
        make_intent(wide_world, signal=make_signal(wide_world, market=market))
    assert decide(wide_world, wish).approved
    third = make_intent(wide_world, signal=make_signal(wide_world, market=others[2]))
    assert decide(wide_world, wish).codes == ("max_positions",)
    third.risk, third.state = D(4000), "unknown"
    third.save()
    Account.objects.update(max_positions=9)
    wide_world.account.refresh_from_db()
    assert decide(wide_world, wish).codes == ("max_positions",), "the owner's ceiling is 3"
    make_intent_done(wide_world, others[:2])
    assert decide(wide_world, wish).codes == ("level",)


def make_intent_done(world: World, markets: list[Market]) -> None:
    """The intents of these markets came to nothing."""
    OrderIntent.objects.filter(market__in=markets).update(state="expired")


def test_a_programme_that_cannot_be_read_decides_nothing(world: World, signal: Signal) -> None:
    """An error is never a yes: whoever asks gets an error, and nothing is written."""
    ProgrammeVersion.objects.update(total_loss_mode="who knows")
    account = Account.objects.select_related("programme__profile").get(pk=world.account.pk)
    with pytest.raises(ValueError, match="who knows"):
        decide(World(account=account, markets=world.markets), signal)


def test_a_market_of_another_source_is_an_error(world: World, signal: Signal) -> None:
    Market.objects.update(source="elsewhere")
    with pytest.raises(KeyError):
        decide(world, signal)
