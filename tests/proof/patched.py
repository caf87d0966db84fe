"""The product with one line changed: ``python -m tests.proof.patched FILE OLD NEW FIRST LAST``.

The module FILE is loaded from its source with OLD replaced by NEW, which must occur exactly once; then the lives of
the seeds FIRST to LAST are lived. Prints what the tally came to as JSON.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

PROJECT = Path(__file__).resolve().parents[2]


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from changed source, and leaves every other to Python."""

    def __init__(self, file: str, source: str) -> None:
        self.path = PROJECT / file
        self.name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)  # noqa: S102


def changed_source(file: str, old: str, new: str) -> str:
    """The source of a module with one place changed; ValueError unless there is exactly one such place."""
    source = (PROJECT / file).read_text()
    if source.count(old) != 1:
        raise ValueError(f"{file} has {source.count(old)} places {old!r}, one is needed")
    return source.replace(old, new)


def install(file: str, source: str) -> None:
    """From now on the module is imported with this source."""
    sys.meta_path.insert(0, Changed(file, source))


def main(arguments: list[str]) -> None:
    file, old, new, first, last = arguments
    install(file, changed_source(file, old, new))
    from tests.proof import lives  # after the change is in place

    tally = lives.run(range(int(first), int(last)))
    found = {"unsafe": len(tally.unsafe), "denied": tally.denied, "approved": tally.approved}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
