"""The places of outboxes that are decided in a stretch of leaves: of each outbox they only ascend.

Owns what is kept of a stretch, small, so that whoever has the stretches of all half-years can compare them
(put_backs.py): of each outbox the first place, and the last. Within a stretch no place comes twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.canonical import decode

Outbox = bytes
"""Unit and partition, as a decision encodes them: decoded for a finding alone."""


@dataclass(slots=True)
class Stretch:
    """What is decided from one leaf on, to the end of the range or the next stretch."""

    begin: int
    first: dict[Outbox, tuple[int, int]] = field(default_factory=dict)
    """Of each outbox the first offset, and the leaf that decides it."""

    last: dict[Outbox, int] = field(default_factory=dict)

    def takes(self, outbox: Outbox, offset: int, index: int) -> bool:
        """Note a decision; False where its outbox was further already."""
        last = self.last.get(outbox)
        if last is None:
            self.first[outbox] = (offset, index)
        self.last[outbox] = offset
        return last is None or offset > last


def twice(outbox: Outbox, offset: int, index: int) -> str:
    """The text of the finding for a submission that was decided again."""
    unit, partition = decode(b"\x82" + outbox)
    return f"leaf {index} decides outbox {unit}/{partition} at offset {offset} after a later one"
