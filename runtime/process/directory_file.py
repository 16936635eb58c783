"""The file of directory statements in a home: its format, read and written as a whole.

    ( uint32 big-endian length || statement )*

The daemon's file, which only grows, is clients/daemon/state/stored_directory.py. Nothing in such a file is
trusted: every statement is verified again, from the pinned root.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from keys.ceremony import read_pin
from keys.directory import Directory
from keys.store import write_whole
from protocol.limits import MAX_STATEMENT
from runtime.errors import NotFound, NotVerified
from runtime.process.homes import Home

_LENGTH = 4


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


def local_directory(home: Home) -> Directory:
    """The directory as the home's replica has it, verified from the pinned root."""
    if not home.replica.exists():
        raise NotFound(
            f"no replica of the directory at {home.replica}",
            hint="start the unit's daemon once, or run 'contrada centre units' at the centre",
        )
    return Directory.replay(read_pin(home.root), read_statements(home.replica))
