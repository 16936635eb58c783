"""Ports of loopback for the demo's processes.

Owns choosing them. Rule: a port is kept for whom it was named to, until this process ends.
"""

from __future__ import annotations

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """A port of loopback that nobody uses now, kept for whom this process names it to."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    # Set only now: bound without it, the port is ours alone; with it, who sets it too may still listen there.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _held.append(held)
    return int(held.getsockname()[1])
