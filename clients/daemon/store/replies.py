"""Replies to requests, sent and received: how far each request is answered by whom, and what is odd.

Owns the table `replies`. Every function runs in the worker's thread; those that write expect an open
transaction. A request is known by its sender and its id. A reply that a router refused was never given, and
an odd one changes nothing. What the states mean is protocol/conversation/following.py.
"""

from __future__ import annotations

import json
from typing import Final

from clients.daemon.store.database import Row, Store
from protocol.codes import MessageKind
from protocol.conversation.following import Disorder, EarlierMessage, Reply, RequestState, state_after
from protocol.envelope.core import Core
from protocol.identifiers import MessageId, ThreadId, UnitId

_GIVEN: Final = """
    SELECT r.reply FROM replies r LEFT JOIN outbox o ON o.id = r.outbox
    WHERE r.request = ? AND r.asker = ? AND r.author = ? AND r.odd IS NULL
      AND (o.state IS NULL OR o.state <> 'refused') ORDER BY r.id"""


def state_of_request(store: Store, request: MessageId, *, asker: UnitId, author: UnitId) -> RequestState:
    """How far one unit has replied to a request, by what this unit sent and received."""
    return state_after(Reply(row["reply"]) for row in store.rows(_GIVEN, request, asker, author))


def note_sent_reply(
    store: Store, reply: Reply, *, message: MessageId, request: MessageId, asker: UnitId, author: UnitId
) -> None:
    """This unit has replied, with a message of its outbox."""
    store.write(
        """INSERT INTO replies (request, asker, author, reply, outbox)
           SELECT ?, ?, ?, ?, id FROM outbox WHERE mid = ?""",
        request,
        asker,
        author,
        reply,
        message,
    )


def note_received_reply(
    store: Store,
    reply: Reply,
    *,
    row: int,
    request: MessageId,
    asker: UnitId,
    author: UnitId,
    odd: Disorder | None,
) -> None:
    """Another unit has replied, with this row of the inbox."""
    store.write(
        "INSERT INTO replies (request, asker, author, reply, inbox, odd) VALUES (?, ?, ?, ?, ?, ?)",
        request,
        asker,
        author,
        reply,
        row,
        odd,
    )


def odd_of_received(store: Store, row: int) -> str | None:
    """What is odd about a received message, to be read after "it"; None if nothing is."""
    found = store.row("SELECT odd FROM replies WHERE inbox = ?", row)
    return None if found is None else found["odd"]


def place_of_sent(row: Row, *, sender: UnitId) -> EarlierMessage:
    """The place of a message of the outbox."""
    addressees = frozenset(UnitId(unit) for unit, _ in json.loads(row["recipients"]))
    return EarlierMessage(MessageKind(row["kind"]), sender, addressees, ThreadId(row["thread"]))


def place_of_received(core: Core) -> EarlierMessage:
    """The place of a message with this header."""
    return EarlierMessage(core.kind, core.sender, frozenset(one.unit for one in core.to), core.thread)
