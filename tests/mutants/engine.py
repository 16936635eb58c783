"""Mutants: one function of the program, changed for a while at one place of its syntax tree.

    with mutated(Mutant(signatures.verify, unchecked(Code.E_SIG_CLASSICAL))):
        ...                                     # everybody who imported `verify` runs the mutant

A safeguard whose absence no test notices is not tested: so each has a mutant, and a test that fails on it.

Owns how a mutant is addressed, put in place and taken away again. Which mutants there are stands beside the
promises that they break. What can be changed, and how, is in tests/mutants/operations.py. Rules:
- A place is named by what it is about: a symbol, the code of an error, a sub-expression. Never by the words of a
  line: comments, layout, messages and hints may change. Expressions are compared as syntax trees.
- An operation finds exactly one place, the innermost that is about everything it names. Otherwise the mutant is
  stale and raises `StaleMutantError`: whoever changes such a place changes its mutant, and thinks of the attack.
- Only the code of a function is exchanged, so methods, generators, coroutines, closures and cached functions work.
  What caches hold is forgotten before and after.
"""

from __future__ import annotations
import __future__

import ast
import functools
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

CACHES = ("broker", "clients", "keys", "protocol", "runtime", "tests")
"""Where what a mutant computed may be remembered: in the program, and in the worlds of its tests."""

_CACHED = functools._lru_cache_wrapper
_in_place: set[FunctionType] = set()


class StaleMutantError(Exception):
    """The place of a mutant is not there, or not the only one: it must be written again."""


@dataclass(frozen=True)
class Operation:
    """One change of a syntax tree."""

    what: str
    found: Callable[[Any, dict[str, Any]], bool]
    """Whether this node, of a function with these globals, is the place. Its `parent` is the node around it."""

    change: Callable[[Any], ast.AST | list[ast.stmt]]
    """What stands there instead."""


@dataclass(frozen=True, init=False)
class Mutant:
    """A function, and what is changed in it, in this order."""

    symbol: Any
    """The function, method or property itself, or its address as "module:Qualified.name"."""

    operations: tuple[Operation, ...]

    def __init__(self, symbol: Any, *operations: Operation) -> None:
        object.__setattr__(self, "symbol", symbol)
        object.__setattr__(self, "operations", operations)


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The function is its mutant for a while; whoever imported it runs the mutant."""
    function = function_of(mutant.symbol)
    if function in _in_place:
        raise StaleMutantError(
            f"{function.__qualname__} is a mutant already: give it both operations at once"
        )
    code = _compiled(mutant, function)
    kept = function.__code__
    _in_place.add(function)
    function.__code__ = code
    _forget()
    try:
        yield
    finally:
        function.__code__ = kept
        _in_place.remove(function)
        _forget()


def function_of(symbol: Any) -> FunctionType:
    """The plain function below a symbol's decorators."""
    if isinstance(symbol, str):
        module, _, path = symbol.partition(":")
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = inspect.getattr_static(found, name)
        symbol = found
    if isinstance(symbol, property):
        symbol = symbol.fget
    symbol = inspect.unwrap(getattr(symbol, "__func__", symbol))
    if not isinstance(symbol, FunctionType):
        raise TypeError(f"{symbol!r} is no function of Python")
    return symbol


def _compiled(mutant: Mutant, function: FunctionType) -> CodeType:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef), f"{function} is no definition"
    definition.decorator_list = []
    for operation in mutant.operations:
        definition = _changed(definition, operation, function)
    # Names of an enclosing function are its variables here as well. Each is used, in a line that never runs, because
    # code with fewer of them would not fit into the function.
    names = function.__code__.co_freevars
    if names:
        uses = ast.parse(f"if False: ({', '.join(names)},)").body
        definition.body = [*uses, *definition.body]
        enclosing = ast.parse(f"def enclosing({', '.join(names)}): pass").body[0]
        enclosing.body = [definition]  # type: ignore[attr-defined]
        tree.body = [enclosing]
    else:
        tree.body = [definition]
    file = function.__code__.co_filename
    module = compile(
        ast.fix_missing_locations(tree), file, "exec", flags=__future__.annotations.compiler_flag
    )
    return next(code for code in _codes(module) if code.co_name == function.__name__)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Of the definitions in this code, the outermost first."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    yield from inner
    for each in inner:
        yield from _codes(each)


def _changed(definition: Any, operation: Operation, function: FunctionType) -> Any:
    """The definition with the operation done at its one place."""
    for node in ast.walk(definition):
        for child in ast.iter_child_nodes(node):
            child.parent = node  # type: ignore[attr-defined]
    places = [node for node in ast.walk(definition) if operation.found(node, function.__globals__)]
    innermost = [node for node in places if not any(each in below(node) for each in places)]
    if len(innermost) != 1:
        lines = [getattr(node, "lineno", 0) for node in innermost]
        where = f"{function.__module__}.{function.__qualname__}"
        raise StaleMutantError(f"{where}: {operation.what} fits {len(lines)} places, not one: {lines}")
    return Replaced(lambda node: operation.change(node) if node is innermost[0] else None).visit(definition)


def below(node: ast.AST) -> set[ast.AST]:
    """Everything inside a node. The `else` of an `if` stands beside what it decides, not inside."""
    if isinstance(node, ast.If):
        return {each for part in (node.test, *node.body) for each in ast.walk(part)}
    return set(ast.walk(node)) - {node}


class Replaced(ast.NodeTransformer):
    """A tree in which other nodes stand in the place of some."""

    def __init__(self, instead: Callable[[Any], Any]) -> None:
        self._instead = instead

    def visit(self, node: ast.AST) -> Any:
        """What stands in the place of this node."""
        new = self._instead(node)
        return self.generic_visit(node) if new is None else new


def _forget() -> None:
    """What a mutant computed must not be remembered by the original, nor the other way round."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in CACHES:
            for thing in list(vars(module).values()):
                if isinstance(thing, _CACHED):
                    thing.cache_clear()
