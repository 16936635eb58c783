"""Who may do what on a real broker: each role tries each operation on everything, and the answer is what Kafka says.

Owns the questions and the table. `make matrix` prints it; tests/integration/test_matrix.py compares it with what is
declared, and with the page that people read. Every question is a request that changes nothing where it is allowed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka.protocol import admin, coordination, group, transaction
from aiokafka.protocol.fetch import FetchRequest_v11
from aiokafka.protocol.metadata import MetadataRequest_v1

from protocol import topics
from protocol.identifiers import UnitId
from protocol.topics import Operation, ResourceKind
from runtime.kafka import requests as spoken
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.broker_time import quorum
from runtime.kafka.client import sparing_client
from runtime.kafka.hanging import requests as hanging
from runtime.kafka.hanging.coordinator_log import Noted
from runtime.kafka.hanging.verdicts import OpenTransaction
from runtime.kafka.requests import PinnedRequest
from runtime.kafka.security import requests as rights
from runtime.kafka.security.access import KafkaAccess
from runtime.kafka.security.rights import KafkaRights
from tests.integration.wire import Wire, guarded_kafka

UNIT, OTHER = UnitId("fr"), UnitId("it")
ROLES = ("unit-fr", "unit-it", "router", "ledger", "auditor", "security", "console", "stranger", "centre")
"""The stranger has a certificate of the same authority, and is nobody's."""

NOWHERE = "nobody-declared-this"
PLACES: Mapping[ResourceKind, tuple[str, ...]] = {
    ResourceKind.TOPIC: (
        *(topic.name for topic in topics.all_topics([UNIT, OTHER])), "__consumer_offsets", "__transaction_state", NOWHERE,
    ),
    ResourceKind.GROUP: (
        topics.ROUTER_GROUP, topics.READERS_GROUP, *map(topics.readers_group, (UNIT, OTHER)), NOWHERE,
    ),
    ResourceKind.TRANSACTIONS: (topics.ROUTER_TRANSACTIONS + "1", topics.LEDGER_TRANSACTIONS, NOWHERE),
    ResourceKind.CLUSTER: (topics.CLUSTER,),
}  # fmt: skip
DENIED = frozenset({29, 30, 31, 53})
"""Not allowed on the topic, the group, the cluster, the transactional id."""

Cell = tuple[ResourceKind, str, Operation]
_BROKER = 4


def _pinned(struct: Any, *fields: Any) -> PinnedRequest:
    return PinnedRequest(struct, *fields)


def question(kind: ResourceKind, name: str, operation: Operation) -> tuple[Any, Any]:
    """The request that this operation takes, and where its answer has the code."""
    return _QUESTIONS[kind, operation](name)


def _marker(name: str) -> Any:
    open_ = OpenTransaction((NOWHERE, 0), 1, 0, 0, 0, 0)
    return hanging.write_markers([(open_, Noted(1, 0, 2, "", 0), False)])


def _alter(kind: int, name: str) -> tuple[Any, Any]:
    asked = _pinned(admin.AlterConfigsRequest_v1, [(kind, name, [])], True)
    return asked, lambda a: a.resources[0][0]


def _configs(kind: int, name: str) -> tuple[Any, Any]:
    asked = _pinned(admin.DescribeConfigsRequest_v1, [(kind, name, None)], False)
    return asked, lambda a: a.resources[0][0]


def _create(name: str) -> tuple[Any, Any]:
    asked = _pinned(admin.CreateTopicsRequest_v2, [(name, 1, 1, [], [])], 5_000, True)
    return asked, lambda a: a.topic_errors[0][1]


def _fetch(name: str) -> tuple[Any, Any]:
    asked = _pinned(FetchRequest_v11, -1, 0, 0, 1_000, 1, 0, -1, [(name, [(0, -1, 0, -1, 1_000)])], [], "")
    return asked, lambda a: a.topics[0][1][0][1]


def _grant(_: str) -> tuple[Any, Any]:
    # Without a name it is no right: refused for its form by who may grant, and before that by who may not.
    asked = rights.create_rights([topics.Right("stranger", ResourceKind.TOPIC, "", Operation.READ)])
    return asked, lambda a: a.results[0][0]


_QUESTIONS: Mapping[tuple[ResourceKind, Operation], Any] = {
    (ResourceKind.TOPIC, Operation.READ): _fetch,
    # No batch at all: refused for its form, and before that for who sends it.
    (ResourceKind.TOPIC, Operation.WRITE): lambda n: (
        spoken.produce(None, {(n, 0): b""}, timeout_ms=5_000), lambda a: a.topics[0][1][0][1],
    ),
    (ResourceKind.TOPIC, Operation.DESCRIBE): lambda n: (_pinned(MetadataRequest_v1, [n]), lambda a: a.topics[0][0]),
    (ResourceKind.TOPIC, Operation.CREATE): _create,
    (ResourceKind.TOPIC, Operation.DELETE): lambda n: (
        _pinned(admin.DeleteRecordsRequest_v1, [(n, [(0, 0)])], 5_000), lambda a: a.topics[0][1][0][2],
    ),
    (ResourceKind.TOPIC, Operation.ALTER): lambda n: (
        _pinned(admin.CreatePartitionsRequest_v1, [(n, (100, None))], 5_000, True), lambda a: a.topic_errors[0][1],
    ),
    (ResourceKind.TOPIC, Operation.DESCRIBE_CONFIGS): lambda n: _configs(ResourceKind.TOPIC.value, n),
    (ResourceKind.TOPIC, Operation.ALTER_CONFIGS): lambda n: _alter(ResourceKind.TOPIC.value, n),
    (ResourceKind.GROUP, Operation.READ): lambda n: (_pinned(group.HeartbeatRequest_v1, n, 0, "nobody"), lambda a: a.error_code),
    (ResourceKind.GROUP, Operation.DESCRIBE): lambda n: (_pinned(admin.DescribeGroupsRequest_v1, [n]), lambda a: a.groups[0][0]),
    (ResourceKind.GROUP, Operation.DELETE): lambda n: (_pinned(admin.DeleteGroupsRequest_v1, [n]), lambda a: a.results[0][1]),
    (ResourceKind.TRANSACTIONS, Operation.WRITE): lambda n: (
        _pinned(transaction.InitProducerIdRequest_v0, n, 5_000), lambda a: a.error_code,
    ),
    (ResourceKind.TRANSACTIONS, Operation.DESCRIBE): lambda n: (
        _pinned(coordination.FindCoordinatorRequest_v1, n, 1), lambda a: a.error_code,
    ),
    (ResourceKind.CLUSTER, Operation.DESCRIBE): lambda _: (quorum(), lambda a: a.error_code),
    (ResourceKind.CLUSTER, Operation.CREATE): lambda _: _create(NOWHERE),
    (ResourceKind.CLUSTER, Operation.ALTER): _grant,
    (ResourceKind.CLUSTER, Operation.CLUSTER_ACTION): lambda n: (_marker(n), lambda a: a.markers[0][1][0][1][0][1]),
    (ResourceKind.CLUSTER, Operation.DESCRIBE_CONFIGS): lambda _: _configs(_BROKER, "0"),
    (ResourceKind.CLUSTER, Operation.ALTER_CONFIGS): lambda _: _alter(_BROKER, "0"),
    (ResourceKind.CLUSTER, Operation.IDEMPOTENT_WRITE): lambda _: (
        _pinned(transaction.InitProducerIdRequest_v0, None, 5_000), lambda a: a.error_code,
    ),
}  # fmt: skip


def cells() -> Iterator[Cell]:
    """Everything that is asked."""
    for (kind, operation), _ in _QUESTIONS.items():
        for name in PLACES[kind]:
            yield kind, name, operation


@asynccontextmanager
async def connected(access: KafkaAccess) -> Any:
    """A client that may be anybody."""
    client = sparing_client(access)
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


async def code_of(client: Any, cell: Cell) -> int:
    """What Kafka answers."""
    asked, found = question(*cell)
    return found(await client.send(client.get_random_node(), asked))


async def allowed_to(access: KafkaAccess) -> frozenset[Cell]:
    """What this party may do, as Kafka says."""
    async with connected(access) as client:
        return frozenset([cell for cell in cells() if await code_of(client, cell) not in DENIED])


async def declare(wire: Wire, units: Iterable[UnitId] = (UNIT, OTHER)) -> None:
    """The topics and the rights of these units."""
    units, centre = list(units), wire.access("centre")
    await KafkaTopicAdmin(centre).apply(topics.all_topics(units))
    wanted = topics.role_rights().union(*map(topics.unit_rights, units))
    async with KafkaRights.at(centre) as there:
        await there.apply(wanted, {topics.unit_principal(unit): topics.UNIT_QUOTAS for unit in units})


async def measure(wire: Wire) -> dict[str, frozenset[Cell]]:
    """The matrix."""
    return {role: await allowed_to(wire.access(role)) for role in ROLES}


def table(found: Mapping[str, frozenset[Cell]]) -> list[str]:
    """As a table in Markdown: a row for each thing, a column for each role."""
    rows = [f"| | {' | '.join(found)} |", "| --- |" + " --- |" * len(found)]
    for kind, names in PLACES.items():
        operations = [operation for one, operation in _QUESTIONS if one is kind]
        for name in names:
            said = [
                _cell(operations, [o for o in operations if (kind, name, o) in mine])
                for mine in found.values()
            ]
            rows.append(f"| {kind.name.lower()} `{name}` | {' | '.join(said)} |")
    return rows


def _cell(all_: list[Operation], mine: list[Operation]) -> str:
    if mine == all_:
        return "all"
    return ", ".join(one.name.lower().replace("_", " ") for one in mine) or "-"


async def _print(wire: Wire) -> None:
    await declare(wire)
    for line in table(await measure(wire)):
        print(line)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ck-") as place, guarded_kafka(Path(place)) as started:
        asyncio.run(_print(started))
