"""The layout of the homes of units and of the centre. The one place that knows the file names.

    both     root.cbor       the pinned root       directory.log   the replica of the directory
             keys/           private keys, sealed  conf.d/*.toml   drop-ins over the settings
             lock            held while a daemon, or a command of the centre, works here
             directory.verified   which statements were verified here; can be removed
    unit     unit.toml       settings              state.sqlite    outbox and inbox
             run/api.sock    the local API
             enrolment.cbor  what the centre needs to enrol the unit
             rotation.cbor   the last request for a new identity
             ledger-policy   the trusted logs and witnesses; without it the ledger is not followed
             joining/        what was handed to a unit that waits to be enrolled; gone afterwards
             unit.secret     opens the keys, if no better place was chosen (`secret` in unit.toml)
    centre   centre.toml     settings              router.toml, ledger.toml   its processes' settings
             pending.log     statements that are made and not published yet
             alarms.json     the alarm book: what was wrong, and who looked after it
             acts/           acts for the ledger that one registrar has signed and another one has not
             joining/UNIT/   whom was invited, what it has asked, and what it was answered
             router.verified, ledger.verified   which statements these two have verified; can be removed
             centre.secret   opens the keys, if no better place was chosen (`secret` in centre.toml)

A directory is a home if it has the settings file, which is therefore written last. Makes and reads nothing:
units' homes are made by clients/daemon/home.py, the centre's by broker/centre/founding.py. A witness's home
is clients/witness/home.py. Rule: the command line begins with this module, so it imports nothing heavy.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.errors import HomeError
from runtime.process.lock import HomeLock, lock_home

LONGEST_SOCKET_PATH: Final = 100
"""Bytes. Unix sockets have 108 for their path on Linux, and fewer elsewhere."""


def check_socket_path(path: Path) -> None:
    """Refuse a path that no socket can have, before the system refuses it without a reason."""
    size = len(os.fsencode(path.absolute()))
    if size > LONGEST_SOCKET_PATH:
        raise HomeError(
            f"a unix socket's path has at most {LONGEST_SOCKET_PATH} bytes, and this one has {size}: {path}",
            hint=f"choose a directory whose path is {size - LONGEST_SOCKET_PATH} bytes shorter, or more",
        )


@dataclass(frozen=True, slots=True)
class Home:
    """A directory that is, or may become, the home of a unit or of the centre."""

    path: Path

    @property
    def root(self) -> Path:
        """The pinned root."""
        return self.path / "root.cbor"

    @property
    def keys(self) -> Path:
        """The private keys."""
        return self.path / "keys"

    @property
    def joining(self) -> Path:
        """Of a unit what it was invited with; of the centre whom it has invited."""
        return self.path / "joining"

    @property
    def replica(self) -> Path:
        """The replica of the directory: the statements as far as this home has read them."""
        return self.path / "directory.log"

    @property
    def verified(self) -> Path:
        """Which statements of the directory were verified here."""
        return self.path / "directory.verified"

    @property
    def is_unit(self) -> bool:
        """Whether it is a unit's."""
        return UnitHome(self.path).settings.exists()

    @property
    def is_centre(self) -> bool:
        """Whether it is the centre's."""
        return CentreHome(self.path).settings.exists()


@dataclass(frozen=True, slots=True)
class UnitHome(Home):
    """The home of a unit."""

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / "unit.toml"

    @property
    def secret(self) -> Path:
        """What opens the keys, where no other place is set."""
        return self.path / "unit.secret"

    @property
    def database(self) -> Path:
        """Outbox and inbox."""
        return self.path / "state.sqlite"

    @property
    def ledger_policy(self) -> Path:
        """The trusted logs and witnesses."""
        return self.path / "ledger-policy"

    @property
    def enrolment(self) -> Path:
        """The enrolment request."""
        return self.path / "enrolment.cbor"

    @property
    def rotation(self) -> Path:
        """The last request for a new identity."""
        return self.path / "rotation.cbor"

    @property
    def socket(self) -> Path:
        """The local API."""
        return self.path / "run" / "api.sock"

    def hold(self) -> HomeLock:
        """Hold the home for this process; `AlreadyRunning` if another one has it."""
        return lock_home(self.path, program="daemon", hint="stop that one first; two would break the order")


@dataclass(frozen=True, slots=True)
class CentreHome(Home):
    """The home of the centre."""

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / "centre.toml"

    @property
    def router_settings(self) -> Path:
        """The router's settings file."""
        return self.path / "router.toml"

    @property
    def ledger_settings(self) -> Path:
        """The ledger's settings file."""
        return self.path / "ledger.toml"

    @property
    def router_verified(self) -> Path:
        """Which statements of the directory the router has verified."""
        return self.path / "router.verified"

    @property
    def ledger_verified(self) -> Path:
        """Which statements of the directory the ledger has verified."""
        return self.path / "ledger.verified"

    @property
    def secret(self) -> Path:
        """What opens the keys, where no other place is set."""
        return self.path / "centre.secret"

    @property
    def pending(self) -> Path:
        """Statements that are made and not published yet."""
        return self.path / "pending.log"

    @property
    def alarms(self) -> Path:
        """What was wrong with the exchange, and who looked after it."""
        return self.path / "alarms.json"

    @property
    def acts(self) -> Path:
        """Acts for the ledger that wait for another registrar."""
        return self.path / "acts"

    def hold(self) -> HomeLock:
        """Hold the home for this command; `AlreadyRunning` if another one has it."""
        return lock_home(self.path, program="command", hint="wait until that one has ended")
