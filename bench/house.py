"""The figures of the house: sizes, directions of imports, annotations, tests to code.

``make house`` prints them; ``tests/test_conventions.py`` holds the maxima with the same functions.
"Code lines" leave out blank lines, comments and docstrings; a function's size counts from the first line
after its docstring.
"""

import ast
import io
import statistics
import subprocess
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("crpbot_site", "notifications", "trading", "ml")
MAX_FUNCTION = 60
MAX_MODULE = 400
_EMPTY_TOKENS = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: its path from the root, its dotted name and its syntax tree."""

    path: str
    name: str
    text: str
    tree: ast.Module

    @property
    def code_lines(self) -> int:
        """Lines that hold code."""
        return code_lines(self.text, self.tree)

    @property
    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones included."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


def project_files() -> list[str]:
    """Every file that git tracks or would track, as a path from the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in listed.splitlines() if (ROOT / path).is_file())


@cache
def modules(*rooms: str) -> tuple[Module, ...]:
    """The Python files below `rooms`, migrations left out: those are written by a command."""
    found = [path for path in project_files() if path.endswith(".py") and "/migrations/" not in path]
    return tuple(_module(path) for path in found if path.split("/")[0] in rooms)


def _module(path: str) -> Module:
    text = (ROOT / path).read_text(encoding="utf-8")
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return Module(path=path, name=name, text=text, tree=ast.parse(text, filename=path))


def code_lines(text: str, tree: ast.Module) -> int:
    """The number of lines in `text` that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _EMPTY_TOKENS:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, Documented) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def body(function: Function) -> list[ast.stmt]:
    """The statements of `function` without its docstring; the docstring when there is nothing else."""
    return function.body[1:] or function.body if ast.get_docstring(function) else function.body


def size(function: Function) -> int:
    """Lines from the first one after the docstring to the last."""
    return (function.end_lineno or function.lineno) - body(function)[0].lineno + 1


def is_annotated(function: Function) -> bool:
    """Whether the result and every argument but `self` and `cls` name their type."""
    spec = function.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *filter(None, (spec.vararg, spec.kwarg))]
    bare = {argument.arg for argument in named if argument.annotation is None}
    return bare <= {"self", "cls"} and function.returns is not None


def imported_names(tree: ast.AST) -> Iterator[str]:
    """The dotted name of everything that is imported anywhere in `tree`, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lazy_imports(module: Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that stand inside a function."""
    for function in module.functions:
        yield from (node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom))


def import_graph(rooms: tuple[str, ...] = ROOMS) -> dict[str, set[str]]:
    """Which module imports which module of the house, imports inside functions counted."""
    found = modules(*rooms)
    names = {module.name for module in found}
    graph: dict[str, set[str]] = {}
    for module in found:
        targets = (_nearest(name, names) for name in imported_names(module.tree))
        graph[module.name] = {target for target in targets if target and target != module.name}
    return graph


def _nearest(name: str, names: set[str]) -> str | None:
    """The module that an imported `name` lives in: itself, or the one that defines it."""
    if name in names:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in names else None


def in_cycles(graph: dict[str, set[str]]) -> set[str]:
    """The modules that import themselves through others."""
    return {start for start in graph if start in _reached_from(start, graph)}


def _reached_from(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph[name])
    return seen


def _spread(values: list[int]) -> str:
    ordered = sorted(values) or [0]
    nine_tenths = ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]
    return f"median {statistics.median(ordered):g}, p90 {nine_tenths}, longest {ordered[-1]}"


def _longest(rows: list[tuple[int, str]], count: int = 5) -> str:
    return "".join(f"\n    {lines:4d}  {name}" for lines, name in sorted(rows, reverse=True)[:count])


def report() -> str:
    """The figures as text."""
    production = modules(*ROOMS)
    tests = modules("tests")
    functions = [(size(f), f"{m.path}:{f.lineno} {f.name}") for m in production for f in m.functions]
    lengths = [(module.code_lines, module.path) for module in production]
    annotated = [is_annotated(function) for module in production for function in module.functions]
    graph = import_graph()
    code = sum(length for length, _ in lengths)
    test_code = sum(module.code_lines for module in tests)
    lazy = sum(1 for module in production for _ in lazy_imports(module))
    return "\n".join(
        [
            f"modules    {len(production)}, code lines {code}: {_spread([n for n, _ in lengths])}"
            f" (held: {MAX_MODULE}){_longest(lengths)}",
            f"functions  {len(functions)}: {_spread([n for n, _ in functions])}"
            f" (held: {MAX_FUNCTION}; aim: median 8, p90 25){_longest(functions)}",
            f"annotated  {100 * sum(annotated) / max(1, len(annotated)):.1f} % of functions (held: 100 %)",
            f"cycles     {len(in_cycles(graph))} of {len(graph)} modules (held: 0),"
            f" counting {lazy} imports inside functions",
            f"tests      {test_code} code lines, {test_code / max(1, code):.2f} to one of code (aim: 1.4)",
        ]
        + [f"  {room:12s} {_ratio(room)}" for room in ("core", "strategies", "feeds", "services")]
    )


def _ratio(room: str) -> str:
    """Test lines for each line of code in one room of `trading`."""
    code = sum(m.code_lines for m in modules("trading") if m.path.startswith(f"trading/{room}/"))
    test = sum(m.code_lines for m in modules("tests") if m.path.startswith(f"tests/{room}/"))
    return f"{test} to {code}: {test / max(1, code):.2f}"


if __name__ == "__main__":
    print(report())
