"""Kafka's own time: what the clock of the controller that leads shows, asked for and not written anywhere.

Owns the question and the connection for it. `DescribeQuorum` (KIP-595, KIP-836) is the one request that a
broker answers with its time and that changes nothing. Whoever asks needs `Describe` on the cluster. Rule:
what Kafka says is one voice (runtime/process/clock.py); nothing is dated by it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import structlog

from protocol.identifiers import Millis
from runtime.errors import Unavailable
from runtime.kafka.client import (
    AIOKafkaClient,
    IncompatibleBrokerVersion,
    KafkaError,
    RequestStruct,
    Response,
    as_connection_errors,
    sparing_client,
    types,
)
from runtime.kafka.closing import close
from runtime.kafka.requests import NO_TAGS, TAGS, PinnedRequest, by_topic
from runtime.kafka.security.access import KafkaAddress
from runtime.process.clock import KAFKA, ClockCheck

log = structlog.get_logger()

ASK_EVERY: Final = 5.0
"""Seconds between two questions of a process that decides or signs."""

ANSWER_WITHIN: Final = 5.0

_NEVER: Final = frozenset({31, 35})
"""Not allowed on the cluster; a version that it does not speak. Anything else passes, as an election does."""


METADATA_TOPIC: Final = "__cluster_metadata"

_Replicas = types.CompactArray(
    ("replica", types.Int32),
    ("log_end", types.Int64),
    ("last_fetched", types.Int64),
    ("last_caught_up", types.Int64),
    TAGS,
)


class _Quorum(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 55, 1
    SCHEMA = types.Schema(
        ("error_code", types.Int16),
        by_topic(
            ("error_code", types.Int16),
            ("leader", types.Int32),
            ("leader_epoch", types.Int32),
            ("high_watermark", types.Int64),
            ("voters", _Replicas),
            ("observers", _Replicas),
        ),
        TAGS,
    )


class _DescribeQuorum(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 55, 1, _Quorum
    SCHEMA = types.Schema(by_topic(), TAGS)


def quorum() -> PinnedRequest:
    """How the controllers stand: the one that leads them says its own time in it (KIP-836)."""
    return PinnedRequest(_DescribeQuorum, [(METADATA_TOPIC, [(0, NO_TAGS)], NO_TAGS)], NO_TAGS)


def leaders_time(answer: Any) -> int | None:
    """The leading controller's clock, Unix milliseconds, in an answer to `quorum`; None where it has none."""
    for _, partitions, _ in answer.topics or ():
        for _, error, leader, _, _, voters, _, _ in partitions:
            for replica, _, _, caught_up, _ in voters or ():
                if not error and replica == leader and caught_up > 0:
                    return int(caught_up)
    return None


class TimeSource(Protocol):
    """Somebody whose clock can be asked."""

    async def ask(self) -> Millis:
        """The time there now; `Unavailable` while it does not answer."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class NoTimeTold(Unavailable):
    """This Kafka answers, and does not say what time it is: it is too old, or does not let us ask."""


class KafkaTime:
    """Kafka's clock. Implements `TimeSource`."""

    def __init__(self, bootstrap: KafkaAddress) -> None:
        self._bootstrap = bootstrap
        self._client: AIOKafkaClient | None = None

    async def ask(self) -> Millis:
        """The time there now."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                if self._client is None:
                    client = sparing_client(self._bootstrap)
                    self._client = client
                    await client.bootstrap()
                with as_connection_errors():
                    answer = await self._client.send(self._client.get_random_node(), quorum())
        except IncompatibleBrokerVersion:
            raise NoTimeTold("this Kafka does not tell its time") from None
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise Unavailable(f"Kafka does not say what time it is ({type(error).__name__})") from error
        except BaseException:
            await self.close()
            raise
        try:
            t = leaders_time(answer)
        except (TypeError, ValueError):
            raise Unavailable("Kafka's answer to what time it is has another form") from None
        if t is not None:
            return Millis(t)
        refused = f"Kafka does not say what time it is (error {answer.error_code})"
        raise NoTimeTold(refused) if answer.error_code in _NEVER else Unavailable(refused)

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await close(client.close())


class TimeFeed:
    """Asks a source for its time again and again, and tells the check."""

    def __init__(self, source: TimeSource, check: ClockCheck, *, every: float = ASK_EVERY) -> None:
        self.check = check
        self._source = source
        self._every = every
        self._silent = False
        self._asked = asyncio.Event()

    async def compared(self) -> None:
        """Return once the source has told its time, or that it does not tell it."""
        await self._asked.wait()

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                await self.ask()
                await asyncio.sleep(self._every if self._asked.is_set() else self._every / 10)
        finally:
            await self._source.close()

    async def ask(self) -> None:
        """Ask once."""
        since = self.check.moment()
        try:
            t = await self._source.ask()
        except Unavailable as error:
            if not self._silent:
                log.warning("clock_not_compared", error=str(error))
            self._silent = True
            if isinstance(error, NoTimeTold):
                self._asked.set()
            return
        self._silent = False
        self.check.answered(KAFKA, t, since=since)
        self._asked.set()
