"""Serving: the unix socket and the loopback port, both under our own hand.

The sockets are bound here and not by the server, so that the unix socket is never open to others for a
moment, and a port that is taken is said by name.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from clients.daemon.errors import HomeError


class QuietServer(uvicorn.Server):
    """A server that leaves the signals to the process it is part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not ours to capture."""
        yield


def bind_unix(path: Path) -> socket.socket:
    """A listening unix socket with mode 0600. The home is held: what lies there is a dead daemon's."""
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


def bind_loopback(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise HomeError(
            f"port {port} on 127.0.0.1 cannot be used ({error.strerror})",
            hint="set another http_port in unit.toml, or 0 for none",
        ) from None
    listener.listen(64)
    return listener


async def serve(application: Starlette, listener: socket.socket) -> None:
    """Serve until cancelled."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=2,
    )
    await QuietServer(config).serve(sockets=[listener])
