"""The rules of the house as programs: what a reviewer would otherwise have to say twice."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from bench import house
from bench.house import ROOT, Module
from crpbot_site import schedule
from crpbot_site.celery import MODULES, ROUTES

PRODUCTION = house.modules(*house.ROOMS)
EVERYTHING = house.modules(*house.ROOMS, "tests", "bench", "docker", "manage.py")
TASKS = [module for module in PRODUCTION if "tasks" in module.name.split(".")]
DOCUMENTS = [path for path in house.project_files() if path.endswith(".md")]

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
# The desk is a loop, so it is its own door: the loop reads the clock and hands `now` down.
CLOCK_DOORS = {("trading.services.desk", "run"), ("trading.services.desk", "_tick_guarded")}

# The only packages that may be imported inside a function: not everyone has them.
OPTIONAL = {"MetaTrader5", "ccxt", "confluent_kafka", "sentry_sdk"}

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)


def parsed(text: str, name: str = "trading.core.example") -> Module:
    """A module that exists in this test only."""
    return Module(path=f"{name.replace('.', '/')}.py", name=name, text=text, tree=ast.parse(text))


def below(module: Module, rooms: tuple[str, ...]) -> bool:
    return any(module.name == room or module.name.startswith(f"{room}.") for room in rooms)


def test_no_function_and_no_module_is_too_long() -> None:
    functions = [
        f"{module.path}:{function.lineno} {function.name} has {house.size(function)} lines"
        for module in PRODUCTION
        for function in module.functions
        if house.size(function) > house.MAX_FUNCTION
    ]
    assert not functions, f"at most {house.MAX_FUNCTION}: split by what it does"
    modules = [f"{m.path}: {m.code_lines}" for m in PRODUCTION if m.code_lines > house.MAX_MODULE]
    assert not modules, f"at most {house.MAX_MODULE} code lines: split by noun"


def test_sizes_leave_out_docstrings_and_comments() -> None:
    module = parsed(
        '"""Text\n\nmore text."""\n\n# why\n\n\ndef f() -> int:\n    """Text."""\n    x = 1\n\n    return x\n'
    )
    assert module.code_lines == 3
    assert [house.size(function) for function in module.functions] == [3]


def test_every_function_names_its_types() -> None:
    bare = [
        f"{m.path}:{f.lineno} {f.name}" for m in PRODUCTION for f in m.functions if not house.is_annotated(f)
    ]
    assert not bare


@pytest.mark.parametrize(
    ("text", "annotated"),
    [
        ("def f(a: int, *, b: str) -> None: ...", True),
        ("def f(self, a: int) -> None: ...", True),
        ("def f(a) -> None: ...", False),
        ("def f(a: int, *args, **kw: int) -> None: ...", False),
        ("def f(a: int): ...", False),
    ],
)
def test_what_counts_as_annotated(text: str, annotated: bool) -> None:
    assert [house.is_annotated(function) for function in parsed(text).functions] == [annotated]


def test_no_module_imports_itself_through_others() -> None:
    assert not house.in_cycles(house.import_graph())


def test_cycles_are_found_and_imports_inside_functions_count() -> None:
    assert house.in_cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {"a", "b", "c"}
    lazy = parsed("def f():\n    from trading.core import types\n")
    assert list(house.imported_names(lazy.tree)) == ["trading.core.types"]


def lazy_imports_without_excuse(module: Module) -> Iterator[str]:
    """Imports inside functions of packages that everyone has, or without a reason on their line or above."""
    lines = module.text.splitlines()
    for node in house.lazy_imports(module):
        names = (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
        optional = {name.split(".")[0] for name in names} <= OPTIONAL
        near = lines[max(0, node.lineno - 2) : node.lineno]
        if not optional or not any("#" in line for line in near):
            yield f"{module.path}:{node.lineno}"


def test_imports_inside_functions_are_optional_packages_with_a_reason() -> None:
    assert not [where for module in PRODUCTION for where in lazy_imports_without_excuse(module)]
    assert list(lazy_imports_without_excuse(parsed("def f():\n    import ccxt\n")))
    assert list(lazy_imports_without_excuse(parsed("def f():\n    # slow to load\n    import pandas\n")))
    assert not list(
        lazy_imports_without_excuse(parsed("def f():\n    # an optional extra\n    import ccxt\n"))
    )


def test_no_model_signal_has_a_receiver() -> None:
    forbidden = ("django.db.models.signals", "django.dispatch")
    assert not [
        f"{module.path}: {name}"
        for module in PRODUCTION
        for name in house.imported_names(module.tree)
        if name.startswith(forbidden)
    ]


def test_tasks_are_thin() -> None:
    assert TASKS
    for module in TASKS:
        for function in module.functions:
            where = f"{module.path}:{function.lineno} {function.name}"
            assert house.size(function) <= 10, f"{where}: move the logic to a service"
            assert not re.search(r"\bobjects\b", ast.unparse(function)), f"{where} touches the rows itself"


def named_tasks() -> dict[str, str]:
    """The module of every task by the task's name, read from the decorators."""
    return {
        keyword.value.value: module.name
        for module in TASKS
        for function in module.functions
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    }


def test_the_timetable_and_the_routes_name_real_tasks() -> None:
    tasks = named_tasks()
    assert {entry.task for entry in schedule.TABLE} <= set(tasks)
    assert {name: MODULES[queue] for name, queue in ROUTES.items()} == tasks


def clock_reads(module: Module) -> Iterator[str]:
    """Where `module` asks for the time, as `path:line name`."""
    doors = [function for function in module.functions if (module.name, function.name) in CLOCK_DOORS]
    allowed = {id(node) for door in doors for node in ast.walk(door)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and id(node) not in allowed:
            name = ".".join(ast.unparse(node).split(".")[-2:])
            if name in CLOCK_READS:
                yield f"{module.path}:{node.lineno} {name}"


def test_the_time_is_told_never_looked_up() -> None:
    told = [module for module in PRODUCTION if below(module, TIMELESS) or module.name in TIMELESS_MODULES]
    assert not [where for module in told for where in clock_reads(module)]
    read = parsed("import datetime\n\ndef f() -> None:\n    datetime.datetime.now(datetime.UTC)\n")
    assert list(clock_reads(read)) == ["trading/core/example.py:4 datetime.now"]


def test_the_core_stands_on_the_standard_library_and_numpy() -> None:
    allowed = {*sys.stdlib_module_names, "numpy"}
    assert not [
        f"{module.path}: {name}"
        for module in PRODUCTION
        if below(module, ("trading.core",))
        for name in house.imported_names(module.tree)
        if name.split(".")[0] not in allowed and not name.startswith("trading.core.")
    ]


def test_nothing_is_left_for_later() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
    pattern = re.compile(rf"\b(?:{'|'.join(words)})\b")
    assert not [module.path for module in EVERYTHING if pattern.search(module.text)]


def anchors(document: Path) -> set[str]:
    """The names that links into `document` may use: its headings in the manner of GitHub."""
    headings = HEADING.findall(document.read_text(encoding="utf-8"))
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {words.replace(" ", "-") for words in kept}


def test_the_documents_that_code_names_have_the_heading() -> None:
    named = re.compile(r"docs/(\w+\.md)#([\w-]+)")
    for module in PRODUCTION:
        for document, anchor in named.findall(module.text):
            assert anchor in anchors(ROOT / "docs" / document), f"{module.path} names {document}#{anchor}"


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


def test_what_the_documents_tell_to_type_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## .+\.$", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    assert targets == set(phony.group(1).split()), "every target says in one sentence what it does"
    for path in DOCUMENTS:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets, path
        assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands()), path
