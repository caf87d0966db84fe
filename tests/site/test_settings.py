"""What Django makes of the environment: the address decides how strict the panel is."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from crpbot_site import environment
from crpbot_site.database import database
from crpbot_site.environment import Environment
from tests.site.conftest import KEY, Done

SHOW = """
import json
from crpbot_site import settings as s
names = [n for n in dir(s) if n.isupper() and n != "UNFOLD"]
print(json.dumps({n: getattr(s, n) for n in names}, default=str))
"""


@pytest.fixture
def derived(program: Callable[..., Done]) -> Callable[..., dict[str, Any]]:
    """Django's settings in an environment of exactly these variables."""

    def read(**variables: str) -> dict[str, Any]:
        done = program(["-c", SHOW], **variables)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return read


def test_https_is_strict(derived: Callable[..., dict[str, Any]]) -> None:
    found = derived(CRPBOT_URL="https://crpbot.example.net")
    assert found["SECURE_SSL_REDIRECT"]
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SECURE_HSTS_SECONDS"] >= 365 * 24 * 3600
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert found["ALLOWED_HOSTS"] == ["crpbot.example.net", "127.0.0.1", "localhost", "[::1]"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://crpbot.example.net"]
    assert found["DEBUG"] is False


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://192.168.1.20:8000"])
def test_http_trusts_no_forwarded_header_and_sends_no_hsts(
    url: str, derived: Callable[..., dict[str, Any]]
) -> None:
    found = derived(CRPBOT_URL=url)
    strict = (
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "SECURE_PROXY_SSL_HEADER",
        "SESSION_COOKIE_SECURE",
    )
    assert not set(strict) & found.keys()
    assert found["DEBUG"] is False


def test_the_deployment_check_is_clean_with_https(manage: Callable[..., Done]) -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", CRPBOT_URL="https://crpbot.example.net")
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_the_deployment_check_is_not_clean_with_http(manage: Callable[..., Done]) -> None:
    assert manage("check", "--deploy", "--fail-level", "WARNING").returncode == 1


def test_sqlite_serves_no_real_money(manage: Callable[..., Done]) -> None:
    done = manage("check", TRADING_MODE="live")
    assert done.returncode == 1
    assert "crpbot.E001" in done.stderr


def test_sqlite_locks_before_it_reads_and_waits_for_the_disk(load: Callable[..., Environment]) -> None:
    found = database(load())
    assert found["NAME"].endswith("crpbot.sqlite3")
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found["OPTIONS"]["timeout"] == 20
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=20000"):
        assert pragma in found["OPTIONS"]["init_command"]


def test_an_sqlite_address_names_its_file(load: Callable[..., Environment]) -> None:
    assert database(load(DATABASE_URL="sqlite:////srv/a%20b.sqlite3"))["NAME"] == "/srv/a b.sqlite3"


def test_postgresql_ends_what_hangs(load: Callable[..., Environment]) -> None:
    url = "postgresql://a%20b:p%40ss@db.example:5433/bot?sslmode=require"
    found = database(load(DATABASE_URL=url, CRPBOT_SECRET_KEY=KEY))
    assert (found["USER"], found["PASSWORD"]) == ("a b", "p@ss")
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example", "5433", "bot")
    assert found["CONN_HEALTH_CHECKS"]
    options = found["OPTIONS"]
    assert options["sslmode"] == "require"
    assert (options["keepalives_idle"], options["keepalives_interval"], options["keepalives_count"]) == (
        30,
        10,
        3,
    )
    for limit in ("statement_timeout=15s", "lock_timeout=3s", "idle_in_transaction_session_timeout=60s"):
        assert limit in options["options"]


@pytest.mark.django_db
def test_the_open_database_has_these_settings() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA synchronous")
            assert cursor.fetchone() == (2,)
        else:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("3s",)


def test_times_are_utc() -> None:
    assert settings.USE_TZ
    assert settings.TIME_ZONE == "UTC"


def test_a_foreign_host_is_refused(client: Client) -> None:
    assert client.get("/health/live", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/health/live", headers={"host": "127.0.0.1"}).status_code == 200


def test_settings_are_read_in_one_place() -> None:
    reads = ("os.environ", "os.getenv", "environ.get", "dotenv")
    rooms = [environment.PROJECT / room for room in ("crpbot_site", "trading", "notifications", "ml")]
    elsewhere = [
        str(path)
        for room in rooms
        for path in room.rglob("*.py")
        if path.name != "environment.py"
        and any(
            word in line
            for line in path.read_text().splitlines()
            for word in reads
            if "setdefault" not in line
        )
    ]
    assert not elsewhere
