"""A server that is told to stop: what it has is answered, and nothing more is taken."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runtime.process.http import bind_loopback, serve


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
