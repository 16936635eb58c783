"""The key files of one party: their names, their purposes, reading and writing them.

    identity.key                       the signing identity
    identity-next.key                  its successor, until the directory has it, or until it signs
    epoch-<number>-<key id>.key        one epoch key each
    storage.key                        the key over the local database

Each is a container of sealed_file.py with the content of soft_keys.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keys.errors import KeyFileUnreadable, KeyStoreError, TokenKeyError
from keys.sealed_file import open_sealed, seal_file
from keys.soft_keys import SEED_SIZE, PlacedIdentity, PrivateIdentity, SoftEpochKey, SoftIdentity
from keys.store import destroy_private, read_private, write_private
from keys.unlock import KEY_ID, Secret
from protocol.canonical import decode, encode
from protocol.errors import Rejected
from protocol.identifiers import Entropy, KeyId, UnitId, parse_unit_id

IDENTITY_FILE = "identity.key"
NEXT_IDENTITY_FILE = "identity-next.key"
STORAGE_FILE = "storage.key"
_EPOCH_FILE = re.compile(r"epoch-(0|[1-9][0-9]{0,8})-([0-9a-f]{32})\.key")


def make_identity(path: Path, name: UnitId, *, secret: Secret, entropy: Entropy) -> PrivateIdentity:
    """A new identity in a new file: its Ed25519 key in the token, where one opens the file and has that."""
    place = secret.place
    if place is None:
        soft = SoftIdentity.generate(name, entropy)
        write_identity(path, soft, secret=secret, entropy=entropy)
        return soft
    key_id = entropy(KEY_ID)
    ed25519 = place.make_ed25519(key_id, label=f"contrada {name}")
    made = PlacedIdentity(name, place, key_id=key_id, ed25519=ed25519, ml_dsa_65_seed=entropy(SEED_SIZE))
    try:
        write_identity(path, made, secret=secret, entropy=entropy)
    except KeyStoreError:
        place.destroy_ed25519(key_id)
        raise
    return made


def write_identity(path: Path, identity: PrivateIdentity, *, secret: Secret, entropy: Entropy) -> None:
    """Write a new identity; never over another."""
    data = seal_file(identity.secret_bytes(), purpose="identity", secret=secret, entropy=entropy)
    write_private(path, data, entropy=entropy)


def read_identity(path: Path, *, secret: Secret) -> PrivateIdentity:
    """The identity in this file."""
    match _content(path, purpose="identity", secret=secret):
        case [1, str(name), bytes(ed25519), bytes(ml_dsa_65)] if len(ed25519) == len(ml_dsa_65) == SEED_SIZE:
            return SoftIdentity(_name(name, path), ed25519_seed=ed25519, ml_dsa_65_seed=ml_dsa_65)
        case [2, str(name), bytes(public), bytes(key_id), bytes(ml_dsa_65)] if (
            len(public) == len(ml_dsa_65) == SEED_SIZE and len(key_id) == KEY_ID
        ):
            place = secret.place
            if place is None:
                raise TokenKeyError(f"the Ed25519 key of {path} is in a token, and this one has no Ed25519")
            return PlacedIdentity(
                _name(name, path), place, key_id=key_id, ed25519=public, ml_dsa_65_seed=ml_dsa_65
            )
        case _:
            raise _strange(path)


def write_epoch(
    directory: Path, key: SoftEpochKey, *, secret: Secret, entropy: Entropy, replace: bool = False
) -> None:
    """Write one epoch key."""
    path = directory / f"epoch-{key.epoch}-{key.kid.hex()}.key"
    data = seal_file(
        key.secret_bytes(), purpose=_epoch_purpose(key.epoch, key.kid), secret=secret, entropy=entropy
    )
    write_private(path, data, entropy=entropy, replace=replace)


def read_epoch(path: Path, *, secret: Secret) -> SoftEpochKey:
    """The epoch key in this file; the name must fit the content."""
    named = _EPOCH_FILE.fullmatch(path.name)
    if named is None:
        raise _strange(path)
    epoch, kid = int(named[1]), KeyId(bytes.fromhex(named[2]))
    match _content(path, purpose=_epoch_purpose(epoch, kid), secret=secret):
        case [1, str(unit), int(inside), bytes(seed), bytes(statement)] if (
            inside == epoch and len(seed) == SEED_SIZE
        ):
            return SoftEpochKey(_name(unit, path), epoch=epoch, seed=seed, statement=statement)
        case _:
            raise _strange(path)


def epoch_files(directory: Path) -> Iterator[tuple[int, KeyId, Path]]:
    """The epoch key files in this directory, unread: epoch, key id, path."""
    for path in sorted(directory.iterdir()):
        named = _EPOCH_FILE.fullmatch(path.name)
        if named is not None:
            yield int(named[1]), KeyId(bytes.fromhex(named[2])), path


def destroy_epoch(path: Path, *, entropy: Entropy) -> None:
    """Destroy one epoch key for good."""
    destroy_private(path, entropy=entropy)


def write_storage(directory: Path, unit: UnitId, *, key: bytes, secret: Secret, entropy: Entropy) -> None:
    """Write the storage key; never over another."""
    data = seal_file(encode([1, unit, key]), purpose="storage", secret=secret, entropy=entropy)
    write_private(directory / STORAGE_FILE, data, entropy=entropy)


def read_storage(directory: Path, unit: UnitId, *, secret: Secret) -> bytes:
    """The storage key of this unit."""
    path = directory / STORAGE_FILE
    match _content(path, purpose="storage", secret=secret):
        case [1, str(name), bytes(key)] if len(key) == SEED_SIZE and name == unit:
            return key
        case _:
            raise _strange(path)


def _content(path: Path, *, purpose: str, secret: Secret) -> Any:
    content = open_sealed(read_private(path), purpose=purpose, secret=secret, name=str(path))
    try:
        return decode(content)
    except Rejected:
        raise _strange(path) from None


def _epoch_purpose(epoch: int, kid: KeyId) -> str:
    return f"epoch/{epoch}/{kid.hex()}"


def _name(text: str, path: Path) -> UnitId:
    try:
        return parse_unit_id(text)
    except Rejected:
        raise _strange(path) from None


def _strange(path: Path) -> KeyFileUnreadable:
    return KeyFileUnreadable(f"{path} opens, but is not what its name says", hint="restore it from a backup")
