"""From a request to an order: the draft is read, header codes are derived from it, references resolved.

Pure. Owns what a header says where the user says nothing: the strictest of what the content says, and
never less. Looking things up (the message that is answered) is for the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clients.daemon.sending.submissions import SendRequest
from clients.daemon.store.order import Order, Recipient
from protocol.codes import AcknowledgementStage, DataClass, Handling, MessageKind, Purpose, RefKind, Role
from protocol.content.bodies import (
    AcknowledgedMessage,
    Acknowledgement,
    HeaderCodes,
    check_header_codes,
    required_header_codes,
)
from protocol.content.body_parts import body_to_parts
from protocol.content.code_forms import OPEN_HANDLING, HandlingCodes
from protocol.content.drafts import read_draft
from protocol.content.parts import Attachment
from protocol.envelope.header import Core, Limits, Reference
from protocol.errors import DraftError
from protocol.identifiers import (
    Digest,
    Entropy,
    MessageId,
    Millis,
    ThreadId,
    new_message_id,
    new_thread_id,
    show_id,
)
from protocol.limits import DAY, MAX_REFERENCES, SECOND

ACKNOWLEDGEMENT_LIFE: Final = 14 * DAY
_REPLIES: Final = (MessageKind.ANSWER, MessageKind.REFUSAL)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that another one refers to."""

    message_id: MessageId
    subject: Digest
    thread: ThreadId
    purposes: frozenset[Purpose]


def compose(request: SendRequest, *, earlier: Earlier | None, now: Millis, entropy: Entropy) -> Order:
    """The order for a request; `DraftError` or `Rejected` where the request contradicts itself."""
    if request.kind is MessageKind.ACKNOWLEDGEMENT:
        raise DraftError(
            "an acknowledgement is not drafted", hint="use 'inbox ack', which names the message it is for"
        )
    if request.kind in _REPLIES and earlier is None:
        raise DraftError("an answer or a refusal names the request that it is for", hint="give reply_to")
    known = (
        {"in_reply_to": show_id(earlier.message_id)}
        if earlier is not None and request.kind in _REPLIES
        else {}
    )
    body = read_draft(request.kind, request.draft, known=known)
    attachments = [Attachment(a.name, a.media_type, a.content_b64) for a in request.attachments]
    parts = body_to_parts(body, attachments)
    required = required_header_codes(body)
    handling = required.handling if request.handling is None else request.handling
    expires, review = _times(request, required, now)
    order = Order(
        kind=request.kind,
        message_id=new_message_id(now, entropy),
        thread=request.thread or (earlier.thread if earlier is not None else new_thread_id(entropy)),
        to=_recipients(request),
        handling=handling,
        h3=_h3(request, handling),
        classification=request.classification,
        data_class=required.data_class if request.data_class is None else request.data_class,
        purposes=_purposes(request, required, earlier),
        urgency=request.urgency or required.urgency,
        ground=request.ground or next(iter(required.grounds), None),
        basis=request.basis,
        copy_exemption=request.copy_exemption,
        refs=_references(request, earlier),
        expires=expires,
        review=review,
        suite=request.suite,
        parts=parts,
    )
    check_header_codes(
        required,
        handling=order.handling,
        data_class=order.data_class,
        purposes=order.purposes,
        urgency=order.urgency,
        ground=order.ground,
        review=order.review,
    )
    return order


def acknowledge(
    received: Sequence[tuple[Core, Digest]],
    *,
    message_id: MessageId,
    thread: ThreadId,
    stage: AcknowledgementStage,
    allowed: frozenset[Purpose],
    case_ref: str | None,
    now: Millis,
) -> Order:
    """The acknowledgement of messages of one sender, whose purposes are `allowed`."""
    body = Acknowledgement(
        stage=stage,
        messages=tuple(
            AcknowledgedMessage(message=core.message_id, header_digest=subject) for core, subject in received
        ),
        case_ref=case_ref,
    )
    purposes = frozenset[Purpose]().union(*(core.purposes for core, _ in received))
    shared = (purposes & allowed) - {Purpose.UNDETERMINED}
    return Order(
        kind=MessageKind.ACKNOWLEDGEMENT,
        message_id=message_id,
        thread=thread,
        to=(Recipient(received[0][0].sender, Role.TO),),
        handling=OPEN_HANDLING,
        # The receipt serves the purposes that the messages served.
        purposes=shared or frozenset({Purpose.OPERATIONAL}),
        data_class=DataClass.NON_PERSONAL,
        expires=Millis(now + ACKNOWLEDGEMENT_LIFE),
        review=Millis(now + 365 * DAY),
        # The header has room for a few; the content, which only the sender reads, names all.
        refs=tuple(Reference(RefKind.REPLY_TO, subject) for _, subject in received[:MAX_REFERENCES]),
        parts=body_to_parts(body),
    )


def _recipients(request: SendRequest) -> tuple[Recipient, ...]:
    return (
        *(Recipient(unit, Role.TO) for unit in request.to),
        *(Recipient(unit, Role.COPY) for unit in request.copy_to),
    )


def _h3(request: SendRequest, handling: HandlingCodes) -> Limits | None:
    if request.h3 is not None:
        return Limits(tuple(sorted(set(request.h3.only), key=str)), request.h3.delete_by)
    # H3 without limits of its own: the words of the restriction stand in the content.
    return Limits((), None) if Handling.H3 in handling else None


def _purposes(request: SendRequest, required: HeaderCodes, earlier: Earlier | None) -> frozenset[Purpose]:
    if request.purposes:
        return frozenset(request.purposes)
    inherited = earlier.purposes if earlier is not None else frozenset[Purpose]()
    return required.purposes or inherited or frozenset({Purpose.OPERATIONAL})


def _references(request: SendRequest, earlier: Earlier | None) -> tuple[Reference, ...]:
    if earlier is None:
        return ()
    kind = RefKind.REPLY_TO if request.kind in _REPLIES else RefKind.RELATED
    return (Reference(kind, earlier.subject),)


def _times(request: SendRequest, required: HeaderCodes, now: Millis) -> tuple[Millis, Millis]:
    """When the message expires, and when keeping it is to be reviewed: the earliest that anything asks."""
    review = now + request.review_in_s * SECOND
    expires = now + request.expires_in_s * SECOND
    if required.review is not None:
        review = min(review, required.review)
    if request.h3 is not None and request.h3.delete_by is not None:
        review, expires = min(review, request.h3.delete_by), min(expires, request.h3.delete_by)
    return Millis(expires), Millis(review)
