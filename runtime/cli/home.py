"""The home that a command works on, and its settings. The layout of homes is runtime/process/homes.py.

Reads settings, writes nothing (`unit init` and `centre init` do).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from runtime.bounded import read_bounded
from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput, NoHome
from runtime.kafka.addresses import SERVERS_WORDS, servers_fault
from runtime.process.homes import CentreHome, Home, UnitHome
from runtime.process.settings_text import MAX_SETTINGS


def chosen_home(invocation: Invocation) -> Home:
    """The directory that was named, whether or not anything is in it."""
    if invocation.home is None:
        raise NoHome("no home given", hint="say --home DIR, or set CONTRADA_HOME")
    return Home(invocation.home.absolute())


def unit_home(invocation: Invocation) -> UnitHome:
    """The home of a unit."""
    home = chosen_home(invocation)
    if not home.is_unit:
        raise _not_a_home(home, "unit", other="centre" if home.is_centre else None)
    return UnitHome(home.path)


def centre_home(invocation: Invocation) -> CentreHome:
    """The home of a centre."""
    home = chosen_home(invocation)
    if not home.is_centre:
        raise _not_a_home(home, "centre", other="unit" if home.is_unit else None)
    return CentreHome(home.path)


def _not_a_home(home: Home, wanted: str, *, other: str | None) -> NoHome:
    if other is not None:
        return NoHome(
            f"{home.path} is a {other}'s home, and this needs a {wanted}'s", hint="name the other with --home"
        )
    if home.path.exists() and not home.path.is_dir():
        return NoHome(f"{home.path} is a file, and a home is a directory", hint="name another with --home")
    return NoHome(
        f"{home.path} is not a {wanted}'s home",
        hint=f"make one with 'contrada --home {home.path} {wanted} init', or name another with --home",
    )


def read_settings(path: Path) -> dict[str, Any]:
    """A home's settings file."""
    try:
        return tomllib.loads(read_bounded(path, MAX_SETTINGS, what="a settings file").decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise BadInput(f"{path} is not a TOML file", hint="restore it, or make the home again") from None


def bootstrap(invocation: Invocation, home: Home) -> str:
    """Kafka's bootstrap servers: what the command line says, or else the home."""
    if invocation.kafka:
        return invocation.kafka
    kind = CentreHome if home.is_centre else UnitHome
    path = kind(home.path).settings
    found = read_settings(path).get("kafka") if path.exists() else None
    if isinstance(found, dict):
        found = found.get("bootstrap")
    if not isinstance(found, str) or not found:
        raise NoHome("no Kafka named", hint="say --kafka HOST:PORT, or set CONTRADA_KAFKA")
    fault = servers_fault(found)
    if fault is not None:
        raise BadInput(f"'kafka' in {path}: {fault}", hint=f"write {SERVERS_WORDS}")
    return found
