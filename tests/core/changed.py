"""A module of the product with one place of its source changed: what a control is made of."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


@contextmanager
def changed(module: ModuleType, old: str, new: str) -> Iterator[ModuleType]:
    """The module with ``old``, which must occur exactly once, replaced by ``new``; the product stays as it is."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise ValueError(f"{module.__name__} has {source.count(old)} places {old!r}, one is needed")
    copy = ModuleType(f"{module.__name__}_changed")
    # Dataclasses look their module up by its name.
    sys.modules[copy.__name__] = copy
    try:
        exec(compile(source.replace(old, new), str(module.__file__), "exec"), copy.__dict__)  # noqa: S102
        yield copy
    finally:
        del sys.modules[copy.__name__]
