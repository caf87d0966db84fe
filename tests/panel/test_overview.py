"""The overview says the gravest thing first, its figures carry ages, and its reads stay few."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crpbot_site.health import findings
from tests.panel import factories
from tests.panel.factories import World
from trading.core.types import TradingState
from trading.models import (
    Account,
    AccountDay,
    AccountRisk,
    DeskStatus,
    Lease,
    Market,
    StrategySwitch,
    TaskHealth,
)
from trading.selectors import answers, overview, panel, risk
from trading.services import kill_switch

NOON = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


def _page(client: Client, name: str = "admin:index", **query: str) -> str:
    return client.get(reverse(name), query).content.decode()


def test_calm(busy: World, owner: Client) -> None:
    page = _page(owner)
    assert "Inside every limit." in page
    assert "Two positions are open, each with a stop at the venue." in page


def test_one_headroom_number_everywhere(busy: World, owner: Client) -> None:
    room = risk.headroom_now(busy.account.pk, now=busy.now)
    assert room is not None
    page = _page(owner)
    assert page.count(f"{room.room.headroom:,.2f}") >= 3  # the bar, the figure, the free part


@pytest.mark.parametrize(
    "name", ["admin:index", "panel:overview_parts", "panel:bar_parts", "panel:why", "panel:health"]
)
def test_reads_are_few(name: str, busy: World, owner: Client) -> None:
    _page(owner, name)
    bound = 20 if name == "panel:bar_parts" else 40
    with CaptureQueriesContext(connection) as queries:
        _page(owner, name)
    assert len(queries) <= bound, [q["sql"][:120] for q in queries]


def test_reads_do_not_grow_with_rows(busy: World, owner: Client) -> None:
    _page(owner)
    with CaptureQueriesContext(connection) as few:
        _page(owner)
    for back in range(1, 30):
        sol = factories.make_signal(
            busy.account, busy.markets["SOL-USD"], at=busy.now - timedelta(minutes=200 + back), refused="tier"
        )
        assert sol.pk
    with CaptureQueriesContext(connection) as many:
        _page(owner)
    assert len(many) <= len(few)


def test_nothing_yet(world: World, owner: Client) -> None:
    page = _page(owner)
    for sentence in ("No position is open.", "No trade closed today.", "No candle has been judged yet."):
        assert sentence in page
    assert "No course yet today." in page


def test_no_account_at_all(db: None) -> None:
    client = Client()
    client.force_login(factories.make_person("first", superuser=True))
    page = _page(client)
    assert "There is no account yet." in page
    assert "HALTED" in page  # the switch as the migration leaves it


@pytest.mark.parametrize(
    ("seconds", "state", "says"),
    [
        (1, "fresh", "Inside every limit."),
        (14, "stale", "Inside every limit."),
        (243, "lost", "was last seen 4 min"),
    ],
)
def test_ages(seconds: int, state: str, says: str, busy: World, owner: Client) -> None:
    DeskStatus.objects.update(seen_at=datetime.now(UTC) - timedelta(seconds=seconds))
    page = _page(owner)
    assert f'class="age age-{state}"' in page
    assert says in page


def test_a_desk_that_never_spoke(busy: World, owner: Client) -> None:
    DeskStatus.objects.all().delete()
    page = _page(owner)
    assert "The desk has not seen this account yet." in page
    assert "never read" in page
    assert "unknown" in page


def test_an_account_that_cannot_be_read_is_an_error_not_a_number(busy: World, owner: Client) -> None:
    status = DeskStatus.objects.get()
    status.positions[0]["symbol"] = "XRP-USD"
    status.save()
    page = _page(owner)
    assert "This account cannot be read" in page
    assert "account_unreadable" in page
    assert 'class="figure"' not in page


def test_an_unknown_order_is_said_first(busy: World, owner: Client) -> None:
    signal = factories.make_signal(busy.account, busy.markets["SOL-USD"], at=busy.now - timedelta(minutes=3))
    factories.make_intent(signal, state="unknown", risk="498.90")
    page = _page(owner)
    assert "We do not know what became of an order." in page
    assert "Counted at 498.90." in page


@pytest.mark.parametrize(
    ("equity", "word"), [("98600.00", "Half size"), ("97600.00", "No new risk"), ("97000.00", "is LOCKED")]
)
def test_levels(equity: str, word: str, world: World, owner: Client) -> None:
    factories.make_desk(world.account, now=datetime.now(UTC), balance=equity, equity=equity)
    assert word in _page(owner)


def test_a_lock_of_the_total_limit_does_not_promise_midnight(world: World, owner: Client) -> None:
    factories.make_desk(world.account, now=datetime.now(UTC), balance="97000.00", equity="97000.00")
    assert "It opens by itself at midnight" in _page(owner)
    AccountDay.objects.update(balance="91900.00")
    factories.make_desk(world.account, now=datetime.now(UTC), balance="91900.00", equity="91900.00")
    page = _page(owner)
    assert "is LOCKED" in page
    assert "an admin reopens it on the Risk page" in page
    assert "at midnight" not in page


def test_health_is_what_the_readiness_checks_say(busy: World, owner: Client) -> None:
    found = findings(now=busy.now)
    page = html.unescape(_page(owner, "panel:health"))
    assert "Everything runs." in page
    assert [finding.check for finding in found if f"<td>{finding.check}</td>" not in page] == []
    Lease.objects.update(expires_at=busy.now - timedelta(seconds=9))
    TaskHealth.objects.all().delete()
    page = html.unescape(_page(owner, "panel:health"))
    assert "Six checks fail: desk, task trading.fetch_candles, task trading.scan" in page
    assert "and 2 more." in page
    assert "Start the desk: `make run`, or the desk container." in page


def test_breach(world: World, owner: Client) -> None:
    factories.make_desk(world.account, now=datetime.now(UTC), balance="96000.00", equity="96000.00")
    page = _page(owner)
    assert "BREACH" in page
    assert "Equity is below a floor of the programme: BREACH." in page
    AccountRisk.objects.update(breach="daily", breached_at=world.now)
    factories.make_desk(world.account, now=datetime.now(UTC), balance="99000.00", equity="99000.00")
    assert "The daily loss limit was broken: BREACH. That stays for good" in _page(owner)


def test_synthetic_is_said_on_every_page(db: None) -> None:
    made_up = factories.make_busy_day(factories.make_world(synthetic=True))
    client = Client()
    client.force_login(made_up.owner)
    for name in ("admin:index", "panel:why", "panel:health", "panel:halt", "admin:trading_trade_changelist"):
        page = _page(client, name)
        assert "Prices on this page are made up." in page, name
    rows = _page(client, "admin:trading_trade_changelist")
    assert rows.count("chip-synthetic") >= 3


def test_the_account_shown(busy: World, owner: Client) -> None:
    other = Account.objects.get(pk=busy.account.pk)
    other.pk, other.name, other.number, other.synthetic, other.source = (
        None,
        "Test market",
        "paper-s",
        True,
        "synthetic",
    )
    other.save()
    assert "Prices on this page are made up." not in _page(owner)
    assert "Prices on this page are made up." in _page(owner, account="paper-s")
    owner.post(reverse("panel:account"), {"number": "paper-s"})
    assert "Prices on this page are made up." in _page(owner)
    owner.post(reverse("panel:account"), {"number": "no such number"})
    assert "Prices on this page are made up." in _page(owner)
    assert panel.shown(panel.accounts(), None) == busy.account
    Market.objects.filter(synthetic=False).update(enabled=False)
    assert panel.shown(panel.accounts(), None) == other


def test_trouble_is_named(busy: World, owner: Client) -> None:
    Market.objects.filter(key="BTC-USD").update(
        unavailable_since=busy.now, unavailable_reason="503 from the exchange"
    )
    TaskHealth.objects.filter(task="trading.scan").update(failures_in_a_row=3)
    page = _page(owner)
    assert "503 from the exchange" in page
    assert "failed 3 times in a row" in page
    health = _page(owner, "panel:health")
    assert "Everything runs, with two warnings: candles BTC-USD, task trading.scan." in health
    assert "503 from the exchange" in health


def test_the_funnel_adds_up(db: None) -> None:
    world = factories.make_busy_day(factories.make_world(now=NOON))
    day = panel.day_of(world.account, now=NOON)
    found = answers.today(world.account, day, now=NOON)
    funnel = found.funnel
    assert funnel.judged == funnel.quiet + funnel.signals == 154
    assert funnel.signals == funnel.refused + funnel.approved == 4
    assert funnel.approved == funnel.placed + funnel.not_placed == 3
    assert sum(row.total for row in found.rows) == funnel.judged
    assert all(sum(row.hours) == row.total for row in found.rows)
    assert [(row.code, row.total) for row in found.rows if row.kind == "refused"] == [("cool_down", 1)]
    counts = overview.counts(world.account, day)
    assert (counts.judged, counts.signals, counts.approved, counts.orders) == (154, 4, 3, 3)


def test_yesterday_is_left_out(db: None) -> None:
    world = factories.make_busy_day(factories.make_world(now=NOON))
    tomorrow = NOON + timedelta(days=1)
    day = panel.day_of(world.account, now=tomorrow)
    assert answers.today(world.account, day, now=tomorrow).funnel.judged == 0
    assert overview.closed_since(world.account.pk, since=day.start, limit=3).count == 0


@pytest.mark.parametrize(("at", "hours"), [("2026-03-29T12:00+00:00", 23), ("2026-10-25T12:00+00:00", 25)])
def test_days_of_the_clock_change(at: str, hours: int, world: World) -> None:
    now = datetime.fromisoformat(at)
    found = answers.today(world.account, panel.day_of(world.account, now=now), now=now)
    assert len(found.hour_labels) == hours


def test_prices_come_from_exact_minutes(db: None) -> None:
    world = factories.make_world(now=NOON)
    market = world.markets["BTC-USD"]
    factories.make_candles(market, now=NOON, gap=range(299, 302))
    market.refresh_from_db()
    price = overview.prices([market])[0]
    assert price.closed_at == NOON
    assert price.change is not None
    steps = [step for step, _ in price.course]
    assert len(steps) == 96  # one of 97 quarter hours fell into the gap
    assert 76 not in steps


def test_a_market_without_candles_has_no_price(world: World) -> None:
    price = overview.prices([world.markets["BTC-USD"]])[0]
    assert (price.close, price.closed_at, price.change, price.course) == (None, None, None, [])


def test_minutes_missing_are_added_by_cause(db: None) -> None:
    world = factories.make_busy_day(factories.make_world(now=NOON))
    found = overview.missing_minutes(list(world.markets.values()), now=NOON)
    assert [(gap.market.key, gap.outage, gap.no_trades) for gap in found] == [("SOL-USD", 9, 0)]


def test_curves_are_thinned_and_keep_the_last_point(db: None) -> None:
    world = factories.make_world(now=NOON)
    for second in range(500):
        at = NOON - timedelta(seconds=500 - second)
        factories.make_snapshot(world.account, at=at, equity=f"{100000 + second}.00")
    points = overview.curve(world.account.pk, since=NOON - timedelta(hours=1))
    assert len(points) <= overview.CURVE_POINTS + 1
    assert points[-1].equity == Decimal("100499.00")


def test_the_newest_answer_of_each_market_comes_first(db: None) -> None:
    world = factories.make_busy_day(factories.make_world(now=NOON))
    found = overview.latest_answers(world.account.pk)
    asked = [(scan.market.key, scan.strategy) for scan in found.newest]
    assert asked == sorted(set(asked))
    assert found.earlier
    kinds = [(scan.market.key, scan.strategy, scan.reason) for scan in [*found.newest, *found.earlier]]
    assert len(set(kinds)) == len(kinds)
    for scan in found.earlier:
        newest = next(n for n in found.newest if (n.market_id, n.strategy) == (scan.market_id, scan.strategy))
        assert newest.pk > scan.pk


def test_why_nothing(busy: World, owner: Client) -> None:
    page = _page(owner, "panel:why")
    assert re.search(r'class="code">(?:\s*)against_trend', page)
    StrategySwitch.objects.update(enabled=False)
    kill_switch.set_state(TradingState.HALTED, by="owner", reason="asked", now=busy.now)
    assert "trading is HALTED" in _page(owner, "panel:why")


def test_a_signal_from_candle_to_outcome(busy: World, owner: Client) -> None:
    refused = busy.account.signal_set.get(approved=False)
    page = _page(owner, "admin:trading_signal_changelist")
    assert f"S-{refused.pk}" in page
    assert "refused: cool-down" in page
    assert ">cool_down<" not in page
    page = owner.get(reverse("admin:trading_signal_change", args=[refused.pk])).content.decode()
    assert "Refused: Cool-down." in page
    assert f"not asked: rule {factories.RULES.index('cool_down') + 1} refused" in page
    assert "it reached its target, +110.4 bp after costs" in page
    taken = busy.account.signal_set.filter(strategy="mean_reversion").get()
    page = owner.get(reverse("admin:trading_signal_change", args=[taken.pk])).content.decode()
    assert "Taken, closed by target, +160.08 (+0.32 R)." in page
    assert f"{len(factories.RULES)} of {len(factories.RULES)} pass" in page
