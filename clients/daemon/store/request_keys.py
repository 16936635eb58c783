"""The keys of requests that were taken in: who asks again under one gets the answer of the first time.

Owns the table `request_keys` and its bounds. Every function runs in the worker's thread; `remember` expects
the open transaction in which the message is written, so that after a crash both are there, or neither. Rules:
- A key stands for one request for as long as it is kept: `KEPT_FOR`, and the newest `MOST` of them.
- The answer is the first one, word for word, whatever became of the message since.
- Of a request that was refused nothing is kept: it may be corrected under the same key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clients.daemon.errors import KeyReused
from clients.daemon.store.database import Store
from protocol.identifiers import MessageId, Millis
from protocol.limits import DAY

KEPT_FOR: Final = 7 * DAY
MOST: Final = 100_000
LONGEST_KEY: Final = 200

_FORGOTTEN_AT_ONCE: Final = 8
"""More than one for each that is added: what is too old goes by itself, and no request pays for all of it."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A key, and what tells its request from another one without showing content."""

    key: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What was answered when the request was taken in."""

    message_id: MessageId
    thread: bytes
    state: str


def first_answer(store: Store, once: RequestKey | None) -> FirstAnswer | None:
    """The answer under this key, if there was one; `KeyReused` if it was to another request."""
    if once is None:
        return None
    found = store.row(
        """SELECT k.mac, k.state, o.mid, o.thread FROM request_keys k JOIN outbox o ON o.id = k.message
           WHERE k.key = ?""",
        once.key,
    )
    if found is None:
        return None
    if found["mac"] != once.mac:
        raise KeyReused
    return FirstAnswer(MessageId(found["mid"]), found["thread"], found["state"])


def remember(
    store: Store, once: RequestKey | None, *, message_id: MessageId, state: str, now: Millis
) -> None:
    """Keep the answer that is about to be given, and forget what is too old."""
    if once is None:
        return
    store.write(
        """INSERT INTO request_keys (key, mac, message, state, taken)
           SELECT ?, ?, id, ?, ? FROM outbox WHERE mid = ?""",
        once.key,
        once.mac,
        state,
        now,
        message_id,
    )
    store.write(
        """DELETE FROM request_keys WHERE id IN (
               SELECT id FROM (SELECT id, taken FROM request_keys ORDER BY id LIMIT ?) WHERE taken < ?)""",
        _FORGOTTEN_AT_ONCE,
        now - KEPT_FOR,
    )
    store.write("DELETE FROM request_keys WHERE id <= (SELECT max(id) FROM request_keys) - ?", MOST)
