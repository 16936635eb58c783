"""The inbox in the database: received messages and rejected deliveries.

Owns the tables `inbox` and `rejected`. Every function runs in the worker's thread; those that
write expect an open transaction. A message is known by its sender and its id, and is taken in once.
Whether it was opened or acknowledged is a state of `message_states`.

The parsed headers of the few messages that were looked at last stand in a `HeaderCache`: a message is
acknowledged and listed just after it was received, and parsing its header three times would cost as much as
opening it. It is only ever filled from headers that were verified when they came in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Literal

from clients.daemon.store.at_rest import ContentErased, Vault
from clients.daemon.store.database import Row, Store
from clients.daemon.store.message_states import INBOX, InboxEvent, allowing
from protocol.canonical import decode, encode
from protocol.content.parts import Part
from protocol.envelope.core import Core
from protocol.envelope.header import parse_header
from protocol.errors import Code
from protocol.identifiers import Digest, MessageId, Millis, UnitId
from protocol.limits import MAX_RECORD, MINUTE
from protocol.signatures import parse_signed
from protocol.verification import Opened

PLACE = "inbox"


_MAX_KEPT = MAX_RECORD + 100_000


HEADERS_KEPT: Final = 256


REJECTED_WITHIN: Final = 50_000
"""Of so many places of a topic what was rejected is kept: more than come in the time that it keeps them."""


ACKNOWLEDGED_AGAIN_AFTER: Final = 10 * MINUTE


def known_subject(store: Store, *, sender: UnitId, message_id: MessageId) -> bytes | None:
    """The digest of the signed header under which this message was taken in; None if it was not."""
    row = store.row("SELECT subject FROM inbox WHERE sender = ? AND mid = ?", sender, message_id)
    return None if row is None else bytes(row["subject"])


def insert_received(
    store: Store,
    vault: Vault,
    opened: Opened,
    *,
    source: tuple[str, int, int],
    receipt_owed: bool,
    now: Millis,
) -> int | None:
    """Take a message in; None where it is there already."""
    delivery, core = opened.delivery, opened.delivery.header.core
    kept = vault.lock(
        encode([opened.content.salt, [[part.kind, part.content] for part in opened.content.parts]]),
        PLACE,
        core.sender,
        core.message_id,
    )
    return store.insert(
        """INSERT OR IGNORE INTO inbox (sender, mid, thread, kind, subject, role, state, received,
                                        signed_header, receipt, dek, content, topic, partition, position,
                                        receipt_owed)
           VALUES (?, ?, ?, ?, ?, ?, 'new', ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        core.sender,
        core.message_id,
        core.thread,
        int(core.kind),
        delivery.header_digest,
        int(core.to[delivery.index].role),
        now,
        delivery.signed_header,
        delivery.receipt,
        kept.dek,
        kept.content,
        *source,
        int(receipt_owed),
    )


def holds_the_same(store: Store, vault: Vault, opened: Opened) -> bool:
    """Whether what was taken in under this sender and id is this message, perhaps sealed anew.

    Sealed anew, a message has another header, and the same words in the same conversation. Of one that was
    erased the words are not known any more.
    """
    core = opened.delivery.header.core
    row = store.row("SELECT * FROM inbox WHERE sender = ? AND mid = ?", core.sender, core.message_id)
    if row is None or (row["thread"], row["kind"]) != (core.thread, int(core.kind)):
        return False
    try:
        _, parts = read_parts(row, vault)
    except ContentErased:
        return True
    return parts == tuple(opened.content.parts)


def owing(store: Store, *, most: int) -> Sequence[Row]:
    """Messages whose acknowledgement of delivery is not in the outbox yet, oldest first."""
    return store.rows("SELECT * FROM inbox WHERE receipt_owed = 1 ORDER BY id LIMIT ?", most)


def owe_again(store: Store, *, sender: UnitId, message_id: MessageId, now: Millis) -> bool:
    """Owe the acknowledgement of a message once more; whether it is owed.

    Not while the last one may be on its way: however often a message comes, it is acknowledged ever and
    again, and not each time.
    """
    return bool(
        store.write(
            """UPDATE inbox SET receipt_owed = 1 WHERE sender = ? AND mid = ? AND receipt_owed = 0
                 AND receipted_by IN (
                   SELECT id FROM outbox WHERE state = 'accepted' AND (changed <= ? OR changed > ?))""",
            sender,
            message_id,
            now - ACKNOWLEDGED_AGAIN_AFTER,
            now,
        )
    )


def owe_what_was_refused(store: Store) -> bool:
    """Owe once more what was refused while this unit was suspended; whether something is owed."""
    return bool(
        store.write(
            """UPDATE inbox SET receipt_owed = 1, receipted_by = NULL WHERE receipted_by IN (
                 SELECT id FROM outbox WHERE automatic = 1 AND state = 'refused' AND reasons LIKE ?)""",
            f'%"{Code.E_SENDER_SUSPENDED.value}"%',
        )
    )


def of_receipt(store: Store, receipt: int) -> Sequence[Row]:
    """The messages that an acknowledgement of delivery names."""
    return store.rows("SELECT * FROM inbox WHERE receipted_by = ? ORDER BY id", receipt)


def mark_receipted(store: Store, row: int, *, receipt: int) -> None:
    """The acknowledgement of delivery is in the outbox."""
    store.write("UPDATE inbox SET receipt_owed = 0, receipted_by = ? WHERE id = ?", receipt, row)


def read_parts(row: Row, vault: Vault) -> tuple[bytes, tuple[Part, ...]]:
    """Salt and parts of a received message."""
    kept = vault.unlock(row["dek"], row["content"], PLACE, row["sender"], row["mid"])
    salt, parts = decode(kept, limit=_MAX_KEPT)
    return salt, tuple(Part(kind, content) for kind, content in parts)


def reject(store: Store, *, source: tuple[str, int, int], code: Code, now: Millis) -> None:
    """Record a delivery that did not verify.

    Those that lie far behind in the topic do not stay: garbage in an inbox fills no disk with its places.
    """
    topic, partition, position = source
    store.write("INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?, ?)", *source, code.value, now)
    store.write(
        "DELETE FROM rejected WHERE topic = ? AND partition = ? AND position <= ?",
        topic,
        partition,
        position - REJECTED_WITHIN,
    )


def received_by_id(store: Store, message_id: MessageId) -> Sequence[Row]:
    """The messages with this id: one for each sender that used it."""
    return store.rows("SELECT * FROM inbox WHERE mid = ?", message_id)


def received_by_digest(store: Store, subject: Digest) -> Row | None:
    """The message with this signed header."""
    return store.row("SELECT * FROM inbox WHERE subject = ?", subject)


def mark_opened(store: Store, row: int, *, now: Millis) -> None:
    """An officer has read it; the first time counts."""
    _move(store, row, InboxEvent.OPEN, "opened", now)


def mark_acknowledged(store: Store, row: int, *, now: Millis) -> None:
    """An officer has acknowledged it to the sender."""
    _move(store, row, InboxEvent.ACKNOWLEDGE, "acknowledged", now)


def _move(
    store: Store, row: int, event: InboxEvent, when: Literal["opened", "acknowledged"], now: Millis
) -> None:
    store.write(
        f"UPDATE inbox SET state = ?, {when} = ? WHERE id = ? AND {allowing(INBOX, event)}",  # noqa: S608 - constants of the table
        INBOX.target(event),
        now,
        row,
    )


def erase_received(store: Store, row: int) -> None:
    """Erase the content; header and decision stay."""
    store.write("UPDATE inbox SET dek = NULL, content = NULL WHERE id = ?", row)


class HeaderCache:
    """Headers by their digest. Used in the worker's thread only."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Core] = OrderedDict()

    def put(self, subject: bytes, core: Core) -> None:
        """Keep one for a while."""
        self._kept[subject] = core
        if len(self._kept) > HEADERS_KEPT:
            self._kept.popitem(last=False)

    def of(self, row: Row) -> Core:
        """The core of a row of the inbox."""
        core = self._kept.get(row["subject"])
        if core is None:
            core = parse_header(parse_signed(row["signed_header"]).payload).core
            self.put(row["subject"], core)
        return core
