"""The local API's JSON for the ledger: what this unit holds of it, and the proofs of each message.

Owns these shapes. Runs in the worker's thread.
"""

from __future__ import annotations

from typing import Any

from clients.daemon.alarms import KEPT
from clients.daemon.ledger import promises
from clients.daemon.state.ledger_state import FollowedLog, Ledger
from clients.daemon.state.losses import is_policy_gone
from clients.daemon.state.open_promises import RECEIVED, SENT
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import inbox, outbox
from clients.daemon.store.database import Row
from protocol.identifiers import Digest, MessageId, UnitId, show_id
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.proof_file import TlogProof, format_proof
from protocol.tlog.tiles import HASH_SIZE
from protocol.trail.records import RecordType, parse_record
from runtime.errors import NotFound

Shown = dict[str, Any]

OFF: Shown = {"followed": False}


def ledger_status(context: UnitContext, *, read: bool) -> Shown:
    """What this unit holds of the ledger, what is promised, and what is wrong."""
    ledger = context.ledger
    if ledger is None:
        return OFF | ({"policy_gone": True} if is_policy_gone(context) else {})
    return {
        "followed": True,
        "read": read,
        "logs": [_log(ledger, held) for held in ledger.logs.values()],
        "quorum": ledger.policy.quorum,
        "promised": len(ledger.book.promises),
        "late": ledger.book.late,
        "wrong": [
            {"code": alarm, "about": about, "detail": detail}
            for (alarm, about), detail in ledger.wrong.items()
        ],
    }


def _log(ledger: Ledger, held: FollowedLog) -> Shown:
    head = held.follower.head
    trusted = ledger.policy.cosigned(parse_checkpoint(held.follower.note))
    return {
        "origin": held.origin,
        "size": head.size,
        "root": head.root.hex(),
        "witnesses": {name: time * 1000 for name, time in trusted.items()},
    }


def proofs(context: UnitContext, message_id: MessageId) -> Shown:
    """The leaves that a message has in the ledger, each with its record and an offline proof."""
    found = _inclusions(context, message_id)
    if found is None:
        raise NotFound(
            f"nothing is known here of {show_id(message_id)}", hint="see 'inbox ls' and 'outbox ls'"
        )
    return {"id": show_id(message_id), "proofs": [_proof(context, row, sender) for row, sender in found]}


def steps(context: UnitContext, message_id: MessageId) -> list[Shown]:
    """The same in short, for the trace of a message."""
    made = []
    for row, _ in _inclusions(context, message_id) or ():
        what = RecordType(row["type"]).name.lower()
        place = f"{what}: leaf {row['position']} of {row['origin']}, proved at {row['size']}"
        made.append({"t": row["proved"], "event": "logged", "unit": "ledger", "detail": place})
    return made


def evidence(context: UnitContext) -> Shown:
    """What was kept against a log, newest first: the note that was held, and the one that was shown."""
    rows = context.store.rows("SELECT * FROM ledger_evidence ORDER BY id DESC LIMIT ?", KEPT)
    return {
        "items": [
            {
                "id": row["id"],
                "raised": row["raised"],
                "code": row["code"],
                "about": row["about"],
                "held": _text(row["held"]),
                "shown": _text(row["shown"]),
            }
            for row in rows
        ]
    }


def _text(data: bytes | None) -> str | None:
    """A note as it is; a bare root, from a header, in hexadecimal."""
    if data is None or len(data) == HASH_SIZE:
        return None if data is None else data.hex()
    return data.decode("utf-8", "replace")


def _inclusions(context: UnitContext, message_id: MessageId) -> list[tuple[Row, UnitId]] | None:
    """The rows of all leaves of a message, each with its sender; None where there is no such message.

    Two senders may have used one id, and then there are those of two messages.
    """
    store = context.store
    sent, received = outbox.sent_by_id(store, message_id), inbox.received_by_id(store, message_id)
    if sent is None and not received:
        return None
    subjects = [(RECEIVED, row["id"], row["sender"]) for row in received]
    if sent is not None:
        rows = store.rows("SELECT id FROM sealings WHERE message = ? ORDER BY id", sent["id"])
        subjects += [(SENT, row["id"], context.unit) for row in rows]
    return [
        (row, sender)
        for side, subject, sender in subjects
        for row in store.rows(
            """SELECT i.*, c.origin, c.size, c.note FROM inclusions i JOIN ledger_checkpoints c
               ON c.id = i.checkpoint WHERE i.side = ? AND i.subject = ? ORDER BY i.position""",
            side,
            subject,
        )
    ]


def _proof(context: UnitContext, row: Row, sender: UnitId) -> Shown:
    path = row["path"]
    hashes = tuple(Digest(path[at : at + HASH_SIZE]) for at in range(0, len(path), HASH_SIZE))
    record, salt = _preimage(context, row)
    return {
        "sender": sender,
        "leaf": RecordType(row["type"]).name.lower(),
        "log": row["origin"],
        "index": row["position"],
        "size": row["size"],
        "proved": row["proved"],
        "record": None if record is None else record.hex(),
        "salt": None if salt is None else salt.hex(),
        "proof": format_proof(TlogProof(row["position"], hashes, row["note"])).decode(),
    }


def _preimage(context: UnitContext, row: Row) -> tuple[bytes | None, bytes | None]:
    """The record and the salt that the leaf is made of."""
    if row["side"] == RECEIVED:
        leaf = promises.received_leaves(context.store, row["subject"], context.unit)[RecordType(row["type"])]
        return leaf.record, leaf.salt
    found = context.store.row("SELECT record FROM sealings WHERE id = ?", row["subject"])
    # Earlier versions kept proofs of further decisions on the same bytes, too; their records are not here.
    if found is None or found["record"] is None or parse_record(found["record"]).type != row["type"]:
        return None, row["salt"]
    return found["record"], row["salt"]
