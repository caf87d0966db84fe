"""How Django reaches the database, and with which guarantees."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from crpbot_site.environment import Environment

# IMMEDIATE takes the write lock at the start of a transaction: a claim that looked before it locked could act on
# a state that has changed since. FULL waits for the disk at every commit. Without recursive triggers INSERT OR REPLACE
# would delete an append-only row unseen.
SQLITE = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA mmap_size=134217728;PRAGMA busy_timeout=20000;"
        "PRAGMA recursive_triggers=ON;"
    ),
}
# A client that is gone must not hold the desk's lock: the server notices within a minute.
POSTGRESQL = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "options": "-c statement_timeout=15s -c lock_timeout=3s -c idle_in_transaction_session_timeout=60s",
}


def sqlite(path: str) -> dict[str, Any]:
    """Settings of an SQLite file."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": dict(SQLITE)}


def postgresql(url: str) -> dict[str, Any]:
    """Settings of a PostgreSQL database; the address's query becomes options of the connection."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**POSTGRESQL, **dict(parse_qsl(parts.query))},
    }


def database(environment: Environment) -> dict[str, Any]:
    """Settings of the appliance's own database."""
    if environment.database_url is None:
        return sqlite(str(environment.data_dir / "crpbot.sqlite3"))
    url = environment.database_url.get_secret_value()
    return sqlite(unquote(urlsplit(url).path[1:])) if url.startswith("sqlite") else postgresql(url)
