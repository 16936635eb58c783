"""The founding of an exchange: the root, the first registrar, the first router and the ledger.

    <directory>/root.pin            public; every unit pins it
    <directory>/root/identity.key           take it offline after the founding
    <directory>/registrar/identity.key      on the registrar's machine
    <directory>/router/identity.key         on the router's machine
    <directory>/ledger/identity.key         on the ledger's machine

The result is one root key with threshold 1. Several, held by several people, are several calls of
`SoftIdentity.generate` and one `RootOfTrust` over them: see `rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keys.errors import KeyFileExists, KeyFileUnreadable
from keys.key_files import IDENTITY_FILE, read_identity, write_identity
from keys.lifecycle import LEDGER_LIFETIME, REGISTRAR_LIFETIME, ROUTER_LIFETIME
from keys.possession import appoint
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from keys.statements import issue
from keys.store import prepare_directory, read_public, write_public
from keys.unlock import Secret
from protocol.errors import Rejected
from protocol.identifiers import Entropy, Millis, UnitId
from protocol.signatures import Signer

PIN_FILE = "root.pin"


@dataclass(frozen=True, slots=True, repr=False)
class Founding:
    """A new exchange: the root to pin, the identities, and the first statements of the directory."""

    root: RootOfTrust
    registrar: SoftIdentity
    router: SoftIdentity
    ledger: SoftIdentity
    statements: tuple[bytes, ...]


def found_exchange(directory: Path, *, secret: Secret, now: Millis, entropy: Entropy) -> Founding:
    """Make the keys of a new exchange, write them, and return the statements to publish first.

    What an interrupted founding left is kept and completed. `KeyFileExists` where there is a root and not all
    keys that made it: one was taken elsewhere, as the root key should be.
    """
    prepare_directory(directory)
    names = ("root", "registrar", "router", "ledger")
    if (directory / PIN_FILE).exists() and not all((directory / n / IDENTITY_FILE).exists() for n in names):
        raise KeyFileExists(
            f"{directory / PIN_FILE} is there already", hint="move it away first; keys are not overwritten"
        )
    root_key, registrar, router, ledger = (
        _identity_in(directory / name, UnitId(name), secret=secret, entropy=entropy) for name in names
    )
    root = RootOfTrust((root_key.public,))
    statements = (
        appoint_registrar(registrar, root_key=root_key, now=now),
        appoint_router(router, registrar=registrar, now=now),
        appoint_ledger(ledger, registrar=registrar, now=now),
    )
    try:
        write_pin(directory / PIN_FILE, root, entropy=entropy)
    except KeyFileExists:
        if read_pin(directory / PIN_FILE) != root:
            raise
    return Founding(root, registrar, router, ledger, statements)


def appoint_registrar(registrar: SoftIdentity, *, root_key: Signer, now: Millis) -> bytes:
    """A root key's statement that names a registrar."""
    return _appoint(StatementType.REGISTRAR, registrar, REGISTRAR_LIFETIME, by=root_key, now=now)


def appoint_router(router: SoftIdentity, *, registrar: Signer, now: Millis) -> bytes:
    """A registrar's statement that names a router's key."""
    return _appoint(StatementType.ROUTER, router, ROUTER_LIFETIME, by=registrar, now=now)


def appoint_ledger(ledger: SoftIdentity, *, registrar: Signer, now: Millis) -> bytes:
    """A registrar's statement that names a ledger's key."""
    return _appoint(StatementType.LEDGER, ledger, LEDGER_LIFETIME, by=registrar, now=now)


def ledger_identity(directory: Path, *, secret: Secret, entropy: Entropy) -> SoftIdentity:
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


def _appoint(stype: StatementType, holder: SoftIdentity, lifetime: int, *, by: Signer, now: Millis) -> bytes:
    until = Millis(now + lifetime)
    made = appoint(stype, holder.name, signer=holder, not_before=now, not_after=until)
    return issue(made, signer=by, issued=now)


def _identity_in(directory: Path, name: UnitId, *, secret: Secret, entropy: Entropy) -> SoftIdentity:
    prepare_directory(directory)
    path = directory / IDENTITY_FILE
    if path.exists():
        return read_identity(path, secret=secret)
    identity = SoftIdentity.generate(name, entropy)
    write_identity(path, identity, secret=secret, entropy=entropy)
    return identity
