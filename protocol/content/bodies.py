"""The bodies of messages: one model per kind, and the codes that the header must carry for it.

Owns the frames of the five kinds (DIR Art. 4 to 7; ER Art. 41b(1)(e)) and the comparison of a body with
its header. Items are in `entities`; how a body becomes bytes is in `content`.

Rules: a body holds all that the law asks of its kind, so that a recipient never has to ask for a field
that the sender could have been made to fill in (DIR Art. 4(5), 6(1)(b)). Subject, reasons and case numbers
are here and not in the header, because they may name people.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar, Final, Literal, assert_never

from pydantic import Field

from protocol.codes import (
    AcknowledgementStage,
    DataClass,
    Handling,
    MessageKind,
    Purpose,
    RefusalGround,
    UrgencyGround,
)
from protocol.content.code_forms import (
    HandlingCodes,
    missing_handling,
    show_code,
    show_handling,
    unite_handling,
)
from protocol.content.cross_rules import Breach, cross_rule
from protocol.content.entities import Item, Organisation, Person
from protocol.content.fields import (
    ASCENDING,
    NOT_EMPTY,
    SHOWN,
    CrimeAreaField,
    DigestField,
    Language,
    Line,
    MessageIdField,
    Model,
    RuleSource,
    Text,
    coded,
)
from protocol.content.items import OURS
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import MAX_ACKNOWLEDGED, MAX_ITEMS
from protocol.times import show_time

Items = Annotated[tuple[Item, ...], Field(max_length=MAX_ITEMS)]
AtLeastOneItem = Annotated[tuple[Item, ...], Field(max_length=MAX_ITEMS), NOT_EMPTY]
CrimeAreas = Annotated[tuple[CrimeAreaField, ...], ASCENDING]


class Frame(Model):
    """What every message between officers begins with."""

    subject: Annotated[Line, OURS]
    case_ref: Annotated[Line | None, RuleSource("DIR Art. 16(1)(a)")] = None
    language: Annotated[Language, RuleSource("DIR Art. 4(6), 5(3), 11")]


class Information(Frame):
    """Information on own initiative (DIR Art. 7)."""

    kind: ClassVar[MessageKind] = MessageKind.INFORMATION
    crime_areas: Annotated[CrimeAreas, NOT_EMPTY, RuleSource("ER Annex I")]
    relevance: Annotated[Text | None, RuleSource("DIR Art. 7(1)")] = None
    items: Annotated[AtLeastOneItem, RuleSource("DIR Art. 7")]


class Urgency(Model):
    """Why a request is urgent: one of four grounds, and the reasons."""

    ground: Annotated[UrgencyGround, coded(UrgencyGround), SHOWN, RuleSource("DIR Art. 4(4)")]
    reasons: Annotated[Text, RuleSource("DIR Art. 4(5)(e)")]


class Request(Frame):
    """A request for information (DIR Art. 4)."""

    kind: ClassVar[MessageKind] = MessageKind.REQUEST
    crime_areas: Annotated[CrimeAreas, NOT_EMPTY, RuleSource("ER Annex I")]
    sought: Annotated[Text, RuleSource("DIR Art. 4(5)(a)")]
    facts: Annotated[Text, RuleSource("DIR Art. 4(5)(b)")]
    offence: Annotated[Line, RuleSource("DIR Art. 4(5)(b)")]
    available_because: Annotated[Text, RuleSource("DIR Art. 4(3), 4(5)(c)")]
    link: Annotated[Text | None, RuleSource("DIR Art. 4(5)(d)")] = None
    urgency: Annotated[Urgency | None, RuleSource("DIR Art. 4(4)")] = None
    restrictions: Annotated[Text | None, RuleSource("DIR Art. 4(5)(f)")] = None
    items: Annotated[Items, RuleSource("DIR Art. 4(5)(d)")] = ()

    @cross_rule("link", field="link")
    def _says_why_these_persons(self) -> Breach | None:
        if self.link is None and any(isinstance(item, Person | Organisation) for item in self.items):
            right = "the link between the purpose and the persons or entities (DIR Art. 4(5)(d))"
            return Breach(right, "nothing")
        return None


class Answer(Frame):
    """An answer to a request, final or in part (DIR Art. 5)."""

    kind: ClassVar[MessageKind] = MessageKind.ANSWER
    in_reply_to: Annotated[MessageIdField, RuleSource("DIR Art. 5(1)")]
    extent: Annotated[Literal["final", "partial"], RuleSource("DIR Art. 5(1), 6(1)")]
    outstanding: Annotated[Text | None, RuleSource("DIR Art. 5(2)")] = None
    crime_areas: Annotated[CrimeAreas, RuleSource("ER Annex I")] = ()
    items: Annotated[AtLeastOneItem, RuleSource("DIR Art. 5(1)")]

    @cross_rule("outstanding", field="outstanding")
    def _says_what_is_outstanding(self) -> Breach | None:
        if self.extent == "partial" and self.outstanding is None:
            return Breach("what is outstanding, because the answer is partial (DIR Art. 5(2))", "nothing")
        if self.extent == "final" and self.outstanding is not None:
            return Breach("partial, or nothing outstanding", '"final"', field="extent")
        return None


class GroundWithReasons(Model):
    """One ground for a refusal, with the reasons in this case."""

    ground: Annotated[RefusalGround, coded(RefusalGround), SHOWN, RuleSource("DIR Art. 6(1)")]
    reasons: Annotated[Text, RuleSource("DIR Art. 6(2)")]


class Refusal(Frame):
    """A refusal of a request, in whole or in so far as a ground applies (DIR Art. 6)."""

    kind: ClassVar[MessageKind] = MessageKind.REFUSAL
    in_reply_to: Annotated[MessageIdField, RuleSource("DIR Art. 6(1)")]
    extent: Annotated[Literal["whole", "part"], RuleSource("DIR Art. 6(1)")]
    concerns: Annotated[Text | None, RuleSource("DIR Art. 6(1)")] = None
    grounds: Annotated[
        tuple[GroundWithReasons, ...],
        Field(max_length=len(RefusalGround)),
        NOT_EMPTY,
        RuleSource("DIR Art. 6(1)"),
    ]

    @cross_rule("concerns", field="concerns")
    def _says_which_part(self) -> Breach | None:
        if self.extent == "part" and self.concerns is None:
            return Breach("which part it concerns, because it is a refusal in part", "nothing")
        if self.extent == "whole" and self.concerns is not None:
            return Breach("part, or no text about the part that it concerns", '"whole"', field="extent")
        return None

    @cross_rule("grounds", field="grounds")
    def _has_each_ground_once(self) -> Breach | None:
        grounds = [entry.ground for entry in self.grounds]
        again = next((ground for place, ground in enumerate(grounds) if ground in grounds[:place]), None)
        return None if again is None else Breach("each ground once", f"{show_code(again)} a second time")


class AcknowledgedMessage(Model):
    """A message by its id and by the SHA-256 of its signed header: so no other message can be meant."""

    message: Annotated[MessageIdField, OURS]
    header_digest: Annotated[DigestField, OURS]


def case_ref_breach(stage: AcknowledgementStage, case_ref: str | None) -> Breach | None:
    """A case is named when the message is taken into it, and not before."""
    if case_ref is None or stage is AcknowledgementStage.ACCEPTED:
        return None
    return Breach("a case reference with stage 'accepted' only", found=f"stage {show_code(stage)!r}")


class Acknowledgement(Model):
    """That messages have arrived, were opened, or were taken into a national case (ER Art. 41b(1)(e)).

    One acknowledgement can speak of many messages of the same sender: under load, receipts for each
    message alone would double the traffic.
    """

    kind: ClassVar[MessageKind] = MessageKind.ACKNOWLEDGEMENT
    stage: Annotated[AcknowledgementStage, coded(AcknowledgementStage), SHOWN, RuleSource("DIR Art. 5(1)")]
    messages: Annotated[
        tuple[AcknowledgedMessage, ...], Field(min_length=1, max_length=MAX_ACKNOWLEDGED), OURS
    ]
    case_ref: Annotated[Line | None, RuleSource("DIR Art. 16(1)(a)")] = None

    @cross_rule("case_ref", field="case_ref")
    def _is_in_a_case(self) -> Breach | None:
        return case_ref_breach(self.stage, self.case_ref)


Body = Information | Request | Answer | Refusal | Acknowledgement

MODELS: Final[dict[MessageKind, type[Body]]] = {
    model.kind: model for model in (Information, Request, Answer, Refusal, Acknowledgement)
}
"""The model of each kind."""


def items_of(body: Body) -> tuple[Item, ...]:
    """The items of a body; some kinds have none."""
    match body:
        case Information() | Request() | Answer():
            return body.items
        case Refusal() | Acknowledgement():
            return ()
        case _:
            assert_never(body)


@dataclass(frozen=True, slots=True)
class HeaderCodes:
    """The codes that a header must carry at least, because the content has them."""

    handling: HandlingCodes
    data_class: DataClass
    purposes: frozenset[Purpose]
    urgency: UrgencyGround | None
    grounds: tuple[RefusalGround, ...]
    """The header names one of them, for the statistics of DIR Art. 18(c)."""

    review: Millis | None
    """The earliest date that an item sets; the header's may not be later (ER Art. 31(4))."""


def required_header_codes(body: Body) -> HeaderCodes:
    """Every restriction, the strictest data class and every purpose of the items; urgency; grounds."""
    items = items_of(body)
    handling = [item.handling for item in items]
    if isinstance(body, Request) and body.restrictions is not None:
        # Limits on the use of the request itself are "other restrictions" on all of it (DIR Art. 4(5)(f)).
        handling.append(frozenset({Handling.H3}))
    return HeaderCodes(
        handling=unite_handling(handling),
        data_class=max((item.data_class for item in items), default=DataClass.NON_PERSONAL),
        purposes=frozenset(purpose for item in items for purpose in item.purposes),
        urgency=body.urgency.ground if isinstance(body, Request) and body.urgency is not None else None,
        grounds=tuple(entry.ground for entry in body.grounds) if isinstance(body, Refusal) else (),
        review=min((item.review for item in items if item.review is not None), default=None),
    )


def check_header_codes(
    required: HeaderCodes,
    *,
    handling: HandlingCodes,
    data_class: DataClass,
    purposes: frozenset[Purpose],
    urgency: UrgencyGround | None,
    ground: RefusalGround | None,
    review: Millis,
) -> None:
    """Refuse a header that is not what its content asks for; the router judged by the header alone."""
    differ: list[str] = []
    if missing_handling(required=required.handling, given=handling):
        differ.append(_differs("handling", show_handling(required.handling), show_handling(handling)))
    if data_class < required.data_class:
        differ.append(_differs("data_class", show_code(required.data_class), show_code(data_class)))
    if not required.purposes <= purposes:
        differ.append(_differs("purposes", _listed(required.purposes), _listed(purposes)))
    if urgency != required.urgency:
        differ.append(_differs("urgency", _listed((required.urgency,)), _listed((urgency,))))
    if (ground not in required.grounds) if required.grounds else (ground is not None):
        differ.append(_differs("ground", _listed(required.grounds), _listed((ground,))))
    if required.review is not None and review > required.review:
        differ.append(_differs("review", show_time(required.review), show_time(review)))
    if differ:
        raise Rejected(Code.E_HEADER_LAX, f"the header is not what its content asks for: {'; '.join(differ)}")


def _differs(what: str, content: str, header: str) -> str:
    return f"{what} ({content} in the content, {header} in the header)"


def _listed(codes: Iterable[Enum | None]) -> str:
    return ", ".join(sorted(show_code(code) for code in codes if code is not None)) or "none"
