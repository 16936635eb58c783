"""What a text may hold, what of it is seen, and numbers that are written as text.

Owns the characters that act on a terminal or on the order of reading, which no text holds; those of which
nothing is seen, of which alone no name is made; and dates and degrees. Knows no model.

Rules: what is wrong is told by code point and place, so that it can be found in a text that looks right.
Whether something is seen follows Unicode (general category, Default_Ignorable_Code_Point, the blank symbols)
and no font: a character that this Python does not know yet counts as one that is seen.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Final

_CONTROLS: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_NOT_IN_TEXT: Final = re.compile(f"[{_CONTROLS}]")
_NOT_IN_LINE: Final = re.compile(rf"[{_CONTROLS}\t\n]")
_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_DEGREES: Final = re.compile(r"-?(0|[1-9][0-9]{0,2})(?:\.([0-9]+))?", re.ASCII)
_EXAMPLES: Final = {90: '"-33.8568"', 180: '"151.2153"'}
_MOST_DECIMALS: Final = 6

# Letters and symbols that are drawn as nothing: fillers of Hangul, the empty Braille cell, the notehead that
# is none, blank hieroglyphs; and what is not assigned in the blocks of the ignorable.
_DRAWN_AS_NOTHING: Final = re.compile(
    "[\u115f\u1160\u2800\u3164\uffa0\U0001d159\U00013441\U00013442"
    "\u2065\ufdd0-\ufdef\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_SEEN: Final = frozenset("LNPS")
_UNSEEN_ASCII: Final = "".join(map(chr, (*range(0x21), 0x7F)))
"""The controls and the space; every other one is seen."""

_SHOWN_CHARACTERS: Final = 4


def is_seen(text: str) -> bool:
    """Whether anything of it is seen: letters, digits, signs, symbols; not marks or formats alone."""
    if text.isascii():
        return bool(text.strip(_UNSEEN_ASCII))
    return any(map(_is_seen, text))


def _is_seen(character: str) -> bool:
    category = unicodedata.category(character)
    if _DRAWN_AS_NOTHING.match(character) is not None:
        return False
    if category in ("Cn", "Co"):
        return ord(character) & 0xFFFE != 0xFFFE  # the last two of each plane are no characters
    return category[0] in _SEEN


def fault_of_line(text: str) -> str | None:
    """What no single line holds, or none: controls, tabs, line ends, outer spaces."""
    return _fault(text, _NOT_IN_LINE)


def fault_of_text(text: str) -> str | None:
    """What no text of several lines holds, or none; a line ends in U+000A."""
    return _fault(text, _NOT_IN_TEXT)


def code_points(text: str) -> str:
    """The first few characters as people look them up: `U+200B, U+2800`."""
    distinct = list(dict.fromkeys(text))
    shown = ", ".join(f"U+{ord(character):04X}" for character in distinct[:_SHOWN_CHARACTERS])
    return shown + (", ..." if len(distinct) > _SHOWN_CHARACTERS else "")


def fault_of_degrees(text: str, most: int) -> tuple[str, str, str | None] | None:
    """Why the text is not decimal degrees from -most to most: the rule, what is right, and what was found."""
    expected = f"degrees from -{most} to {most} as decimal text, such as {_EXAMPLES[most]}"
    found = _DEGREES.fullmatch(text)
    if found is None:
        return "shape", expected, None
    whole, decimals = int(found[1]), found[2] or ""
    if len(decimals) > _MOST_DECIMALS:
        right = f"at most {_MOST_DECIMALS} decimals, the last of which is a tenth of a metre"
        return "decimals", right, f"{len(decimals)} decimals"
    if whole > most or (whole == most and decimals.strip("0")):
        return "range", expected, f"{text}, which is out of range"
    return None


def fault_of_date(text: str) -> tuple[str, str, str | None] | None:
    """Why the text is not a date, a month or a year of the calendar; as for degrees."""
    found = _DATE.fullmatch(text)
    if found is None:
        return "shape", "a date such as 1989, 1989-04 or 1989-04-17", None
    year, month, day = (int(part or 1) for part in found.groups())
    try:
        date(year, month, day)
    except ValueError:
        return "calendar_date", "a date of the calendar", f"{text}, which is on no calendar"
    return None


def _fault(text: str, forbidden: re.Pattern[str]) -> str | None:
    found = forbidden.search(text)
    if found is not None:
        return f"{code_points(found[0])} at place {found.start() + 1}"
    if text != text.strip():
        return f"a space at its {'beginning' if text[0].isspace() else 'end'}"
    return None
