"""The positions of many groups at once: each unit tells how far it has read in a group of its own.

Owns the two requests that name several groups, FindCoordinator 4 (KIP-699) and OffsetFetch 8 (KIP-709), and
their sending: of thousands of groups a few requests to each coordinator. What one position of an answer
means is runtime/kafka/positions.py; these are not stable ones, since nothing is decided by them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from runtime.errors import Unavailable
from runtime.kafka.client import (
    AIOKafkaClient,
    ConnectionGroup,
    RequestStruct,
    Response,
    as_connection_errors,
    types,
)
from runtime.kafka.ports import Place
from runtime.kafka.positions import Found, PositionAnswer
from runtime.kafka.requests import NO_TAGS, TAGS, TEXT, PinnedRequest, by_topic

AT_ONCE: Final = 200
"""Groups of one request: each has two or three positions."""

_GROUP: Final = 0
_NOT_FOUND: Final = 69
"""GROUP_ID_NOT_FOUND: nobody has ever told anything there."""


class _CoordinatorsFound(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 10, 4
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        (
            "coordinators",
            types.CompactArray(
                ("key", TEXT),
                ("node", types.Int32),
                ("host", TEXT),
                ("port", types.Int32),
                ("error_code", types.Int16),
                ("error_message", TEXT),
                TAGS,
            ),
        ),
        TAGS,
    )


class _FindCoordinators(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 10, 4, _CoordinatorsFound
    SCHEMA = types.Schema(("kind", types.Int8), ("keys", types.CompactArray(TEXT)), TAGS)


class _GroupsFetched(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 9, 8
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        (
            "groups",
            types.CompactArray(
                ("group", TEXT),
                by_topic(
                    ("offset", types.Int64),
                    ("leader_epoch", types.Int32),
                    ("metadata", TEXT),
                    ("error_code", types.Int16),
                ),
                ("error_code", types.Int16),
                TAGS,
            ),
        ),
        TAGS,
    )


_ASKED: Final = (("topic", TEXT), ("partitions", types.CompactArray(types.Int32)), TAGS)


class _FetchGroups(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 9, 8, _GroupsFetched
    SCHEMA = types.Schema(
        (
            "groups",
            types.CompactArray(
                ("group", TEXT),
                ("topics", types.CompactArray(*_ASKED)),
                TAGS,
            ),
        ),
        ("stable", types.Boolean),
        TAGS,
    )


class _OneGroup:
    """A group's part of an answer, in the form of an answer about one."""

    def __init__(self, topics: Any, error_code: int) -> None:
        self.topics, self.error_code = topics, error_code


async def positions_of_groups(
    client: AIOKafkaClient, wanted: Mapping[str, Sequence[Place]]
) -> dict[Place, Found]:
    """The position of each place in its own group; None where none was told. `Unavailable` if not known."""
    by_node: dict[int, list[str]] = {}
    for part in _parts(wanted):
        for group, node in (await _coordinators(client, part)).items():
            by_node.setdefault(node, []).append(group)
    asked = [
        _fetched(client, node, {group: wanted[group] for group in part})
        for node, groups in by_node.items()
        for part in _parts(groups)
    ]
    return {place: found for part in await asyncio.gather(*asked) for place, found in part.items()}


async def _coordinators(client: AIOKafkaClient, groups: Sequence[str]) -> dict[str, int]:
    question = PinnedRequest(_FindCoordinators, _GROUP, list(groups), NO_TAGS)
    with as_connection_errors():
        answer = await client.send(client.get_random_node(), question)
    found: dict[str, int] = {}
    for group, node, _, _, code, *_ in answer.coordinators:
        if code:
            raise Unavailable(f"the coordinator of {group} is not known (error {code})")
        found[group] = node
    return found


async def _fetched(
    client: AIOKafkaClient, node: int, wanted: Mapping[str, Sequence[Place]]
) -> dict[Place, Found]:
    groups = [(group, _topics(places), NO_TAGS) for group, places in wanted.items()]
    question = PinnedRequest(_FetchGroups, groups, False, NO_TAGS)  # noqa: FBT003
    with as_connection_errors():
        answer = await client.send(node, question, group=ConnectionGroup.COORDINATION)
    found: dict[Place, Found] = {}
    for group, topics, code, _ in answer.groups:
        if code == _NOT_FOUND:
            found |= dict.fromkeys(wanted[group])
            continue
        one = PositionAnswer(_OneGroup(topics, code))
        found |= {place: one.position(*place) for place in wanted[group]}
    return found


def _topics(places: Iterable[Place]) -> list[tuple[str, list[int], Any]]:
    by_topic: dict[str, list[int]] = {}
    for topic, partition in places:
        by_topic.setdefault(topic, []).append(partition)
    return [(topic, partitions, NO_TAGS) for topic, partitions in by_topic.items()]


def _parts(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while part := list(islice(rest, AT_ONCE)):
        yield part
