"""The replay state: which messages of a sender were already decided, as one number per stream.

A stream is one run of one daemon, and its messages come in order through one Kafka partition. So the
last sequence number decides: what is not beyond it was decided before. No window, no set of ids.

The state travels in the metadata of the offset commit, inside the router's transaction: it moves with
the offset or not at all. Kafka bounds that text at 4096 bytes, so old streams are forgotten; `floor`
is the newest `created` among the forgotten, and a stream that is not known must begin after it.

The floor is safe, and not only likely right, because it lies at or above the `created` of every message
of a forgotten stream that may have been delivered: it counts the newest of the stream, not the last (a
clock may have jumped back), and up to the tolerance within which policy lets a clock be ahead.
"""

from __future__ import annotations

from base64 import b85decode, b85encode
from dataclasses import dataclass, field

from protocol import limits
from protocol.canonical import decode, encode
from protocol.envelope.core import Position
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, StreamId
from protocol.item_forms import uint

VERSION = 1
_BEGINNING = Millis(0)


@dataclass(frozen=True, slots=True)
class Last:
    """The last decided message of a stream."""

    seq: int
    created: Millis
    """The newest time that a message of the stream claimed, as far as it could be delivered."""


@dataclass(slots=True)
class ReplayState:
    """What one input partition's router remembers. Not frozen: it is copied once per batch."""

    floor: Millis = _BEGINNING
    streams: dict[StreamId, Last] = field(default_factory=dict)

    def copy(self) -> ReplayState:
        """A state that can advance and be discarded."""
        return ReplayState(self.floor, dict(self.streams))

    def is_fresh(self, position: Position, created: Millis) -> bool:
        """Whether this message was not decided before."""
        last = self.streams.get(position.stream)
        return created > self.floor if last is None else position.seq > last.seq

    def advance(self, position: Position, *, created: Millis, now: Millis) -> None:
        """Remember this message as decided. Call it for proven senders only."""
        # What claims to be from further ahead is not delivered, so it need not raise the floor: a clock
        # that ran ahead by a year must not lock out all that is sent this year.
        newest = Millis(min(created, now + limits.CLOCK_TOLERANCE))
        before = self.streams.pop(position.stream, None)
        # Nor does it open a stream. An old message that lies so could otherwise open one that was forgotten,
        # below the number of a message that was delivered, and that one would be new again.
        if before is None and created > newest:
            return
        if before is not None:
            newest = max(newest, before.created)
        # The current stream is never forgotten: its next message may bear the same time.
        while len(self.streams) >= limits.MAX_STREAMS:
            oldest = min(self.streams, key=lambda stream: self.streams[stream].created)
            self.floor = max(self.floor, self.streams.pop(oldest).created)
        self.streams[position.stream] = Last(position.seq, newest)

    def to_text(self) -> str:
        """The state as Kafka's offset metadata."""
        rows = [[stream, last.seq, last.created] for stream, last in self.streams.items()]
        return b85encode(encode([VERSION, self.floor, rows])).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> ReplayState:
        """The state behind an offset's metadata; empty text is the state before the first message."""
        if not text:
            return cls()
        try:
            raw = b85decode(text)
        except ValueError:
            raise Rejected(Code.E_SCHEMA, "the replay state is not base 85") from None
        match decode(raw, limit=limits.MAX_STATE_TEXT):
            case [1, floor, [*rows]]:
                state = cls(Millis(uint(floor)), dict(_row(row) for row in rows))
            case _:
                raise Rejected(Code.E_SCHEMA, "the replay state has another structure")
        # One text for one state: no stream twice, no true for 1, no more streams than are kept.
        if state.to_text() != text or len(state.streams) > limits.MAX_STREAMS:
            raise Rejected(Code.E_SCHEMA, "a replay state that we would not write")
        return state


def _row(row: object) -> tuple[StreamId, Last]:
    match row:
        case [bytes(stream), seq, created] if len(stream) == 8:
            return StreamId(stream), Last(uint(seq), Millis(uint(created)))
        case _:
            raise Rejected(Code.E_SCHEMA, "a row of the replay state has another structure")
