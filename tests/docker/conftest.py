"""The image is built once; every test of this folder that needs it shares it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import require
from tests.docker import stack as stacks

Say = Callable[[str], None]


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Say:
    """Write a line into the log of the test run: measured figures are for people too."""
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)

    return write


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine with Compose."""
    require(
        "docker", found=stacks.engine_answers(), why="no Docker engine with Compose answers on this machine"
    )


@pytest.fixture(scope="session")
def image(engine: None, say: Say) -> Iterator[str]:
    """The tag of the image, built from the working tree; removed at the end."""
    tag = f"{stacks.NAME}:local"
    begun = time.monotonic()
    stacks.build(tag)
    size = int(stacks.docker("image", "inspect", "--format", "{{.Size}}", tag))
    say(f"image: built in {time.monotonic() - begun:.0f} s, {size / 1e9:.2f} GB")
    try:
        yield tag
    finally:
        with contextlib.suppress(stacks.Refused):
            stacks.docker("image", "rm", "--force", tag)
