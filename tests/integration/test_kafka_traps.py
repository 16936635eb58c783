"""What aiokafka 0.14 does wrong on a real Kafka, each with the proof that our adapter is safe from it.

Each trap has two tests or two halves. The first pins the library's behaviour: when an upgrade changes it, the
test fails and somebody decides anew whether the rule of broker/router/holding.py is still needed. The second drives
the router's claims into the same situation.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiokafka
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
)

from broker.router.holding import PartitionClaim
from deploy.kafka import wire
from deploy.kafka.cluster import Cluster
from protocol import topics
from runtime.errors import Unavailable
from runtime.kafka.client import prompt_client
from runtime.kafka.positions import Positions
from tests.integration import adapter
from tests.integration.adapter import (
    Attempts,
    committed,
    committing,
    create,
    producing,
    put,
    seen_by_adapter,
)

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

cluster, bootstrap, unit = adapter.cluster, adapter.bootstrap, adapter.unit
no_late_tracebacks = adapter.no_late_tracebacks

SMALL = {"max.message.bytes": "2000"}
TOO_LARGE = b"x" * 5000
CREATE_ACLS = 30


# --- the library itself ---------------------------------------------------------------------------------


def test_this_is_the_version_that_was_measured() -> None:
    """Every claim below was made for aiokafka 0.14.0."""
    assert aiokafka.__version__ == "0.14.0"


def test_the_c_extension_is_in_use() -> None:
    """Records are built and parsed in C: without it a router does a third of the work."""
    from aiokafka.record import _crecords, default_records

    assert default_records.DefaultRecordBatchBuilder is _crecords.DefaultRecordBatchBuilder
    assert default_records.DefaultRecordBatchBuilder is not default_records._DefaultRecordBatchBuilderPy
    assert default_records.DefaultRecordBatch is not default_records._DefaultRecordBatchPy


def test_the_hidden_sleep_between_transactions_is_still_there() -> None:
    """aiokafka sleeps BACKOFF_OVERRIDE = 20 ms between two transactions: one reason for docs/adr/0018."""
    program = (
        "from aiokafka.producer import sender\n"
        "assert sender.BACKOFF_OVERRIDE == 0.02, 'upstream changed the constant'\n"
        "used = sender.AddPartitionsToTxnHandler.handle_response.__code__.co_names\n"
        "assert 'BACKOFF_OVERRIDE' in used, 'upstream sleeps by another name'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- trap 1: silent loss --------------------------------------------------------------------------------


async def test_a_failed_send_that_nobody_awaits_is_lost_in_silence(bootstrap: str, unique) -> None:
    """aiokafka: a commit succeeds although one of its records never reached Kafka."""
    small, other = unique("small"), unique("other")
    await create(bootstrap, **{small: SMALL, other: {}})
    async with producing(bootstrap, unique("loss")) as producer:
        await producer.begin_transaction()
        lost = await producer.send(small, TOO_LARGE, partition=0)
        await producer.send(other, b"kept", partition=0)
        await producer.commit_transaction()
        assert isinstance(lost.exception(), MessageSizeTooLargeError)
    assert await committed(bootstrap, small) == []
    assert await committed(bootstrap, other) == [b"kept"]


async def test_the_adapter_commits_nothing_when_one_record_fails(bootstrap: str, unique, unit) -> None:
    """Our commit raises when any record fails, and neither its other records nor its position exist."""
    small, other, outbox = unique("small"), unique("other"), topics.outbox(unit)
    await create(bootstrap, **{small: SMALL, other: {}, outbox: {}})
    await put(bootstrap, outbox, b"submission")
    again: list[bytes] = []

    async def look(claim: PartitionClaim) -> None:
        again.extend(await seen_by_adapter(claim))

    attempts = Attempts(unit, committing((small, TOO_LARGE), (other, b"half of it"), position=1), look)
    await attempts.run(bootstrap)
    assert [type(error) for error in attempts.errors] == [MessageSizeTooLargeError]
    assert again == [b"submission"]
    assert await committed(bootstrap, other) == []


# --- trap 2: poisoned partition -------------------------------------------------------------------------


async def test_a_failed_batch_poisons_its_partition(bootstrap: str, unique) -> None:
    """aiokafka: after one failed batch every later batch to that partition fails, abort or not."""
    small = unique("small")
    await create(bootstrap, **{small: SMALL})
    async with producing(bootstrap, unique("poison")) as producer:
        await producer.begin_transaction()
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(small, TOO_LARGE, partition=0)
        await producer.abort_transaction()
        await producer.begin_transaction()
        with pytest.raises(OutOfOrderSequenceNumber):
            await producer.send_and_wait(small, b"innocent", partition=0)


async def test_the_adapter_is_clean_after_a_failed_batch(bootstrap: str, unique, unit) -> None:
    """After a failed commit our next claim writes to the same partition as if nothing had happened."""
    small = unique("small")
    await create(bootstrap, **{small: SMALL, topics.outbox(unit): {}})
    attempts = Attempts(unit, committing((small, TOO_LARGE)), committing((small, b"innocent")))
    await attempts.run(bootstrap)
    assert len(attempts.errors) == 1
    assert await committed(bootstrap, small) == [b"innocent"]


# --- trap 3: an abort that does not abort ---------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A broker that asks its authorizer; without ACLs everything is allowed."""
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with (
        tempfile.TemporaryDirectory(prefix="ck-", ignore_cleanup_errors=True) as directory,
        Cluster(Path(directory), settings=settings) as cluster,
    ):
        yield cluster.bootstrap


TOPIC, GROUP, READ, WRITE, DESCRIBE, DENY, ALLOW = 2, 3, 3, 4, 8, 2, 3


def deny_writing(bootstrap: str, topic: str) -> None:
    """Everybody may see this topic, nobody may write to it."""
    add_rules(bootstrap, TOPIC, topic, (WRITE, DENY), (DESCRIBE, ALLOW))


def add_rules(bootstrap: str, kind: int, name: str, *rules: tuple[int, int]) -> None:
    """Add ACLs for everybody. aiokafka has no call for it, so this is CreateAcls v1 by hand."""

    def text(value: str) -> bytes:
        return struct.pack(">h", len(value)) + value.encode()

    literal = 3
    body = struct.pack(">i", len(rules))
    for operation, permission in rules:
        body += struct.pack(">b", kind) + text(name) + struct.pack(">b", literal)
        body += text("User:ANONYMOUS") + text("*") + struct.pack(">bb", operation, permission)
    host, port = bootstrap.split(":")
    answer = wire.ask(wire.Address(host, int(port)), CREATE_ACLS, 1, body)
    answer.take("i")

    def code() -> int:
        found = answer.take("h")
        answer.text()
        return found

    assert set(answer.array(code)) == {0}, "the broker did not take the ACLs"


async def test_an_abort_after_an_authorization_failure_does_not_abort(guarded: str, unique) -> None:
    """aiokafka: what such a transaction wrote becomes committed by the next commit of the same producer."""
    open_topic, closed = unique("open"), unique("closed")
    await create(guarded, **{open_topic: {}, closed: {}})
    deny_writing(guarded, closed)
    async with producing(guarded, unique("abort")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(open_topic, b"aborted", partition=0)
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(closed, b"denied", partition=0)
        await producer.abort_transaction()
        await producer.begin_transaction()
        await producer.send_and_wait(open_topic, b"committed", partition=0)
        await producer.commit_transaction()
    assert await committed(guarded, open_topic) == [b"aborted", b"committed"]


async def test_the_adapter_really_drops_a_transaction_that_was_denied(guarded: str, unique, unit) -> None:
    """After an authorization failure nothing of that commit is ever seen, whatever is committed later."""
    open_topic, closed = unique("open"), unique("closed")
    await create(guarded, **{open_topic: {}, closed: {}, topics.outbox(unit): {}})
    deny_writing(guarded, closed)
    attempts = Attempts(
        unit,
        committing((open_topic, b"aborted"), (closed, b"denied")),
        committing((open_topic, b"committed")),
    )
    await attempts.run(guarded)
    assert [type(error) for error in attempts.errors] == [TopicAuthorizationFailedError]
    assert await committed(guarded, open_topic) == [b"committed"]


# --- the state beside the position ----------------------------------------------------------------------


@pytest.mark.parametrize(("size", "fits"), [(3_900, True), (4_200, False)])
async def test_the_state_travels_with_the_position_up_to_4096_bytes(bootstrap, unit, size, fits) -> None:
    """Offset metadata comes back as it was; text that Kafka refuses fails the commit and moves nothing."""
    await create(bootstrap, **{topics.outbox(unit): {}})
    await put(bootstrap, topics.outbox(unit), b"submission")
    text, found = os.urandom(size // 2).hex(), []

    async def look(claim: PartitionClaim) -> None:
        found.append((claim.state, len(await claim.fetch(wait_ms=500, most=10))))

    write = committing(state=text)
    attempts = Attempts(unit, write, look) if not fits else Attempts(unit, write)
    await attempts.run(bootstrap)
    if fits:
        await Attempts(unit, look).run(bootstrap)
    assert found == [(text, 0) if fits else ("", 1)]


# --- a coordinator that cannot say ----------------------------------------------------------------------


async def test_a_coordinator_that_refuses_looks_like_one_without_positions(
    guarded: str, unique, unit
) -> None:
    """The library passes over the error of a whole answer; our adapter does not begin the outbox anew.

    A broker that has just lost the group answers in the same form (NOT_COORDINATOR), for some milliseconds.
    """
    closed = unique("closed")
    add_rules(guarded, GROUP, closed, (READ, DENY), (DESCRIBE, DENY))
    await create(guarded, **{topics.outbox(unit): {}})
    source = TopicPartition(topics.outbox(unit), 0)
    client = prompt_client(guarded)
    await client.bootstrap()
    try:
        assert await Positions(client, adapter.GROUP).read(tuple(source), stable=True) is None
        async with adapter.consuming(guarded, group_id=adapter.GROUP) as consumer:
            await consumer._coordinator.ensure_coordinator_known()
            consumer._coordinator.group_id = closed
            assert await consumer._coordinator.fetch_committed_offsets([source]) == {}
            consumer._coordinator.group_id = adapter.GROUP
        with pytest.raises(Unavailable):
            await Positions(client, closed).read(tuple(source), stable=True)
    finally:
        await client.close()
