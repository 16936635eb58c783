"""The checks before the ledger adds anything: its database, its tiles, and what it published must agree.

    lock row       signed by the log's own keys, for exactly this size and root
    tiles          their right edge makes that root                                  (log_head.resume_head)
    checkpoint     in the tile store: not ahead of the lock row, and a beginning of its tree
    topic ledger   what was published last: the same
    topic audit    still has the record at which the ledger goes on
    witnesses      have not cosigned more                                       (cosigning.py, when asked)

Each of these is kept in another place, so that one that was altered or rolled back disagrees with the others.
Every refusal names what disagrees and what to do. Nothing here writes.
"""

from __future__ import annotations

from broker.errors import RolledBack, StoreCorrupt
from broker.ledger.log_storage import prefix_of
from broker.ledger.published import Published
from broker.ledger.store.record_store import LogState
from broker.ledger.store.tile_store import CHECKPOINT, TileStore
from protocol.errors import Rejected
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.policy import Policy
from protocol.tlog.proofs import root_at
from protocol.tlog.tiles import TileReader, smaller_from

NEVER = "do not begin a new log in its place: that is what somebody would do who wants to hide something"


def check_state(state: LogState, policy: Policy) -> None:
    """The lock row is what the log signed."""
    try:
        signed = policy.signed_by_log(parse_checkpoint(state.checkpoint))
    except Rejected as rejected:
        raise StoreCorrupt(
            f"the head of {state.origin} in the records is not signed by the log's keys ({rejected.code})",
            hint="restore the newest copy of the records; if the keys were changed, the policy names the old "
            f"ones. {NEVER}",
        ) from None
    if (signed.origin, signed.size, signed.root) != (state.origin, state.size, state.root):
        raise StoreCorrupt(
            f"the head of {state.origin} in the records, of size {state.size}, is not the one that it "
            f"signed, of size {signed.size}",
            hint=f"somebody altered the records' database: restore the newest copy of it. {NEVER}",
        )


def stored_checkpoint(store: TileStore, state: LogState, *, name: str, policy: Policy) -> Published | None:
    """The `checkpoint` in the tile store; None where nothing was published yet."""
    path = prefix_of(state.origin, name) + CHECKPOINT
    data = store.get(path)
    if data is None:
        return None
    try:
        signed = parse_checkpoint(data)
        policy.signed_by_log(signed)
    except Rejected as rejected:
        raise StoreCorrupt(
            f"{path} is not signed by the log's keys ({rejected.code})",
            hint="somebody altered the tile store: compare it with a mirror's copy ('contrada audit fsck')",
        ) from None
    return Published(signed.checkpoint, data)


def is_checkpoint_gone(stored: Published | None, state: LogState, said: Published | None) -> bool:
    """Whether the tile store had a `checkpoint` of this log, and has none: it was published, or was closed.

    No reason to stop: it is published again, from the records, and its witnesses are asked again. But nobody
    removes it in the ordinary course of things, so it is told.
    """
    return stored is None and (said is not None or state.next is not None)


def check_said(said: Published, where: str, state: LogState, read: TileReader) -> None:
    """Refuse a published checkpoint that is not a beginning of this log."""
    if said.size > state.size:
        raise RolledBack(
            f"{state.origin} has {state.size} entries here, and {where} has a checkpoint of {said.size} that "
            "its own key signed",
            hint="the records are an old copy: stop every other ledger and restore the newest copy of the "
            f"database. What is missing for good is shown by 'contrada audit fsck' on a mirror. {NEVER}",
        )
    try:
        root = root_at(said.size, smaller_from(read, size=state.size))
    except Rejected as rejected:
        raise StoreCorrupt(
            f"the tiles of {state.origin} do not reach back to size {said.size} ({rejected.sentence})",
            hint="restore the tile store from a mirror ('contrada audit mirror')",
        ) from None
    if root != said.checkpoint.root:
        raise StoreCorrupt(
            f"{state.origin} at size {said.size} has another root here than in {where}",
            hint="the log was rewritten, here or there. Keep both as they are: two checkpoints that one key "
            f"signed are the evidence. Restore records and tiles from a copy that fits. {NEVER}",
        )


def check_span(state: LogState, *, first: int, end: int) -> None:
    """The audit topic has what comes next."""
    if state.position < first:
        raise RolledBack(
            f"the audit topic begins at {first}, and the ledger goes on at {state.position}",
            hint="records were deleted from Kafka before they were sequenced. Restore the newest copy of the "
            "ledger's records; if it is the newest, two people state the gap with 'contrada ledger gap'",
        )
    if state.position > end:
        raise RolledBack(
            f"the audit topic ends at {end}, and the ledger goes on at {state.position}",
            hint="this is another Kafka, or it lost records: name the right one, or restore its data",
        )
