"""The log of the key directory: its entries are the signed statements, in their order, in clear.

The same kind of log as the audit log (log_head.py), fed by the ledger's own replica of the directory. Its
leaf hashes are those of keys/directory.py, so that its root at a size is the root that every replica has.
Rule: the directory topic and the log must agree. A topic that lost statements, or has others, is refused at
the start, and nothing is added behind it.
"""

from __future__ import annotations

from typing import Final

from broker.errors import RolledBack, StoreCorrupt
from broker.ledger.log_head import LogHead, Signers, grown_head
from broker.ledger.log_storage import LogStorage
from broker.ledger.store.record_store import LogState
from keys.directory import Directory
from keys.statement_types import body_type
from keys.statements import parse_statement
from protocol.identifiers import KeyId, Millis, UnitId, digest
from protocol.tlog.checkpoints import seconds
from protocol.tlog.shards import directory_origin
from protocol.tlog.tiles import TileReader
from protocol.trail.acts import Act, directory_statement

ROOT: Final = UnitId("root")


class DirectorySequencer:
    """The directory log's writer. One method at a time."""

    def __init__(self, storage: LogStorage, signers: Signers) -> None:
        self._storage = storage
        self._signers = signers
        self._head: LogHead | None = None
        self.origin = directory_origin(storage.name)

    def resume(self, directory: Directory) -> LogState:
        """Begin with what is committed; the directory must have been read to its end."""
        self._head = None
        state = self._storage.records.state(self.origin)
        if state is None:
            raise StoreCorrupt(
                f"the records have no log {self.origin}",
                hint="begin with 'contrada ledger init', or restore the newest copy of the records",
            )
        check_logged_statements(state, directory)
        self._head = self._storage.resume(state)
        return state

    def advance(self, directory: Directory, *, now: Millis) -> LogState:
        """Log the statements that are new. After any exception only `resume` goes on."""
        head = self._head
        assert head is not None
        statements = directory.snapshot()[head.state.size :]
        if not statements:
            return head.state
        self._head = None
        new, files = grown_head(head, statements, signers=self._signers, now=seconds(now))
        self._head = self._storage.commit(head.state, head, new, files)
        return new

    def reader(self) -> TileReader:
        """Reads the tiles."""
        return self._storage.reader(self.origin)


def announcement(directory: Directory, position: int, data: bytes, now: Millis, actor: UnitId) -> Act:
    """The act that tells the audit log of the statement at this place."""
    statement = parse_statement(data).statement
    root = directory.root_at(position + 1)
    assert root is not None
    return directory_statement(
        now,
        actor,
        position=position,
        statement=digest(data),
        stype=int(body_type(statement.body)),
        about=statement.about or _name_of(directory, statement.issuer),
        issuer=statement.issuer,
        root=root,
    )


def _name_of(directory: Directory, issuer: KeyId) -> UnitId:
    """Whom a statement is about that cannot be read: those who may make one are root keys and registrars."""
    known = directory.operator_key(issuer)
    return ROOT if known is None else known.identity.unit


def check_logged_statements(state: LogState, directory: Directory) -> None:
    """Refuse a directory that is not the one that was logged, continued."""
    root = directory.root_at(state.size)
    if root is None:
        raise RolledBack(
            f"the directory topic has {directory.head.size} statements, and {state.size} are logged",
            hint="Kafka lost statements: write those of the directory log's entries again, in their order",
        )
    if root != state.root:
        raise StoreCorrupt(
            f"the first {state.size} statements of the directory topic are not those that are logged",
            hint="somebody rewrote the topic, or this ledger is of another exchange: compare the entries of "
            "the directory log with the topic before anything else is done",
        )
