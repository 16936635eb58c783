"""What a unit had and has no more: told apart from a first start, and from what was never there.

    state.sqlite     gone, and directory.log is there: the daemon does not start (`UnitStateLost`)
    directory.log    gone or shorter: it is read again, and what was known must come: `directory_lost`
                     of a program with other rules: the same (docs/adr/0031)
    ledger-policy    gone, and logs were followed: `ledger_not_followed`

Owns these judgements. A unit without its state would take every message for a new one, and trust the first
ledger that it is shown. All but the first in the worker's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clients.daemon.errors import UnitStateLost
from clients.daemon.store import ledger_tables
from keys.statement_types import READING
from protocol.parties import NO_HEAD, TreeHead
from runtime.process.homes import UnitHome

if TYPE_CHECKING:
    from clients.daemon.state.unit_context import UnitContext

_KEY: Final = "directory"
_READING: Final = "directory-reading"


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
        lost = _what_is_lost(context)
        if lost:
            context.alarm("directory_lost", detail=lost)
        else:
            remember_directory(context)
        if is_policy_gone(context):
            context.alarm("ledger_not_followed", detail="the file ledger-policy is gone")
    if not lost:
        context.replica.settled()


def is_directory_behind(context: UnitContext) -> bool:
    """Whether the replica has less than was known: then the topic is to be read from its beginning."""
    return context.directory.head.size < _known_directory(context).size


def remember_directory(context: UnitContext) -> None:
    """Remember how far the directory was known, if it is further than before. Inside a transaction."""
    head = context.directory.head
    if head.size > _known_directory(context).size:
        value = f"{head.size} {head.root.hex()}"
        context.store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", _KEY, value)


def remember_reading(context: UnitContext, position: int) -> None:
    """Remember by which rules the topic was read, and how far. Inside a transaction."""
    value = f"{READING} {position} {context.directory.head.size}"
    context.store.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", _READING, value)


def was_read_by_others(context: UnitContext, position: int) -> bool:
    """Whether a program of other rules has read the topic up to here, and left something out.

    That program may have been the last one before this, or have run in between. Where each record of the
    topic has its place, no rules could give another directory.
    """
    size = context.directory.head.size
    row = context.store.row("SELECT value FROM meta WHERE key = ?", _READING)
    by, at, then = ("", "", "") if row is None else str(row["value"]).split()
    if (by, at) != (READING, str(position)):
        return 0 < size < position
    # We read it last. A shorter file that is whole is an older copy, or another program's work in between.
    return 0 < size != int(then) and not context.replica.damaged


def _what_is_lost(context: UnitContext) -> str:
    """What was known and did not come; empty where nothing is lost."""
    known, head = _known_directory(context), context.directory.head
    if head.size < known.size:
        return f"{known.size} statements were known here, of {head.size} that there are now"
    if context.replica.is_read_again:
        # By other rules the same statements have other places. None may be missing.
        if missing := context.replica.missing():
            return f"{missing} statements that were known here did not come again"
        context.store.write("DELETE FROM meta WHERE key = ?", _KEY)
    elif context.directory.root_at(known.size) != known.root:
        return f"{known.size} statements were known here, of {head.size} that there are now"
    return ""


def is_policy_gone(context: UnitContext) -> bool:
    """Whether logs were followed, and no policy says any more which."""
    return context.ledger is None and bool(ledger_tables.logs(context.store))


def _known_directory(context: UnitContext) -> TreeHead:
    row = context.store.row("SELECT value FROM meta WHERE key = ?", _KEY)
    if row is None:
        return NO_HEAD
    size, _, root = str(row["value"]).partition(" ")
    return TreeHead(int(size), bytes.fromhex(root))
