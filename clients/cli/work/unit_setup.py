"""`unit init`: a unit's home: keys, pinned root, settings, and the request that goes to the centre.

The settings file comes last, because it is what makes the directory a unit's home: after a crash the same
command goes on where it was, with the keys that are there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clients.cli.command import Invocation
from clients.cli.errors import BadInput, Conflict, NoHome
from clients.cli.home import Home, chosen_home
from clients.cli.work.founding import toml
from clients.cli.work.registry import now
from clients.cli.work.unlocking import new_secret
from keys.ceremony import write_pin
from keys.errors import KeyFileExists
from keys.key_files import IDENTITY_FILE
from keys.root_of_trust import RootOfTrust, fingerprint
from keys.store import prepare_directory
from keys.unit_keys import UnitKeys
from keys.unlock import Secret
from protocol.errors import Rejected
from protocol.identifiers import UnitId


def make_home(
    invocation: Invocation,
    unit: str,
    *,
    root: Path,
    contact: str,
    secret_file: Path | None,
    ask: bool,
    http_port: int,
) -> dict[str, Any]:
    """Make the home; what to tell and to print."""
    home = chosen_home(invocation)
    if home.is_unit or home.is_centre:
        raise Conflict(f"{home.path} is a home already", hint="name an empty directory with --home")
    if invocation.kafka is None:
        raise NoHome("no Kafka named", hint="say --kafka HOST:PORT, or set CONTRADA_KAFKA")
    pinned = _root(root)
    prepare_directory(home.path)
    secret, secret_path = new_secret(home, file=secret_file, ask=ask)
    keys = _keys(home, UnitId(unit), secret)
    request = home.path / f"enrolment-{unit}.cbor"
    request.write_bytes(keys.enrolment_request(now(), contact=contact))
    _pin(home, pinned)
    settings: dict[str, str | int] = {"unit": unit, "kafka": invocation.kafka, "http_port": http_port}
    if secret_path is not None:
        settings["secret"] = secret_path
    home.unit_file.write_text(toml(settings), encoding="utf-8")
    return {
        "home": str(home.path),
        "unit": unit,
        "request": str(request),
        "fingerprint": fingerprint(keys.signer.public),
        "root_fingerprint": pinned.fingerprint(),
    }


def _root(path: Path) -> RootOfTrust:
    try:
        return RootOfTrust.parse(path.read_bytes())
    except Rejected:
        raise BadInput(
            f"{path} is not a root of trust", hint="it is the file root.cbor that the centre gives out"
        ) from None


def _keys(home: Home, unit: UnitId, secret: Secret) -> UnitKeys:
    if not (home.keys / IDENTITY_FILE).exists():
        return UnitKeys.create(home.keys, unit=unit, secret=secret)
    keys = UnitKeys.load(home.keys, secret=secret)
    if keys.unit != unit:
        raise Conflict(f"{home.path} has keys of {keys.unit}", hint="name another directory with --home")
    return keys


def _pin(home: Home, root: RootOfTrust) -> None:
    try:
        write_pin(home.root_file, root)
    except KeyFileExists:
        if home.root_file.read_bytes() != root.encoded():
            raise Conflict(
                f"{home.root_file} pins another root", hint="find out which one is right before going on"
            ) from None
