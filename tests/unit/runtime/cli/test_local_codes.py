"""Every code that a person can meet is explained, and ends in one exit code."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import broker
import clients
import keys
import protocol
import runtime
from protocol.errors import Code, ContradaError, Rejected
from runtime.cli.errors import DaemonProblem
from runtime.cli.exits import of_code
from runtime.cli.local_codes import LOCAL_CODES
from tests.cli.terminal import contrada
from tests.docs.pages import own_sources

PRODUCT = (broker, clients, keys, protocol, runtime)


def classes(root: type[ContradaError] = ContradaError) -> Iterator[type[ContradaError]]:
    """Every error class of every package, also those of one module alone."""
    for package in PRODUCT:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    waiting = [root]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += found.__subclasses__()


ALL = sorted({*classes()}, key=lambda kind: (kind.code, kind.__qualname__))


def test_every_class_of_error_has_its_code_explained() -> None:
    """And nothing is explained that no program says."""
    spelled = {
        node.value
        for path in own_sources()
        if path.suffix == ".py" and path.name not in ("local_codes.py", "exits.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"E_[A-Z_]+", node.value)
    } - set(Code)

    assert len(ALL) > 40
    assert {kind.__qualname__: kind.code for kind in ALL if kind.code not in {*Code, *LOCAL_CODES}} == {}
    assert spelled - LOCAL_CODES.keys() == set()
    assert LOCAL_CODES.keys() - spelled == set()
    assert LOCAL_CODES.keys() & set(Code) == set()


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__qualname__)
def test_a_code_ends_in_the_exit_code_that_is_told(kind: type[ContradaError]) -> None:
    """What `errors show` says is what happens."""
    if kind not in (Rejected, DaemonProblem):
        assert getattr(kind, "exit", of_code(kind.code)) is of_code(kind.code)


@pytest.mark.parametrize("code", LOCAL_CODES)
def test_each_is_one_sentence_and_something_to_do(code: str) -> None:
    """In the form of all messages: lower case, no period; and it can be looked up in any writing."""
    for text in LOCAL_CODES[code]:
        assert text and not text.endswith(".") and "\n" not in text
    seen = contrada("errors", "show", code.removeprefix("E_").lower())
    assert (seen.exit, seen.err) == (0, "")
    assert LOCAL_CODES[code].means in seen.out and LOCAL_CODES[code].hint in seen.out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("E_HEADER_LAKS", "E_HEADER_LAX"), ("deamon", "E_DAEMON"), ("E_KEYFILE_MISING", "E_KEYFILE_MISSING")],
)
def test_a_slip_is_told_the_code_that_was_meant(typed: str, meant: str) -> None:
    """The nearest one first; and never the one that was typed."""
    seen = contrada("errors", "show", typed)
    assert seen.exit == 5
    assert f"did you mean {meant}" in seen.err
