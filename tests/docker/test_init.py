"""docker/init makes what compose.yaml asks for, once, and closes it to others."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

import pytest

from tests.docker import stack as stacks

MADE_ONCE = (
    "secret_key",
    "db_superuser_password",
    "db_password",
    "redis_password",
    "flower_password",
    "admin_password",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stacks.lay_out(tmp_path)
    return tmp_path


def secrets_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="ascii") for path in (folder / "secrets").iterdir()}


def test_every_secret_of_the_compose_file_is_made(folder: Path) -> None:
    stacks.init(folder)
    asked = set(re.findall(r"/run/secrets/(\w+)", stacks.COMPOSE.read_text(encoding="utf-8")))
    asked |= set(re.findall(r"\}/(\w+)\"", stacks.COMPOSE.read_text(encoding="utf-8")))
    assert asked == set(secrets_of(folder))


def test_passwords_are_long_and_differ(folder: Path) -> None:
    stacks.init(folder)
    made = [secrets_of(folder)[name] for name in MADE_ONCE]
    assert all(re.fullmatch(r"[A-Za-z0-9]{24,}", password) for password in made)
    assert len(set(made)) == len(made)
    assert len(secrets_of(folder)["secret_key"]) >= 50


def test_what_follows_from_the_redis_password_does(folder: Path) -> None:
    stacks.init(folder)
    (folder / "secrets" / "redis_password").write_text("changed", encoding="ascii")
    stacks.init(folder)
    secrets = secrets_of(folder)
    assert secrets["redis_url"] == "redis://crpbot:changed@redis:6379/1"
    hashed = hashlib.sha256(b"changed").hexdigest()
    assert (
        f"user crpbot on #{hashed} ~* &* +@all -@dangerous -@admin +info" in secrets["redis_acl"].splitlines()
    )
    assert "user default off" in secrets["redis_acl"].splitlines()


def test_only_the_owner_reaches_the_folder_and_containers_can_read_the_files(folder: Path) -> None:
    stacks.init(folder)
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder / "secrets").iterdir()} == {0o644}
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_a_second_run_changes_nothing(folder: Path) -> None:
    stacks.init(folder)
    before, settings = secrets_of(folder), (folder / ".env").read_text(encoding="utf-8")
    said = stacks.init(folder)
    assert secrets_of(folder) == before
    assert (folder / ".env").read_text(encoding="utf-8") == settings
    assert "made" not in said


def test_settings_that_are_there_stay(folder: Path) -> None:
    (folder / ".env").write_text("PUID=4711\nLOG_LEVEL=debug\n", encoding="ascii")
    stacks.init(folder)
    lines = (folder / ".env").read_text(encoding="ascii").splitlines()
    assert lines[:2] == ["PUID=4711", "LOG_LEVEL=debug"]
    assert lines.count("PUID=4711") == 1
    assert "SECRETS_DIR=./secrets" in lines


def test_the_containers_never_get_root(folder: Path) -> None:
    stacks.init(folder)
    lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
    expected = str(os.getuid() or 1000)
    assert f"PUID={expected}" in lines
    assert not {"PUID=0", "PGID=0"} & set(lines)
