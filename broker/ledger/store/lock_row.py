"""The lock row of a log: its state, and the compare-and-swap by which one writer moves it.

Owns the rule that the row moves from exactly the state that the caller built on, or not at all (`Moved`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, func, insert, select, update

from broker.errors import BrokerError
from broker.ledger.store.schema import logs


class Moved(BrokerError):
    """Another writer moved the log since the caller read its state: nothing was written."""

    code = "E_LEDGER_MOVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """The state of a log: its lock row."""

    origin: str
    size: int
    root: bytes
    checkpoint: bytes
    """Signed by the log; cosignatures are added later, and kept with the tiles."""

    position: int
    """The next offset of the audit topic to read."""

    directory_next: int
    """The position of the next directory statement to announce."""

    next: str | None = None
    """The origin of the log that goes on from here; None: this one is open."""


def move_row(connection: Connection, old: LogState | None, new: LogState) -> int:
    """Move the lock row; the number of the log that `new` is of."""
    if old is not None and old.origin == new.origin:
        _update(connection, old, new)
        return _number(connection, new.origin)
    if old is not None:
        _update(connection, old, replace(old, next=new.origin))
    last = connection.execute(select(func.max(logs.c.number))).scalar()
    number = 0 if last is None else last + 1
    connection.execute(insert(logs).values(number=number, **asdict(new)))
    return number


def _update(connection: Connection, old: LogState, new: LogState) -> None:
    # Every field that the caller built on: another writer has changed at least one of them. A closed log
    # has a `next` and never moves again, so that two writers cannot go on in two shards.
    unchanged = [logs.c[name] == value for name, value in asdict(old).items() if name != "next"]
    done = connection.execute(update(logs).where(*unchanged, logs.c.next.is_(None)).values(**asdict(new)))
    if done.rowcount != 1:
        raise moved_by_another(old.origin)


def _number(connection: Connection, origin: str) -> int:
    number: int = connection.execute(select(logs.c.number).where(logs.c.origin == origin)).scalar_one()
    return number


def moved_by_another(origin: str) -> Moved:
    """The error that says so."""
    return Moved(
        f"somebody else has moved {origin}", hint="is a second ledger running? it goes on; this one stops"
    )
