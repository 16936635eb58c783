"""The founding of an exchange: the root, the first registrar, the first router and the ledger.

    <directory>/root.pin            public; every unit pins it
    <directory>/root/identity.key           take it offline after the founding
    <directory>/registrar/identity.key      on the registrar's machine
    <directory>/registrar-2/                another registrar's, with what opens it: carried to another person
    <directory>/router/identity.key         on the router's machine
    <directory>/ledger/identity.key         on the ledger's machine

The result is one root key with threshold 1, and as many registrars as must agree on what is dangerous.
Several root keys, held by several people, are several calls of `make_identity` and one `RootOfTrust`
over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keys.errors import KeyFileExists, KeyFileUnreadable
from keys.key_files import IDENTITY_FILE, make_identity, read_identity
from keys.lifecycle import LEDGER_LIFETIME, REGISTRAR_LIFETIME, ROUTER_LIFETIME
from keys.possession import appoint
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import PrivateIdentity
from keys.statement_types import StatementType
from keys.statements import issue
from keys.store import prepare_directory, read_credential, read_public, write_private, write_public
from keys.unlock import CREDENTIAL_SIZE, Secret
from protocol.errors import Rejected
from protocol.identifiers import Entropy, Millis, UnitId
from protocol.signatures import Signer

PIN_FILE = "root.pin"
OWN_SECRET = "registrar.secret"  # noqa: S105 - the name of a file
"""Beside the key of each further registrar: what opens it, and nothing else does."""


@dataclass(frozen=True, slots=True, repr=False)
class Founding:
    """A new exchange: the root to pin, the identities, and the first statements of the directory."""

    root: RootOfTrust
    registrar: PrivateIdentity
    router: PrivateIdentity
    ledger: PrivateIdentity
    statements: tuple[bytes, ...]
    others: tuple[PrivateIdentity, ...] = ()
    """The further registrars."""


def found_exchange(
    directory: Path,
    *,
    secret: Secret,
    now: Millis,
    entropy: Entropy,
    registrars: int = 1,
    cooling_off: int = 0,
) -> Founding:
    """Make the keys of a new exchange, write them, and return the statements to publish first.

    What an interrupted founding left is kept and completed. `KeyFileExists` where there is a root and not all
    keys that made it: one was taken elsewhere, as the root key should be.
    """
    prepare_directory(directory)
    names = ("root", "registrar", "router", "ledger")
    further = tuple(f"registrar-{number}" for number in range(2, registrars + 1))
    made = [directory / name / IDENTITY_FILE for name in (*names, *further)]
    if (directory / PIN_FILE).exists() and not all(path.exists() for path in made):
        raise KeyFileExists(
            f"{directory / PIN_FILE} is there already", hint="move it away first; keys are not overwritten"
        )
    root_key, registrar, router, ledger = (
        _identity_in(directory / name, UnitId(name), secret=secret, entropy=entropy) for name in names
    )
    others = tuple(further_registrar(directory / name, entropy=entropy) for name in further)
    root = RootOfTrust((root_key.public,), registrars=registrars, cooling_off=cooling_off)
    agreed = (registrar, *others)
    statements = (
        *(appoint_registrar(each, root_key=root_key, now=now) for each in agreed),
        *_appointed(StatementType.ROUTER, router, ROUTER_LIFETIME, by=agreed, now=now),
        *_appointed(StatementType.LEDGER, ledger, LEDGER_LIFETIME, by=agreed, now=now),
    )
    try:
        write_pin(directory / PIN_FILE, root, entropy=entropy)
    except KeyFileExists:
        if read_pin(directory / PIN_FILE) != root:
            raise
    return Founding(root, registrar, router, ledger, statements, others)


def appoint_registrar(registrar: PrivateIdentity, *, root_key: Signer, now: Millis) -> bytes:
    """A root key's statement that names a registrar."""
    return _appointed(StatementType.REGISTRAR, registrar, REGISTRAR_LIFETIME, by=[root_key], now=now)[0]


def appoint_router(router: PrivateIdentity, *, registrar: Signer, now: Millis) -> bytes:
    """A registrar's statement that names a router's key."""
    return _appointed(StatementType.ROUTER, router, ROUTER_LIFETIME, by=[registrar], now=now)[0]


def appoint_ledger(ledger: PrivateIdentity, *, registrar: Signer, now: Millis) -> bytes:
    """A registrar's statement that names a ledger's key."""
    return _appointed(StatementType.LEDGER, ledger, LEDGER_LIFETIME, by=[registrar], now=now)[0]


def ledger_identity(directory: Path, *, secret: Secret, entropy: Entropy) -> PrivateIdentity:
    """The ledger's identity in an exchange's directory of keys; made where an older founding made none."""
    return _identity_in(directory / "ledger", UnitId("ledger"), secret=secret, entropy=entropy)


def write_pin(path: Path, root: RootOfTrust, *, entropy: Entropy) -> None:
    """Write the pinned root; never over another."""
    write_public(path, root.encoded(), entropy=entropy)


def read_pin(path: Path) -> RootOfTrust:
    """The pinned root. Its file is public, but only its owner may write it."""
    try:
        return RootOfTrust.parse(read_public(path))
    except Rejected:
        raise KeyFileUnreadable(
            f"{path} is not a root of trust", hint="get it again from the centre, and compare the fingerprint"
        ) from None


def _appointed(
    stype: StatementType, holder: PrivateIdentity, lifetime: int, *, by: Sequence[Signer], now: Millis
) -> list[bytes]:
    until = Millis(now + lifetime)
    made = appoint(stype, holder.name, signer=holder, not_before=now, not_after=until)
    return [issue(made, signer=each, issued=now) for each in by]


def further_registrar(directory: Path, *, entropy: Entropy) -> PrivateIdentity:
    """The identity of a further registrar in its own directory, with what opens it; made where none is."""
    prepare_directory(directory)
    path = directory / OWN_SECRET
    if not path.exists():
        write_private(path, entropy(CREDENTIAL_SIZE), entropy=entropy)
    return _identity_in(directory, UnitId(directory.name), secret=read_credential(path), entropy=entropy)


def _identity_in(directory: Path, name: UnitId, *, secret: Secret, entropy: Entropy) -> PrivateIdentity:
    prepare_directory(directory)
    path = directory / IDENTITY_FILE
    if path.exists():
        return read_identity(path, secret=secret)
    return make_identity(path, name, secret=secret, entropy=entropy)
