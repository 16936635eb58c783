"""The states of a message, as tables of allowed moves: of a sent one, and of a received one.

Owns the tables. Every change of a state in the database goes through them: the SQL names the states that an
event may come in (`allowing`), so that a forbidden move changes nothing, and raises `ForbiddenMove`.
docs/architecture.md draws both from here. What a router's decision means, and so which event it is, stands in
`decisions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from protocol.conversation.state_machine import StateMachine


class OutboxState(StrEnum):
    """The states of a sent message. The values are in the database and in the local API."""

    QUEUED = "queued"
    SEALED = "sealed"
    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class OutboxEvent(StrEnum):
    """The events of a sent message."""

    SEAL = "it is sealed"
    NEVER_SEALABLE = "it can never be sealed"
    APPEND = "Kafka has it"
    ACCEPT = "a router accepts it"
    REFUSE = "a router refuses it for good"
    SEAL_AGAIN = "a router refuses this sealing"


class InboxState(StrEnum):
    """The states of a received message. The values are in the database and in the local API."""

    NEW = "new"
    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"


class InboxEvent(StrEnum):
    """The events of a received message."""

    OPEN = "an officer opens it"
    ACKNOWLEDGE = "an officer acknowledges it"


def allowing(machine: StateMachine[Any, Any], event: StrEnum) -> str:
    """The SQL condition that a row is in a state in which this may happen."""
    return among(state for state, row in machine.moves.items() if event in row)


def among(states: Iterable[StrEnum]) -> str:
    """The SQL condition that a row is in one of these states, with the values as constants."""
    return f"state IN ({', '.join(repr(state.value) for state in states)})"


OUTBOX: Final[StateMachine[OutboxState, OutboxEvent]] = StateMachine(
    # A message that can be sealed at once is written as sealed.
    start=(OutboxState.QUEUED, OutboxState.SEALED),
    moves={
        OutboxState.QUEUED: {
            OutboxEvent.SEAL: OutboxState.SEALED,
            OutboxEvent.NEVER_SEALABLE: OutboxState.REFUSED,
            # An older sealing of it, which was thought lost.
            OutboxEvent.ACCEPT: OutboxState.ACCEPTED,
        },
        OutboxState.SEALED: {
            OutboxEvent.APPEND: OutboxState.SENT,
            OutboxEvent.ACCEPT: OutboxState.ACCEPTED,
            OutboxEvent.REFUSE: OutboxState.REFUSED,
            OutboxEvent.SEAL_AGAIN: OutboxState.QUEUED,
        },
        OutboxState.SENT: {
            OutboxEvent.ACCEPT: OutboxState.ACCEPTED,
            OutboxEvent.REFUSE: OutboxState.REFUSED,
            OutboxEvent.SEAL_AGAIN: OutboxState.QUEUED,
        },
        # The addressees have it: that another sealing was accepted counts, whatever was said before.
        OutboxState.ACCEPTED: {OutboxEvent.ACCEPT: OutboxState.ACCEPTED},
        OutboxState.REFUSED: {OutboxEvent.ACCEPT: OutboxState.ACCEPTED},
    },
)

UNDECIDED: Final = (OutboxState.QUEUED, OutboxState.SEALED, OutboxState.SENT)
"""States in which the next message of the conversation waits."""

INBOX: Final[StateMachine[InboxState, InboxEvent]] = StateMachine(
    start=(InboxState.NEW,),
    moves={
        InboxState.NEW: {
            InboxEvent.OPEN: InboxState.OPENED,
            InboxEvent.ACKNOWLEDGE: InboxState.ACKNOWLEDGED,
        },
        InboxState.OPENED: {InboxEvent.ACKNOWLEDGE: InboxState.ACKNOWLEDGED},
        # Acknowledged again, perhaps at a further stage.
        InboxState.ACKNOWLEDGED: {InboxEvent.ACKNOWLEDGE: InboxState.ACKNOWLEDGED},
    },
)
