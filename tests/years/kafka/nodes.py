"""The brokers of the model: which are up, who leads which partition, and who speaks for a group or an id.

Owns leadership, and the timers of all that the brokers do: they are in no party's context, so that what a party has
caused goes on when it is killed.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from zlib import crc32

from tests.years.kafka.codes import Refusal
from tests.years.kafka.group_state import Place
from tests.years.kafka.log import PartitionLog

if TYPE_CHECKING:
    from tests.years.kafka.connection import ModelConnection
    from tests.years.kafka.fetching import Session

FIRST_PORT: Final = 9_092


@dataclass(slots=True)
class Topic:
    """One topic. Its logs share its settings."""

    config: dict[str, str]
    logs: list[PartitionLog]


@dataclass(slots=True, eq=False)
class Node:
    """One broker."""

    number: int
    host: str
    port: int
    up: bool = True
    frozen: bool = False
    seen_up: bool = True
    """Whether the controller believes that it lives."""

    life: int = 0
    """Counts its starts: what was sent to an earlier life arrives nowhere."""

    connections: dict[ModelConnection, None] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    backlog: list[ModelConnection] = field(default_factory=list)


class Brokers:
    """The brokers of a cluster, and which of them leads and speaks for what."""

    def __init__(self, chance: random.Random, *, brokers: int, host: str) -> None:
        self.random = chance
        self.nodes = [Node(number, host, FIRST_PORT + number) for number in range(brokers)]
        self.hosts = frozenset({host})
        self.topics: dict[str, Topic] = {}
        self.failover = 1.0
        """Seconds until others lead what a broker led that is gone."""

        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.Context()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which it was first used: its time is the cluster's for all that waits."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    @property
    def bootstrap(self) -> str:
        """What clients are told as the address."""
        return ",".join(f"{node.host}:{node.port}" for node in self.nodes)

    # What happens to them.

    def stop_broker(self, number: int) -> None:
        """A broker is killed: its connections break, and others lead after `failover` seconds."""
        node = self.nodes[number]
        if not node.up:
            return
        node.up, node.frozen = False, False
        self.end_life(node)
        self.later(self.failover, self._lose, node)

    def start_broker(self, number: int) -> None:
        """It comes back, and leads what nobody leads."""
        node = self.nodes[number]
        node.up = node.seen_up = True
        self._fill_vacancies()

    def freeze(self, number: int) -> None:
        """A broker stands still: it takes requests and answers none. Others lead after a while."""
        node = self.nodes[number]
        if node.up and not node.frozen:
            node.frozen = True
            self.later(self.failover, self._lose, node)

    def thaw(self, number: int) -> None:
        """It goes on: what came in meanwhile is done now, as far as it may still do it."""
        node = self.nodes[number]
        if not node.frozen:
            return
        node.frozen, node.seen_up = False, True
        self._fill_vacancies()
        backlog, node.backlog = node.backlog, []
        for connection in [*backlog, *node.connections]:
            connection.go_on()

    def stop(self) -> None:
        """The whole cluster is off."""
        for node in self.nodes:
            self.stop_broker(node.number)

    def start(self) -> None:
        """The whole cluster is back."""
        for node in self.nodes:
            node.up = node.seen_up = True
        self._fill_vacancies()

    def move_leader(self, name: str, partition: int = 0, *, to: int | None = None) -> int:
        """Another broker leads a partition; its number."""
        log = self.topics[name].logs[partition]
        alive = [one.number for one in self.nodes if one.up and not one.frozen]
        others = [number for number in alive if number != log.leader] or alive or [log.leader]
        self.lead(log, to if to is not None else self.random.choice(others))
        return log.leader

    # Who is asked.

    def node_at(self, _host: str, port: int) -> Node | None:
        """The broker that listens there."""
        number = port - FIRST_PORT
        return self.nodes[number] if 0 <= number < len(self.nodes) else None

    def coordinator(self, key: str) -> Node | None:
        """The broker that speaks for a group or a transactional id; None while nobody does."""
        return self._chosen(crc32(key.encode()))

    def coordinating(self, node: Node, key: str) -> Refusal:
        """Whether this broker speaks for the key."""
        return Refusal.NONE if self.coordinator(key) is node else Refusal.NOT_COORDINATOR

    def _chosen(self, number: int) -> Node | None:
        # The one of its own number while it is believed to live, and the next one that is, otherwise.
        for turn in range(len(self.nodes)):
            node = self.nodes[(number + turn) % len(self.nodes)]
            if node.seen_up:
                return node if node.up else None
        return None

    def leader_for(self, place: Place) -> int:
        node = self._chosen(crc32(f"{place[0]}/{place[1]}".encode()))
        return -1 if node is None else node.number

    def _lose(self, node: Node) -> None:
        """The controller takes the broker for dead."""
        if node.up and not node.frozen:
            return
        node.seen_up = False
        for name, topic in self.topics.items():
            for number, log in enumerate(topic.logs):
                if log.leader == node.number:
                    self.lead(log, self.leader_for((name, number)))

    def _fill_vacancies(self) -> None:
        for name, topic in self.topics.items():
            for number, log in enumerate(topic.logs):
                if log.leader < 0:
                    self.lead(log, self.leader_for((name, number)))

    @staticmethod
    def lead(log: PartitionLog, number: int) -> None:
        log.leader = number
        log.leader_epoch += 1
        log.wake()

    @staticmethod
    def end_life(node: Node) -> None:
        """What it held in memory is gone, and its connections break."""
        node.life += 1
        node.sessions.clear()
        node.backlog.clear()
        for connection in list(node.connections):
            connection.break_off()

    # Time.

    def soon(self, do: Callable[..., object], *given: object) -> None:
        """Do something next. What the brokers do is nobody's who asked: it is in no party's context."""
        self.loop.call_soon(do, *given, context=self._context)

    def later(self, seconds: float, do: Callable[..., object], *given: object) -> asyncio.TimerHandle:
        """Do something after so many seconds."""
        return self.loop.call_later(seconds, do, *given, context=self._context)

    def at(self, moment: float, do: Callable[..., object], *given: object) -> asyncio.TimerHandle:
        """Do something at this time of the loop."""
        return self.loop.call_at(moment, do, *given, context=self._context)
