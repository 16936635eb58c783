"""The texts of codes: the meaning of each, with its source.

Owns the English texts. Complete: a test fails when a code of any list has no text. The texts of the
handling codes are verbatim (Council document 6243/18, as quoted by Statewatch); the others name what
the cited article says, shortened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from protocol.codes import (
    AcknowledgementStage,
    Classification,
    CommunicationCategory,
    CopyExemption,
    CrimeArea,
    DataClass,
    DocumentCategory,
    DocumentStatus,
    GroupRole,
    Handling,
    InformationEvaluation,
    LegalBasis,
    MessageKind,
    PersonWarning,
    Purpose,
    RefKind,
    RefusalGround,
    Role,
    SourceEvaluation,
    SpecialCategory,
    SubjectCategory,
    TransportCategory,
    UnitKind,
    UrgencyGround,
)


@dataclass(frozen=True, slots=True)
class CodeText:
    """One code's meaning, and the rule that defines it."""

    text: str
    source: str


_COUNCIL: Final = "Council document 6243/18; ER Art. 19(2)"
_OURS: Final = "Contrada"
_H0: Final = (
    "This information may only be used for the purpose of preventing and combating crimes in line with "
    "the ER and any other applicable law."
)

_ROWS: Final[tuple[tuple[Enum, str, str], ...]] = (
    (Handling.H0, _H0, _COUNCIL),
    (
        Handling.H1,
        "Not to be disclosed in judicial proceedings without the permission of the provider.",
        _COUNCIL,
    ),
    (Handling.H2, "Not to be disseminated without the permission of the provider.", _COUNCIL),
    (Handling.H3, "Other restrictions and comments", _COUNCIL),
    (SourceEvaluation.A, "no doubt about the source, or reliable in all instances", "ER Art. 29(1)(A)"),
    (SourceEvaluation.B, "the source has proved reliable in most instances", "ER Art. 29(1)(B)"),
    (SourceEvaluation.C, "the source has proved unreliable in most instances", "ER Art. 29(1)(C)"),
    (SourceEvaluation.X, "the reliability of the source cannot be assessed", "ER Art. 29(1)(X)"),
    (InformationEvaluation.CERTAIN, "accuracy not in doubt", "ER Art. 29(2)(1)"),
    (
        InformationEvaluation.KNOWN_TO_SOURCE,
        "known personally to the source, but not to the official passing it on",
        "ER Art. 29(2)(2)",
    ),
    (
        InformationEvaluation.CORROBORATED,
        "not known personally to the source, but corroborated by information already recorded",
        "ER Art. 29(2)(3)",
    ),
    (
        InformationEvaluation.UNCORROBORATED,
        "not known personally to the source and cannot be corroborated",
        "ER Art. 29(2)(4)",
    ),
    (Purpose.UNDETERMINED, "not determined yet: only to find relevance and purpose", "ER Art. 18(6)"),
    (Purpose.CROSS_CHECK, "cross-checking", "ER Art. 18(2)(a)"),
    (Purpose.STRATEGIC, "strategic or thematic analyses", "ER Art. 18(2)(b)"),
    (Purpose.OPERATIONAL, "operational analyses", "ER Art. 18(2)(c)"),
    (Purpose.FACILITATE, "facilitating the exchange of information", "ER Art. 18(2)(d)"),
    (Purpose.RESEARCH, "research and innovation", "ER Art. 18(2)(e)"),
    (Purpose.PUBLIC_APPEAL, "helping to inform the public about wanted persons", "ER Art. 18(2)(f)"),
    (
        UrgencyGround.PUBLIC_SECURITY,
        "essential to prevent an immediate and serious threat to public security",
        "DIR Art. 4(4)(a)",
    ),
    (UrgencyGround.LIFE, "to prevent an imminent threat to life or physical integrity", "DIR Art. 4(4)(b)"),
    (
        UrgencyGround.LIBERTY_DECISION,
        "necessary for a decision that might maintain measures amounting to deprivation of liberty",
        "DIR Art. 4(4)(c)",
    ),
    (
        UrgencyGround.RELEVANCE_LOSS,
        "at imminent risk of losing relevance and important for the investigation",
        "DIR Art. 4(4)(d)",
    ),
    (RefusalGround.NOT_AVAILABLE, "not available to contact point and authorities", "DIR Art. 6(1)(a)"),
    (RefusalGround.NOT_COMPLIANT, "the request does not meet Article 4", "DIR Art. 6(1)(b)"),
    (RefusalGround.JUDICIAL_REFUSED, "judicial authorisation was refused", "DIR Art. 6(1)(c)"),
    (RefusalGround.OUTSIDE_CATEGORIES, "personal data outside ER Annex II, section B", "DIR Art. 6(1)(d)"),
    (RefusalGround.INACCURATE, "inaccurate, incomplete or no longer up to date", "DIR Art. 6(1)(e)"),
    (RefusalGround.NATIONAL_SECURITY, "harms essential national security interests", "DIR Art. 6(1)(f)(i)"),
    (
        RefusalGround.INVESTIGATION_OR_SAFETY,
        "jeopardises an investigation or the safety of a person",
        "DIR Art. 6(1)(f)(ii)",
    ),
    (
        RefusalGround.LEGAL_PERSON,
        "unduly harms protected important interests of a legal person",
        "DIR Art. 6(1)(f)(iii)",
    ),
    (RefusalGround.MINOR_OFFENCE, "punishable by one year or less, or no offence", "DIR Art. 6(1)(g)"),
    (
        RefusalGround.THIRD_ORIGIN,
        "came from another Member State or a third country, which did not consent",
        "DIR Art. 6(1)(h)",
    ),
    (MessageKind.INFORMATION, "information on own initiative", "DIR Art. 7"),
    (MessageKind.REQUEST, "request for information", "DIR Art. 4"),
    (MessageKind.ANSWER, "answer to a request", "DIR Art. 5"),
    (MessageKind.REFUSAL, "refusal of a request, in whole or in part", "DIR Art. 6"),
    (MessageKind.ACKNOWLEDGEMENT, "acknowledgement of receipt", "ER Art. 41b(1)(e)"),
    (DataClass.NON_PERSONAL, "no personal data", "ER Art. 23(2)"),
    (DataClass.PERSONAL, "personal data", "ER Art. 25"),
    (DataClass.SPECIAL, "special categories of personal data", "ER Art. 30(2)"),
    (DataClass.MINOR, "data on persons under 18", "ER Art. 30(1)"),
    (DataClass.VICTIM, "data on victims, witnesses or persons who can give information", "ER Art. 30(1)"),
    (Classification.BPL, "Europol Basic Protection Level", "Council Decision 2009/968/JHA Art. 10"),
    (Classification.EU_RESTRICTED, "RESTREINT UE/EU RESTRICTED", "Council Decision 2013/488/EU"),
    (UnitKind.NATIONAL_UNIT, "national unit or single point of contact", "ER Art. 7(2); DIR Art. 14"),
    (UnitKind.COMPETENT_AUTHORITY, "designated competent authority", "ER Art. 7(5); DIR Art. 4(1)"),
    (UnitKind.CENTRE, "the centre", "ER Art. 4"),
    (UnitKind.UNION_BODY, "Union body", "ER Art. 24"),
    (UnitKind.THIRD_PARTY, "third country", "ER Art. 25"),
    (UnitKind.INTERNATIONAL_ORGANISATION, "international organisation", "ER Art. 25"),
    (LegalBasis.UNION_LAW, "Union law on exchange between Member States", "ER Art. 7; DIR Art. 1"),
    (LegalBasis.UNION_BODY, "transmission to a Union body", "ER Art. 24"),
    (LegalBasis.ADEQUACY, "adequacy decision", "ER Art. 25(1)(a)"),
    (LegalBasis.AGREEMENT, "international agreement", "ER Art. 25(1)(b)"),
    (LegalBasis.COOPERATION, "cooperation agreement from before 1 May 2017", "ER Art. 25(1)(c)"),
    (LegalBasis.SAFEGUARDS_INSTRUMENT, "appropriate safeguards in a binding instrument", "ER Art. 25(4a)(a)"),
    (LegalBasis.SAFEGUARDS_ASSESSED, "appropriate safeguards found by assessment", "ER Art. 25(4a)(b)"),
    (LegalBasis.DEROGATION, "derogation case by case", "ER Art. 25(5)"),
    (LegalBasis.SET_OF_TRANSFERS, "authorised set of transfers, at most one year", "ER Art. 25(6)"),
    (LegalBasis.WORKING_ARRANGEMENT, "working arrangement: no personal data", "ER Art. 23(4)"),
    (Role.TO, "addressee", _OURS),
    (Role.COPY, "copy", "DIR Art. 4(1); ER Art. 7(5)"),
    (Role.RELAY, "passes it on to a party that is not connected", _OURS),
    (RefKind.REPLY_TO, "replies to", _OURS),
    (RefKind.RELATED, "related to", _OURS),
    (RefKind.ONWARD, "passes on", "ER Art. 23(7)"),
    (RefKind.CONSENT, "relies on the provider's permission", "ER Art. 19(2), 23(6)"),
    (CopyExemption.SENSITIVE, "highly sensitive investigation", "DIR Art. 4(2)(a)"),
    (CopyExemption.TERRORISM, "terrorism, not an emergency", "DIR Art. 4(2)(b)"),
    (CopyExemption.SAFETY, "safety of an individual", "DIR Art. 4(2)(c)"),
    (SubjectCategory.UNCATEGORISED, "not categorised yet", "ER Art. 18(6a), 18a"),
    (SubjectCategory.SUSPECT_OR_CONVICTED, "suspected or convicted", "ER Annex II B.1(a)"),
    (SubjectCategory.FUTURE_OFFENDER, "factual indications of a future offence", "ER Annex II B.1(b)"),
    (SubjectCategory.WITNESS, "might be called to testify", "ER Annex II B.1(c)"),
    (SubjectCategory.VICTIM, "victim, or believed to be one", "ER Annex II B.1(d)"),
    (SubjectCategory.CONTACT_OR_ASSOCIATE, "contact or associate", "ER Annex II B.1(e)"),
    (SubjectCategory.INFORMANT, "can provide information", "ER Annex II B.1(f)"),
    (SpecialCategory.ETHNIC_ORIGIN, "racial or ethnic origin", "ER Art. 30(2)"),
    (SpecialCategory.POLITICAL_OPINIONS, "political opinions", "ER Art. 30(2)"),
    (SpecialCategory.BELIEFS, "religious or philosophical beliefs", "ER Art. 30(2)"),
    (SpecialCategory.TRADE_UNION, "trade union membership", "ER Art. 30(2)"),
    (SpecialCategory.GENETIC, "genetic data", "ER Art. 30(2)"),
    (SpecialCategory.BIOMETRIC, "biometric data", "ER Art. 30(2)"),
    (SpecialCategory.HEALTH, "health", "ER Art. 30(2)"),
    (SpecialCategory.SEX_LIFE, "sex life or sexual orientation", "ER Art. 30(2)"),
    (PersonWarning.ARMED, "armed", "SIS Art. 20(3)(j)"),
    (PersonWarning.VIOLENT, "violent", "SIS Art. 20(3)(j)"),
    (PersonWarning.ABSCONDED, "has absconded or escaped", "SIS Art. 20(3)(j)"),
    (PersonWarning.SUICIDE_RISK, "at risk of suicide", "SIS Art. 20(3)(j)"),
    (PersonWarning.HEALTH_THREAT, "threat to public health", "SIS Art. 20(3)(j)"),
    (PersonWarning.TERRORIST_ACTIVITY, "involved in a terrorist activity", "SIS Art. 20(3)(j)"),
    (GroupRole.LEADER, "leader", "Europol, EMSC one year on, 2017"),
    (GroupRole.ORGANISER, "organiser", "Europol, EMSC one year on, 2017"),
    (GroupRole.FACILITATOR, "low-level facilitator", "Europol, EMSC one year on, 2017"),
    (AcknowledgementStage.DELIVERED, "delivered to the authority", "DIR Art. 5(1)"),
    (AcknowledgementStage.OPENED, "opened by an officer", _OURS),
    (AcknowledgementStage.ACCEPTED, "accepted into a national case", "DIR Art. 16(1)(a)"),
    (AcknowledgementStage.ERASED, "erased at the date that its H3 names", "ER Art. 19(2)"),
    (DocumentStatus.STOLEN, "stolen", "SIS Art. 38(2)(k)-(l)"),
    (DocumentStatus.MISAPPROPRIATED, "misappropriated", "SIS Art. 38(2)(k)-(l)"),
    (DocumentStatus.LOST, "lost", "SIS Art. 38(2)(k)-(l)"),
    (DocumentStatus.INVALIDATED, "invalidated", "SIS Art. 38(2)(l)"),
    (DocumentStatus.FALSE, "purports to be genuine but is false", "SIS Art. 38(2)(k)-(l)"),
    (DocumentStatus.FORGED, "genuine, then altered", _OURS),
    (DocumentStatus.COUNTERFEIT, "imitated in whole", _OURS),
    (DocumentCategory.PASSPORT, "passport", "SIS Art. 38(2)(l)"),
    (DocumentCategory.IDENTITY_CARD, "identity card", "SIS Art. 38(2)(l)"),
    (DocumentCategory.RESIDENCE_PERMIT, "residence permit", "SIS Art. 38(2)(l)"),
    (DocumentCategory.TRAVEL_DOCUMENT, "travel document", "SIS Art. 38(2)(l)"),
    (DocumentCategory.DRIVING_LICENCE, "driving licence", "SIS Art. 38(2)(l)"),
    (DocumentCategory.BLANK_DOCUMENT, "blank official document", "SIS Art. 38(2)(k)"),
    (DocumentCategory.OTHER, "other document", _OURS),
    (TransportCategory.MOTOR_VEHICLE, "motor vehicle", "SIS Art. 38(2)"),
    (TransportCategory.TRAILER, "trailer above 750 kg", "SIS Art. 38(2)"),
    (TransportCategory.CARAVAN, "caravan", "SIS Art. 38(2)"),
    (TransportCategory.BOAT, "boat", "SIS Art. 38(2)"),
    (TransportCategory.BOAT_ENGINE, "boat engine", "SIS Art. 38(2)"),
    (TransportCategory.CONTAINER, "container", "SIS Art. 38(2)"),
    (TransportCategory.AIRCRAFT, "aircraft", "SIS Art. 38(2)"),
    (TransportCategory.AIRCRAFT_ENGINE, "aircraft engine", "SIS Art. 38(2)"),
    (TransportCategory.NUMBER_PLATE, "number plate or registration certificate", "SIS Art. 38(2)"),
    (TransportCategory.LORRY, "lorry", _OURS),
    (TransportCategory.TRAIN, "train", _OURS),
    (CommunicationCategory.TELEPHONE, "telephone", "ER Annex II B.2(h)"),
    (CommunicationCategory.FAX, "fax", "ER Annex II B.2(h)"),
    (CommunicationCategory.PAGER, "pager", "ER Annex II B.2(h)"),
    (CommunicationCategory.EMAIL, "e-mail", "ER Annex II B.2(h)"),
    (CommunicationCategory.POSTAL_ADDRESS, "postal address", "ER Annex II B.2(h)"),
    (CommunicationCategory.INTERNET_CONNECTION, "internet connection", "ER Annex II B.2(h)"),
    (CommunicationCategory.SOCIAL_MEDIA, "social-media account", _OURS),
    *((area, words, "ER Annex I") for area, words in (
        (CrimeArea.TERRORISM, "terrorism"),
        (CrimeArea.ORGANISED_CRIME, "organised crime"),
        (CrimeArea.DRUG_TRAFFICKING, "drug trafficking"),
        (CrimeArea.MONEY_LAUNDERING, "money laundering"),
        (CrimeArea.NUCLEAR_SUBSTANCES, "nuclear and radioactive substances"),
        (CrimeArea.MIGRANT_SMUGGLING, "migrant smuggling"),
        (CrimeArea.HUMAN_TRAFFICKING, "trafficking in human beings"),
        (CrimeArea.MOTOR_VEHICLE_CRIME, "motor vehicle crime"),
        (CrimeArea.MURDER, "murder and grievous bodily injury"),
        (CrimeArea.ORGANS_AND_TISSUE, "illicit trade in human organs and tissue"),
        (CrimeArea.KIDNAPPING, "kidnapping, illegal restraint and hostage-taking"),
        (CrimeArea.RACISM, "racism and xenophobia"),
        (CrimeArea.ROBBERY, "robbery and aggravated theft"),
        (CrimeArea.CULTURAL_GOODS, "illicit trafficking in cultural goods"),
        (CrimeArea.FRAUD, "swindling and fraud"),
        (CrimeArea.UNION_FINANCES, "crime against the financial interests of the Union"),
        (CrimeArea.MARKET_MANIPULATION, "insider dealing and financial market manipulation"),
        (CrimeArea.EXTORTION, "racketeering and extortion"),
        (CrimeArea.PRODUCT_PIRACY, "counterfeiting and product piracy"),
        (CrimeArea.DOCUMENT_FORGERY, "forgery of administrative documents"),
        (CrimeArea.MONEY_FORGERY, "forgery of money and means of payment"),
        (CrimeArea.COMPUTER_CRIME, "computer crime"),
        (CrimeArea.CORRUPTION, "corruption"),
        (CrimeArea.ARMS_TRAFFICKING, "arms, ammunition and explosives"),
        (CrimeArea.ENDANGERED_ANIMALS, "endangered animal species"),
        (CrimeArea.ENDANGERED_PLANTS, "endangered plant species"),
        (CrimeArea.ENVIRONMENTAL_CRIME, "environmental crime, including ship-source pollution"),
        (CrimeArea.HORMONAL_SUBSTANCES, "hormonal substances"),
        (CrimeArea.SEXUAL_EXPLOITATION, "sexual abuse and exploitation, including child abuse material"),
        (CrimeArea.GENOCIDE_AND_WAR_CRIMES, "genocide, crimes against humanity and war crimes"),
    )),
    (CrimeArea.RESTRICTIVE_MEASURES, "violation of Union restrictive measures", "ER Annex I, added by R2611"),
)  # fmt: skip

# The key holds the list too: codes of two lists with one number are equal to Python, and would collide.
_TEXTS: Final[Mapping[tuple[type[Enum], Enum], CodeText]] = MappingProxyType(
    {(type(code), code): CodeText(words, source) for code, words, source in _ROWS}
)

LISTS: Final[tuple[type[Enum], ...]] = tuple(dict.fromkeys(type(code) for code, _, _ in _ROWS))
"""Every code list, in the order of the table."""


def code_text(code: Enum) -> CodeText:
    """The meaning and the source of a code."""
    return _TEXTS[type(code), code]


def text(code: Enum) -> str:
    """The meaning of a code in words."""
    return code_text(code).text
