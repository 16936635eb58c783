"""The files of directory statements in a home: the statements, and which of them were verified here.

    directory.log        ( uint32 big-endian length || statement )*
    directory.verified   sealed (keys/sealed_file.py): [ v: 1, by: tstr, root: bstr .size 32, digests: bstr ]

The daemon's `directory.log`, which only grows, is clients/daemon/state/stored_directory.py. Rules:

- No statement in a file is trusted: each is verified again, from the pinned root. `directory.verified` spares
  signatures alone (keys/directory.py), and has no statements.
- It is believed only if it opens with the secret that opens this process's own keys, and names the same root,
  the same version of this program and the same libraries that verify. Otherwise it counts as absent. Whoever
  can write it and has not the secret achieves a slower start; an older one of our own says less, and nothing
  that is wrong (docs/adr/0025).
- It is written after the statements that it names were verified, and never read by anybody else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from keys.ceremony import read_pin
from keys.directory import Directory
from keys.errors import KeyStoreError
from keys.root_of_trust import RootOfTrust
from keys.sealed_file import open_sealed, seal_file
from keys.store import write_whole
from keys.unlock import Secret
from protocol.canonical import decode, encode
from protocol.errors import Rejected
from protocol.identifiers import digest
from protocol.limits import MAX_STATEMENT
from runtime.bounded import read_bounded
from runtime.errors import NotFound, NotVerified, TooLarge
from runtime.process.homes import Home

log = structlog.get_logger()

_LENGTH = 4
_PURPOSE: Final = "verified-statements"
_MAX_VERIFIED: Final = 64_000_000
"""Two million statements."""

_WORTH_WRITING: Final = 256
"""So many statements are verified in a tenth of a second."""


class VerifiedStatements:
    """The digests of what was verified with a root before, kept in a file for the next start."""

    def __init__(self, path: Path, root: RootOfTrust, secret: Secret) -> None:
        self._path = path
        self._secret = secret
        self._root = digest(root.encoded())
        self._kept = 0

    def read(self) -> bytes:
        """The digests, for `Directory`; none where the file is absent or not to be believed."""
        try:
            data = read_bounded(self._path, _MAX_VERIFIED, what="a list of verified statements")
            content = open_sealed(
                data, purpose=_PURPOSE, secret=self._secret, name=str(self._path), limit=_MAX_VERIFIED
            )
            item = decode(content, limit=_MAX_VERIFIED)
        except FileNotFoundError:
            return b""
        except (OSError, KeyStoreError, Rejected, TooLarge) as error:
            log.warning("verified_statements_not_read", error=type(error).__name__)
            return b""
        match item:
            case [1, str(by), bytes(root), bytes(digests)] if by == _verifier() and root == self._root:
                self._kept = len(digests) // len(root)
                return digests
            case _:
                return b""

    def is_due(self, size: int) -> bool:
        """Whether so many statements are worth writing the file again: it is written as a whole."""
        return size - self._kept >= max(_WORTH_WRITING, self._kept // 8)

    def write(self, digests: bytes) -> None:
        """Keep the digests of verified statements. A disk that refuses costs time at the next start alone."""
        content = encode([1, _verifier(), self._root, digests])
        sealed = seal_file(content, purpose=_PURPOSE, secret=self._secret, entropy=os.urandom)
        try:
            write_whole(self._path, sealed, entropy=os.urandom, replace=True)
        except OSError as error:
            log.warning("verified_statements_not_kept", error=error.strerror)
        # Also where it failed: a full disk is not asked again with every statement.
        self._kept = len(digests) // len(self._root)


def verified_statements(path: Path | None, root: RootOfTrust, secret: Secret) -> VerifiedStatements | None:
    """For settings that may name no file."""
    return None if path is None else VerifiedStatements(path, root, secret)


def _verifier() -> str:
    """Who verified: with another one, a signature that was good may be none."""
    return " ".join(f"{name} {version(name)}" for name in ("contrada", "cryptography", "PyNaCl"))


def read_statements(path: Path) -> list[bytes]:
    """The statements, in order. A last one that was cut off by a crash is left out."""
    with path.open("rb") as file:
        found = list(framed_statements(file))
        head = file.read(_LENGTH)
        if len(head) == _LENGTH and not 0 < int.from_bytes(head, "big") <= MAX_STATEMENT:
            raise NotVerified(f"{path} is damaged", hint="remove it: it is read from Kafka again")
    return found


def framed_statements(file: BinaryIO) -> Iterator[bytes]:
    """Each whole statement, one in memory at a time; the file is then where the first bad one begins.

    No statement is empty: a file of zeros has none, however long it is.
    """
    while True:
        start = file.tell()
        head = file.read(_LENGTH)
        size = int.from_bytes(head, "big") if len(head) == _LENGTH else 0
        statement = file.read(size) if 0 < size <= MAX_STATEMENT else b""
        if not statement or len(statement) < size:
            file.seek(start)
            return
        yield statement


def write_statements(path: Path, statements: Iterable[bytes]) -> None:
    """Replace the file atomically."""
    data = b"".join(len(statement).to_bytes(_LENGTH, "big") + statement for statement in statements)
    write_whole(path, data, mode=0o644, entropy=os.urandom, replace=True)


def local_directory(home: Home, *, secret: Secret | None = None) -> Directory:
    """The directory as the home's replica has it, verified from the pinned root.

    With the secret that opens the home's keys, no signature is that this home has verified before.
    """
    if not home.replica.exists():
        raise NotFound(
            f"no replica of the directory at {home.replica}",
            hint="start the unit's daemon once, or run 'contrada centre units' at the centre",
        )
    root = read_pin(home.root)
    verified = b"" if secret is None else VerifiedStatements(home.verified, root, secret).read()
    return Directory.replay(root, read_statements(home.replica), verified=verified)
