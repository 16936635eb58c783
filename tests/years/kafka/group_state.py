"""A group of the model: its members, its positions, and what it waits for.

Owns the data alone; what happens to it is tests/years/kafka/groups.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from tests.years.kafka.codes import Refusal

Place = tuple[str, int]
Reply = Callable[..., None]
"""Answers a request, now or later, with the fields of its answer."""

Position = tuple[int, str, int]
"""Offset, metadata, and when it was committed, Unix ms."""


class Stage(Enum):
    """Where a group stands."""

    EMPTY = auto()
    JOINING = auto()
    SYNCING = auto()
    STABLE = auto()


@dataclass(slots=True, eq=False)
class Member:
    """One member."""

    name: str
    party: str
    session: float
    rebalance: float
    protocols: list[tuple[str, bytes]]
    heard: float
    joining: Reply | None = None
    syncing: Reply | None = None
    share: bytes = b""
    beating: Callable[[Refusal], None] | None = None
    """A heartbeat that is held while nothing happens (`KafkaModel.patience`): such a member is alive."""


@dataclass(slots=True, eq=False)
class Group:
    """One group."""

    name: str
    generation: int = 0
    stage: Stage = Stage.EMPTY
    leader: str = ""
    protocol: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    expected: dict[str, None] = field(default_factory=dict)
    """Members that were told to ask again with their name."""

    positions: dict[Place, Position] = field(default_factory=dict)
    pending: dict[int, dict[Place, tuple[int, Position]]] = field(default_factory=dict)
    """By producer: positions of transactions that have not ended, with their places in the coordinator's log."""

    logged: dict[Place, int] = field(default_factory=dict)
    """Of the committed positions: their places in the coordinator's log."""

    appended: int = 0
    """The end of that log."""

    emptied: int = 0
    round: int = 0
    """Counts what a timer may be for: one of an earlier round does nothing."""

    watched: bool = False

    def reads(self, topic: str) -> bool:
        """Whether a member has subscribed to the topic: its positions are kept (KIP-211)."""
        return any(topic in subscribed(data) for one in self.members.values() for _, data in one.protocols)

    def append(self) -> int:
        """Write something into the coordinator's log; its place there."""
        self.appended += 1
        return self.appended

    def keep(self, place: Place, logged: int, position: Position) -> None:
        """A position is committed: it holds, unless one does that stands behind it in the log."""
        if logged > self.logged.get(place, 0):
            self.positions[place], self.logged[place] = position, logged

    def forget(self, place: Place) -> None:
        """A position is gone, and nothing stands before what comes."""
        del self.positions[place], self.logged[place]

    def copy(self) -> Group:
        """Positions and generation; its members have to join again."""
        pending = {producer: dict(part) for producer, part in self.pending.items()}
        return replace(
            self, stage=Stage.EMPTY, members={}, expected={}, positions=dict(self.positions), pending=pending,
            logged=dict(self.logged), watched=False,
        )  # fmt: skip


def subscribed(metadata: bytes) -> list[str]:
    """The topics in a member's metadata, in the form of the consumers' protocol."""
    _, count = struct.unpack_from(">hi", metadata)
    place, found = 6, []
    for _ in range(count):
        (size,) = struct.unpack_from(">h", metadata, place)
        found.append(metadata[place + 2 : place + 2 + size].decode())
        place += 2 + size
    return found
