"""Commands that other parts of this installation add, by entry points of this distribution.

So `clients` offers commands of `broker` without importing it. Owns finding them; no other distribution is
asked. The file `entry_points.txt` of the `.dist-info` is read here and not through importlib.metadata, which
costs 25 ms of every command at the centre. Its form is a standard of packaging: sections in brackets, and
`name = module:attribute`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

COMMANDS = "contrada.commands"
"""Commands below the root, by their names."""

TRACES = "contrada.traces"
"""Sources of a message's trace besides a unit's daemon: functions of an invocation and a message's id."""


def added(group: str) -> dict[str, str]:
    """Where each thing is that was added to this group, by its name. Nothing where nothing is installed."""
    found: dict[str, str] = {}
    section = ""
    for line in _entry_points().splitlines():
        name, equals, target = line.partition("=")
        if line.startswith("["):
            section = line.strip().strip("[]")
        elif equals and section == group:
            found[name.strip()] = target.strip()
    return found


def load_added(group: str, name: str) -> Any:
    """One of them, imported; `NotInstalled` if it is not there."""
    target = added(group).get(name)
    if target is None:
        from runtime.cli.errors import NotInstalled  # noqa: PLC0415 - not needed to list what is there

        raise NotInstalled(f"this installation has no {name} for this", hint="install contrada again, whole")
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _entry_points() -> str:
    """The text of the first distribution of this name on the path, as an import would find it."""
    for place in sys.path:
        for file in Path(place).glob("contrada-*.dist-info/entry_points.txt"):
            return file.read_text(encoding="utf-8")
    return ""
