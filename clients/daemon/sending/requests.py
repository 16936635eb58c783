"""The requests of the local API, typed, and reading them from JSON.

Owns the forms of requests. Codes are in their textual form (`H1+H3`, `operational`); a refused code is
answered with the valid ones. What a request becomes is in `composing`.

Rule: what is wrong is told at once, all of it: of the JSON, of the form, of the draft and of the attachments.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from clients.daemon.errors import BadRequest
from clients.daemon.sending.request_fields import Content, Mid, SuiteNumber, Term, Thread, Unit
from clients.daemon.store.request_keys import LONGEST_KEY
from protocol.codes import (
    AcknowledgementStage,
    Classification,
    CopyExemption,
    DataClass,
    LegalBasis,
    MessageKind,
    RefusalGround,
    UrgencyGround,
)
from protocol.content.bodies import case_ref_breach
from protocol.content.code_forms import read_code
from protocol.content.cross_rules import broken
from protocol.content.drafts import body_of_draft
from protocol.content.fields import DRAFT, HandlingField, Line, PurposeField, coded
from protocol.content.file_fields import FileName, MediaType
from protocol.content.model_faults import faults_of
from protocol.conversation.following import REPLIES
from protocol.errors import DraftError, Fault, Rejected
from protocol.fault_text import faults_below
from protocol.identifiers import MessageId, show_id
from protocol.json_text import JsonText, merged_faults, read_json
from protocol.limits import (
    DAY,
    MAX_LIFETIME,
    MAX_ONLY,
    MAX_RECIPIENTS,
    MAX_RECORD,
    MAX_REVIEW,
    SECOND,
)

R = TypeVar("R", bound="Form")

MAX_REQUEST: Final = 2 * MAX_RECORD
WEEK_S: Final = 7 * DAY // SECOND
THREE_YEARS_S: Final = 3 * 365 * DAY // SECOND


class Form(BaseModel):
    """The base of all requests: closed, frozen, silent about values in errors that might be logged."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, strict=True, ser_json_bytes="base64"
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Nothing: a representation ends in logs and tracebacks, and a request holds content."""
        return ()

    @classmethod
    def faults_inside(cls, _value: object) -> tuple[Fault, ...]:
        """What is wrong in parts that the form does not read itself."""
        return ()


class H3Limits(Form):
    """The part of an H3 restriction that the system enforces."""

    only: tuple[Unit, ...] = Field(default=(), max_length=MAX_ONLY)
    delete_by: Term | None = None


class AttachedFile(Form):
    """A file that an item names."""

    name: FileName
    media_type: MediaType
    content_b64: Content


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
    reply_to_sender: Unit | None = None
    """Whose message is answered, where two have used one id."""

    thread: Thread | None = None
    expires_in_s: int = Field(default=WEEK_S, ge=1, le=MAX_LIFETIME // SECOND)
    review_in_s: int = Field(default=THREE_YEARS_S, ge=1, le=MAX_REVIEW // SECOND)
    suite: SuiteNumber | None = None
    attachments: tuple[AttachedFile, ...] = ()
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=LONGEST_KEY)
    echo: bool = False
    """Whether this unit itself may be addressed: `contrada unit check` does, to see what comes back."""

    @classmethod
    def faults_inside(cls, value: object) -> tuple[Fault, ...]:
        """Those of the draft, as far as its kind is known."""
        kind = _kind_of(value)
        if kind is None or not isinstance(value, dict) or not isinstance(value.get("draft"), dict):
            return ()
        # Which request is answered is not looked up for a request that is wrong: any id will do.
        return draft_faults(kind, value["draft"], known=known_fields(kind, MessageId(bytes(16))))


class AckRequest(Form):
    """POST /v1/inbox/{id}/ack."""

    stage: Annotated[AcknowledgementStage, coded(AcknowledgementStage)] = AcknowledgementStage.OPENED
    case_ref: Line | None = None

    @field_validator("stage")
    @classmethod
    def _is_an_officers(cls, value: AcknowledgementStage) -> AcknowledgementStage:
        if value is AcknowledgementStage.ERASED:
            raise broken("stage", "a stage that an officer states", "erased, which the daemon states itself")
        return value

    @field_validator("case_ref")
    @classmethod
    def _follows_the_stage(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A stage that is wrong itself has its own fault.
        stage = info.data.get("stage")
        breach = None if stage is None else case_ref_breach(stage, value)
        if breach is not None:
            raise broken("case_ref", breach.right, breach.found)
        return value


def known_fields(kind: MessageKind, answered: MessageId | None) -> dict[str, str]:
    """The fields of a body that follow from the request for it."""
    return {"in_reply_to": show_id(answered)} if answered is not None and kind in REPLIES else {}


def draft_faults(kind: MessageKind, draft: dict[str, Any], *, known: Mapping[str, str]) -> tuple[Fault, ...]:
    """What is wrong with the draft of a request, at its place in the request."""
    try:
        body_of_draft(kind, draft, known=known)
    except DraftError as error:
        return faults_below("draft", error.faults)
    return ()


def _kind_of(value: object) -> MessageKind | None:
    given = value.get("kind") if isinstance(value, dict) else None
    try:
        kind = read_code(MessageKind, given if isinstance(given, str) else "")
    except Rejected:
        return None
    return None if kind is MessageKind.ACKNOWLEDGEMENT else kind


def read_api_request(data: bytes, model: type[R]) -> R:
    """The request in these bytes, or `BadRequest` with every fault, also those of a draft inside."""
    read = read_json(data or b"{}", at_most=MAX_REQUEST)
    found: tuple[Fault, ...] = ()
    if read.is_json:
        try:
            made = model.model_validate_json(_source(data, read), context=DRAFT)
        except ValidationError as error:
            found = faults_of(error.errors(include_url=False), _owners(model))
        else:
            if not read.faults:
                return made
        found += model.faults_inside(read.value)
    # Raised outside the handler: pydantic's error has the values and must not be the context of this one.
    raise BadRequest(
        "this is not a request of this API:",
        hint=f"the fields are: {', '.join(_names(model))}",
        faults=merged_faults(read.faults, found),
    )


def _source(data: bytes, read: JsonText) -> bytes:
    """The text for the model: with something harmless where the JSON is at fault."""
    if read.faults or not data:
        return json.dumps(read.value).encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _owners(model: type[BaseModel]) -> dict[str, str]:
    inner = dict.fromkeys(_names(H3Limits), "h3") | dict.fromkeys(_names(AttachedFile), "attachments")
    return inner | dict.fromkeys(_names(model), "a request")
