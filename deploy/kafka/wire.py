"""The few requests of Kafka's protocol that show whether a broker serves.

Owns: five request and response layouts, in old versions that Kafka 4 still speaks. Uses no Kafka client, so
that a client's fault can never look like a broker's. Rule: "serving" means that metadata lists every broker,
that the group and the transaction coordinator answer, and that the topics they stand on have all their
replicas.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

FIND_COORDINATOR, METADATA, OFFSET_FETCH, API_VERSIONS, INIT_PRODUCER_ID = 10, 3, 9, 18, 22
GROUP, TRANSACTION = 0, 1
PROBE = "contrada-launcher-probe"
INTERNAL = ("__consumer_offsets", "__transaction_state")
PAUSE_S = 0.02

T = TypeVar("T")


class NotServing(Exception):
    """The broker did not answer, or answered that it is not ready; the text says which."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker listens; with the directory of a certificate where it wants one."""

    host: str
    port: int
    tls: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who is in the cluster, and per asked topic the (leader, replicas in sync) of each partition."""

    brokers: dict[int, tuple[str, int]]
    topics: dict[str, list[tuple[int, int]]]


class _Reader:
    """Big-endian fields of one response."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, layout: str) -> int:
        (value,) = struct.unpack_from(f">{layout}", self.body, self.at)
        self.at += struct.calcsize(f">{layout}")
        return int(value)

    def text(self) -> str:
        length = self.take("h")
        if length < 0:
            return ""
        self.at += length
        return self.body[self.at - length : self.at].decode()

    def array(self, item: Callable[[], T]) -> list[T]:
        return [item() for _ in range(max(self.take("i"), 0))]


def serving(bootstrap: Address, *, brokers: int, replicas: int) -> None:
    """Return where the cluster serves; raise NotServing where it does not (yet)."""
    ask(bootstrap, API_VERSIONS, 0, b"")
    seen = metadata(bootstrap)
    if len(seen.brokers) < brokers:
        raise NotServing(f"{len(seen.brokers)} of {brokers} brokers have joined")
    _offsets_answer(coordinator(bootstrap, GROUP))
    _transactions_answer(coordinator(bootstrap, TRANSACTION))
    for topic, partitions in metadata(bootstrap, *INTERNAL).topics.items():
        if not partitions or any(leader < 0 or in_sync < replicas for leader, in_sync in partitions):
            raise NotServing(f"{topic} does not have all its replicas")


def wait_serving(
    bootstrap: Address, *, brokers: int, replicas: int, deadline: float, alive: Callable[[], None]
) -> None:
    """Ask until the cluster serves or `deadline` (monotonic) is past; `alive` raises where a process died."""
    while True:
        alive()
        try:
            return serving(bootstrap, brokers=brokers, replicas=replicas)
        except NotServing:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_S)


def metadata(address: Address, *topics: str) -> Metadata:
    """Metadata v1 of the named topics (none: the brokers alone)."""
    reader = ask(address, METADATA, 1, struct.pack(">i", len(topics)) + b"".join(map(_text, topics)))

    def broker() -> tuple[int, tuple[str, int]]:
        node, host, port = reader.take("i"), reader.text(), reader.take("i")
        reader.text()  # rack
        return node, (host, port)

    def partition() -> tuple[int, int]:
        reader.take("h")
        reader.take("i")
        leader = reader.take("i")
        reader.array(lambda: reader.take("i"))
        return leader, len(reader.array(lambda: reader.take("i")))

    def topic() -> tuple[str, list[tuple[int, int]]]:
        reader.take("h")
        name = reader.text()
        reader.take("b")
        return name, reader.array(partition)

    brokers = dict(reader.array(broker))
    reader.take("i")  # controller
    return Metadata(brokers, dict(reader.array(topic)))


def coordinator(address: Address, kind: int) -> Address:
    """FindCoordinator v1: who coordinates the probe's group or transactions; makes the internal topic."""
    reader = ask(address, FIND_COORDINATOR, 1, _text(PROBE) + struct.pack(">b", kind))
    reader.take("i")
    _no_error(reader.take("h"), "coordinator lookup")
    reader.text()
    reader.take("i")
    return Address(reader.text(), reader.take("i"), address.tls)


def _offsets_answer(address: Address) -> None:
    reader = ask(address, OFFSET_FETCH, 2, _text(PROBE) + struct.pack(">i", -1))

    def partition() -> None:
        reader.take("i")
        reader.take("q")
        reader.text()
        reader.take("h")

    reader.array(lambda: (reader.text(), reader.array(partition)))
    _no_error(reader.take("h"), "group coordinator")


def _transactions_answer(address: Address) -> None:
    reader = ask(address, INIT_PRODUCER_ID, 1, _text(PROBE) + struct.pack(">i", 10_000))
    reader.take("i")
    _no_error(reader.take("h"), "transaction coordinator")


def ask(address: Address, api: int, version: int, body: bytes) -> _Reader:
    """One request on a connection of its own; any failure of the network is NotServing."""
    request = struct.pack(">hhi", api, version, 1) + _text(PROBE) + body
    try:
        with _connected(address) as stream:
            stream.sendall(struct.pack(">i", len(request)) + request)
            (length,) = struct.unpack(">i", _exactly(stream, 4))
            return _Reader(_exactly(stream, length)[4:])
    except OSError as error:
        raise NotServing(f"{address} does not answer: {error}") from error


def _connected(address: Address) -> socket.socket:
    stream = socket.create_connection((address.host, address.port), timeout=2)
    if address.tls is None:
        return stream
    try:
        context = ssl.create_default_context(cafile=address.tls / "ca.pem")
        context.load_cert_chain(address.tls / "certificate.pem", address.tls / "key.pem")
        return context.wrap_socket(stream, server_hostname=address.host)
    except BaseException:
        stream.close()
        raise


def _exactly(stream: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        chunk = stream.recv(count - len(got))
        if not chunk:
            raise NotServing("the broker closed the connection")
        got += chunk
    return bytes(got)


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def _no_error(code: int, what: str) -> None:
    if code:
        raise NotServing(f"{what}: Kafka error {code}")
