"""The servers that tests stand on: they answer, and they end with whoever started them."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from tests import servers
from tests.conftest import require

STARTER = """
import time
from tests import servers

with servers.{0}() as url:
    print(url, flush=True)
    time.sleep(60)
"""


def listens(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


@pytest.mark.postgres
def test_postgresql_answers_and_lets_databases_be_made(postgresql_url: str) -> None:
    connection = psycopg2.connect(postgresql_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE scratch_of_the_servers_test")
        cursor.execute("DROP DATABASE scratch_of_the_servers_test")
    connection.close()


@pytest.mark.redis
def test_redis_answers(redis_url: str) -> None:
    assert redis.Redis.from_url(redis_url).ping()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user postgres may pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="crpbot-servers-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("name", ["postgresql", "redis"])
def test_a_server_ends_with_the_process_that_started_it(name: str, open_folder: Path) -> None:
    program = "postgres" if name == "postgresql" else name
    require(program, found=servers.present(program), why=f"{name} is not on this machine")
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER.format(name)],
        env={**os.environ, "TMPDIR": str(open_folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout
    with starter.stdout:
        url = starter.stdout.readline().strip()
    assert listens(url)
    starter.kill()
    starter.wait(10)
    deadline = time.monotonic() + 20
    while listens(url) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not listens(url)
