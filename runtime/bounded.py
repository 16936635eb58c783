"""Reading from outside with a bound: files, stdin, bodies of HTTP.

Owns the one way in which bytes of unknown length come into memory: nobody who writes a file or a request
decides how much of it that takes. A refusal says how much there was and how much it may be. What is read in
parts, such as databases and the statements of a directory, has its bound for each part. Secrets and keys,
whose files are also held to their owner and mode, are read in keys/store.py.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from typing import BinaryIO

from runtime.errors import TooLarge

LOOK_AGAIN = "is it the right file?"


def read_bounded(path: Path, limit: int, *, what: str) -> bytes:
    """The file's bytes, or `TooLarge`; `what` is what should be in it, as in "a draft"."""
    with path.open("rb") as file:
        return read_stream(file, limit, name=str(path), what=what)


def read_stream(stream: BinaryIO, limit: int, *, name: str, what: str) -> bytes:
    """The same of what is open already, also of a pipe, which has no size."""
    size = _size_of(stream)
    if size is not None and size > limit:
        raise _too_large(f"{name} has {size} bytes", limit, what)
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise _too_large(f"{name} has more than that", limit, what)
    return data


def join_bounded(chunks: Iterable[bytes], limit: int, *, name: str, what: str) -> bytes:
    """What comes in parts, joined; `TooLarge` as soon as it is more."""
    data = bytearray()
    for chunk in chunks:
        _add(data, chunk, limit, name=name, what=what)
    return bytes(data)


async def gather_bounded(chunks: AsyncIterable[bytes], limit: int, *, name: str, what: str) -> bytes:
    """The same of what has to be waited for."""
    data = bytearray()
    async for chunk in chunks:
        _add(data, chunk, limit, name=name, what=what)
    return bytes(data)


def _add(data: bytearray, chunk: bytes, limit: int, *, name: str, what: str) -> None:
    if len(data) + len(chunk) > limit:
        raise _too_large(f"{name} has more than that", limit, what)
    data += chunk


def _size_of(stream: BinaryIO) -> int | None:
    try:
        found = os.fstat(stream.fileno())
    except OSError:  # also of a stream in memory
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _too_large(found: str, limit: int, what: str) -> TooLarge:
    return TooLarge(f"{what} has at most {limit} bytes, and {found}", hint=LOOK_AGAIN)
