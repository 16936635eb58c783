"""The local API's JSON for messages: rows of the outbox and of the inbox.

Owns the shapes, which the command line and national systems rely on. Codes are shown as they are written
(`H1+H3`), times are Unix milliseconds, ids are UUIDs, digests are hexadecimal. Runs in the worker's thread.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from clients.daemon.api import ledger_views
from clients.daemon.sending.waiting import order_of
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import inbox, outbox, unacknowledged
from clients.daemon.store.at_rest import ContentErased
from clients.daemon.store.database import Row, Store
from clients.daemon.store.order import Order
from clients.daemon.store.replies import odd_of_received
from protocol.codes import AcknowledgementStage, MessageKind, RefKind, Role
from protocol.content.body_parts import body_from_parts
from protocol.content.caveats import caveats_on
from protocol.content.code_forms import show_code, show_handling
from protocol.content.parts import Attachment
from protocol.envelope.core import Core, Limits, Reference
from protocol.errors import HINTS, Code
from protocol.identifiers import Digest, MessageId, UnitId, show_id
from protocol.trail.batches import Reason, Record, parse_record
from protocol.trail.code_meanings import reason_in_words
from protocol.trail.decision_text import header_in_words
from protocol.trail.reason_words import ReasonContext, found_in
from runtime.errors import Conflict, NotFound

Shown = dict[str, Any]


def outbox_item(context: UnitContext, message_id: MessageId) -> Shown:
    """One message that was sent."""
    row = outbox.sent_by_id(context.store, message_id)
    if row is None:
        raise NotFound(f"there is no message {show_id(message_id)} in the outbox", hint="see 'outbox ls'")
    return sent_item(context, row)


def open_inbox_item(context: UnitContext, message_id: MessageId, sender: UnitId | None) -> Shown:
    """One received message with its content. That it was opened is written down."""
    shown = read_inbox_item(context, message_id, sender)
    if shown.get("erased"):
        return shown
    return shown | count_as_opened(context, message_id, sender)


def read_inbox_item(context: UnitContext, message_id: MessageId, sender: UnitId | None) -> Shown:
    """The same, and nothing is written down."""
    row = find_received(context, message_id, sender)
    shown = received_item(context, row)
    try:
        _, parts = inbox.read_parts(row, context.vault)
    except ContentErased:
        return {**shown, "body": None, "caveats": [], "attachments": [], "erased": True}
    body, attachments = body_from_parts(MessageKind(row["kind"]), parts)
    shown_body = body.model_dump(mode="json")
    return {
        **shown,
        "body": shown_body,
        "caveats": caveats_shown(shown_body),
        "attachments": [_attachment(attachment) for attachment in attachments],
    }


def count_as_opened(context: UnitContext, message_id: MessageId, sender: UnitId | None) -> Shown:
    """Write down that a received message was opened; the first time counts."""
    row = find_received(context, message_id, sender)
    with context.transaction():
        inbox.mark_opened(context.store, row["id"], now=context.clock())
    state = "opened" if row["state"] == "new" else row["state"]
    return {"id": show_id(row["mid"]), "sender": row["sender"], "state": state}


def caveats_shown(body: Mapping[str, Any]) -> list[Shown]:
    """What is to be known of the fields of a body, though nothing was refused for it."""
    return [{"field": one.field, "rule": one.rule, "text": one.text} for one in caveats_on(body)]


def find_received(context: UnitContext, message_id: MessageId, sender: UnitId | None) -> Row:
    """The row of a received message."""
    rows = [row for row in inbox.received_by_id(context.store, message_id) if sender in (None, row["sender"])]
    if not rows:
        raise NotFound(f"there is no message {show_id(message_id)} in the inbox", hint="see 'inbox ls'")
    if len(rows) > 1:
        senders = ", ".join(row["sender"] for row in rows)
        raise Conflict(f"{senders} used one and the same message id", hint="name the sender: ?sender=")
    return rows[0]


def message_trace(context: UnitContext, message_id: MessageId) -> Shown:
    """All that is known here of a message, step by step. Never its content."""
    steps: list[Shown] = []
    sent = outbox.sent_by_id(context.store, message_id)
    if sent is not None:
        steps += _sent_steps(context, sent)
    for row in inbox.received_by_id(context.store, message_id):
        steps += _received_steps(context, row)
    if not steps:
        raise NotFound(
            f"nothing is known here of {show_id(message_id)}", hint="see 'inbox ls' and 'outbox ls'"
        )
    return {"id": show_id(message_id), "steps": [*steps, *ledger_views.steps(context, message_id)]}


def sent_item(context: UnitContext, row: Row) -> Shown:
    """A row of the outbox, with the state that the daemon knows now."""
    stages = {
        found["unit"]: found
        for found in context.store.rows("SELECT * FROM acknowledgements WHERE message = ?", row["id"])
    }
    last = context.store.row(
        "SELECT * FROM sealings WHERE message = ? ORDER BY verdict = 1 DESC, id DESC LIMIT 1", row["id"]
    )
    recipients = json.loads(row["recipients"])
    order = _order_of(context, row)
    decided = None if last is None or last["record"] is None else parse_record(last["record"])
    return {
        "id": show_id(row["mid"]),
        "thread": show_id(row["thread"]),
        "state": "sent"
        if row["state"] == "sealed" and last is not None and last["id"] in context.sent
        else row["state"],
        "kind": show_code(MessageKind(row["kind"])),
        "to": [unit for unit, role in recipients if role != Role.COPY],
        "copy": [unit for unit, role in recipients if role == Role.COPY],
        **({} if order is None else _ordered(context.store, order)),
        "created": row["created"],
        "changed": row["changed"],
        "decided": None if decided is None else decided.t,
        "sealed_times": row["sealed_times"],
        "reasons": [
            _reason(Reason(Code(code), unit, *waits), context, order, decided)
            for code, unit, *waits in json.loads(row["reasons"])
        ],
        "deliveries": [_delivery(unit, stages.get(unit)) for unit, _ in recipients]
        if row["state"] == "accepted"
        else [],
        "unacknowledged": unacknowledged.units_out(context.store, row),
        "subject": None if last is None else last["subject"].hex(),
        "position": None
        if last is None or last["position"] is None
        else {"partition": last["partition"], "offset": last["position"]},
    }


def _order_of(context: UnitContext, row: Row) -> Order | None:
    try:
        return order_of(context, row["id"])
    except ContentErased:
        return None


def _ordered(store: Store, order: Order) -> Shown:
    return {
        **_codes(order),
        "reply_to": _reply_to(store, order.refs),
        "expires": order.expires,
        "review": order.review,
    }


def received_item(context: UnitContext, row: Row) -> Shown:
    """A row of the inbox, without content."""
    core = context.headers.of(row)
    return {
        "id": show_id(row["mid"]),
        "thread": show_id(row["thread"]),
        "state": row["state"],
        "kind": show_code(MessageKind(row["kind"])),
        "sender": row["sender"],
        "role": show_code(Role(row["role"])),
        "to": [addressee.unit for addressee in core.to if addressee.role is not Role.COPY],
        "copy": [addressee.unit for addressee in core.to if addressee.role is Role.COPY],
        **_codes(core),
        "reply_to": _reply_to(context.store, core.refs),
        "suite": int(core.suite),
        "created": core.created,
        "received": row["received"],
        "opened": row["opened"],
        "acknowledged": row["acknowledged"],
        "expires": core.expires,
        "review": core.review,
        "subject": row["subject"].hex(),
        "odd": odd_of_received(context.store, row["id"]),
    }


def _codes(said: Core | Order) -> Shown:
    return {
        "handling": show_handling(said.handling),
        "h3": _limits(said.h3),
        "classification": show_code(said.classification),
        "data_class": show_code(said.data_class),
        "purposes": [show_code(purpose) for purpose in sorted(said.purposes)],
        "urgency": _code(said.urgency),
        "ground": _code(said.ground),
        "basis": _code(said.basis),
        "copy_exemption": _code(said.copy_exemption),
    }


def _limits(h3: Limits | None) -> Shown | None:
    return None if h3 is None else {"only": list(h3.only), "delete_by": h3.delete_by}


def _code(code: Enum | None) -> str | None:
    return None if code is None else show_code(code)


def _reply_to(store: Store, refs: Sequence[Reference]) -> str | None:
    """The id of the message that this one answers, if it passed through here."""
    subject = next((ref.header_digest for ref in refs if ref.kind is RefKind.REPLY_TO), None)
    if subject is None:
        return None
    row = inbox.received_by_digest(store, Digest(subject)) or outbox.sent_by_digest(store, Digest(subject))
    return None if row is None else show_id(row["mid"])


def _reason(reason: Reason, context: UnitContext, order: Order | None, decided: Record | None) -> Shown:
    found = reason_in_words(reason.code, reason.unit)
    if order is not None:
        created = None if decided is None else header_in_words(decided)["created"]
        at = None if decided is None else decided.t
        known = ReasonContext(said=order, parties=context.directory, created=created, decided=at)
        found = found_in(reason, known)
    return {"code": reason.code.value, "unit": reason.unit, "found": found, "hint": HINTS[reason.code]}


def _delivery(unit: str, found: Row | None) -> Shown:
    if found is None:
        return {"unit": unit, "stage": None, "received": None}
    return {
        "unit": unit,
        "stage": show_code(AcknowledgementStage(found["stage"])),
        "received": found["received"],
    }


def _attachment(attachment: Attachment) -> Shown:
    return {
        "name": attachment.name,
        "media_type": attachment.media_type,
        "size": len(attachment.content),
        "content_b64": base64.b64encode(attachment.content).decode(),
    }


def _step(t: int | None, event: str, unit: str, detail: str = "") -> Shown:
    return {"t": t, "event": event, "unit": unit, "detail": detail}


def _sent_steps(context: UnitContext, row: Row) -> list[Shown]:
    me = context.unit
    steps = [_step(row["created"], "submitted", me)]
    for sealing in context.store.rows("SELECT * FROM sealings WHERE message = ? ORDER BY id", row["id"]):
        known = sealing["position"] is not None
        place = f"{sealing['partition']}@{sealing['position']}" if known else "not yet in Kafka"
        numbered = f"stream {sealing['stream'].hex()} number {sealing['seq']}, {place}"
        steps.append(_step(None, "sealed", me, numbered))
        if sealing["record"] is not None:
            record = parse_record(sealing["record"])
            why = ", ".join(f"{reason.code.value} {reason.unit or ''}".strip() for reason in record.reasons)
            steps.append(_step(record.t, record.type.name.lower(), "router", why))
    for found in context.store.rows(
        "SELECT * FROM acknowledgements WHERE message = ? ORDER BY received", row["id"]
    ):
        stage = show_code(AcknowledgementStage(found["stage"]))
        steps.append(_step(found["received"], "acknowledged", found["unit"], stage))
    return steps


def _received_steps(context: UnitContext, row: Row) -> list[Shown]:
    core, odd = context.headers.of(row), odd_of_received(context.store, row["id"])
    place = f"{row['topic']}/{row['partition']}@{row['position']}"
    steps = [
        _step(core.created, "created", row["sender"], "as its sender says"),
        _step(row["received"], "received", context.unit, f"{place}; it {odd}" if odd else place),
    ]
    if row["opened"] is not None:
        steps.append(_step(row["opened"], "opened", context.unit))
    if row["acknowledged"] is not None:
        steps.append(_step(row["acknowledged"], "acknowledged", context.unit))
    return steps
