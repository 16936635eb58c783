"""Sources of a copy: a directory, or the ledger's read API over HTTP (runtime/log_files.py).

Owns how a source is named on the command line, and copying the store of records, which only a directory has.
Nothing from a source is trusted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clients.audit.copy.ledger_copy import RECORDS
from clients.audit.errors import LogWentBack, LogWithheld
from protocol.errors import Code, Rejected
from protocol.tlog.tiles import Tile, TileReader
from protocol.trail.records_file import LOGS
from runtime.errors import NotFound, Unavailable
from runtime.files import new_file
from runtime.log_files import DirectoryLogFiles, HttpLogFiles, LogFileSource

_SECONDS = 30.0
_KEEP = "the copy is as it was; keep it, and ask the centre why"


def source_tiles(source: LogFileSource, label: str) -> TileReader:
    """Reads the tiles of one log."""

    def read(tile: Tile) -> bytes:
        data = source.get(f"{label}/{tile.path}")
        if data is None:
            raise Rejected(Code.E_TILE, f"the source has no {label}/{tile.path}")
        return data

    return read


@contextmanager
def open_source(name: str) -> Iterator[LogFileSource]:
    """The source of this name: a directory, `file://`, `http://` or `https://`."""
    parts = urlsplit(name)
    match parts.scheme:
        case "http" | "https":
            with closing(HttpLogFiles(name, seconds=_SECONDS)) as source:
                yield source
        case "file":
            yield _directory(Path(unquote(parts.path)))
        case _ if "://" in name:
            raise NotFound(
                f"{parts.scheme}: is no kind of source",
                hint="give a directory, or a URL of http, https or file",
            )
        case _:
            yield _directory(Path(name))


def copy_records(source: LogFileSource, target: Path) -> bool:
    """Copy a consistent snapshot of the store of records, if it is on this machine; False if it is not.

    Never over a store that knows more: `LogWentBack`. One that is gone where it was is `LogWithheld`.
    """
    path = source.local(RECORDS)
    if path is None:
        return False
    if not path.is_file():
        if target.is_file():
            raise LogWithheld(
                "the source has no store of records any more, and this copy has one", hint=_KEEP
            )
        return False
    try:
        # Not immutable: a running ledger may write meanwhile, and the backup begins again then.
        with new_file(target) as beside:
            with (
                closing(
                    sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_SECONDS)
                ) as here,
                closing(sqlite3.connect(beside)) as there,
            ):
                here.backup(there)
            _check_grown(target, beside)
    except sqlite3.Error as error:
        raise Unavailable(f"the store of records cannot be copied: {error}", hint="try again") from None
    return True


def _check_grown(old: Path, new: Path) -> None:
    """Each log is as long in the new store as in the old one. Which records it has is for fsck to say."""
    if not old.is_file():
        return
    after = _sizes(new)
    for origin, size in _sizes(old).items():
        if after.get(origin, -1) < size:
            found = f"{after[origin]} leaves" if origin in after else "nothing"
            raise LogWentBack(
                f"the source's store of records has {found} of {origin}, and this copy's has {size} leaves",
                hint=_KEEP,
            )


def _sizes(store: Path) -> dict[str, int]:
    try:
        # Nobody writes to a copy: without that word SQLite would leave its lock files beside it.
        where = f"{store.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(where, uri=True)) as database:
            rows = database.execute(f"SELECT origin, size FROM {LOGS}")  # noqa: S608 - a constant
            return {str(origin): int(size) for origin, size in rows}
    except (sqlite3.Error, ValueError, TypeError):
        return {}  # a damaged copy is no reason to keep it


def _directory(path: Path) -> DirectoryLogFiles:
    if not path.is_dir():
        raise NotFound(f"there is no directory {path}", hint="give the ledger's directory or its URL")
    return DirectoryLogFiles(path)
