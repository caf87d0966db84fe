"""A replay is the live services and nothing else, and the same file gives the same bytes."""

from __future__ import annotations

import ast
import inspect
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from crpbot_site import schedule
from trading.feeds.replay import ReplayFeed, save_candles
from trading.feeds.synthetic import SyntheticFeed
from trading.services import replay

pytestmark = pytest.mark.proof

ROOT = Path(__file__).resolve().parents[2]
START_MS = 1_700_006_400_000
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen hours of a made-up market in a file."""
    candles = SyntheticFeed(seed=7).candles("TEST-USD", first_ms=START_MS, end_ms=START_MS + DAY_MS * 2 // 3)
    path = tmp_path_factory.mktemp("replay") / "market.parquet"
    save_candles(path, candles)
    return path


def run(
    file: Path, data: Path, *arguments: str, database: str = "", form: tuple[str, ...] = ("--json",)
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, on an appliance that was never started."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CRPBOT_CANDLES")}
    environment |= {"CRPBOT_DATA_DIR": str(data), "CRPBOT_HALT": "1"}
    environment.pop("DATABASE_URL", None)
    if database:
        environment["DATABASE_URL"] = database
    command = [sys.executable, str(ROOT / "manage.py"), "replay", str(file), "--market", "TEST-USD"]
    strategies = (
        [] if "--strategy" in arguments else ["--strategy", "momentum", "--strategy", "mean_reversion"]
    )
    return subprocess.run(
        [*command, *strategies, *form, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.timeout(300)
def test_the_same_file_gives_the_same_bytes_on_both_databases(
    day: Path, tmp_path: Path, postgresql_url: str
) -> None:
    first = run(day, tmp_path / "one")
    assert first.returncode == 0, first.stderr
    assert run(day, tmp_path / "two").stdout == first.stdout
    assert run(day, tmp_path / "three", database=postgresql_url).stdout == first.stdout
    found = json.loads(first.stdout)
    assert found["candles"] == len(ReplayFeed(day).candles)
    assert found["judged"] == 2 * found["candles"]
    assert sum(found["reasons"].values()) == found["judged"]
    assert found["reasons"]["signal"] == sum(found["signals"].values()) > 0
    assert found["intents"].get("placed", 0) == found["signals"]["approved"] > 0
    assert found["switch"] == "active"


def test_the_appliance_is_out_of_reach(day: Path, tmp_path: Path) -> None:
    data = tmp_path / "appliance"
    data.mkdir()
    (data / "HALT").touch()
    with sqlite3.connect(data / "crpbot.sqlite3") as appliance:
        appliance.execute("CREATE TABLE untouched (word TEXT)")
    before = (data / "crpbot.sqlite3").read_bytes()
    done = run(day, data)
    assert done.returncode == 0, done.stderr
    assert (data / "crpbot.sqlite3").read_bytes() == before
    assert json.loads(done.stdout)["switch"] == "active"


def test_the_scratch_database_goes_unless_it_is_kept(day: Path, tmp_path: Path) -> None:
    os.environ["TMPDIR"] = str(tmp_path)
    try:
        assert run(day, tmp_path / "data").returncode == 0
        assert not list(tmp_path.glob("crpbot-replay-*"))
        kept = run(day, tmp_path / "data", "--keep")
    finally:
        del os.environ["TMPDIR"]
    (left,) = tmp_path.glob("crpbot-replay-*/replay.sqlite3")
    assert str(left) in kept.stderr
    with sqlite3.connect(left) as rows:
        assert rows.execute("SELECT count(*) FROM trading_scan").fetchone()[0] > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(("--strategy", "astrology"), "there is no strategy 'astrology'", id="unknown strategy"),
        pytest.param(("--from", "2031-01-01"), "has no candles in that range", id="empty range"),
        pytest.param(("--from", "yesterday"), "needs a date", id="no date"),
        pytest.param(
            ("--from", "2026-02-01", "--to", "2026-01-01"), "--from must lie before --to", id="reversed"
        ),
        pytest.param(("--days", "0"), "--days must be at least 1", id="no days"),
    ],
)
def test_bad_input_is_a_sentence(
    day: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = run(day, tmp_path, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_the_figures_for_people_are_words(day: Path, tmp_path: Path) -> None:
    done = run(day, tmp_path, "--to", "2023-11-15T01:30", form=())
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "strategies mean_reversion, momentum" in told
    assert "confidence mean_reversion unknown after 0 outcomes, momentum unknown after 0 outcomes" in told
    assert not set("[]{}'") & set(told)


def test_a_bad_file_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("timestamp,open,high,low,close\n2024-01-01T00:00:00Z,1,1,1,1\n")
    done = run(file, tmp_path)
    assert done.returncode == 2
    assert "volume" in done.stderr
    assert "Traceback" not in done.stderr


def test_there_is_no_second_path() -> None:
    """The replay's only calls into the product are the services that the tasks and the desk call."""
    tree = ast.parse(inspect.getsource(replay._minute))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert called - {"int", "now.timestamp"} == {
        "market_data.fetch",
        "outcomes.follow_all",
        "desk.tick",
        "scan.run",
        "risk.snapshot_all",
    }
    written = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(inspect.getsource(replay)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES
    }
    assert written == {
        "StrategySwitch.objects.exclude(name__in=strategies).update",
        "StrategySwitch.objects.filter(name__in=strategies).update",
    }


WRITES = {
    "create",
    "save",
    "update",
    "bulk_create",
    "bulk_update",
    "delete",
    "get_or_create",
    "update_or_create",
}


def test_the_cadence_is_that_of_the_timetable() -> None:
    cadence = replay.Cadence()
    slots = {entry.task: entry.when.slot.total_seconds() / 60 for entry in schedule.TABLE}
    assert cadence.fetch == slots["trading.fetch_candles"]
    assert cadence.scan == slots["trading.scan"]
    assert cadence.outcomes == slots["trading.follow_outcomes"]
    assert cadence.snapshot == slots["trading.snapshot_risk"]


def test_a_scratch_database_that_fails_is_dropped(tmp_path: Path, postgresql_url: str, day: Path) -> None:
    """Whatever ends a replay, the server holds no scratch database afterwards."""
    file = tmp_path / "short.parquet"
    candles = ReplayFeed(day).candles
    save_candles(file, candles[:600])
    assert run(file, tmp_path, database=postgresql_url).returncode == 0
    listed = subprocess.run(
        [
            "psql",
            postgresql_url,
            "-Atc",
            "SELECT datname FROM pg_database WHERE datname LIKE 'crpbot_replay_%'",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.strip() == ""


@pytest.mark.data
@pytest.mark.timeout(300)
def test_five_real_days_are_judged_to_the_last_candle(candles_dir: Path, tmp_path: Path) -> None:
    file = candles_dir / "binance_spot_BTCUSDT_1m.parquet"
    done = run(file, tmp_path, "--from", "2024-03-01", "--days", "5", "--strategy", "momentum")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["candles"] == found["judged"] == 5 * 1440
    assert found["signals"]["approved"] > 0
    assert found["account"]["trades_closed"] > 0
    fills = sum(2 if trade["closed_at"] else 1 for trade in found["trades"])
    assert fills >= found["intents"]["placed"]
