"""The stand-ins themselves: they must fail as the real ones do, or tests against them prove nothing."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.feeds.conftest import PRESENT, START, recording
from tests.standins.coinbase import CoinbaseStandin
from tests.standins.recorded import Bar, decimal, milliseconds, read
from trading.core.types import Candles, ms_from_utc
from trading.feeds.replay import save_candles

ROOT = Path(__file__).resolve().parents[2]


def get(server: CoinbaseStandin, path: str) -> dict:
    found: dict = httpx.get(server.url + path, timeout=5).raise_for_status().json()
    return found


def candles(server: CoinbaseStandin, start_ms: int, end_ms: int, **changes: str) -> list[dict]:
    query = {
        "granularity": "ONE_MINUTE",
        "start": str(start_ms // 1000),
        "end": str(end_ms // 1000),
        **changes,
    }
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return list(get(server, f"/market/products/BTC-USD/candles?{text}")["candles"])


def test_coinbase_gives_strings_newest_first_with_the_running_minute(
    coinbase: CoinbaseStandin, bars: Candles
) -> None:
    edge = ms_from_utc(PRESENT.replace(second=0))
    rows = candles(coinbase, edge - 300_000, edge + 600_000)
    starts = [int(row["start"]) for row in rows]
    assert starts == sorted(starts, reverse=True)
    assert starts[0] * 1000 == edge
    assert {type(value) for row in rows for value in row.values()} == {str}
    assert float(rows[1]["volume"]) == bars.volume[bars.open_ms < edge][-1]


def test_the_running_minute_grows(coinbase: CoinbaseStandin) -> None:
    edge = ms_from_utc(PRESENT.replace(second=0))
    seen = []
    for second in (1, 20, 59, 60):
        coinbase.set_now(PRESENT.replace(second=0) + timedelta(seconds=second))
        seen.append(float(next(r for r in candles(coinbase, edge, edge))["volume"]))
    assert seen == sorted(seen)
    assert len(set(seen)) == 4


@pytest.mark.parametrize(
    "query",
    [
        {"granularity": "TWO_MINUTE"},
        {"start": ""},
        {"end": "soon"},
        {"start": "1772450000", "end": "1772449940"},
        {"start": "1772442000", "end": str(1772442000 + 350 * 60)},
    ],
)
def test_coinbase_refuses_what_the_real_one_refuses(coinbase: CoinbaseStandin, query: dict[str, str]) -> None:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        candles(coinbase, ms_from_utc(START), ms_from_utc(START), **query)
    assert caught.value.response.status_code == 400
    assert caught.value.response.json()["error"] == "INVALID_ARGUMENT"
    assert len(candles(coinbase, 1772442000_000, (1772442000 + 349 * 60) * 1000)) > 200


def test_more_than_ten_requests_a_second_are_sent_away(bars: Candles) -> None:
    with CoinbaseStandin({"BTC-USD": recording(bars)}) as server:
        with httpx.Client() as client:
            codes = [client.get(f"{server.url}/time").status_code for _ in range(15)]
        assert codes == [200] * 10 + [429] * 5
        assert server.peak_rate() == 15


def test_a_failure_hits_the_path_it_is_meant_for(coinbase: CoinbaseStandin) -> None:
    coinbase.fail_next("503", path="candles")
    assert "epochMillis" in get(coinbase, "/time")
    with pytest.raises(httpx.HTTPStatusError, match="503"):
        candles(coinbase, ms_from_utc(START), ms_from_utc(START))
    assert candles(coinbase, ms_from_utc(START), ms_from_utc(START))
    coinbase.fail_next("503", times=9)
    coinbase.recover()
    assert "epochMillis" in get(coinbase, "/time")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_a_running_bar_is_a_possible_bar(share: float) -> None:
    bar = Bar(open_ms=0, open=10.0, high=12.0, low=9.0, close=11.0, volume=5.0).running(share)
    assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    assert bar.volume == 5.0 * share


@pytest.mark.parametrize("value", [1e-9, 0.1, 123456789.123, 1e16, 5e-324, 0.0])
def test_numbers_as_text_read_back_to_the_same_bits(value: float) -> None:
    assert float(decimal(value)) == value
    assert "e" not in decimal(value)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_recordings_come_from_files(tmp_path: Path, bars: Candles, ending: str) -> None:
    save_candles(tmp_path / f"bars.{ending}", bars)
    found = read(tmp_path / f"bars.{ending}")
    assert found.stamps.tolist() == bars.open_ms.tolist()
    shown = list(found.shown(0, 2**60, now_ms=2**61))
    assert [bar.close for bar in shown] == bars.close.tolist()


def test_restating_a_bar_that_is_not_there_is_a_mistake_of_the_test(coinbase: CoinbaseStandin) -> None:
    with pytest.raises(KeyError):
        coinbase.markets["BTC-USD"].restate(5, close=1.0)


# --- as a program --------------------------------------------------------------------------------


@pytest.fixture
def program() -> Iterator[Callable[..., str]]:
    """Start the stand-in as a program; gives its address. Interrupted in the end, it must end well."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, python: tuple[str, ...] = ()) -> str:
        command = [sys.executable, *python, "-m", "tests.standins.coinbase", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        started.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout is not None
        process.stdout.close()


def rows_until_now(url: str, minutes: int) -> list[dict]:
    present = int(time.time()) // 60 * 60
    query = f"granularity=ONE_MINUTE&start={present - minutes * 60}&end={present + 600}"
    answer = httpx.get(f"{url}/market/products/BTC-USD/candles?{query}", timeout=5).raise_for_status()
    return list(answer.json()["candles"])


def test_as_a_program_it_lets_the_past_happen_now(
    tmp_path: Path, bars: Candles, program: Callable[..., str]
) -> None:
    save_candles(tmp_path / "btc.csv", bars)
    anchor = START + timedelta(minutes=850)
    url = program(
        "--file",
        f"BTC-USD={tmp_path / 'btc.csv'}",
        "--shift-to-now",
        "--anchor",
        anchor.isoformat(),
        python=("-S",),
    )
    rows = rows_until_now(url, 60)
    before = int(ms_from_utc(anchor))
    present = int(time.time()) // 60 * 60
    by_start = {int(row["start"]): row for row in rows}
    closed = [
        place for place in range(len(bars)) if before - 3_000_000 <= bars.open_ms[place] < before - 60_000
    ]
    assert len(closed) > 30
    shifts = {present * 1000 - before, (present - 60) * 1000 - before}
    found = [
        all(float(by_start[(int(bars.open_ms[n]) + shift) // 1000]["close"]) == bars.close[n] for n in closed)
        for shift in shifts
        if all((int(bars.open_ms[n]) + shift) // 1000 in by_start for n in closed)
    ]
    assert any(found)
    assert max(by_start) <= int(time.time()) // 60 * 60


def test_as_a_program_it_goes_on_where_it_was_after_a_restart(
    tmp_path: Path, bars: Candles, program: Callable[..., str]
) -> None:
    save_candles(tmp_path / "btc.parquet", bars)
    started = int(time.time()) // 60 * 60 - 600
    common = ("--file", f"BTC-USD={tmp_path / 'btc.parquet'}", "--shift-to-now", "--at", str(started))
    anchor = ("--anchor", (START + timedelta(minutes=700)).isoformat())
    first = {row["start"]: row for row in rows_until_now(program(*common, *anchor), 60)}
    again = {row["start"]: row for row in rows_until_now(program(*common, *anchor), 60)}
    old = [start for start in first if int(start) < time.time() - 130]
    assert len(old) > 30
    assert all(first[start] == again[start] for start in old)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1772442000", 1772442000_000),
        ("2026-03-02T09:00:00", 1772442000_000),
        ("2026-03-02T10:00:00+01:00", 1772442000_000),
    ],
)
def test_instants_on_its_command_line(text: str, ms: int) -> None:
    assert milliseconds(text) == ms
