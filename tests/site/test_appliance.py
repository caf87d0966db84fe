"""The appliance as a person starts it: one process, one folder, one way to end."""

import http.client
import re
import signal
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crpbot_site import schedule
from tests import servers
from tests.appliances import Appliance

pytestmark = pytest.mark.faults

START_SECONDS = 90.0
WORK_SECONDS = 60.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Appliance]]:
    """Start appliances over one data folder; whatever still runs at the end is killed."""
    started: list[Appliance] = []

    def run(*, port: int | None = None, **variables: str) -> Appliance:
        started.append(Appliance(tmp_path, port=port or servers.free_port(), **variables))
        return started[-1]

    yield run
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(10)


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[str], list[Any]]:
    """Ask the appliance's database, from outside."""

    def ask(query: str) -> list[Any]:
        with closing(
            sqlite3.connect(f"file:{tmp_path}/data/crpbot.sqlite3?mode=ro", uri=True, timeout=20)
        ) as db:
            return db.execute(query).fetchall()

    return ask


def test_a_start_an_end_and_a_second_start(
    start: Callable[..., Appliance], rows: Callable[[str], list[Any]], tmp_path: Path
) -> None:
    first = start()
    first.until_ready()
    password = re.findall(r"Password: (\S+)", first.text)
    assert len(password) == 1
    assert f"Panel: http://127.0.0.1:{first.port}" in first.text
    assert "the synthetic market is shown" in first.text
    first.until(WORK_SECONDS, lambda: rows("select count(*) from trading_scan")[0][0] > 0)
    judged = dict(rows("select reason, count(*) from trading_scan group by reason"))
    assert judged
    assert rows("select distinct source from trading_market where enabled") == [("synthetic",)]
    assert rows("select count(*) from trading_candle")[0][0] > 60
    assert rows("select count(*) from trading_risksnapshot")[0][0] > 0
    assert rows("select name from trading_lease") == [("desk",)]
    planned = {name for (name,) in rows("select name from django_celery_beat_periodictask")}
    assert planned == {entry.name for entry in schedule.TABLE}

    code, seconds = first.end()
    assert code == 0, first.text
    assert seconds <= 10
    assert "Traceback" not in first.text

    events = rows("select count(*) from trading_event where kind in ('account_added', 'kill_switch')")
    second = start(port=first.port)
    second.until_ready()
    assert "assword" not in second.text
    assert rows("select count(*) from trading_event where kind in ('account_added', 'kill_switch')") == events
    assert second.end(signal.SIGTERM)[0] == 0
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o077 == 0


def test_a_second_instance_is_refused_with_a_sentence(
    start: Callable[..., Appliance], tmp_path: Path
) -> None:
    first = start()
    first.until(START_SECONDS, lambda: first.get("/health/live")[0] == 200)
    other_data = str(tmp_path / "other")
    same_port, same_folder = start(port=first.port, CRPBOT_DATA_DIR=other_data), start()
    started_twice = start(port=first.port)
    assert same_port.process.wait(30) == 1
    assert f"Port {first.port} of 127.0.0.1 is taken" in same_port.text
    assert "choose another port: in CRPBOT_URL" in same_port.text
    for refused in (same_folder, started_twice):
        assert refused.process.wait(30) == 1
        assert "Another CRPBot works with the folder" in refused.text
    for refused in (same_port, same_folder, started_twice):
        assert len(refused.text.splitlines()) == 1
    assert first.get("/health/live")[0] == 200


def test_a_killed_appliance_starts_again_at_once(start: Callable[..., Appliance]) -> None:
    first = start()
    first.until(START_SECONDS, lambda: first.get("/health/live")[0] == 200)
    first.process.kill()
    first.process.wait(10)
    second = start(port=first.port)
    second.until_ready()
    assert second.end()[0] == 0


def test_a_second_ctrl_c_leaves_at_once(start: Callable[..., Appliance]) -> None:
    first = start()
    first.until(START_SECONDS, lambda: first.get("/health/live")[0] == 200)
    first.process.send_signal(signal.SIGINT)
    first.until(5, lambda: "Ending" in first.text)
    code, seconds = first.end()
    assert code in (0, 130)
    assert seconds < 2


def test_a_role_that_falls_ends_the_process_with_an_error(
    start: Callable[..., Appliance], tmp_path: Path
) -> None:
    first = start()
    first.until_ready()
    # Without its table the desk cannot hold its lease: it gives up after some attempts, and the rest goes with it.
    with closing(sqlite3.connect(tmp_path / "data" / "crpbot.sqlite3", timeout=20)) as db:
        db.execute("drop table trading_lease")
    assert first.process.wait(60) == 1
    assert "The role desk ended by itself" in first.text


def test_the_panel_is_served_by_it(start: Callable[..., Appliance]) -> None:
    first = start()
    first.until(START_SECONDS, lambda: first.get("/health/live")[0] == 200)
    with urllib.request.urlopen(f"http://127.0.0.1:{first.port}/", timeout=30) as answer:
        assert "/login/" in answer.url
        assert "CRPBot" in answer.read().decode()


def test_behind_a_proxy_that_ends_tls(start: Callable[..., Appliance]) -> None:
    one = start(CRPBOT_URL="https://crpbot.example.net")
    one.until(START_SECONDS, lambda: one.get("/health/live")[0] == 200)

    def ask(**headers: str) -> http.client.HTTPResponse:
        with closing(http.client.HTTPConnection("127.0.0.1", one.port, timeout=30)) as connection:
            connection.request("GET", "/login/?next=/", headers={"Host": "crpbot.example.net", **headers})
            answer = connection.getresponse()
            answer.read()
            return answer

    plain, secure = ask(), ask(**{"X-Forwarded-Proto": "https"})
    assert (plain.status, plain.headers["Location"]) == (301, "https://crpbot.example.net/login/?next=/")
    assert secure.status == 200
    assert "max-age=31536000" in secure.headers["Strict-Transport-Security"]
    assert "Secure" in secure.headers["Set-Cookie"]
