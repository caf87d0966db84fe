"""An account's days, its snapshots, and the confidence that its signals have earned."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.worlds import MINUTE, NOW, SECOND, World, make_intent, make_signal, second_account, store
from trading.core.headroom import headroom
from trading.core.types import AccountView, Level, Mode, TradingState, ms_from_utc
from trading.models import (
    Account,
    AccountDay,
    DeskStatus,
    Event,
    Fill,
    Market,
    Order,
    Outcome,
    RiskSnapshot,
    Signal,
    Trade,
)
from trading.selectors import risk as reads
from trading.selectors import signals
from trading.services import kill_switch, risk
from trading.services.desk import Desk

pytestmark = pytest.mark.django_db

PRAGUE = ZoneInfo("Europe/Prague")
NUMBERS = count(1)


def view(account: Account, *, now: datetime, balance: D | None = None) -> AccountView:
    """A flat account whose balance is what its fills say, or what is given."""
    booked = sum((f.profit + f.commission + f.swap for f in Fill.objects.filter(account=account)), D(0))
    money = account.initial_balance + booked if balance is None else balance
    return AccountView(
        number=account.number, currency="USD", balance=money, equity=money, positions=(), as_of=now
    )


def book(account: Account, market: Market, *, at: datetime, profit: str = "0", commission: str = "0") -> Fill:
    """A fill that changed the balance at an instant."""
    number = str(next(NUMBERS))
    trade = Trade.objects.create(
        account=account,
        market=market,
        ticket=number,
        side="long",
        lots=1,
        entry=100,
        opened_at=at,
        state="closed",
    )
    return Fill.objects.create(
        account=account,
        market=market,
        trade=trade,
        deal=number,
        ticket=number,
        entry=False,
        side="short",
        lots=1,
        price=100,
        profit=D(profit),
        commission=D(commission),
        swap=0,
        at=at,
        booked_at=at,
    )


def born(account: Account, at: datetime) -> Account:
    Account.objects.filter(pk=account.pk).update(created_at=at)
    account.refresh_from_db()
    return account


def days() -> list[tuple[str, D, str]]:
    return [(str(d.day), d.balance, d.how) for d in AccountDay.objects.order_by("day")]


# -- days -------------------------------------------------------------------------------------


def test_the_first_day_begins_with_the_initial_balance(world: World) -> None:
    book(world.account, world.market, at=NOW, profit="-50")
    row = risk.ensure_day(world.account, view=view(world.account, now=NOW), now=NOW + MINUTE)
    assert (row.balance, row.peak_balance, row.how, row.proven) == (D(100000), D(100000), "first_day", True)
    event = Event.objects.latest("pk")
    assert (event.kind, event.data) == (
        "day_start",
        {"day": "2026-03-02", "balance": "100000.00", "how": "first_day"},
    )


def test_a_day_is_recorded_once(world: World) -> None:
    for second in range(5):
        risk.ensure_day(world.account, view=view(world.account, now=NOW), now=NOW + second * SECOND)
    assert AccountDay.objects.count() == 1
    assert Event.objects.filter(kind="day_start").count() == 1


@pytest.mark.parametrize(
    ("late", "how"), [(timedelta(0), "seen"), (2 * MINUTE, "seen"), (2 * MINUTE + SECOND, "reconstructed")]
)
def test_a_midnight_is_seen_or_reconstructed(world: World, late: timedelta, how: str) -> None:
    midnight = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    risk.ensure_day(world.account, view=view(world.account, now=NOW), now=NOW)
    book(world.account, world.market, at=NOW + MINUTE, profit="120.50", commission="-0.25")
    book(world.account, world.market, at=midnight, profit="-70")
    book(world.account, world.market, at=midnight + SECOND, profit="-7")
    now = midnight + late
    risk.ensure_day(world.account, view=view(world.account, now=now), now=now)
    assert days()[1:] == [("2026-03-03", D("100120.25"), how)]
    assert AccountDay.objects.latest("day").peak_balance == D("100120.25")


@pytest.mark.parametrize(
    ("first", "midnights"),
    [
        # Prague goes from UTC+1 to UTC+2 on 29 March 2026, and back on 25 October.
        (date(2026, 3, 27), [(27, 23), (28, 23), (29, 22), (30, 22)]),
        (date(2026, 10, 23), [(23, 22), (24, 22), (25, 23), (26, 23)]),
    ],
)
def test_days_slept_through_over_a_change_of_clocks(
    world: World, first: date, midnights: list[tuple[int, int]]
) -> None:
    """One cent is booked the second before each midnight and one dollar at it; only the cent is in the day's start."""
    noon = datetime.combine(first, datetime.min.time(), tzinfo=UTC) + timedelta(hours=12)
    account = born(world.account, noon)
    risk.ensure_day(account, view=view(account, now=noon), now=noon)
    instants = [datetime(first.year, first.month, day, hour, tzinfo=UTC) for day, hour in midnights]
    for instant in instants:
        assert instant.astimezone(PRAGUE).hour == 0
        book(account, world.market, at=instant - SECOND, profit="0.01")
        book(account, world.market, at=instant, profit="1.00")
    now = instants[-1] + timedelta(hours=5)
    risk.ensure_day(account, view=view(account, now=now), now=now)
    balances = [balance for _, balance, _ in days()]
    assert balances == [D(100000), *[100000 + D("0.01") + n * D("1.01") for n in range(4)]]
    assert {how for _, _, how in days()[1:]} == {"reconstructed"}


def test_an_account_without_a_day_begins_with_its_birth(world: World) -> None:
    account = born(world.account, NOW - timedelta(days=2))
    book(account, world.market, at=NOW - timedelta(days=1), profit="10")
    risk.ensure_day(account, view=view(account, now=NOW), now=NOW)
    assert days() == [
        ("2026-02-28", D("100000.00"), "first_day"),
        ("2026-03-01", D("100000.00"), "reconstructed"),
        ("2026-03-02", D("100010.00"), "reconstructed"),
    ]


def test_the_peak_never_falls(world: World) -> None:
    account = world.account
    for day, profit in enumerate(("0", "500", "-900", "200", "700")):
        now = NOW + timedelta(days=day)
        risk.ensure_day(account, view=view(account, now=now), now=now)
        book(account, world.market, at=now + MINUTE, profit=profit)
    peaks = AccountDay.objects.order_by("day").values_list("balance", "peak_balance")
    assert [(int(balance), int(peak)) for balance, peak in peaks] == [
        (100000, 100000),
        (100000, 100000),
        (100500, 100500),
        (99600, 100500),
        (99800, 100500),
    ]


def test_a_clock_that_goes_back_makes_no_second_day(world: World) -> None:
    midnight = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    for now in (NOW, midnight, midnight - SECOND, midnight + SECOND):
        risk.ensure_day(world.account, view=view(world.account, now=now), now=now)
    assert AccountDay.objects.count() == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    deals=st.lists(
        st.tuples(st.integers(0, 6 * 24 * 60), st.integers(-50_000, 50_000)), min_size=15, max_size=25
    ),
    looks=st.sets(st.integers(0, 6 * 24 * 60), min_size=3, max_size=8),
    start=st.sampled_from(
        [datetime(2026, 3, 26, 9, 17, tzinfo=UTC), datetime(2026, 10, 22, 22, 30, tzinfo=UTC)]
    ),
)
def test_every_day_starts_with_the_balance_of_its_midnight(
    world: World, deals: list[tuple[int, int]], looks: set[int], start: datetime
) -> None:
    account = second_account(world.account, name=f"A{Account.objects.count()}", created_at=start)
    waiting = sorted(deals)
    for look in sorted(looks):
        now = start + look * MINUTE
        while waiting and waiting[0][0] <= look:
            minute, cents = waiting.pop(0)
            book(account, world.market, at=start + minute * MINUTE, profit=str(D(cents) / 100))
        risk.ensure_day(account, view=view(account, now=now), now=now)
    peak = D(100000)
    seen = AccountDay.objects.filter(account=account).order_by("day")
    last = (start + max(looks) * MINUTE).astimezone(PRAGUE).date()
    first = start.astimezone(PRAGUE).date()
    assert [row.day for row in seen] == [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for row in seen:
        midnight = datetime.combine(row.day, datetime.min.time(), tzinfo=PRAGUE)
        before = [D(cents) / 100 for minute, cents in deals if start + minute * MINUTE < midnight]
        peak = max(peak, 100000 + sum(before, D(0)))
        assert (row.balance, row.peak_balance, row.proven) == (100000 + sum(before, D(0)), peak, True)


def test_a_day_that_is_not_recorded_is_not_proven(world: World) -> None:
    programme = reads.programme_of(world.account)
    before = reads.day_start_of(world.account, programme=programme, now=NOW)
    assert (before.proven, before.balance) == (False, D(100000))
    risk.ensure_day(world.account, view=view(world.account, now=NOW), now=NOW)
    assert reads.day_start_of(world.account, programme=programme, now=NOW).proven
    tomorrow = reads.day_start_of(world.account, programme=programme, now=NOW + timedelta(hours=11))
    assert (tomorrow.proven, tomorrow.day) == (False, "2026-03-03")


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
    state = TradingState.HALTED if level is Level.BREACH else TradingState.ACTIVE
    assert (row.state, kill_switch.effective(world.account.pk).state) == (state, state)


def test_a_breach_does_not_open_again_when_the_floor_falls_at_midnight(world: World) -> None:
    Desk("one").tick(now=NOW)
    DeskStatus.objects.update(balance=D("94000"), equity=D("94000"))
    risk.snapshot_all(now=NOW, trigger="hourly")
    Desk("one").tick(now=NOW + timedelta(days=1))
    found = kill_switch.effective(world.account.pk)
    assert (found.state, found.source) == (TradingState.HALTED, "account")
    assert "BREACH: equity 94000.00 lies below the floor 95000.00" in found.reason


def test_a_floor_that_is_not_proven_halts_nobody(world: World) -> None:
    """Minutes after midnight the daily floor is still yesterday's, and may be too high."""
    Desk("one").tick(now=NOW)
    AccountDay.objects.update(proven=False)
    DeskStatus.objects.update(balance=D("94000"), equity=D("94000"))
    risk.snapshot_all(now=NOW, trigger="hourly")
    assert kill_switch.effective(world.account.pk).state is TradingState.ACTIVE
    DeskStatus.objects.update(balance=D("89000"), equity=D("89000"))
    risk.snapshot_all(now=NOW, trigger="hourly")
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
    used = signals.usage_of(world.account.pk, market=world.market, now=now)
    assert (used.signals_last_hour, used.high_last_hour, used.last_signal_at) == (1, 1, NOW + MINUTE)
    used = signals.usage_of(world.account.pk, market=world.market, now=now + MINUTE, without_signal=last.pk)
    assert (used.signals_last_hour, used.last_signal_at) == (0, NOW + MINUTE)
