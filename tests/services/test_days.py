"""What each prop-firm day of an account began with: seen, reconstructed, or not proven."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.worlds import MINUTE, NOW, SECOND, World, born, second_account
from trading.core.types import AccountView
from trading.models import Account, AccountDay, Event, Fill, Market, Trade
from trading.selectors import risk as reads
from trading.services import days

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
