"""The image by itself: what is in it, and that any user can run it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.docker import stack as stacks

pytestmark = [pytest.mark.docker, pytest.mark.timeout(stacks.BUILD_SECONDS + 300)]

# What P31 allows a container, on the command line.
TIGHT = (
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--tmpfs=/tmp:mode=1777",
)
MANAGE = ("python", "/app/manage.py")


def run(image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """Output of a program of the image in a container that is gone afterwards."""
    return stacks.docker(
        "run", "--rm", "--network", "none", *TIGHT, *options, "--entrypoint", command[0], image, *command[1:]
    )


def test_it_runs_as_nobody_in_particular_and_knows_its_health(image: str) -> None:
    found = json.loads(stacks.docker("image", "inspect", image))[0]["Config"]
    assert found["User"] == "1000:1000"
    assert found["Healthcheck"]["Test"] == ["CMD", "/app/docker/healthcheck"]
    assert not [entry for entry in found["Env"] if "PASSWORD" in entry or "SECRET" in entry]


def test_it_has_what_the_roles_need_and_no_installer(image: str) -> None:
    asked = "import ctypes, lightgbm, torch; ctypes.CDLL('libgomp.so.1'); print(torch.__version__, torch.version.cuda)"
    version, cuda = run(image, "python", "-c", asked).split()
    assert version.startswith("2.13.0")
    assert cuda == "None"
    assert "(PostgreSQL) 15." in run(image, "pg_dump", "--version")
    with pytest.raises(stacks.Refused):
        run(image, "/opt/venv/bin/python", "-m", "pip", "--version")


def test_it_holds_the_packages_of_the_lock_and_nothing_else(image: str) -> None:
    asked = "from importlib.metadata import distributions as d; print(*{x.name.lower().replace('_', '-') for x in d()})"
    held = set(run(image, "/opt/venv/bin/python", "-c", asked).split())
    lines = (stacks.ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {
        line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line and line[0] != "#"
    }
    assert held == pinned - {"metatrader5"}


def test_neither_tests_nor_secrets_nor_data_came_along(image: str) -> None:
    held = set(run(image, "ls", "-A", "/app").split())
    assert held == {
        "CHANGELOG.md", "crpbot_site", "docker", "manage.py", "ml", "notifications", "staticfiles", "trading",
    }  # fmt: skip
    assert set(run(image, "ls", "-A", "/app/docker").split()) == {
        "entrypoint",
        "healthcheck",
        "manage",
        "warm.py",
    }
    assert run(image, "ls", "-A", "/data").split() == []


def test_a_role_that_does_not_exist_is_refused_with_the_list(image: str) -> None:
    with pytest.raises(
        stacks.Refused, match="there is no role 'trade'; the roles are web, worker QUEUE, beat"
    ):
        stacks.docker("run", "--rm", image, "trade")
    with pytest.raises(
        stacks.Refused, match="there is no queue 'orders'; the queues are scan, control and research"
    ):
        stacks.docker("run", "--rm", image, "worker", "orders")


@pytest.fixture(params=["fresh", "pre-owned"])
def volume(request: pytest.FixtureRequest, image: str, user: str) -> Iterator[str]:
    """A volume for /data: as Docker makes it, or owned by the user already."""
    name = f"{stacks.NAME}-{user.replace(':', '-')}-{request.param}"
    stacks.docker("volume", "create", name)
    try:
        if request.param == "pre-owned":
            mount = ("--volume", f"{name}:/data")
            change = ("--entrypoint", "sh", image, "-c", f"chown {user} /data && chmod 0700 /data")
            stacks.docker("run", "--rm", "--user", "0:0", *mount, *change)
        yield name
    finally:
        with contextlib.suppress(stacks.Refused):
            stacks.docker("volume", "rm", "--force", name)


@pytest.mark.parametrize("user", ["1000:1000", "1001:1001", "99:100"])
def test_any_user_can_keep_data(image: str, user: str, volume: str) -> None:
    mine = ("--user", user, "--volume", f"{volume}:/data")
    run(image, *MANAGE, "migrate", "--verbosity", "0", options=mine)
    assert "crpbot.sqlite3" in run(image, "ls", "/data", options=mine)
