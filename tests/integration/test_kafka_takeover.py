"""aiokafka's traps around taking a partition over: zombies, stale positions, late commits. As in test_kafka_traps.py:
first what the library or Kafka's old protocol does, then that the router's claims are safe from it.
"""

from __future__ import annotations

import struct
from contextlib import AsyncExitStack, suppress

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    InvalidProducerEpoch,
    InvalidTxnState,
    ProducerFenced,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from broker.router.holding import Holding, PartitionClaim
from broker.router.lanes import WIDE_BYTES
from deploy.kafka import wire
from protocol import topics
from runtime.kafka import requests as ask
from runtime.kafka import transactions as transactions_module
from runtime.kafka.ports import OutputRecord
from runtime.kafka.record_batches import batches_of
from tests.integration import adapter
from tests.integration.adapter import (
    GROUP,
    Attempts,
    claimant,
    claiming,
    committed,
    committing,
    consuming,
    create,
    member,
    producing,
    put,
    seen_by_adapter,
)
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import rewritten
from tests.waiting import until_async

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

cluster, bootstrap, unit = adapter.cluster, adapter.bootstrap, adapter.unit
no_late_tracebacks = adapter.no_late_tracebacks

END_TXN = 26


# --- trap 4: zombies and stale offsets ------------------------------------------------------------------


async def take_over(bootstrap: str, source: TopicPartition, output: str, ids: tuple[str, str]) -> list[bytes]:
    """A member of the group works on a record, loses its place, and commits after its successor did."""
    position = {source: OffsetAndMetadata(1, "")}
    async with producing(bootstrap, ids[0]) as zombie:
        async with consuming(bootstrap, group_id=GROUP + source.topic) as member:
            member.subscribe([source.topic])
            await member.getmany(timeout_ms=2000)
            await zombie.begin_transaction()
            await zombie.send_and_wait(output, b"by the zombie", partition=0)
        # It has left the group; a new member takes the same record.
        async with (
            consuming(bootstrap, group_id=GROUP + source.topic) as member,
            producing(bootstrap, ids[1]) as heir,
        ):
            member.subscribe([source.topic])
            await member.getmany(timeout_ms=2000)
            await heir.begin_transaction()
            await heir.send_and_wait(output, b"by the heir", partition=0)
            await heir.send_offsets_to_transaction(position, GROUP + source.topic)
            await heir.commit_transaction()
        with suppress(ProducerFenced):
            await zombie.send_offsets_to_transaction(position, GROUP + source.topic)
            await zombie.commit_transaction()
    return await committed(bootstrap, output)


async def test_the_group_does_not_fence_a_zombie(bootstrap: str, unique) -> None:
    """aiokafka: with an id per process, a router that lost its partition still commits: a duplicate."""
    source, output = TopicPartition(unique("in"), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    await put(bootstrap, source.topic, b"submission")
    seen = await take_over(bootstrap, source, output, (unique("router"), unique("router")))
    assert sorted(seen) == [b"by the heir", b"by the zombie"]


async def test_the_transactional_id_fences_a_zombie(bootstrap: str, unique) -> None:
    """Kafka: with one id per input partition the zombie's records are aborted and its commit refused."""
    source, output = TopicPartition(unique("in"), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    await put(bootstrap, source.topic, b"submission")
    name = unique("router")
    assert await take_over(bootstrap, source, output, (name, name)) == [b"by the heir"]


async def test_an_older_generation_commits_nothing(bootstrap: str, unique, unit) -> None:
    """A router that lost its place in the group, and does not know it, commits nothing; its successor does.

    Neither committed before, so that nothing but the generation can tell them apart.
    """
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with AsyncExitStack() as stack:
        async with member(bootstrap) as older:
            zombie = await stack.enter_async_context(claiming(bootstrap, source, older))
        # It has left the group, and its claim goes on.
        heir = await stack.enter_async_context(claiming(bootstrap, source))
        with pytest.raises((IllegalGenerationError, UnknownMemberIdError)):
            await committing((output, b"by the zombie"))(zombie)
        await committing((output, b"by the heir"))(heir)
        assert await committed(bootstrap, output) == [b"by the heir"]


async def test_a_claim_takes_the_id_of_the_claim_before_it(bootstrap: str, unique, unit) -> None:
    """What the last one that committed has open ends at once, and not after its timeout."""
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with member(bootstrap) as membership, claiming(bootstrap, source, membership) as zombie:
        await committing((output, b"first"))(zombie)
        left_open = zombie._holding.transactions.usual.current
        await left_open._write({(output, 0): [OutputRecord(output, b"", b"left open")]})
        await left_open._move({tuple(source): (2, "left open")})
        async with claiming(bootstrap, source, membership) as heir:
            assert heir.state == ""
            with pytest.raises((ProducerFenced, InvalidProducerEpoch)):
                await committing((output, b"by the zombie"), position=2)(zombie)
            await committing((output, b"by the heir"), position=2)(heir)
    assert await committed(bootstrap, output) == [b"first", b"by the heir"]


async def test_a_claim_takes_both_ids_of_the_claim_before_it(bootstrap: str, unique, unit) -> None:
    """The last commit names one id; what the other one has open ends as well, and its holder commits no more."""
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    large = [(output, bytes(500_000))] * 9
    assert sum(len(value) for _, value in large) > WIDE_BYTES
    async with member(bootstrap) as membership, claiming(bootstrap, source, membership) as zombie:
        await committing((output, b"first"))(zombie)
        left_open = zombie._holding.transactions.wide.current
        await left_open._write({(output, 0): [OutputRecord(output, b"", b"left open")]})
        await left_open._move({tuple(source): (2, "left open")})
        async with claiming(bootstrap, source, membership) as heir:
            assert heir.state == ""
            with pytest.raises((ProducerFenced, InvalidProducerEpoch)):
                await committing(*large, position=2)(zombie)
            await committing(*large, position=2)(heir)
            await committing((output, b"small again"), position=3)(heir)
    values = [b"first", *(value for _, value in large), b"small again"]
    assert await committed(bootstrap, output) == values


async def test_what_is_large_goes_between_what_is_small(bootstrap: str, unique, unit) -> None:
    """One claim by two ids, in turns: readers see its order, and whoever claims next the last position."""
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    values = []
    async with member(bootstrap) as membership:
        async with claiming(bootstrap, source, membership) as claim:
            for position in range(1, 9):
                count = 9 if position % 2 else 1
                part = [(output, b"%d of %d" % (n, position) + bytes(500_000)) for n in range(count)]
                await committing(*part, position=position, state=f"at {position}")(claim)
                values += [value for _, value in part]
        async with claiming(bootstrap, source, membership) as heir:
            assert heir.state == "at 8"
            await committing((output, b"by the heir"), position=9)(heir)
    assert await committed(bootstrap, output) == [*values, b"by the heir"]


async def test_a_router_of_before_the_lanes_waits_for_the_timeout(
    bootstrap: str, unique, unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the usual id alone. What the other one has open holds the position until Kafka ends it: later, and right."""
    monkeypatch.setattr(transactions_module, "TRANSACTION_TIMEOUT_MS", 1_000)
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with member(bootstrap) as membership, claiming(bootstrap, source, membership) as killed:
        await committing((output, b"first"))(killed)
        left_open = killed._holding.transactions.wide.current
        await left_open._write({(output, 0): [OutputRecord(output, b"", b"left open")]})
        await left_open._move({tuple(source): (2, "left open")})
        before = Mutant(Holding._take, rewritten("lane_ids(transactional_id)", "(transactional_id,)"))
        with mutated(before):
            async with claiming(bootstrap, source, membership) as heir:
                assert heir.state == ""
                await committing((output, b"by the heir"), position=2)(heir)
    assert await committed(bootstrap, output) == [b"first", b"by the heir"]


async def test_the_position_may_be_stale_after_a_commit(bootstrap: str, unique) -> None:
    """aiokafka asks for offsets without `require_stable`: right after a commit it may get the one before.

    What a commit has written is visible only when its markers are: a race, so one stale answer suffices.
    """
    source, output = TopicPartition(unique("in"), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with (
        producing(bootstrap, unique("stale")) as producer,
        consuming(bootstrap, group_id=GROUP) as reader,
    ):
        reader.assign([source])
        for position in range(1, 151):
            await producer.begin_transaction()
            await producer.send_and_wait(output, b"x", partition=0)
            await producer.send_offsets_to_transaction({source: OffsetAndMetadata(position, "")}, GROUP)
            await producer.commit_transaction()
            if await reader.committed(source) != position:
                return
    pytest.fail("150 positions were all fresh: perhaps aiokafka asks for stable offsets now")


async def test_a_claim_never_starts_from_a_stale_position(bootstrap: str, unique, unit) -> None:
    """Our claim initialises its producer first, and then always reads what was committed last.

    Each claim begins in the moment in which the commit of the one before it returns.
    """
    source, output, turns = TopicPartition(topics.outbox(unit), 0), unique("out"), 25
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with member(bootstrap) as membership, AsyncExitStack() as stack:
        routers = [
            await stack.enter_async_context(claimant(bootstrap, source, membership)) for _ in range(turns)
        ]
        for turn, router in enumerate(routers):
            claim = await router.claim()
            assert claim.state == (f"state {turn - 1}" if turn else "")
            await committing((output, b"x"), position=turn + 1, state=f"state {turn}")(claim)


# --- trap 5: after an abort the consumer stands behind what was aborted ---------------------------------


async def test_a_consumer_does_not_go_back_after_an_abort(bootstrap: str, unique) -> None:
    """aiokafka: records of an aborted transaction are not fetched again by themselves."""
    source = TopicPartition(unique("in"), 0)
    await create(bootstrap, **{source.topic: {}})
    await put(bootstrap, source.topic, b"submission")
    async with consuming(bootstrap) as consumer, producing(bootstrap, unique("back")) as producer:
        consumer.assign([source])
        await consumer.seek_to_beginning(source)
        assert await consumer.getmany(source, timeout_ms=3000)
        await producer.begin_transaction()
        await producer.abort_transaction()
        assert not await consumer.getmany(source, timeout_ms=300)


async def test_the_adapter_fetches_again_what_was_not_committed(bootstrap: str, unit) -> None:
    """A claim that failed after fetching gives the same records to the next one."""
    outbox, seen = topics.outbox(unit), []
    await create(bootstrap, **{outbox: {}})
    await put(bootstrap, outbox, b"one", b"two")

    async def fail(claim: PartitionClaim) -> None:
        seen.append(await seen_by_adapter(claim))
        raise RuntimeError("a fault behind the fetch")

    async def look(claim: PartitionClaim) -> None:
        seen.append(await seen_by_adapter(claim))

    await Attempts(unit, fail, look).run(bootstrap)
    assert seen == [[b"one", b"two"], [b"one", b"two"]]


# --- trap 6: an EndTxn that comes late ------------------------------------------------------------------


def end_late(bootstrap: str, producer: AIOKafkaProducer) -> int:
    """Send the commit of this producer's last transaction once more, as a retry would; Kafka's error code."""
    manager = producer._txn_manager
    name = manager.transactional_id.encode()
    host, port = bootstrap.split(":")
    body = struct.pack(">h", len(name)) + name
    body += struct.pack(">qhb", manager.producer_id, manager.producer_epoch, 1)
    answer = wire.ask(wire.Address(host, int(port)), END_TXN, 1, body)
    answer.take("i")
    return answer.take("h")


async def test_a_late_commit_ends_the_next_transaction(bootstrap: str, unique) -> None:
    """Kafka's old transaction protocol: a commit that is delivered again commits whatever is open now."""
    output = unique("out")
    await create(bootstrap, **{output: {}})
    async with producing(bootstrap, unique("late")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(output, b"first", partition=0)
        await producer.commit_transaction()
        await producer.begin_transaction()
        await producer.send_and_wait(output, b"not to be committed", partition=0)
        assert end_late(bootstrap, producer) == 0
        await until_async(
            lambda: committed(bootstrap, output),
            lambda values: values == [b"first", b"not to be committed"],
            what="the late commit to end the second transaction",
        )


async def end_again(claim: PartitionClaim, producer: tuple[int, int]) -> int:
    """What a repeated commit of the transaction that this producer ended is answered with."""
    transactions = claim._holding.transactions.usual.current
    question = ask.end_transaction(transactions._id, producer, commit=True)
    answer = await transactions._ask_coordinator(question, node=transactions._coordinator)
    return answer.error_code


async def test_a_late_commit_of_an_earlier_transaction_ends_nothing(bootstrap: str, unique, unit) -> None:
    """Every transaction has an epoch of its own: a commit that is delivered late belongs to an older one."""
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with claiming(bootstrap, source) as claim:
        first = claim._holding.transactions.usual.current._producer
        await committing((output, b"first"))(claim)
        assert claim._holding.transactions.usual.current._producer != first
        await claim._holding.transactions.usual.current._write(
            {(output, 0): [OutputRecord(output, b"", b"not to be committed")]}
        )
        assert await end_again(claim, first) != 0
    async with claiming(bootstrap, source):  # ends what the claim before left open
        assert await committed(bootstrap, output) == [b"first"]


async def test_a_late_commit_of_an_earlier_claim_ends_nothing(bootstrap: str, unique, unit) -> None:
    """The same for the claim before: its commit cannot end what its successor has open."""
    source, output = TopicPartition(topics.outbox(unit), 0), unique("out")
    await create(bootstrap, **{source.topic: {}, output: {}})
    async with member(bootstrap) as membership, claiming(bootstrap, source, membership) as first:
        await committing((output, b"first"))(first)
        async with claiming(bootstrap, source, membership) as second:
            await committing((output, b"second"), position=2)(second)
            open_ = [OutputRecord(output, b"", b"not to be committed")]
            await second._holding.transactions.usual.current._write({(output, 0): open_})
            assert await end_again(first, first._holding.transactions.usual.current._producer) != 0
        async with claiming(bootstrap, source, membership):  # ends what the claim before left open
            assert await committed(bootstrap, output) == [b"first", b"second"]


async def test_a_late_batch_of_an_earlier_transaction_is_in_no_later_one(
    bootstrap: str, unique, unit
) -> None:
    """What arrives after its transaction ended is refused, or known as a double where it came before."""
    source, output, other = TopicPartition(topics.outbox(unit), 0), unique("out"), unique("other")
    await create(bootstrap, **{source.topic: {}, output: {}, other: {}})
    async with claiming(bootstrap, source) as claim:
        transactions = claim._holding.transactions.usual.current
        (late,) = batches_of([OutputRecord(output, b"", b"once")], producer=transactions._producer, now=0)
        await committing((output, b"once"))(claim)
        with suppress(InvalidProducerEpoch, InvalidTxnState):
            await transactions._append({(output, 0): late})
        with pytest.raises((ProducerFenced, InvalidProducerEpoch, InvalidTxnState)):
            await transactions._append({(other, 0): late})
        await committing((output, b"twice"), (other, b"twice"), position=2)(claim)
    assert await committed(bootstrap, output) == [b"once", b"twice"]
    assert await committed(bootstrap, other) == [b"twice"]
