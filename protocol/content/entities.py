"""The item types: one model for each entity that officers exchange, and the union of all.

Owns the fields of each and, beside them, the rule that each field comes from. The shape follows the
Universal Message Format's entities as they are commonly described; conformance is not claimed. The terms
of handling are in `items`; ships, vehicles and documents are in `things`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from protocol.codes import (
    CommunicationCategory,
    DataClass,
    GroupRole,
    PersonWarning,
    Purpose,
    SpecialCategory,
    SubjectCategory,
)
from protocol.content.code_forms import show_code
from protocol.content.cross_rules import Breach, cross_rule
from protocol.content.fields import (
    ASCENDING,
    SHOWN,
    CalendarDate,
    Count,
    Country,
    Instant,
    Latitude,
    Line,
    Lines,
    Longitude,
    RuleSource,
    Text,
    coded,
)
from protocol.content.items import (
    B2_A,
    B2_B,
    B2_C,
    B2_D,
    B2_E,
    B2_F,
    B2_H,
    B2_L,
    OURS,
    SIS_20,
    SIS_37,
    ItemBase,
    half_position,
)
from protocol.content.things import IdentityDocument, MeansOfTransport, Vessel
from protocol.fault_text import value_text

# Annex II A lists whose data may be cross-checked; ER Art. 18(5) ties each purpose to its list.
_CROSS_CHECKED: Final = frozenset({SubjectCategory.SUSPECT_OR_CONVICTED, SubjectCategory.FUTURE_OFFENDER})
# Art. 30(1) puts these three under one regime, and DataClass.VICTIM stands for it.
_PROTECTED: Final = frozenset({SubjectCategory.VICTIM, SubjectCategory.WITNESS, SubjectCategory.INFORMANT})


class Narrative(ItemBase):
    """Free text: what no structure holds."""

    type: Annotated[Literal["narrative"], OURS] = "narrative"
    title: Annotated[Line | None, OURS] = None
    text: Annotated[Text, OURS]


class Person(ItemBase):
    """A person, in one role."""

    type: Annotated[Literal["person"], OURS] = "person"
    subject_category: Annotated[
        SubjectCategory, coded(SubjectCategory), SHOWN, RuleSource("ER Annex II B.1; Art. 18(6a)")
    ]
    relation: Annotated[Literal["contact", "associate"] | None, RuleSource("ER Annex II B.3")] = None
    minor: Annotated[bool, RuleSource("ER Art. 30(1)")] = False
    special_categories: Annotated[
        tuple[Annotated[SpecialCategory, coded(SpecialCategory), SHOWN], ...],
        ASCENDING,
        RuleSource("ER Art. 30(2)"),
    ] = ()
    surname: Annotated[Line | None, B2_A] = None
    former_surnames: Annotated[Lines, B2_A] = ()
    forenames: Annotated[Lines, B2_A] = ()
    maiden_name: Annotated[Line | None, B2_A] = None
    father_name: Annotated[Line | None, B2_A] = None
    mother_name: Annotated[Line | None, B2_A] = None
    sex: Annotated[Literal["F", "M", "X"] | None, B2_A] = None
    birth_date: Annotated[CalendarDate | None, B2_A] = None
    birth_place: Annotated[Line | None, B2_A] = None
    nationalities: Annotated[tuple[Country, ...], ASCENDING, B2_A] = ()
    marital_status: Annotated[Line | None, B2_A] = None
    aliases: Annotated[Lines, B2_A] = ()
    nicknames: Annotated[Lines, B2_A] = ()
    false_names: Annotated[Lines, B2_A] = ()
    residence: Annotated[Line | None, B2_A] = None
    description: Annotated[Text | None, B2_B] = None
    marks: Annotated[Lines, B2_B] = ()
    national_id: Annotated[Line | None, B2_C] = None
    documents: Annotated[Lines, B2_C] = ()
    occupation: Annotated[Line | None, B2_D] = None
    skills: Annotated[Lines, B2_D] = ()
    finances: Annotated[Text | None, B2_E] = None
    movements: Annotated[Text | None, B2_F] = None
    weapons: Annotated[Lines, B2_F] = ()
    danger: Annotated[Line | None, B2_F] = None
    escape_risk: Annotated[Line | None, B2_F] = None
    role_in_group: Annotated[Annotated[GroupRole, coded(GroupRole), SHOWN] | None, B2_F] = None
    warnings: Annotated[
        tuple[Annotated[PersonWarning, coded(PersonWarning), SHOWN], ...], ASCENDING, SIS_20
    ] = ()

    def least_data_class(self) -> DataClass:
        """Personal always; more by role, age and what is said (ER Art. 30(1), 30(2))."""
        if self.subject_category in _PROTECTED:
            return DataClass.VICTIM
        if self.minor:
            return DataClass.MINOR
        return DataClass.SPECIAL if self.special_categories else DataClass.PERSONAL

    def identified_by(self) -> tuple[str, ...]:
        """A role without anybody in it is none."""
        names = ("surname", "forenames", "maiden_name", "aliases", "nicknames", "false_names")
        return (*names, "national_id", "documents", "description", "marks", "files")

    @cross_rule("relation", field="relation")
    def _has_its_relation(self) -> Breach | None:
        if self.relation is not None and self.subject_category != SubjectCategory.CONTACT_OR_ASSOCIATE:
            right = "no relation: only a contact or associate has one (ER Annex II B.3)"
            return Breach(right, value_text(self.relation))
        return None

    @cross_rule("cross_check", field="purposes")
    def _may_be_cross_checked(self) -> Breach | None:
        if Purpose.CROSS_CHECK in self.purposes and self.subject_category not in _CROSS_CHECKED:
            right = "another purpose: only suspects are cross-checked (ER Annex II A)"
            return Breach(right, f"cross-check, and the category {show_code(self.subject_category)}")
        return None

    @cross_rule("uncategorised", field="subject_category")
    def _has_a_category(self) -> Breach | None:
        if self.subject_category == SubjectCategory.UNCATEGORISED and self.purposes != (
            Purpose.UNDETERMINED,
        ):
            return Breach("a category, or the purpose undetermined alone (ER Art. 18(6a))", '"uncategorised"')
        return None


class MeansOfCommunication(ItemBase):
    """A telephone number, an address, an account."""

    type: Annotated[Literal["means_of_communication"], OURS] = "means_of_communication"
    category: Annotated[CommunicationCategory, coded(CommunicationCategory), SHOWN, B2_H]
    address: Annotated[Line, B2_H]
    platform: Annotated[Line | None, OURS] = None
    platform_id: Annotated[Line | None, OURS] = None
    display_name: Annotated[Line | None, OURS] = None
    first_seen: Annotated[Instant | None, OURS] = None
    last_seen: Annotated[Instant | None, OURS] = None
    remarks: Annotated[Text | None, OURS] = None

    def least_data_class(self) -> DataClass:
        """Personal: Annex II lists addresses and numbers as data of a person."""
        return DataClass.PERSONAL


class Location(ItemBase):
    """A place: an address, a position, or both."""

    type: Annotated[Literal["location"], OURS] = "location"
    name: Annotated[Line | None, OURS] = None
    role: Annotated[Line | None, OURS] = None
    address: Annotated[Line | None, OURS] = None
    country: Annotated[Country | None, OURS] = None
    latitude: Annotated[Latitude | None, OURS] = None
    longitude: Annotated[Longitude | None, OURS] = None
    radius_m: Annotated[Count | None, OURS] = None
    remarks: Annotated[Text | None, OURS] = None

    def identified_by(self) -> tuple[str, ...]:
        """A place that is nowhere is none."""
        return ("name", "address", "latitude", "longitude")

    @cross_rule("position", field="longitude")
    def _has_a_whole_position(self) -> Breach | None:
        return half_position(self.latitude, self.longitude)


class Organisation(ItemBase):
    """A company, an association, a group."""

    type: Annotated[Literal["organisation"], OURS] = "organisation"
    name: Annotated[Line, B2_L]
    other_names: Annotated[Lines, B2_L] = ()
    address: Annotated[Line | None, B2_L] = None
    country: Annotated[Country | None, B2_L] = None
    registration: Annotated[Line | None, B2_L] = None
    legal_form: Annotated[Line | None, B2_L] = None
    established: Annotated[CalendarDate | None, B2_L] = None
    activity: Annotated[Line | None, B2_L] = None
    directors: Annotated[Lines, B2_L] = ()
    finances: Annotated[Text | None, B2_L] = None

    def least_data_class(self) -> DataClass:
        """Personal as soon as it names its directors."""
        return DataClass.PERSONAL if self.directors else DataClass.NON_PERSONAL


class Sighting(ItemBase):
    """Somebody or something was seen: what to report back, and no more."""

    type: Annotated[Literal["sighting"], OURS] = "sighting"
    subject: Annotated[Line, SIS_37]
    seen_at: Annotated[Instant, SIS_37]
    place: Annotated[Line, SIS_37]
    latitude: Annotated[Latitude | None, SIS_37] = None
    longitude: Annotated[Longitude | None, SIS_37] = None
    reason: Annotated[Line | None, SIS_37] = None
    route: Annotated[Line | None, SIS_37] = None
    destination: Annotated[Line | None, SIS_37] = None
    companions: Annotated[Lines, SIS_37] = ()
    conveyance: Annotated[Line | None, SIS_37] = None
    objects: Annotated[Lines, SIS_37] = ()
    circumstances: Annotated[Text | None, SIS_37] = None

    def least_data_class(self) -> DataClass:
        """Personal as soon as it names who was with them."""
        return DataClass.PERSONAL if self.companions else DataClass.NON_PERSONAL

    @cross_rule("position", field="longitude")
    def _has_a_whole_position(self) -> Breach | None:
        return half_position(self.latitude, self.longitude)


Item = Annotated[
    Narrative
    | Person
    | Vessel
    | IdentityDocument
    | MeansOfTransport
    | MeansOfCommunication
    | Location
    | Organisation
    | Sighting,
    Field(discriminator="type"),
]
"""Any item, told apart by its `type`."""
