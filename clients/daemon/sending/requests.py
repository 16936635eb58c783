"""The requests of the local API, typed, and the order that a request becomes.

Owns the forms of requests and the defaults of a header: the strictest codes of the content, never less. Codes
are in their textual form (`H1+H3`, `operational`); a refused code is answered with the valid ones. Pure:
looking up the message that is answered is for the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import (
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from clients.daemon.sending.request_fields import Mid, Term, Thread, Unit
from clients.daemon.store.order import Order, Recipient
from clients.daemon.store.request_keys import LONGEST_KEY, FirstAnswer
from protocol.codes import (
    AcknowledgementStage,
    Classification,
    CopyExemption,
    DataClass,
    Handling,
    LegalBasis,
    MessageKind,
    Purpose,
    RefKind,
    RefusalGround,
    Role,
    UrgencyGround,
)
from protocol.content.bodies import (
    Body,
    HeaderCodes,
    case_ref_breach,
    check_header_codes,
    required_header_codes,
)
from protocol.content.body_parts import body_to_parts
from protocol.content.code_forms import HandlingCodes
from protocol.content.cross_rules import broken
from protocol.content.drafts import body_of_draft, check_urgency
from protocol.content.fields import HandlingField, Line, PurposeField, coded
from protocol.content.parts import Attachment
from protocol.envelope.core import Limits, Reference
from protocol.errors import DraftError
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
from protocol.limits import DAY, MAX_ONLY, MAX_RECIPIENTS, SECOND
from protocol.signatures import Suite

WEEK_S = 7 * DAY // SECOND
THREE_YEARS_S = 3 * 365 * DAY // SECOND
MONTH_S = 30 * DAY // SECOND


class Form(BaseModel):
    """The base of all requests: closed, frozen, silent about values in errors that might be logged."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, strict=False, ser_json_bytes="base64"
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Nothing: a representation ends in logs and tracebacks, and a request holds content."""
        return ()


class H3Limits(Form):
    """The part of an H3 restriction that the system enforces."""

    only: tuple[Unit, ...] = Field(default=(), max_length=MAX_ONLY)
    delete_by: Term | None = None


class AttachedFile(Form):
    """A file that an item names."""

    name: str
    media_type: str
    content_b64: Base64Bytes


class SendRequest(Form):
    """POST /v1/messages. Codes that are left out are derived from the draft."""

    kind: Annotated[MessageKind, coded(MessageKind)]
    to: tuple[Unit, ...] = Field(min_length=1, max_length=MAX_RECIPIENTS)
    copy_to: tuple[Unit, ...] = Field(default=(), max_length=MAX_RECIPIENTS, alias="copy")
    draft: dict[str, Any]
    handling: HandlingField | None = None
    h3: H3Limits | None = None
    classification: Annotated[Classification, coded(Classification)] = Classification.BPL
    data_class: Annotated[DataClass, coded(DataClass)] | None = None
    purposes: tuple[PurposeField, ...] = ()
    urgency: Annotated[UrgencyGround, coded(UrgencyGround)] | None = None
    ground: Annotated[RefusalGround, coded(RefusalGround)] | None = None
    basis: Annotated[LegalBasis, coded(LegalBasis)] | None = None
    copy_exemption: Annotated[CopyExemption, coded(CopyExemption)] | None = None
    reply_to: Mid | None = None
    thread: Thread | None = None
    expires_in_s: int = Field(default=WEEK_S, ge=1, le=MONTH_S)
    review_in_s: int = Field(default=THREE_YEARS_S, ge=1, le=10 * THREE_YEARS_S)
    suite: Suite | None = None
    attachments: tuple[AttachedFile, ...] = ()
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=LONGEST_KEY)


class AckRequest(Form):
    """POST /v1/inbox/{id}/ack."""

    stage: Annotated[AcknowledgementStage, coded(AcknowledgementStage)] = AcknowledgementStage.OPENED
    case_ref: Line | None = None

    @field_validator("case_ref")
    @classmethod
    def _follows_the_stage(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A stage that is wrong itself has its own fault.
        stage = info.data.get("stage")
        breach = None if stage is None else case_ref_breach(stage, value)
        if breach is not None:
            raise broken("case_ref", breach.right, breach.found)
        return value


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
    body = _body(request, earlier)
    attachments = [Attachment(a.name, a.media_type, a.content_b64) for a in request.attachments]
    parts = body_to_parts(body, attachments)
    required = required_header_codes(body)
    check_urgency(request.kind, asked=request.urgency, written=required.urgency)
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


def _body(request: SendRequest, earlier: Earlier | None) -> Body:
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
    return body_of_draft(request.kind, request.draft, known=known)


def _thread(request: SendRequest, earlier: Earlier | None, entropy: Entropy) -> ThreadId:
    if request.thread is None:
        return earlier.thread if earlier is not None else new_thread_id(entropy)
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
    kind = RefKind.REPLY_TO if request.kind in _REPLIES else RefKind.RELATED
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
