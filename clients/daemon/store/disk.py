"""Group commit: one call to the disk makes many transactions durable.

SQLite writes a transaction into its log and returns (`synchronous=NORMAL`); what is in the log survives the
death of this process, and not yet a power cut. `Disk.flushed` closes that gap: it brings the log to the
disk, in a thread of its own, so that jobs go on while the disk works, and one call serves everybody who asked
before it began. The rule that everything rests on (docs/adr/0012):

    Nothing leaves this process, be it an answer to a user or a record to Kafka, before everything that
    was committed up to then is flushed.

Why it is enough: SQLite appends to the log and checks it by chained checksums, so that after a power cut
the log counts up to its first torn frame, and what was flushed lies before that. Before it writes over a
log, or copies it into the database, SQLite itself brings both to the disk. What was committed and never
flushed is gone after a power cut, with the positions of what was read: it is read again.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial

from clients.daemon.store.database import Store
from keys.store import sync_directory
from runtime.process.worker import Worker


class Disk:
    """Brings the store's log to the disk. Used in the event loop."""

    __slots__ = ("_descriptor", "_flushed", "_store", "_turn", "_worker")

    def __init__(self, store: Store, worker: Worker | None = None) -> None:
        """`worker` waits for the disk and does nothing else; a thread of its own where none is given."""
        self._store = store
        # The log is there from the first transaction to the last connection's end, under one inode.
        self._descriptor = os.open(store.log, os.O_RDONLY | os.O_CLOEXEC)
        # The log's name in its directory, which `fdatasync` of the log does not bring to the disk.
        sync_directory(store.log.parent)
        self._worker = worker or Worker("contrada-disk")
        self._turn = asyncio.Lock()
        self._flushed = -1

    async def flushed(self) -> None:
        """Return when what was committed before this call would survive a power cut.

        An `OSError` is not survivable: what the log holds is then unknown, so the daemon ends and starts
        again from what the disk has.
        """
        mark = self._store.commits
        async with self._turn:
            if self._flushed >= mark:
                return
            # Read before the call: a commit during it may be in the log's file too late.
            reached = self._store.commits
            await self._worker.do(partial(os.fdatasync, self._descriptor))
            self._flushed = max(self._flushed, reached)

    def close(self) -> None:
        """Close the log."""
        self._worker.close()
        os.close(self._descriptor)
