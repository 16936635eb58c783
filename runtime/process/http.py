"""HTTP servers: on a unix socket, and on a loopback port.

The sockets are bound here and not by the server, so that other users can never open the unix socket, not even
for a moment, and a port that is in use is reported with its setting before anything is started.

Rule for the end of a process: servers end first, what answers their requests ends after them. A server
that is told to stop takes no new connection and answers what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette

from runtime.errors import HomeError, ProcessError

ENDS_WITHIN: Final = 2
"""Seconds for requests in hand once a server ends."""


class QuietServer(uvicorn.Server):
    """A server that leaves signals to its process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def bind_unix(path: Path) -> socket.socket:
    """A listening unix socket with mode 0600. The home is locked: a socket there is a dead daemon's."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    listener.listen(256)
    return listener


def bind_loopback(
    port: int, *, setting: str = "http_port in unit.toml", fault: type[ProcessError] = HomeError
) -> socket.socket:
    """A listening socket on 127.0.0.1. `setting` is where its number stands; a port in use is a `fault`."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise fault(
            f"port {port} on 127.0.0.1 cannot be used ({error.strerror})",
            hint=f"`ss -ltnp` names who listens there; end that program, or set another {setting}",
        ) from None
    listener.listen(64)
    return listener


async def serve(application: Starlette, listener: socket.socket) -> None:
    """Serve until cancelled, then let requests in hand end, for at most `ENDS_WITHIN`."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=ENDS_WITHIN,
    )
    server = QuietServer(config)
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        # A server that is only cancelled leaves its connections open, and still serves them.
        if server.started:
            await server.shutdown(sockets=[listener])
        raise
