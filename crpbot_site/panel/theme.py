"""What django-unfold is told: names, navigation, and who fills the pages.

Colours live in ``panel.css`` (design tokens, dark and light); nothing here depends on a request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    def allowed(request: HttpRequest) -> bool:
        app, name = model.split(".")
        return request.user.has_perm(f"{app}.view_{name}")

    return allowed


def _rows(title: str, icon: str, model: str) -> dict[str, Any]:
    """One entry that leads to the list of a model."""
    app, name = model.split(".")
    link = reverse_lazy(f"admin:{app}_{name}_changelist")
    return {"title": title, "icon": icon, "link": link, "permission": _may_view(model)}


def _page(title: str, icon: str, url_name: str) -> dict[str, Any]:
    """One entry that leads to a page of the panel, open to every member of staff."""
    return {"title": title, "icon": icon, "link": reverse_lazy(url_name)}


NAVIGATION: list[dict[str, Any]] = [
    {
        "title": "Now",
        "items": [
            {**_page("Overview", "home", "admin:index"), "foot": "Overview"},
            {**_rows("Signals", "monitoring", "trading.signal"), "foot": "Signals"},
            {**_page("Why nothing?", "help", "panel:why"), "foot": "Why"},
            _page("Health", "ecg_heart", "panel:health"),
        ],
    },
    {
        "title": "Account",
        "items": [
            _rows("Accounts", "account_balance_wallet", "trading.account"),
            _rows("Trades", "swap_horiz", "trading.trade"),
            _rows("Intents", "outbox", "trading.orderintent"),
            _rows("Orders", "receipt_long", "trading.order"),
            _rows("Fills", "done_all", "trading.fill"),
            {**_page("Risk", "shield", "panel:risk"), "foot": "Risk"},
            _page("Account life", "timeline", "panel:life"),
        ],
    },
    {
        "title": "Markets",
        "items": [
            _rows("Markets", "candlestick_chart", "trading.market"),
            _rows("Calendar", "event", "trading.calendarentry"),
            _rows("Candles", "table_rows", "trading.candle"),
            _rows("Scans", "radar", "trading.scan"),
            _rows("Strategies", "tune", "trading.strategyswitch"),
        ],
    },
    {
        "title": "System",
        "items": [
            _rows("Events", "history", "trading.event"),
            _rows("Task runs", "task_alt", "trading.taskrun"),
            _rows("Schedules", "schedule", "django_celery_beat.periodictask"),
            _page("All rows", "database", "panel:rows"),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "CRPBot",
    "SITE_HEADER": "CRPBot",
    "SITE_URL": None,
    "SITE_SYMBOL": "monitoring",
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "BORDER_RADIUS": "6px",
    "GLOBAL_CALLBACK": "crpbot_site.panel.context.everywhere",
    "DASHBOARD_CALLBACK": "crpbot_site.panel.context.overview",
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": NAVIGATION},
}
