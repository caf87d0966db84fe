"""The whole stack, for real: from recorded candles to a paper trade, tight, and unharmed by restarts.

The tests share one running stack and stand in the order in which it lives: it starts, works, is looked at from
outside, loses processes, is restarted as a whole.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from bench.house import ROOT
from tests.docker import stack as stacks
from tests.docker.conftest import Say
from tests.docker.stack import Stack, until

pytestmark = [pytest.mark.docker, pytest.mark.data, pytest.mark.timeout(stacks.BUILD_SECONDS + 900)]

# In the quarter of an hour after it every bar that opens at an odd minute gives a signal in one of the markets. Its
# minute is shown at a minute that is odd too: such a bar closes when a scan, which comes every even minute, is due.
ANCHOR = datetime(2025, 2, 24, 14, 55, tzinfo=UTC)
BEFORE, AFTER = timedelta(days=2), timedelta(hours=3)
RECORDED = {"BTC-USD": "binance_spot_BTCUSDT_1m.parquet", "ETH-USD": "binance_spot_ETHUSDT_1m.parquet"}
ROLES = {"db", "redis", "web", "beat", "worker-scan", "worker-control", "desk", "flower"}
IDLE_LIMIT = 1_400_000_000
TRADE_SECONDS = 300
GROWING = (
    "candle",
    "scan",
    "signal",
    "orderintent",
    "order",
    "fill",
    "trade",
    "event",
    "risksnapshot",
    "taskrun",
)
MIB = 1024 * 1024


def write_candles(source: Path, folder: Path) -> None:
    """The stretch around ANCHOR as CSV, which the stand-in reads without pyarrow."""
    for market, name in RECORDED.items():
        table = pq.read_table(source / name)
        stamps = table["timestamp"]
        kept = pc.and_(
            pc.greater_equal(stamps, pc.cast(ANCHOR - BEFORE, stamps.type)),
            pc.less(stamps, pc.cast(ANCHOR + AFTER, stamps.type)),
        )
        part = table.filter(kept)
        epoch = pc.divide(pc.cast(pc.cast(part["timestamp"], "timestamp[s]", safe=False), "int64"), 1)
        part = part.set_column(part.schema.get_field_index("timestamp"), "timestamp", epoch)
        pyarrow.csv.write_csv(part, folder / f"{market}.csv")


@pytest.fixture(scope="module")
def running(
    image: str, candles_dir: Path, tmp_path_factory: pytest.TempPathFactory, say: Say
) -> Iterator[Stack]:
    """The stack with a stand-in for Coinbase, up and healthy; gone with its volumes afterwards."""
    candles = tmp_path_factory.mktemp("candles")
    write_candles(candles_dir, candles)
    settings = {
        "CRPBOT_COINBASE_URL": "http://standin:8090/api/v3/brokerage",
        "CRPBOT_MARKETS": ",".join(RECORDED),
    }
    with stacks.project(image, overlays=(stacks.STANDIN,), **settings) as stack:
        # pytest keeps its folders to its own user; the containers have another one.
        for path in (candles, *candles.iterdir()):
            path.chmod(0o755)
        for path in candles.parents[:2]:
            path.chmod(path.stat().st_mode | 0o011)
        begun = datetime.now(UTC)
        stack.env |= {
            "STANDIN_TESTS": str(ROOT / "tests"),
            "STANDIN_CANDLES": str(candles),
            "STANDIN_ANCHOR": (ANCHOR - timedelta(minutes=(begun.minute - ANCHOR.minute) % 2)).isoformat(),
            "STANDIN_AT": begun.isoformat(timespec="seconds"),
        }
        try:
            stack.compose("up", "--detach", "--wait", "--no-build", seconds=400)
            assert stack.all_healthy()
        except (stacks.Refused, AssertionError) as error:
            pytest.fail(f"{error}\n{stack.health()}\n{stack.logs()}")
        say(f"stack: healthy after {(datetime.now(UTC) - begun).total_seconds():.0f} s")
        yield stack


def counts(stack: Stack) -> dict[str, int]:
    return {table: stack.count(table) for table in GROWING}


def doubled(stack: Stack) -> dict[str, int]:
    """Everything that may exist only once and exists more often; what is not there may not be either."""
    once = {
        "orders of one intent": "select intent_id from trading_order group by 1 having count(*) > 1",
        "trades of one signal": "select signal_id from trading_trade where signal_id is not null"
        " group by 1 having count(*) > 1",
        "entries of one intent at the venue": "select book_id, magic from trading_paperentry where kind = 'order'"
        " group by 1, 2 having count(*) > 1",
        "results of one slot": "select account_id, market_id, strategy, timeframe, open_ms from trading_scan"
        " group by 1, 2, 3, 4, 5 having count(*) > 1",
        "entries of one signal": "select signal_id from trading_orderintent where action = 'open'"
        " group by 1 having count(*) > 1",
    }
    return {what: int(stack.sql(f"select count(*) from ({query}) q")) for what, query in once.items()}


def test_candles_become_a_signal_a_paper_trade_and_a_snapshot(running: Stack, say: Say) -> None:
    begun = time.monotonic()
    for table in ("candle", "scan", "signal", "risksnapshot", "orderintent", "trade"):
        left = TRADE_SECONDS - (time.monotonic() - begun)
        until(f"{table} row", lambda table=table: running.count(table), seconds=left)
        say(f"stack: first {table} {time.monotonic() - begun:.0f} s after it was healthy")
    assert running.sql("select distinct venue || ' ' || mode from trading_account") == "paper paper"
    assert running.sql("select count(*) from trading_market where synthetic and enabled") == "0"


def test_the_status_command_says_the_same(running: Stack) -> None:
    said = running.status()
    assert said["state"] == "active"
    assert said["mode"] == "paper"
    for key, table in (("signals", "signal"), ("trades", "trade"), ("intents", "orderintent")):
        figure = said[key]
        total = figure if isinstance(figure, int) else sum(v for v in figure.values() if isinstance(v, int))
        assert total > 0, f"{key} says {figure}, the table has {running.count(table)} rows"


def test_the_stack_is_small_when_idle(running: Stack, say: Say) -> None:
    held = {name: running.memory(name) for name in running.containers()}
    say("memory: anonymous memory of each container in MiB")
    for name, size in held.items():
        say(f"memory:   {name:<16} {size / MIB:7.1f}")
    total = sum(held.values())
    say(f"memory:   {'sum':<16} {total / MIB:7.1f}  (limit {IDLE_LIMIT / MIB:.0f})")
    assert set(held) == ROLES
    assert total <= IDLE_LIMIT


def hardening(one: dict[str, Any], env: dict[str, str]) -> dict[str, bool]:
    """The promises about one container, each kept or not."""
    host, config = one["HostConfig"], one["Config"]
    service = config["Labels"]["com.docker.compose.service"]
    sources = [mount.get("Source", "") for mount in one["Mounts"]]
    expected_oom = int(env["OOM_SCORE_ADJ"]) if service in ("db", "desk") else 0
    return {
        "not root": config["User"].split(":")[0] not in ("", "0", "root"),
        "read-only root": host["ReadonlyRootfs"],
        "no capabilities": host["CapDrop"] == ["ALL"] and not host["CapAdd"],
        "no new privileges": "no-new-privileges:true" in host["SecurityOpt"],
        "tmpfs": "tmp" in [Path(place).name for place in host["Tmpfs"] or {}],
        "memory limit": 0 < host["Memory"] <= 4 << 30,
        "pids limit": 0 < (host["PidsLimit"] or 0) <= 200,
        "log limit": host["LogConfig"]
        == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "5"}},
        "init": host["Init"] is True,
        "no engine socket": not [source for source in sources if "docker.sock" in source],
        "not privileged": not host["Privileged"] and not host["Devices"],
        "own network": host["NetworkMode"] != "host" and host["PidMode"] == "" and host["IpcMode"] != "host",
        "comes back": host["RestartPolicy"]["Name"] == "unless-stopped",
        "time to stop": config["StopTimeout"] == 45,
        "health check": bool(config["Healthcheck"]["Test"]),
        "oom score": host["OomScoreAdj"] == expected_oom,
    }


def test_every_container_is_tight(running: Stack) -> None:
    containers = running.containers()
    assert set(containers) == ROLES
    broken = {
        name: [promise for promise, kept in hardening(one, running.env).items() if not kept]
        for name, one in containers.items()
    }
    assert not {name: promises for name, promises in broken.items() if promises}


def test_no_process_has_root_or_a_capability(running: Stack) -> None:
    for name in ROLES:
        lines = running.compose("exec", "-T", name, "cat", "/proc/1/status").splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert "0" not in status["Uid"].split(), name
        assert int(status["CapEff"], 16) == 0, name
        assert status["NoNewPrivs"] == "1", name


def test_only_two_ports_are_open_and_only_on_loopback(running: Stack) -> None:
    bound = {
        name: [
            (binding["HostIp"], int(binding["HostPort"]))
            for bindings in one["NetworkSettings"]["Ports"].values()
            for binding in bindings or []
        ]
        for name, one in running.containers().items()
    }
    assert {name: ports for name, ports in bound.items() if ports} == {
        "web": [("127.0.0.1", running.web_port)],
        "flower": [("127.0.0.1", running.flower_port)],
    }
    assert stacks.listeners(running.web_port) == {"127.0.0.1"}
    assert stacks.listeners(running.flower_port) == {"127.0.0.1"}


def test_no_secret_shows_in_inspect_or_logs(running: Stack) -> None:
    shown = json.dumps(running.containers()) + running.logs(lines=5000)
    names = (
        "secret_key",
        "db_superuser_password",
        "db_password",
        "redis_password",
        "flower_password",
        "admin_password",
    )
    assert not [name for name in names if running.secret(name) in shown]


def test_the_panel_answers_and_takes_the_generated_password(running: Stack) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{running.web_port}", follow_redirects=True) as browser:
        assert browser.get("/health/live").status_code == 200
        assert browser.get("/health/ready").status_code == 200
        page = browser.get("/")
        assert page.status_code == 200
        assert "password" in page.text
        form = {
            "username": "admin",
            "password": running.secret("admin_password"),
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        landed = browser.post(page.url, data=form, headers={"Referer": str(page.url)})
        assert landed.status_code == 200
        assert "login" not in landed.url.path


@pytest.mark.parametrize(
    "path", ["/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks", "/api/queues/length"]
)
def test_flower_asks_everyone_for_the_password(running: Stack, path: str) -> None:
    address = f"http://127.0.0.1:{running.flower_port}{path}"
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, auth=("crpbot", "wrong")).status_code == 401


def test_flower_shows_and_changes_nothing(running: Stack) -> None:
    auth = ("crpbot", running.secret("flower_password"))
    with httpx.Client(base_url=f"http://127.0.0.1:{running.flower_port}", auth=auth, timeout=20) as browser:
        assert browser.get("/workers").status_code == 200
        shown = until(
            "workers in Flower", lambda: list(browser.get("/api/workers?refresh=1").json()), seconds=30
        )
        assert {name.partition("@")[0] for name in shown} >= {"scan", "control"}
        for order in (
            f"worker/shutdown/{shown[0]}",
            f"worker/pool/restart/{shown[0]}",
            "task/send-task/trading.scan",
        ):
            answer = browser.post(f"/api/{order}", json={"args": []})
            assert answer.status_code in (403, 405), f"{order}: {answer.status_code} {answer.text}"


def test_the_broker_lets_its_user_do_only_what_celery_needs(running: Stack) -> None:
    login = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli --user crpbot --no-auth-warning'

    def ask(command: str, *, cli: str = login) -> str:
        return running.compose("exec", "-T", "redis", "sh", "-c", f"{cli} {command} 2>&1").strip()

    assert ask("ping") == "PONG"
    assert "redis_version" in ask("info server")
    assert ask("ping", cli="redis-cli").startswith("NOAUTH")
    for command in ("flushall", "config get maxmemory", "keys '*'", "acl list", "shutdown nosave"):
        assert "NOPERM" in ask(command), command


def test_the_database_role_is_no_superuser(running: Stack) -> None:
    assert running.sql("select rolsuper or rolcreaterole from pg_roles where rolname = 'crpbot'") == "f"
    assert running.sql("show data_checksums") == "on"
    assert running.sql("select string_agg(setting, ' ') from pg_settings where name in"
                       " ('fsync', 'full_page_writes', 'synchronous_commit')") == "on on on"  # fmt: skip


@pytest.mark.parametrize("role", ["desk", "beat", "worker-scan", "web"])
def test_a_role_whose_process_is_killed_comes_back(running: Stack, role: str) -> None:
    def restarts() -> int:
        return int(running.containers()[role]["RestartCount"])

    before = restarts()
    running.compose("exec", "-T", role, "bash", "-c", 'kill -KILL "$(sed -n 2p /tmp/crpbot)"')
    until(f"restart of {role}", lambda: restarts() > before, seconds=60)
    until(f"healthy {role} after its restart", lambda: running.health()[role] == "healthy", seconds=150)


def test_a_desk_that_hangs_is_ended_and_comes_back(running: Stack, say: Say) -> None:
    before, begun = running.containers()["desk"]["RestartCount"], time.monotonic()
    running.compose("exec", "-T", "desk", "bash", "-c", 'kill -STOP "$(sed -n 2p /tmp/crpbot)"')
    until("restart of desk", lambda: running.containers()["desk"]["RestartCount"] > before, seconds=180)
    say(f"stack: a hanging desk was ended after {time.monotonic() - begun:.0f} s")
    until("healthy desk after its restart", lambda: running.health()["desk"] == "healthy", seconds=150)


def health_code(stack: Stack, service: str) -> int:
    """The exit status of a container's health check, asked now."""
    asked = stack.compose("exec", "-T", service, "bash", "-c", "healthcheck >/dev/null; echo $?")
    return int(asked.strip())


def test_health_tells_a_deaf_worker_from_a_beat_that_is_away(running: Stack) -> None:
    # Tasks run in the first seconds of a minute and would write over what is forged here.
    until("quiet part of a minute", lambda: 15 <= time.time() % 60 <= 45, seconds=60, pause=1)
    running.sql(
        "update trading_taskhealth set last_success_at = now() - interval '10 minutes', last_failure_at = null"
    )
    assert health_code(running, "worker-scan") == 1
    assert health_code(running, "worker-control") == 1
    assert health_code(running, "beat") == 0
    running.sql("update django_celery_beat_periodictask set last_run_at = now() - interval '10 minutes'")
    assert health_code(running, "worker-scan") == 3
    assert health_code(running, "beat") == 1
    until("work that shows again", lambda: not any(
        health_code(running, name) for name in ("worker-scan", "worker-control", "beat")), seconds=90)  # fmt: skip


def test_work_goes_on_where_it_was_after_everything_was_restarted(running: Stack, say: Say) -> None:
    """Stopped as a whole, then started one by one from the far end, as a host may do after a reboot."""
    before, state = counts(running), running.status()["state"]
    newest = int(running.sql("select max(open_ms) from trading_scan"))
    begun = time.monotonic()
    running.compose("stop", seconds=200)
    stopped = time.monotonic()
    for service in (
        "flower",
        "desk",
        "worker-scan",
        "worker-control",
        "beat",
        "web",
        "standin",
        "redis",
        "db",
    ):
        stacks.docker("start", f"{stacks.NAME}-{service}-1")
    until("healthy stack after the restart", running.all_healthy, seconds=240)
    say(f"stack: stopped in {stopped - begun:.0f} s, healthy again {time.monotonic() - stopped:.0f} s later")
    until(
        "newer candle judged after the restart",
        lambda: int(running.sql("select max(open_ms) from trading_scan")) > newest,
        seconds=240,
    )
    after = counts(running)
    assert not {table: (before[table], after[table]) for table in GROWING if after[table] < before[table]}
    assert not {what: number for what, number in doubled(running).items() if number}
    assert running.sql("select count(*) from trading_orderintent where state = 'sending'") == "0"
    assert running.status()["state"] == state
    stored = "select count(*) - count(distinct (market_id, open_ms)) from trading_candle"
    assert running.sql(stored) == "0"


def test_a_halt_reaches_the_desk_and_outlives_a_restart(running: Stack) -> None:
    running.compose("exec", "-T", "web", "manage", "halt", "test of the stack")
    assert running.status()["state"] == "halted"
    entries = (
        "select count(*) from trading_order o join trading_orderintent i on i.id = o.intent_id"
        " where i.action = 'open'"
    )
    before = running.sql(entries)
    running.compose("restart", "desk", "web", seconds=200)
    until("healthy stack after the restart", running.all_healthy, seconds=240)
    assert running.status()["state"] == "halted"
    time.sleep(5)
    assert running.sql(entries) == before
