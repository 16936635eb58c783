"""The outbox in the database: orders, their states, and acknowledgements.

Owns the tables `outbox`, `sealings` and `acknowledgements`, and who stands in `unacknowledged` no more.
Every function runs in the worker's thread; those that write expect an open transaction.

    queued > sealed > sent > accepted | refused        sealed or sent > queued: to be sealed again

Rules: a row is sealed in the transaction that gives it its number. The bytes of a sealing never change
and are sent in the order of the sealings' ids until the router has decided; then they are dropped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clients.daemon.errors import ForbiddenMove
from clients.daemon.store import unacknowledged
from clients.daemon.store.at_rest import AtRest, Vault
from clients.daemon.store.database import Row, Store
from clients.daemon.store.decisions import OUT_OF_TIME, Sealing
from clients.daemon.store.message_states import OUTBOX, UNDECIDED, OutboxEvent, OutboxState, allowing, among
from clients.daemon.store.order import Order, decode_order, encode_order
from protocol.codes import AcknowledgementStage
from protocol.identifiers import Digest, MessageId, Millis, ThreadId, UnitId
from protocol.trail.batches import Reason, Record, RecordType

PLACE = "outbox"
_BEYOND = 2**62
_UNDECIDED = among(UNDECIDED)


def insert_order(
    store: Store,
    vault: Vault,
    order: Order,
    *,
    now: Millis,
    sealed: bool = False,
) -> int:
    """A new row, queued, or sealed with a sealing that is written next; its id."""
    kept = vault.lock(encode_order(order), PLACE, order.message_id)
    return _insert(store, order, kept, now=now, sealed=sealed)


def insert_receipt(store: Store, order: Order, *, now: Millis) -> int:
    """A row for an acknowledgement of delivery. Its order is not kept: it follows from the deliveries."""
    return _insert(store, order, None, now=now)


def _insert(
    store: Store,
    order: Order,
    kept: AtRest | None,
    *,
    now: Millis,
    sealed: bool = False,
) -> int:
    row = store.insert(
        """INSERT INTO outbox (mid, thread, kind, recipients, state, sealed_times, automatic, created,
                               changed, dek, content)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        order.message_id,
        order.thread,
        int(order.kind),
        json.dumps([[recipient.unit, int(recipient.role)] for recipient in order.to]),
        OutboxState.SEALED if sealed else OutboxState.QUEUED,
        int(sealed),
        int(kept is None),
        now,
        now,
        None if kept is None else kept.dek,
        None if kept is None else kept.content,
    )
    assert row is not None
    return row


def mark_sealed(store: Store, row: int, *, now: Millis) -> None:
    """A queued row was sealed, once more perhaps."""
    _move(store, row, OutboxEvent.SEAL, (), now)
    count_sealing(store, row)


def count_sealing(store: Store, row: int) -> None:
    """A message was sealed once more."""
    store.write("UPDATE outbox SET sealed_times = sealed_times + 1 WHERE id = ?", row)


def is_conversation_undecided(store: Store, thread: ThreadId, *, before: int = _BEYOND) -> bool:
    """Whether a message of this conversation, of those before a row, is not decided yet."""
    found = store.row(
        f"SELECT 1 FROM outbox WHERE thread = ? AND id < ? AND {_UNDECIDED} LIMIT 1",  # noqa: S608 - a constant
        thread,
        before,
    )
    return found is not None


def next_of_conversation(store: Store, row: int) -> int | None:
    """The oldest message that still waits in the conversation of this one."""
    found = store.row(
        f"""SELECT next.id FROM outbox AS next, outbox AS it
           WHERE it.id = ? AND next.thread = it.thread AND next.state = 'queued'
             AND next.{_UNDECIDED}  -- what the index is about
           ORDER BY next.id LIMIT 1""",  # noqa: S608 - a constant
        row,
    )
    return None if found is None else int(found["id"])


def read_order(store: Store, vault: Vault, row: int) -> Order:
    """The order behind a row that keeps one."""
    found = store.row("SELECT mid, dek, content FROM outbox WHERE id = ?", row)
    assert found is not None
    return decode_order(vault.unlock(found["dek"], found["content"], PLACE, found["mid"]))


def queued(store: Store, *, after: int, most: int) -> list[int]:
    """Rows that wait to be sealed and are the next ones of their conversations, oldest first."""
    rows = store.rows(
        f"""SELECT id FROM outbox AS it WHERE state = 'queued' AND id > ? AND NOT EXISTS (
               SELECT 1 FROM outbox AS earlier WHERE earlier.thread = it.thread AND earlier.id < it.id
                 AND earlier.{_UNDECIDED})
           ORDER BY id LIMIT ?""",  # noqa: S608 - a constant
        after,
        most,
    )
    return [row["id"] for row in rows]


def is_any_queued(store: Store) -> bool:
    """Whether anything waits to be sealed, for whatever reason."""
    return store.row("SELECT 1 FROM outbox WHERE state = 'queued' LIMIT 1") is not None


def settle(store: Store, sealing: Sealing, record: Record, raw: bytes, *, now: Millis) -> int:
    """The message was accepted; every sealing of it is done with. `raw` is the record as it came.

    Returns how many others there were: of them none is to go out any more.
    """
    _decide(store, sealing, record, raw)
    others = 0
    if sealing.sealed_times > 1:
        others = store.write(
            "UPDATE sealings SET verdict = ?, submission = NULL WHERE message = ? AND verdict IS NULL",
            int(RecordType.DUPLICATE),
            sealing.message,
        )
    _move(store, sealing.message, OutboxEvent.ACCEPT, (), now)
    return others


def refuse(store: Store, sealing: Sealing, record: Record, raw: bytes, *, now: Millis) -> None:
    """The message was refused for good."""
    _decide(store, sealing, record, raw)
    _move(store, sealing.message, OutboxEvent.REFUSE, record.reasons, now)


def note_waiting(store: Store, row: int, reasons: Sequence[Reason]) -> None:
    """Say why the message waits to be sealed."""
    store.write("UPDATE outbox SET reasons = ? WHERE id = ?", _reasons(reasons), row)


def refuse_unsealed(store: Store, row: int, reasons: Sequence[Reason], *, now: Millis) -> None:
    """A message that waited until it was too late."""
    _move(store, row, OutboxEvent.NEVER_SEALABLE, reasons, now)


def queue_again(store: Store, sealing: Sealing, record: Record, raw: bytes, *, now: Millis) -> None:
    """This sealing is refused; the message waits for another one."""
    _decide(store, sealing, record, raw)
    _move(store, sealing.message, OutboxEvent.SEAL_AGAIN, record.reasons, now)


def is_out_of_time(store: Store, row: int) -> bool:
    """Whether a message waits because a router called it expired: it waits only if a clock was wrong."""
    found = store.row("SELECT reasons FROM outbox WHERE id = ? AND state = 'queued'", row)
    return found is not None and any(f'"{code.value}"' in found["reasons"] for code in OUT_OF_TIME)


def begin_life_anew(store: Store, vault: Vault, row: int, *, at: Millis) -> None:
    """Let a message live as long as was asked from this time on: the clock by which it was made was wrong.

    Every expiry is asked for as a length of time. An originator's date of deletion is a date: it stays.
    """
    found = store.row("SELECT created, automatic FROM outbox WHERE id = ?", row)
    assert found is not None
    if not found["automatic"]:  # the order of a receipt follows from when it was made
        order = read_order(store, vault, row)
        expires = at + order.expires - found["created"]
        if order.h3 is not None and order.h3.delete_by is not None:
            expires = min(expires, order.h3.delete_by)
        kept = vault.lock(encode_order(replace(order, expires=Millis(expires))), PLACE, order.message_id)
        store.write("UPDATE outbox SET dek = ?, content = ? WHERE id = ?", kept.dek, kept.content, row)
    store.write("UPDATE outbox SET created = ? WHERE id = ?", at, row)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What an acknowledgement is about."""

    created: Millis
    """When the message was handed in."""

    is_news: bool
    """Whether the addressee had not said as much before."""


def acknowledged(
    store: Store,
    *,
    by: UnitId,
    message: MessageId,
    subject: Digest,
    stage: AcknowledgementStage,
    now: Millis,
) -> Acknowledged | None:
    """Record an addressee's acknowledgement. None where no such message went to it."""
    row = store.row(
        """SELECT o.id, o.recipients, o.created FROM outbox o JOIN sealings s ON o.id = s.message
           WHERE o.mid = ? AND s.subject = ?""",
        message,
        subject,
    )
    if row is None or by not in {unit for unit, _ in json.loads(row["recipients"])}:
        return None
    unacknowledged.await_no_more(store, row["id"], by)
    changed = store.write(
        """INSERT INTO acknowledgements (message, unit, stage, received) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET stage = excluded.stage, received = excluded.received
           WHERE excluded.stage > stage""",
        row["id"],
        by,
        int(stage),
        now,
    )
    return Acknowledged(created=row["created"], is_news=bool(changed))


def is_sealing_under_way(store: Store, row: int) -> bool:
    """Whether a sealing of this message is not decided yet."""
    found = store.row("SELECT 1 FROM sealings WHERE message = ? AND verdict IS NULL LIMIT 1", row)
    return found is not None


def note_verdict(store: Store, sealing: Sealing, record: Record, raw: bytes) -> None:
    """This sealing of a message that is decided was decided, too; the message stays what it is."""
    _decide(store, sealing, record, raw)


def sent_by_id(store: Store, message_id: MessageId) -> Row | None:
    """The row of a message."""
    return store.row("SELECT * FROM outbox WHERE mid = ?", message_id)


def sent_by_digest(store: Store, subject: Digest) -> Row | None:
    """Id, kind, conversation and addressees of a message by its signed header."""
    return store.row(
        """SELECT o.mid, o.kind, o.thread, o.recipients FROM sealings s JOIN outbox o ON o.id = s.message
           WHERE s.subject = ?""",
        subject,
    )


def erase_sent(store: Store, row: int) -> None:
    """Erase the content; the decision stays."""
    store.write("UPDATE outbox SET dek = NULL, content = NULL WHERE id = ?", row)


def _decide(store: Store, sealing: Sealing, record: Record, raw: bytes) -> None:
    store.write(
        "UPDATE sealings SET verdict = ?, record = ?, position = ?, submission = NULL WHERE id = ?",
        int(record.type),
        raw,
        record.source.offset,
        sealing.id,
    )


def _move(store: Store, row: int, event: OutboxEvent, reasons: Sequence[Reason], now: Millis) -> None:
    """Apply an event to a message; `ForbiddenMove` where the table has none."""
    changed = store.write(
        f"UPDATE outbox SET state = ?, reasons = ?, changed = ? WHERE id = ? AND {allowing(OUTBOX, event)}",  # noqa: S608 - constants of the table
        OUTBOX.target(event),
        _reasons(reasons),
        now,
        row,
    )
    if not changed:
        raise ForbiddenMove(row, event)


def _reasons(reasons: Sequence[Reason]) -> str:
    return json.dumps([[each.code.value, each.unit, each.wait] for each in reasons]) if reasons else "[]"
