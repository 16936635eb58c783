"""A broker that is kept from test to test, and emptied between them: half of what a test with a broker of its own costs
is the start of that broker.

Owns: the broker, and what is done to make it as good as new. Rule: what cannot be emptied is thrown away.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.group import LeaveGroupRequest

from deploy.kafka.launcher import Cluster
from runtime.errors import Unavailable
from runtime.kafka.client import connection_settings
from runtime.kafka.security.access import KafkaAddress
from tests.guarded import cluster_of, forget_rights
from tests.waiting import until_async

INTERNAL = "__"
ALREADY_GONE = 25
"""UNKNOWN_MEMBER_ID."""


class KeptBroker:
    """None at first; started when it is asked for."""

    def __init__(self) -> None:
        self._cluster: Cluster | None = None

    def emptied(self) -> Cluster:
        """The broker, without topics, without members in any group, and without rights."""
        if self._cluster is not None and not self._is_emptied(self._cluster):
            self.stop()
        if self._cluster is None:
            self._cluster = cluster_of(Path(tempfile.mkdtemp(prefix="ck-")))
            self._cluster.start()
        return self._cluster

    def stop(self) -> None:
        """End it and remove its files."""
        if self._cluster is not None:
            self._cluster.stop(timeout=0)
            shutil.rmtree(self._cluster.directory, ignore_errors=True)
            self._cluster = None

    @staticmethod
    def _is_emptied(cluster: Cluster) -> bool:
        if not cluster.alive(0):
            return False
        try:
            asyncio.run(_empty(cluster.bootstrap))
        except (KafkaError, OSError, AssertionError, Unavailable):
            return False
        return True


async def _empty(bootstrap: KafkaAddress) -> None:
    admin = AIOKafkaAdminClient(**connection_settings(bootstrap))
    await admin.start()
    try:
        # Members that were killed would be waited for until their sessions are over.
        for group, _ in await admin.list_consumer_groups():
            await _leave(admin, group)
        if names := await _topics(admin):
            await admin.delete_topics(names)
        await until_async(lambda: _topics(admin), lambda left: not left, what="the topics to be gone")
    finally:
        await admin.close()
    await forget_rights(bootstrap)


async def _topics(admin: AIOKafkaAdminClient) -> list[str]:
    return [name for name in await admin.list_topics() if not name.startswith(INTERNAL)]


async def _leave(admin: AIOKafkaAdminClient, group: str) -> None:
    coordinator = await admin.find_coordinator(group)
    for answer in await admin.describe_consumer_groups([group]):
        for described in answer.groups:
            for member in described[5]:
                left = await admin._send_request(LeaveGroupRequest(group, member[0]), coordinator)
                if left.error_code not in (0, ALREADY_GONE):
                    raise for_code(left.error_code)
