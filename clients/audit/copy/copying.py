"""Making and continuing copies of logs. Everything is verified before it enters a copy.

    checkpoint    must be trusted by the policy, and continue the copy's own
    hash tiles    appended to the copy's tree, they must make the signed root
    entries       each file must have the hashes of its tile; so an interrupted copy goes on file by file
    checkpoint    is written last: a copy with a checkpoint is whole

Rule: a checkpoint that does not continue the copy is never taken over. It is kept beside it, as evidence.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clients.audit.copy.copied_heads import choose_policy
from clients.audit.copy.ledger_copy import AUDIT, CHECKPOINT, DIRECTORY, POLICY, RECORDS, LedgerCopy, LogFiles
from clients.audit.copy.level_zero import leaf_hashes
from clients.audit.copy.sources import copy_records, open_source, source_tiles
from keys.store import write_whole
from protocol.errors import Rejected
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
from runtime.bounded import read_bounded
from runtime.errors import NotFound, NotVerified
from runtime.log_files import LogFileSource

Row = dict[str, Any]


def mirror_all(
    source: str, destination: Path, *, policy: Path | None, logs: Sequence[str], records: bool
) -> list[Row]:
    """Copy each log that the policy names and the source has; and the store of records, from a directory."""
    copy = LedgerCopy(destination)
    with open_source(source) as origin:
        chosen = policy or _policy_of(copy, origin)
        believed = choose_policy(None, chosen, lambda _: None)
        destination.mkdir(parents=True, exist_ok=True)
        if records:
            copy_records(origin, destination / RECORDS)
        rows = [
            row
            for label in labels(believed)
            if not logs or label in logs or label.rpartition("/")[2] in logs
            if (row := mirror_log(origin, _files(copy, label), believed)) is not None
        ]
        _put(destination / POLICY, read_bounded(chosen, MAX_POLICY_TEXT, what="a policy"))
    return rows


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


def mirror_log(source: LogFileSource, own: LogFiles, policy: Policy) -> Row | None:
    """Copy one log, or go on with it. None if the source does not have it."""
    data = source.get(f"{own.label}/{CHECKPOINT}")
    if data is None:
        return None
    new = policy.trusted(parse_checkpoint(data)).checkpoint
    if not new.origin.endswith(f"/{own.label}"):
        raise NotVerified(f"{own.label} of the source is {new.origin}", hint="ask who runs the source")
    old = _own_checkpoint(own, new.origin)
    if _goes_back(old, new):
        _refuse(own, data, new, f"the copy has {old.size} leaves, the source {new.size}, or another root")
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


def _goes_back(old: Checkpoint, new: Checkpoint) -> bool:
    return new.size < old.size or new.origin != old.origin or (new.size == old.size and new.root != old.root)


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
        _refuse(own, data, new, f"its first {old.size} leaves are not those that were signed before")
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


def _refuse(own: LogFiles, data: bytes, new: Checkpoint, why: str) -> None:
    kept = own.path / f"{CHECKPOINT}.refused-{new.size}-{new.root.hex()[:8]}"
    _put(kept, data)
    raise NotVerified(
        f"{new.origin} at size {new.size} does not continue this copy: {why}",
        hint=f"the copy is as it was; {kept} and its own checkpoint prove it: call the centre and the units",
    )


def _policy_of(copy: LedgerCopy, source: LogFileSource) -> Path:
    for path in (copy.path / POLICY, source.local(POLICY)):
        if path is not None and path.is_file():
            return path
    raise NotFound(
        "there is no policy to verify the logs with", hint="give the file that you trust with --policy"
    )


def _files(copy: LedgerCopy, label: str) -> LogFiles:
    return LogFiles(copy.path / label, label)


def _put(path: Path, data: bytes) -> None:
    # What a log publishes: everybody may read it. On the disk with its name, before the checkpoint is.
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data, entropy=os.urandom, mode=0o644, replace=True)
