"""A server that is told to stop answers what it has and takes nothing more; a socket's name is its own alone."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runtime.errors import AlreadyRunning, HomeError
from runtime.process.http import bind_loopback, serve, unix_listener


async def test_a_request_in_hand_is_answered_before_the_server_ends() -> None:
    """Whoever cancels the server waits for the answer; the next one finds nobody."""
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        arrived.set()
        await answer.wait()
        return PlainTextResponse("answered")

    listener = bind_loopback(0)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(serve(Starlette(routes=[Route("/", slow)]), listener))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await arrived.wait()

    serving.cancel()
    asyncio.get_running_loop().call_soon(answer.set)
    with pytest.raises(asyncio.CancelledError):
        await serving

    # To the end: the connection is closed, although the client would have kept it.
    assert (await reader.read()).endswith(b"answered")
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


def test_a_dead_daemons_socket_is_replaced_and_ones_own_is_removed(tmp_path: Path) -> None:
    """What a killed process left has the name, and nobody behind it."""
    path = tmp_path / "run" / "api.sock"
    path.parent.mkdir()
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(path))

    with unix_listener(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(str(path))
    assert not path.exists()


def test_whoever_sees_the_name_can_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It appears once the socket listens: a command that comes in between must not hear that no daemon runs."""
    path, listen, seen = tmp_path / "api.sock", socket.socket.listen, []

    def look_and_listen(listener: socket.socket, backlog: int) -> None:
        seen.append(path.exists())
        listen(listener, backlog)

    monkeypatch.setattr(socket.socket, "listen", look_and_listen)
    with unix_listener(path):
        assert seen == [False]
        assert [name.name for name in tmp_path.iterdir()] == ["api.sock"]


def test_a_socket_that_another_put_there_stays(tmp_path: Path) -> None:
    """The end of one process does not take the next one's address."""
    path = tmp_path / "api.sock"
    with closing(socket.socket(socket.AF_UNIX)) as second:
        with unix_listener(path):
            path.unlink()
            second.bind(str(path))
            second.listen(1)
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(str(path))


def test_a_socket_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    """Somebody removed it: there is nothing to remove."""
    path = tmp_path / "api.sock"
    with unix_listener(path):
        path.unlink()


@pytest.mark.parametrize("busy", [False, True])
def test_whoever_answers_there_is_left_alone(tmp_path: Path, busy: bool) -> None:
    """Also a process that is too busy to take the call."""
    path = tmp_path / "api.sock"
    with ExitStack() as opened:
        first = opened.enter_context(closing(socket.socket(socket.AF_UNIX)))
        first.bind(str(path))
        first.listen(0)
        if busy:
            for _ in range(2):
                call = opened.enter_context(closing(socket.socket(socket.AF_UNIX)))
                call.setblocking(False)
                with suppress(BlockingIOError):
                    call.connect(str(path))
        before = path.lstat()
        with pytest.raises(AlreadyRunning, match="another daemon answers"), unix_listener(path):
            pytest.fail("it must not listen")
        assert os.path.samestat(before, path.lstat())


def test_a_file_of_that_name_is_not_removed(tmp_path: Path) -> None:
    """It is somebody's, and no socket."""
    path = tmp_path / "api.sock"
    path.write_text("mine")
    with pytest.raises(HomeError, match="is no socket"), unix_listener(path):
        pytest.fail("it must not listen")
    assert path.read_text() == "mine"


def test_a_path_that_is_too_long_for_a_socket_is_said_so(tmp_path: Path) -> None:
    """With its length, the bound and what to do, before anything is made of it."""
    path = tmp_path / ("d" * 100) / "run" / "api.sock"
    with (
        pytest.raises(HomeError, match="at most 100 bytes, and this one has") as refused,
        unix_listener(path),
    ):
        pass

    assert "bytes shorter" in refused.value.hint
    assert not path.parent.exists()
