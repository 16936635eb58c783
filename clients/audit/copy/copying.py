"""Making and continuing copies of logs. Everything is verified before it enters a copy.

    checkpoint    must be trusted by the policy, and continue the copy's own
    hash tiles    appended to the copy's tree, they must make the signed root
    entries       each file must have the hashes of its tile; so an interrupted copy goes on file by file
    checkpoint    is written last: a copy with a checkpoint is whole

Rules: a checkpoint that does not continue the copy is never taken over. It is kept beside it, as evidence. A
log that a source does not show is judged (absence.py), and not passed over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from clients.audit.copy.absence import judge_absence, raise_gravest
from clients.audit.copy.copied_heads import choose_policy
from clients.audit.copy.ledger_copy import (
    AUDIT,
    CHECKPOINT,
    DIRECTORY,
    POLICY,
    RECORDS,
    LedgerCopy,
    LogFiles,
    ahead,
)
from clients.audit.copy.level_zero import leaf_hashes
from clients.audit.copy.sources import copy_records, open_source, source_tiles
from clients.audit.errors import LogForked, LogWentBack
from keys.store import write_whole
from protocol.errors import ContradaError, Rejected
from protocol.limits import MAX_POLICY_TEXT
from protocol.merkle import EMPTY_ROOT
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint
from protocol.tlog.policy import Policy
from protocol.tlog.proofs import root_at
from protocol.tlog.tiles import (
    TILE_WIDTH,
    Tile,
    TileReader,
    TreeWriter,
    entries_between,
    pack_entries,
    read_entries,
    read_hashes,
    smaller_from,
    tile_of,
    tiles_between,
)
from runtime.cli.file_kinds import FileKind, read_kind
from runtime.errors import NotFound, NotVerified
from runtime.log_files import LogFileSource

Row = dict[str, Any]
Note = Callable[[str], object]
"""Where sentences for the person go."""


def mirror_all(
    source: str,
    destination: Path,
    *,
    policy: Path | None,
    logs: Sequence[str],
    records: bool,
    rows: list[Row],
    note: Note,
) -> None:
    """Copy each log that the policy names and the source has; and the store of records, from a directory.

    A row for each log that was copied goes into `rows`. What is wrong with one log does not keep the others
    from being copied: the gravest is raised at the end, and the others are noted.
    """
    copy = LedgerCopy(destination)
    with open_source(source) as origin:
        chosen = policy or _policy_of(copy, origin, note)
        believed = choose_policy(None, chosen, lambda _: None)
        wanted = _wanted(labels(believed), logs)
        destination.mkdir(parents=True, exist_ok=True)
        run = MirrorRun(origin, copy, believed, rows)
        of_records = run.attempt(lambda: copy_records(origin, destination / RECORDS)) if records else []
        for label in wanted:
            run.problems += run.attempt(partial(run.copy_log, label))
        run.problems += of_records
        run.problems += judge_absence(copy, wanted, shown=run.shown, named=bool(logs), note=note)
        if run.shown:
            _put(destination / POLICY, read_kind(chosen, MAX_POLICY_TEXT, FileKind.POLICY))
    raise_gravest(run.problems, note)


@dataclass(slots=True)
class MirrorRun:
    """One run over all logs."""

    source: LogFileSource
    copy: LedgerCopy
    policy: Policy
    rows: list[Row]
    shown: list[str] = field(default_factory=list)
    """The logs of which the source has shown a checkpoint, right or wrong."""

    problems: list[ContradaError] = field(default_factory=list)

    def attempt(self, work: Callable[[], object]) -> list[ContradaError]:
        """Do it; what does not verify is returned."""
        try:
            work()
        except (Rejected, NotVerified) as error:
            return [error]
        return []

    def copy_log(self, label: str) -> None:
        """Copy one log, or go on with it, if the source shows it."""
        data = self.source.get(f"{label}/{CHECKPOINT}")
        if data is not None:
            self.shown.append(label)
            self.rows.append(mirror_log(self.source, _files(self.copy, label), self.policy, data))


def _wanted(there: Sequence[str], logs: Sequence[str]) -> list[str]:
    for name in logs:
        if not any(name in (label, label.rpartition("/")[2]) for label in there):
            raise NotFound(f"the policy names no log {name}", hint=f"it names: {', '.join(there)}")
    return [label for label in there if not logs or label in logs or label.rpartition("/")[2] in logs]


def labels(policy: Policy) -> list[str]:
    """Where the logs of a policy are in a copy: `audit/2026h2`, `directory`."""
    found = []
    for origin in policy.origins:
        first, _, last = origin.rpartition("/")
        if last == DIRECTORY:
            found.append(DIRECTORY)
        elif first.endswith(f"/{AUDIT}"):
            found.append(f"{AUDIT}/{last}")
    return found


def mirror_log(source: LogFileSource, own: LogFiles, policy: Policy, data: bytes) -> Row:
    """Copy one log, or go on with it, up to this checkpoint of the source."""
    new = policy.trusted(parse_checkpoint(data)).checkpoint
    if not new.origin.endswith(f"/{own.label}"):
        raise NotVerified(f"{own.label} of the source is {new.origin}", hint="ask who runs the source")
    old = _own_checkpoint(own, new.origin)
    if new.size < old.size:
        _refuse(own, data, new, f"the copy has {old.size} leaves already", error=LogWentBack)
    if new.size == old.size and new.root != old.root:
        _refuse(own, data, new, "the copy has another root of this size", error=LogForked)
    if old.size == 0 and ahead(own, new.size):
        # Its checkpoint is gone, and its files are not: what it had before is not forgotten by that.
        _refuse(own, data, new, "the copy has files of a larger tree already", error=LogWentBack)
    read = source_tiles(source, own.label)
    fetched = _hash_tiles(read, own, old, new, data)
    for tile, content in fetched.items():
        _put(own.path / tile.path, content)
    count = _entries(read, own, new)
    _put(own.path / CHECKPOINT, data)
    return {"log": new.origin, "from": old.size, "to": new.size, "files": len(fetched) + count}


def _own_checkpoint(own: LogFiles, origin: str) -> Checkpoint:
    try:
        return parse_checkpoint(own.checkpoint()).checkpoint
    except Rejected:
        if (own.path / CHECKPOINT).exists():
            raise
        return Checkpoint(origin, 0, EMPTY_ROOT)


def _hash_tiles(
    source: TileReader, own: LogFiles, old: Checkpoint, new: Checkpoint, data: bytes
) -> dict[Tile, bytes]:
    """The tiles that are new, after they made the signed root together with those that are here."""
    tree = TreeWriter.resume(old.size, own.read, with_entries=False)
    if tree.root() != old.root:
        raise NotVerified(
            f"the copy of {old.origin} does not make its own root any more",
            hint="'contrada audit fsck' says which file of the copy is wrong",
        )
    at = old.size
    for tile in tiles_between(old.size, new.size):
        if tile.level == 0:
            hashes = read_hashes(source, tile)
            for leaf in hashes[at - tile.index * TILE_WIDTH :]:
                tree.append_leaf(leaf)
            at = tree.size
    if tree.root() != new.root:
        _explain(source, own, old, new, data)
    # Not those of the source: the ones that follow from its leaves, which are now known to be right.
    made = tree.take()
    return {tile: made[tile.path] for tile in tiles_between(old.size, new.size)}


def _explain(source: TileReader, own: LogFiles, old: Checkpoint, new: Checkpoint, data: bytes) -> None:
    """The new leaves do not continue the copy: another history, or damage at the source."""
    if root_at(new.size, source) == new.root and (
        root_at(old.size, smaller_from(source, size=new.size)) != old.root
    ):
        why = f"its first {old.size} leaves are not those that were signed before"
        _refuse(own, data, new, why, error=LogForked)
    raise NotVerified(
        f"the tiles of {new.origin} at the source do not make the root that was signed",
        hint="the source is damaged or was altered; nothing was taken over",
    )


def _entries(source: TileReader, own: LogFiles, new: Checkpoint) -> int:
    """The files of entries that are not here yet, each against the hashes of its tile."""
    count = 0
    for tile in entries_between(0, new.size):
        hashes = read_hashes(own.read, tile_of(0, tile.index, size=new.size))
        if own.has(tile) and _fits(own.read, tile, hashes):
            continue
        if not _fits(source, tile, hashes):
            first = tile.index * TILE_WIDTH
            raise NotVerified(
                f"entries {first} to {first + tile.width - 1} of {new.origin} are not those that were signed",
                hint=f"{own.label}/{tile.path} of the source was altered or is missing",
            )
        _put(own.path / tile.path, pack_entries(read_entries(source, tile)))
        count += 1
    return count


def _fits(read: TileReader, tile: Tile, hashes: Sequence[bytes]) -> bool:
    try:
        return leaf_hashes(read_entries(read, tile)) == list(hashes)
    except Rejected:
        return False


def _refuse(own: LogFiles, data: bytes, new: Checkpoint, why: str, *, error: type[NotVerified]) -> NoReturn:
    kept = own.path / f"{CHECKPOINT}.refused-{new.size}-{new.root.hex()[:8]}"
    _put(kept, data)
    raise error(
        f"{new.origin} at size {new.size} does not continue this copy: {why}",
        hint=f"the copy is as it was; {kept} and its own checkpoint prove it: call the centre and the units",
    )


def _policy_of(copy: LedgerCopy, source: LogFileSource, note: Note) -> Path:
    own, theirs = copy.path / POLICY, source.local(POLICY)
    if own.is_file():
        return own
    if copy.logs():
        raise NotFound(
            f"{copy.path} has logs, and its policy is gone", hint="give the file that you trust with --policy"
        )
    if theirs is None or not theirs.is_file():
        raise NotFound(
            "there is no policy to verify the logs with", hint="give the file that you trust with --policy"
        )
    note("note: the policy came with the source, which says so itself whose signatures count")
    return theirs


def _files(copy: LedgerCopy, label: str) -> LogFiles:
    return LogFiles(copy.path / label, label)


def _put(path: Path, data: bytes) -> None:
    # What a log publishes: everybody may read it. On the disk with its name, before the checkpoint is.
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data, entropy=os.urandom, mode=0o644, replace=True)
