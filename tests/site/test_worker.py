"""A worker as it runs in Docker: one queue, its own module of tasks, over a real Redis."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from tests.site.conftest import PROJECT, Done, own_environment

WORDS = (
    "-A crpbot_site.celery worker --queues scan --include trading.tasks.scan --pool prefork --concurrency 1"
)


@pytest.fixture
def prepared(manage: Callable[..., Done], tmp_path: Path) -> Path:
    """A data folder with a database that has been started once."""
    for words in (("migrate", "--verbosity", "0"), ("bootstrap",), ("sync_schedule",)):
        done = manage(*words)
        assert done.returncode == 0, done.stderr
    return tmp_path


def test_a_worker_of_one_queue_makes_up_for_it_and_leaves_the_others_alone(
    redis_url: str, prepared: Path
) -> None:
    env = {**own_environment(prepared), "REDIS_URL": redis_url, "LOG_LEVEL": "debug"}
    with Redis.from_url(redis_url) as broker:
        broker.flushdb()
    command = [sys.executable, "-m", "celery", *WORDS.split(), "--without-gossip", "--without-mingle"]
    log = prepared / "log"
    with log.open("wb") as output:
        worker = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        assert succeeded(prepared, worker) == {"trading.fetch_candles", "trading.scan"}, log.read_text()
    finally:
        worker.terminate()
        assert worker.wait(40) == 0
    text = log.read_text()
    assert "trading.scan" in text
    assert "trading.follow_outcomes" not in text
    with Redis.from_url(redis_url, decode_responses=True) as broker:
        assert all(key.startswith("crp:") for key in broker.scan_iter())


def succeeded(folder: Path, worker: "subprocess.Popen[bytes]") -> set[str]:
    """The tasks that have succeeded as soon as there are two of them, or after a minute."""
    deadline = time.monotonic() + 60
    found: set[str] = set()
    while len(found) < 2 and time.monotonic() < deadline and worker.poll() is None:
        time.sleep(0.2)
        with closing(sqlite3.connect(folder / "crpbot.sqlite3", timeout=20)) as db:
            found = {row[0] for row in db.execute("select task from trading_taskhealth")}
    return found
