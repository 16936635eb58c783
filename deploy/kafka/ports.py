"""Ports of the loopback address.

Owns: the choice of a free port and the answer to "is it taken?". Rule: free ports come from below the range
that outgoing connections use, so that a broker that was killed finds its port still free when it comes
back.
"""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
FIRST, LAST = 20_000, 31_999


def taken(port: int) -> bool:
    """True where something listens on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT does not count
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def free(count: int) -> list[int]:
    """That many different ports on which nothing listens."""
    candidates = random.sample(range(FIRST, LAST + 1), 2_000)
    return [port for port, _ in zip((p for p in candidates if not taken(p)), range(count), strict=False)]
