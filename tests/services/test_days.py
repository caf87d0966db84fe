"""What each prop-firm day of an account began with: seen, reconstructed, or not proven."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.worlds import MINUTE, NOW, SECOND, World, born, second_account
from trading.core.types import AccountView
from trading.models import (
    Account,
    AccountDay,
    AccountPeriod,
    AccountRisk,
    BalanceOperation,
    DeskStatus,
    Event,
    Fill,
    Market,
    ProgrammeVersion,
    Trade,
)
from trading.selectors import risk as reads
from trading.services import days

pytestmark = pytest.mark.django_db

PRAGUE = ZoneInfo("Europe/Prague")
NUMBERS = count(1)


def view(account: Account, *, now: datetime, balance: D | None = None) -> AccountView:
    """A flat account whose balance is what its fills and payments say, or what is given."""
    booked = sum((f.profit + f.commission + f.swap for f in Fill.objects.filter(account=account)), D(0))
    booked += sum((paid.amount for paid in BalanceOperation.objects.filter(account=account)), D(0))
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


def pay(account: Account, *, at: datetime, amount: str) -> BalanceOperation:
    """Money paid in or out at an instant that no step of the account's life asked for."""
    period = AccountPeriod.objects.get(account=account, ended_at=None)
    return BalanceOperation.objects.create(
        account=account, period=period, deal=f"P{next(NUMBERS)}", amount=D(amount), at=at, booked_at=at
    )


def under(account: Account, **changes: Any) -> Account:
    """Put an account under a version of its own of the generic programme."""
    version = ProgrammeVersion.objects.select_related("profile").get(profile__name="generic")
    version.pk, version.version = None, 2
    for name, value in changes.items():
        setattr(version, name, value)
    version.save(force_insert=True)
    account.programme = version
    account.save()
    return account


def recorded() -> list[tuple[str, D, str]]:
    return [(str(d.day), d.balance, d.how) for d in AccountDay.objects.order_by("day")]


def test_the_first_day_begins_with_the_initial_balance(world: World) -> None:
    book(world.account, world.market, at=NOW, profit="-50")
    row = days.ensure_day(world.account, view=view(world.account, now=NOW), now=NOW + MINUTE)
    assert (row.balance, row.peak_balance, row.how, row.proven) == (D(100000), D(100000), "first_day", True)
    event = Event.objects.latest("pk")
    assert (event.kind, event.data) == (
        "day_start",
        {"day": "2026-03-02", "balance": "100000.00", "how": "first_day"},
    )


def test_a_day_is_recorded_once(world: World) -> None:
    for second in range(5):
        days.ensure_day(world.account, view=view(world.account, now=NOW), now=NOW + second * SECOND)
    assert AccountDay.objects.count() == 1
    assert Event.objects.filter(kind="day_start").count() == 1


@pytest.mark.parametrize(
    ("late", "how"), [(timedelta(0), "seen"), (2 * MINUTE, "seen"), (2 * MINUTE + SECOND, "reconstructed")]
)
def test_a_midnight_is_seen_or_reconstructed(world: World, late: timedelta, how: str) -> None:
    midnight = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    days.ensure_day(world.account, view=view(world.account, now=NOW), now=NOW)
    book(world.account, world.market, at=NOW + MINUTE, profit="120.50", commission="-0.25")
    book(world.account, world.market, at=midnight, profit="-70")
    book(world.account, world.market, at=midnight + SECOND, profit="-7")
    now = midnight + late
    days.ensure_day(world.account, view=view(world.account, now=now), now=now)
    assert recorded()[1:] == [("2026-03-03", D("100120.25"), how)]
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
    days.ensure_day(account, view=view(account, now=noon), now=noon)
    instants = [datetime(first.year, first.month, day, hour, tzinfo=UTC) for day, hour in midnights]
    for instant in instants:
        assert instant.astimezone(PRAGUE).hour == 0
        book(account, world.market, at=instant - SECOND, profit="0.01")
        book(account, world.market, at=instant, profit="1.00")
    now = instants[-1] + timedelta(hours=5)
    days.ensure_day(account, view=view(account, now=now), now=now)
    balances = [balance for _, balance, _ in recorded()]
    assert balances == [D(100000), *[100000 + D("0.01") + n * D("1.01") for n in range(4)]]
    assert {how for _, _, how in recorded()[1:]} == {"reconstructed"}


def test_an_account_without_a_day_begins_with_its_birth(world: World) -> None:
    account = born(world.account, NOW - timedelta(days=2))
    book(account, world.market, at=NOW - timedelta(days=1), profit="10")
    days.ensure_day(account, view=view(account, now=NOW), now=NOW)
    assert recorded() == [
        ("2026-02-28", D("100000.00"), "first_day"),
        ("2026-03-01", D("100000.00"), "reconstructed"),
        ("2026-03-02", D("100010.00"), "reconstructed"),
    ]


def test_the_peak_never_falls(world: World) -> None:
    account = world.account
    for day, profit in enumerate(("0", "500", "-900", "200", "700")):
        now = NOW + timedelta(days=day)
        days.ensure_day(account, view=view(account, now=now), now=now)
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
        days.ensure_day(world.account, view=view(world.account, now=now), now=now)
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
        days.ensure_day(account, view=view(account, now=now), now=now)
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
    days.ensure_day(world.account, view=view(world.account, now=NOW), now=NOW)
    assert reads.day_start_of(world.account, programme=programme, now=NOW).proven
    tomorrow = reads.day_start_of(world.account, programme=programme, now=NOW + timedelta(hours=11))
    assert (tomorrow.proven, tomorrow.day) == (False, "2026-03-03")


# -- what cannot be proven --------------------------------------------------------------------

MIDNIGHT = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
NEXT = MIDNIGHT + timedelta(days=1)


def begun(account: Account) -> Account:
    """An account whose first day is recorded."""
    days.ensure_day(account, view=view(account, now=NOW), now=NOW)
    return account


def blocked(account: Account, now: datetime) -> bool:
    """Whether the gate is told that the day's start is not proven."""
    return not reads.day_start_of(account, programme=reads.programme_of(account), now=now).proven


def last_day() -> AccountDay:
    return AccountDay.objects.latest("day")


@pytest.mark.parametrize("late", [timedelta(0), timedelta(hours=3)])
@pytest.mark.parametrize("cents", ["-0.01", "0.01", "-500", "500"])
def test_a_balance_that_the_deals_do_not_explain_proves_nothing(
    world: World, late: timedelta, cents: str
) -> None:
    """A deal that is missing or counted twice shows in the balance, seen or reconstructed."""
    account = begun(world.account)
    book(account, world.market, at=NOW + MINUTE, profit="20")
    now = MIDNIGHT + late
    row = days.ensure_day(account, view=view(account, now=now, balance=D(100020) + D(cents)), now=now)
    assert (row.proven, row.how, row.peak_balance) == (False, "unproven", D(100000))
    assert row.balance == max(D(100000), D(100020) + D(cents))
    assert blocked(account, now)
    event = Event.objects.filter(kind="day_start").latest("pk")
    assert (event.severity, event.data["how"]) == ("warning", "unproven")
    assert "nothing is opened" in event.text


def test_a_first_day_that_is_not_the_account_s_own_is_not_proven(world: World) -> None:
    row = days.ensure_day(world.account, view=view(world.account, now=NOW, balance=D(99_999)), now=NOW)
    assert (row.proven, row.how, row.balance) == (False, "unproven", D(100000))


@pytest.mark.parametrize("balance", [D("NaN"), D("Infinity")])
def test_a_balance_that_is_no_number_proves_nothing(world: World, balance: D) -> None:
    account = begun(world.account)
    row = days.ensure_day(account, view=view(account, now=MIDNIGHT, balance=balance), now=MIDNIGHT)
    assert (row.proven, row.balance) == (False, D(100000))


@pytest.mark.parametrize(
    ("mode", "late", "proven"),
    [
        ("static", timedelta(0), True),
        ("static", timedelta(hours=1), False),
        # A trail hangs on every midnight of the period: one that is unknown spoils the rest.
        ("trailing_end_of_day", timedelta(0), False),
        ("trailing_locked", timedelta(0), False),
    ],
)
def test_a_midnight_that_is_seen_again_heals_what_does_not_trail(
    world: World, mode: str, late: timedelta, proven: bool
) -> None:
    account = begun(under(world.account, total_loss_mode=mode))
    lost = view(account, now=MIDNIGHT, balance=D(99_000))
    assert not days.ensure_day(account, view=lost, now=MIDNIGHT).proven
    row = days.ensure_day(account, view=view(account, now=NEXT, balance=D(99_000)), now=NEXT + late)
    assert (row.proven, row.balance) == (proven, D(99_000) if proven or not late else D(100_000))
    if proven:
        after = NEXT + timedelta(days=3)
        book(account, world.market, at=after - MINUTE, profit="7")
        row = days.ensure_day(
            account, view=view(account, now=after, balance=D(99_007)), now=after + timedelta(hours=1)
        )
        assert (row.proven, row.how, row.balance) == (True, "reconstructed", D(99_007))


@pytest.mark.parametrize("late", [MINUTE, timedelta(hours=5)])
def test_money_paid_is_neither_profit_nor_loss_of_a_day(world: World, late: timedelta) -> None:
    account = begun(world.account)
    pay(account, at=NOW + MINUTE, amount="-700")
    book(account, world.market, at=NOW + 2 * MINUTE, profit="30.30")
    pay(account, at=MIDNIGHT + SECOND, amount="250.25")
    pay(account, at=NEXT, amount="10")
    now = NEXT + late
    days.ensure_day(account, view=view(account, now=now), now=now)
    balances = [(balance, how == "unproven") for _, balance, how in recorded()]
    assert balances == [
        (D(100_000), False),
        (D("99330.30") + D("250.25"), False),
        (D("99330.30") + D("260.25"), False),
    ]


def test_money_paid_moves_the_day_that_it_came_on(world: World) -> None:
    account = begun(world.account)
    days.move(account, at=NOW + MINUTE, amount=D("-700.50"))
    days.move(account, at=MIDNIGHT, amount=D(9))
    row = AccountDay.objects.get()
    assert (row.balance, row.equity, row.peak_balance) == (D("99299.50"), D("99299.50"), D(100_000))
    pay(account, at=NOW + MINUTE, amount="-700.50")
    row = days.ensure_day(account, view=view(account, now=MIDNIGHT), now=MIDNIGHT)
    assert (row.proven, row.balance) == (True, D("99299.50"))


# -- equity at midnight -----------------------------------------------------------------------


def held(account: Account, market: Market, *, since: datetime, until: datetime | None) -> Trade:
    """A position that was open from one instant to another, or still is."""
    return Trade.objects.create(
        account=account,
        market=market,
        ticket=str(next(NUMBERS)),
        side="long",
        lots=1,
        entry=100,
        opened_at=since,
        closed_at=until,
        state="open" if until is None else "closed",
    )


@pytest.mark.parametrize("reference", ["balance", "equity", "higher"])
@pytest.mark.parametrize(
    ("opened", "closed", "open_at_midnight"),
    [
        (NOW, MIDNIGHT - SECOND, False),
        (NOW, MIDNIGHT, True),
        (MIDNIGHT, None, True),
        (MIDNIGHT + SECOND, None, False),
        (NOW, None, True),
    ],
)
def test_equity_that_nobody_saw_is_known_only_where_nothing_was_open(
    world: World, reference: str, opened: datetime, closed: datetime | None, open_at_midnight: bool
) -> None:
    account = begun(under(world.account, daily_reference=reference))
    held(account, world.market, since=opened, until=closed)
    now = MIDNIGHT + timedelta(hours=2)
    row = days.ensure_day(account, view=view(account, now=now), now=now)
    assert row.equity == (None if open_at_midnight else D(100_000))
    assert row.proven == (reference == "balance" or not open_at_midnight)
    assert row.balance == D(100_000)


def test_equity_that_was_seen_is_kept(world: World) -> None:
    account = begun(under(world.account, daily_reference="higher"))
    held(account, world.market, since=NOW, until=None)
    seen = replace(view(account, now=MIDNIGHT), equity=D("101234.56"))
    row = days.ensure_day(account, view=seen, now=MIDNIGHT + MINUTE)
    assert (row.proven, row.how, row.equity) == (True, "seen", D("101234.56"))
    start = reads.day_start_of(account, programme=reads.programme_of(account), now=MIDNIGHT + MINUTE)
    assert (start.balance, start.equity) == (D(100_000), D("101234.56"))


# -- the highest equity -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "slept", "holds", "forgotten"),
    [
        ("trailing_intraday", 60 * SECOND, True, False),
        ("trailing_intraday", 61 * SECOND, True, True),
        ("trailing_intraday", timedelta(hours=5), False, False),
        ("trailing_end_of_day", timedelta(hours=5), True, False),
        ("static", timedelta(hours=5), True, False),
    ],
)
def test_a_peak_that_nobody_could_see_is_not_known(
    world: World, mode: str, slept: timedelta, holds: bool, forgotten: bool
) -> None:
    account = begun(under(world.account, total_loss_mode=mode))
    DeskStatus.objects.create(account=account, reason="reconciled", seen_at=NOW)
    if holds:
        held(account, world.market, since=NOW - MINUTE, until=NOW + slept - SECOND)
    AccountRisk.objects.update(peak_equity=D(101_000))
    now = NOW + slept
    for _ in range(2):
        days.ensure_day(account, view=view(account, now=now), now=now)
    assert AccountRisk.objects.get().peak_equity == (None if forgotten else D(101_000))
    assert Event.objects.filter(kind="peak_unknown").count() == int(forgotten)


# -- versions of a programme ------------------------------------------------------------------


def version(account: Account, *, number: int, on: date, **changes: Any) -> ProgrammeVersion:
    """Another version of the account's programme."""
    found = ProgrammeVersion.objects.select_related("profile").get(pk=account.programme_id)
    found.pk, found.version, found.effective_from = None, number, on
    for name, value in changes.items():
        setattr(found, name, value)
    found.save(force_insert=True)
    return found


def test_the_version_in_force_takes_over_with_its_day(world: World) -> None:
    account = begun(world.account)
    newest = version(account, number=2, on=date(2026, 3, 3), daily_loss=D("0.04"))
    version(account, number=3, on=date(2026, 3, 4), daily_loss=D("0.01"))
    days.ensure_day(account, view=view(account, now=NOW), now=MIDNIGHT - SECOND)
    assert account.programme.version == 1
    days.ensure_day(account, view=view(account, now=MIDNIGHT), now=MIDNIGHT)
    stored = Account.objects.get(pk=account.pk)
    assert stored.programme_id == account.programme_id == newest.pk
    assert reads.programme_of(stored).daily_loss == D("0.04")
    event = Event.objects.get(kind="programme_version")
    assert (event.data["was"], event.data["is"]) == ("ftmo-2-step-challenge v1", "ftmo-2-step-challenge v2")
    days.ensure_day(account, view=view(account, now=NEXT), now=NEXT)
    assert Account.objects.get(pk=account.pk).programme.version == 3


def test_of_two_versions_of_one_day_the_later_holds_and_none_goes_back(world: World) -> None:
    account = begun(world.account)
    for number in (2, 3):
        version(account, number=number, on=date(2026, 3, 3))
    version(account, number=4, on=date(2026, 1, 1) - timedelta(days=1))
    for now in (MIDNIGHT, NEXT, NEXT + timedelta(days=1)):
        days.ensure_day(account, view=view(account, now=now), now=now)
        assert Account.objects.get(pk=account.pk).programme.version == 3
    assert Event.objects.filter(kind="programme_version").count() == 1


def test_a_version_of_another_programme_takes_nothing_over(world: World) -> None:
    account = begun(world.account)
    other = ProgrammeVersion.objects.get(profile__name="generic")
    other.pk, other.version, other.effective_from = None, 9, date(2026, 3, 3)
    other.save(force_insert=True)
    days.ensure_day(account, view=view(account, now=MIDNIGHT), now=MIDNIGHT)
    assert not Event.objects.filter(kind="programme_version").exists()
