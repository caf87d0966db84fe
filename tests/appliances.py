"""A real appliance in a process of its own, for tests that start, ask, end and kill it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.site.conftest import PROJECT, own_environment

START_SECONDS = 90.0


class Appliance:
    """A real appliance in a process of its own; `text` is what it has said so far."""

    def __init__(self, folder: Path, *, port: int, **variables: str) -> None:
        self.port = port
        self._log = folder / f"log-{time.monotonic_ns()}"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "appliance", "--port", str(port)],
                cwd=PROJECT,
                env={**own_environment(folder / "data"), **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self._log.read_text()

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of an answer; status 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0, None

    def until(self, seconds: float, done: Callable[[], object]) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)

    def until_ready(self) -> None:
        self.until(START_SECONDS, lambda: self.get("/health/ready")[0] == 200)

    def end(self, number: int = signal.SIGINT) -> tuple[int, float]:
        """Ask it to end; its code and the seconds it took."""
        asked = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(30), time.monotonic() - asked
