"""What a request becomes: an order, with the defaults of its header.

Owns the defaults: the strictest codes of the content, never less. Pure: looking up the message that is
answered is for the caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clients.daemon.sending.requests import SendRequest, known_fields
from clients.daemon.store.order import Order, Recipient
from clients.daemon.store.request_keys import FirstAnswer
from protocol.codes import Handling, MessageKind, Purpose, RefKind, Role
from protocol.content.bodies import (
    Answer,
    Body,
    HeaderCodes,
    Refusal,
    check_header_codes,
    required_header_codes,
)
from protocol.content.body_parts import body_to_parts
from protocol.content.code_forms import HandlingCodes, show_code
from protocol.content.drafts import body_of_draft, check_urgency
from protocol.content.file_names import file_faults, normal_name
from protocol.content.parts import Attachment
from protocol.conversation.following import REPLIES, EarlierMessage, Reply, reply_in
from protocol.envelope.core import Limits, Reference
from protocol.errors import DraftError, Fault, Rejected
from protocol.fault_text import faults_below
from protocol.identifiers import (
    Digest,
    Entropy,
    IdPrefix,
    MessageId,
    Millis,
    ThreadId,
    new_message_id,
    new_thread_id,
    show_id,
)
from protocol.json_text import merged_faults
from protocol.limits import SECOND
from protocol.times import show_time


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the user is told: the message has a name and is on disk."""

    id: str
    thread: str
    state: str

    @classmethod
    def again(cls, first: FirstAnswer) -> Submitted:
        """What the user was told the first time."""
        return cls(show_id(first.message_id), show_id(first.thread), first.state)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that another one refers to."""

    message_id: MessageId
    subject: Digest
    place: EarlierMessage
    purposes: frozenset[Purpose]


@dataclass(frozen=True, slots=True)
class Composed:
    """The order for a request, and what it replies to which message."""

    order: Order
    earlier: Earlier | None
    reply: Reply | None


def compose(request: SendRequest, *, earlier: Earlier | None, now: Millis, entropy: Entropy) -> Composed:
    """The order for a request; `DraftError` or `Rejected` where the request contradicts itself."""
    body = _body(request, earlier, now)
    attachments = [Attachment(a.name, a.media_type, a.content_b64) for a in request.attachments]
    parts = body_to_parts(body, attachments)
    required = required_header_codes(body)
    handling = required.handling if request.handling is None else request.handling
    expires, review = _times(request, required, now)
    order = Order(
        kind=request.kind,
        message_id=new_message_id(now, entropy),
        thread=_thread(request, earlier, entropy),
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
    _check_codes(order, required)
    return Composed(order, earlier, reply_in(body) if isinstance(body, Answer | Refusal) else None)


def _check_codes(order: Order, required: HeaderCodes) -> None:
    try:
        check_header_codes(
            required,
            handling=order.handling,
            data_class=order.data_class,
            purposes=order.purposes,
            urgency=order.urgency,
            ground=order.ground,
            review=order.review,
        )
    except Rejected as rejected:
        # What an addressee is told to do is not for whoever wrote it.
        hint = "say no less than the draft does, or leave it out: the draft's own codes are then used"
        raise Rejected(rejected.reason, rejected.sentence, hint=hint) from None


def _body(request: SendRequest, earlier: Earlier | None, now: Millis) -> Body:
    """The body; or one `DraftError` with all that is wrong in the draft, its files and its times."""
    if request.kind is MessageKind.ACKNOWLEDGEMENT:
        raise DraftError(
            "an acknowledgement is not drafted", hint="use 'inbox ack', which names the message it is for"
        )
    if request.kind in REPLIES and earlier is None:
        raise DraftError("an answer or a refusal names the request that it is for", hint="give reply_to")
    known = known_fields(request.kind, None if earlier is None else earlier.message_id)
    others = (*_file_faults(request), *_time_faults(request, now))
    try:
        body = body_of_draft(request.kind, request.draft, known=known)
        written = required_header_codes(body).urgency
        check_urgency(request.kind, asked=request.urgency, written=written)
    except DraftError as error:
        faults, hint = merged_faults(faults_below("draft", error.faults), others), error.hint
    else:
        if not others:
            return body
        faults, hint = others, "correct what is named, and leave the rest as it is"
    raise DraftError(f"this is not a valid {show_code(request.kind)} yet:", hint=hint, faults=faults)


def _file_faults(request: SendRequest) -> tuple[Fault, ...]:
    items = request.draft.get("items")
    named = [_files_of(item) for item in items] if isinstance(items, list) else []
    faults = file_faults(named, [file.name for file in request.attachments])
    return tuple(
        fault if fault.field.startswith("attachments") else faults_below("draft", [fault])[0]
        for fault in faults
    )


def _files_of(item: object) -> list[str]:
    # What is no name is the model's to refuse, at the same place.
    files = item.get("files") if isinstance(item, dict) else None
    return [normal_name(str(name)) for name in files] if isinstance(files, list) else []


def _time_faults(request: SendRequest, now: Millis) -> Iterator[Fault]:
    by = None if request.h3 is None else request.h3.delete_by
    if by is not None and by <= now:
        yield Fault("h3.delete_by", "past", "a time to come", f"{show_time(by)}, which is over")


def _thread(request: SendRequest, earlier: Earlier | None, entropy: Entropy) -> ThreadId:
    if request.thread is None:
        return earlier.place.thread if earlier is not None else new_thread_id(entropy)
    assert not isinstance(request.thread, IdPrefix), "the intake has made it whole"
    return request.thread


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
    kind = RefKind.REPLY_TO if request.kind in REPLIES else RefKind.RELATED
    return (Reference(kind, earlier.subject),)


def _times(request: SendRequest, required: HeaderCodes, now: Millis) -> tuple[Millis, Millis]:
    """When the message expires, and when keeping it is to be reviewed: the earliest that any item asks."""
    review = now + request.review_in_s * SECOND
    expires = now + request.expires_in_s * SECOND
    if required.review is not None:
        review = min(review, required.review)
    if request.h3 is not None and request.h3.delete_by is not None:
        review, expires = min(review, request.h3.delete_by), min(expires, request.h3.delete_by)
    return Millis(expires), Millis(review)
