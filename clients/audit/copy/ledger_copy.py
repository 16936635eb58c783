"""The layout of a copied ledger, and reading it. Never writes.

    DIR/audit/2026h2/{checkpoint,tile/...}    one log for each half-year
    DIR/directory/{checkpoint,tile/...}       the log of the key directory
    DIR/records.sqlite                        records and their salts
    DIR/policy                                the keys of the logs and their witnesses, as the ledger says
    DIR/root.cbor                             the pinned root of the directory, if it was put there

Nothing in it is trusted. What a reader gives is bounded in size; the caller verifies it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import Code, Rejected
from protocol.tlog.tiles import ENTRIES, HASH_SIZE, TILE_WIDTH, Tile
from runtime.bounded import read_bounded
from runtime.errors import NotFound, TooLarge
from runtime.log_files import MAX_LOG_FILE

AUDIT = "audit"
DIRECTORY = "directory"
CHECKPOINT = "checkpoint"
RECORDS = "records.sqlite"
POLICY = "policy"
ROOT = "root.cbor"
MAX_CHECKPOINT = 1_048_576

_SHARD = re.compile(r"[0-9]{4}h[12]")


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files of one log."""

    path: Path
    label: str
    """Its place in the copy: `audit/2026h2`, `directory`."""

    def read(self, tile: Tile) -> bytes:
        """A file of the tree; implements `TileReader`."""
        limit = MAX_LOG_FILE if tile.level == ENTRIES else TILE_WIDTH * HASH_SIZE
        return _read(self.path / tile.path, limit=limit, name=f"{self.label}/{tile.path}")

    def has(self, tile: Tile) -> bool:
        """Whether there is such a file."""
        return (self.path / tile.path).is_file()

    def leaves_at_most(self) -> int:
        """How many leaves the files of leaf hashes and entries that are here can be for, by their number."""
        levels = (self.path / "tile" / "0", self.path / "tile" / "entries")
        return TILE_WIDTH * max(sum(len(files) for _, _, files in os.walk(level)) for level in levels)

    def checkpoint(self) -> bytes:
        """The checkpoint file."""
        return _read(self.path / CHECKPOINT, limit=MAX_CHECKPOINT, name=f"{self.label}/{CHECKPOINT}")


@dataclass(frozen=True, slots=True)
class LedgerCopy:
    """A copied ledger."""

    path: Path

    def shards(self) -> tuple[LogFiles, ...]:
        """The audit log's half-years, oldest first."""
        home = self.path / AUDIT
        names = [each.name for each in home.iterdir() if _SHARD.fullmatch(each.name)] if home.is_dir() else []
        return tuple(LogFiles(home / name, f"{AUDIT}/{name}") for name in sorted(names))

    def directory_log(self) -> LogFiles | None:
        """The log of the key directory."""
        home = self.path / DIRECTORY
        return LogFiles(home, DIRECTORY) if home.is_dir() else None

    def logs(self) -> tuple[LogFiles, ...]:
        """All of them."""
        directory = self.directory_log()
        return (*self.shards(), *(() if directory is None else (directory,)))

    def log(self, name: str) -> LogFiles:
        """One of them, by its place, by the half-year alone, or by the end of its origin."""
        for each in self.logs():
            if name in (each.label, each.path.name) or name.endswith(f"/{each.label}"):
                return each
        known = ", ".join(each.label for each in self.logs()) or "none"
        raise NotFound(f"there is no log {name} in {self.path}", hint=f"the logs here are: {known}")

    @property
    def records(self) -> Path:
        """The store of records."""
        return self.path / RECORDS


def open_copy(path: Path) -> LedgerCopy:
    """The copy in this directory; it has at least one log."""
    copy = LedgerCopy(path)
    if not copy.logs():
        raise NotFound(
            f"{path} is no copy of a ledger", hint="give the directory in which audit/ and directory/ are"
        )
    return copy


def ahead(log: LogFiles, size: int) -> bool:
    """Whether the copy holds tiles that a tree of this size has not."""
    index, width = divmod(size, TILE_WIDTH)
    following = [Tile(0, index, TILE_WIDTH), *(Tile(0, index, more) for more in range(width + 1, TILE_WIDTH))]
    return any(log.has(tile) for tile in [*following, Tile(0, index + 1, TILE_WIDTH)])


def _read(path: Path, *, limit: int, name: str) -> bytes:
    try:
        return read_bounded(path, limit, what=name)
    except OSError as error:
        raise Rejected(Code.E_TILE, f"{name}: {(error.strerror or 'not readable').lower()}") from None
    except TooLarge as error:
        raise Rejected(Code.E_TILE, str(error)) from None
