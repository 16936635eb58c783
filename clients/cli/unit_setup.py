"""`unit init`: makes a unit's home, by the daemon's rules, and says what the operator has to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clients.daemon.home import make_unit_home
from keys.enrolment import parse_enrolment
from keys.root_of_trust import RootOfTrust
from keys.store import prepare_directory, read_credential, read_passphrase
from keys.unlock import Secret
from protocol.errors import Rejected
from protocol.identifiers import UnitId
from protocol.limits import MAX_HEADER, MAX_POLICY_TEXT
from protocol.tlog.policy import parse_policy
from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput, NoHome
from runtime.cli.file_kinds import FileKind, parse_kind, read_kind
from runtime.cli.home import chosen_home, typed_access
from runtime.errors import Conflict
from runtime.files import replace_file
from runtime.kafka.security.access import access_lines
from runtime.process.homes import UnitHome
from runtime.process.settings_text import toml_text

SECRET_DROP_IN = "10-secret.toml"  # noqa: S105 - a file's name


def make_home(
    invocation: Invocation,
    unit: str,
    *,
    root: Path,
    contact: str,
    secret: Path | None,
    passphrase: Path | None,
    http_port: int,
    ledger_policy: Path | None = None,
) -> dict[str, Any]:
    """Make the home; returns what to report and to print."""
    chosen = chosen_home(invocation)
    if chosen.is_unit or chosen.is_centre:
        raise Conflict(f"{chosen.path} is a home already", hint="name an empty directory with --home")
    kafka = typed_access(invocation)
    if kafka is None:
        raise NoHome("no Kafka named", hint="say --kafka HOST:PORT, or set CONTRADA_KAFKA")
    pinned = parse_kind(root, MAX_HEADER, FileKind.ROOT, RootOfTrust.parse)
    policy = None if ledger_policy is None else _policy(ledger_policy)
    opens = opened_secret(secret, passphrase)
    access_lines(kafka)  # before anything is made
    write_more(UnitHome(chosen.path), policy, secret=secret, passphrase=passphrase)
    home = make_unit_home(
        chosen.path,
        unit=UnitId(unit),
        bootstrap=kafka,
        root=pinned.encoded(),
        secret=opens,
        http_port=http_port,
        contact=contact,
    )
    return {
        "home": str(home.path),
        "unit": unit,
        "request": str(home.enrolment),
        "fingerprint": parse_enrolment(home.enrolment.read_bytes()).fingerprint,
        "root_fingerprint": pinned.fingerprint(),
    }


def write_more(home: UnitHome, policy: bytes | None, *, secret: Path | None, passphrase: Path | None) -> None:
    """The ledger's policy, and where the daemon finds what opens the keys: before it is a home."""
    where = {"secret": secret, "passphrase": passphrase}
    named = {name: str(path.absolute()) for name, path in where.items() if path is not None}
    if policy is None and not named:
        return
    prepare_directory(home.path)
    if policy is not None:
        replace_file(home.ledger_policy, policy)
    if named:
        (home.path / "conf.d").mkdir(mode=0o700, exist_ok=True)
        replace_file(home.path / "conf.d" / SECRET_DROP_IN, toml_text(named).encode())


def _policy(path: Path) -> bytes:
    data = read_kind(path, MAX_POLICY_TEXT, FileKind.POLICY)
    try:
        parse_policy(data)
    except Rejected as rejected:
        raise BadInput(f"{path}: {Exception.__str__(rejected)}", hint=FileKind.POLICY.source) from None
    return data


def opened_secret(secret: Path | None, passphrase: Path | None) -> Secret | None:
    """What opens the keys; None where a new secret is to be made beside them."""
    if secret is not None:
        return read_credential(secret)
    return None if passphrase is None else read_passphrase(passphrase)
