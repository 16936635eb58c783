"""Kafka transactions under one transactional id, in the second protocol (KIP-890, "TV2").

    open     InitProducerId                   fences whoever had the id; ends what that one left open
    commit   Produce 12, TxnOffsetCommit 5    at the same time; the broker itself makes each partition a part
                                              of the transaction, after asking its coordinator
             EndTxn 5                         all of it or nothing; the answer gives the next epoch

Owns this order, and which refusals are asked again. Why the library's are not used: docs/adr/0018.

Rules, on which the exactly-once of the router rests:

1. After any exception from `commit` the object must not be used again. Its holder drops it and opens the id
   anew: that ends the transaction, one way or the other, before a position is read.
2. Every transaction has an epoch of its own, which the coordinator gives out. So no late batch or EndTxn can
   become a part of a later transaction.
3. A request is repeated only after a refusal by which nothing was done (`_NOT_DONE`), and for a batch that
   came to a broker which does not lead its partition (`_MOVED`): with the same bytes, sequence numbers
   included, so that a leader that has it already recognises it. What was not answered is not repeated: rule
   1.
4. Sequence numbers begin at 0 in each partition and epoch. A partition's batches go out one after another.
5. No request holds more than `REQUEST_BYTES`, or one batch. One message to 64 addressees can be 67 MB: built
   and sent whole it would keep everybody who shares this event loop, and a thread of the broker, for as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import chain, repeat
from typing import Any, Final

from runtime.errors import Unavailable
from runtime.kafka import requests as ask
from runtime.kafka.client import (
    REQUEST_TIMEOUT_MS,
    ConnectionGroup,
    CoordinationType,
    InitProducerIdRequest,
    as_connection_errors,
    for_code,
    prompt_client,
)
from runtime.kafka.leaders import Leaders
from runtime.kafka.ports import OutputRecord, Place
from runtime.kafka.record_batches import batches_of
from runtime.kafka.requests import Membership
from runtime.kafka.security.access import KafkaAddress
from runtime.process.clock import now

OPEN_TIMEOUT: Final = 20.0
TRANSACTION_TIMEOUT_MS: Final = 15_000
FEATURE: Final = ("transaction.version", 2)
_PAUSES: Final = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
"""Seconds between two attempts; the last one repeats until the caller's time is up.

The first is 0. Records and position reach the coordinator together; it adds one of them and refuses the
other: one transaction of three, measured one message at a time. When the refusal arrives the other is done.
"""

REQUEST_BYTES: Final = 4_000_000

_UNKNOWN_TOPIC, _NO_LEADER, _NOT_LEADER = 3, 5, 6
_LOADING, _NO_COORDINATOR, _NOT_COORDINATOR, _TOO_FEW_REPLICAS, _CONCURRENT = 14, 15, 16, 19, 51
# The transaction before is still writing its markers: CONCURRENT_TRANSACTIONS, which a broker that asks for
# the client gives out as NOT_ENOUGH_REPLICAS to a batch and as COORDINATOR_LOAD_IN_PROGRESS to a position
# (AddPartitionsToTxnManager). As themselves they say the same: nothing was appended.
_NOT_DONE: Final = frozenset({_LOADING, _TOO_FEW_REPLICAS, _CONCURRENT})
# A leader moved, or a topic is so new that its leader does not know of it yet. One that loses its leadership
# while it waits for its replicas answers so too, of a batch that the next leader may have: its sequence
# number tells.
_MOVED: Final = frozenset({_UNKNOWN_TOPIC, _NO_LEADER, _NOT_LEADER})
_NOT_FOUND: Final = frozenset({_LOADING, _NO_COORDINATOR, _NOT_COORDINATOR, _CONCURRENT})
# Only what a broker answered has a number; the library's own errors of a connection have none.
_NOT_FOUND_ERRORS: Final = tuple(for_code(code) for code in _NOT_FOUND)

Progress = Mapping[Place, tuple[int, str]]
"""How far a group has come in each partition, with what it wants to remember."""


class Transactions:
    """One transaction after another under one transactional id."""

    def __init__(
        self, bootstrap: KafkaAddress, transactional_id: str, *, membership: Membership | None = None
    ) -> None:
        """Without a place in a group, its transactions hold records only."""
        self._client = prompt_client(bootstrap)
        self._leaders = Leaders(self._client)
        self._id = transactional_id
        self._membership = membership
        self._producer: tuple[int, int] = (-1, -1)
        self._coordinator = self._group_coordinator = -1

    async def open(self) -> None:
        """Take the id: from here on, every earlier holder's commits fail.

        Returns once what that one left open has ended: a position read after this is true.
        """
        await self._client.bootstrap()
        async with asyncio.timeout(OPEN_TIMEOUT):
            await self._check_protocol()  # before the id is taken from a holder that may be working
            if self._membership is not None:
                group = self._membership.group
                self._group_coordinator = await self._find(CoordinationType.GROUP, group)
            await _until_done(self._take_id)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return await self._leaders.partitions(topic)

    async def commit(
        self, outputs: Mapping[Place, Sequence[OutputRecord]], progress: Progress | None = None
    ) -> None:
        """Write the records, each partition's in their order, and the progress: all of it or nothing.

        The progress is refused where the group has a newer generation than ours: then nothing is written.
        """
        parts = [self._write(outputs)]
        if progress:
            parts.append(self._move(progress))
        await _all_of(parts)
        await _until_done(self._end)

    async def close(self) -> None:
        """Close the connections. An open transaction stays open: the next `open` of the id ends it."""
        await self._client.close()

    async def _find(self, kind: int, key: str) -> int:
        found: list[int] = []

        async def look() -> int:
            try:
                with as_connection_errors():
                    found.append(await self._client.coordinator_lookup(kind, key))
            except _NOT_FOUND_ERRORS as error:
                return int(error.errno)
            return 0

        await _until_done(look, again=_NOT_FOUND)
        node = found[-1]
        await self._client.ready(node, group=ConnectionGroup.COORDINATION)
        return node

    async def _take_id(self) -> int:
        self._coordinator = await self._find(CoordinationType.TRANSACTION, self._id)
        answer = await self._ask_coordinator(
            InitProducerIdRequest(self._id, TRANSACTION_TIMEOUT_MS), node=self._coordinator
        )
        if answer.error_code in (_NO_COORDINATOR, _NOT_COORDINATOR):
            return _LOADING  # it moved in this moment: look for it again
        self._producer = (answer.producer_id, answer.producer_epoch)
        return int(answer.error_code)

    async def _check_protocol(self) -> None:
        question = ask.features("contrada", version("contrada"))
        answer = await self._send(self._client.get_random_node(), question)
        name, wanted = FEATURE
        if (found := ask.finalized(answer, name)) < wanted:
            raise Unavailable(
                f"the cluster has {name} {found}, and {wanted} is needed",
                hint=f"kafka-features.sh upgrade --feature {name}={wanted}",
            )

    async def _write(self, outputs: Mapping[Place, Sequence[OutputRecord]]) -> None:
        stamp = now()
        for places in _in_requests(outputs):
            batches = {
                place: batches_of(outputs[place], producer=self._producer, now=stamp) for place in places
            }
            for turn in range(max(map(len, batches.values()))):
                await self._append(
                    {place: built[turn] for place, built in batches.items() if turn < len(built)}
                )

    async def _append(self, batches: Mapping[Place, bytes]) -> None:
        """Send one batch of each partition to its current leader."""
        left = dict(batches)

        async def attempt() -> int:
            refused = await self._produce(left)
            for place in left.keys() - refused.keys():
                del left[place]
            if _MOVED.intersection(refused.values()):
                self._leaders.forget({topic for topic, _ in left})
            return _worst(refused)

        await _until_done(attempt, again=_NOT_DONE | _MOVED)

    async def _produce(self, batches: Mapping[Place, bytes]) -> dict[Place, int]:
        """One request to each leader at the same time; what was refused, with its code."""
        refused: dict[Place, int] = {}
        by_leader: dict[int, dict[Place, bytes]] = {}
        for place, batch in batches.items():
            if (leader := await self._leader(place)) is None:
                refused[place] = _NO_LEADER
            else:
                by_leader.setdefault(leader, {})[place] = batch

        async def ask_leader(node: int, part: Mapping[Place, bytes]) -> None:
            question = ask.produce(self._id, part, timeout_ms=REQUEST_TIMEOUT_MS)
            refused.update(ask.refusals(await self._send(node, question)))

        await _all_of([ask_leader(node, part) for node, part in by_leader.items()])
        return refused

    async def _leader(self, place: Place) -> int | None:
        try:
            return await self._leaders.leader(place)
        except Unavailable:
            return None

    async def _move(self, progress: Progress) -> None:
        assert self._membership is not None, "a progress belongs to a group"
        question = ask.commit_offsets(self._id, self._producer, self._membership, progress)

        async def attempt() -> int:
            answer = await self._ask_coordinator(question, node=self._group_coordinator)
            return _worst(ask.refusals(answer))

        await _until_done(attempt)

    async def _end(self) -> int:
        question = ask.end_transaction(self._id, self._producer, commit=True)
        answer = await self._ask_coordinator(question, node=self._coordinator)
        if not answer.error_code:
            self._producer = (answer.producer_id, answer.producer_epoch)
        return int(answer.error_code)

    async def _ask_coordinator(self, question: Any, *, node: int) -> Any:
        # A connection of its own: a broker answers one request of a connection after the other.
        return await self._send(node, question, group=ConnectionGroup.COORDINATION)

    async def _send(self, node: int, question: Any, *, group: int = ConnectionGroup.DEFAULT) -> Any:
        with as_connection_errors():
            return await self._client.send(node, question, group=group)


def _in_requests(outputs: Mapping[Place, Sequence[OutputRecord]]) -> Iterator[list[Place]]:
    """The places whose records go out together (rule 5)."""
    group: list[Place] = []
    size = 0
    for place, records in outputs.items():
        more = sum(len(record.value) for record in records)
        if group and size + more > REQUEST_BYTES:
            yield group
            group, size = [], 0
        group.append(place)
        size += more
    if group:
        yield group


async def _all_of(parts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all of them at the same time; the first failure ends the others."""
    if len(parts) == 1:
        # No task of its own: it is sent before what runs beside it. Records take longer than a position.
        return await parts[0]
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _until_done(attempt: Callable[[], Awaitable[int]], *, again: frozenset[int] = _NOT_DONE) -> None:
    """Ask until the answer is no refusal, or raise the library's error for one that is not asked again."""
    for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
        code = await attempt()
        if not code:
            return
        if code not in again:
            raise for_code(code)
        await asyncio.sleep(pause)


def _worst(refused: Mapping[Place, int]) -> int:
    """The code that decides about a request: one that ends it goes before one after which it is repeated."""
    codes = sorted(refused.values(), key=(_NOT_DONE | _MOVED).__contains__)
    return codes[0] if codes else 0
