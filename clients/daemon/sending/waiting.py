"""Waiting messages of the outbox: for keys, or for an earlier message of their conversation.

Owns when one is sealed after all. Runs in the worker's thread.
"""

from __future__ import annotations

from clients.daemon.sending.acknowledgements import deletion_order, receipt_order
from clients.daemon.sending.sealer import seal_row
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import deletions, inbox, outbox, sealings
from clients.daemon.store.order import Order
from protocol.identifiers import (
    MessageId,
    Millis,
    ThreadId,
)

SEAL_AT_MOST = 50


def seal_queued(context: UnitContext, after: int = 0) -> int | None:
    """Seal what waits, some at a time; the row to go on behind, or None at the end."""
    rows = outbox.queued(context.store, after=after, most=SEAL_AT_MOST)
    moment = context.monotonic()
    due = [row for row in rows if context.held.get(row, moment) <= moment]
    if due:
        with context.transaction():
            for row in due:
                seal_row(context, row, order_of(context, row), now=context.clock())
        for row in due:
            context.held.pop(row, None)
    return rows[-1] if len(rows) == SEAL_AT_MOST else None


def order_of(context: UnitContext, row: int) -> Order:
    """The order behind a row: as it was kept, or, for a receipt, as it follows from the deliveries.

    One that waits because its life had ended by a wrong clock lives as long as was asked from now on. Inside
    a transaction.
    """
    if outbox.is_out_of_time(context.store, row):
        outbox.begin_life_anew(context.store, context.vault, row, at=context.clock())
    found = context.store.row("SELECT mid, thread, created, automatic FROM outbox WHERE id = ?", row)
    assert found is not None
    if not found["automatic"]:
        return outbox.read_order(context.store, context.vault, row)
    erased = deletions.of_notice(context.store, row)
    make = deletion_order if erased else receipt_order
    return make(
        context,
        erased or inbox.of_receipt(context.store, row),
        message_id=MessageId(found["mid"]),
        thread=ThreadId(found["thread"]),
        now=Millis(found["created"]),
    )


def note_sent(context: UnitContext) -> None:
    """Mark the rows that Kafka has acknowledged and no router has decided yet."""
    sent = dict(context.sent)
    if sent:
        with context.transaction():
            sealings.mark_sent(context.store, sent, now=context.clock())
        for sealing in sent:
            context.sent.pop(sealing, None)
