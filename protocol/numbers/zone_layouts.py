"""The layouts of machine-readable zones that are known here: one table.

Owns the table and the form of its rows. Reading a zone by it is `zones`'. docs/documents.md is the same table
for people; a test compares them.

Rules: a row says where its check digits stand and over what, and beside it where that is written. The first
row whose lines and opening fit is the layout. An opening that others use too for cards of their own is not
`certain`: such a zone is that layout only if every check digit fits, and is otherwise taken unread. What a
state adds to a standard is not guessed: it is named in `unread`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NUMBER: Final = "document number"
BIRTH: Final = "date of birth"
EXPIRY: Final = "date of expiry"
OPTIONAL: Final = "optional data"
COMPOSITE: Final = "whole zone"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one line: counted from 0, the end not in it."""

    line: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class CheckDigit:
    """A check digit by the scheme of ICAO Doc 9303-3, 4.9: its field, where it stands, and over what."""

    field: str
    line: int
    column: int
    over: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class NumberField:
    """Where the document number stands, and its check digit if it has one.

    With `rest`, a filler in the digit's place says that the number goes on there (Doc 9303-5, note j; 9303-6,
    note j). States compute the digit of such a number with that filler and without it; both are right.
    """

    span: Span
    digit: int | None = None
    rest: Span | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout. `opening` is held against all lines, joined by line ends."""

    name: str
    source: str
    lines: tuple[int, ...]
    opening: re.Pattern[str]
    digits: tuple[CheckDigit, ...] = ()
    numbers: tuple[NumberField, ...] = ()
    """The places where the number may stand; one of them fits."""

    certain: bool = True
    unread: str = ""
    """What of it is not checked, in words; empty if all of its check digits are."""


def _opens(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_TD1_NUMBER: Final = NumberField(Span(0, 5, 14), 14, Span(0, 15, 30))
_TD1_DATES: Final = (
    CheckDigit(BIRTH, 1, 6, (Span(1, 0, 6),)),
    CheckDigit(EXPIRY, 1, 14, (Span(1, 8, 14),)),
)
_TD1: Final = (
    *_TD1_DATES,
    CheckDigit(COMPOSITE, 1, 29, (Span(0, 5, 30), Span(1, 0, 7), Span(1, 8, 15), Span(1, 18, 29))),
)
# Both sizes of visas, TD2 and TD3 agree in the first 28 characters of their second line.
_LINE_2_DATES: Final = (
    CheckDigit(BIRTH, 1, 19, (Span(1, 13, 19),)),
    CheckDigit(EXPIRY, 1, 27, (Span(1, 21, 27),)),
)
_LINE_2_NUMBER: Final = NumberField(Span(1, 0, 9), 9)
_TD2_NUMBER: Final = NumberField(Span(1, 0, 9), 9, Span(1, 28, 35))
_TD2: Final = (
    *_LINE_2_DATES,
    CheckDigit(COMPOSITE, 1, 35, (Span(1, 0, 10), Span(1, 13, 20), Span(1, 21, 35))),
)
_TD3: Final = (
    *_LINE_2_DATES,
    CheckDigit(OPTIONAL, 1, 42, (Span(1, 28, 42),)),
    CheckDigit(COMPOSITE, 1, 43, (Span(1, 0, 10), Span(1, 13, 20), Span(1, 21, 43))),
)
VISAS: Final = frozenset({"MRV-A visa", "MRV-B visa"})
_WHOLE_LINE: Final = CheckDigit(COMPOSITE, 0, 29, (Span(0, 0, 29),))

LAYOUTS: Final[tuple[Layout, ...]] = (
    # Three lines of 30.
    Layout(
        "Portuguese citizen card",
        "Doc 9303-5, with a number of 13 characters, fillers counted; seen on cards of both series",
        (30, 30, 30),
        _opens("I<PRT"),
        _TD1,
        (_TD1_NUMBER, NumberField(Span(0, 5, 18), 18)),
    ),
    Layout(
        "Dominican, Guatemalan, Pakistani and Salvadoran identity cards",
        "Doc 9303-5 for the dates; the number and the composite digit follow rules that are not published",
        (30, 30, 30),
        _opens("I.(DOM|GTM|PAK|SLV)"),
        _TD1_DATES,
        unread="the document number and the composite check digit follow the state's own rules",
    ),
    Layout(
        "Chinese travel permits of three lines",
        "GA/T 704.14 and GA/T 704.16 of China's Ministry of Public Security, which are not public",
        (30, 30, 30),
        _opens("C.CHN"),
        unread="its lines follow a standard that is not public",
    ),
    Layout(
        "crew member certificate",
        "Doc 9303-5, 4.2.2 (document code AC)",
        (30, 30, 30),
        _opens("AC"),
        _TD1,
        (_TD1_NUMBER,),
    ),
    Layout(
        "TD1",
        "Doc 9303-5, 4.2.2 (document codes A, C, I)",
        (30, 30, 30),
        _opens("[ACI]"),
        _TD1,
        (_TD1_NUMBER,),
    ),
    Layout(
        "TD1 with another document code",
        "Doc 9303-5, 4.2.2, but for its code: Estonian and other residence permits, border crossing cards",
        (30, 30, 30),
        _opens("[A-Z]"),
        _TD1,
        (_TD1_NUMBER,),
        certain=False,
    ),
    # Two lines of 36.
    Layout(
        "French identity card of 1988",
        "issued from 1988 to 2021; no public standard, as described for specimens",
        (36, 36),
        _opens("IDFRA"),
        (
            CheckDigit(BIRTH, 1, 33, (Span(1, 27, 33),)),
            CheckDigit(COMPOSITE, 1, 35, (Span(0, 0, 36), Span(1, 0, 35))),
        ),
        (NumberField(Span(1, 0, 12), 12),),
    ),
    Layout(
        "French registration certificate",
        "the zone of the certificat d'immatriculation, whose digits are not published",
        (36, 36),
        _opens("CRFRA"),
        unread="its check digits follow rules that are not published",
    ),
    Layout(
        "MRV-B visa",
        "Doc 9303-7, Format-B (no composite digit)",
        (36, 36),
        _opens("V"),
        _LINE_2_DATES,
        (_LINE_2_NUMBER,),
    ),
    Layout(
        "TD2", "Doc 9303-6, 4.2.2 (document codes A, C, I)", (36, 36), _opens("[ACI]"), _TD2, (_TD2_NUMBER,)
    ),
    Layout(
        "TD2 with another document code",
        "Doc 9303-6, 4.2.2, but for its code; also emergency travel documents of this size (Doc 9303-8)",
        (36, 36),
        _opens("[A-Z]"),
        _TD2,
        (_TD2_NUMBER,),
        certain=False,
    ),
    # Two lines of 34.
    Layout(
        "Slovak identity card of 1993",
        "PRADO SVK-BO-01001; the digits as on TD2, without a composite one",
        (34, 34),
        _opens("I.SVK"),
        _LINE_2_DATES,
        (_LINE_2_NUMBER,),
        certain=False,
    ),
    # Two lines of 44.
    Layout(
        "MRV-A visa",
        "Doc 9303-7, Format-A (no composite digit)",
        (44, 44),
        _opens("V"),
        _LINE_2_DATES,
        (_LINE_2_NUMBER,),
    ),
    Layout(
        "TD3",
        "Doc 9303-4, 4.2.2 (document code P): passports, laissez-passer, refugees' and emergency travel"
        " documents (Doc 9303-8), Russian internal passports",
        (44, 44),
        _opens("P"),
        _TD3,
        (_LINE_2_NUMBER,),
    ),
    Layout(
        "TD3 with another document code",
        "Doc 9303-4, 4.2.2, but for its code: seafarers' books and service documents",
        (44, 44),
        _opens("[A-Z]"),
        _TD3,
        (_LINE_2_NUMBER,),
        certain=False,
    ),
    # One line of 30.
    Layout(
        "French driving licence",
        "cards since 2013; no public standard, as read from specimens: the number's digit is over all before",
        (30,),
        _opens("[ABD][0-9]FRA"),
        (CheckDigit(NUMBER, 0, 14, (Span(0, 0, 14),)), _WHOLE_LINE),
        (NumberField(Span(0, 5, 14)),),
    ),
    Layout(
        "Dutch driving licence",
        "ISO/IEC 18013-3, optional machine-readable zone; the number at places 7 to 16",
        (30,),
        _opens("D[0-9A-Z<]NLD"),
        (_WHOLE_LINE,),
        (NumberField(Span(0, 6, 16)),),
    ),
    Layout(
        "driving licence",
        "ISO/IEC 18013-3, optional machine-readable zone: the state fills the line, whose last digit is over"
        " all before it (Croatia, Estonia, Ireland and others)",
        (30,),
        _opens("D[0-9PN<]"),
        (_WHOLE_LINE,),
        unread="only the line's last check digit is common to all states",
    ),
    Layout(
        "Chinese exit-entry permit",
        "the card of 2014 for Hong Kong and Macao, as its readers describe it",
        (30,),
        _opens("CS"),
        (
            CheckDigit(EXPIRY, 0, 19, (Span(0, 13, 19),)),
            CheckDigit(BIRTH, 0, 27, (Span(0, 21, 27),)),
            CheckDigit(COMPOSITE, 0, 29, (Span(0, 2, 12), Span(0, 13, 20), Span(0, 21, 28))),
        ),
        (NumberField(Span(0, 2, 11), 11),),
        certain=False,
    ),
    # Lines of 9, 30 and 30.
    Layout(
        "Swiss driving licence",
        "the federal roads office (ASTRA) on the licence in card format; no check digits",
        (9, 30, 30),
        _opens("[A-Z0-9<]{9}\nFA(CHE|LIE)"),
        unread="it has no check digits",
    ),
)
"""Every layout, the more particular before the more general of the same lines."""
