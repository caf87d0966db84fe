"""The rules of the house as programs: what a reviewer would otherwise have to say twice."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import house
from bench.house import ROOT, Function, Module

PRODUCTION = house.modules(*house.ROOMS)
EVERY_PYTHON = house.modules(*house.ROOMS, "tests", "bench", "docker", "manage.py")
DOCUMENTS = [path for path in house.project_files() if path.endswith(".md")]
TASKS = [m for m in PRODUCTION if "tasks" in m.name.split(".")]

# Rooms that are told the time. What is told can be replayed; what looks at the clock cannot.
TIMELESS = ("trading.core", "trading.strategies", "trading.backtest", "trading.services", "ml")
TIMELESS_MODULES = ("trading.selectors", "trading.candle_store")
CLOCK_READS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "timezone.now",
    "timezone.localtime",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
}
# The desk is a loop, so it is its own door: its `run` reads the clock and hands `now` down.
CLOCK_DOORS = {("trading.services.desk", "run")}

# The only packages that may be imported inside a function: not everyone has them.
OPTIONAL = {"MetaTrader5", "ccxt", "confluent_kafka", "sentry_sdk"}

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)


def by_path(modules: tuple[Module, ...] | list[Module]) -> list[object]:
    return [pytest.param(module, id=module.path) for module in modules]


def lines_of(module: Module, functions: Iterator[Function]) -> list[str]:
    return [f"{module.path}:{f.lineno} {f.name}" for f in functions]


@pytest.mark.parametrize("module", by_path(PRODUCTION))
def test_functions_and_modules_stay_short(module: Module) -> None:
    long = (f for f in module.functions if house.size(f) > house.MAX_FUNCTION)
    assert not lines_of(module, long), f"longer than {house.MAX_FUNCTION} lines: split by what it does"
    assert module.code_lines <= house.MAX_MODULE, (
        f"{module.path} has {module.code_lines} code lines: split by noun"
    )


@pytest.mark.parametrize("module", by_path(PRODUCTION))
def test_every_function_names_its_types(module: Module) -> None:
    assert not lines_of(module, (f for f in module.functions if not house.is_annotated(f)))


def test_no_module_imports_itself_through_others() -> None:
    assert not house.in_cycles(house.import_graph())


def test_the_graph_counts_imports_inside_functions() -> None:
    assert house.in_cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {"a", "b", "c"}
    lazy = ast.parse("def f():\n    from trading.core import types\n")
    assert "trading.core.types" in set(house.imported_names(lazy))


@pytest.mark.parametrize("module", by_path(PRODUCTION))
def test_imports_inside_functions_are_optional_packages_with_a_reason(module: Module) -> None:
    lines = module.text.splitlines()
    for node in house.lazy_imports(module):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        assert {name.split(".")[0] for name in names} <= OPTIONAL, f"{module.path}:{node.lineno}"
        near = lines[max(0, node.lineno - 2) : node.lineno]
        assert any("#" in line for line in near), f"{module.path}:{node.lineno} gives no reason"


@pytest.mark.parametrize("module", by_path(PRODUCTION))
def test_no_model_signal_has_a_receiver(module: Module) -> None:
    forbidden = ("django.db.models.signals", "django.dispatch")
    assert not [name for name in house.imported_names(module.tree) if name.startswith(forbidden)]


@pytest.mark.parametrize("module", by_path(TASKS))
def test_tasks_stay_thin(module: Module) -> None:
    for function in module.functions:
        where = f"{module.path}:{function.lineno} {function.name}"
        assert house.size(function) <= 10, f"{where}: move the logic to a service"
        assert not re.search(r"\bobjects\b", ast.unparse(function)), f"{where} touches the rows itself"


def clock_reads(module: Module) -> Iterator[str]:
    """Where `module` asks for the time, as `path:line name`."""
    doors = [f for f in module.functions if (module.name, f.name) in CLOCK_DOORS]
    allowed = {id(node) for door in doors for node in ast.walk(door)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and id(node) not in allowed:
            name = ".".join(ast.unparse(node).split(".")[-2:])
            if name in CLOCK_READS:
                yield f"{module.path}:{node.lineno} {name}"


def is_timeless(module: Module) -> bool:
    return module.name in TIMELESS_MODULES or any(
        module.name == room or module.name.startswith(f"{room}.") for room in TIMELESS
    )


@pytest.mark.parametrize("module", by_path([m for m in PRODUCTION if is_timeless(m)]))
def test_the_time_is_told_never_looked_up(module: Module) -> None:
    assert not list(clock_reads(module))


def test_a_clock_read_is_found() -> None:
    tree = ast.parse("import datetime\n\ndef f() -> None:\n    datetime.datetime.now(datetime.UTC)\n")
    module = Module(path="trading/core/x.py", name="trading.core.x", text="", tree=tree)
    assert list(clock_reads(module)) == ["trading/core/x.py:4 datetime.now"]


@pytest.mark.parametrize("module", by_path([m for m in PRODUCTION if m.name.startswith("trading.core")]))
def test_the_core_stands_on_the_standard_library_and_numpy(module: Module) -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy"}
    outside = [n for n in house.imported_names(module.tree) if n.split(".")[0] not in allowed]
    assert not [name for name in outside if not name.startswith("trading.core.")]


@pytest.mark.parametrize("module", by_path(EVERY_PYTHON))
def test_nothing_is_left_for_later(module: Module) -> None:
    words = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")
    assert not re.findall(rf"\b(?:{'|'.join(words)})\b", module.text)


def anchors(document: Path) -> set[str]:
    """The names that links into `document` may use: its headings in the manner of GitHub."""
    headings = HEADING.findall(document.read_text(encoding="utf-8"))
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {words.replace(" ", "-") for words in kept}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links_between_documents_lead_somewhere(path: str) -> None:
    document = ROOT / path
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        aim = (document.parent / name).resolve() if name else document
        assert aim.exists(), f"{path} links to {target}, which is not there"
        if anchor and aim.suffix == ".md":
            assert anchor in anchors(aim), f"{path} links to {target}, which has no such heading"


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)\]?", changelog, re.MULTILINE)
    assert versions
    assert versions == sorted(versions, key=lambda v: [int(n) for n in v.split(".")], reverse=True)
