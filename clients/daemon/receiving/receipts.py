"""Receipts: routers' signed decisions on sent and received messages, kept byte for byte.

    sent        a router's decisions of one transaction, once for all the sealings that they decided
    received    the receipt that travelled with the delivery

Owns the tables `decisions` and `decided_in`, and what the local API shows of receipts. Rule: a receipt is of
one message and shows nothing of others: the rest of the router's transaction is in it as hashes only. It is
not verified here: its reader does. Runs in the worker's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import inbox, outbox
from clients.daemon.store.database import Row, Store
from clients.daemon.store.message_states import UNDECIDED
from protocol.canonical import decode
from protocol.identifiers import MessageId, UnitId, show_id
from protocol.trail.batches import parse_record, receipt_of
from runtime.errors import NotFound

Shown = dict[str, Any]


@dataclass(slots=True)
class IncomingDecisions:
    """A router's decisions that were verified.

    They are kept once one of them decides a sealing of this unit.
    """

    store: Store
    value: bytes
    id: int | None = None

    def keep_for(self, sealing: int) -> None:
        """These decided this sealing. Inside a transaction."""
        if self.id is None:
            self.id = self.store.insert("INSERT INTO decisions (value) VALUES (?)", self.value)
        self.store.write("INSERT OR IGNORE INTO decided_in VALUES (?, ?)", sealing, self.id)


def receipts_of_message(context: UnitContext, message_id: MessageId) -> Shown:
    """The receipts of a message; of what was sent, in the order of its sealings."""
    sent, received = (
        outbox.sent_by_id(context.store, message_id),
        inbox.received_by_id(context.store, message_id),
    )
    found = [] if sent is None else list(_of_sent(context.store, sent, context.unit))
    found += [
        _shown("received", row["sender"], row["receipt"], decode(row["receipt"])[1]) for row in received
    ]
    if not found:
        raise _none(sent, message_id)
    return {"id": show_id(message_id), "receipts": found}


def _of_sent(store: Store, message: Row, unit: UnitId) -> Iterator[Shown]:
    for row in store.rows(
        """SELECT s.record, d.value FROM sealings s JOIN decided_in i ON i.sealing = s.id
           JOIN decisions d ON d.id = i.decisions WHERE s.message = ? ORDER BY s.id""",
        message["id"],
    ):
        yield _shown("sent", unit, receipt_of(row["value"], row["record"]), row["record"])


def _shown(side: str, sender: UnitId, receipt: bytes, record: bytes) -> Shown:
    said = parse_record(record)
    return {
        "side": side,
        "sender": sender,
        "leaf": said.type.name.lower(),
        "decided": said.t,
        "receipt": receipt.hex(),
    }


def _none(sent: Row | None, message_id: MessageId) -> NotFound:
    name = show_id(message_id)
    if sent is None:
        return NotFound(f"nothing is known here of {name}", hint="see 'inbox ls' and 'outbox ls'")
    if sent["state"] not in UNDECIDED:
        return NotFound(
            f"no receipt of {name} is kept here: it was decided before receipts were kept, or never sent",
            hint=f"'message trace {name}' says which; an accepted message's addressees have its receipt",
        )
    return NotFound(
        f"no router has decided {name} yet, and the receipt comes with the decision",
        hint=f"try again in a moment; 'message trace {name}' says how far it is",
    )
