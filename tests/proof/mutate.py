"""Change the guard in one place at a time and see whether a test notices.

``python -m tests.proof.mutate [--jobs 2] [--only FILE] [--report FILE]`` changes every comparison, constant, sign,
minimum, rounding and boolean of the guard's modules, runs the tests of the core on each change, and lists what
survived. A change that no test can notice stands in ``EQUIVALENT`` with its reason. Results are kept in
``.mutation/`` by what was changed and by what was tested, so that a second run asks only what is new.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import hashlib
import io
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401  loaded once here: the children need not do it a thousand times
import numpy  # noqa: F401
import pytest

from tests.proof.equivalent import EQUIVALENT
from tests.proof.patched import PROJECT, install

GUARD = (
    "trading/core/programme.py",
    "trading/core/headroom.py",
    "trading/core/exits.py",
    "trading/core/costs.py",
    "trading/core/levels.py",
    "trading/core/midnight.py",
    "trading/core/sizing.py",
    "trading/core/limits.py",
    "trading/core/portfolio.py",
    "trading/core/calendar.py",
    "trading/core/gate_input.py",
    "trading/core/gate_rules.py",
    "trading/core/gate.py",
)
TESTS = "tests/core"
KEPT = PROJECT / ".mutation"
# A change may make a loop endless: that is noticed as well.
PATIENCE_S = 120
# Changes of these kinds must all be noticed, whatever the share of the rest.
STRICT = ("comparison", "constant")
ENOUGH = 0.95
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
SIGNS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
NAMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "ROUND_FLOOR": "ROUND_CEILING",
    "ROUND_CEILING": "ROUND_FLOOR",
}

Change = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: where, of which kind, in words, and the whole changed source."""

    file: str
    line: int
    kind: str
    what: str
    source: str

    @property
    def name(self) -> str:
        """How the change is named in lists; it does not move when lines above it come or go."""
        return f"{Path(self.file).stem}: {self.what}"


def mutants(file: str) -> Iterator[Mutant]:
    """Every change of one module."""
    source = (PROJECT / file).read_text()
    tree = ast.parse(source)
    lines = source.splitlines()
    skipped = set(_words(tree))
    seen: Counter[str] = Counter()
    for index, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        for kind, what, change in _changes(node):
            changed = copy.deepcopy(tree)
            other = next(found for place, found in enumerate(ast.walk(changed)) if place == index)
            change(other)
            line = getattr(node, "lineno", 0)
            words = f"{what} in `{lines[line - 1].strip()}`"
            seen[words] += 1
            if seen[words] > 1:
                words = f"{words} ({seen[words]})"
            yield Mutant(file, line, kind, words, ast.unparse(changed))


def _words(tree: ast.Module) -> Iterator[int]:
    """What is text for people, a type, or an import: not changed."""
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
            parts = [node]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef):
            parts = [*node.decorator_list, *[a.annotation for a in _arguments(node) if a.annotation]]
            parts += [node.returns] if node.returns else []
        elif isinstance(node, ast.ClassDef):
            parts = list(node.decorator_list)
        elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or isinstance(
            node, ast.Raise
        ):
            parts = [node]
        for part in parts:
            yield from (id(inner) for inner in ast.walk(part))


def _arguments(node: ast.FunctionDef) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _changes(node: ast.AST) -> Iterator[tuple[str, str, Change]]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                yield "comparison", f"{_sign(operator)} to {_sign(other())}", _compare(place, other)
    elif isinstance(node, ast.BoolOp):
        other_bool = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield "boolean", f"{_sign(node.op)} to {_sign(other_bool())}", _operator(other_bool)
    elif isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
        other_sign = SIGNS[type(node.op)]
        yield "sign", f"{_sign(node.op)} to {_sign(other_sign())}", _operator(other_sign)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield "sign", f"without {_sign(node.op)}", _without
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield "name", f"{node.id} to {NAMES[node.id]}", _named(NAMES[node.id])
    elif isinstance(node, ast.Constant):
        yield from _constants(node.value)


def _constants(value: object) -> Iterator[tuple[str, str, Change]]:
    if isinstance(value, bool):
        yield "constant", f"{value} to {not value}", _valued(not value)
    elif isinstance(value, int):
        yield "constant", f"{value} to {value + 1}", _valued(value + 1)
    elif isinstance(value, str):
        with contextlib.suppress(InvalidOperation):
            number = Decimal(value)
            if number.is_finite():
                step = Decimal(1).scaleb(int(number.as_tuple().exponent))
                for other in (number + step, number - step):
                    yield "constant", f"'{value}' to '{other}'", _valued(str(other))


def _sign(node: ast.AST) -> str:
    return type(node).__name__


def _compare(place: int, other: type[ast.cmpop]) -> Change:
    def change(node: ast.Compare) -> None:
        node.ops[place] = other()

    return change


def _operator(other: type[ast.AST]) -> Change:
    def change(node: ast.BinOp) -> None:
        node.op = other()

    return change


def _without(node: ast.UnaryOp) -> None:
    node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
    if isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)


def _named(other: str) -> Change:
    def change(node: ast.Name) -> None:
        node.id = other

    return change


def _valued(other: object) -> Change:
    def change(node: ast.Constant) -> None:
        node.value = other

    return change


# -- running ------------------------------------------------------------------------------------


def tests_of(file: str) -> list[str]:
    """The test files of the core, those of the module first: most changes are noticed there."""
    stem = Path(file).stem
    own = stem.split("_")[0]
    files = sorted((PROJECT / TESTS).glob("test_*.py"), key=lambda path: (own not in path.stem, path.name))
    return [str(path.relative_to(PROJECT)) for path in files]


def noticed(mutant: Mutant) -> bool:
    """Whether the tests of the core fail on the change. Runs in a child that has nothing of the product loaded."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.alarm(PATIENCE_S)
        os._exit(_try(mutant))
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return status != 0


def _try(mutant: Mutant) -> int:
    install(mutant.file, mutant.source)
    silent = io.StringIO()
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        arguments = ["-q", "-x", "--noconftest", "-p", "tests.core.conftest", "-p", "no:cacheprovider"]
        arguments += ["-p", "no:django", "-p", "no:xdist", "-p", "no:timeout", "-o", "addopts="]
        arguments += ["-o", "timeout=0", "-W", "ignore"]
        return int(pytest.main([*arguments, *tests_of(mutant.file)]))


def _fingerprint() -> str:
    """Of everything that decides whether a change is noticed, besides the change itself."""
    files = sorted([*(PROJECT / "trading/core").glob("**/*.py"), *(PROJECT / TESTS).glob("*.py")])
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.name.encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def ask(mutant: Mutant, kept: Path) -> bool:
    """``noticed``, remembered."""
    key = hashlib.sha256((mutant.file + mutant.source).encode()).hexdigest()
    place = kept / key
    if not place.exists():
        place.write_text(json.dumps(noticed(mutant)))
    return bool(json.loads(place.read_text()))


def part(all_of_them: list[Mutant], number: int, jobs: int, kept: Path) -> None:
    """Ask every ``jobs``-th change, and say how far it is."""
    started = time.monotonic()
    mine = all_of_them[number::jobs]
    for done, mutant in enumerate(mine, start=1):
        ask(mutant, kept)
        if number == 0:
            left = (time.monotonic() - started) / done * (len(mine) - done)
            sys.stderr.write(f"\r{100 * done // len(mine):3} %, {left / 60:.0f} min left ")


def run(files: list[str], jobs: int) -> list[tuple[Mutant, bool]]:
    """Every change of the files, and whether it was noticed."""
    for file in files:
        if noticed(Mutant(file, 0, "", "", (PROJECT / file).read_text())):
            raise SystemExit(
                f"the tests of the core fail on {file} as it is; nothing can be told from changes"
            )
    kept = KEPT / _fingerprint()[:16]
    kept.mkdir(parents=True, exist_ok=True)
    all_of_them = [mutant for file in files for mutant in mutants(file)]
    children = []
    for number in range(jobs):
        child = os.fork()
        if child == 0:
            part(all_of_them, number, jobs, kept)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return [(mutant, ask(mutant, kept)) for mutant in all_of_them]


def report(found: list[tuple[Mutant, bool]]) -> tuple[str, bool]:
    """The table in Markdown, and whether enough was noticed."""
    rows, good = [], True
    counted = [(mutant, hit) for mutant, hit in found if hit or mutant.name not in EQUIVALENT]
    for kind in sorted({mutant.kind for mutant, _ in counted}):
        hits = [hit for mutant, hit in counted if mutant.kind == kind]
        rows.append(f"| {kind} | {len(hits)} | {sum(hits)} | {100 * sum(hits) / len(hits):.1f} % |")
        good &= kind not in STRICT or all(hits)
    share = sum(hit for _, hit in counted) / len(counted)
    good &= share >= ENOUGH
    lines = ["| kind | changes | noticed | share |", "|---|---|---|---|", *rows]
    lines.append(f"| all | {len(counted)} | {sum(hit for _, hit in counted)} | {100 * share:.1f} % |")
    alive = [mutant for mutant, hit in counted if not hit]
    lines += ["", f"Not noticed: {len(alive)}.", *[f"- {m.file}:{m.line} {m.kind}, {m.what}" for m in alive]]
    equal = [mutant for mutant, hit in found if not hit and mutant.name in EQUIVALENT]
    lines += ["", f"Equivalent, counted nowhere: {len(equal)}."]
    lines += [f"- {mutant.name}: {EQUIVALENT[mutant.name]}" for mutant in equal]
    return "\n".join(lines) + "\n", good


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof.mutate", description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", help="a module of the guard; all of them when left out")
    parser.add_argument("--report", type=Path, help="write the table there as well")
    options = parser.parse_args()
    os.chdir(PROJECT)
    text, good = report(run(options.only or list(GUARD), options.jobs))
    sys.stdout.write(f"\n{text}")
    if options.report:
        options.report.write_text(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
