"""Ports of the loopback address.

Owns: the choice of a free port and the answer to "is it taken?". Rules: free ports come from below the range
that outgoing connections use, so that a broker that was killed finds its port still free when it comes
back; a port that was handed out stays bound here until this process ends, so that no other process that looks
for one is given the same before somebody listens there, or while a broker is down.
"""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
FIRST, LAST = 20_000, 31_999
_handed_out: list[socket.socket] = []


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
    """That many different ports on which nothing listens, and which no other caller was given."""
    candidates = random.sample(range(FIRST, LAST + 1), 2_000)
    return [port for port, _ in zip(filter(_hold, candidates), range(count), strict=False)]


def _hold(port: int) -> bool:
    """Bind it for as long as this process lives; False where anybody else has it."""
    held = socket.socket()
    try:
        held.bind((HOST, port))
    except OSError:
        held.close()
        return False
    # Set only now: bound without it, the port is ours alone; with it, who sets it too may still listen there.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _handed_out.append(held)
    return True
