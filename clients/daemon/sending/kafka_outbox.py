"""A unit's outbox in Kafka: batches of sealed messages, one after another in each partition.

The rules, each with its reason (docs/adr/0004 and 0021):

1. One batch in flight for each partition of an outbox, and nothing behind it until Kafka has acknowledged
   it. A batch is appended whole or not at all, so a later message can never stand in the log without the
   earlier ones.
2. A batch is repeated only after a refusal by which nothing was appended, with the same bytes. After any
   exception, `CancelledError` included, the connection is closed. What was not answered may be there, or come
   late: it is a duplicate of what is sent next, and the router drops duplicates by their numbers. So Kafka's
   idempotent producer is not needed as well.
3. Kafka takes no record whose stamp is an hour ahead of its own clock. Such a unit's messages have to reach
   a router all the same: its signed decision says by how much the clock is wrong. So they go without a stamp,
   which nobody reads: what counts is the time under the sender's signature. A topic that bears Kafka's own
   time (protocol/topics.py) takes any stamp; one that was made before, and not applied since, does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from clients.daemon.sending.outbox_log import Appended, OutboxRecord
from protocol import topics
from protocol.identifiers import UnitId
from runtime.errors import Unavailable
from runtime.kafka.client import (
    REQUEST_TIMEOUT_MS,
    SPARING,
    AIOKafkaClient,
    InvalidTimestampError,
    KafkaError,
    ProduceRequest,
    TopicPartition,
    as_connection_errors,
    connection_settings,
    for_code,
)
from runtime.kafka.closing import CLOSE_TIMEOUT, close
from runtime.kafka.record_batches import NO_STAMP, batch_of
from runtime.kafka.security.access import KafkaAddress
from runtime.process.clock import now

ACK_TIMEOUT: Final = 10.0

_PAUSE: Final = 0.05
_ALL_IN_SYNC: Final = -1
# Unknown topic, no leader, another leader, too few replicas: a topic that is new, or a leader that moves.
# A leader that is replaced while it waits for its replicas answers so too, of a batch that stays: a
# duplicate, rule 2.
_NOT_DONE: Final = frozenset({3, 5, 6, 19})


class KafkaOutbox:
    """A unit's outbox. Implements `clients.daemon.sending.outbox_log.OutboxLog`."""

    def __init__(self, bootstrap: KafkaAddress, unit: UnitId) -> None:
        self._bootstrap = bootstrap
        self._topic = topics.outbox(unit)
        self._clients: dict[int, AIOKafkaClient] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def append(self, partition: int, records: Sequence[OutboxRecord]) -> Appended:
        """Append a batch and wait for the acknowledgement (rules 1 and 2)."""
        acknowledged = False
        try:
            async with asyncio.timeout(ACK_TIMEOUT):
                client = await self._client(partition)
                batch, count = batch_of(records, now=now())
                try:
                    offset, t = await self._produce(client, partition, batch)
                except InvalidTimestampError:  # rule 3; nothing was appended
                    batch, count = batch_of(records, now=NO_STAMP)
                    offset, t = await self._produce(client, partition, batch)
                acknowledged = True
                return Appended(offset, count, t if t > 0 else None)
        except (KafkaError, TimeoutError, OSError) as error:
            raise Unavailable(
                f"Kafka did not take a batch for {self._topic} ({type(error).__name__})",
                hint="nothing is lost: it is sent again by itself",
            ) from error
        finally:
            if not acknowledged:
                self._drop(partition)

    async def close(self) -> None:
        """Close every connection."""
        for partition in list(self._clients):
            self._drop(partition)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_TIMEOUT)

    async def _client(self, partition: int) -> AIOKafkaClient:
        client = self._clients.get(partition)
        if client is None:
            client = self._clients[partition] = AIOKafkaClient(
                **connection_settings(self._bootstrap), **SPARING
            )
            await client.bootstrap()
        return client

    async def _produce(self, client: AIOKafkaClient, partition: int, batch: bytes) -> tuple[int, int]:
        """Send a batch to its current leader; the offset of its first record, and when Kafka took it."""
        place = TopicPartition(self._topic, partition)
        question = ProduceRequest(
            None, _ALL_IN_SYNC, REQUEST_TIMEOUT_MS, [(self._topic, [(partition, batch)])]
        )
        while True:
            await client._wait_on_metadata(self._topic)  # noqa: SLF001 - the only way that waits
            leader = client.cluster.leader_for_partition(place)
            if leader is not None and leader >= 0:
                with as_connection_errors():
                    answer = await client.send(leader, question)
                code, offset, t = _outcome(answer)
                if not code:
                    return offset, t
                if code not in _NOT_DONE:
                    raise for_code(code)
            await client.force_metadata_update()
            await asyncio.sleep(_PAUSE)

    def _drop(self, partition: int) -> None:
        client = self._clients.pop(partition, None)
        if client is None:
            return
        task = asyncio.create_task(close(client.close()), name="close connection")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _outcome(answer: Any) -> tuple[int, int, int]:
    """The error's code, the offset, and Kafka's time (-1: not told), of an answer for one partition."""
    [(_, [(_, code, offset, t, *_)])] = answer.topics
    return code, offset, t
