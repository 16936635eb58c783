"""Check digits of the numbers that officers copy by hand: ships, containers, travel documents.

Owns the arithmetic; knows no model and takes any string. A wrong digit in an IMO or container number is a
copying error. In a document's machine-readable zone it may be a finding: so that function names the fields
that fail, and the model decides the consequence.
"""

from __future__ import annotations

import re
from typing import Final

_IMO = re.compile(r"[0-9]{7}")
_CONTAINER = re.compile(r"[A-Z]{3}[JUZ][0-9]{7}")
_MRZ_CHARACTERS = re.compile(r"[A-Z0-9<]+")

# ISO 6346: letters count from 10 and skip the multiples of 11.
_CONTAINER_VALUES: Final = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (n for n in range(10, 39) if n % 11), strict=True)),
}
_MRZ_VALUES: Final = {"<": 0, **{c: n for n, c in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}}
_MRZ_WEIGHTS: Final = (7, 3, 1)

TD1: Final = (3, 30)
TD2: Final = (2, 36)
TD3: Final = (2, 44)


def is_imo_number(text: str) -> bool:
    """Whether the last of the seven digits is the one that the first six give (IMO Res. A.1117(30))."""
    if _IMO.fullmatch(text) is None:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text, range(7, 1, -1), strict=False))
    return total % 10 == int(text[6])


def is_container_number(text: str) -> bool:
    """Whether the number is one of ISO 6346: owner, category, serial number, check digit."""
    if _CONTAINER.fullmatch(text) is None:
        return False
    total = sum(_CONTAINER_VALUES[character] << place for place, character in enumerate(text[:10]))
    return total % 11 % 10 == int(text[10])


def has_mrz_shape(lines: tuple[str, ...]) -> bool:
    """Whether the lines have the size and the characters of a zone of ICAO Doc 9303 (TD1, TD2 or TD3)."""
    sizes = {len(line) for line in lines}
    if len(sizes) != 1 or (len(lines), *sizes) not in {TD1, TD2, TD3}:
        return False
    return all(_MRZ_CHARACTERS.fullmatch(line) is not None for line in lines)


def mrz_faults(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The fields of the zone whose check digit is wrong (ICAO Doc 9303-3, 4.9). Ask `has_mrz_shape` first."""
    fields = _td1_fields(*lines) if len(lines) == TD1[0] else _td2_or_td3_fields(lines[1])
    fields["number"] = _number(lines)
    return tuple(name for name, (content, digit) in fields.items() if not _is_mrz_digit(content, digit))


def mrz_number(lines: tuple[str, ...]) -> str:
    """The document number that the zone states, without fillers."""
    return _number(lines)[0].replace("<", "")


def _is_mrz_digit(content: str, digit: str) -> bool:
    if digit == "<" and not content.strip("<"):  # an empty optional field may leave its digit out
        return True
    total = sum(_MRZ_VALUES[c] * _MRZ_WEIGHTS[place % 3] for place, c in enumerate(content))
    return digit == str(total % 10)


def _number(lines: tuple[str, ...]) -> tuple[str, str]:
    if len(lines) == TD1[0]:
        number, digit, optional = lines[0][5:14], lines[0][14], lines[0][15:30]
    else:
        number, digit, optional = lines[1][0:9], lines[1][9], lines[1][28:35]
    if digit != "<" or len(lines[0]) == TD3[1]:
        return number, digit
    # A number of more than nine characters goes on in the optional data; its check digit comes last.
    rest = optional.split("<", 1)[0]
    return number + rest[:-1], rest[-1:] or "<"


def _td1_fields(upper: str, middle: str, _names: str) -> dict[str, tuple[str, str]]:
    return {
        "birth": (middle[0:6], middle[6]),
        "expiry": (middle[8:14], middle[14]),
        "composite": (upper[5:30] + middle[0:7] + middle[8:15] + middle[18:29], middle[29]),
    }


def _td2_or_td3_fields(lower: str) -> dict[str, tuple[str, str]]:
    fields = {
        "birth": (lower[13:19], lower[19]),
        "expiry": (lower[21:27], lower[27]),
        "composite": (lower[0:10] + lower[13:20] + lower[21:-1], lower[-1]),
    }
    if len(lower) == TD3[1]:
        fields["optional"] = (lower[28:42], lower[42])
    return fields
