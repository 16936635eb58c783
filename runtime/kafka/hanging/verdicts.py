"""What is to become of a transaction that is open in a partition, by what its coordinator has written.

Owns the verdict alone. Rules:

1. A transaction is hanging once its coordinator has gone on from it: a coordinator writes that a transaction
   is complete only after all its markers are acknowledged. So where a later record stands, and the partition
   is asked after that record was read, no marker is on its way.
2. It is ended as its coordinator had decided, and never otherwise. A producer was told of a commit; an abort
   of it would lose what was acknowledged. Where no decision is found, or two, nothing is done.
3. The data of an open transaction has the epoch e. Its decision has e + 1 in the second protocol (KIP-890),
   and e or e + 1 in the first (an abort by the coordinator itself takes the next epoch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from runtime.kafka.hanging.coordinator_log import Noted, Status
from runtime.kafka.ports import Place


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """What a partition's leader says of a producer with a transaction that has not ended there."""

    place: Place
    producer_id: int
    epoch: int
    start: int
    """The offset of its first record."""

    timestamp: int
    """Of its newest record, as the producer stamped it: Unix milliseconds."""

    coordinator_epoch: int
    """Of the newest marker of this producer in the partition; -1 where there is none."""


class State(Enum):
    """What an open transaction is."""

    ALIVE = "alive"
    COMMITTED = "committed"
    ABORTED = "aborted"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, with the decision that is to be carried out where there is one."""

    state: State
    decision: Noted | None = None


_DECISIONS: Final = {Status.PREPARE_COMMIT: State.COMMITTED, Status.PREPARE_ABORT: State.ABORTED}


def verdict(found: OpenTransaction, history: Sequence[Noted]) -> Verdict:
    """The verdict on an open transaction; `history` has the records of its producer in their order."""
    if history and _is_under_way(found, history[-1]):
        return Verdict(State.ALIVE)
    decisions = [
        one for one in history
        if one.status in _DECISIONS and one.epoch in _ends(found) and found.place in one.places
    ]  # fmt: skip
    states = {_DECISIONS[one.status] for one in decisions}
    if len(states) != 1:
        return Verdict(State.UNDECIDED)
    return Verdict(states.pop(), decisions[-1])


def _is_under_way(found: OpenTransaction, newest: Noted) -> bool:
    match newest.status:
        case Status.ONGOING:
            return newest.epoch == found.epoch  # with e + 1 it is the next one of the second protocol
        case Status.PREPARE_COMMIT | Status.PREPARE_ABORT:
            return newest.epoch in _ends(found) and found.place in newest.places
        case Status.PREPARE_EPOCH_FENCE:
            return newest.epoch in _ends(found)
        case Status.EMPTY | Status.COMPLETE_COMMIT | Status.COMPLETE_ABORT | Status.DEAD:
            return False
        case _:
            assert_never(newest.status)


def _ends(found: OpenTransaction) -> tuple[int, int]:
    return found.epoch, found.epoch + 1
