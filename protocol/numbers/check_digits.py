"""Check digits of the numbers that officers copy by hand, and numbers that stand for none.

Owns the arithmetic for ships, containers, accounts and telephones, and what a placeholder looks like. The
zones of documents are read in `zones`. Knows no model and takes any string.

Rules: a check digit tells a slip of the pen; a placeholder mostly has a right one, because zeros do. Where a
system gives no such number to anybody (IMO, MMSI), a placeholder is refused; where it could be somebody's,
there is a caveat. Own code: each scheme is a line, and a package of them would be one more on every unit.
"""

from __future__ import annotations

import re
from typing import Final

_IMO: Final = re.compile(r"[0-9]{7}", re.ASCII)
_CONTAINER: Final = re.compile(r"[A-Z]{3}[JUZ][0-9]{7}", re.ASCII)
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,29}", re.ASCII)
_IMEI: Final = re.compile(r"[0-9]{15}", re.ASCII)

# ISO 6346: letters count from 10 and skip the multiples of 11.
_CONTAINER_VALUES: Final = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (n for n in range(10, 39) if n % 11), strict=True)),
}

# The SWIFT IBAN registry (ISO 13616-2), release 101.
_REGISTRY: Final = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29
ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20
LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29
PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
YE30
"""
_IBAN_LENGTHS: Final = {entry[:2]: int(entry[2:]) for entry in _REGISTRY.split()}

_UP: Final = "0123456789" * 4
_DOWN: Final = _UP[::-1]
_LEAST_PLACEHOLDER: Final = 4
_LEAST_ACCOUNT: Final = 10  # the last characters of an IBAN, which no bank's own number reaches into
_LETTERED: Final = re.compile(r"[A-Z]{1,3}([0-9]{5,})", re.ASCII)
_DEFAULT_MMSI: Final = "001193046"


def imo_check_digit(digits: str) -> int:
    """The check digit for the first six digits of an IMO number (IMO Res. A.1117(30), annex)."""
    return sum(int(digit) * weight for digit, weight in zip(digits[:6], range(7, 1, -1), strict=True)) % 10


def is_imo_number(text: str) -> bool:
    """Whether the last of the seven digits is the one that the first six give."""
    return _IMO.fullmatch(text) is not None and imo_check_digit(text) == int(text[6])


def has_container_form(text: str) -> bool:
    """Whether it is owner, category, serial number and check digit as ISO 6346 writes them."""
    return _CONTAINER.fullmatch(text) is not None


def container_check_digit(text: str) -> int:
    """The check digit for the first ten characters of a container number (ISO 6346, annex A)."""
    return sum(_CONTAINER_VALUES[character] << place for place, character in enumerate(text[:10])) % 11 % 10


def is_container_number(text: str) -> bool:
    """Whether the number is one of ISO 6346 with the right check digit."""
    return has_container_form(text) and container_check_digit(text) == int(text[10])


def iban_length(text: str) -> int | None:
    """How long the IBAN is that begins so; none if no country's does."""
    return _IBAN_LENGTHS.get(text[:2]) if text[2:4].isascii() and text[2:4].isdigit() else None


def is_iban(text: str) -> bool:
    """Whether an account number without spaces has the right check digits (ISO 13616-1, 6: modulo 97)."""
    if _IBAN.fullmatch(text) is None:
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def is_imei(text: str) -> bool:
    """Whether the fifteenth digit is the one that the others give (3GPP TS 23.003, annex B: Luhn)."""
    if _IMEI.fullmatch(text) is None:
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(text))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def placeholder(text: str) -> str | None:
    """What the text is instead of a number: `all zeros`, `counting up`; none if it may be one."""
    if len(text) < _LEAST_PLACEHOLDER:
        return None
    if len(set(text)) == 1:
        names = {"0": "all zeros", "9": "all nines"}
        return names.get(text[0], f"the character {text[0]} alone")
    if text in _UP:
        return "digits that count up"
    if text in _DOWN:
        return "digits that count down"
    return None


def placeholder_document(text: str) -> str | None:
    """The same for the number of a document, which may begin with the letters of its series."""
    lettered = _LETTERED.fullmatch(text)
    return placeholder(text) or (placeholder(lettered[1]) if lettered is not None else None)


def placeholder_mmsi(text: str) -> str | None:
    """The same for a ship's radio number, of which 1193046 is what a device sends that nobody has set up."""
    return "the number of a device that is not set up" if text == _DEFAULT_MMSI else placeholder(text)


def placeholder_container(text: str) -> str | None:
    """The same for the serial number of a container."""
    return placeholder(text[4:10]) if has_container_form(text) else None


def placeholder_iban(text: str) -> str | None:
    """The same for the account in an IBAN, whatever bank it names."""
    return placeholder(text[4:]) or placeholder(text[-_LEAST_ACCOUNT:]) if _IBAN.fullmatch(text) else None


def placeholder_imei(text: str) -> str | None:
    """The same for the fourteen digits before an IMEI's check digit."""
    return placeholder(text[:14]) if _IMEI.fullmatch(text) else None
