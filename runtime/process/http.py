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
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette

from runtime.errors import AlreadyRunning, HomeError, ProcessError

ENDS_WITHIN: Final = 2
"""Seconds for requests in hand once a server ends."""


class QuietServer(uvicorn.Server):
    """A server that leaves signals to its process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextmanager
def unix_listener(path: Path) -> Iterator[socket.socket]:
    """A listening unix socket with mode 0600; its name is removed at the end, if it is still this one's.

    The home is locked, so what has the name is a dead daemon's socket. Where the lock did not hold, somebody
    answers there, and is left alone: `AlreadyRunning`.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        before = os.umask(0o177)
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(before)
        ours = path.lstat()
        try:
            listener.listen(256)
            yield listener
        finally:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(ours, path.lstat()):
                    path.unlink()


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise HomeError(f"{path} is no socket", hint="move it away: the daemon listens under this name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass  # it has more callers than it can hold, so it is there
    raise AlreadyRunning(
        f"another daemon answers at {path}", hint="stop that one first; two would break the order"
    )


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
