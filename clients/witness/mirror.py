"""A witness's own copy of a log's tree: every entry is read and hashed before the root is signed.

    mirror/<origin>/tile/...       the tree (C2SP tlog-tiles), as the log's own directory has it
                    checkpoint     the newest checkpoint whose root this copy gives

Owns the copy. A witness without one relies on a consistency proof: it knows that the log grew, and not by
which entries. With one, it knows that the log shows the entries that it signed.

Rules:
- `checkpoint` is written last and says how far the copy is valid; files beyond it are not used, and are
  written over. A copy that does not give its root any more is made again from the beginning.
- A disk that refuses a file is `StateUnavailable`, and what was not written is copied again: of a tree in
  memory nothing counts whose files are not there.
- One step copies for `PATIENCE` seconds at most: the caller is told to come again, and the copy continues
from there. It is synced to disk before `follow` returns. All use is from one thread.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from clients.witness.errors import SourceUnavailable, StateUnavailable
from keys.store import write_whole
from protocol.errors import Code, Rejected
from protocol.merkle import verify_consistency
from protocol.tlog.checkpoints import Checkpoint, SignedCheckpoint, parse_checkpoint
from protocol.tlog.proofs import consistency_proof, root_at
from protocol.tlog.tiles import ENTRIES, TILE_WIDTH, Tile, TileReader, TreeWriter, read_entries, smaller_from
from runtime.bounded import read_bounded
from runtime.errors import TooLarge, Unavailable
from runtime.log_files import MAX_LOG_FILE, DirectoryLogFiles, HttpLogFiles, LogFileSource

log = structlog.get_logger()

PATIENCE: Final = 5.0
WRITE_EVERY: Final = 16
"""Files of entries that are read before their tiles are written: a long copy needs no more memory."""

_PLACE = re.compile(r"(?:audit/[^/]+|directory)\Z")
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


class Mirror:
    """The copies of all logs."""

    __slots__ = ("_monotonic", "_path", "_source", "_writers")

    def __init__(self, path: Path, source: LogFileSource, *, monotonic: Callable[[], float]) -> None:
        self._path = path
        self._source = source
        self._monotonic = monotonic
        self._writers: dict[str, TreeWriter] = {}

    def follow(self, signed: SignedCheckpoint) -> None:
        """Bring the copy to this checkpoint; `Rejected(E_CONSISTENCY)` when the log shows another tree."""
        with _as_ours():
            self._follow(signed)

    def _follow(self, signed: SignedCheckpoint) -> None:
        wanted = signed.checkpoint
        known = self._root_at(wanted.origin, wanted.size)
        if known is not None:
            _check(known, wanted)
            return
        writer = self._writers.get(wanted.origin)
        if writer is None or writer.size > wanted.size:
            writer = self._writers[wanted.origin] = self._resumed(wanted.origin, at_most=wanted.size)
        try:
            self._copy(writer, wanted)
            _check(writer.root(), wanted)
        except (Rejected, OSError):
            # What was read is not the log's tree, or not all of it is on disk: resume from what was proved.
            del self._writers[wanted.origin]
            raise
        _put(self._of(wanted.origin) / "checkpoint", signed.data)

    def root_at(self, origin: str, size: int) -> bytes | None:
        """The root that this log had at this size, from the copy; None if it does not go so far."""
        with _as_ours():
            return self._root_at(origin, size)

    def _root_at(self, origin: str, size: int) -> bytes | None:
        kept = self.proved(origin)
        if kept is None or kept.size < size:
            return None
        read = smaller_from(self._reader(origin), size=kept.size)
        try:
            root = root_at(size, read)
            path = consistency_proof(size, kept.size, read)
        except Rejected:
            return None
        # A damaged file must not look like a fork: the root is proved against the one that was signed.
        proved = verify_consistency(size, root, new=kept.size, new_root=kept.root, path=path)
        return root if proved else None

    def proved(self, origin: str) -> Checkpoint | None:
        """The newest checkpoint whose root the copy gave."""
        try:
            return parse_checkpoint(self._kept(origin, "checkpoint")).checkpoint
        except (FileNotFoundError, Rejected, TooLarge):
            return None

    def _copy(self, writer: TreeWriter, wanted: Checkpoint) -> None:
        deadline = self._monotonic() + PATIENCE
        files = 0
        while writer.size < wanted.size:
            if self._monotonic() > deadline:
                self._store(writer, wanted.origin)
                raise SourceUnavailable(f"copied {writer.size} of {wanted.size} leaves: ask again")
            index = writer.size // TILE_WIDTH
            tile = Tile(ENTRIES, index, min(TILE_WIDTH, wanted.size - index * TILE_WIDTH))
            for entry in read_entries(self._shown(wanted.origin), tile)[writer.size - index * TILE_WIDTH :]:
                writer.append(entry)
            files += 1
            if files % WRITE_EVERY == 0:
                self._store(writer, wanted.origin)
        self._store(writer, wanted.origin)

    def _store(self, writer: TreeWriter, origin: str) -> None:
        for path, data in writer.take().items():
            _put(self._of(origin) / path, data)

    def _resumed(self, origin: str, *, at_most: int) -> TreeWriter:
        kept = self.proved(origin)
        if kept is None:
            return TreeWriter()
        try:
            writer = TreeWriter.resume(kept.size, self._reader(origin))
            _check(writer.root(), kept)
        except Rejected:
            log.warning("mirror_begun_again", path=origin, size=kept.size)
            return TreeWriter()
        return writer if writer.size <= at_most else TreeWriter()

    def _shown(self, origin: str) -> TileReader:
        place = _place(origin)

        def read(tile: Tile) -> bytes:
            try:
                found = self._source.get(f"{place}/{tile.path}")
            except Unavailable as error:
                raise SourceUnavailable(str(error), hint="check 'mirror' in witness.toml") from None
            if found is None:
                raise Rejected(Code.E_TILE, f"the log does not show {tile.path}")
            return found

        return read

    def _reader(self, origin: str) -> TileReader:
        def read(tile: Tile) -> bytes:
            try:
                return self._kept(origin, tile.path)
            except (FileNotFoundError, TooLarge):
                raise Rejected(Code.E_TILE, f"{tile.path} is not in the copy") from None

        return read

    def _kept(self, origin: str, path: str) -> bytes:
        return read_bounded(self._of(origin) / path, MAX_LOG_FILE, what="a file of a log")

    def _of(self, origin: str) -> Path:
        # An origin comes from the policy file, and still must not lead out of the folder.
        if not all(map(_SEGMENT.fullmatch, origin.split("/"))):
            raise Rejected(Code.E_LOG_UNKNOWN, "the origin cannot be the name of a folder")
        return self._path / origin


def _place(origin: str) -> str:
    """Where a log is in the ledger's directory: its origin without the name of the exchange."""
    found = _PLACE.search(origin)
    return found[0] if found else origin


def _check(root: bytes, wanted: Checkpoint) -> None:
    if root != wanted.root:
        raise Rejected(
            Code.E_CONSISTENCY, "the entries that the log shows do not give the root that it signed"
        )


def open_tile_source(where: str, *, beside: Path) -> LogFileSource:
    """The source that a setting names: a URL, or a directory, from the home."""
    if where.startswith(("http://", "https://")):
        return HttpLogFiles(where, seconds=PATIENCE)
    return DirectoryLogFiles(beside / where)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data, entropy=os.urandom, replace=True)


@contextmanager
def _as_ours() -> Iterator[None]:
    """A failure of the witness's disk is `StateUnavailable`: no evidence against the log, and it may pass."""
    try:
        yield
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise StateUnavailable(f"its copy of the tree: {name}") from None
