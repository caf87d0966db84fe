"""Lists show facts and change none; limits only tighten; a spreadsheet runs nothing."""

from __future__ import annotations

import csv
import html
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.panel import factories
from tests.panel.factories import World
from trading.admin.base import FactAdmin, cell, csv_lines, plain
from trading.models import Account, Event, Market, PaperBook, PaperEntry, StrategySwitch, Trade
from trading.services import events

FACTS = [model for model, one in admin.site._registry.items() if isinstance(one, FactAdmin)]
LIMITS = {
    "mode": "paper",
    "risk_per_trade": "0.005",
    "max_positions": "3",
    "signals_per_hour": "10",
    "high_per_hour": "5",
    "cool_down_minutes": "15",
    "signal_ttl_seconds": "90",
    "max_group_risk": "0.02",
    "max_margin_share": "0.9",
    "basis_limit_bp": "12",
    "messages_per_day": "2000",
    "orders_per_minute": "10",
    "orders_per_hour": "60",
    "orders_per_day": "200",
    "lots_per_day": "100",
    "losses_in_row": "10",
    "midnight_action": "reduce",
    "midnight_minutes": "10",
    "lock_flattens": "on",
}


def test_facts_are_never_changed_here(busy: World, owner: Client) -> None:
    assert len(FACTS) >= 18
    for model in FACTS:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model._default_manager.order_by("-pk").first()
        if row is None:
            continue
        assert owner.post(reverse(f"{base}_change", args=[row.pk]), {"text": "x"}).status_code == 403, base
        assert owner.post(reverse(f"{base}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403, base
        assert owner.post(reverse(f"{base}_add"), {}).status_code == 403, base


def _change(client: Client, account: Account, **limits: str) -> tuple[int, str]:
    url = reverse("admin:trading_account_change", args=[account.pk])
    answer = client.post(url, {**LIMITS, **limits})
    return answer.status_code, answer.content.decode()


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("risk_per_trade", "0.004", "0.011"),
        ("max_positions", "1", "4"),
        ("signals_per_hour", "0", "11"),
        ("high_per_hour", "2", "6"),
        ("cool_down_minutes", "60", "14"),
        ("signal_ttl_seconds", "30", "91"),
        ("mode", "observe", "demo"),
    ],
)
def test_limits_only_tighten(name: str, good: str, bad: str, world: World, owner: Client) -> None:
    status, page = _change(owner, world.account, **{name: bad})
    assert status == 200
    said = "goes down here, never up" if name == "mode" else "by the owner's ceiling in the environment"
    assert said in html.unescape(page)
    world.account.refresh_from_db()
    assert str(getattr(world.account, name)) != bad
    status, _ = _change(owner, world.account, **{name: good})
    assert status == 302
    world.account.refresh_from_db()
    assert (
        Decimal(getattr(world.account, name)) == Decimal(good)
        if name != "mode"
        else world.account.mode == good
    )


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("max_group_risk", "0.01", "0"),
        ("max_margin_share", "1", "1.1"),
        ("max_position_share", "0.3", "-0.3"),
        ("cash_reserve", "0", "1"),
        ("min_order_value", "10", "0"),
        ("basis_limit_bp", "8.5", "0"),
        ("messages_per_day", "1", "0"),
        ("lots_per_day", "0.01", "0"),
        ("losses_in_row", "3", "0"),
        ("midnight_action", "flatten", "pray"),
        ("midnight_minutes", "60", "61"),
    ],
)
def test_what_the_guard_could_not_work_with_is_refused(
    name: str, good: str, bad: str, world: World, owner: Client
) -> None:
    world.account.refresh_from_db()
    before = getattr(world.account, name)
    assert _change(owner, world.account, **{name: bad})[0] == 200
    world.account.refresh_from_db()
    assert getattr(world.account, name) == before
    assert _change(owner, world.account, **{name: good})[0] == 302
    world.account.refresh_from_db()
    held = getattr(world.account, name)
    assert held == (good if name == "midnight_action" else Decimal(good))


def test_the_largest_order_is_not_below_the_smallest(world: World, owner: Client) -> None:
    assert _change(owner, world.account, min_order_value="20", max_order_value="10")[0] == 200
    assert _change(owner, world.account, min_order_value="10", max_order_value="20")[0] == 302


@pytest.mark.parametrize("value", ["-0.001", "NaN", "Infinity", ""])
def test_a_limit_that_is_no_number_is_refused(value: str, world: World, owner: Client) -> None:
    assert _change(owner, world.account, risk_per_trade=value)[0] == 200


def test_the_mode_never_goes_up_here(world: World, owner: Client) -> None:
    page = owner.get(reverse("admin:trading_account_change", args=[world.account.pk])).content.decode()
    assert "`manage.py mode` raises it again" in page
    assert _change(owner, world.account, mode="observe")[0] == 302
    assert _change(owner, world.account, mode="paper")[0] == 200


def test_changes_by_people_are_events(world: World, owner: Client) -> None:
    _change(owner, world.account, max_positions="1")
    switch = StrategySwitch.objects.get(name="momentum")
    owner.post(reverse("admin:trading_strategyswitch_change", args=[switch.pk]), {})
    market = Market.objects.get(key="BTC-USD")
    owner.post(reverse("admin:trading_market_change", args=[market.pk]), {})
    switch.refresh_from_db()
    market.refresh_from_db()
    assert (switch.enabled, market.enabled) == (False, False)
    told = list(Event.objects.filter(kind="edited").order_by("id").values_list("by", "text"))
    assert [by for by, _ in told] == ["owner"] * 3
    assert "max positions: 3 to 1" in told[0][1]
    assert "enabled: True to False" in told[1][1]
    assert LogEntry.objects.count() == 3


def test_a_viewer_cannot_change(world: World) -> None:
    viewer = Client()
    viewer.force_login(factories.make_person("viewer", "view_account", "view_market", "view_strategyswitch"))
    assert viewer.get(reverse("admin:trading_account_change", args=[world.account.pk])).status_code == 200
    assert _change(viewer, world.account, max_positions="1")[0] == 403


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_runs_nothing(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "written"),
    [(-5, -5), (Decimal("-5.20"), Decimal("-5.20")), (None, None), ("plain", "plain"), (["=x"], "['=x']")],
)
def test_numbers_stay_numbers(value: object, written: object) -> None:
    assert cell(value) == written


def test_csv_of_the_rows_chosen(busy: World, owner: Client) -> None:
    events.record("note", now=busy.now, text='=HYPERLINK("x")')
    row = Event.objects.latest("id")
    chosen = {"action": "export_csv", "_selected_action": [str(row.pk)]}
    answer = owner.post(reverse("admin:trading_event_changelist"), chosen)
    assert answer["Content-Type"].startswith("text/csv")
    lines = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))
    assert len(lines) == 1
    assert lines[0]["text"] == '\'=HYPERLINK("x")'
    assert datetime.fromisoformat(lines[0]["at"]).tzinfo == UTC


@pytest.mark.parametrize("made_up", [True, False])
@pytest.mark.parametrize("name", ["scan", "orderintent", "paperentry", "trade"])
def test_csv_says_whose_prices_are_made_up(busy: World, owner: Client, name: str, made_up: bool) -> None:
    """Rows of an origin carry its mark, in a file as in the list."""
    for origin in (Market, Account):
        origin.objects.update(synthetic=made_up)
    Trade.objects.update(synthetic=made_up)
    book = PaperBook.objects.create(account=busy.account)
    PaperEntry.objects.create(book=book, sequence=1, kind="order", magic=1, ticket="1", body={}, at=busy.now)
    changelist = reverse(f"admin:trading_{name}_changelist")
    keys = [str(row.pk) for row in apps.get_model("trading", name).objects.all()[:3]]
    answer = owner.post(changelist, {"action": "export_csv", "_selected_action": keys})
    lines = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))
    assert [line["synthetic"] for line in lines] == [str(made_up)] * len(keys)
    assert keys
    assert ("chip-synthetic" in owner.get(changelist).content.decode().partition("<table")[2]) is made_up


def test_csv_lines_of_nothing_is_a_heading() -> None:
    assert list(csv_lines(["a", "b"], [])) == ["a,b\r\n"]


def test_candles_are_never_counted(busy: World, owner: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        page = owner.get(reverse("admin:trading_candle_changelist"))
    assert page.status_code == 200
    candle_queries = [q["sql"] for q in queries if "trading_candle" in q["sql"]]
    assert candle_queries
    assert not any("COUNT(" in sql for sql in candle_queries)
    assert all("LIMIT" in sql for sql in candle_queries)


def test_candles_of_the_market_asked_for(busy: World, owner: Client) -> None:
    market = busy.markets["ETH-USD"]
    page = owner.get(reverse("admin:trading_candle_changelist"), {"market": market.pk}).content.decode()
    rows = page.split("<tbody")[1:]
    assert len(rows) == 60
    assert all("ETH-USD" in row for row in rows)


@pytest.mark.parametrize(
    ("value", "least", "text"),
    [
        (Decimal("141.00000000"), 2, "141.00"),
        (Decimal("0.00001230"), 2, "0.0000123"),
        (Decimal("1E+3"), 0, "1,000"),
        (-1234.5, 2, "\u22121,234.50"),
        (None, 2, ""),
    ],
)
def test_digits(value: Decimal | float | None, least: int, text: str) -> None:
    assert plain(value, least=least) == text


def test_ceilings_are_the_environment() -> None:
    assert settings.CRPBOT.max_positions == 3  # the numbers above lean on it
