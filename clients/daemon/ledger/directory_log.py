"""Comparing the log of the key directory with this unit's replica of the directory topic.

Both must have the same statements. Owns the comparison and its alarms:

    ledger_directory   the two differ, or the log has statements that do not reach this unit: another
                       directory is shown to somebody
    ledger_unlogged    the replica has statements that the log lacks for longer than a minute

All in the worker's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clients.daemon.alarms import raise_once
from clients.daemon.state.ledger_state import Ledger
from clients.daemon.state.open_promises import PATIENCE

if TYPE_CHECKING:
    from clients.daemon.state.unit_context import UnitContext

DIFFERS: Final = "ledger_directory"
UNLOGGED: Final = "ledger_unlogged"


def compare_directory(
    context: UnitContext, ledger: Ledger, *, steady_since: float | None, replica_steady_since: float | None
) -> None:
    """Check that log and replica agree; lengths may differ for as long as a leaf may take.

    Which of them is behind says which feed must have been read to its end: that of the ledger since
    `steady_since`, that of the directory since `replica_steady_since`.
    """
    held = ledger.directory
    if held is None:
        return
    head, ours = held.follower.head, context.directory.head
    root = context.directory.root_at(head.size)
    if root is not None and root != head.root:
        detail = f"at {head.size} the log has {head.root.hex()[:16]}, our replica {root.hex()[:16]}"
        with context.transaction():
            raise_once(context, ledger, DIFFERS, held.origin, detail, shown=held.follower.note)
        return
    ahead = min(head.size, ours.size)
    if ledger.uneven is None or ledger.uneven[0] != ahead or head.size == ours.size:
        ledger.uneven = None if head.size == ours.size else (ahead, context.monotonic())
        return
    alarm, steady = (UNLOGGED, steady_since) if head.size < ours.size else (DIFFERS, replica_steady_since)
    if steady is None or context.monotonic() - max(ledger.uneven[1], steady) < PATIENCE:
        return
    detail = f"the log has {head.size} statements, our replica {ours.size}"
    with context.transaction():
        raise_once(context, ledger, alarm, held.origin, detail, shown=held.follower.note)
