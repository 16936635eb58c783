"""Promises and their proofs: the daemon checks that every decision and delivery becomes a leaf.

    promise    a router signed a decision: its leaf follows from it, byte for byte
    inclusion  the leaf stands in a tree with a trusted checkpoint: place and path make a tlog-proof

Owns the tables `promises` and `inclusions`. Rules:
- A promise is one insert, in the transaction that stores what it is about; everything else is done later,
  when the ledger has published.
- What is missing after 60 s of reading an up-to-date feed is an alarm, once for each promise.
- A promise goes when it is kept. A proof is evidence: it stays as long as its message does, and goes with
  it (schema.sql). It is kept of what has its record here: a further decision on the same bytes has not,
  and is watched for only.
All in the worker's thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import structlog

from clients.daemon.state.ledger_state import FollowedLog, Ledger
from clients.daemon.state.open_promises import RECEIVED, SENT, OpenPromise, OpenPromises
from clients.daemon.store import ledger_tables as ledger_store
from clients.daemon.store.database import Row, Store
from protocol.canonical import decode
from protocol.identifiers import Digest, UnitId, digest, show_id
from protocol.limits import MAX_RECORD_ITEMS
from protocol.tlog.tiles import HASH_SIZE, TILE_WIDTH
from protocol.trail.batches import SUMMARY_FIELDS, Leaf, delivery_leaf
from protocol.trail.records import Delivered, Record, RecordType, entry_of

if TYPE_CHECKING:
    from clients.daemon.state.unit_context import UnitContext

log = structlog.get_logger()

_TO: Final = SUMMARY_FIELDS.index("to")

SEARCH_STEP: Final = 256
"""Tiles that one job searches: 65,536 leaves."""


def promise_decision(context: UnitContext, sealing: int, record: Record, leaf: Leaf, *, kept: bool) -> None:
    """A router has decided on a sealing; `kept` is whether its record is kept. Inside a transaction.

    A decision that is read again when it is proved already promises nothing new: its leaf may lie so far back
    that it is not kept here any more.
    """
    if context.ledger is not None and not _is_proved(context.store, sealing, record, leaf):
        context.store.write(
            "INSERT INTO promises (side, subject, made, type, leaf, salt) VALUES (?, ?, ?, ?, ?, ?)",
            SENT,
            sealing,
            context.clock(),
            int(record.type),
            leaf.hash,
            leaf.salt if kept else None,
        )


def _is_proved(store: Store, sealing: int, record: Record, leaf: Leaf) -> bool:
    return (
        store.row(
            """SELECT 1 FROM inclusions i JOIN sealings s ON s.id = i.subject
               WHERE i.side = ? AND i.subject = ? AND i.type = ? AND i.salt = ? AND s.record = ?""",
            SENT,
            sealing,
            int(record.type),
            leaf.salt,
            leaf.record,
        )
        is not None
    )


def promise_delivery(context: UnitContext, row: int) -> None:
    """A message was received with its receipt. Inside a transaction."""
    if context.ledger is not None:
        context.store.write(
            "INSERT INTO promises (side, subject, made) VALUES (?, ?, ?)", RECEIVED, row, context.clock()
        )


def load_promises(context: UnitContext, book: OpenPromises) -> None:
    """Load what was promised since the last call."""
    rows = context.store.rows(
        "SELECT * FROM promises WHERE id > ? ORDER BY id LIMIT ?", book.last, max(book.room, 0)
    )
    for row in rows:
        leaves = _leaves(context, row)
        book.add(
            OpenPromise(
                id=row["id"],
                side=row["side"],
                subject=row["subject"],
                since=context.monotonic(),
                late=bool(row["late"]),
                leaves=leaves,
                salt=row["salt"],
            )
        )


def keep(context: UnitContext, book: OpenPromises, held: FollowedLog) -> None:
    """Store the proofs of what was found in a log. Inside a transaction."""
    found = book.take_found(held.origin)
    tiles: dict[int, list[int]] = defaultdict(list)
    for position in found:
        tiles[position // TILE_WIDTH].append(position % TILE_WIDTH)
    if not tiles:
        return
    is_evidence = any(_is_evidence(promise) for promised, _ in found.values() for promise in promised)
    checkpoint = ledger_store.keep_checkpoint(context.store, held.follower) if is_evidence else None
    size = held.follower.head.size
    for number, places in tiles.items():
        for place, path in held.tiles.paths(number, places, size=size).items():
            position = number * TILE_WIDTH + place
            promised, leaf = found[position]
            for promise in promised:
                _prove(context, book, promise, leaf, checkpoint=checkpoint, position=position, path=path)


def _prove(
    context: UnitContext,
    book: OpenPromises,
    promise: OpenPromise,
    leaf: Digest,
    *,
    checkpoint: int | None,
    position: int,
    path: tuple[Digest, ...],
) -> None:
    if _is_evidence(promise):
        context.store.write(
            "INSERT OR REPLACE INTO inclusions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            promise.side,
            promise.subject,
            int(promise.leaves[leaf]),
            checkpoint,
            position,
            context.clock(),
            promise.salt,
            b"".join(path),
        )
    context.metrics.leaves_proved.inc()
    if book.prove(promise, leaf):
        context.store.write("DELETE FROM promises WHERE id = ?", promise.id)
        if promise.late:
            log.warning("ledger_leaf_late", rowid=promise.subject)


def _is_evidence(promise: OpenPromise) -> bool:
    return promise.side == RECEIVED or promise.salt is not None


def sweep(context: UnitContext, ledger: Ledger, *, steady_since: float | None) -> None:
    """Raise an alarm for promises not kept in time, if the feed was read to its end all the time."""
    load_promises(context, ledger.book)
    if steady_since is None:
        return
    overdue = ledger.book.overdue(context.monotonic(), steady_since=steady_since)
    if not overdue:
        return
    with context.transaction():
        for promise in overdue:
            context.store.write("UPDATE promises SET late = 1 WHERE id = ?", promise.id)
        count, first = len(overdue), _name(context.store, overdue[0])
        context.alarm("ledger_leaf_missing", detail=f"{count} messages without their leaves, first {first}")
    for promise in overdue:
        promise.late = True


def search_for_leaves(context: UnitContext, ledger: Ledger) -> bool:
    """Search one step further for leaves that came before their promises; whether there is more."""
    book = ledger.book
    if book.search is None:
        sought = book.unsearched(context.monotonic())
        if not sought:
            return False
        book.search = _searching(ledger, sought)
    more = next(book.search, False)
    if not more:
        book.search = None
    if book.found:
        try:
            with context.transaction():
                for held in ledger.logs.values():
                    keep(context, book, held)
        except BaseException:
            ledger.forget()
            raise
    return more


def _searching(ledger: Ledger, sought: list[OpenPromise]) -> Iterator[bool]:
    for held in [held for held in ledger.logs.values() if held.shard is not None]:
        number, size = held.tiles.first() or 0, held.follower.head.size
        while number * TILE_WIDTH < size:
            for each in range(number, number + SEARCH_STEP):
                hashes = held.tiles.hashes(0, each)
                leaves = [Digest(hashes[at : at + HASH_SIZE]) for at in range(0, len(hashes), HASH_SIZE)]
                ledger.book.look_for(held.origin, leaves, first=each * TILE_WIDTH)
            number += SEARCH_STEP
            if not any(promise.leaves for promise in sought):
                break
            yield True
    for promise in sought:
        promise.searched = True


def received_leaves(store: Store, row: int, unit: UnitId) -> dict[RecordType, Leaf]:
    """The leaves that follow from a received message's receipt: its decision and its delivery."""
    found = store.row("SELECT receipt FROM inbox WHERE id = ?", row)
    assert found is not None
    # Both were verified when the message came in; here only the parts are needed, for every message.
    _, raw, salt, *_ = decode(found["receipt"])
    _, type_, t, _, _, subject, summary, *_ = decode(raw, items=MAX_RECORD_ITEMS)
    decided = RecordType(type_)
    leaves = {decided: Leaf(raw, salt, entry_of(decided, t, salt, raw))}
    units = [addressee for addressee, _ in summary[_TO]]
    if decided is RecordType.ACCEPTED and unit in units:
        delivered = Delivered(t, digest(raw), subject, units.index(unit), unit)
        leaves[RecordType.DELIVERED] = delivery_leaf(delivered, salt)
    return leaves


def _leaves(context: UnitContext, row: Row) -> dict[Digest, RecordType]:
    """The leaves of a promise that are not proved yet."""
    if row["side"] == SENT:
        return {Digest(row["leaf"]): RecordType(row["type"])}
    proved = {
        found["type"]
        for found in context.store.rows(
            "SELECT type FROM inclusions WHERE side = ? AND subject = ?", row["side"], row["subject"]
        )
    }
    leaves = received_leaves(context.store, row["subject"], context.unit)
    return {leaf.hash: type_ for type_, leaf in leaves.items() if type_ not in proved}


def _name(store: Store, promise: OpenPromise) -> str:
    if promise.side == SENT:
        row = store.row(
            "SELECT o.mid FROM sealings s JOIN outbox o ON o.id = s.message WHERE s.id = ?", promise.subject
        )
    else:
        row = store.row("SELECT mid FROM inbox WHERE id = ?", promise.subject)
    return "unknown" if row is None else show_id(row["mid"])
