"""The log of the key directory: its entries are the signed statements, in their order, in clear.

The same kind of log as the audit log (tips.py), fed by the ledger's own replica of the directory. Its leaf
hashes are those of keys/directory.py, so that its root at a size is the root that every replica computes.
Rule: what the directory topic says and what was logged must agree. A topic that lost statements, or has
others, is refused at the start, and nothing is added behind it.
"""

from __future__ import annotations

from broker.errors import RolledBack, StoreCorrupt
from broker.ledger import log_head as tips
from broker.ledger.log_head import Signers, Tip
from broker.ledger.store.records import LogState, RecordStore
from broker.ledger.store.tiles import TileStore
from keys.directory import Directory
from protocol.identifiers import Millis
from protocol.tlog.checkpoints import seconds
from protocol.tlog.shards import directory_origin
from protocol.tlog.tiles import TileReader


class DirectoryLog:
    """The directory log's writer. One method at a time."""

    def __init__(self, records: RecordStore, store: TileStore, *, name: str, signers: Signers) -> None:
        self._records = records
        self._store = store
        self._name = name
        self._signers = signers
        self._tip: Tip | None = None
        self.origin = directory_origin(name)

    def resume(self, directory: Directory) -> LogState:
        """Begin with what is committed; the directory must have been read to its end."""
        self._tip = None
        state = self._records.state(self.origin)
        if state is None:
            raise StoreCorrupt(
                f"the records have no log {self.origin}",
                hint="begin with 'contrada ledger init', or restore the newest copy of the records",
            )
        check_directory(state, directory)
        tips.put_staged(self._records, self._store, self._name, state)
        self._tip = tips.resume(state, self.reader())
        return state

    def advance(self, directory: Directory, *, now: Millis) -> LogState:
        """Log the statements that are new. After any exception only `resume` goes on."""
        tip = self._tip
        assert tip is not None
        statements = directory.snapshot()[tip.state.size :]
        if not statements:
            return tip.state
        self._tip = None
        new, files = tips.grown(tip, statements, signers=self._signers, now=seconds(now))
        self._records.commit(tip.state, new, (), files)
        tips.put(self._store, self._name, new, files, old=tip.state.size)
        self._records.clear_staged(new.origin, size=new.size)
        self._tip = Tip(new, tip.tree)
        return new

    def reader(self) -> TileReader:
        """Reads the tiles."""
        return tips.tile_reader(self._store, tips.prefix_of(self.origin, self._name))


def check_directory(state: LogState, directory: Directory) -> None:
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
