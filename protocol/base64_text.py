"""Base64, of which each byte string has one form: RFC 4648, section 4, with its padding and nothing else.

Owns both directions, and the words for what is no such text. Rule: what was read is written again and
compared. A lenient reader drops what it does not know, so that `data:image/jpeg;base64,...` becomes an image
with 15 bytes of rubbish before it; and it ignores the stray bits behind the last byte, so that one file has
many texts.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Final

RIGHT: Final = "base64 of RFC 4648, section 4: letters, digits, + and /, padded with = to a multiple of four"

_DATA_ADDRESS: Final = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9+/=]")
_SPACE: Final = re.compile(r"\s")


def to_base64(data: bytes) -> str:
    """The text of these bytes."""
    return b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of this text; `ValueError` for any other than the one that `to_base64` writes."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise ValueError("not base64") from None
    if to_base64(data) != text:
        raise ValueError("not the one form")
    return data


def base64_fault(text: str) -> str:
    """What was found in a text that `from_base64` does not take. Shows one character of it at most."""
    if _DATA_ADDRESS.match(text):
        return "a data: address; its base64 begins behind the comma"
    foreign = _FOREIGN.search(text)
    if foreign is not None:
        return _foreign(foreign[0], foreign.start() + 1)
    bare = text.rstrip("=")
    if "=" in bare:
        return f"a = in the middle, as character {bare.index('=') + 1}"
    if len(text) % 4 and len(bare) == len(text):
        return f"no padding behind {len(text)} characters"
    if len(bare) % 4 == 1 or len(text) % 4 or len(text) - len(bare) > 2:
        return f"{len(bare)} characters and {len(text) - len(bare)} of padding, which no bytes have"
    return "bits behind the last byte that are not zero"


def _foreign(character: str, place: int) -> str:
    if _SPACE.match(character):
        return f"white space, as character {place}"
    if character in "-_":
        return f"the other alphabet, of section 5: {character} as character {place}"
    if character.isascii() and character.isprintable():
        return f"the character {character}, at {place}"
    return f"U+{ord(character):04X}, as character {place}"
