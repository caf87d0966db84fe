"""Real PostgreSQL and Redis servers, from this machine's own programs, for as long as a test needs them.

Each server lies in a directory of its own, listens on a free port of loopback and ends with the process that
started it, whichever way that process ends.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2

START_SECONDS = 30.0
PACKAGES = {"postgres": "postgresql", "redis": "redis-server", "browser": "chromium"}


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL's `initdb` and `postgres`; None without one."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    on_path = [Path(found).parent] if (found := shutil.which("initdb")) else []
    return next((folder for folder in debian + on_path if (folder / "postgres").exists()), None)


def present(name: str) -> bool:
    """Whether this machine has what `name` (postgres, redis, browser) stands for."""
    if name == "postgres":
        return postgres_programs() is not None
    if name == "redis":
        return shutil.which("redis-server") is not None
    return chromium() is not None


def chromium() -> str | None:
    """The path of the system's Chromium or Chrome; None without one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def missing_packages() -> list[str]:
    """The Debian packages that would bring what this machine lacks for the whole set of tests."""
    return [package for name, package in PACKAGES.items() if not present(name)]


def free_port() -> int:
    """A TCP port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _bound_to_us(command: list[str], *, user: str | None = None) -> list[str]:
    """`command` as a process that is ended when this one dies, run as `user` where one is given."""
    if shutil.which("setpriv") is None:
        return command
    prefix = ["setpriv", "--pdeathsig", "INT"]
    if user is not None:
        prefix += ["--reuid", user, "--regid", user, "--clear-groups"]
    return [*prefix, *command]


@contextlib.contextmanager
def _running(command: list[str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A started process whose output goes to `log`; interrupted at the end, killed when it does not go."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(2)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _until_listening(port: int, process: subprocess.Popen[bytes], *, log: Path) -> None:
    """Wait until `port` accepts a connection; the log's end is the error when the process ends before."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}: {log.read_text()[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    said = log.read_text()[-2000:]
    raise RuntimeError(f"{process.args} did not listen within {START_SECONDS:.0f} s: {said}")


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A fresh PostgreSQL server; yields the URL of its `postgres` database, whose user may create databases.

    The server does not sync to disk: a test that kills it on purpose starts its own with `fsync`.
    """
    programs = postgres_programs()
    if programs is None:
        raise RuntimeError("PostgreSQL was not found; install the Debian package postgresql")
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="crpbot-pg-"))
    try:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        data = folder / "data"
        command = [str(programs / "initdb"), "-D", str(data), "-U", "crpbot", "-A", "trust", "-E", "UTF8"]
        command += ["--locale=C.UTF-8", "--no-sync"]
        subprocess.run(_bound_to_us(command, user=user), check=True, capture_output=True, cwd="/")
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
            "max_connections": 60,
            "timezone": "UTC",
        }
        command = [str(programs / "postgres"), "-D", str(data)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = folder / "log"
        with _running(_bound_to_us(command, user=user), log=log) as process:
            _until_listening(port, process, log=log)
            url = f"postgresql://crpbot@127.0.0.1:{port}/postgres"
            _until_answering(url)
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _until_answering(url: str) -> None:
    """Wait until the server answers a query: it listens a moment before it lets anyone in."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A fresh Redis server that keeps nothing on disk; yields its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("Redis was not found; install the Debian package redis-server")
    folder = Path(tempfile.mkdtemp(prefix="crpbot-redis-"))
    try:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no"]
        log = folder / "log"
        with _running(_bound_to_us(command), log=log) as process:
            _until_listening(port, process, log=log)
            yield f"redis://127.0.0.1:{port}/0"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
