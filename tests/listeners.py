"""Which listeners of some processes speak Kafka, and whether they do so with whoever comes.

Owns the look: sockets from /proc, and two tries at each: one request in plain, and a handshake of TLS. It uses no client, so
that a client's settings cannot hide what a listener does.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0
LISTEN = "0A"
ASKED = struct.pack(">hhih", 18, 0, 7, -1)
"""ApiVersions 0, which brokers and controllers answer to everybody; the number 7 comes back with the answer."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Ports by what they speak."""

    plain: frozenset[int]
    tls: frozenset[int]


def listeners_of(pids: Iterable[int]) -> Listeners:
    """What these processes' listeners speak; those of other protocols are in neither."""
    ports = sorted(_ports(pids))
    with ThreadPoolExecutor(max(len(ports), 1)) as pool:
        plain, tls = list(pool.map(_answers_in_plain, ports)), list(pool.map(_shakes_hands, ports))
    return Listeners(_those(ports, plain), _those(ports, tls))


def _those(ports: list[int], answers: list[bool]) -> frozenset[int]:
    return frozenset(port for port, yes in zip(ports, answers, strict=True) if yes)


def _ports(pids: Iterable[int]) -> set[int]:
    owned = {link for pid in pids for link in _sockets(pid)}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and f"socket:[{fields[9]}]" in owned:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


def _sockets(pid: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # a descriptor that has just been closed, as a broker does all the time
            found.append(os.readlink(path))
    return found


def _answers_in_plain(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stream:
            stream.sendall(struct.pack(">i", len(ASKED)) + ASKED)
            return stream.recv(8)[4:] == struct.pack(">i", 7)
    except OSError:
        return False


def _shakes_hands(port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whoever it is: only what it speaks
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stream:
            context.wrap_socket(stream).close()
            return True
    except OSError:
        return False
