"""Administration of topics: they are created and altered as declared. Twice changes nothing.

Owns how many are one request. Thousands are applied in parts, each of which is done before the next begins:
what was interrupted is gone on with by applying the same again. The cluster is asked for the topics that
are meant, and not for all that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from protocol.topics import Topic
from runtime.errors import TopicConflict, Unavailable
from runtime.kafka.addresses import not_reachable
from runtime.kafka.client import (
    AIOKafkaAdminClient,
    ConfigResource,
    ConfigResourceType,
    KafkaError,
    NewTopic,
    RequestTimedOutError,
    connection_settings,
    for_code,
)
from runtime.kafka.closing import close
from runtime.kafka.ports import TopicChange
from runtime.kafka.security.access import KafkaAddress

CREATE_TIMEOUT: Final = 120.0
MOST_TOPICS: Final = 150
"""A broker makes one after the other, some milliseconds each. With thousands under way it is too busy to say
that it lives, and its controller takes it for dead."""

MOST_RECORDS: Final = 5_000
"""A controller refuses a request that makes more than 10,000: one for each topic, partition and setting."""

_DYNAMIC_TOPIC_CONFIG: Final = 1
_UNKNOWN_TOPIC: Final = 3
_THERE_ALREADY: Final = 36
"""Another process has just created it, from the same declaration."""

_TOO_FEW_BROKERS: Final = 38


class KafkaTopicAdmin:
    """Creates, alters and lists topics."""

    def __init__(self, bootstrap: KafkaAddress) -> None:
        self._bootstrap = bootstrap

    async def plan(self, wanted: Sequence[Topic]) -> tuple[TopicChange, ...]:
        """What `apply` would do to each, and nothing done."""
        async with self._admin() as admin:
            changes: list[TopicChange] = []
            for part in parts_of(wanted):
                there = await _described(admin, [topic.name for topic in part])
                for topic in part:
                    _check_partitions(topic, len(there[topic.name]) if topic.name in there else None)
                current = await _settings(admin, list(there)) if there else {}
                changes += [_planned(topic, there, current.get(topic.name, {})) for topic in part]
            return tuple(sorted(changes, key=lambda change: change.name))

    async def apply(
        self, wanted: Sequence[Topic], *, done: Callable[[int], None] = lambda _: None
    ) -> tuple[TopicChange, ...]:
        """Make Kafka agree with the declaration; `done` is told for how many topics it does by now."""
        async with self._admin() as admin:
            parts = tuple(parts_of(wanted))
            there: dict[str, int] = {}
            for part in parts:
                rows = await _described(admin, [topic.name for topic in part])
                there |= {name: len(partitions) for name, partitions in rows.items()}
            for topic in wanted:
                _check_partitions(topic, there.get(topic.name))
            changes: list[TopicChange] = []
            for part in parts:
                changes += await self._apply(admin, part, there.keys())
                done(len(changes))
            return tuple(sorted(changes, key=lambda change: change.name))

    async def _apply(
        self, admin: AIOKafkaAdminClient, part: Sequence[Topic], there: Collection[str]
    ) -> Sequence[TopicChange]:
        missing = [topic for topic in part if topic.name not in there]
        present = [topic for topic in part if topic.name in there]
        altered = await self._alter(admin, present) if present else {}
        if missing:
            await self._create(admin, missing)
        changes = [TopicChange(topic.name, "created", tuple(topic.config)) for topic in missing]
        for topic in present:
            names = altered.get(topic.name, ())
            changes.append(TopicChange(topic.name, "altered" if names else "kept", names))
        return changes

    async def list(self) -> tuple[str, ...]:
        """The names of all topics."""
        async with self._admin() as admin:
            return tuple(sorted(await admin.list_topics()))

    async def _create(self, admin: AIOKafkaAdminClient, missing: Sequence[Topic]) -> None:
        replicas = 3 if await _count_brokers(admin) >= 3 else 1
        left = [NewTopic(t.name, t.partitions, replicas, topic_configs=t.config) for t in missing]
        try:
            async with asyncio.timeout(CREATE_TIMEOUT):
                while True:
                    left = await _refused(admin, left)
                    if not left:
                        break
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise Unavailable(
                f"Kafka has not made {len(left)} topics", hint="see whether its brokers are up, and try again"
            ) from None
        await self._wait_for_leaders(admin, {topic.name for topic in missing})

    async def _wait_for_leaders(self, admin: AIOKafkaAdminClient, names: set[str]) -> None:
        # Creation is asynchronous: without a leader the first record would fail.
        async with asyncio.timeout(CREATE_TIMEOUT):
            while True:
                with contextlib.suppress(RequestTimedOutError):
                    rows = await _described(admin, sorted(names))
                    if all(rows.get(name) and all(p["leader"] >= 0 for p in rows[name]) for name in names):
                        return
                await asyncio.sleep(0.05)

    async def _alter(
        self, admin: AIOKafkaAdminClient, present: Sequence[Topic]
    ) -> dict[str, tuple[str, ...]]:
        current = await _settings(admin, [topic.name for topic in present])
        changed: dict[str, tuple[str, ...]] = {}
        resources = []
        for topic in present:
            have = current.get(topic.name, {})
            names = _differing(topic, have)
            if names:
                changed[topic.name] = names
                # The call replaces all of a topic's settings: what others have set is repeated.
                resources.append(
                    ConfigResource(ConfigResourceType.TOPIC, topic.name, {**have, **topic.config})
                )
        if resources:
            for answer in await admin.alter_configs(resources):
                for code, message, _, name in answer.resources:
                    if code:
                        raise TopicConflict(
                            f"Kafka did not alter {name}: {for_code(code).__name__}", hint=message or ""
                        )
        return changed

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**connection_settings(self._bootstrap), request_timeout_ms=15_000)
        try:
            await admin.start()
            yield admin
        except (KafkaError, OSError, TimeoutError) as error:
            raise not_reachable(self._bootstrap, error) from error
        finally:
            await close(admin.close())


def parts_of(topics: Sequence[Topic]) -> Iterator[list[Topic]]:
    """The topics in their order, in parts that one request may make."""
    part: list[Topic] = []
    records = 0
    for topic in topics:
        more = 1 + topic.partitions + len(topic.config)
        if part and (len(part) == MOST_TOPICS or records + more > MOST_RECORDS):
            yield part
            part, records = [], 0
        part.append(topic)
        records += more
    if part:
        yield part


async def _refused(admin: AIOKafkaAdminClient, wanted: Sequence[NewTopic]) -> list[NewTopic]:
    """Create topics; those to be asked for again, since too few brokers are up or none has answered."""
    try:
        answer = await admin.create_topics(wanted)
    except RequestTimedOutError:
        return list(wanted)  # whichever were made are there already the next time
    too_few = set()
    for name, code, message in answer.topic_errors:
        if code == _TOO_FEW_BROKERS:
            too_few.add(name)
        elif code not in (0, _THERE_ALREADY):
            raise TopicConflict(f"Kafka did not create {name}: {for_code(code).__name__}", hint=message or "")
    return [topic for topic in wanted if topic.name in too_few]


async def _described(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, list[dict[str, int]]]:
    """The partitions of those of these topics that there are."""
    rows = await admin.describe_topics(names)
    return {row["topic"]: row["partitions"] for row in rows if row["error_code"] != _UNKNOWN_TOPIC}


async def _count_brokers(admin: AIOKafkaAdminClient) -> int:
    # Of no topic: `describe_cluster` asks for all that there are.
    answer = await admin._get_cluster_metadata([])  # noqa: SLF001 - the library has no other question
    return len(answer.brokers)


async def _settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """What is set on each topic itself, defaults left out."""
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, n) for n in names]):
        for code, _, _, name, entries in answer.resources:
            if code == 0:
                own = [entry for entry in entries if entry[3] == _DYNAMIC_TOPIC_CONFIG]
                found[name] = {entry[0]: entry[1] for entry in own}
    return found


def _differing(topic: Topic, have: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(key for key, value in topic.config.items() if have.get(key) != value)


def _planned(topic: Topic, there: Collection[str], have: Mapping[str, str]) -> TopicChange:
    if topic.name not in there:
        return TopicChange(topic.name, "created", tuple(topic.config))
    names = _differing(topic, have)
    return TopicChange(topic.name, "altered" if names else "kept", names)


def _check_partitions(topic: Topic, there: int | None) -> None:
    if there is not None and there != topic.partitions:
        raise TopicConflict(
            f"the topic {topic.name} has {there} partitions, and {topic.partitions} are declared",
            hint="the number is chosen once, or conversations lose their order: declare what is there",
        )
