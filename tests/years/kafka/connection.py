"""A connection of the client library's to a broker of the model: the seam.

    with installed(model):      connections to `model.bootstrap` are the model's, all others are the library's own

Owns the order of requests and answers of one connection, the faults on the way, and whose connection it is. Everything
above is what runs in production: the library's client, consumer, producer, group member and administration, and all
of runtime/kafka. Nothing is encoded on the way but the records, which are Kafka's bytes.

Rules: a broker does a connection's requests one after another, and the next one when the one before is answered; an
answer that is lost shows as the client's own time-out, and needs no timer before it is known to be lost.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from aiokafka import client as library
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import BrokerMetadata

from tests.years.kafka.broker import handle
from tests.years.kafka.codes import BEAT, FETCH, VERSIONS
from tests.years.kafka.refusals import REFUSALS

if TYPE_CHECKING:
    from tests.years.kafka.cluster import KafkaModel
    from tests.years.kafka.nodes import Node

PARTY: Final[ContextVar[str]] = ContextVar("party", default="")
"""Who makes a connection: set where a party starts, and inherited by its tasks."""


class _Asked:
    """One request on its way."""

    __slots__ = ("answer", "answered", "deadline", "fault", "released", "request")

    def __init__(self, request: Any, answer: asyncio.Future[Any], deadline: float, fault: str) -> None:
        self.request = request
        self.answer = answer
        self.deadline = deadline
        self.fault = fault
        self.answered = False
        self.released: Any = None
        """Ends a wait of the broker's for something new."""


class ModelConnection:
    """What `aiokafka.conn.AIOKafkaConnection` is to the client."""

    def __init__(
        self,
        model: KafkaModel,
        node: Node,
        *,
        party: str,
        timeout: float,
        idle: float,
        on_close: Any,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.model = model
        self.node = node
        self.party = party
        self.host, self.port = node.host, node.port
        self._loop = loop
        self._timeout = timeout
        self._on_close = on_close
        self._open = True
        self._at_broker: deque[_Asked] = deque()
        self._on_the_way: dict[_Asked, None] = {}
        self._busy: _Asked | None = None
        self._kept: list[tuple[_Asked, Any]] = []
        self._beat: _Asked | None = None
        self._last_arrival = self._last_answer = 0.0
        self._idle, self._used = idle, loop.time()
        self._node_life = node.life
        node.connections[self] = None

    # What the client calls.

    def connected(self) -> bool:
        """Whether it can be used. One that was idle for too long is closed when that is asked, with no timer."""
        if self._open and not self._on_the_way and self._loop.time() - self._used >= self._idle:
            self.close(reason=CloseReason.IDLE_DROP)
        return self._open

    def send(self, request: Any, expect_response: bool = True) -> Awaitable[Any]:
        """Send a request; the answer, `TimeoutError` where none comes, or an error of the connection."""
        if not self._open:
            raise KafkaConnectionError(f"No connection to broker at {self.host}:{self.port}")
        struct = request.prepare(VERSIONS)
        model, loop = self.model, self._loop
        fault = model.faults.draw(model.random, struct.API_KEY, self.party) if model.faults.armed else ""
        asked = _Asked(struct, loop.create_future(), loop.time() + self._timeout, fault)
        self._on_the_way[asked] = None
        if fault == "lose_request" or self.party in model.silent:
            self._expire(asked)
        elif fault == "break_before":
            model.soon(self.break_off)
        else:
            now = loop.time()
            at = self._last_arrival = max(now + model.delay(), self._last_arrival)
            if at > now:
                model.at(at, self._arrive, asked)
            else:
                model.soon(self._arrive, asked)
        return asked.answer

    def close(self, reason: Any = None, exc: BaseException | None = None) -> asyncio.Future[None]:
        """Close it; what was not answered fails. What is at the broker already may still be done."""
        done = self._loop.create_future()
        done.set_result(None)
        if not self._open:
            return done
        self._open = False
        self.node.connections.pop(self, None)
        if self.node.frozen and self._at_broker:
            self.node.backlog.append(self)  # it has them, and does them when it goes on
        if self._busy is not None and self._busy.released is not None:
            self._busy.released(silent=True)
        for asked in self._on_the_way:
            if not asked.answer.done():
                error = KafkaConnectionError(f"Connection at {self.host}:{self.port} closed")
                error.__cause__ = exc
                asked.answer.set_exception(error)
                asked.answer.exception()
        self._on_the_way.clear()
        self._kept.clear()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close(self, reason)
        return done

    # What happens to it.

    def break_off(self) -> None:
        """It breaks."""
        self.close(reason=CloseReason.CONNECTION_BROKEN)

    def go_on(self) -> None:
        """The broker, or the party, stood still and goes on: what was kept is done and told in its order."""
        kept, self._kept = self._kept, []
        for asked, answer in kept:
            self._deliver(asked, answer)
        beat, self._beat = self._beat, None
        if beat is not None:
            self._at_broker.appendleft(beat)
        self._next()

    def stand_still(self) -> None:
        """The party stands still: a heartbeat that is held for it counts as not heard from here on."""
        busy = self._busy
        if busy is not None and busy.request.API_KEY == BEAT and busy.released is not None:
            busy.released(silent=True)
            self._busy, self._beat = None, busy
            self._next()

    def swallow(self) -> None:
        """Packets of this party vanish: nothing that is under way is answered."""
        self.stand_still()
        for asked in self._on_the_way:
            asked.fault = "lose_answer"
            self._expire(asked)

    # On the way there.

    def _arrive(self, asked: _Asked) -> None:
        if asked.fault == "late_request":
            _, low, high = self.model.faults.late_request
            self.model.later(self.model.random.uniform(low, high), self._do_late, asked)
            self.break_off()
            return
        self._at_broker.append(asked)
        self._hurry()
        self._next()

    def _hurry(self) -> None:
        """What is held beyond its own time holds nobody up."""
        busy = self._busy
        if busy is not None and busy.released is not None and self._at_broker and self.model.patience:
            busy.released()

    @property
    def _is_heard(self) -> bool:
        """Whether the broker is still in the life in which it was connected to."""
        return self.node.up and self.node.life == self._node_life

    def _do_late(self, asked: _Asked) -> None:
        if self._is_heard:
            handle(self.model, self.node, asked.request, self.party, lambda *_: None)

    def _next(self) -> None:
        node = self.node
        while self._at_broker and self._busy is None and self._is_heard:
            if node.frozen:
                for asked in self._at_broker:
                    self._expire(asked)
                return
            asked = self._busy = self._at_broker.popleft()
            if asked.fault == "refuse" and asked.request.API_KEY in REFUSALS:
                REFUSALS[asked.request.API_KEY](
                    asked.request, lambda *fields, asked=asked: self._answered(asked, fields)
                )
                continue
            key = asked.request.API_KEY
            asked.released = handle(
                self.model,
                node,
                asked.request,
                self.party,
                lambda *fields, asked=asked: self._answered(asked, fields),
            )
            if not asked.answered and key not in (FETCH, BEAT):
                self._expire(asked)
            self._hurry()

    # On the way back.

    def _answered(self, asked: _Asked, fields: tuple[Any, ...]) -> None:
        if asked.answered:
            return
        asked.answered, asked.released = True, None
        if self.model.patience:
            asked.deadline = max(asked.deadline, self._loop.time() + self._timeout)
        if self._busy is asked:
            self._busy = None
            if self._at_broker:
                self.model.soon(self._next)
        if not self._open:
            return
        if asked.fault == "lose_answer":
            self._expire(asked)
        elif asked.fault == "break_after":
            self.model.soon(self.break_off)
        else:
            self._deliver(asked, asked.request.RESPONSE_TYPE(*fields))

    def _deliver(self, asked: _Asked, answer: Any) -> None:
        model = self.model
        if self.node.frozen or self.party in model.paused:
            self._kept.append((asked, answer))
            if self.node.frozen:
                self._expire(asked)
            return
        delay = model.delay()
        if asked.fault == "late_answer":
            _, low, high = model.faults.late_answer
            delay += model.random.uniform(low, high)
        now = self._loop.time()
        at = max(now + delay, self._last_answer)  # answers keep their order
        if at > now:
            self._last_answer = at
            if at > asked.deadline:
                self._expire(asked)
            self.model.at(at, self._hand_over, asked, answer)
        else:
            self._hand_over(asked, answer)

    def _hand_over(self, asked: _Asked, answer: Any) -> None:
        self._on_the_way.pop(asked, None)
        self._used = self._loop.time()
        if not asked.answer.done():
            asked.answer.set_result(answer)
        if asked.fault == "answer_twice" and self._open:
            self.model.soon(lambda: self.close(reason=CloseReason.OUT_OF_SYNC))

    def _expire(self, asked: _Asked) -> None:
        self.model.at(max(asked.deadline, self._loop.time()), self._time_out, asked)

    @staticmethod
    def _time_out(asked: _Asked) -> None:
        if not asked.answer.done():
            asked.answer.set_exception(TimeoutError())
            asked.answer.exception()  # whoever waits gets it; nobody may be waiting any more


@contextmanager
def installed(*models: KafkaModel) -> Iterator[None]:
    """Connections to the addresses of these models are theirs, until the end."""
    theirs = library.create_conn

    async def create_conn(host: str, port: int, **settings: Any) -> Any:
        for model in models:
            if host in model.hosts:
                return await _connect(model, host, port, settings)
        return await theirs(host, port, **settings)

    library.create_conn = create_conn
    # The library takes a broker at random from a set. By the tuple's own hash its order would be another one in each
    # process: a broker of no rack has None in it, and that has its address for a hash.
    with patch.object(BrokerMetadata, "__hash__", lambda broker: hash(broker.nodeId)):
        try:
            yield
        finally:
            library.create_conn = theirs


async def _connect(model: KafkaModel, host: str, port: int, settings: dict[str, Any]) -> ModelConnection:
    loop, party = asyncio.get_running_loop(), PARTY.get()
    timeout = settings.get("request_timeout_ms", 40_000) / 1000
    delay = model.delay()
    if delay:
        await asyncio.sleep(2 * delay)
    node = model.node_at(host, port)
    if node is None or not node.up or party in model.cut_off:
        await asyncio.sleep(model.random.uniform(0.0, 0.002))
        raise ConnectionRefusedError(f"{host}:{port}")
    if node.frozen or party in model.silent:
        await asyncio.sleep(timeout)
        raise TimeoutError
    idle = (settings.get("max_idle_ms") or math.inf) / 1000
    on_close = settings.get("on_close")
    return ModelConnection(model, node, party=party, timeout=timeout, idle=idle, on_close=on_close, loop=loop)
