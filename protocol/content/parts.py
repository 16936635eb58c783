"""The parts of a message's content: each is committed to on its own, so that one can be shown alone.

    kind 0   the frame: the body without its items, canonical JSON
    kind 1   one item, canonical JSON
    kind 2   one attachment: uint32 big-endian length of the meta, meta as canonical JSON, content

Owns the part and the attachment as values. How a body becomes parts is in `content`; the commitment is
in `commitment`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

FRAME: Final = 0
ITEM: Final = 1
ATTACHMENT: Final = 2


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the plaintext. Its content never shows in a representation."""

    kind: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that an item names. Neither its name nor its content shows in a representation."""

    name: str = field(repr=False)
    media_type: str
    content: bytes = field(repr=False)
