"""Writes `.env.example` and `docs/configuration.md` from the settings: `python -m crpbot_site.configuration`."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from crpbot_site.environment import ENV_FILE, PROJECT, Environment, is_secret
from crpbot_site.environment import limits as limits_of

WIDTH = 110
SECTIONS = {
    "url": "Address and people",
    "data_dir": "Files, database and broker",
    "feed": "Prices",
    "trading_mode": "How far orders may go",
    "aws_region": "Names of the cloud variant",
}
INTRODUCTION = f"""# Configuration

Settings come from the environment, and from a file `.env` in the project's folder (or the one that `{ENV_FILE}`
names); the environment wins. A variable that is set to nothing counts as absent. Every mistake is listed at once,
and nothing starts before there is none. A name that begins with `CRPBOT_` and is not in this list is a mistake too.

A secret may stand in a file of its own: `NAME_FILE` is then the path of it, and `NAME` must be absent.

The ceilings of how far orders may go are hard: an account's own numbers, which are edited in the panel, can only be
tighter. This page is written from the program: `python -m crpbot_site.configuration`.
"""


def default_of(field: FieldInfo) -> str:
    """A field's default as it would stand in the environment; empty when there is none."""
    value: Any = field.default
    if value is None or isinstance(value, SecretStr):
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def example() -> str:
    """The text of `.env.example`: every setting with its default, commented out."""
    parts = ["# Settings of CRPBot. Copy this file to .env and take away the # of what you change.\n"]
    for name, field in Environment.model_fields.items():
        if name in SECTIONS:
            parts.append(f"# --- {SECTIONS[name]} {'-' * (WIDTH - 7 - len(SECTIONS[name]))}\n")
        variable = str(field.validation_alias)
        text = f"{field.description} {_range(field)}".strip()
        if is_secret(field):
            text = f"{text} Or {variable}_FILE: the file that holds it."
        lines = [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2)]
        parts.append("\n".join([*lines, f"#{variable}={default_of(field)}\n"]))
    return "\n".join(parts)


def document() -> str:
    """The text of `docs/configuration.md`: one heading for every variable."""
    parts = [INTRODUCTION]
    for name, field in Environment.model_fields.items():
        if name in SECTIONS:
            parts.append(f"## {SECTIONS[name]}\n")
        variable, default = str(field.validation_alias), default_of(field)
        lines = [f"### {variable}", "", textwrap.fill(str(field.description), WIDTH), ""]
        lines.append(f"Default: `{default}`." if default else "Default: none.")
        if rule := _range(field):
            lines[-1] += f" {rule}"
        if is_secret(field):
            lines[-1] += f" Secret: `{variable}_FILE` may name a file that holds it."
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _range(field: FieldInfo) -> str:
    found = limits_of(field)
    if found["low"] is None or found["high"] is None:
        return ""
    above = "above " if found["open"] else ""
    return f"From {above}{found['low']} to {found['high']}."


def files(folder: Path = PROJECT) -> dict[Path, str]:
    """What each generated file must hold."""
    return {folder / ".env.example": example(), folder / "docs" / "configuration.md": document()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path} written\n")
