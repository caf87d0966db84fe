"""An environment that holds nothing but what a test puts there."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crpbot_site import environment
from crpbot_site.environment import Environment

PROJECT = environment.PROJECT
KEY = "a key for tests that is long enough: 0123456789 abcdefghij"


def names() -> set[str]:
    """Every variable that may be set, those of secret files included."""
    fields = Environment.model_fields.values()
    plain = {str(field.validation_alias) for field in fields}
    return plain | {f"{name}_FILE" for name in plain} | set(environment.FOREIGN)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Environment]:
    """Read an environment of exactly these variables (and a data folder of its own)."""

    def read(**variables: str) -> Environment:
        for name in {*names(), *(name for name in os.environ if name.startswith("CRPBOT_"))}:
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "CRPBOT_ENV_FILE": os.devnull,
            "CRPBOT_DATA_DIR": str(tmp_path),
            **variables,
        }.items():
            monkeypatch.setenv(name, value)
        return environment.load()

    return read


@pytest.fixture
def mistakes(load: Callable[..., Environment]) -> Callable[..., list[str]]:
    """The mistakes that an environment of exactly these variables has."""

    def read(**variables: str) -> list[str]:
        with pytest.raises(environment.BadConfiguration) as caught:
            load(**variables)
        return caught.value.mistakes

    return read


Done = subprocess.CompletedProcess[str]


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Done]:
    """Run Python with these words in a process of its own, with a data folder of this test."""

    def run(words: list[str], **variables: str) -> Done:
        env = {**own_environment(tmp_path), **variables}
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def manage(program: Callable[..., Done]) -> Callable[..., Done]:
    """Run a manage.py command in a process of its own."""
    return lambda *words, **variables: program(["manage.py", *words], **variables)


def own_environment(folder: Path) -> dict[str, str]:
    """The environment of a process of its own: no setting but a data folder and the synthetic market."""
    kept = {name: value for name, value in os.environ.items() if name not in names()}
    return {**kept, "CRPBOT_ENV_FILE": os.devnull, "CRPBOT_DATA_DIR": str(folder), "CRPBOT_FEED": "synthetic"}


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """The real hash takes a third of a second on purpose; no test here is about it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
