"""The sequencer: what stands in the audit topic, in its order, becomes the leaves of the audit log.

    step     readings + tip -> rows, files, the new signed head           nothing is written
    commit   one database transaction: rows, staged files, the lock row   a compare-and-swap on the old state
    store    the staged files to the tile store                           idempotent, and again at every start

That order is why no fork can come of two writers or of a kill. Only who won the compare-and-swap writes a
tile; whoever lost it, or died, has written nothing that anybody reads; and whoever comes next puts the
winner's staged files before it builds on them. What was committed is the log, published or not.

A shard is closed and the next one begun in one transaction: a writer that would still add to the old one
has lost by then, whatever it reads. Never back, whatever the clocks of routers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from broker.errors import StoreCorrupt
from broker.ledger import log_head as tips
from broker.ledger.intake import Reading, erasures, placed
from broker.ledger.log_head import Signers, Tip
from broker.ledger.store.records import Erasure, LogState, RecordStore
from broker.ledger.store.tiles import TileStore
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.tlog.checkpoints import parse_checkpoint, seconds
from protocol.tlog.shards import Shard, parse_shard, shard_at
from protocol.tlog.tiles import TileReader
from protocol.trail.ledger_leaves import Row
from protocol.trail.records_file import SignedLeaves

log = structlog.get_logger()

MOST: Final = 10_000
"""Leaves of one step; the record that passes it is still taken whole."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a log: from this state to that one, with these rows and files."""

    old: LogState
    new: LogState
    rows: Sequence[Row]
    files: Mapping[str, bytes]
    erasures: Sequence[Erasure]
    signed: Sequence[SignedLeaves]
    taken: Sequence[Reading]


def is_of_later_shard(reading: Reading, origin: str) -> bool:
    """Whether this reading closes the shard."""
    return reading.t is not None and reading.t >= parse_shard(origin).end


def step(tip: Tip, readings: Sequence[Reading], *, signers: Signers, now: Millis) -> Step:
    """As many readings as belong to this shard and make `MOST` leaves. Spoils the tree if not committed."""
    entries: list[bytes] = list(tip.first_entries)
    rows: list[Row] = []
    ordered: list[Erasure] = []
    signed: list[SignedLeaves] = []
    taken: list[Reading] = []
    end, following = parse_shard(tip.origin).end, tip.state.directory_next
    for reading in readings:
        if len(entries) >= MOST or (reading.t is not None and reading.t >= end):
            break
        taken.append(reading)
        if reading.announced is not None:
            if reading.announced != following:
                continue  # announced before: we died between announcing and sequencing it
            following += 1
        first = tip.tree.size + len(entries)
        made = placed(reading, first)
        if reading.signed is not None:
            signed.append(SignedLeaves(first, len(reading.entries), reading.signed))
        ordered += erasures(reading, made, tip.origin)
        rows += made
        entries += reading.entries
    new, files = tips.grown(
        tip,
        entries,
        signers=signers,
        now=seconds(now),
        position=taken[-1].offset + 1 if taken else tip.state.position,
        directory_next=following,
    )
    return Step(tip.state, new, rows, files, ordered, signed, taken)


def next_shard(old: LogState, reading: Reading) -> Tip:
    """The tip of the shard that this reading opens. Its first entry is the last head of the old shard."""
    shard = parse_shard(old.origin).next()
    if reading.t is not None:
        shard = max(shard, shard_at(shard.name, Millis(reading.t)))
    body = parse_checkpoint(old.checkpoint).checkpoint.body().encode()
    return tips.begin(shard.origin, after=old, first_entries=(body,))


class Sequencer:
    """The audit log's writer. One method at a time, in a thread if need be."""

    def __init__(self, records: RecordStore, store: TileStore, *, name: str, signers: Signers) -> None:
        self._records = records
        self._store = store
        self._name = name
        self._signers = signers
        self._tip: Tip | None = None

    def resume(self) -> LogState:
        """Begin, or begin anew, with what is committed. Raises where store and lock row disagree."""
        self._tip = None
        state = open_shard(self._records.states(), self._name)
        tips.put_staged(self._records, self._store, self._name, state)
        self._tip = tips.resume(state, self.reader(state.origin))
        return state

    def advance(self, readings: Sequence[Reading], *, now: Millis) -> Step:
        """One step, committed and stored. After any exception only `resume` goes on."""
        tip, self._tip = self._tip, None
        assert tip is not None
        old = tip.state
        if is_of_later_shard(readings[0], tip.origin):
            tip = next_shard(old, readings[0])
        done = step(tip, readings, signers=self._signers, now=now)
        self._records.commit(old, done.new, done.rows, done.files, done.erasures, done.signed)
        tips.put(self._store, self._name, done.new, done.files, old=tip.state.size)
        self._records.clear_staged(done.new.origin, size=done.new.size)
        self._tip = Tip(done.new, tip.tree)
        return done

    def reader(self, origin: str) -> TileReader:
        """Reads the tiles of one of our logs."""
        return tips.tile_reader(self._store, tips.prefix_of(origin, self._name))


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
