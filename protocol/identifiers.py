"""Identifiers of units, messages, conversations and keys, and their textual forms.

Owns the formats; holds no registry. An identifier is only made here, by `parse_*` or `new_*`, so that
a value of one of these types has already the right form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NewType

from protocol.errors import Code, Rejected

UnitId = NewType("UnitId", str)
MessageId = NewType("MessageId", bytes)
ThreadId = NewType("ThreadId", bytes)
StreamId = NewType("StreamId", bytes)
KeyId = NewType("KeyId", bytes)
Digest = NewType("Digest", bytes)
Millis = NewType("Millis", int)

Entropy = Callable[[int], bytes]
"""`os.urandom`, or a test's own: n -> n random bytes."""

SHORTEST_PREFIX: Final = 8
"""Hexadecimal digits: of a message's id they name 65 seconds; fewer would seldom name one message."""

ID_WORDS: Final = f"an id, or {SHORTEST_PREFIX} or more of its first digits where no other begins with them"

_HEX = re.compile(r"[0-9a-f]+")
_UNIT = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def parse_unit_id(text: object) -> UnitId:
    """A unit's id: lower-case words joined by hyphens, 2 to 64 characters, as in `fr` or `fr-customs`."""
    if not isinstance(text, str) or not 2 <= len(text) <= 64 or _UNIT.fullmatch(text) is None:
        raise Rejected(
            Code.E_SCHEMA, "not a unit id", hint="lower-case words joined by hyphens, such as fr-customs"
        )
    return UnitId(text)


def new_message_id(now: Millis, entropy: Entropy) -> MessageId:
    """A UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, then random bits."""
    raw = bytearray(now.to_bytes(6, "big") + entropy(10))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return MessageId(bytes(raw))


def new_thread_id(entropy: Entropy) -> ThreadId:
    """A conversation's id: opaque, so that it does not show when it began."""
    return ThreadId(entropy(16))


def show_id(raw: bytes) -> str:
    """The textual form of a message or conversation id."""
    if len(raw) != 16:
        raise ValueError("an id has 16 bytes")
    # As `uuid.UUID` writes it, in a fifth of the time: every answer and every line of a list shows some.
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def read_id(text: str) -> bytes:
    """The 16 bytes behind a textual id: as it is shown (RFC 9562, 4), in either case, or without hyphens."""
    digits = _digits(text)
    if len(digits) != 32:
        raise Rejected(Code.E_SCHEMA, "not a message id", hint="a message id, which looks like a UUID")
    return bytes.fromhex(digits)


@dataclass(frozen=True, slots=True)
class IdPrefix:
    """The first hexadecimal digits of an id of 16 bytes: what a person types in place of all of it."""

    digits: str

    @property
    def first(self) -> bytes:
        """The lowest id that begins so."""
        return bytes.fromhex(self.digits.ljust(32, "0"))

    @property
    def last(self) -> bytes:
        """The highest one."""
        return bytes.fromhex(self.digits.ljust(32, "f"))

    def begins(self, raw: bytes) -> bool:
        """Whether this id begins so."""
        return raw.hex().startswith(self.digits)

    def __str__(self) -> str:
        return _dashed(self.digits)


def read_id_or_prefix(text: str) -> bytes | IdPrefix:
    """The 16 bytes behind a textual id, or what an id begins with; hyphens may be left out."""
    digits = _digits(text.strip())
    if SHORTEST_PREFIX <= len(digits) < 32:
        return IdPrefix(digits)
    if len(digits) != 32:
        raise Rejected(Code.E_SCHEMA, "not an id", hint=ID_WORDS)
    return bytes.fromhex(digits)


def _digits(text: str) -> str:
    """Its hexadecimal digits, if all hyphens stand where an id has them, or none does; else nothing."""
    lower = text.lower()
    digits = lower.replace("-", "")
    if not _HEX.fullmatch(digits):
        return ""
    # The last hyphen of what was copied may stand at its end.
    return digits if lower in (digits, _dashed(digits), _dashed(digits + "0")[:-1]) else ""


def short_id(raw: bytes, *neighbours: bytes | None) -> str:
    """So much of an id's textual form that no neighbour begins with it, and no less than its time.

    A message's id begins with its milliseconds in 12 digits, so that later messages do not begin so either.
    """
    digits = raw.hex()
    length = 12
    for other in neighbours:
        text = "" if other is None or other == raw else other.hex()
        while text.startswith(digits[:length]):
            length += 1
    return _dashed(digits[:length])


def _dashed(digits: str) -> str:
    """Hyphens where a UUID has them."""
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(part for part in parts if part)


def digest(data: bytes) -> Digest:
    """SHA-256."""
    return Digest(sha256(data).digest())
