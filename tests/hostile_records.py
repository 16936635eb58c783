"""The worst records that a unit can write into its own outbox, as far as they are known.

Owns what they are; who writes them, and how fast, is tests/bench/flood.py and tests/chaos/hostile_unit.py. Whoever
makes them holds the unit's own key: what is signed here is signed well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from keys.directory import Directory
from keys.soft_keys import SoftIdentity
from protocol.codes import Handling, MessageKind, Purpose, Role
from protocol.content.parts import Part
from protocol.envelope.core import Addressee, Core, Position
from protocol.envelope.sealing import seal
from protocol.epochs import epoch_of
from protocol.identifiers import Entropy, Millis, StreamId, UnitId, new_message_id, new_thread_id
from protocol.limits import DAY, MAX_RECORD
from protocol.parties import TreeHead
from protocol.public_keys import EpochPublic
from protocol.signatures import Suite

LARGEST_CONTENT: Final = 1_032_000
"""Bytes of one part. The next size to which a plaintext may be padded is over what a ciphertext may have."""

SMALL_CONTENT: Final = 32

_ARRAY_OF_32_BITS: Final = 0x9A
_EMPTY_MAP: Final = b"\xa0"


def empty_maps(size: int = MAX_RECORD) -> bytes:
    """One CBOR array of empty maps: a reader that builds them holds sixty times as much, and walks it all."""
    count = size - 5
    return bytes([_ARRAY_OF_32_BITS]) + count.to_bytes(4, "big") + _EMPTY_MAP * count


@dataclass(slots=True, kw_only=True)
class HostileSender:
    """The holder of a unit's signing key, with a stream of its own."""

    identity: SoftIdentity
    directory: Directory
    entropy: Entropy
    stream: StreamId = field(init=False)
    seq: int = 0

    def __post_init__(self) -> None:
        """Nothing is sent yet."""
        self.stream = StreamId(self.entropy(8))

    def submission(
        self, to: Sequence[UnitId], *, now: Millis, size: int = SMALL_CONTENT, seen: TreeHead | None = None
    ) -> bytes:
        """The next message of the stream, sealed and signed as it must be. What it says is no body.

        `seen` is the head of the directory that its sender claims to have seen, true or not.
        """
        keys = [self._key(unit, epoch_of(now)) for unit in to]
        core = Core(
            suite=Suite.CLASSICAL,
            kind=MessageKind.INFORMATION,
            message_id=new_message_id(now, self.entropy),
            thread=new_thread_id(self.entropy),
            created=now,
            expires=Millis(now + DAY),
            sender=self.identity.name,
            position=Position(self.stream, self.seq),
            signing_key=self.identity.public.kid,
            to=tuple(Addressee(unit, key.kid, Role.TO) for unit, key in zip(to, keys, strict=True)),
            handling=frozenset({Handling.H0}),
            purposes=frozenset({Purpose.OPERATIONAL}),
            review=Millis(now + DAY),
            directory_head=seen or self.directory.head,
        )
        self.seq += 1
        parts = (Part(0, bytes(size)),)
        return seal(core, parts, keys=keys, signer=self.identity, entropy=self.entropy).submission

    def _key(self, unit: UnitId, epoch: int) -> EpochPublic:
        # A unit that nobody knows has no key, and an envelope needs one: then the sender's own stands there.
        found = self.directory.epoch_key_for(unit, epoch) or self.directory.epoch_key_for(
            self.identity.name, epoch
        )
        assert found is not None, "the sender has published its keys"
        return found.public
