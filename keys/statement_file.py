"""Statements of the directory in a file: each with its length, uint32 big-endian, before it.

Nothing in such a file is trusted: whoever reads it verifies every statement from the pinned root again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from runtime.errors import NotVerified

_LENGTH = 4


def read_statements(path: Path) -> list[bytes]:
    """The statements, in order. A last one that was cut off by a crash is left out."""
    data = path.read_bytes()
    found, at = [], 0
    while at + _LENGTH <= len(data):
        size = int.from_bytes(data[at : at + _LENGTH], "big")
        if size > 1 << 20:
            raise NotVerified(f"{path} is damaged", hint="remove it: it is read from Kafka again")
        if at + _LENGTH + size > len(data):
            break
        found.append(data[at + _LENGTH : at + _LENGTH + size])
        at += _LENGTH + size
    return found


def write_statements(path: Path, statements: Iterable[bytes]) -> None:
    """Put the file there, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        for statement in statements:
            file.write(len(statement).to_bytes(_LENGTH, "big") + statement)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
