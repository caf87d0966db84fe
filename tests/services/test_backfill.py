"""The commands that bring history: fetched, imported and exported; killed at any moment, and run with bad input."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from tests import candles as made
from tests.candles import MINUTE_MS, bars, equal
from tests.standins.coinbase import CoinbaseStandin
from tests.standins.recorded import read
from trading import candle_store
from trading.core.types import Candles, ms_from_utc, utc_from_ms
from trading.feeds.candle_files import load_candles, save_candles
from trading.models import Candle, Coverage, Event, Market
from trading.services import market_data

PROJECT = Path(__file__).resolve().parents[2]
START = datetime(2026, 3, 2, tzinfo=UTC)
START_MS = ms_from_utc(START)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def market(db: None) -> Market:
    return Market.objects.create(key="BTC-USD", symbol="BTC-USD", source="coinbase")


def stored(market: Market) -> Candles:
    return candle_store.between(market.pk, 0, 2**53)


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["--market", "ABC-USD", "--days", "3"], "known are: BTC-USD", id="unknown market"),
        pytest.param(["--market", "BTC-USD"], "either --days or --from", id="no range"),
        pytest.param(
            ["--market", "BTC-USD", "--days", "3", "--from", "2026-01-01"],
            "either --days or --from",
            id="two ranges",
        ),
        pytest.param(["--market", "BTC-USD", "--days", "0"], "between 1 and 10,000, was 0", id="no days"),
        pytest.param(
            ["--market", "BTC-USD", "--days", "2", "--to", "2026-01-01"],
            "cannot stand beside",
            id="days and end",
        ),
        pytest.param(
            ["--market", "BTC-USD", "--from", "2026-01-05", "--to", "2026-01-04"],
            "before --to",
            id="reversed",
        ),
        pytest.param(
            ["--market", "BTC-USD", "--from", "2026-01-05", "--to", "2999-01-01"],
            "lies in the future",
            id="future",
        ),
        pytest.param(["--market", "BTC-USD", "--from", "yesterday"], "needs a date like", id="no date"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(
    market: Market, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence) as caught:
        run("backfill", *arguments)
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)
    assert not Candle.objects.exists()


def test_a_market_from_a_file_has_no_source_to_ask(db: None) -> None:
    Market.objects.create(key="FILE", symbol="FILE", source="replay")
    with pytest.raises(CommandError, match="no source to ask") as caught:
        run("backfill", "--market", "FILE", "--days", "2")
    assert caught.value.returncode == 2


def test_the_synthetic_market_is_backfilled_to_now_and_then_there_is_nothing_left(db: None) -> None:
    market = Market.objects.create(key="TEST-USD", symbol="TEST-USD", source="synthetic", synthetic=True)
    said = run("backfill", "--market", "TEST-USD", "--days", "3")
    assert "TEST-USD SYNTHETIC: 100%" in said
    assert len(stored(market)) > 4000
    again = run("backfill", "--market", "TEST-USD", "--days", "3")
    assert "minutes were fetched before" in again
    assert market.pk == Coverage.objects.get().market_id


def test_a_source_that_refuses_ends_the_command_with_its_reason(db: None) -> None:
    Market.objects.create(key="X", symbol="X", source="ccxt:nowhere")
    with pytest.raises(CommandError, match="ccxt:nowhere refuses X") as caught:
        run("backfill", "--market", "X", "--days", "1")
    assert caught.value.returncode == 1


# --- killed, interrupted, and gone on --------------------------------------------------------------------------


class Appliance:
    """A database of its own on disk, and the real commands run on it as programs."""

    def __init__(self, folder: Path, url: str) -> None:
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
            },
            "CRPBOT_DATA_DIR": str(folder),
            "CRPBOT_COINBASE_URL": url,
            "CRPBOT_FEED": "coinbase",
        }
        self.database = folder / "crpbot.sqlite3"
        self.manage("migrate", "--verbosity", "0")
        make = "from trading.models import Market; Market.objects.create(key='K', symbol='K-USD', source='coinbase')"
        self.manage("shell", "--command", make)

    def manage(self, *arguments: str) -> None:
        subprocess.run(
            self._command(*arguments), cwd=PROJECT, env=self.environment, check=True, capture_output=True
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command(*arguments),
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "manage.py", *arguments]

    def rows(self, statement: str) -> list[tuple[float, ...]]:
        connection = sqlite3.connect(self.database, timeout=20)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def wait_for_rows(self, more_than: int, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 60
        while process.poll() is None and self.count() <= more_than:
            assert time.monotonic() < deadline, "no page was stored within a minute"
            time.sleep(0.02)

    def count(self) -> int:
        return int(self.rows("SELECT count(*) FROM trading_candle")[0][0])


@pytest.fixture
def standin(candles_dir: Path) -> Iterator[CoinbaseStandin]:
    recording = read(candles_dir / "kraken_spot_BTCUSDC_1m_sparse.parquet")
    with CoinbaseStandin({"K-USD": recording}, rate_limit=None) as server:
        yield server


@pytest.mark.data
@pytest.mark.faults
@pytest.mark.timeout(300)
def test_killed_at_random_moments_it_goes_on_without_a_gap_or_a_double(
    tmp_path: Path, standin: CoinbaseStandin, candles_dir: Path
) -> None:
    whole = load_candles(candles_dir / "kraken_spot_BTCUSDC_1m_sparse.parquet")
    first = int(whole.open_ms[0]) // 86_400_000 * 86_400_000 + 86_400_000
    end = first + 7 * 86_400_000
    span = ("--from", utc_from_ms(first).isoformat(), "--to", utc_from_ms(end).isoformat())
    appliance = Appliance(tmp_path, standin.url)
    chance = np.random.default_rng(20260302)
    standin.fail_next("429", times=2, path="candles", retry_after=0.1)
    for _ in range(4):
        known = appliance.count()
        process = appliance.start("backfill", "--market", "K", *span)
        appliance.wait_for_rows(known, process)
        time.sleep(chance.uniform(0.0, 0.8))
        assert process.poll() is None, process.communicate()[0]
        process.kill()
        process.communicate()
        assert appliance.count() > known
    known = appliance.count()

    process = appliance.start("backfill", "--market", "K", *span)
    appliance.wait_for_rows(known, process)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 130, said
    assert "The same command goes on there." in said

    process = appliance.start("backfill", "--market", "K", *span)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert "minutes were fetched before" in said
    assert ": 100%" in said

    rows = np.array(
        appliance.rows('SELECT open_ms, "open", high, low, "close", volume FROM trading_candle ORDER BY id')
    )
    expected = made.part(whole, first, end)
    for place, name in enumerate(made.COLUMNS):
        assert np.array_equal(rows[:, place], getattr(expected, name)), name
    assert appliance.rows("SELECT sum(restated) FROM trading_candle") == [(0,)]
    assert appliance.rows("SELECT start_ms, end_ms FROM trading_coverage") == [(first, end)]
    gaps = appliance.rows("SELECT start_ms, end_ms FROM trading_gap ORDER BY start_ms")
    assert gaps == made.absent_runs(expected.open_ms.tolist(), first, end)


# --- files -----------------------------------------------------------------------------------------------------


def sample(size: int = 5000) -> Candles:
    return bars(START_MS + i * MINUTE_MS for i in range(size) if i % 9)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_file_goes_round_without_losing_a_bit(db: None, tmp_path: Path, ending: str) -> None:
    first, second = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    save_candles(first, sample())
    said = run("import_candles", str(first), "--market", "FILE-USD", "--create")
    assert f"{len(sample()):,} new, 0 restated, 0 known bars" in said
    market = Market.objects.get(key="FILE-USD")
    assert equal(stored(market), sample())
    assert (market.enabled, market.source, market.synthetic) == (False, "replay", False)
    assert run("export_candles", "FILE-USD", str(second)).startswith(f"FILE-USD: {len(sample()):,} bars")
    assert second.read_bytes() == first.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]
    assert "0 new, 0 restated" in run("import_candles", str(second), "--market", "FILE-USD")
    gaps = candle_store.gap_counts(market.pk)
    assert gaps["no_trades"] == int(sample().open_ms[-1] - sample().open_ms[0]) // MINUTE_MS + 1 - len(
        sample()
    )
    assert Event.objects.filter(kind="candles_imported").count() == 2


def test_a_range_is_exported(market: Market, tmp_path: Path) -> None:
    candle_store.append(market.pk, sample(), now=START + timedelta(days=9))
    file = tmp_path / "part.parquet"
    run("export_candles", "BTC-USD", str(file), "--from", "2026-03-02T01:00", "--to", "2026-03-02T02:00:00Z")
    part = load_candles(file)
    assert equal(part, made.part(sample(), START_MS + 3_600_000, START_MS + 7_200_000))


def test_a_restated_import_is_counted(market: Market, tmp_path: Path) -> None:
    candle_store.append(market.pk, bars([START_MS], version=1), now=START + timedelta(days=9))
    save_candles(tmp_path / "a.parquet", sample(100))
    assert "1 restated" not in run("import_candles", str(tmp_path / "a.parquet"), "--market", "BTC-USD")
    save_candles(tmp_path / "b.parquet", bars((START_MS + i * MINUTE_MS for i in range(50)), version=2))
    assert "5 new, 45 restated" in run("import_candles", str(tmp_path / "b.parquet"), "--market", "BTC-USD")


def test_a_break_of_more_than_a_day_in_a_file_is_no_gap(db: None, tmp_path: Path) -> None:
    day = 1440 * MINUTE_MS
    openings = [START_MS + i * MINUTE_MS for i in range(100)]
    openings += [openings[-1] + day + MINUTE_MS * (i + 1) for i in range(100)]
    openings += [openings[-1] + day + MINUTE_MS * (i + 2) for i in range(100)]
    save_candles(tmp_path / "a.csv", bars(openings))
    run("import_candles", str(tmp_path / "a.csv"), "--market", "F", "--create")
    market = Market.objects.get(key="F")
    assert candle_store.gap_counts(market.pk)["stretches"] == 1
    assert Coverage.objects.filter(market=market).count() == 2


def test_a_long_file_in_pieces_is_one_stretch(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_data, "IMPORT_BARS", 100)
    whole = bars(START_MS + i * MINUTE_MS for i in range(1000) if i % 100 not in (99, 0, 1))
    save_candles(tmp_path / "a.parquet", whole)
    run("import_candles", str(tmp_path / "a.parquet"), "--market", "F", "--create")
    market = Market.objects.get(key="F")
    assert equal(stored(market), whole)
    assert Coverage.objects.count() == 1
    assert candle_store.gap_counts(market.pk) == {"no_trades": 27, "outage": 0, "stretches": 9}


def text_file(folder: Path, *, rows: list[str], header: str = "timestamp,open,high,low,close,volume") -> Path:
    file = folder / "bad.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


GOOD = "2026-03-02T00:00:00Z,1,2,1,1,3"
LATER = "2026-03-02T00:01:00Z,1,2,1,1,3"


@pytest.mark.parametrize(
    ("rows", "header", "sentence"),
    [
        pytest.param(
            [GOOD], "timestamp,open,high,low,close", "column volume is missing", id="missing column"
        ),
        pytest.param([LATER, GOOD], None, "older than the row before", id="unsorted"),
        pytest.param([GOOD, GOOD], None, "stands there twice", id="doubled"),
        pytest.param([GOOD, "2026-03-02T00:01:00Z,x,2,1,1,3"], None, "not a number", id="wrong type"),
        pytest.param([GOOD, "2026-03-02T00:01:00Z,1,0.5,1,1,3"], None, "high is below", id="impossible"),
        pytest.param([GOOD, "2026-03-02T00:01:30Z,1,2,1,1,3"], None, "multiple of 60", id="between minutes"),
        pytest.param([GOOD, "2099-03-02T00:01:00Z,1,2,1,1,3"], None, "not closed yet", id="future"),
        pytest.param([], None, "no rows", id="empty"),
    ],
)
def test_a_bad_file_imports_nothing_at_all(
    db: None, tmp_path: Path, rows: list[str], header: str | None, sentence: str
) -> None:
    file = text_file(tmp_path, rows=rows, **({"header": header} if header else {}))
    with pytest.raises(CommandError, match=f"nothing was imported: .*{sentence}") as caught:
        run("import_candles", str(file), "--market", "NEW-USD", "--create")
    assert caught.value.returncode == 2
    assert not Candle.objects.exists()
    assert not Market.objects.exists()
    assert not Event.objects.exists()


def exists_already(folder: Path) -> list[str]:
    Market.objects.create(key="F", symbol="F", source="replay")
    return ["import_candles", str(folder / "a.csv"), "--market", "F", "--create"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(
            lambda at: ["import_candles", str(at / "a.csv"), "--market", "F"], "no market 'F'", id="unknown"
        ),
        pytest.param(exists_already, "exists already", id="exists"),
        pytest.param(
            lambda at: ["import_candles", str(at / "a.csv"), "--market", "F" * 60, "--create"],
            "cannot be made",
            id="name too long",
        ),
        pytest.param(
            lambda at: ["import_candles", str(at / "none.csv"), "--market", "F"], "no such file", id="no file"
        ),
        pytest.param(
            lambda at: ["import_candles", str(at / "a.txt"), "--market", "F"],
            "ends in .parquet or .csv",
            id="ending",
        ),
        pytest.param(
            lambda at: ["export_candles", "F", str(at / "o.csv")], "no market 'F'", id="export unknown"
        ),
    ],
)
def test_files_and_markets_that_do_not_fit_are_refused(
    db: None, tmp_path: Path, arguments: Callable[[Path], list[str]], sentence: str
) -> None:
    save_candles(tmp_path / "a.csv", sample(20))
    with pytest.raises(CommandError, match=sentence) as caught:
        run(*arguments(tmp_path))
    assert caught.value.returncode == 2
    assert not Candle.objects.exists()


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("out.txt", r"ends in .parquet or .csv, was 'out.txt'"),
        ("no/where/out.csv", r"nothing was exported: .*/no/where/out.csv: No such file or directory$"),
    ],
)
def test_an_export_that_cannot_be_written_leaves_nothing(
    market: Market, tmp_path: Path, file: str, sentence: str
) -> None:
    candle_store.append(market.pk, sample(20), now=START + timedelta(days=1))
    with pytest.raises(CommandError, match=sentence) as caught:
        run("export_candles", "BTC-USD", str(tmp_path / file))
    assert caught.value.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_export_is_said(market: Market, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no candles from"):
        run("export_candles", "BTC-USD", str(tmp_path / "o.csv"))


def test_made_up_prices_never_become_real_ones(market: Market, tmp_path: Path) -> None:
    Market.objects.create(key="TEST-USD", symbol="TEST-USD", source="synthetic", synthetic=True)
    run("backfill", "--market", "TEST-USD", "--days", "1")
    marked, plain = tmp_path / "made-up.parquet", tmp_path / "made-up.csv"
    with pytest.raises(CommandError, match=r"SYNTHETIC prices are exported as \.parquet only"):
        run("export_candles", "TEST-USD", str(plain))
    assert not plain.exists()
    run("export_candles", "TEST-USD", str(marked))
    with pytest.raises(CommandError, match=r"made-up\.parquet are SYNTHETIC"):
        run("import_candles", str(marked), "--market", "BTC-USD")
    assert not Candle.objects.stretch(market.pk, 0, 2**45).exists()
    real = tmp_path / "real.csv"
    save_candles(real, load_candles(marked))
    with pytest.raises(CommandError, match="makes its own prices"):
        run("import_candles", str(real), "--market", "TEST-USD")
