"""The home directory of a unit or of the centre: where it is, and what stands where in it.

    unit.toml | centre.toml   settings        root.cbor       the pinned root
    keys/                     sealed keys     directory.log   the replica of the directory
    state.sqlite              the daemon's    run/api.sock    the daemon's local HTTP surface

Owns the paths and the reading of settings. Writes nothing (`unit init` and `centre init` do).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput, NoHome

UNIT_FILE = "unit.toml"
CENTRE_FILE = "centre.toml"


@dataclass(frozen=True, slots=True)
class Home:
    """A directory, and the places in it."""

    path: Path

    @property
    def unit_file(self) -> Path:
        """A unit's settings."""
        return self.path / UNIT_FILE

    @property
    def centre_file(self) -> Path:
        """The centre's settings."""
        return self.path / CENTRE_FILE

    @property
    def root_file(self) -> Path:
        """The pinned root."""
        return self.path / "root.cbor"

    @property
    def keys(self) -> Path:
        """The sealed private keys."""
        return self.path / "keys"

    @property
    def replica(self) -> Path:
        """The statements of the directory, as far as this home has read them."""
        return self.path / "directory.log"

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self.path / "run" / "api.sock"

    @property
    def is_unit(self) -> bool:
        """Whether a unit lives here."""
        return self.unit_file.exists()

    @property
    def is_centre(self) -> bool:
        """Whether a centre lives here."""
        return self.centre_file.exists()


def chosen_home(invocation: Invocation) -> Home:
    """The directory that was named, whether or not anything is in it."""
    if invocation.home is None:
        raise NoHome("no home given", hint="say --home DIR, or set CONTRADA_HOME")
    return Home(invocation.home.absolute())


def unit_home(invocation: Invocation) -> Home:
    """The home of a unit."""
    home = chosen_home(invocation)
    if not home.is_unit:
        raise _not_a_home(home, "unit", other="centre" if home.is_centre else None)
    return home


def centre_home(invocation: Invocation) -> Home:
    """The home of a centre."""
    home = chosen_home(invocation)
    if not home.is_centre:
        raise _not_a_home(home, "centre", other="unit" if home.is_unit else None)
    return home


def _not_a_home(home: Home, wanted: str, *, other: str | None) -> NoHome:
    if other is not None:
        return NoHome(
            f"{home.path} is a {other}'s home, and this needs a {wanted}'s", hint="name the other with --home"
        )
    return NoHome(
        f"{home.path} is not a {wanted}'s home",
        hint=f"make one with 'contrada --home {home.path} {wanted} init', or name another with --home",
    )


def settings(path: Path) -> dict[str, Any]:
    """A home's settings file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise BadInput(f"{path} is not a TOML file", hint="restore it, or make the home again") from None


def bootstrap(invocation: Invocation, home: Home) -> str:
    """Kafka's bootstrap servers: what the command line says, or else the home."""
    if invocation.kafka:
        return invocation.kafka
    path = home.centre_file if home.is_centre else home.unit_file
    found = settings(path).get("kafka") if path.exists() else None
    if isinstance(found, dict):
        found = found.get("bootstrap")
    if not isinstance(found, str) or not found:
        raise NoHome("no Kafka named", hint="say --kafka HOST:PORT, or set CONTRADA_KAFKA")
    return found
