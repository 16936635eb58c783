"""What can be done to a function. Each operation finds its place by what the place is about.

`about` is symbols (a function, a class), members of an enum (the code of an error), names, and expressions as text
("signed.kid"). A symbol is found under the name that the changed function has for it: to rename it, or to import it
under another name, changes no mutant.
"""

from __future__ import annotations

import ast
import copy
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from typing import Any

from tests.mutants.engine import Operation, Replaced

Globals = Mapping[str, Any]

_STATEMENTS = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.Raise, ast.Return)


def unchecked(*about: Any) -> Operation:
    """The check is not made: the `if` whose condition and body are about this is never taken."""

    def found(node: Any, names: Globals) -> bool:
        return isinstance(node, ast.If) and _is_about([node.test, *node.body], about, names)

    def change(node: ast.If) -> ast.AST:
        return ast.If(ast.Constant(value=False), node.body, node.orelse)

    return Operation(f"unchecked{about}", found, change)


def forced(value: bool, *about: Any) -> Operation:
    """The condition about this always has this value: a comparison, a part of `and`, `or`, `not`, or a whole test."""

    def found(node: Any, names: Globals) -> bool:
        return _is_condition(node) and _is_about([node], about, names)

    return Operation(f"forced{(value, *about)}", found, lambda _: ast.Constant(value=value))


def dropped(*about: Any) -> Operation:
    """The statement about this is not there: a call, an assignment, a deletion, a return or a raise."""
    return replace(instead("pass", *about), what=f"dropped{about}")


def instead(statements: str, *about: Any) -> Operation:
    """Other statements stand in the place of the simple one about this. `...` among them is what stood there."""
    new = ast.parse(textwrap.dedent(statements)).body

    def found(node: Any, names: Globals) -> bool:
        return isinstance(node, _STATEMENTS) and _is_about([node], about, names)

    def change(node: ast.stmt) -> list[ast.stmt]:
        return [node if _is_dots(getattr(each, "value", None)) else each for each in new]

    return Operation(f"instead{(statements, *about)}", found, change)


def called(function: Any, instead: str) -> Operation:
    """Where the function calls this, another expression stands; in it `_0`, `_1`... are the call's arguments."""

    def found(node: Any, names: Globals) -> bool:
        return isinstance(node, ast.Call) and _is(node.func, function, names)

    def change(node: ast.Call) -> ast.AST:
        arguments = {f"_{place}": argument for place, argument in enumerate(node.args)}
        return _filled(instead, arguments)

    return Operation(f"called{(function, instead)}", found, change)


def rewritten(old: str, new: str) -> Operation:
    """An expression or a statement, as Python, becomes another. They are compared as syntax, and `...` is anything."""
    wanted = _parsed(old)

    def change(node: ast.AST) -> ast.AST:
        put: ast.AST = _parsed(new)
        return ast.Expr(put) if isinstance(node, ast.stmt) and isinstance(put, ast.expr) else put

    return Operation(f"rewritten({old!r})", lambda node, _: _same(node, wanted), change)


def matching(old: str, new: str) -> Operation:
    """A `case` takes another pattern."""

    def pattern(text: str) -> ast.AST:
        return _parsed(f"match _:\n    case {text}: pass").cases[0].pattern  # type: ignore[no-any-return]

    wanted = pattern(old)
    return Operation(f"matching({old!r})", lambda node, _: _same(node, wanted), lambda _: pattern(new))


def returning(value: str) -> Operation:
    """The function does nothing and returns this."""

    def found(node: Any, _: Globals) -> bool:
        return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not hasattr(node, "parent")

    def change(node: Any) -> ast.AST:
        node.body = [ast.Return(_parsed(value))]
        return node  # type: ignore[no-any-return]

    return Operation(f"returning({value!r})", found, change)


def _is_condition(node: Any) -> bool:
    if isinstance(node, ast.Compare):
        return True
    match getattr(node, "parent", None):
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            return isinstance(node, ast.expr)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
            return node is test
        case ast.comprehension(ifs=tests):
            return any(node is each for each in tests)
        case ast.match_case(guard=guard):
            return node is guard
        case _:
            return False


def _is_about(nodes: Iterable[ast.AST], about: Iterable[Any], names: Globals) -> bool:
    inside = [each for node in nodes for each in ast.walk(node)]
    return all(any(_is(each, thing, names) for each in inside) for thing in about)


def _is(node: ast.AST, thing: Any, names: Globals) -> bool:
    """Whether this node is the thing's name, or its last part."""
    if isinstance(thing, Enum):
        return _same(node, _wanted(f"{type(thing).__name__}.{thing.name}"))
    if isinstance(thing, str):
        return _name_of(node) == thing or _same(node, _wanted(thing))
    if "." in thing.__qualname__:  # a method: only what comes behind a dot is it
        return isinstance(node, ast.Attribute) and node.attr == thing.__name__
    return _name_of(node) in {thing.__name__, *(name for name, value in names.items() if value is thing)}


def _name_of(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=name):
            return name
        case _:
            return None


def _same(node: Any, wanted: Any) -> bool:
    """Whether two trees are the same program; `...` in the wanted one is any expression, or alone all of a list."""
    if _is_dots(wanted):
        return isinstance(node, ast.expr)
    if isinstance(wanted, list):
        if len(wanted) == 1 and (_is_dots(wanted[0]) or _is_dots(getattr(wanted[0], "value", None))):
            return isinstance(node, list)
        return isinstance(node, list) and len(node) == len(wanted) and all(map(_same, node, wanted))
    if not isinstance(wanted, ast.AST):
        return type(node) is type(wanted) and node == wanted
    return type(node) is type(wanted) and all(
        _same(getattr(node, field, None), getattr(wanted, field, None))
        for field in wanted._fields
        if field not in {"ctx", "kind", "type_comment"}
    )


def _is_dots(node: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _parsed(text: str) -> Any:
    """An expression, or else a statement."""
    body = ast.parse(textwrap.dedent(text)).body
    assert len(body) == 1, f"{text!r} is not one expression or statement"
    return body[0].value if isinstance(body[0], ast.Expr) else body[0]


@lru_cache
def _wanted(text: str) -> ast.AST:
    return _parsed(text)  # type: ignore[no-any-return]


def _filled(text: str, arguments: Mapping[str, ast.expr]) -> Any:
    """An expression with arguments in the places of their names."""

    def argument(node: Any) -> Any:
        return copy.deepcopy(arguments.get(node.id)) if isinstance(node, ast.Name) else None

    return Replaced(argument).visit(_parsed(text))
