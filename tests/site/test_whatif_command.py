"""The what-if on the command line: lines for machines, a picture for people, one sentence for a bad file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.core import histories, terminal, whatif_oracle

ROOT = Path(__file__).resolve().parents[2]
PROGRAMME = "ftmo-2-step-challenge"
V4 = """{"type":"start","at":"2026-03-02T09:00:00+01:00","initial":"200000"}
{"type":"open","at":"2026-03-02T10:00:00+01:00"}
{"type":"mark","at":"2026-03-02T12:00:00+01:00","balance":"204000","equity":"204000"}
{"type":"mark","at":"2026-03-02T23:59:00+01:00","balance":"204000","equity":"191000"}
{"type":"mark","at":"2026-03-03T08:00:00+01:00","balance":"204000","equity":"206000.50"}
"""


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    def save(content: str | bytes) -> Path:
        path = tmp_path / "history"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return save


def words(capsys: Any) -> str:
    """What was printed for people, in one line."""
    return " ".join(capsys.readouterr().out.split())


def test_json_prints_one_line_a_mark_with_these_fields_in_this_order(saved: Any, capsys: Any) -> None:
    call_command("whatif", saved(V4), "--programme", PROGRAMME, "--json")
    printed = capsys.readouterr()
    assert printed.out == (
        '{"at": "2026-03-02T12:00:00+01:00", "day": "2026-03-02", "day_start_balance": "200000.00",'
        ' "daily_floor": "190000.00", "total_floor": "180000.00", "floor": "190000.00", "headroom": "14000.00",'
        ' "level": "green", "breach": null, "trading_days": 1}\n'
        '{"at": "2026-03-02T23:59:00+01:00", "day": "2026-03-02", "day_start_balance": "200000.00",'
        ' "daily_floor": "190000.00", "total_floor": "180000.00", "floor": "190000.00", "headroom": "1000.00",'
        ' "level": "locked", "breach": null, "trading_days": 1}\n'
        '{"at": "2026-03-03T08:00:00+01:00", "day": "2026-03-03", "day_start_balance": "204000.00",'
        ' "daily_floor": "194000.00", "total_floor": "180000.00", "floor": "194000.00", "headroom": "12000.50",'
        ' "level": "breach", "breach": "daily", "trading_days": 1}\n'
    )
    assert printed.err == ""


@pytest.mark.parametrize("programme", whatif_oracle.RULES)
def test_the_command_agrees_with_the_oracle(programme: str, saved: Any, capsys: Any) -> None:
    for lines in histories.histories(programme, 3):
        call_command("whatif", saved("\n".join(map(json.dumps, lines))), "--programme", programme, "--json")
        printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert printed == whatif_oracle.verdicts(lines, programme)


def test_people_see_how_near_it_came(saved: Any, capsys: Any) -> None:
    call_command("whatif", saved(V4), "--programme", PROGRAMME)
    told = words(capsys)
    assert "FTMO 2-Step Challenge (ftmo-2-step-challenge v1), read 20 Nov 2026" in told
    assert "Mon 02 Mar 2026, 12:00:00 CET to Tue 03 Mar 2026, 08:00:00 CET, 2 days, 3 marks" in told
    assert (
        "BREACH of the daily limit on Tue 03 Mar 2026, 00:00:00 CET, when the day began with a balance of"
        " 204,000.00: 191,000.00 is below 194,000.00" in told
    )
    assert "3,000.00 below the daily floor 194,000.00 on Tue 03 Mar 2026, 00:00:00 CET" in told
    assert "Tue 03 Mar 2026: 13,000.00 of 10,000.00 lost, 130.0 %" in told
    assert "1; 4 are asked for" in told
    assert "balance 204,000.00, equity 206,000.50" in told
    assert f"02 Mar 2026 ██{'·' * 22} 1,000.00 locked" in told
    assert f"03 Mar 2026 {'·' * 24} 0.00 breach" in told


def test_a_harmless_history_is_told_as_such(saved: Any, capsys: Any) -> None:
    lines = V4.splitlines()[:3]
    call_command("whatif", saved("\n".join(lines)), "--programme", "ftmo-1-step-funded")
    told = words(capsys)
    assert "verdict no limit was broken nearest" in told
    assert "10,000.00 above the daily floor 194,000.00" in told
    assert "no day was ever below its start" in told
    assert "1; none are asked for" in told


def test_a_long_history_is_drawn_in_forty_bars_at_most(saved: Any, capsys: Any) -> None:
    last = V4.splitlines()[-1].replace("2026-03-03", "2026-09-01").replace("206000.50", "205000")
    call_command("whatif", saved("\n".join([*V4.splitlines()[:3], last])), "--programme", PROGRAMME)
    out = capsys.readouterr().out
    assert 30 < sum("█" in line for line in out.splitlines()) <= 40
    assert "02 Mar 2026 to 06 Mar" in out


def test_a_report_of_the_terminal_says_what_it_does_not_know(saved: Any, capsys: Any) -> None:
    path = saved(terminal.html().encode("utf-16"))
    call_command("whatif", path, "--programme", PROGRAMME)
    told = words(capsys)
    assert "no limit was broken by the balance; whether by equity the file does not tell" in told
    assert "The export does not tell open profit: 3 of 7 lines" in told
    call_command("whatif", path, "--programme", PROGRAMME, "--json")
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [line["floating"] for line in lines] == [
        "none", "unknown", "none", "unknown", "none", "none", "unknown",
    ]  # fmt: skip
    assert list(lines[0])[-2:] == ["trading_days", "floating"]
    assert "The export does not tell open profit" in printed.err


def test_a_report_of_a_running_account_takes_the_initial_balance(saved: Any, capsys: Any) -> None:
    path = saved(terminal.csv(terminal.DEALS[2:5]))
    call_command("whatif", path, "--programme", PROGRAMME, "--initial", "100000", "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["day_start_balance"] for line in lines] == ["99985.37", "99985.37", "101460.51"]


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ("", [], "history: line 1: the file is empty"),
        ("nonsense", [], "history: line 1: is neither a JSON object nor the head of an MT5 export"),
        (V4 + "{}\n", [], "history: line 6: type must be start, mark or open, was None"),
        (V4.replace('"206000.50"', '"NaN"'), [], "history: line 5: equity must be an amount"),
        (
            V4.replace("T23:59:00+01:00", "T23:59:00"),
            [],
            "history: line 4: at must be an ISO time with its zone",
        ),
        (V4.replace("2026-03-03", "2026-03-01"), [], "history: line 5: 2026-03-01 07:00:00 UTC lies before"),
        (V4.split("\n", 1)[1], [], "history: line 1: the first line must be the start"),
        (V4, ["--initial", "100000"], "history: line 1: the start names the initial balance"),
        (V4, ["--initial", "lots"], "--initial must be an amount above 0 such as 100000, was 'lots'"),
        (V4, ["--initial", "0.00"], "--initial must be an amount above 0"),
        (V4, ["--programme", "ftmo"], "programme must be one of ftmo-2-step-challenge, "),
    ],
)
@pytest.mark.parametrize("as_json", [["--json"], []])
def test_a_bad_file_prints_nothing_and_one_sentence(
    content: str, options: list[str], sentence: str, as_json: list[str], saved: Any, capsys: Any
) -> None:
    with pytest.raises(CommandError) as found:
        call_command("whatif", str(saved(content)), "--programme", PROGRAMME, *options, *as_json)
    assert str(found.value).startswith(sentence)
    assert "\n" not in str(found.value)
    assert found.value.returncode == 1
    assert capsys.readouterr().out == ""


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CommandError, match="cannot be read: ") as found:
            call_command("whatif", path, "--programme", PROGRAMME)
        assert found.value.returncode == 1


def test_from_the_shell_it_needs_no_database_and_ends_with_1_when_a_file_is_bad(
    saved: Any, tmp_path: Path
) -> None:
    environment = {**os.environ, "CRPBOT_DATA_DIR": str(tmp_path / "var"), "TZ": "Asia/Kolkata"}
    environment.pop("DATABASE_URL", None)

    def run(content: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "manage.py",
            "whatif",
            str(saved(content)),
            "--programme",
            PROGRAMME,
            "--json",
        ]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    good, bad = run(V4), run(V4 + "cut")
    assert (good.returncode, good.stderr) == (0, "")
    assert [json.loads(line)["breach"] for line in good.stdout.splitlines()] == [None, None, "daily"]
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("CommandError: history: line 6: must be a JSON object")
    assert len(bad.stderr.splitlines()) == 1
    assert not (tmp_path / "var" / "crpbot.sqlite3").exists()
