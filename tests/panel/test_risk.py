"""The Risk page: its verdict says the gravest thing first, its rules are the gate's, its locks name who ends them."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crpbot_site.panel import risk_rules
from tests.panel import factories
from tests.panel.factories import World
from trading.core.types import Level, TradingState
from trading.models import Account, AccountDay, AccountRisk, CalendarEntry, DeskStatus, Event
from trading.selectors import risk, risk_page
from trading.services import events, flatten, kill_switch, life

D = Decimal
REOPEN = {"reason": "the strategy was at fault and is off", "phrase": "REOPEN"}


def _page(client: Client, name: str = "panel:risk") -> str:
    return html.unescape(client.get(reverse(name)).content.decode())


def _rule(page: str, title: str) -> str:
    """The row of one rule, without its tags."""
    row = next(row for row in page.split("<tr class=")[1:] if f"<b>{title}</b>" in row)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row.split("</tr>")[0])).strip()


def _desk(world: World, equity: str) -> None:
    factories.make_desk(world.account, now=datetime.now(UTC), balance=equity, equity=equity)


def test_calm(busy: World, owner: Client) -> None:
    page = _page(owner)
    now = risk.headroom_now(busy.account.pk, now=busy.now)
    assert now is not None
    assert "Far from every limit. " in page.replace("</b>", "")
    assert "If both stops were hit now" in page
    assert page.count(f"{now.room.headroom:,.2f}") >= 4  # bar, verdict, chart, gauge
    assert "none active" in page


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Daily loss", "5 % of initial, from the midnight balance"),
        ("Total loss", "10 % of initial, does not move"),
        ("Risk a trade", "0.50 of 0.50 %"),
        ("Open positions", "BTC, ETH 2 of 3"),
        ("Worst case together", "BTC: crypto longs move as one; no hedge counted"),
        ("Signals an hour", "last 60 minutes; High 0 of 5"),
        ("Venue messages today", "entries stop at 1,600; closes never"),
        ("Price basis", "0.0 of 12.0 bp"),
        ("News window", "does not apply"),
        ("Venue closed", "none in a week"),
        ("Before midnight", "safe to carry"),
    ],
)
def test_rules_with_value_and_limit(title: str, said: str, busy: World, owner: Client) -> None:
    assert said in _rule(_page(owner), title)


def test_the_daily_row_is_the_headroom_number(busy: World, owner: Client) -> None:
    row = _rule(_page(owner), "Daily loss")
    found = re.search(r"([\d,.]+) of ([\d,.]+)", row)
    now = risk.headroom_now(busy.account.pk, now=busy.now)
    assert found
    assert now is not None
    used, limit = (D(text.replace(",", "")) for text in found.groups())
    assert limit - used == now.room.headroom


@pytest.mark.parametrize(
    ("equity", "conclusion", "risk_a_trade"),
    [
        ("98600.00", "Half size from here.", "0.25 of 0.50 %"),
        ("97600.00", "No new risk is taken.", "0.00 of 0.50 %"),
        ("97000.00", "Nothing new opens.", "0.00 of 0.50 %"),
    ],
)
def test_levels(equity: str, conclusion: str, risk_a_trade: str, world: World, owner: Client) -> None:
    _desk(world, equity)
    page = _page(owner)
    assert conclusion in page
    assert risk_a_trade in _rule(page, "Risk a trade")


def test_a_lock_of_the_day_ends_by_itself(world: World, owner: Client) -> None:
    today = world.account.programme.clock.day(datetime.now(UTC))
    AccountRisk.objects.update(level="locked", daily_locked_on=today)
    page = _page(owner)
    assert "The daily limit is locked." in page
    assert "by itself" in page
    assert "no person can open it earlier" in page
    assert reverse("panel:reopen") not in page
    AccountRisk.objects.update(daily_locked_on=today - timedelta(days=1))
    assert "The daily limit is locked." not in _page(owner)


def test_what_is_latched_shows_where_the_measure_has_come_back(world: World, owner: Client) -> None:
    AccountRisk.objects.update(level="locked", total_locked_at=world.now)
    assert "GREEN" not in _page(owner, "panel:bar_parts")
    assert "LOCKED" in _page(owner, "panel:bar_parts")
    page = _page(owner)
    assert "The total limit is locked since" in page
    assert "by an admin, on the reopen page, with a reason." in page
    assert reverse("panel:reopen") in page
    assert "no new risk at this level" in _rule(page, "Risk a trade")


def test_a_breach_stays_for_good(world: World, owner: Client) -> None:
    AccountRisk.objects.update(level="breach", breach="daily", breached_at=world.now)
    page = _page(owner)
    assert "The daily loss limit was broken on" in page
    assert "only by the account's next stretch" in page
    assert reverse("panel:reopen") not in page


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (
            {"level": "locked", "total_locked_at": datetime(2026, 11, 20, tzinfo=UTC)},
            "An admin reopens the total limit",
        ),
        ({"level": "breach", "breach": "total"}, "The account's next stretch"),
        ({"level": "locked", "daily_locked_on": date(2999, 1, 1)}, "The lock ends with the day"),
    ],
)
def test_the_overview_says_what_opens_it_again(
    kept: dict[str, object], said: str, world: World, owner: Client, guest: Client
) -> None:
    AccountRisk.objects.update(**kept)
    factories.keep_fresh(world.account)
    page = _page(owner, "admin:index")
    assert said in page
    assert "when the numbers are fresh again" not in page
    links = (reverse("panel:reopen"), f'{reverse("panel:life")}">Account life…')
    assert any(link in page for link in links) is ("daily_locked_on" not in kept)
    assert not any(link in _page(guest, "admin:index") for link in links)


def test_everything_that_is_being_closed_is_told(busy: World, owner: Client) -> None:
    flatten.ask(account_id=busy.account.pk, by="owner", reason="all out", now=busy.now)
    page = _page(owner)
    assert "Everything is being closed." in page
    assert "Two positions are still open." in page
    assert "CLOSING" in _page(owner, "panel:bar_parts")


def test_reopening_needs_room_a_reason_and_the_word(world: World, owner: Client) -> None:
    AccountRisk.objects.update(level="locked", total_locked_at=world.now)
    factories.keep_fresh(world.account)
    url = reverse("panel:reopen")
    assert 'name="phrase"' in owner.get(url).content.decode()
    for missing in ({"reason": ""}, {"phrase": "reopen"}):
        assert owner.post(url, {**REOPEN, **missing}).status_code == 409
    assert AccountRisk.objects.get(account=world.account).total_locked_at is not None
    assert owner.post(url, REOPEN)["Location"] == reverse("panel:risk")
    assert AccountRisk.objects.get(account=world.account).total_locked_at is None
    told = Event.objects.get(kind="total_reopened")
    assert told.by == "owner"
    assert "the strategy was at fault" in told.text


def test_reopening_is_refused_while_the_limit_is_still_used(world: World, owner: Client) -> None:
    AccountRisk.objects.update(level="locked", total_locked_at=world.now)
    AccountDay.objects.update(balance="91900.00")
    _desk(world, "91900.00")
    page = _page(owner, "panel:reopen")
    assert "Cannot be reopened yet" in page
    assert 'name="phrase"' not in page
    assert owner.post(reverse("panel:reopen"), REOPEN).status_code == 409
    assert AccountRisk.objects.get(account=world.account).total_locked_at is not None


def test_there_is_nothing_to_reopen(world: World, owner: Client) -> None:
    assert "The total limit is not locked" in _page(owner, "panel:reopen")


def test_midnight_and_what_the_desk_will_do(busy: World, owner: Client) -> None:
    page = _page(owner)
    now = risk.headroom_now(busy.account.pk, now=busy.now)
    assert now is not None
    assert f"{now.room.next_floor:,.2f}" in page
    assert "It closes as many positions as needed, 10 minutes before 00:00" in page
    Account.objects.update(midnight_action="flatten", midnight_minutes=25)
    assert "It closes everything 25 minutes before 00:00" in _page(owner)
    Account.objects.update(midnight_action="warn")
    assert "It only warns" in _page(owner)


LATE = datetime(2026, 11, 19, 22, 40, tzinfo=UTC)  # 23:40 in Prague


def _late(monkeypatch: pytest.MonkeyPatch, *, move: str, lots: str) -> tuple[World, Client]:
    """Twenty minutes before midnight, one position open whose price has moved by a fraction of its entry."""
    monkeypatch.setattr(timezone, "now", lambda: LATE)
    world = factories.make_world(now=LATE)
    signal = factories.make_signal(world.account, world.markets["BTC-USD"], at=LATE - timedelta(hours=2))
    position = factories.make_position(factories.make_trade(signal, ticket="1"), move=move)
    gain = ((position.price - position.entry) * D(lots)).quantize(D("0.01"))
    position = replace(position, lots=D(lots), profit=gain)
    equity = str(D("101240.00") + gain)
    factories.make_desk(world.account, now=LATE, positions=(position,), balance="101240.00", equity=equity)
    client = Client()
    client.force_login(world.owner)
    return world, client


def test_the_coming_floor_counts_in_the_last_hour(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    _, client = _late(monkeypatch, move="0.003", lots="0.37")
    page = _page(client)
    assert "Last hour of the day:" in page
    assert "coming floor counted" in _page(client, "panel:bar_parts")
    assert "Safe to carry." in page


def test_what_the_desk_will_do_is_its_own_plan(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    world, client = _late(monkeypatch, move="-0.009", lots="5")
    Account.objects.filter(pk=world.account.pk).update(midnight_action="warn")
    page = _page(client)
    assert "Only a warning is set: close by hand." in page
    assert "Not safe to carry." in page
    Account.objects.filter(pk=world.account.pk).update(midnight_action="flatten", midnight_minutes=30)
    page = _page(client)
    assert "Would break the coming floor." in page
    assert "1 of 1 positions are closed now." in page


def test_days_say_how_they_are_known(world: World, owner: Client) -> None:
    AccountDay.objects.update(how="unproven", proven=False, equity=None)
    page = _page(owner)
    assert "not proven: no entries that day" in page
    assert "nobody saw it" in page
    assert "UNPROVEN" in page


def test_how_near_each_day_came(world: World, owner: Client) -> None:
    factories.make_snapshot(world.account, at=world.now, equity="101240.00")
    period = risk_page.open_period(world.account.pk)
    assert period is not None
    near = risk_page.near_days(world.account.pk, since=period.began_at)
    assert [(one.day, one.used) for one in near] == [(world.now.date(), D("0.275"))]
    assert "28" in _page(owner)


def test_a_new_period_leaves_the_old_days_behind(world: World, owner: Client) -> None:
    factories.make_snapshot(
        world.account, at=world.now - timedelta(hours=1), equity="96123.45", worst="95123.45"
    )
    life.begin_period(world.account, began_by="reset", opening_balance=D("100000.00"), now=world.now)
    page = _page(owner)
    assert "96,123.45" not in page
    assert "No snapshot yet today." in page
    assert "No day yet." in page


def test_the_calendar_refuses_or_tells_what_is_next(world: World, owner: Client) -> None:
    now = datetime.now(UTC)
    _closure(now + timedelta(days=2), "Exchange upgrade")
    row = _rule(_page(owner), "Venue closed")
    assert "Exchange upgrade" in row
    assert "in 1 d 23 h" in row or "in 2 d" in row or "in 47 h" in row
    _closure(now + timedelta(minutes=30), "Sudden closure")
    assert "refuses now" in _rule(_page(owner), "Venue closed")


def _closure(starts: datetime, title: str) -> None:
    CalendarEntry.objects.create(
        kind="closure",
        title=title,
        starts_at=starts,
        ends_at=starts + timedelta(hours=4),
        source="test",
        entered_at=starts,
    )


def test_the_runaway_stop_counts(busy: World, owner: Client) -> None:
    page = _page(owner)
    assert re.search(r"Orders today</dt><dd class=\"num\">\d+ of 200", page)
    Account.objects.update(orders_per_hour=3)
    row = page_of(owner, "Orders, last hour")
    assert "of 3" in row


def page_of(client: Client, title: str) -> str:
    page = _page(client)
    return page[page.index(title) : page.index(title) + 120]


def test_the_story_of_locks(busy: World, owner: Client) -> None:
    events.record(
        "level",
        now=busy.now,
        text="Paper: level LOCKED, was RED.",
        severity="error",
        account_id=busy.account.pk,
    )
    assert "Paper: level LOCKED, was RED." in _page(owner)


def test_too_few_trades_say_nothing_about_passing(busy: World, owner: Client) -> None:
    assert "Work it out" in _page(owner)
    page = _page(owner, "panel:risk_pass")
    assert "TOO FEW" in page
    assert "pass-chart" not in page


def test_an_account_that_cannot_be_read_has_no_numbers(busy: World, owner: Client) -> None:
    status = DeskStatus.objects.get()
    status.positions[0]["symbol"] = "XRP-USD"
    status.save()
    page = _page(owner)
    assert "This account cannot be read." in page
    assert 'class="risk-day' not in page
    assert "<b>Daily loss</b>" not in page


@pytest.mark.parametrize("name", ["panel:risk", "panel:risk_parts", "panel:risk_pass", "panel:life"])
def test_nothing_seen_and_no_account(name: str, world: World, owner: Client) -> None:
    DeskStatus.objects.all().delete()
    assert owner.get(reverse(name)).status_code == 200


@pytest.mark.parametrize(
    "name", ["panel:risk", "panel:risk_parts", "panel:risk_pass", "panel:life", "panel:reopen"]
)
def test_without_an_account(name: str, db: None) -> None:
    client = Client()
    client.force_login(factories.make_person("first", superuser=True))
    assert client.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", ["panel:risk", "panel:risk_parts"])
def test_reads_are_few_and_do_not_grow(name: str, busy: World, owner: Client) -> None:
    _page(owner, name)
    with CaptureQueriesContext(connection) as few:
        _page(owner, name)
    assert len(few) <= 46, [q["sql"][:110] for q in few]
    for back in range(1, 25):
        at = busy.now - timedelta(minutes=back)
        factories.make_snapshot(busy.account, at=at, equity="101240.00")
        events.record("level", now=at, text="level", account_id=busy.account.pk)
    with CaptureQueriesContext(connection) as many:
        _page(owner, name)
    assert len(many) <= len(few)


def test_a_position_without_a_stop_is_unlimited(busy: World, owner: Client) -> None:
    status = DeskStatus.objects.get()
    status.positions[0]["stop"] = None
    status.save()
    page = _page(owner)
    assert "unlimited" in _rule(page, "Worst case together")
    assert "would break it" in _rule(page, "Before midnight") or "not safe to carry" in _rule(
        page, "Before midnight"
    )


def test_what_is_not_known_is_not_a_number(world: World) -> None:
    world.account.refresh_from_db()
    limits = risk.limits_of(world.account)
    at_breach = risk_rules.risk_a_trade(Level.BREACH, limits)
    assert (at_breach.state, at_breach.value) == ("no", "0.00 of 0.50 %")
    assert risk_rules.basis(None, limits, paper=False).state == "unknown"
    assert risk_rules.margin(None, D(1), D("0.9")).state == "unknown"
    assert risk_rules.group(None, D(2000)).share == 0


def test_a_halted_account_keeps_its_risk_page(busy: World, owner: Client) -> None:
    kill_switch.set_state(TradingState.HALTED, by="owner", reason="router", now=busy.now)
    assert owner.get(reverse("panel:risk")).status_code == 200
