"""What other parts of this installation add to the command line, by entry points of our own distribution.

So `clients` offers commands of `broker` without importing it. Owns finding them; nobody else's
distribution is asked. Rule: only what needs an added part pays for the look-up, about 25 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.cli.errors import NotInstalled

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS = "contrada.commands"
"""Commands below the root, by their names."""

TRACES = "contrada.traces"
"""Who knows the way of a message besides a unit's daemon: functions of an invocation and a message's id."""


def added(group: str) -> dict[str, EntryPoint]:
    """What was added to this group, by name. Nothing where the sources run without being installed."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415 - 25 ms, rarely needed

    try:
        entries = distribution("contrada").entry_points.select(group=group)
    except PackageNotFoundError:
        return {}
    return {entry.name: entry for entry in entries}


def load_added(group: str, name: str) -> Any:
    """One of them, imported; `NotInstalled` if it is not there."""
    entry = added(group).get(name)
    if entry is None:
        raise NotInstalled(f"this installation has no {name} for this", hint="install contrada again, whole")
    return entry.load()
