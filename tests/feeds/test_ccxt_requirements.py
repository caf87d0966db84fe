"""requirements-ccxt.txt brings everything that ccxt asks for, at versions that ccxt accepts."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytest.importorskip("ccxt", reason="the optional package ccxt is not installed")

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    found = PIN.findall((ROOT / name).read_text(encoding="utf-8"))
    return {canonicalize_name(package): version for package, version in found}


def test_what_ccxt_needs_is_pinned_at_a_version_it_accepts() -> None:
    together = {**pins("requirements.txt"), **pins("requirements-ccxt.txt")}
    needed = [Requirement(text) for text in metadata.requires("ccxt") or []]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    assert len(needed) > 10
    wrong = {
        str(one): together.get(canonicalize_name(one.name))
        for one in needed
        if not one.specifier.contains(together.get(canonicalize_name(one.name), "0"))
    }
    assert not wrong


def test_the_installed_ccxt_is_the_pinned_one() -> None:
    assert metadata.version("ccxt") == pins("requirements-ccxt.txt")["ccxt"]
