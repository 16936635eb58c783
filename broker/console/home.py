"""The layout of the console's home.

    console.toml   settings           conf.d/*.toml   drop-ins over it
    root.cbor      the pinned root    policy          the ledger's logs and witnesses, where it was given
    links/         the one-time links that nobody has used yet: the SHA-256 of each, and what it allows
    lock           held while a console works here

In the centre's home all of it lies in `console/`, and root and policy are the centre's. A console of its own
user has a home of its own, which has no key in it: the better way, since it answers browsers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keys.store import check_private_directory
from runtime.errors import HomeError
from runtime.process.homes import CentreHome
from runtime.process.lock import HomeLock, lock_home


@dataclass(frozen=True, slots=True)
class ConsoleHome:
    """The paths of one console, and of the centre in whose home it is."""

    path: Path
    centre: CentreHome | None = None

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / "console.toml"

    @property
    def root(self) -> Path:
        """The pinned root, where the console has a home of its own."""
        return self.path / "root.cbor"

    @property
    def policy(self) -> Path:
        """The ledger's policy, where the console has a home of its own."""
        return self.path / "policy"

    @property
    def links(self) -> Path:
        """The one-time links."""
        return self.path / "links"

    def check(self) -> None:
        """Refuse a home that is not there or that others can enter."""
        if not self.settings.is_file():
            raise HomeError(
                f"{self.path} is not a console's home", hint="make one with 'contrada centre console init'"
            )
        check_private_directory(self.path)

    def hold(self) -> HomeLock:
        """Hold the home for this process; `AlreadyRunning` if another one has it."""
        return lock_home(self.path, program="console", hint="one console is enough: every browser shares it")


def console_home(path: Path) -> ConsoleHome:
    """The console in this directory: the centre's is in the subdirectory `console`."""
    root = path.absolute()
    if (centre := CentreHome(root)).is_centre:
        return ConsoleHome(root / "console", centre)
    if root.name == "console" and (centre := CentreHome(root.parent)).is_centre:
        return ConsoleHome(root, centre)
    return ConsoleHome(root)
