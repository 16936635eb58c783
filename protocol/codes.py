"""The closed code lists of headers and bodies, each with its legal source.

Owns the enums, their numbers and, in each docstring, the legal source. Does not own their texts
(`code_texts`), how they are written (`code_forms`) or what follows from them (the policy).

Rules: a number, once released, keeps its meaning for ever; a list only grows at its end, by a new version
of the protocol. Numbers are no scale, but for `DataClass` and `Classification`: more is stricter.

Sources: ER = Regulation (EU) 2016/794 as amended by (EU) 2022/991 and (EU) 2025/2611 (R2611);
DIR = Directive (EU) 2023/977; SIS = Regulation (EU) 2018/1862; EUDPR = Regulation (EU) 2018/1725.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Handling(IntEnum):
    """What the provider restricts (ER Art. 19(2); texts: Council document 6243/18). A set, not a scale."""

    H0 = 0
    H1 = 1
    H2 = 2
    H3 = 3


class SourceEvaluation(StrEnum):
    """How reliable the source is (ER Art. 29(1))."""

    A = "A"
    B = "B"
    C = "C"
    X = "X"


class InformationEvaluation(IntEnum):
    """How accurate the information is (ER Art. 29(2))."""

    CERTAIN = 1
    KNOWN_TO_SOURCE = 2
    CORROBORATED = 3
    UNCORROBORATED = 4


class Purpose(IntEnum):
    """What the recipient may process for (ER Art. 18(2)(a)-(f)); undetermined is for the centre (18(6))."""

    UNDETERMINED = 0
    CROSS_CHECK = 1
    STRATEGIC = 2
    OPERATIONAL = 3
    FACILITATE = 4
    RESEARCH = 5
    PUBLIC_APPEAL = 6


class UrgencyGround(IntEnum):
    """The only grounds on which a request is urgent (DIR Art. 4(4)(a)-(d))."""

    PUBLIC_SECURITY = 1
    LIFE = 2
    LIBERTY_DECISION = 3
    RELEVANCE_LOSS = 4


class RefusalGround(IntEnum):
    """The only grounds for not giving information (DIR Art. 6(1)(a)-(h)); counted under DIR Art. 18(c)."""

    NOT_AVAILABLE = 1
    NOT_COMPLIANT = 2
    JUDICIAL_REFUSED = 3
    OUTSIDE_CATEGORIES = 4
    INACCURATE = 5
    NATIONAL_SECURITY = 6
    INVESTIGATION_OR_SAFETY = 7
    LEGAL_PERSON = 8
    MINOR_OFFENCE = 9
    THIRD_ORIGIN = 10


class MessageKind(IntEnum):
    """What a message is (DIR Art. 7, 4, 5, 6; acknowledgement of receipt: ER Art. 41b(1)(e))."""

    INFORMATION = 1
    REQUEST = 2
    ANSWER = 3
    REFUSAL = 4
    ACKNOWLEDGEMENT = 5


class DataClass(IntEnum):
    """The strictest data inside (ER Art. 30(1) and (2), Art. 23(2)). Ordered: more is stricter."""

    NON_PERSONAL = 0
    PERSONAL = 1
    SPECIAL = 2
    MINOR = 3
    VICTIM = 4


class Classification(IntEnum):
    """The security marking: the Europol Basic Protection Level, or EU RESTRICTED (Decision 2013/488/EU)."""

    BPL = 0
    EU_RESTRICTED = 1


class UnitKind(IntEnum):
    """What a connected unit is by law (ER Art. 7, 24, 25; DIR Art. 14)."""

    NATIONAL_UNIT = 1
    COMPETENT_AUTHORITY = 2
    CENTRE = 3
    UNION_BODY = 4
    THIRD_PARTY = 5
    INTERNATIONAL_ORGANISATION = 6


class LegalBasis(IntEnum):
    """Why personal data may go to a unit (ER Art. 23 to 25), or that none may (23(4))."""

    UNION_LAW = 1
    UNION_BODY = 2
    ADEQUACY = 3
    AGREEMENT = 4
    COOPERATION = 5
    SAFEGUARDS_INSTRUMENT = 6
    SAFEGUARDS_ASSESSED = 7
    DEROGATION = 8
    SET_OF_TRANSFERS = 9
    WORKING_ARRANGEMENT = 10


class Role(IntEnum):
    """Why a unit is addressed (copy: DIR Art. 4(1), ER Art. 7(5); relay: for parties not connected)."""

    TO = 0
    COPY = 1
    RELAY = 2


class RefKind(IntEnum):
    """How a message refers to another one (consent to pass on: ER Art. 19(2), 23(6))."""

    REPLY_TO = 1
    RELATED = 2
    ONWARD = 3
    CONSENT = 4


class CopyExemption(IntEnum):
    """Why the national unit gets no copy, case by case (DIR Art. 4(2)(a)-(c))."""

    SENSITIVE = 1
    TERRORISM = 2
    SAFETY = 3


class SubjectCategory(IntEnum):
    """In which role a person is recorded (ER Annex II B.1(a)-(f); uncategorised: Art. 18(6a), 18a)."""

    UNCATEGORISED = 0
    SUSPECT_OR_CONVICTED = 1
    FUTURE_OFFENDER = 2
    WITNESS = 3
    VICTIM = 4
    CONTACT_OR_ASSOCIATE = 5
    INFORMANT = 6


class SpecialCategory(IntEnum):
    """Data that needs strict necessity (ER Art. 30(2))."""

    ETHNIC_ORIGIN = 1
    POLITICAL_OPINIONS = 2
    BELIEFS = 3
    TRADE_UNION = 4
    GENETIC = 5
    BIOMETRIC = 6
    HEALTH = 7
    SEX_LIFE = 8


class PersonWarning(IntEnum):
    """What an officer must know before meeting the person (SIS Art. 20(3)(j))."""

    ARMED = 1
    VIOLENT = 2
    ABSCONDED = 3
    SUICIDE_RISK = 4
    HEALTH_THREAT = 5
    TERRORIST_ACTIVITY = 6


class GroupRole(IntEnum):
    """What a person does in a group (the roles of Europol's report on the EMSC, 24.2.2017)."""

    LEADER = 1
    ORGANISER = 2
    FACILITATOR = 3


class AcknowledgementStage(IntEnum):
    """How far a message is at the recipient (receipt: ER Art. 41b(1)(e); clock: DIR Art. 5(1))."""

    DELIVERED = 1
    OPENED = 2
    ACCEPTED = 3
    ERASED = 4


class DocumentStatus(IntEnum):
    """What is wrong with a document (1 to 5: SIS Art. 38(2)(k)-(l); 6 and 7: forged, counterfeit)."""

    STOLEN = 1
    MISAPPROPRIATED = 2
    LOST = 3
    INVALIDATED = 4
    FALSE = 5
    FORGED = 6
    COUNTERFEIT = 7


class DocumentCategory(IntEnum):
    """Which document it is (blank: SIS Art. 38(2)(k); the others: 38(2)(l), an open list)."""

    PASSPORT = 1
    IDENTITY_CARD = 2
    RESIDENCE_PERMIT = 3
    TRAVEL_DOCUMENT = 4
    DRIVING_LICENCE = 5
    BLANK_DOCUMENT = 6
    OTHER = 7


class TransportCategory(IntEnum):
    """Which means of transport it is (SIS Art. 38(2); lorry and train are additions).

    For ships see the vessel.
    """

    MOTOR_VEHICLE = 1
    TRAILER = 2
    CARAVAN = 3
    BOAT = 4
    BOAT_ENGINE = 5
    CONTAINER = 6
    AIRCRAFT = 7
    AIRCRAFT_ENGINE = 8
    NUMBER_PLATE = 9
    LORRY = 10
    TRAIN = 11


class CommunicationCategory(IntEnum):
    """Which means of communication it is (ER Annex II B.2(h); the social-media account is an addition)."""

    TELEPHONE = 1
    FAX = 2
    PAGER = 3
    EMAIL = 4
    POSTAL_ADDRESS = 5
    INTERNET_CONNECTION = 6
    SOCIAL_MEDIA = 7


class CrimeArea(IntEnum):
    """The forms of crime of ER Annex I; the last one was added by R2611."""

    TERRORISM = 1
    ORGANISED_CRIME = 2
    DRUG_TRAFFICKING = 3
    MONEY_LAUNDERING = 4
    NUCLEAR_SUBSTANCES = 5
    MIGRANT_SMUGGLING = 6
    HUMAN_TRAFFICKING = 7
    MOTOR_VEHICLE_CRIME = 8
    MURDER = 9
    ORGANS_AND_TISSUE = 10
    KIDNAPPING = 11
    RACISM = 12
    ROBBERY = 13
    CULTURAL_GOODS = 14
    FRAUD = 15
    UNION_FINANCES = 16
    MARKET_MANIPULATION = 17
    EXTORTION = 18
    PRODUCT_PIRACY = 19
    DOCUMENT_FORGERY = 20
    MONEY_FORGERY = 21
    COMPUTER_CRIME = 22
    CORRUPTION = 23
    ARMS_TRAFFICKING = 24
    ENDANGERED_ANIMALS = 25
    ENDANGERED_PLANTS = 26
    ENVIRONMENTAL_CRIME = 27
    HORMONAL_SUBSTANCES = 28
    SEXUAL_EXPLOITATION = 29
    GENOCIDE_AND_WAR_CRIMES = 30
    RESTRICTIVE_MEASURES = 31
