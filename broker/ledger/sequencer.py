"""The sequencer: turns the records of the audit topic, in their order, into leaves of the audit log.

    step     readings + head -> rows, files, the new signed head           nothing is written
    commit   one database transaction: rows, staged files, the lock row   a compare-and-swap on the old state
    store    the staged files to the tile store                           idempotent, and again at every start

That order is why neither two writers nor a kill can make a fork. Only the writer that won the
compare-and-swap writes a tile. A writer that lost it, or was killed, has written nothing that is read. The
next writer stores the winner's staged files before it builds on them. What was committed is the log,
published or not.

A shard is closed and the next one begun in one transaction: a writer that would still add to the old one
loses its compare-and-swap. No log returns to an earlier shard, whatever the clocks of routers say. So none
goes on to a later one by a time that has not come: a router whose clock is a year ahead would close the
half-year for everybody, and take the log to one for which nobody has keys. Its records stand where the log
is.

What was signed has its leaves once, however often it stands in the topic: somebody may write a genuine record
a second time, and where the topic came back from an older copy some of it is read once more
(place/same_log.py). What one registrar stated has them once, however many others agree. What does not verify
is known by its place and its content there, and has its leaf once as well: the leaf says nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from broker.errors import StoreCorrupt
from broker.ledger.log_head import LogHead, Signers, grown_head, new_head
from broker.ledger.log_storage import LogStorage
from broker.ledger.record_judge import JudgedRecord, erasures, placed
from broker.ledger.store.audit_read import AuditRead
from broker.ledger.store.record_store import Erasure, LogState
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.limits import CLOCK_TOLERANCE
from protocol.tlog.checkpoints import parse_checkpoint, seconds
from protocol.tlog.shards import Shard, parse_shard, shard_at
from protocol.tlog.tiles import TileReader
from protocol.trail.ledger_leaves import Row
from protocol.trail.records_file import SignedLeaves
from protocol.trail.two_signatures import half_of
from runtime.kafka.ports import InputRecord

log = structlog.get_logger()

MOST: Final = 10_000
"""Leaves of one step; the record that passes it is still taken whole."""


@dataclass(frozen=True, slots=True)
class SequencedBatch:
    """One step of a log: from this state to that one, with these rows and files."""

    old: LogState
    new: LogState
    rows: Sequence[Row]
    files: Mapping[str, bytes]
    erasures: Sequence[Erasure]
    signed: Sequence[SignedLeaves]
    taken: Sequence[JudgedRecord]


def is_of_later_shard(reading: JudgedRecord, origin: str, *, now: Millis) -> bool:
    """Whether this reading closes the shard: its time has come, as far as clocks may differ."""
    return reading.t is not None and parse_shard(origin).end <= reading.t <= now + CLOCK_TOLERANCE


def sequence_batch(
    head: LogHead, readings: Sequence[JudgedRecord], *, signers: Signers, now: Millis
) -> SequencedBatch:
    """As many records as belong to this shard and make `MOST` leaves.

    `head.tree` has their leaves then: where the batch is not committed, the head must be resumed.
    """
    entries: list[bytes] = list(head.first_entries)
    rows: list[Row] = []
    ordered: list[Erasure] = []
    signed: list[SignedLeaves] = []
    taken: list[JudgedRecord] = []
    following = head.state.directory_next
    for reading in readings:
        if len(entries) >= MOST or is_of_later_shard(reading, head.origin, now=now):
            break
        taken.append(reading)
        if reading.announced is not None:
            if reading.announced != following:
                continue  # announced before: the ledger was killed between announcing and sequencing it
            following += 1
        first = head.tree.size + len(entries)
        made = placed(reading, first)
        if reading.signed is not None:
            signed.append(SignedLeaves(first, len(reading.entries), reading.signed))
        ordered += erasures(reading, made, head.origin)
        rows += made
        entries += reading.entries
    new, files = grown_head(
        head,
        entries,
        signers=signers,
        now=seconds(now),
        position=taken[-1].offset + 1 if taken else head.state.position,
        directory_next=following,
    )
    return SequencedBatch(head.state, new, rows, files, ordered, signed, taken)


def next_shard(old: LogState, reading: JudgedRecord) -> LogHead:
    """The head of the shard that this reading opens. Its first entry is the last head of the old shard."""
    shard = parse_shard(old.origin).next()
    if reading.t is not None:
        shard = max(shard, shard_at(shard.name, Millis(reading.t)))
    body = parse_checkpoint(old.checkpoint).checkpoint.body().encode()
    return new_head(shard.origin, after=old, first_entries=(body,))


class Sequencer:
    """The audit log's writer. One method at a time, in a thread if need be."""

    def __init__(self, storage: LogStorage, signers: Signers) -> None:
        self._storage = storage
        self._signers = signers
        self._head: LogHead | None = None
        self._read = AuditRead()

    def resume(self) -> LogState:
        """Resume from what is committed. Raises where store and lock row disagree."""
        self._head = None
        state = open_shard(self._storage.records.states(), self._storage.name)
        self._head, self._read = self._storage.resume(state), self._storage.records.audit_read()
        return state

    def advance(
        self,
        readings: Sequence[JudgedRecord],
        *,
        now: Millis,
        records: Sequence[InputRecord] = (),
        read: AuditRead | None = None,
    ) -> SequencedBatch:
        """One step, committed and stored. `records` are those that were judged.

        `read` is what is known to have been read of the topic, where the step goes back in it. After any
        exception only `resume` goes on.
        """
        head, self._head = self._head, None
        assert head is not None
        old = head.state
        if is_of_later_shard(readings[0], head.origin, now=now):
            head = next_shard(old, readings[0])
        once = self._once(readings)
        done = sequence_batch(head, once, signers=self._signers, now=now)
        read = read or self._read.after(records, position=done.new.position)
        self._head = self._storage.commit(
            old, head, done.new, done.files,
            rows=done.rows, erasures=done.erasures, signed=done.signed, read=read,
        )  # fmt: skip
        self._read = read
        return done

    def _once(self, readings: Sequence[JudgedRecord]) -> list[JudgedRecord]:
        """The readings, without the leaves that they have already."""
        times = {reading.rows[0].t for reading in readings if reading.signed is not None}
        known = {half_of(signed) for signed in self._storage.records.signed_at(times)} if times else set()
        unverified = self._unverified_before(readings)
        once: list[JudgedRecord] = []
        for reading in readings:
            name = None if reading.signed is None else half_of(reading.signed)
            if name in known or reading.offset in unverified:
                log.warning("audit_record_repeated", offset=reading.offset)
                once.append(replace(reading, entries=(), rows=(), signed=None, announced=None, deletions=()))
                continue
            if name is not None:
                known.add(name)
            once.append(reading)
        return once

    def _unverified_before(self, readings: Sequence[JudgedRecord]) -> frozenset[int]:
        """The places of what does not verify, is read once more, and has its leaf."""
        again = {
            reading.offset: reading.content
            for reading in readings
            if reading.content is not None and reading.offset < self._read.again
        }
        return self._storage.records.unverified_at(again) if again else frozenset()

    def reader(self, origin: str) -> TileReader:
        """Reads the tiles of one of the ledger's logs."""
        return self._storage.reader(origin)


def open_shard(states: Sequence[LogState], name: str) -> LogState:
    """The shard that is written to."""
    shards: list[tuple[Shard, LogState]] = []
    for state in states:
        try:
            shards.append((parse_shard(state.origin), state))
        except Rejected:
            continue  # the directory's log
    found = [state for shard, state in shards if shard.name == name and state.next is None]
    if len(found) != 1:
        raise StoreCorrupt(
            f"the records have {len(found)} open audit logs of {name}, and one is right",
            hint="begin with 'contrada ledger init', or restore the newest copy of the records",
        )
    return found[0]
