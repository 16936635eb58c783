"""What a unit had and has no more: told apart from a first start, and from what was never there.

    state.sqlite     gone, and directory.log is there: the daemon does not start (`UnitStateLost`)
    directory.log    gone or shorter: it is read again, and what was known must come: `directory_lost`
    ledger-policy    gone, and logs were followed: `ledger_not_followed`

Owns these judgements. A unit without its state would take every message for a new one, and trust the first
ledger that it is shown. All but the first in the worker's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clients.daemon.errors import UnitStateLost
from clients.daemon.store import ledger_tables
from protocol.parties import NO_HEAD, TreeHead
from runtime.process.homes import UnitHome

if TYPE_CHECKING:
    from clients.daemon.state.unit_context import UnitContext

_KEY: Final = "directory"


def check_state_is_there(home: UnitHome) -> None:
    """Refuse a home that was in use and whose database is gone: it is made once, at the first start."""
    if home.database.exists() or not home.replica.exists() or not home.replica.stat().st_size:
        return
    raise UnitStateLost(
        f"{home.database} is gone: this unit does not remember what it sent and received",
        hint="restore it from a backup; docs/runbooks/restore-a-unit.md says what is lost without one",
    )


def tell_losses(context: UnitContext) -> None:
    """Raise an alarm for what is gone. Once for each start, when the directory was read to its end."""
    with context.transaction():
        known, head = _known_directory(context), context.directory.head
        if head.size < known.size or context.directory.root_at(known.size) != known.root:
            detail = f"{known.size} statements were known here, of {head.size} that there are now"
            context.alarm("directory_lost", detail=detail)
        else:
            remember_directory(context)
        if is_policy_gone(context):
            context.alarm("ledger_not_followed", detail="the file ledger-policy is gone")


def is_directory_behind(context: UnitContext) -> bool:
    """Whether the replica has less than was known: then the topic is to be read from its beginning."""
    return context.directory.head.size < _known_directory(context).size


def remember_directory(context: UnitContext) -> None:
    """Remember how far the directory was known, if it is further than before. Inside a transaction."""
    head = context.directory.head
    if head.size > _known_directory(context).size:
        value = f"{head.size} {head.root.hex()}"
        context.store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", _KEY, value)


def is_policy_gone(context: UnitContext) -> bool:
    """Whether logs were followed, and no policy says any more which."""
    return context.ledger is None and bool(ledger_tables.logs(context.store))


def _known_directory(context: UnitContext) -> TreeHead:
    row = context.store.row("SELECT value FROM meta WHERE key = ?", _KEY)
    if row is None:
        return NO_HEAD
    size, _, root = str(row["value"]).partition(" ")
    return TreeHead(int(size), bytes.fromhex(root))
