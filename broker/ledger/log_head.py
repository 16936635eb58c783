"""The head of a log: its signed state in the lock row, and the tree that it continues from.

    state     origin, size, root, signed checkpoint, and how far the inputs were read: in the lock row
    tree      the last tile of each level: in memory, resumed from the tile store

Owns how one becomes the next: leaves are added, the new head is signed, the files that changed are named.
Pure but for the tiles that it reads to resume; log_storage.py stores the result. Rules:
- A tree that cannot be committed is discarded: it is ahead of the store, and nothing may be built on it.
- A tree that is resumed has the root of the lock row, or it is refused: the tiles were altered, or lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from broker.errors import StoreCorrupt
from broker.ledger.store.record_store import LogState
from protocol.errors import Rejected
from protocol.tlog.checkpoints import Checkpoint, CheckpointSigner, Seconds, sign_checkpoint
from protocol.tlog.tiles import (
    TileReader,
    TreeWriter,
)

log = structlog.get_logger()

Signers = Callable[[str], Sequence[CheckpointSigner]]
"""The keys with which the log of an origin signs."""


@dataclass(slots=True)
class LogHead:
    """A log's state and its tree."""

    state: LogState
    tree: TreeWriter
    first_entries: Sequence[bytes] = ()
    """The state with which a new log starts."""

    @property
    def origin(self) -> str:
        """The log."""
        return self.state.origin


def resume_head(state: LogState, read: TileReader) -> LogHead:
    """The head, from the lock row and the store, which must agree."""
    try:
        tree = TreeWriter.resume(state.size, read)
    except Rejected as rejected:
        raise _corrupt(state, rejected.sentence) from None
    if tree.root() != state.root:
        raise _corrupt(state, "the tiles make another root")
    return LogHead(state, tree)


def new_head(origin: str, *, after: LogState | None = None, first_entries: Sequence[bytes] = ()) -> LogHead:
    """A log without entries, not signed yet; its inputs go on where those of the log before it ended."""
    tree = TreeWriter()
    state = LogState(
        origin=origin,
        size=0,
        root=tree.root(),
        checkpoint=b"",
        position=0 if after is None else after.position,
        directory_next=0 if after is None else after.directory_next,
    )
    return LogHead(state, tree, first_entries)


def grown_head(
    head: LogHead,
    entries: Sequence[bytes],
    *,
    signers: Signers,
    now: Seconds,
    position: int | None = None,
    directory_next: int | None = None,
) -> tuple[LogState, Mapping[str, bytes]]:
    """The state with these entries more, signed, and the files that changed. `head.tree` has them then."""
    for entry in entries:
        head.tree.append(entry)
    old, size, root = head.state, head.tree.size, head.tree.root()
    note = old.checkpoint
    if entries or not note:
        note = sign_checkpoint(Checkpoint(head.origin, size, root), signers(head.origin), now=now)
    state = replace(
        old,
        size=size,
        root=root,
        checkpoint=note,
        position=old.position if position is None else position,
        directory_next=old.directory_next if directory_next is None else directory_next,
    )
    return state, head.tree.take()


def _corrupt(state: LogState, why: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"the tiles of {state.origin} are not those of its head of size {state.size}: {why}",
        hint="restore the tile store from a copy (a mirror has one: 'contrada audit mirror'), then check it "
        "with 'contrada audit fsck DIR'; never start a new log in its place",
    )
