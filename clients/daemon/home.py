"""Making a unit's home, and the checks that it is private and complete.

Its layout is in runtime/process/homes.py. No other user may enter it: it is made with mode 0700,
and refused with any other.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from keys.errors import KeyFileExists
from keys.root_of_trust import RootOfTrust
from keys.store import check_private_directory, prepare_directory, read_credential, write_private
from keys.unit_keys import UnitKeys
from keys.unlock import CREDENTIAL_SIZE, Secret
from protocol.identifiers import Millis, UnitId
from runtime.errors import HomeError
from runtime.files import replace_file
from runtime.kafka.security.access import KafkaAddress, access_lines
from runtime.process import clock
from runtime.process.homes import UnitHome, check_socket_path
from runtime.process.secrets import find_secret


def check_home(home: UnitHome) -> None:
    """Refuse a home that is not there, that others can enter, or whose socket cannot be bound."""
    if not home.settings.is_file():
        raise HomeError(f"{home.path} is not a unit's home", hint="make one with 'contrada unit init'")
    check_private_directory(home.path)
    check_socket_path(home.socket)


def make_unit_home(
    path: Path,
    *,
    unit: UnitId,
    bootstrap: KafkaAddress,
    root: bytes,
    secret: Secret | None = None,
    http_port: int = 0,
    contact: str = "the unit's duty officer",
    now: Millis | None = None,
) -> UnitHome:
    """Make a home with fresh keys and an enrolment request for the centre.

    Without a secret, the one that the service manager brings counts, and without that a random one is kept
    beside the keys: good for trials and encrypted disks. The settings are written last: what was interrupted
    is not a home, and the next call completes it, with the keys that are there.
    """
    home = UnitHome(path.absolute())
    check_socket_path(home.socket)
    RootOfTrust.parse(root)
    if home.settings.exists():
        raise HomeError(f"{home.path} is a unit's home already", hint="choose another directory")
    prepare_directory(home.path)
    (home.path / "conf.d").mkdir(mode=0o700, exist_ok=True)
    opens = secret or _own_secret(home)
    keys = _keys(home, unit, opens)
    request = keys.enrolment_request(clock.now() if now is None else now, contact=contact)
    replace_file(home.enrolment, request)
    replace_file(home.root, root)
    text = _settings_text(unit, bootstrap, http_port)
    write_private(home.settings, text.encode(), entropy=os.urandom)
    return home


def _settings_text(unit: UnitId, bootstrap: KafkaAddress, http_port: int) -> str:
    lines = (
        "# Settings of this unit's daemon. Every line can be overridden in conf.d/*.toml and by the",
        "# environment (CONTRADA_UNIT_KAFKA and so on).",
        f"unit = {json.dumps(unit)}",
        *(f"{name} = {json.dumps(value)}" for name, value in access_lines(bootstrap).items()),
        f"http_port = {http_port}",
    )
    return "\n".join((*lines, ""))


def _keys(home: UnitHome, unit: UnitId, secret: Secret) -> UnitKeys:
    """New keys, or those that an interrupted call has made."""
    try:
        return UnitKeys.create(home.keys, unit=unit, secret=secret, entropy=os.urandom)
    except KeyFileExists:
        keys = UnitKeys.load(home.keys, secret=secret, entropy=os.urandom)
    if keys.unit != unit:
        raise HomeError(f"{home.keys} has the keys of {keys.unit}", hint="move them away, or name that unit")
    return keys


def _own_secret(home: UnitHome) -> Secret:
    # What the daemon will be brought opens what is sealed here: it looks there before it looks beside the
    # keys.
    brought = find_secret(home.secret.name)
    if brought is not None:
        return brought
    if not home.secret.exists():
        write_private(home.secret, os.urandom(CREDENTIAL_SIZE), entropy=os.urandom)
    return read_credential(home.secret)
