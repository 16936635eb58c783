"""`contrada router init` and `contrada router renew`: a further router's home, and requests to be appointed.

    root.cbor         the pinned root             keys/identity.key   the router's key, sealed
    router.toml       settings, written last      router.secret       opens it, if no better place was chosen
    appointment.cbor  the request for the registrar: 'contrada centre appoint' takes it

Owns what is made, on the router's own machine. Rule: what was interrupted goes on with the key that it made.
The registrar and this machine's operator compare the key's fingerprint over another channel.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.ledger.trust import read_policy_file
from broker.process_certificates import process_files
from keys.appointments.request import request_appointment
from keys.errors import KeyFileExists
from keys.key_files import IDENTITY_FILE, make_identity, read_identity
from keys.lifecycle import ROUTER_LIFETIME
from keys.possession import appoint
from keys.root_of_trust import RootOfTrust, fingerprint
from keys.signer import KeptIdentity
from keys.soft_keys import PrivateIdentity
from keys.statement_types import Appointment, StatementType
from keys.store import prepare_directory, read_credential, write_private
from keys.unlock import CREDENTIAL_SIZE, Secret
from protocol.identifiers import Millis, UnitId
from protocol.limits import MAX_HEADER
from runtime.cli.file_kinds import FileKind, parse_kind
from runtime.errors import Conflict
from runtime.files import replace_file
from runtime.kafka.security.access import KafkaAddress, access_lines
from runtime.process.clock import now
from runtime.process.secrets import find_secret
from runtime.process.settings_text import toml_text

REQUEST_FILE = "appointment.cbor"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterPlan:
    """What a further router is to be."""

    home: Path
    name: UnitId
    kafka: KafkaAddress
    root: Path
    secret: Path | None
    http_port: int
    ledger_policy: Path | None
    authority: Path | None = None
    """Of the certificates for Kafka."""


def found_router(plan: RouterPlan) -> dict[str, Any]:
    """Make the home of a router; returns what to report."""
    home = plan.home.absolute()
    config = home / "router.toml"
    if config.exists():
        raise Conflict(f"{config} is there already", hint="name an empty directory with --home")
    access_lines(plan.kafka)  # a way of which nothing was said is refused before anything is made
    root = parse_kind(plan.root, MAX_HEADER, FileKind.ROOT, RootOfTrust.parse)
    files = process_files("router", plan.kafka, home=home, authority=plan.authority)
    prepare_directory(home)
    secret_file, secret = _secret(home, plan.secret)
    identity = _identity(home / "keys", plan.name, secret)
    replace_file(home / "root.cbor", root.encoded())
    values: dict[str, str | int] = {
        **access_lines(files.access),
        "name": plan.name,
        "root": str(home / "root.cbor"),
        "key": f"file:{home / 'keys' / IDENTITY_FILE}",
        **({} if secret_file is None else {"secret": str(secret_file)}),
        "verified": str(home / "router.verified"),
        "http_port": plan.http_port,
    }
    if plan.ledger_policy is not None:
        read_policy_file(plan.ledger_policy)
        replace_file(home / "ledger-policy", plan.ledger_policy.read_bytes())
        values["ledger_policy"] = str(home / "ledger-policy")
    moment = now()
    until = Millis(moment + ROUTER_LIFETIME)
    made = appoint(StatementType.ROUTER, plan.name, signer=identity, not_before=moment, not_after=until)
    asked = write_request(home / REQUEST_FILE, made)
    files.make()
    replace_file(config, toml_text(values).encode())
    founded = {"config": str(config), "root_fingerprint": root.fingerprint()}
    return asked | founded | files.report()


def ask_for_next(own: KeptIdentity, stype: StatementType, *, lifetime: int, out: Path) -> dict[str, Any]:
    """Make the next key of a process, and the request for it; returns what to report."""
    return write_request(out, own.appointment(stype, now=now(), lifetime=lifetime))


def write_request(path: Path, made: Appointment) -> dict[str, Any]:
    """Write the request for this appointment."""
    replace_file(path, request_appointment(made))
    return {
        "name": made.name,
        "request": str(path),
        "kid": made.public.kid.hex(),
        "fingerprint": fingerprint(made.public),
    }


def _identity(directory: Path, name: UnitId, secret: Secret) -> PrivateIdentity:
    prepare_directory(directory)
    path = directory / IDENTITY_FILE
    try:
        identity = make_identity(path, name, secret=secret, entropy=os.urandom)
    except KeyFileExists:
        identity = read_identity(path, secret=secret)
    if identity.name != name:
        raise Conflict(
            f"{directory} has the key of {identity.name}", hint="move it away, or name that router"
        )
    return identity


def _secret(home: Path, given: Path | None) -> tuple[Path | None, Secret]:
    """What seals the key, and the file for the settings: none where the service manager brings it."""
    brought = None if given is not None else find_secret("router.secret")
    if brought is not None:
        return None, brought
    path = home / "router.secret" if given is None else given.absolute()
    if given is None and not path.exists():
        write_private(path, os.urandom(CREDENTIAL_SIZE), entropy=os.urandom)
    return path, read_credential(path)
