"""Which messages of a sender were already decided: one number per stream.

A stream is one run of one daemon, and its messages come in order through one Kafka partition. So the
last sequence number decides: what is not beyond it was decided before. No window, no set of ids.

The state travels in the metadata of the offset commit, inside the router's transaction: it moves with
the offset or not at all. Kafka bounds that text at 4096 bytes, so old streams are forgotten; `floor`
is the newest `created` among the forgotten, and a stream that is not known must begin after it.
"""

from __future__ import annotations

from base64 import b85decode, b85encode
from dataclasses import dataclass, field

from protocol import limits
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.header import Position
from protocol.identifiers import Millis, StreamId

VERSION = 1
_BEGINNING = Millis(0)


@dataclass(frozen=True, slots=True)
class Last:
    """The last decided message of a stream."""

    seq: int
    created: Millis


@dataclass(slots=True)
class ReplayState:
    """What one input partition's router remembers. Not frozen: it is copied once per batch."""

    floor: Millis = _BEGINNING
    streams: dict[StreamId, Last] = field(default_factory=dict)

    def copy(self) -> ReplayState:
        """A state that can advance and be thrown away."""
        return ReplayState(self.floor, dict(self.streams))

    def is_fresh(self, position: Position, created: Millis) -> bool:
        """Whether this message was not decided before."""
        last = self.streams.get(position.stream)
        return created > self.floor if last is None else position.seq > last.seq

    def advance(self, position: Position, *, created: Millis, now: Millis) -> None:
        """Remember this message as decided. Call it for proven senders only."""
        # A clock that ran ahead must not raise the floor above messages that are still to come.
        created = min(created, now)
        self.streams.pop(position.stream, None)
        self.streams[position.stream] = Last(position.seq, created)
        while len(self.streams) > limits.MAX_STREAMS:
            oldest = min(self.streams, key=lambda stream: self.streams[stream].created)
            self.floor = max(self.floor, self.streams.pop(oldest).created)

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
            case [1, int(floor), [*rows]]:
                return cls(Millis(floor), dict(_row(row) for row in rows))
            case _:
                raise Rejected(Code.E_SCHEMA, "the replay state has another structure")


def _row(row: object) -> tuple[StreamId, Last]:
    match row:
        case [bytes(stream), int(seq), int(created)] if len(stream) == 8:
            return StreamId(stream), Last(seq, Millis(created))
        case _:
            raise Rejected(Code.E_SCHEMA, "a row of the replay state has another structure")
