"""The house as its imports build it: packages as floors, folders as rooms, and which room imports which.

Owns reading the imports from the sources, by their syntax, and the order in which rooms are listed. A room is a folder of
modules, down to the third level; a package's own modules are the room that has the package's name. Draws nothing.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.docs.pages import ROOT

FLOORS = (("broker", "clients"), ("runtime",), ("keys",), ("protocol",))
PACKAGES = tuple(package for floor in FLOORS for package in floor)
DEPTH = 3
LONGEST = 92

Imports = Counter[tuple[str, str]]


@cache
def read_imports(root: Path = ROOT) -> Imports:
    """How many names each room imports from each other room. Read once: do not change it."""
    found: Imports = Counter()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            here = room_of(root, _module(root, path))
            for target in _targets(root, ast.parse(path.read_text(encoding="utf-8"))):
                there = room_of(root, target)
                if here != there:
                    found[here, there] += 1
    return found


@cache
def read_rooms(root: Path = ROOT) -> dict[str, str]:
    """Every folder of modules, with the first sentence of what its `__init__` says that it is. Read once: do not change it."""
    rooms: dict[str, str] = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            room = room_of(root, _module(root, path))
            if path.name != "__init__.py":
                rooms.setdefault(room, "")
            elif room == _module(root, path):
                rooms[room] = _sentence(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    own = {
        room_of(root, _module(root, path))
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    return {room: says for room, says in rooms.items() if room in own}


def _sentence(text: str) -> str:
    sentence = text.partition("\n")[0].partition(". ")[0].rstrip(".")
    return sentence if len(sentence) <= LONGEST else sentence.partition(":")[0]


def room_of(root: Path, module: str) -> str:
    """The room in which a module stands."""
    parts = module.split(".")
    if not root.joinpath(*parts).is_dir():
        parts = parts[:-1]
    return ".".join(parts[:DEPTH])


def in_order(rooms: set[str], imports: Imports) -> list[str]:
    """Rooms of one package: who imports stands above who is imported, and what belongs together stays together."""
    groups: dict[str, set[str]] = {}
    for room in rooms:
        groups.setdefault(".".join(room.split(".")[:2]), set()).add(room)
    between: Imports = Counter()
    for (a, b), count in imports.items():
        if a in rooms and b in rooms:
            between[_group(a), _group(b)] += count
    ordered = []
    for group in _from_above(set(groups), between):
        ordered += _hall_first(_from_above(groups[group], imports), group)
    return ordered


def _group(room: str) -> str:
    return ".".join(room.split(".")[:2])


def _hall_first(rooms: list[str], group: str) -> list[str]:
    return sorted(rooms, key=lambda room: room != group)


def _from_above(rooms: set[str], imports: Imports) -> list[str]:
    """Repeatedly the room that the remaining ones import least; names decide where nothing else does."""
    left, ordered = set(rooms), []
    while left:

        def weight(room: str) -> tuple[int, int, str]:
            others = left - {room}
            used = sum(1 for other in others if imports[other, room])
            uses = sum(1 for other in others if imports[room, other])
            return used, -uses, room

        first = min(left, key=weight)
        ordered.append(first)
        left.remove(first)
    return ordered


def _module(root: Path, path: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _targets(root: Path, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in PACKAGES:
                for alias in node.names:
                    inner = root.joinpath(*module.split("."), alias.name)
                    yield (
                        f"{module}.{alias.name}"
                        if inner.is_dir() or inner.with_suffix(".py").exists()
                        else module
                    )
            case ast.Import():
                yield from (alias.name for alias in node.names if alias.name.split(".")[0] in PACKAGES)
