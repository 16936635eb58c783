"""A real Kafka that has decided a transaction and never ends it: found, and ended as it was decided.

Kafka comes into this state by itself when it is killed in a bad moment (KAFKA-20734), one time of four on one broker and
beside other load. Here the markers are cut off the logs of a broker that was stopped: the same state, every time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from deploy.kafka.cluster import Cluster
from protocol import topics
from protocol.identifiers import UnitId
from runtime.errors import Unavailable
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.hanging.search import HangingTransactions
from runtime.kafka.hanging.verdicts import State
from runtime.kafka.ports import OutputRecord
from runtime.kafka.transactions import Transactions
from tests.integration import adapter
from tests.integration.adapter import claiming, committed, committing, create, ended_at
from tests.waiting import until_async

no_late_tracebacks = adapter.no_late_tracebacks
CONTROL = 0x20
HEAD = struct.Struct(">qiibih")
"""Of a batch: base offset, length of what follows, leader epoch, magic, checksum, attributes."""


def cut_last_marker(log: Path) -> bool:
    """Cut a partition's log where its last marker begins, and take away what was written down of its producers."""
    data, at, marker = log.read_bytes(), 0, None
    while at < len(data):
        _, length, *_, attributes = HEAD.unpack_from(data, at)
        marker = at if attributes & CONTROL else marker
        at += 12 + length
    if marker is None:
        return False
    log.write_bytes(data[:marker])
    for snapshot in log.parent.glob("*.snapshot"):
        snapshot.unlink()
    return True


def forget_markers(cluster: Cluster, *names: str) -> int:
    """Make a hanging transaction of the last one in the logs of these topics."""
    cluster.stop_broker(0)
    data = cluster.directory / "broker-0" / "data"
    (data / ".kafka_cleanshutdown").unlink(missing_ok=True)  # so that it looks at its logs when it starts
    logs = [log for name in names for log in sorted(data.glob(f"{name}-*/00000000000000000000.log"))]
    cut = sum(cut_last_marker(log) for log in logs)
    cluster.restart(0)
    return cut


@pytest.fixture
def unit(unique: Callable[[str], str]) -> UnitId:
    """A unit that no other test has."""
    return UnitId(unique("fr"))


async def test_a_transaction_without_its_markers_is_ended_as_it_was_decided(
    new_cluster, unit, unique
) -> None:
    """Until then nobody reads what was acknowledged, and nobody knows how far its outbox has come."""
    cluster = new_cluster()
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(cluster.bootstrap, **{source.topic: {}, output: {}})
    async with claiming(cluster.bootstrap, source) as claim:
        await committing((output, b"before"), state="state")(claim)
    async with claiming(cluster.bootstrap, source) as claim:
        assert claim.state == "state"
    await until_async(lambda: committed(cluster.bootstrap, output), bool, what="the markers")
    assert await ended_at(cluster.bootstrap, [output]) == ()

    assert forget_markers(cluster, output, "__consumer_offsets") == 2
    assert await KafkaFeeds(cluster.bootstrap).end(output, 0) == 0
    async with HangingTransactions.at(cluster.bootstrap) as search:
        found = await search.find([output])
        assert [(one.open.place[0], one.verdict.state) for one in found] == [
            ("__consumer_offsets", State.COMMITTED),
            (output, State.COMMITTED),
        ]
        assert await search.end(found) == dict.fromkeys(found, "")
        assert await search.find([output]) == ()
    assert await committed(cluster.bootstrap, output) == [b"before"]
    async with claiming(cluster.bootstrap, source) as claim:
        assert claim.state == "state"


async def test_a_transaction_that_is_alive_is_left_alone(new_cluster, unique) -> None:
    """And one that its producer has taken up again is not ended by a decision about the one before."""
    cluster = new_cluster()
    output, name = unique("out"), unique("id")
    await create(cluster.bootstrap, **{output: {}})
    outputs = {(output, 0): [OutputRecord(output, b"", b"value")]}
    transactions = Transactions(cluster.bootstrap, name)
    await transactions.open()
    await transactions._write(outputs)
    assert await ended_at(cluster.bootstrap, [output]) == ()
    await transactions._end()
    await until_async(lambda: committed(cluster.bootstrap, output), bool, what="the marker")
    await transactions.close()

    assert forget_markers(cluster, output) == 1
    async with HangingTransactions.at(cluster.bootstrap) as search:
        found = await search.find([output])
        assert [one.verdict.state for one in found] == [State.COMMITTED]
        # Its producer goes on meanwhile, as one does whose connection outlived the broker's trouble.
        late = Transactions(cluster.bootstrap, name)
        await late._client.bootstrap()
        late._producer, late._coordinator = transactions._producer, transactions._coordinator
        await late._write(outputs)
        assert await search.end(found) == dict.fromkeys(found, "InvalidProducerEpoch")
        assert await search.find([output]) == ()
        await late.close()


async def test_what_cannot_be_asked_is_said(new_cluster) -> None:
    """A cluster that is away has not been searched."""
    cluster = new_cluster()
    with pytest.raises(Unavailable):
        async with HangingTransactions.at(cluster.bootstrap) as search:
            assert await search.find(["nowhere"]) == ()
            cluster.kill(0)
            await search.find([])
