"""A fetch session (KIP-227): many partitions of one broker, of which only changes are told.

    ask       what the next request says          -> FetchQuestion
    answered  what the broker's answer means      -> FetchedPart of each partition that it names

Owns the session's numbers and what the broker believes that we want; not the connection and not the
records. Rules:

1. The first request of a session names everything; each one after that names only what differs from what
   the broker was told: a new partition, another position, a partition that is not wanted any more.
2. An answer belongs to the positions of its own question. Where a partition was removed or set to another
   position meanwhile, its part of the answer is dropped: records from there on would leave out those
   before.
3. A request costs what has changed since the one before it, and not what there is.
4. After any error of the session, and after any failure of the connection, it begins anew with everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from runtime.kafka.ports import Place

NO_SESSION: Final = (0, 0)
_LAST_EPOCH: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class FetchQuestion:
    """What one request of a session says."""

    session: int
    epoch: int
    positions: dict[Place, int]
    """The partitions whose position the broker does not know yet."""

    forgotten: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class FetchedPart:
    """One partition of an answer."""

    place: Place
    position: int
    """Where it was read from."""

    end: int
    """Where the committed records of the partition end now, as the broker says."""

    code: int
    aborted: tuple[tuple[int, int], ...]
    """The aborted transactions in it: producer and first offset."""

    data: bytes


class FetchSession:
    """What one broker is asked for, over one connection."""

    def __init__(self) -> None:
        self.wanted: dict[Place, int] = {}
        """The partitions to read, each with its next offset. Changed by `want` and `drop` alone."""

        self._told: dict[Place, int] = {}
        self._changed: set[Place] = set()
        self._session, self._epoch = NO_SESSION

    def want(self, place: Place, position: int) -> None:
        """Read this partition from here on."""
        self.wanted[place] = position
        self._changed.add(place)

    def drop(self, place: Place) -> None:
        """Read this partition no more."""
        if self.wanted.pop(place, None) is not None:
            self._changed.add(place)

    def ask(self) -> FetchQuestion:
        """The next request; call `answered` or `lost` before the next."""
        new: dict[Place, int] = {}
        gone: list[Place] = []
        for place in self._changed:
            at = self.wanted.get(place)
            if at is None:
                if self._told.pop(place, None) is not None:
                    gone.append(place)
            elif self._told.get(place) != at:
                new[place] = self._told[place] = at
        self._changed.clear()
        return FetchQuestion(self._session, self._epoch, new, tuple(gone))

    def answered(self, answer: Any) -> Iterator[FetchedPart]:
        """The parts of an answer that are still wanted; after an error of the session, none."""
        if answer.error_code:
            self.lost()
            return
        self._session = answer.session_id
        # Without a session, since the broker keeps none for us, each request names everything.
        self._epoch = 0 if not self._session else self._epoch % _LAST_EPOCH + 1
        asked = self._told
        if not self._session:
            self._forget_told()
        for topic, partitions in answer.topics:
            for partition, code, _, end, _, aborted, _, data in partitions:
                place = (topic, partition)
                position = asked.get(place)
                if position is not None and self.wanted.get(place) == position:
                    yield FetchedPart(place, position, end, code, tuple(aborted or ()), data or b"")

    def lost(self) -> None:
        """The connection failed, or the broker does not know the session: begin anew."""
        self._forget_told()
        self._session, self._epoch = NO_SESSION

    def _forget_told(self) -> None:
        self._told = {}
        self._changed = set(self.wanted)
