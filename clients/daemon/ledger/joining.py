"""Beginning to follow a log, and whether it continues the half-year before it.

Owns the first publication of a log, which may come in parts, and the chain of the half-years. Rule: a shard
begins with the last checkpoint of the one before, or leaves were cut off there. So its first leaf is looked
at whenever it comes, and where it is not shown that is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from clients.daemon.alarms import ALARMS, raise_once
from clients.daemon.ledger.foreign_bytes import guarded
from clients.daemon.state.ledger_state import FollowedLog, Ledger
from clients.daemon.store import ledger_tables as ledger_store
from clients.daemon.store.ledger_tables import Tiles
from protocol.errors import Code, Rejected
from protocol.tlog.following import LACKS_WITNESSES, Advance, Follower, SeenTiles, begins_with
from protocol.tlog.publication import Publication
from protocol.tlog.tiles import TreeWriter, right_edge

if TYPE_CHECKING:
    from clients.daemon.state.unit_context import UnitContext

log = structlog.get_logger()


def begin(ledger: Ledger, part: Publication) -> None:
    """Keep a part of the first publications of a log: it shows with what the log begins."""
    origin, seen = ledger.begun or ("", SeenTiles())
    if origin != part.origin:
        seen = SeenTiles()
    ledger.begun = part.origin, seen
    seen.put(part)


def _joined(ledger: Ledger, publication: Publication) -> tuple[Follower, Advance, SeenTiles]:
    """The log as this publication and the parts before it show it; by itself, where those do not fit it."""
    origin, seen = ledger.begun or ("", SeenTiles())
    if origin == publication.origin:
        try:
            return *Follower.join(publication, ledger.policy, seen=seen), seen
        except Rejected as rejected:
            if rejected.reason is not Code.E_TILE:
                raise
    seen = SeenTiles()
    return *Follower.join(publication, ledger.policy, seen=seen), seen


def join(
    context: UnitContext, ledger: Ledger, publication: Publication, offset: int
) -> tuple[FollowedLog, Advance]:
    """Begin to follow a log, or begin again behind what was not seen. What it shows is to be taken in."""
    try:
        follower, advance, seen = guarded(lambda: _joined(ledger, publication))
    except Rejected as rejected:
        if rejected.reason in LACKS_WITNESSES:
            begin(ledger, publication)  # the next one has its witnesses, perhaps, and not these leaves
        raise
    if ledger.begun is not None and ledger.begun[0] == publication.origin:
        ledger.begun = None
    row = ledger_store.put_log(context.store, follower, next_offset=offset + 1, now=context.clock())
    tiles, size = Tiles(context.store, row), advance.before.size
    # The files of the right edge gave the root of a trusted checkpoint: they can be kept as they are.
    tiles.put((tile, seen.read(tile)) for tile in right_edge(size))
    held = FollowedLog(follower, TreeWriter.resume(size, seen.read, with_entries=False), tiles, offset + 1)
    ledger.put(held)
    log.info("log_joined", origin=follower.origin, count=follower.head.size)
    return held, advance


def check_beginning(context: UnitContext, ledger: Ledger, held: FollowedLog, advance: Advance) -> None:
    """Check that a shard begins with the last checkpoint of the one before: nothing was cut off.

    With its first leaf, whenever that comes: a log may publish that it is empty. One that is joined behind
    its first leaf confirms nothing of the shard before it.
    """
    before = ledger.before(held)
    if before is None or (not advance.leaves and advance.before.size == 0):
        return
    last = before.follower.checkpoint
    shown = advance.before.size == 0
    if shown and begins_with(advance.leaves[0], last):
        return
    # A half-year may be without a log. If this one begins with another checkpoint, there was one in between.
    adjacent = before.shard is not None and before.shard.next() == held.shard
    code = Code.E_LOG_FORK if shown and adjacent else Code.E_LOG_GAP
    detail = f"does not begin with {last.origin} at {last.size}, which we hold"
    if not shown:
        detail = f"its beginning was not shown, so that it need not continue {last.origin} at {last.size}"
    elif not adjacent:
        detail += ": a half-year between was not shown"
    raise_once(
        context, ledger, ALARMS[code], held.origin, detail, held=before.follower.note, shown=advance.note
    )
