"""The topics of the exchange, who may do what there, and how fast: what Kafka has to agree with.

The one place where topics, rights (Kafka's ACLs) and Kafka's quotas are declared. `contrada centre topics
apply` makes Kafka agree with it, as often as it is called; nothing creates a topic by being used. Rights and
quotas are applied where Kafka knows its clients by certificates. What is not granted is denied. The centre
and the brokers are not named among the rights: they are super users, since whoever grants rights has all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from protocol import limits
from protocol.errors import Code, Rejected
from protocol.identifiers import ThreadId, UnitId, digest, parse_unit_id

AUDIT = "audit"
QUARANTINE = "quarantine"
DIRECTORY = "directory"
LEDGER = "ledger"
SHARDS = "shards"
"""A topic without records. Its partitions are shared out among the routers of the group: whoever has one
works on the outboxes of that shard."""

OUTBOX_PREFIX = "outbox."
INBOX_PREFIX = "inbox."
RECEIPTS_PREFIX = "receipts."

ROUTER_GROUP = "router"
READERS_GROUP = "readers"
"""No group of members: the ledger tells there how far it has read, and units of release 0.9.0."""

SHARD_COUNT = 64
"""Chosen once: two routers that count differently would work on the same outboxes."""
ROUTER_TRANSACTIONS = "router-"
LEDGER_TRANSACTIONS = "ledger-publisher"

UNIT_PREFIX: Final = "unit-"
ROLES: Final = ("router", "ledger", "auditor", "security", "console")
SUPER_USERS: Final = ("broker", "centre")
CLUSTER: Final = "kafka-cluster"
"""Kafka's name for the cluster as a whole."""

_TOLD_THE_TIME: Final = ("router", "ledger")

UNIT_QUOTAS: Final[Mapping[str, float]] = {"producer_byte_rate": 4e6, "consumer_byte_rate": 16e6}
"""Bytes a second at each broker that a unit may write and read; over it Kafka lets it wait. Four times the
largest submission, and as much again for each of four who send to it."""

# A record holds a whole submission (limits.MAX_RECORD); quarantine adds coordinates, audit holds batches.
_MAX_MESSAGE = limits.MAX_RECORD + 100_000

# What a unit writes is unpacked by the broker, which knows a bound, and not by its readers: one megabyte of
# gzip can hold a gigabyte. Nothing is lost by that: ciphertext does not compress.
_NO_BOMBS = {"compression.type": "uncompressed"}

# Records bear the time at which Kafka took them. A writer's own would decide when they are deleted: a clock
# that is a year ahead would keep them for a year, and one that is behind delete them unread.
_KAFKAS_TIME = {"message.timestamp.type": "LogAppendTime"}
_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


@dataclass(frozen=True, slots=True)
class Access:
    """Writers and readers, as certificates name them; `unit-*`: every unit, `*`: all that are known."""

    writers: tuple[str, ...]
    readers: tuple[str, ...]


class ResourceKind(IntEnum):
    """What a right is about, with Kafka's number."""

    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONS = 5


class Operation(IntEnum):
    """What is done, with Kafka's number. Who may read or write may describe, too."""

    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """Somebody may do something there: one of Kafka's ACLs."""

    principal: str
    kind: ResourceKind
    name: str
    operation: Operation
    prefixed: bool = False
    """The name is the beginning of those that are meant."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it must be."""

    name: str
    partitions: int
    access: Access
    config: dict[str, str] = field(default_factory=dict)


def outbox(unit: UnitId) -> str:
    """What a unit sends."""
    return OUTBOX_PREFIX + unit


def inbox(unit: UnitId) -> str:
    """What is delivered to a unit."""
    return INBOX_PREFIX + unit


def receipts(unit: UnitId) -> str:
    """The router's signed decisions on what a unit sent."""
    return RECEIPTS_PREFIX + unit


def readers_group(unit: UnitId) -> str:
    """Where a unit tells how far it has read: its own, so that it reaches nobody else's marks."""
    return f"{READERS_GROUP}.{unit}"


def outbox_owner(topic: str) -> UnitId:
    """The unit whose outbox this is; `Rejected` for any other topic."""
    if not topic.startswith(OUTBOX_PREFIX):
        raise Rejected(Code.E_SCHEMA, "not the topic of an outbox")
    return parse_unit_id(topic.removeprefix(OUTBOX_PREFIX))


def partition_of(thread: ThreadId, partitions: int) -> int:
    """Where a conversation goes: always the same partition, so that its order is kept."""
    return int.from_bytes(digest(thread)[:8], "big") % partitions


def outbox_shard(topic: str, partition: int) -> int:
    """Which shard a partition of an outbox belongs to."""
    return int.from_bytes(digest(f"{topic}/{partition}".encode())[:8], "big") % SHARD_COUNT


def earlier_transactional_id(topic: str, partition: int) -> str:
    """The id under which routers up to version 0.1 worked on this partition alone."""
    return f"{ROUTER_TRANSACTIONS}{topic}-{partition}"


def shared() -> tuple[Topic, ...]:
    """The topics that exist once."""
    days = _retention
    return (
        Topic(
            AUDIT,
            1,
            # The centre and the ledger state what they did (protocol/trail/acts.py) beside what routers
            # decided.
            Access(("router", "centre", "ledger"), ("auditor", "ledger", "console")),
            # The input of the ledger and no archive: records are kept where they can be deleted one by one
            # (docs/adr/0017). Long enough for a ledger that was down, or begins again.
            {**days(90), "max.message.bytes": str(_MAX_MESSAGE)},
        ),
        Topic(
            QUARANTINE,
            1,
            Access(("router",), ("security", "console")),
            {**days(90), "max.message.bytes": str(_MAX_MESSAGE)},
        ),
        # Kept whole and in order for ever. Compaction would let anybody who may write here move a statement
        # behind those that rest on it, by writing it again, or delete one (docs/adr/0007).
        Topic(
            DIRECTORY,
            1,
            Access(("centre", "router", "ledger", "unit-*"), ("*",)),
            {**_FOR_EVER, **_NO_BOMBS, **_KAFKAS_TIME},
        ),
        # What the ledger published: tiles and checkpoints. Each record brings the whole right edge of the
        # tree, so that a reader can begin at any of them, and everything older is in the ledger's store.
        Topic(
            LEDGER,
            1,
            Access(("ledger",), ("*",)),
            {**days(30), "max.message.bytes": str(_MAX_MESSAGE), **_NO_BOMBS},
        ),
        Topic(SHARDS, SHARD_COUNT, Access((), ("router",)), days(1)),
    )


def of_unit(unit: UnitId, *, outbox_partitions: int = 1, inbox_partitions: int = 1) -> tuple[Topic, ...]:
    """The topics of one unit. Partitions are chosen once: adding some later would break the order."""
    me, size = f"unit-{unit}", {"max.message.bytes": str(_MAX_MESSAGE)}
    return (
        Topic(
            outbox(unit),
            outbox_partitions,
            Access((me,), ("router",)),
            {**_retention(7), **size, **_NO_BOMBS},
        ),
        Topic(inbox(unit), inbox_partitions, Access(("router",), (me,)), {**_retention(30), **size}),
        Topic(receipts(unit), 1, Access(("router",), (me,)), {**_retention(30), **size}),
    )


def all_topics(units: Iterable[UnitId]) -> tuple[Topic, ...]:
    """Everything that must exist for these units."""
    return shared() + tuple(topic for unit in units for topic in of_unit(unit))


def unit_principal(unit: UnitId) -> str:
    """The name of a unit in its certificate: no unit can have the name of a role."""
    return UNIT_PREFIX + unit


def role_rights() -> frozenset[Right]:
    """What the programs of the exchange may do, and the auditor."""
    found = {right for topic in shared() for right in _of_topic(topic, ROLES)}
    found |= {
        Right("router", ResourceKind.TOPIC, OUTBOX_PREFIX, Operation.READ, prefixed=True),
        Right("router", ResourceKind.TOPIC, INBOX_PREFIX, Operation.WRITE, prefixed=True),
        Right("router", ResourceKind.TOPIC, RECEIPTS_PREFIX, Operation.WRITE, prefixed=True),
        Right("router", ResourceKind.GROUP, ROUTER_GROUP, Operation.READ),
        Right("router", ResourceKind.TRANSACTIONS, ROUTER_TRANSACTIONS, Operation.WRITE, prefixed=True),
        Right("ledger", ResourceKind.GROUP, READERS_GROUP, Operation.READ),
        Right("ledger", ResourceKind.TRANSACTIONS, LEDGER_TRANSACTIONS, Operation.WRITE),
        *_of_console(),
    }
    # Kafka's time is told to whoever may describe the cluster. Units may not: that names all groups, and all
    # topics with their sizes. They have Kafka's time with each batch that they send.
    return frozenset(
        found | {Right(one, ResourceKind.CLUSTER, CLUSTER, Operation.DESCRIBE) for one in _TOLD_THE_TIME}
    )


def _of_console() -> Iterator[Right]:
    """Where the readers of the exchange stand: ends and positions, and no record of a unit."""
    for prefix in (OUTBOX_PREFIX, INBOX_PREFIX, RECEIPTS_PREFIX):
        yield Right("console", ResourceKind.TOPIC, prefix, Operation.DESCRIBE, prefixed=True)
    yield Right("console", ResourceKind.GROUP, ROUTER_GROUP, Operation.DESCRIBE)
    yield Right("console", ResourceKind.GROUP, READERS_GROUP, Operation.DESCRIBE, prefixed=True)


def unit_rights(unit: UnitId) -> frozenset[Right]:
    """What a unit may do: nothing that is another's."""
    me = unit_principal(unit)
    found = {right for topic in (*shared(), *of_unit(unit)) for right in _of_topic(topic, (me,))}
    return frozenset(found | {Right(me, ResourceKind.GROUP, readers_group(unit), Operation.READ)})


def suspended_rights(unit: UnitId) -> frozenset[Right]:
    """What is left to a suspended unit: it may read why, and when it is over."""
    return frozenset({Right(unit_principal(unit), ResourceKind.TOPIC, DIRECTORY, Operation.READ)})


def _of_topic(topic: Topic, principals: Iterable[str]) -> Iterator[Right]:
    sides = ((topic.access.writers, Operation.WRITE), (topic.access.readers, Operation.READ))
    for named, operation in sides:
        for one in principals:
            if one in named or "*" in named or ("unit-*" in named and one.startswith(UNIT_PREFIX)):
                yield Right(one, ResourceKind.TOPIC, topic.name, operation)


def _retention(days: int) -> dict[str, str]:
    retention = days * limits.DAY
    # Kafka deletes whole segments: with an eighth of the time per segment nothing stays much longer.
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention),
        "segment.ms": str(retention // 8),
        **_KAFKAS_TIME,
    }
