"""HTTP servers: on a unix socket, and on a loopback port.

The sockets are bound here and not by the server, so that other users can never open the unix socket, not even
for a moment, and a port that is in use is reported with its setting before anything is started.

A connection costs a file of the process: whoever opens many and says nothing would keep everybody else out.
So a request's head has to come in time, and of too many connections the one goes that is idle for longest.

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
from operator import attrgetter
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.api.problems import PROBLEM, problem_text
from runtime.errors import AlreadyRunning, HomeError, ProcessError
from runtime.process.homes import check_socket_path

ENDS_WITHIN: Final = 2
"""Seconds for requests in hand once a server ends."""


MAX_HEAD: Final = 65_536
"""Bytes of a request's address and headers."""


HEAD_WITHIN: Final = 10.0
"""Seconds in which a request's head comes, of a connection on which nothing is in hand."""

MOST_CONNECTIONS: Final = 256
"""Connections of one server at once."""


class BoundedHttp(HttpToolsProtocol):
    """A connection on which a request's head has a bound, and what is no HTTP is answered with a problem."""

    idle_since = 0.0
    """When it was opened, or answered last."""

    _deadline: asyncio.TimerHandle | None = None
    """When a connection without a request ends."""

    _head = 0
    _waits = False
    """Whether a head has begun and not ended. The parser keeps a header until it is whole."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connected."""
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        self._wait_for_head()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        super().data_received(data)
        if self._deadline is None and self.is_idle:
            self._wait_for_head()
        if self._waits:
            self._head += len(data)
            if self._head > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head, self._waits = 0, True

    def on_url(self, url: bytes) -> None:
        """A part of its address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        super().on_headers_complete()
        self._waits = False
        self._stop_waiting()

    def on_response_complete(self) -> None:
        """A request is answered."""
        super().on_response_complete()
        self.idle_since = self.loop.time()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the server's own words
        """Answer what is no request, and close the connection."""
        if self._head > MAX_HEAD:
            status, code = "431 Request Header Fields Too Large", "E_SIZE"
            detail, hint = f"address and headers have at most {MAX_HEAD} bytes", "send less of them"
        else:
            status, code = "400 Bad Request", "E_REQUEST"
            detail, hint = "this is not a request of HTTP/1.1", "see RFC 9112; TLS is not spoken here"
        body = problem_text(int(status[:3]), code, detail, hint)
        head = f"HTTP/1.1 {status}\r\ncontent-type: {PROBLEM}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + body)
        self.transport.close()

    @property
    def is_idle(self) -> bool:
        """Whether no request is in hand."""
        return self.cycle is None or self.cycle.response_complete

    def give_up(self) -> None:
        """End a connection on which nothing is in hand."""
        self._stop_waiting()
        self.transport.abort()

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_WITHIN, self.give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _make_room(self) -> None:
        """End the connection that is idle for longest: this one, where all others have a request."""
        idle = [each for each in self.connections if isinstance(each, BoundedHttp) and each.is_idle]
        min(idle, key=attrgetter("idle_since")).give_up()

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > MAX_HEAD:
            # Whatever is raised here ends in `send_400_response`.
            raise ValueError


class QuietServer(uvicorn.Server):
    """A server that leaves signals to its process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextmanager
def unix_listener(path: Path) -> Iterator[socket.socket]:
    """A listening unix socket with mode 0600; its name is removed at the end, if it is still this one's.

    The name appears when the socket listens already: whoever sees it can connect. The home is locked, so what
    had the name before is a dead daemon's socket. Where the lock did not hold, somebody answers there, and is
    left alone: `AlreadyRunning`.
    """
    check_socket_path(path)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _clear(path)
    # No longer than the name itself, which is bounded for sockets.
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        before = os.umask(0o177)
        try:
            listener.bind(os.fspath(beside))
        finally:
            os.umask(before)
        listener.listen(256)
        beside.rename(path)
        ours = path.lstat()
        try:
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


async def serve(application: ASGIApp, listener: socket.socket) -> None:
    """Serve until cancelled, then let requests in hand end, for at most `ENDS_WITHIN`."""
    config = uvicorn.Config(
        application,
        http=BoundedHttp,
        ws="none",
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
