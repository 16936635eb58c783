"""A unit's home directory: what lies where, and how a new one is made.

    unit.toml        settings          conf.d/*.toml   drop-ins over it
    root.cbor        the pinned root   keys/           private keys, sealed
    state.sqlite     outbox and inbox  directory.log   the replica of the directory
    run/api.sock     the local API     lock            held while a daemon works here
    enrolment.cbor   what the centre needs to enrol the unit
    ledger-policy    which logs and witnesses to believe; without it the ledger is not followed
    unit.secret      opens the keys, if no better place was chosen (`secret` in unit.toml)

Nobody else may enter it: it is made with mode 0700, and refused with any other.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys.root_of_trust import RootOfTrust
from keys.store import check_directory, prepare_directory, write_private, write_public
from keys.unit_keys import UnitKeys
from keys.unlock import CREDENTIAL_SIZE, Credential, Secret
from protocol.identifiers import Millis, UnitId
from runtime.errors import HomeError
from runtime.process.lock import lock_home

LONGEST_SOCKET_PATH: Final = 100
"""Unix sockets have 108 bytes for their path on Linux, and fewer elsewhere."""


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one home."""

    path: Path

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / "unit.toml"

    @property
    def root(self) -> Path:
        """The pinned root."""
        return self.path / "root.cbor"

    @property
    def keys(self) -> Path:
        """The private keys."""
        return self.path / "keys"

    @property
    def secret(self) -> Path:
        """What opens the keys, where no other place is set."""
        return self.path / "unit.secret"

    @property
    def database(self) -> Path:
        """Outbox and inbox."""
        return self.path / "state.sqlite"

    @property
    def replica(self) -> Path:
        """The replica of the directory."""
        return self.path / "directory.log"

    @property
    def ledger_policy(self) -> Path:
        """Which logs and witnesses to believe."""
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

    def check(self) -> None:
        """Refuse a home that is not there, that others can enter, or whose socket cannot be bound."""
        if not self.settings.is_file():
            raise HomeError(f"{self.path} is not a unit's home", hint="make one with 'contrada unit init'")
        check_directory(self.path)
        check_socket_path(self.socket)

    def hold(self) -> int:
        """Hold the home for this process; `AlreadyRunning` if another one has it."""
        return lock_home(self.path, program="daemon", hint="stop that one first; two would break the order")


def check_socket_path(path: Path) -> None:
    """Refuse a path that the system would refuse without saying why."""
    size = len(os.fsencode(path.absolute()))
    if size > LONGEST_SOCKET_PATH:
        raise HomeError(
            f"the path of the unit's socket has {size} bytes, at most {LONGEST_SOCKET_PATH} work: {path}",
            hint="choose a home with a shorter path",
        )


def init(
    path: Path,
    *,
    unit: UnitId,
    bootstrap: str,
    root: bytes,
    secret: Secret | None = None,
    http_port: int = 0,
    contact: str = "the unit's duty officer",
    now: Millis | None = None,
) -> Home:
    """Make a home with fresh keys and an enrolment request for the centre.

    Without a secret, a random one is kept beside the keys: good for trials and encrypted disks. The keys
    are made last but one and the settings last: what was interrupted is not a home, and can be made again.
    """
    home = Home(path.absolute())
    check_socket_path(home.socket)
    RootOfTrust.parse(root)
    if home.settings.exists():
        raise HomeError(f"{home.path} is a unit's home already", hint="choose another directory")
    prepare_directory(home.path)
    (home.path / "conf.d").mkdir(mode=0o700, exist_ok=True)
    opens = secret or _own_secret(home)
    moment = Millis(time.time_ns() // 1_000_000) if now is None else now
    keys = UnitKeys.create(home.keys, unit=unit, secret=opens)
    write_public(home.enrolment, keys.enrolment_request(moment, contact=contact), entropy=os.urandom)
    write_public(home.root, root, entropy=os.urandom)
    lines = (
        "# Settings of this unit's daemon. Every line can be overridden in conf.d/*.toml and by the",
        "# environment (CONTRADA_UNIT_KAFKA and so on).",
        f"unit = {json.dumps(unit)}",
        f"kafka = {json.dumps(bootstrap)}",
        f"http_port = {http_port}",
    )
    write_private(home.settings, "\n".join((*lines, "")).encode(), entropy=os.urandom)
    return home


def _own_secret(home: Home) -> Secret:
    raw = os.urandom(CREDENTIAL_SIZE)
    write_private(home.secret, raw, entropy=os.urandom)
    return Credential(raw)
