"""What `manage.py check` looks at beside Django's own checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.db import connections

from trading.core.ceiling import allowed as modes_allowed


@checks.register()
def ceiling_fits_database(
    app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """SQLite serves observe and paper; real money needs PostgreSQL."""
    if settings.CRPBOT.postgresql or settings.CRPBOT.trading_mode == "paper":
        return []
    hint = "Set DATABASE_URL to a PostgreSQL database, or TRADING_MODE to paper."
    return [checks.Error("TRADING_MODE is live, but the database is SQLite.", hint=hint, id="crpbot.E001")]


@checks.register(checks.Tags.database)
def modes_fit(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """No account stands higher than the environment and the database allow."""
    if not databases or "trading_account" not in connections["default"].introspection.table_names():
        return []
    crpbot = settings.CRPBOT
    allowed = [mode.value for mode in modes_allowed(crpbot.trading_mode, postgresql=crpbot.postgresql)]
    above = apps.get_model("trading", "Account")._default_manager.exclude(mode__in=allowed)
    hint = f"TRADING_MODE and the database allow {', '.join(allowed)}."
    return [
        checks.Error(f"The account {name} is in mode {mode}.", hint=hint, id="crpbot.E002")
        for name, mode in above.values_list("name", "mode")
    ]
