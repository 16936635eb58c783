"""The measures of the house: what a stranger meets in every room of the program.

Names, sizes, and where tests stand. Each list of exceptions is exact: a new one fails, and so does one that is not
needed any more, so that they only shrink.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("broker", "clients", "keys", "protocol", "runtime")
MODULES = sorted(path for each in PRODUCT for path in (ROOT / each).rglob("*.py"))

UNIT_TESTS = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))

MOST_MODULES, MOST_LINES, LONGEST_FUNCTION = 20, 300, 40

INTERFACES: dict[str, str] = {
    "main": "what the package runs as a program (`python -m`)",
    "start": "what `python -m` does before it imports the rest",
}
"""Names that several rooms have because each implements the same thing."""

WHOLE = {
    "broker/router/test_limits.py": "what the router writes, read by the programs that follow it",
    "clients/daemon/ledger/test_following.py": "whole units",
    "clients/daemon/sending/test_young_directory.py": "whole units",
    "deploy/test_locks.py": "files, not modules",
    "deploy/test_systemd.py": "files, not modules",
    "runtime/cli/test_process_exits.py": "whole processes",
}
"""Tests that import nothing of the folder whose name their own has, and what they test instead."""


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def public_names() -> Iterator[tuple[str, str]]:
    """Classes and functions of every module, by name, with the module."""
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if (
                isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name[0] != "_"
            ):
                yield node.name, place(path)


def functions() -> Iterator[tuple[str, int]]:
    """Every function and method, and how many lines it has from `def` to its end."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{place(path)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_folder_is_crowded() -> None:
    """Twenty modules are what a reader takes in at one look."""
    counted: defaultdict[str, int] = defaultdict(int)
    for path in MODULES:
        if path.name != "__init__.py":
            counted[place(path.parent)] += 1
    assert {folder: count for folder, count in counted.items() if count > MOST_MODULES} == {}


def test_no_file_is_long() -> None:
    assert {place(path) for path in MODULES if len(path.read_text().splitlines()) > MOST_LINES} == set()


def test_no_function_is_long() -> None:
    assert {name for name, lines in functions() if lines > LONGEST_FUNCTION} == set()


def test_a_name_means_one_thing() -> None:
    """No public class or function is called as another is in another module."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, module in public_names():
        found[name].add(module)
    twice = {name: modules for name, modules in found.items() if len(modules) > 1}
    assert INTERFACES.keys() - twice.keys() == set(), "implemented once: take it off the list"
    assert {n: sorted(m) for n, m in twice.items() if n not in INTERFACES} == {}


WRITERS: dict[str, str] = {
    "clients/cli/unit_status.py": "into a folder that gets its name when it is complete",
    "clients/demo/processes.py": "a log, which grows",
}
"""Modules that write into a file by its name, and why a part of it is no trouble there."""


def _writes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    modes = [
        each.value
        for each in (*node.args, *(word.value for word in node.keywords if word.arg == "mode"))
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    opens = name in ("open", "fdopen") and any(re.fullmatch("[rwaxbt+]{1,3}", mode) for mode in modes)
    writing = opens and any(set(mode) & set("wax+") for mode in modes)
    return name in ("write_text", "write_bytes", "copyfile", "copy2") or writing


def test_no_file_is_written_by_its_name() -> None:
    """What is interrupted half-way would lie there as if it were the whole: runtime/files.py writes it beside."""
    found = {
        place(path)
        for path in MODULES
        if any(_writes(node) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert found == WRITERS.keys()


@pytest.mark.parametrize("room", PRODUCT)
def test_tests_mirror_the_program(room: str) -> None:
    """Whoever looks for the tests of a folder finds them in the folder of the same name, and no others there."""
    folders = {path.parent.relative_to(ROOT / "tests" / "unit") for path in UNIT_TESTS}
    here = {folder.as_posix() for folder in folders if folder.parts[:1] == (room,)}
    assert {folder for folder in here if not (ROOT / folder).is_dir()} == set()


@pytest.mark.parametrize(
    "test", [path for path in UNIT_TESTS if path.parent.name != "unit"], ids=lambda path: place(path)[11:]
)
def test_a_test_stands_beside_what_it_tests(test: Path) -> None:
    """It imports something of the folder whose name its own folder has, or of what tests there share."""
    path = test.relative_to(ROOT / "tests" / "unit")
    package = path.parent.as_posix().replace("/", ".")
    imported = {
        name
        for node in ast.walk(ast.parse(test.read_text()))
        for name in (
            [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
            if isinstance(node, ast.ImportFrom) and node.module
            else [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    beside = f"tests.unit.{package}"
    found = any(
        name == each or name.startswith(f"{each}.") for name in imported for each in (package, beside)
    )
    assert found != (path.as_posix() in WHOLE)
