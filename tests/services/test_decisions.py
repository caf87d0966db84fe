"""The gate asked with the facts of the rows: scan and desk ask the same question."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.services.worlds import NOW, SECOND, World, make_close, make_intent, make_signal
from trading.core.gate import RULES
from trading.core.types import AccountView, Decision, Margin, Mode, Position, Side, TradingState
from trading.models import (
    Account,
    AccountDay,
    AccountRisk,
    CalendarEntry,
    Market,
    Order,
    OrderIntent,
    ProgrammeVersion,
    Signal,
)
from trading.selectors import signals
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
        ({"number": "8"}, "wrong_account"),
        ({"currency": "EUR"}, "wrong_account"),
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
    assert decide(wide_world, wish).codes == ("group_risk",)
    wide_world.account.max_group_risk = D(1)
    assert decide(wide_world, wish).codes == ("level",)


def make_intent_done(world: World, markets: list[Market]) -> None:
    """The intents of these markets came to nothing."""
    OrderIntent.objects.filter(market__in=markets).update(state="expired")


def test_a_programme_that_cannot_be_read_decides_nothing(world: World, signal: Signal) -> None:
    """An error is never a yes: whoever asks gets an error, and nothing is written."""
    account = Account.objects.select_related("programme__profile").get(pk=world.account.pk)
    account.programme.total_loss_mode = "who knows"
    with pytest.raises(ValueError, match="who knows"):
        decide(World(account=account, markets=world.markets), signal)


def test_a_market_of_another_source_is_an_error(world: World, signal: Signal) -> None:
    Market.objects.update(source="elsewhere")
    with pytest.raises(KeyError):
        decide(world, signal)


# -- what the rows know of locks, the calendar, messages, basis and margin ---------------------------


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"daily_locked_on": NOW.date()}, "LOCKED: 80 % of the daily limit"),
        ({"total_locked_at": NOW}, "LOCKED: 80 % of the total limit"),
        ({"breach": "daily"}, "BREACH: the daily limit was broken"),
    ],
)
def test_a_lock_in_the_rows_refuses(world: World, signal: Signal, kept: dict[str, Any], words: str) -> None:
    AccountRisk.objects.update_or_create(account=world.account, defaults=kept)
    decision = decide(world, signal)
    assert decision.codes == ("level",)
    assert decision.rejections[0].sentence.startswith(words)


def test_the_lock_of_yesterday_is_over(world: World, signal: Signal) -> None:
    kept = {"daily_locked_on": NOW.date() - timedelta(days=1)}
    AccountRisk.objects.update_or_create(account=world.account, defaults=kept)
    assert decide(world, signal).approved


@pytest.mark.parametrize(
    ("kind", "minutes", "hours", "symbols", "code"),
    [
        ("closure", 119, 3, "", "calendar_closure"),
        ("closure", 119, 3, "BTC-USD", "calendar_closure"),
        ("closure", 119, 3, "ETH-USD", None),
        ("closure", 121, 3, "", None),
        ("closure", -600, 11, "", "calendar_closure"),
        ("maintenance", -5, 1, "", "maintenance"),
        ("maintenance", 5, 1, "", None),
        ("news", 1, 0, "", None),
    ],
)
def test_the_calendar_is_read(
    world: World, signal: Signal, kind: str, minutes: int, hours: int, symbols: str, code: str | None
) -> None:
    starts = NOW + timedelta(minutes=minutes)
    CalendarEntry.objects.create(
        kind=kind,
        title="announced",
        starts_at=starts,
        ends_at=starts + timedelta(hours=hours),
        symbols=symbols,
        source="test",
        entered_at=NOW,
    )
    assert decide(world, signal).codes == (() if code is None else (code,))


def test_two_closures_that_touch_are_read_as_one(world: World, signal: Signal) -> None:
    for hour in (2, 3):
        CalendarEntry.objects.create(
            kind="closure",
            title="in parts",
            starts_at=NOW + timedelta(hours=hour),
            ends_at=NOW + timedelta(hours=hour + 1),
            source="test",
            entered_at=NOW,
        )
    assert decide(world, signal).codes == ("calendar_closure",)


def test_a_funded_account_waits_for_the_news(world: World, signal: Signal) -> None:
    CalendarEntry.objects.create(
        kind="news", title="US CPI", starts_at=NOW, ends_at=NOW, source="test", entered_at=NOW
    )
    funded = ProgrammeVersion.objects.select_related("profile").get(profile__name="ftmo-2-step-funded")
    world.account.programme = funded
    assert decide(world, signal).codes == ("calendar_news",)


def test_only_the_paper_venue_is_known_to_stand_at_the_signals_price(world: World, signal: Signal) -> None:
    world.account.venue = "mt5"
    assert decide(world, signal).codes == ("basis",)


def test_entries_stop_before_the_firms_messages_are_used(world: World, signal: Signal) -> None:
    world.account.messages_per_day = 5
    for number in range(4):
        make_close(world, ticket=f"T-{number}", state="placed", claimed_at=NOW)
    assert decide(world, signal).codes == ("messages",)
    OrderIntent.objects.filter(ticket="T-0").update(claimed_at=NOW - timedelta(days=1))
    assert decide(world, signal).approved


def test_the_venues_own_margin_counts_when_it_is_given(world: World, signal: Signal) -> None:
    assert decide(world, signal, margin=Margin(free=D(2), per_lot=D(100))).approved
    assert decide(world, signal, margin=Margin(free=D(1), per_lot=D(100))).codes == ("margin",)


def test_without_it_the_markets_rate_counts(world: World, signal: Signal) -> None:
    """One lot takes 30 at 100 and 30.60 at its target; the smallest order is a hundredth of that."""
    Market.objects.update(margin_rate=D("0.3"))
    world.account.max_margin_share = D("0.00000306")
    assert decide(world, signal).approved
    world.account.max_margin_share = D("0.00000305")
    assert decide(world, signal).codes == ("margin",)


def test_positions_and_orders_on_their_way_take_margin(wide_world: World) -> None:
    days.ensure_day(wide_world.account, view=view(wide_world.account), now=NOW)
    first, second, third, *_ = wide_world.markets.values()
    wish = make_signal(wide_world, market=first, approved=False)
    Market.objects.update(margin_rate=1)
    held = Position(
        ticket="T-1",
        magic=1,
        symbol=second.key,
        side=Side.LONG,
        lots=D(500),
        entry=D(100),
        price=D(99),
        stop=D("98.9"),
        target=None,
        opened_at=NOW,
    )
    wide_world.account.max_group_risk = D(1)
    seen = view(wide_world.account, positions=(held,))
    decision = decide(wide_world, wish, view=seen)
    assert _margin_limit(decision) == "45,000.00"
    make_intent(wide_world, signal=make_signal(wide_world, market=third), lots=D(10), target=D(102))
    decision = decide(wide_world, wish, view=seen)
    assert _margin_limit(decision) == "44,082.00", "1,020 less is free, of which 90 % may be taken"
    OrderIntent.objects.update(signal=None, target=None)
    assert decide(wide_world, wish, view=seen).codes == ("margin",), "an order of unknown price"


def _margin_limit(decision: Decision) -> str:
    assert decision.approved, decision.rejections
    return next(check.limit for check in decision.checks if check.code == "margin")


def test_an_order_that_rests_at_the_venue_takes_margin_once(wide_world: World) -> None:
    first, second, third, *_ = wide_world.markets.values()
    resting = make_intent(wide_world, signal=make_signal(wide_world, market=first), state="placed", lots=D(3))
    Order.objects.create(
        intent=resting, account=wide_world.account, market=first, ticket="O-1", placed_at=NOW
    )
    filled = make_intent(wide_world, signal=make_signal(wide_world, market=second), state="placed")
    Order.objects.create(
        intent=filled, account=wide_world.account, market=second, ticket="O-2", placed_at=NOW, closed_at=NOW
    )
    coming = make_intent(wide_world, signal=make_signal(wide_world, market=third), state="unknown")
    make_intent(wide_world, signal=make_signal(wide_world, market=third, open_ms=5), state="rejected")
    pk = wide_world.account.pk
    assert {(order.symbol, order.lots, order.price) for order in signals.coming_of(pk)} == {
        (first.key, D(3), D(102)),
        (third.key, D("0.01"), D(102)),
    }
    assert [order.symbol for order in signals.coming_of(pk, without_intent=coming.pk)] == [first.key]


def test_a_decision_reads_few_rows(world: World, signal: Signal, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(10):
        assert decide(world, signal).approved
