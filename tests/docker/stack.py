"""The whole stack on this machine's Docker engine, in a project of its own that is gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.house import ROOT
from tests import servers

COMPOSE = ROOT / "compose.yaml"
STANDIN = Path(__file__).with_name("compose.standin.yaml")
NAME = f"crpbot-test-{os.getpid()}"
# Not a service of CRPBot: the exchange that the stack is shown.
FOREIGN = {"standin"}
BUILD_SECONDS = 1200


class Refused(Exception):
    """A command of Docker's ended with an error; the text is what it said."""


def docker(
    *arguments: str, folder: Path | None = None, env: Mapping[str, str] | None = None, seconds: float = 180
) -> str:
    """Standard output of a docker command; Refused with its error output when it fails."""
    done = subprocess.run(
        ["docker", *arguments],
        cwd=folder,
        env=None if env is None else {**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise Refused(
            f"docker {' '.join(arguments[:6])} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def engine_answers() -> bool:
    """Whether there is a Docker engine with Compose."""
    if shutil.which("docker") is None:
        return False
    try:
        docker("version", "--format", "{{.Server.Version}}", seconds=20)
        docker("compose", "version", seconds=20)
    except (Refused, subprocess.TimeoutExpired):
        return False
    return True


def wheels() -> Path | None:
    """The folder of pip's find-links that holds a wheel of torch, if this machine has one."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    configured = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    folders = (Path(part) for part in f"{configured} {os.environ.get('PIP_FIND_LINKS', '')}".split())
    return next((folder for folder in folders if any(folder.glob("torch-*.whl"))), None)


def build(tag: str) -> None:
    """Build the image as docs/docker.md says."""
    local = wheels()
    context = ("--build-context", f"wheels={local}") if local else ()
    docker(
        "build",
        "--file",
        "docker/Dockerfile",
        "--tag",
        tag,
        *context,
        ".",
        folder=ROOT,
        seconds=BUILD_SECONDS,
    )


def may_lower_oom_score(image: str) -> bool:
    """Whether this engine may make the kernel spare a container; rootless and nested ones may not."""
    with contextlib.suppress(Refused):
        docker("run", "--rm", "--oom-score-adj", "-500", "--entrypoint", "true", image)
        return True
    return False


def until(what: str, probe: Callable[[], Any], *, seconds: float, pause: float = 2.0) -> Any:
    """Ask until the answer is true; that answer. Fails the test with ``what`` when time is up."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            pytest.fail(f"after {seconds:.0f} s still no {what}")
        time.sleep(pause)


@dataclass(kw_only=True)
class Stack:
    """A compose project in a folder of its own, with passwords of its own."""

    folder: Path
    image: str
    web_port: int
    flower_port: int
    overlays: tuple[Path, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    def compose(self, *arguments: str, seconds: float = 180) -> str:
        """Run docker compose in this project."""
        files = [
            part for path in (self.folder / "compose.yaml", *self.overlays) for part in ("--file", str(path))
        ]
        project = ("--project-name", NAME, "--project-directory", str(self.folder))
        return docker(
            "compose", *project, *files, *arguments, folder=self.folder, env=self.env, seconds=seconds
        )

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text(encoding="ascii")

    def containers(self) -> dict[str, dict[str, Any]]:
        """What `docker inspect` says of each container of CRPBot, by service."""
        names = docker(
            "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={NAME}", env=self.env
        ).split()
        found = json.loads(docker("inspect", *names)) if names else []
        by_service = {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}
        return {name: one for name, one in sorted(by_service.items()) if name not in FOREIGN}

    def health(self) -> dict[str, str]:
        """The health of each container, by service; its state where it is not running."""
        return {
            name: one["State"]["Health"]["Status"] if one["State"]["Running"] else one["State"]["Status"]
            for name, one in self.containers().items()
        }

    def all_healthy(self) -> bool:
        return set(self.health().values()) == {"healthy"}

    def sql(self, query: str) -> str:
        """The answer of the stack's own database."""
        shell = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "crpbot")
        return self.compose("exec", "-T", "db", *shell, "-c", query).strip()

    def count(self, table: str) -> int:
        return int(self.sql(f"select count(*) from trading_{table}"))

    def status(self) -> dict[str, Any]:
        """What `manage status --json` says inside the web container."""
        said: dict[str, Any] = json.loads(self.compose("exec", "-T", "web", "manage", "status", "--json"))
        return said

    def memory(self, service: str) -> int:
        """Anonymous memory of one container in bytes, as its cgroup counts it."""
        # cgroup v2 first, then v1; both list bytes by name.
        places = "cat /sys/fs/cgroup/memory.stat 2>/dev/null || cat /sys/fs/cgroup/memory/memory.stat"
        lines = self.compose("exec", "-T", service, "sh", "-c", places).splitlines()
        figures = {name: int(value) for name, value in (line.split() for line in lines)}
        return figures["anon"] if "anon" in figures else figures["total_rss"]

    def logs(self, lines: int = 40) -> str:
        return self.compose("logs", "--no-color", "--tail", str(lines))

    def down(self) -> None:
        """Remove every container, network and volume of this project."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")


def lay_out(folder: Path) -> None:
    """What a person has in front of him before the first start: the compose file, docker/ and the example."""
    shutil.copy(COMPOSE, folder)
    shutil.copy(ROOT / ".env.example", folder)
    shutil.copytree(ROOT / "docker", folder / "docker")


def init(folder: Path) -> str:
    """Run docker/init; what it said."""
    script = [str(folder / "docker" / "init")]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def project(image: str, *, overlays: tuple[Path, ...] = (), **settings: str) -> Iterator[Stack]:
    """A stack that is not started yet; whatever it left is removed at the end. ``settings`` go into .env."""
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    try:
        lay_out(folder)
        init(folder)
        with (folder / ".env").open("a", encoding="ascii") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())
        web, flower = servers.free_port(), servers.free_port()
        env = {
            "CRPBOT_IMAGE": image,
            "CRPBOT_BIND": f"127.0.0.1:{web}",
            "FLOWER_BIND": f"127.0.0.1:{flower}",
            "OOM_SCORE_ADJ": "-500" if may_lower_oom_score(image) else "0",
        }
        stack = Stack(
            folder=folder, image=image, web_port=web, flower_port=flower, overlays=overlays, env=env
        )
        try:
            yield stack
        finally:
            stack.down()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def listeners(port: int) -> set[str]:
    """The local addresses of this machine on which somebody listens at ``port``, both address families."""
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = [
                    bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)
                ]
                found.add(socket.inet_ntop(family, b"".join(words)))
    return found
