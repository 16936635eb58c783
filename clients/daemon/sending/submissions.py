"""What the local API takes, as models: the edge where JSON becomes typed.

Owns the forms of requests. Codes are written as people write them (`H1+H3`, `operational`); every form
that is refused says which ones there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Base64Bytes, BaseModel, BeforeValidator, ConfigDict, Field

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
from protocol.content.fields import HandlingField, PurposeField, broken, coded
from protocol.errors import Rejected
from protocol.identifiers import MessageId, Millis, ThreadId, UnitId, parse_unit_id, read_id
from protocol.limits import DAY, MAX_ONLY, MAX_RECIPIENTS, SECOND
from protocol.signatures import Suite

WEEK_S = 7 * DAY // SECOND
THREE_YEARS_S = 3 * 365 * DAY // SECOND
MONTH_S = 30 * DAY // SECOND


def _unit(value: object) -> UnitId:
    try:
        return parse_unit_id(value)
    except Rejected as rejected:
        raise broken("unit", rejected.hint) from None


def _id(value: object) -> bytes:
    try:
        return read_id(value if isinstance(value, str) else "")
    except Rejected as rejected:
        raise broken("id", rejected.hint) from None


Unit = Annotated[UnitId, BeforeValidator(_unit)]
Mid = Annotated[MessageId, BeforeValidator(_id)]
Thread = Annotated[ThreadId, BeforeValidator(_id)]


class Form(BaseModel):
    """The base of all requests: closed, frozen, silent about values in errors that might be logged."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, strict=False, ser_json_bytes="base64"
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Nothing: a representation ends in logs and tracebacks, and a request holds content."""
        return ()


class H3Limits(Form):
    """The part of an H3 restriction that the system keeps by itself."""

    only: tuple[Unit, ...] = Field(default=(), max_length=MAX_ONLY)
    delete_by: Annotated[Millis, Field(ge=0)] | None = None


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
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)


class AckRequest(Form):
    """POST /v1/inbox/{id}/ack."""

    stage: Annotated[AcknowledgementStage, coded(AcknowledgementStage)] = AcknowledgementStage.OPENED
    case_ref: str | None = None
