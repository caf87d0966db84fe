"""The pins, the locks and the environment that runs the tests say the same."""

import re
from importlib import metadata

import pytest

from bench.house import ROOT

PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)\s*(;[^#\\]*)?", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
# Installed first and alone: its CPU wheel has another hash in every place that offers it.
UNLOCKED = {"torch"}
WINDOWS = {"metatrader5", "winloop"}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    return {normal(package): version for package, version, _ in PIN.findall(text(name))}


@pytest.mark.parametrize("name", ["requirements", "requirements-ccxt", "requirements-dev"])
def test_the_lock_holds_what_the_pins_say(name: str) -> None:
    pinned = {package: v for package, v in pins(f"{name}.txt").items() if package not in UNLOCKED}
    assert pins(f"{name}.lock") == pinned, "run `make lock`"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-ccxt.txt", "requirements-dev.txt"])
def test_every_line_is_an_exact_pin_with_its_reason(name: str) -> None:
    for line in text(name).splitlines():
        if line and not line.startswith("#"):
            assert PIN.match(line), line
            assert "#" in line or ";" in line or line.startswith("torch=="), f"{line}: why is it here?"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-ccxt.lock", "requirements-dev.lock"])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    lock = text(name)
    entries = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(name))
    assert not [entry.split()[0] for entry in entries if not HASH.search(entry)]
    assert "://" not in lock
    assert "nvidia" not in lock


def test_what_only_windows_has_is_asked_for_on_windows_only() -> None:
    for kind in ("txt", "lock"):
        both = text(f"requirements.{kind}") + text(f"requirements-ccxt.{kind}")
        markers = {normal(package): marker for package, _, marker in PIN.findall(both)}
        assert all("==" in markers[package] and "win32" in markers[package] for package in WINDOWS)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-ccxt.txt", "requirements-dev.txt"])
def test_what_is_installed_is_what_is_pinned(name: str) -> None:
    pinned = {p: v for p, v in pins(name).items() if p not in WINDOWS}
    assert {p: metadata.version(p).partition("+")[0] for p in pinned} == pinned, "run `make dev`"
