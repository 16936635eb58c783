"""What is sent during a run, and a record of what was promised.

A steady, bounded load through the daemons' local API: a few conversations for each unit, each one message at a
time, so that the order of a conversation is the order of the answers 202. A request that fails is made again
with the same idempotency key until it is answered. Beside it an intruder writes into the outboxes what no
daemon would: garbage, damaged copies and replays; and sometimes into the audit topic what nobody has signed.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka.client import connection_settings
from runtime.kafka.security.access import KafkaAddress
from tests.chaos.exchange import OUTSIDER
from tests.chaos.history import Message
from tests.waiting import until_async

DENIED_SHARE = 0.1
PER_UNIT = 3
AUDIT_SHARE = 0.2
"""Of what the intruder writes: garbage in the audit topic."""


class Refused(AssertionError):
    """A daemon did not take a message that it had to take."""


async def call(socket: Path, method: str, path: str, body: object = None, *, timeout: float = 60.0):
    """One request to a daemon's local API; status and decoded body. OSError or TimeoutError where there is none."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            data = b"" if body is None else json.dumps(body).encode()
            head = f"{method} {path} HTTP/1.0\r\nHost: unit\r\nContent-Length: {len(data)}\r\n"
            writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + data)
            answer = await reader.read()
        finally:
            writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    try:
        return int(head.split()[1]), json.loads(rest)
    except (IndexError, ValueError):
        raise ConnectionResetError("the daemon went away in the middle of its answer") from None


def draft(label: str) -> dict[str, object]:
    """Personal data, with a label to know it by."""
    return {
        "subject": label,
        "language": "en",
        "crime_areas": ["migrant-smuggling"],
        "items": [
            {
                "type": "vessel",
                "handling": "H1",
                "evaluation": "B2",
                "purposes": ["operational"],
                "data_class": "personal",
                "review": "2029-03-01T00:00:00Z",
                "name": label,
                "reason": " ".join(["Left a marina at night, low in the water, transponder off since."] * 4),
            }
        ],
    }


async def ready(sockets: dict[str, Path]) -> None:
    """Return when every daemon could send and receive."""
    for unit, socket in sockets.items():
        await until_async(
            lambda socket=socket: call(socket, "GET", "/readyz"),
            lambda answer: answer[0] == 200,
            what=f"the daemon of {unit} to be ready",
            despite=(OSError, TimeoutError),
        )


class Load:
    """Conversations that go on until they are told to stop."""

    def __init__(self, sockets: dict[str, Path], *, seed: int, rate: float, per_unit: int = PER_UNIT) -> None:
        self.messages: list[Message] = []
        self.retries = 0
        self._sockets = sockets
        self._random = random.Random(f"load {seed}")
        self._pause = len(sockets) * per_unit / rate
        self._per_unit = per_unit
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Send until stopped, and then until everything begun is answered."""
        async with asyncio.TaskGroup() as group:
            for unit in self._sockets:
                for number in range(self._per_unit):
                    group.create_task(self._converse(unit, f"{unit}-{number}"))

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    async def _converse(self, sender: str, name: str) -> None:
        chance = random.Random(f"{self._random.random()} {name}")
        thread = uuid.UUID(bytes=chance.randbytes(16))
        others = [unit for unit in self._sockets if unit != sender]
        place = 0
        while not self._stopping.is_set():
            to = chance.sample(others, chance.randint(1, len(others)))
            denied = chance.random() < DENIED_SHARE
            label = f"{name} #{place}"
            body = {
                "kind": "information",
                "to": [*to, OUTSIDER] if denied else to,
                "draft": draft(label),
                "thread": str(thread),
                "idempotency_key": f"{name}/{thread}/{place}",
            }
            answer = await self._submit(sender, body)
            self.messages.append(
                Message(
                    sender=sender,
                    message_id=uuid.UUID(answer["id"]).bytes,
                    thread=uuid.UUID(answer["thread"]).bytes,
                    to=frozenset(body["to"]),
                    place=place,
                    denied=denied,
                    label=label,
                )
            )
            place += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pause * chance.uniform(0.5, 1.5))

    async def _submit(self, sender: str, body: dict[str, object]) -> dict[str, str]:
        while True:
            try:
                status, answer = await call(self._sockets[sender], "POST", "/v1/messages", body)
            except (OSError, TimeoutError):
                self.retries += 1
                await asyncio.sleep(0.2)
                continue
            if status == 202:
                return answer
            # What was not answered in time may still be in hand: 409.
            if status < 500 and answer["code"] != "E_IN_HAND":
                raise Refused(f"{sender}: {status} {answer}")
            self.retries += 1
            await asyncio.sleep(0.2)


class Intruder:
    """Whoever can write anywhere and has no key, with the centre's certificate: garbage, damaged copies, replays."""

    def __init__(
        self, bootstrap: KafkaAddress, units: Sequence[str], *, seed: int, every: float = 1.0
    ) -> None:
        self.written = 0
        self._bootstrap = bootstrap
        self._units = units
        self._random = random.Random(f"intruder {seed}")
        self._every = every

    async def run(self) -> None:
        """Write now and then, until cancelled; what Kafka does not take is left out."""
        producer = AIOKafkaProducer(
            **connection_settings(self._bootstrap),
            acks="all",
            request_timeout_ms=5000,
            max_request_size=2_000_000,
        )
        reader = AIOKafkaConsumer(**connection_settings(self._bootstrap), request_timeout_ms=5000)
        await producer.start()
        await reader.start()
        try:
            while True:
                await asyncio.sleep(self._every * self._random.uniform(0.5, 1.5))
                with suppress(Exception):
                    async with asyncio.timeout(10):
                        await self._write(producer, reader)
        finally:
            for part in (producer, reader):
                with suppress(Exception):
                    await asyncio.wait_for(part.stop(), 5)

    async def _write(self, producer: AIOKafkaProducer, reader: AIOKafkaConsumer) -> None:
        if self._random.random() < AUDIT_SHARE:
            await producer.send_and_wait(topics.AUDIT, self._random.randbytes(200), partition=0)
            return
        outbox = TopicPartition(topics.outbox(UnitId(self._random.choice(self._units))), 0)
        reader.assign([outbox])
        end = (await reader.end_offsets([outbox]))[outbox]
        value = self._random.randbytes(300)
        if end:
            reader.seek(outbox, self._random.randrange(end))
            seen = (await reader.getone(outbox)).value
            damaged = bytearray(seen)
            damaged[self._random.randrange(len(damaged))] ^= 1 << self._random.randrange(8)
            value = self._random.choice([value, seen, bytes(damaged), seen[: len(seen) // 2]])
        await producer.send_and_wait(outbox.topic, value, partition=outbox.partition)
        self.written += 1
