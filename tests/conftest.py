"""What every test stands on: an environment of its own, real servers, no number that goes wrong quietly."""

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import numpy as np
import pytest
from django.conf import settings as django_settings
from django.db import connections
from hypothesis import settings as hypothesis_settings

from tests import servers

# The settings are read once, when Django starts: the environment of the tests must stand before that.
# Nothing of the machine's own configuration may reach a test.
_KEPT = {"CRPBOT_REQUIRE", "CRPBOT_CANDLES", "CRPBOT_TEST_DB", "CRPBOT_KILLS", "CRPBOT_NIGHTLY"}
_OURS = (
    "CRPBOT_",
    "BINANCE_",
    "TRADING_",
    "DJANGO_",
    "DB_",
    "REDIS_",
    "LOG_LEVEL",
    "AWS_",
    "S3_",
    "COINBASE_",
    "TELEGRAM_",
)
for _name in [name for name in os.environ if name.startswith(_OURS) and name not in _KEPT]:
    del os.environ[_name]
_DATA = tempfile.mkdtemp(prefix="crpbot-tests-")
atexit.register(shutil.rmtree, _DATA, ignore_errors=True)
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ.pop("DATABASE_URL", None)
os.environ.update(
    CRPBOT_DATA_DIR=_DATA,
    CRPBOT_ENV_FILE=os.devnull,
    CRPBOT_SECRET_KEY="the key of the test environment, which guards nothing at all 0123456789",
    CRPBOT_FEED="synthetic",
    # A port that refuses: a test that forgets its stand-in fails at once instead of asking the real exchange.
    CRPBOT_COINBASE_URL="http://127.0.0.1:9/api/v3/brokerage",
    DJANGO_SETTINGS_MODULE="crpbot_site.settings",
    OMP_NUM_THREADS="1",
)

np.seterr(all="raise")
hypothesis_settings.register_profile("default", deadline=None, max_examples=100, derandomize=True)
hypothesis_settings.register_profile("nightly", deadline=None, max_examples=2000)
hypothesis_settings.load_profile("nightly" if os.environ.get("CRPBOT_NIGHTLY") else "default")

# On PostgreSQL one server serves all test processes, which inherit its address. It must stand, and Django must be
# set up, before the first row is imported by a test or by a conftest further down.
_ON_POSTGRESQL = os.environ.get("CRPBOT_TEST_DB", "sqlite") == "postgres"
_running = contextlib.ExitStack()
if _ON_POSTGRESQL and "DATABASE_URL" not in os.environ and servers.present("postgres"):
    os.environ["DATABASE_URL"] = _running.enter_context(servers.postgresql())
django.setup()
# A test process may have read the settings with the environment of the one that started it: two of them must not
# share a folder, or the HALT file of one test halts another's desk.
django_settings.CRPBOT = django_settings.CRPBOT.model_copy(update={"data_dir": Path(_DATA)})
if not _ON_POSTGRESQL:
    # A file, as in real life: SQLite in memory knows no waiting for locks and no second connection that sees less.
    connections.databases["default"]["TEST"]["NAME"] = str(Path(_DATA) / "test.sqlite3")


def _required() -> set[str]:
    return set(filter(None, os.environ.get("CRPBOT_REQUIRE", "").split(",")))


def require(name: str, *, found: bool, why: str) -> None:
    """Skip the test that lacks `name`, or fail it where CRPBOT_REQUIRE says that `name` must be there."""
    if found:
        return
    if name in _required():
        pytest.fail(f"{why} (CRPBOT_REQUIRE names {name})", pytrace=False)
    pytest.skip(why)


def pytest_configure() -> None:
    """Leave when the database is to be tested on a PostgreSQL that is not there."""
    if _ON_POSTGRESQL and not servers.present("postgres"):
        code = 1 if "postgres" in _required() else 0
        pytest.exit("PostgreSQL is not here: the database is tested on SQLite only.", returncode=code)


def pytest_unconfigure() -> None:
    """Stop the server that was started for all test processes."""
    _running.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what the machine lacks, with the one line that brings it."""
    if packages := servers.missing_packages():
        line = f"sudo apt-get install --yes {' '.join(packages)}"
        terminalreporter.write_sep("=", "skipped for want of programs")
        terminalreporter.write_line(f"The tests that need them were skipped. This brings them: {line}")


def _uses_database(item: pytest.Item) -> bool:
    names = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(names & {"db", "transactional_db"})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL run only what touches the database: the rest was or will be run on SQLite."""
    chosen = [item for item in items if _belongs_here(item)]
    config.hook.pytest_deselected(items=[item for item in items if not _belongs_here(item)])
    items[:] = chosen


def _belongs_here(item: pytest.Item) -> bool:
    """Whether this run's database is the one that the test is about."""
    only = item.get_closest_marker("only_on")
    if only is not None:
        return only.args == ("postgresql" if _ON_POSTGRESQL else "sqlite",)
    return not _ON_POSTGRESQL or _uses_database(item)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a PostgreSQL server started for this session; its user may create databases."""
    require("postgres", found=servers.present("postgres"), why="PostgreSQL is not on this machine")
    with servers.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis server started for this session."""
    require("redis", found=servers.present("redis"), why="Redis is not on this machine")
    with servers.redis() as url:
        yield url


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of the system's Chromium."""
    path = servers.chromium()
    require("browser", found=path is not None, why="Chromium is not on this machine")
    return path or ""


@pytest.fixture(scope="session")
def candles_dir() -> Path:
    """The folder of recorded candles, which CRPBOT_CANDLES names."""
    value = os.environ.get("CRPBOT_CANDLES", "")
    folder = Path(value)
    found = bool(value) and any(folder.glob("*.parquet"))
    require("data", found=found, why="recorded candles: CRPBOT_CANDLES names no folder of Parquet files")
    return folder.resolve()
