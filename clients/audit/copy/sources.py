"""Where a mirror copies from: a directory, or the ledger's read API over HTTP.

Nothing that comes from here is believed. Answers are bounded in size and time, and redirects not followed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from clients.audit.copy.ledger_copy import MAX_ENTRIES, RECORDS
from protocol.errors import Code, Rejected
from protocol.tlog.tiles import Tile, TileReader
from runtime.errors import NotFound, Unavailable

if TYPE_CHECKING:
    import httpx

_SECONDS = 30.0


class Source(Protocol):
    """Files by their path in the layout of a ledger."""

    def get(self, path: str) -> bytes | None:
        """The file; None where there is none."""
        ...

    def local(self, path: str) -> Path | None:
        """The file on this machine; None where the source is elsewhere."""
        ...


def tile_reader(source: Source, label: str) -> TileReader:
    """Reads the tiles of one log."""

    def read(tile: Tile) -> bytes:
        data = source.get(f"{label}/{tile.path}")
        if data is None:
            raise Rejected(Code.E_TILE, f"the source has no {label}/{tile.path}")
        return data

    return read


@contextmanager
def open_source(name: str) -> Iterator[Source]:
    """The source of this name: a directory, `file://`, `http://` or `https://`."""
    parts = urlsplit(name)
    match parts.scheme:
        case "http" | "https":
            import httpx  # noqa: PLC0415 - only where there is something to fetch

            with httpx.Client(timeout=_SECONDS, follow_redirects=False) as client:
                yield _Http(client, name.rstrip("/"))
        case "file":
            yield _Directory.at(Path(unquote(parts.path)))
        case _:
            yield _Directory.at(Path(name))


def copy_records(source: Source, target: Path) -> bool:
    """Copy the store of records as one moment of it, if it is on this machine; False if it is not."""
    path = source.local(RECORDS)
    if path is None or not path.is_file():
        return False
    beside = target.with_name(f".{target.name}.new")
    beside.unlink(missing_ok=True)
    try:
        # Not immutable: a running ledger may write meanwhile, and the backup begins again then.
        with (
            closing(
                sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_SECONDS)
            ) as here,
            closing(sqlite3.connect(beside)) as there,
        ):
            here.backup(there)
    except sqlite3.Error as error:
        raise Unavailable(f"the store of records cannot be copied: {error}", hint="try again") from None
    beside.replace(target)
    return True


class _Directory:
    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def at(cls, path: Path) -> _Directory:
        if not path.is_dir():
            raise NotFound(f"there is no directory {path}", hint="give the ledger's directory or its URL")
        return cls(path)

    def get(self, path: str) -> bytes | None:
        try:
            with (self._path / path).open("rb") as file:
                return file.read(MAX_ENTRIES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"{self._path / path}: {error.strerror}", hint="check the path") from None

    def local(self, path: str) -> Path | None:
        return self._path / path


class _Http:
    def __init__(self, client: httpx.Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def get(self, path: str) -> bytes | None:
        import httpx  # noqa: PLC0415

        try:
            with self._client.stream("GET", f"{self._prefix}/{path}") as answer:
                if answer.status_code in (404, 410):
                    return None
                if answer.status_code != httpx.codes.OK:
                    raise _unavailable(path, f"status {answer.status_code}")
                data = b""
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > MAX_ENTRIES:
                        raise _unavailable(path, "an answer that is too large")
                return data
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unavailable(path, type(error).__name__) from None

    def local(self, _: str) -> Path | None:
        return None


def _unavailable(path: str, why: str) -> Unavailable:
    return Unavailable(
        f"the source does not give {path}: {why}", hint="try again; the copy goes on where it was"
    )
