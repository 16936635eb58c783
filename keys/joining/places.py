"""Where an invited unit asks and is answered: its topics, its rights, how fast it may be.

    joining.<unit>   the invited unit writes its requests, until it is asked with       the centre reads
    joined.<unit>    the centre answers                                                 the invited unit reads

Owns what is declared in Kafka for an open invitation; all else is protocol/topics.py. Rules: each invitation
has its unit's topics alone, bounded in bytes and time, so that who was invited, or has stolen an invitation,
fills nobody else's. Its name in Kafka is its own: with another invitation the one before may do nothing. And
it is nobody's by the brokers' rule (`DEFAULT`), so no broker has to be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.identifiers import UnitId
from protocol.limits import DAY, MAX_ASKED_RECORD
from protocol.topics import Access, Operation, ResourceKind, Right, Topic

JOINING: Final = "join-"
PRINCIPALS: Final = f"CN={JOINING}"
"""With this begin the names in Kafka of all who were invited."""

ASKED_PREFIX: Final = "joining."
ANSWERED_PREFIX: Final = "joined."

JOINING_QUOTAS: Final[Mapping[str, float]] = {"producer_byte_rate": 65_536, "consumer_byte_rate": 65_536}
"""Bytes a second: a request or an answer takes less than a second."""

_NAMED: Final = 12
"""Bytes of an invitation's id: the name fits into a certificate, whatever the unit's is."""

_KEPT: Final = {
    "cleanup.policy": "delete",
    "retention.ms": str(14 * DAY),
    "segment.ms": str(DAY),
    "retention.bytes": "4000000",
    "segment.bytes": "1048576",
    "max.message.bytes": str(MAX_ASKED_RECORD),
    "message.timestamp.type": "LogAppendTime",
    # What others write is not unpacked by its readers: a kilobyte of gzip can hold a megabyte.
    "compression.type": "uncompressed",
}


def joining_name(invitation: bytes) -> str:
    """The name in the certificate of the invitation with this id: of that one, and not of the next one."""
    return JOINING + invitation[:_NAMED].hex()


def joining_principal(invitation: bytes) -> str:
    """As whom Kafka takes it: the whole subject, since no rule of the brokers makes another name of it."""
    return f"CN={joining_name(invitation)},O=contrada"


def asked_topic(unit: UnitId) -> str:
    """Where this unit asks."""
    return ASKED_PREFIX + unit


def answered_topic(unit: UnitId) -> str:
    """Where it is answered."""
    return ANSWERED_PREFIX + unit


def joining_topics(unit: UnitId, invitation: bytes) -> tuple[Topic, Topic]:
    """Both, as they must be."""
    me = joining_principal(invitation)
    return (
        Topic(asked_topic(unit), 1, Access((me,), ()), dict(_KEPT)),
        Topic(answered_topic(unit), 1, Access((), (me,)), dict(_KEPT)),
    )


def joining_rights(unit: UnitId, invitation: bytes, *, may_ask: bool) -> frozenset[Right]:
    """What an invitation lets its holder do: ask, until it was asked with, and read the answer."""
    me = joining_principal(invitation)
    read = Right(me, ResourceKind.TOPIC, answered_topic(unit), Operation.READ)
    ask = Right(me, ResourceKind.TOPIC, asked_topic(unit), Operation.WRITE)
    return frozenset({read, ask} if may_ask else {read})
