"""A server that is told to stop answers what it has and takes nothing more; a socket's name is its own alone."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runtime.errors import AlreadyRunning, HomeError
from runtime.process import http
from runtime.process.http import BoundedHttp, bind_loopback, serve, unix_listener
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, dropped, forced
from tests.waiting import GENEROUS


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


@asynccontextmanager
async def serving(answer: asyncio.Event) -> AsyncIterator[int]:
    """A server on a port; `/` is answered once the event is set, `/quick` at once."""

    async def page(request: Request) -> Response:
        if request.url.path == "/":
            await answer.wait()
        return PlainTextResponse("answered")

    listener = bind_loopback(0)
    port = listener.getsockname()[1]
    task = asyncio.create_task(serve(Starlette(routes=[Route("/{path:path}", page)]), listener))
    try:
        yield port
    finally:
        task.cancel()
        await asyncio.wait([task])


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUICK = GET.replace(b"/ ", b"/quick ", 1)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server ended the connection."""
    try:
        async with asyncio.timeout(GENEROUS):
            return not await reader.read()
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"\r\n", GET[:-2]])
async def test_who_does_not_come_to_the_end_of_a_head_is_given_up(
    monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """A connection is a file of the process; a request in hand takes its time."""
    monkeypatch.setattr(http, "HEAD_WITHIN", 0.05)
    answer = asyncio.Event()
    async with serving(answer) as port:
        patient, asking = await asyncio.open_connection("127.0.0.1", port)
        asking.write(GET)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        assert await ended(reader)
        answer.set()
        assert (await patient.readuntil(b"answered")).endswith(b"answered")
        if said:  # the same behind an answer; silence there ends after five seconds anyway
            asking.write(said)
            assert await ended(patient)
        writer.close()
        asking.close()


async def test_of_too_many_connections_the_one_goes_that_is_idle_for_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever holds many, silent or after an answer, keeps nobody out; a request in hand stays."""
    monkeypatch.setattr(http, "MOST_CONNECTIONS", 3)
    hold = asyncio.Event()
    async with serving(hold) as port:
        held, asking = await asyncio.open_connection("127.0.0.1", port)
        asking.write(GET)
        first, writing = await asyncio.open_connection("127.0.0.1", port)
        writing.write(QUICK)
        await first.readuntil(b"answered")
        silent, _ = await asyncio.open_connection("127.0.0.1", port)
        writing.write(QUICK)
        await first.readuntil(b"answered")  # so it was idle for less than the silent one
        for gone in (silent, first):
            newest, last = await asyncio.open_connection("127.0.0.1", port)
            last.write(QUICK)
            assert await ended(gone)
            assert (await newest.readuntil(b"answered")).endswith(b"answered")
        hold.set()
        assert (await held.readuntil(b"answered")).endswith(b"answered")


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(BoundedHttp.connection_made, dropped("self._make_room")),
        Mutant(BoundedHttp._make_room, called(min, "self")),
        Mutant(BoundedHttp._make_room, called(min, "max(_0, key=attrgetter('idle_since'))")),
        Mutant(BoundedHttp._make_room, forced(True, "is_idle")),
        Mutant(BoundedHttp.on_response_complete, dropped("self.idle_since")),
    ],
)
async def test_without_it_the_silent_keep_others_out(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    """Nobody goes, or somebody else."""
    monkeypatch.setattr("tests.unit.runtime.process.test_http.GENEROUS", 1)
    with mutated(mutant), pytest.raises((AssertionError, TimeoutError, OSError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(5):
            await test_of_too_many_connections_the_one_goes_that_is_idle_for_longest(monkeypatch)


@pytest.mark.parametrize(
    ("mutant", "said"),
    [
        (Mutant(BoundedHttp.connection_made, dropped("self._wait_for_head")), b""),
        (Mutant(BoundedHttp.data_received, dropped("self._wait_for_head")), b"\r\n"),
        (Mutant(BoundedHttp.on_headers_complete, dropped("self._stop_waiting")), b"GET / HT"),
    ],
)
async def test_without_it_a_head_may_take_for_ever(
    monkeypatch: pytest.MonkeyPatch, mutant: Mutant, said: bytes
) -> None:
    """Or a request in hand is given up."""
    monkeypatch.setattr("tests.unit.runtime.process.test_http.GENEROUS", 1)
    with mutated(mutant), pytest.raises((AssertionError, TimeoutError, OSError, asyncio.IncompleteReadError)):
        await test_who_does_not_come_to_the_end_of_a_head_is_given_up(monkeypatch, said)
