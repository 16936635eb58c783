"""Broker configuration, declared once.

Owns: every broker setting that Contrada depends on, with its reason. Pure: a plan in, server.properties out.
Topics and their settings are not here: the broker package declares and applies them.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.kafka.ports import HOST

# What must hold on any cluster that carries Contrada, of a test or of an operator.
REQUIRED: Mapping[str, str] = {
    # A topic that nobody declared is a mistake, not a topic.
    "auto.create.topics.enable": "false",
    # Never trade acknowledged records for availability.
    "unclean.leader.election.enable": "false",
    # The router's replay state travels in offset metadata (it stays under 3 KiB).
    "offset.metadata.max.bytes": "4096",
    # Position and replay state of an outbox are lost when the group has been away for so long (default one
    # week): the routers would then decide the whole outbox once more.
    "offsets.retention.minutes": str(10 * 365 * 24 * 60),
    # One batch of records, at least the limit of the topics (protocol/topics.py).
    "message.max.bytes": "1300000",
    # The router asks for 15 s; no producer may hold readers up for longer than a minute.
    "transaction.max.timeout.ms": "60000",
    # Back-to-back transactions meet each other's end markers; the default makes each wait 20 ms.
    "add.partitions.to.txn.retry.backoff.ms": "2",
    # Look for transactions past their timeout every second, not every ten: the next owner waits less.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A consumer group of one or two routers gains nothing by waiting 3 s for more members.
    "group.initial.rebalance.delay.ms": "0",
    # Until this has passed, a broker that was killed is refused when it comes back (default 9 s).
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}

# What suits a cluster of one machine and would be larger in production.
LOCAL: Mapping[str, str] = {
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.num.partitions": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    # The default takes 128 MB of heap; only Kafka's own topics, of positions and transactions, are compacted.
    "log.cleaner.dedupe.buffer.size": "8388608",
}


# Who a client is: the name in its certificate, if it has the form of ours. Any other certificate is a name
# of its own, which nobody has granted anything. Anchored: a name within a name would be somebody else's.
PRINCIPALS = (
    "RULE:^CN=(unit-[a-z0-9-]+|router|ledger|centre|auditor|security|console|broker),O=contrada$/$1/,DEFAULT"
)

SUPER_USERS = "User:broker;User:centre"
"""The brokers among themselves, and the centre, which grants rights."""


def guarded(tls: Path) -> Mapping[str, str]:
    """Mutual TLS 1.3 on every listener, and an authorizer that denies what nobody granted."""
    return {
        "listener.security.protocol.map": "CLIENTS:SSL,CONTROLLER:SSL",
        "ssl.client.auth": "required",
        "ssl.enabled.protocols": "TLSv1.3",
        "ssl.protocol": "TLSv1.3",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(tls / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(tls / "ca.pem"),
        "ssl.principal.mapping.rules": PRINCIPALS,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": SUPER_USERS,
    }


@dataclass(frozen=True, slots=True)
class Node:
    """One process: broker and controller in one. `directory_id` is KRaft's name for its log directory."""

    index: int
    port: int
    controller_port: int
    directory_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One cluster."""

    cluster_id: str
    nodes: tuple[Node, ...]

    @property
    def replicas(self) -> int:
        """Copies of every internal topic."""
        return min(3, len(self.nodes))

    @property
    def min_in_sync(self) -> int:
        """Copies that must hold a record before it counts as written."""
        return min(2, len(self.nodes))

    @property
    def bootstrap(self) -> str:
        """Addresses for clients."""
        return ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    @property
    def voters(self) -> str:
        """The quorum, as `StorageTool format --initial-controllers` wants it."""
        return ",".join(f"{n.index}@{HOST}:{n.controller_port}:{n.directory_id}" for n in self.nodes)


def kafka_uuid() -> str:
    """A UUID as Kafka writes it; one that starts with a dash would pass for an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def properties(
    plan: Plan, node: Node, *, data: Path, extra: Mapping[str, str], tls: Path | None = None
) -> str:
    """The text of one node's server.properties; `extra` wins over everything else.

    `tls` is the directory of a broker's certificate; without it everybody may do everything, in plain.
    """
    replicas, min_in_sync = str(plan.replicas), str(plan.min_in_sync)
    place = {
        "process.roles": "broker,controller",
        "node.id": str(node.index),
        "listeners": f"CLIENTS://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": f"CLIENTS://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": ",".join(f"{HOST}:{n.controller_port}" for n in plan.nodes),
        "log.dirs": str(data),
    }
    copies = {
        "default.replication.factor": replicas,
        "min.insync.replicas": min_in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": min_in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": min_in_sync,
    }
    lines = {**place, **copies, **REQUIRED, **LOCAL, **(guarded(tls) if tls else {}), **extra}
    return "".join(f"{name}={value}\n" for name, value in lines.items())
