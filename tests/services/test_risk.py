"""An account's snapshots, and the confidence that its signals have earned."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.services.worlds import MINUTE, NOW, SECOND, World, make_intent, make_signal, second_account, store
from trading.core.headroom import headroom
from trading.core.types import Level, Mode, TradingState, ms_from_utc
from trading.models import (
    AccountDay,
    DeskStatus,
    Market,
    Order,
    Outcome,
    RiskSnapshot,
    Signal,
)
from trading.selectors import risk as reads
from trading.selectors import signals
from trading.services import kill_switch, levels, risk
from trading.services.desk import Desk

pytestmark = pytest.mark.django_db

# -- snapshots --------------------------------------------------------------------------------


def test_a_snapshot_holds_the_core_s_numbers(world: World) -> None:
    desk = Desk("one", lease_ttl=timedelta(days=1))
    make_intent(world)
    desk.tick(now=NOW)
    store(world.market, [100.0, 99.0], start=NOW)
    now = NOW + 121 * SECOND
    desk.tick(now=now)
    make_intent(
        world, now=now, signal=make_signal(world, now=now, open_ms=1), risk=D("12.34"), state="unknown"
    )
    seat = desk._seats[world.account.pk]
    pk = risk.snapshot(world.account, now=now, trigger="test", view=seat.venue.view(now=now))
    row = RiskSnapshot.objects.get(pk=pk)
    account = world.account
    programme = reads.programme_of(account)
    expected = headroom(
        account=seat.venue.view(now=now),
        day=reads.day_start_of(account, programme=programme, now=now),
        initial=account.initial_balance,
        programme=programme,
        instruments=reads.instruments_of(account),
        pending=reads.pending_of(account.pk),
        limits=reads.limits_of(account),
        now=now,
    )
    names = (
        "daily_floor",
        "total_floor",
        "equity",
        "worst_case",
        "pending_risk",
        "unknown_risk",
        "headroom",
        "level",
    )
    assert {name: getattr(row, name) for name in names} == {name: getattr(expected, name) for name in names}
    assert abs(row.used_daily - expected.used_daily) < D("0.000001")
    assert abs(row.used_total - expected.used_total) < D("0.000001")
    assert (row.unknown_risk, row.open_positions, row.daily_floor) == (D("12.34"), 1, D(95000))
    assert (row.mode, row.state, row.trigger, row.synthetic) == (
        Mode.PAPER,
        TradingState.ACTIVE,
        "test",
        False,
    )


def test_without_a_view_there_is_no_snapshot(world: World) -> None:
    assert risk.snapshot_all(now=NOW, trigger="hourly") == []
    Desk("one").tick(now=NOW)
    other = second_account(world.account)
    assert len(risk.snapshot_all(now=NOW + SECOND, trigger="hourly")) == 1
    assert not RiskSnapshot.objects.filter(account=other).exists()


def test_an_account_that_cannot_be_read_does_not_cost_the_others_their_snapshot(world: World) -> None:
    other = second_account(world.account)
    Desk("one").tick(now=NOW)
    DeskStatus.objects.filter(account=world.account).update(equity=D("-1"))
    before = RiskSnapshot.objects.filter(account=other).count()
    with pytest.raises(ExceptionGroup, match="could not be written"):
        risk.snapshot_all(now=NOW, trigger="hourly")
    assert RiskSnapshot.objects.filter(account=other).count() == before + 1


def test_a_stored_view_is_the_one_that_was_seen(world: World) -> None:
    desk = Desk("one", lease_ttl=timedelta(days=1))
    make_intent(world)
    desk.tick(now=NOW)
    store(world.market, [100.0, 101.0], start=NOW)
    now = NOW + 121 * SECOND
    desk.tick(now=now)
    assert reads.view_of(world.account) == desk._seats[world.account.pk].venue.view(now=now)


def test_a_snapshot_says_how_strict_the_switch_is(world: World) -> None:
    Desk("one").tick(now=NOW)
    kill_switch.set_state(TradingState.HALTED, by="ada", reason="x", now=NOW, account_id=world.account.pk)
    (pk,) = risk.snapshot_all(now=NOW, trigger="hourly")
    assert RiskSnapshot.objects.get(pk=pk).state == TradingState.HALTED


@pytest.mark.parametrize(
    ("equity", "level"),
    [
        ("100000", Level.GREEN),
        ("97500.01", Level.GREEN),
        ("97500", Level.AMBER),
        ("96500", Level.RED),
        ("96000", Level.LOCKED),
        ("95000.01", Level.LOCKED),
        ("95000", Level.LOCKED),
        ("94999.99", Level.BREACH),
        ("90000", Level.BREACH),
    ],
)
def test_levels(world: World, equity: str, level: Level) -> None:
    Desk("one").tick(now=NOW)
    DeskStatus.objects.update(balance=D(equity), equity=D(equity))
    (pk,) = risk.snapshot_all(now=NOW, trigger="hourly")
    row = RiskSnapshot.objects.get(pk=pk)
    assert (row.level, row.headroom) == (level, max(D(equity) - 95000, D(0)))
    # A snapshot only writes down: what follows of it is the desk's, which has just seen the account.
    assert (row.state, kill_switch.effective(world.account.pk).state) == (TradingState.ACTIVE,) * 2


def hold(world: World) -> None:
    """What the desk does with a look at the account, here at what was written of it last."""
    view = reads.view_of(world.account)
    assert view is not None
    levels.hold(world.account, reads.headroom_of(world.account, view=view, now=NOW), now=NOW)


def test_a_breach_does_not_open_again_when_the_floor_falls_at_midnight(world: World) -> None:
    Desk("one").tick(now=NOW)
    DeskStatus.objects.update(balance=D("94000"), equity=D("94000"))
    hold(world)
    Desk("one").tick(now=NOW + timedelta(days=1))
    found = kill_switch.effective(world.account.pk)
    assert (found.state, found.source) == (TradingState.HALTED, "account")
    assert "BREACH: equity 94000.00 fell below the floor of the daily limit" in found.reason


def test_a_floor_that_is_not_proven_halts_nobody(world: World) -> None:
    """Minutes after midnight the daily floor is still yesterday's, and may be too high."""
    Desk("one").tick(now=NOW)
    AccountDay.objects.update(proven=False)
    DeskStatus.objects.update(balance=D("94000"), equity=D("94000"))
    hold(world)
    assert kill_switch.effective(world.account.pk).state is TradingState.ACTIVE
    DeskStatus.objects.update(balance=D("89000"), equity=D("89000"))
    hold(world)
    assert kill_switch.effective(world.account.pk).state is TradingState.HALTED


def test_the_owner_s_ceilings_only_tighten(world: World, environment: Any) -> None:
    environment(max_daily_loss=D("0.02"), max_total_loss=D("0.5"), max_positions=1, signal_ttl_seconds=600)
    programme = reads.programme_of(world.account)
    assert (programme.daily_loss, programme.total_loss) == (D("0.02"), D("0.10"))
    limits = reads.limits_of(world.account)
    assert (limits.max_positions, limits.signal_ttl) == (1, timedelta(seconds=90))


# -- what is on its way -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "counted", "unknown"),
    [
        ("pending", True, False),
        ("sending", True, False),
        ("unknown", True, True),
        ("placed", False, False),
        ("rejected", False, False),
        ("expired", False, False),
        ("denied", False, False),
        ("not_placed", False, False),
    ],
)
def test_what_is_on_its_way_counts_in_full(world: World, state: str, counted: bool, unknown: bool) -> None:
    intent = make_intent(world, state=state, risk=D("7.50"))
    found = reads.pending_of(world.account.pk)
    assert [(p.symbol, p.risk, p.unknown) for p in found] == (
        [("BTC-USD", D("7.50"), unknown)] if counted else []
    )
    assert reads.pending_of(world.account.pk, without_intent=intent.pk) == ()


def test_an_order_that_rests_counts_until_it_is_closed(world: World) -> None:
    intent = make_intent(world, state="placed", risk=D("7.50"))
    order = Order.objects.create(
        intent=intent, account=world.account, market=world.market, ticket="1", placed_at=NOW
    )
    assert [p.risk for p in reads.pending_of(world.account.pk)] == [D("7.50")]
    Order.objects.filter(pk=order.pk).update(closed_at=NOW)
    assert reads.pending_of(world.account.pk) == ()


# -- confidence -------------------------------------------------------------------------------


def outcome(world: World, minute: int, state: str, *, lasts: int = 10, **signal: Any) -> Outcome:
    """A signal at a minute, whose bracket ended so many minutes later."""
    at = NOW + minute * MINUTE
    made = make_signal(world, now=at, **{"open_ms": ms_from_utc(at), **signal})
    ended = None if state == "following" else at + lasts * MINUTE
    Outcome.objects.filter(signal=made).update(state=state, resolved_at=ended)
    return Outcome.objects.get(signal=made)


def rate(world: World, market: Market | None = None, strategy: str = "scripted") -> tuple[D | None, int]:
    found = signals.confidence_of(strategy=strategy, market_id=(market or world.market).pk)
    return found.rate, found.n


def test_without_outcomes_the_rate_is_unknown(world: World) -> None:
    outcome(world, 0, "following")
    outcome(world, 60, "unjudged")
    assert rate(world) == (None, 0)


def test_the_rate_is_targets_over_everything_that_ended(world: World) -> None:
    for minute, state in ((0, "target"), (20, "stop"), (40, "target"), (60, "timeout")):
        outcome(world, minute, state)
    assert rate(world) == (D("0.5000"), 4)


def test_signals_that_overlap_are_one_bet(world: World) -> None:
    outcome(world, 0, "target", lasts=30)
    outcome(world, 5, "target", lasts=5)
    outcome(world, 29, "target", lasts=1)
    outcome(world, 30, "stop", lasts=10)
    assert rate(world) == (D("0.5000"), 2)


def test_the_same_slot_of_two_accounts_is_one_bet(world: World) -> None:
    other = second_account(world.account)
    outcome(world, 0, "target")
    outcome(world, 0, "target", account=other)
    assert rate(world) == (D("1.0000"), 1)


def test_markets_and_strategies_have_their_own_rates_and_invented_prices_stay_outside(
    wide_world: World,
) -> None:
    real, made_up = list(wide_world.markets.values())[:2]
    Market.objects.filter(pk=made_up.pk).update(synthetic=True)
    outcome(wide_world, 0, "stop", market=real)
    outcome(wide_world, 0, "target", market=made_up, synthetic=True)
    outcome(wide_world, 30, "target", market=real, strategy="other")
    assert rate(wide_world, real) == (D("0.0000"), 1)
    assert rate(wide_world, made_up) == (D("1.0000"), 1)
    assert rate(wide_world, real, "other") == (D("1.0000"), 1)


def test_usage_counts_the_hour_before(world: World) -> None:
    for minute, tier, approved in (
        (0, "low", True),
        (1, "high", True),
        (30, "low", False),
        (61, "low", True),
    ):
        at = NOW + minute * MINUTE
        make_signal(world, now=at, open_ms=minute, tier=tier, approved=approved, judged_at=at)
    last = Signal.objects.latest("pk")
    now = NOW + 60 * MINUTE
    used = signals.usage_of(world.account.pk, market=world.market, now=now, day_start=NOW, pending=())
    assert (used.signals_last_hour, used.high_last_hour, used.last_signal_at) == (1, 1, NOW + MINUTE)
    used = signals.usage_of(
        world.account.pk,
        market=world.market,
        now=now + MINUTE,
        day_start=NOW,
        pending=(),
        without_signal=last.pk,
    )
    assert (used.signals_last_hour, used.last_signal_at) == (0, NOW + MINUTE)
