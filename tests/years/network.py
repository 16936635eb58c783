"""HTTP between parties without sockets: what the ledger asks witnesses, and answers that never come.

Owns which party serves which port, who is cut off from whom, and how long a way takes. The seam is httpx's transport:
everything above it is the program's. A party that is paused or dead answers nothing; one that does not run refuses.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import httpx

from tests.years.lives import LIFE, Life


@dataclass
class Network:
    """Who serves what."""

    chance: random.Random
    places: dict[int, tuple[Life, Any]] = field(default_factory=dict)
    """By port: who serves there, and the ASGI application."""

    cut: set[str] = field(default_factory=set)
    """Parties that reach nobody and are reached by nobody."""

    asked: int = 0

    def serve(self, port: int, life: Life, application: Any) -> None:
        """This party serves this port as long as it lives."""
        self.places[port] = (life, application)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """One request from whoever asks."""
        self.asked += 1
        limits = request.extensions.get("timeout", {})
        body = await request.aread()
        await asyncio.sleep(self.chance.uniform(0.001, 0.05))
        caller = LIFE.get()
        life, application = self.places.get(request.url.port or 80, (None, None))
        names = {each.name for each in (caller, life) if each is not None}
        if names & self.cut:
            await asyncio.sleep(limits.get("connect") or 5.0)
            raise httpx.ConnectTimeout("cut off", request=request)
        if life is None or life.dead:
            raise httpx.ConnectError("refused", request=request)
        answer: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        life.start(_answer(application, request, body, answer), name="http")
        try:
            async with asyncio.timeout(limits.get("read") or 5.0):
                return await answer
        except TimeoutError:
            raise httpx.ReadTimeout("no answer", request=request) from None


async def _answer(
    application: Any, request: httpx.Request, body: bytes, answer: asyncio.Future[httpx.Response]
) -> None:
    asked = httpx.Request(request.method, request.url, headers=request.headers, content=body)
    try:
        made = await httpx.ASGITransport(application).handle_async_request(asked)
        found = httpx.Response(made.status_code, headers=made.headers, content=await made.aread())
    except Exception as error:
        if not answer.done():
            answer.set_exception(httpx.ReadError(str(error), request=request))
    else:
        if not answer.done():
            answer.set_result(found)


@contextmanager
def connected(network: Network) -> Iterator[None]:
    """Requests of httpx's asynchronous client go through this network."""

    async def handle(_: Any, request: httpx.Request) -> httpx.Response:
        return await network.handle(request)

    with patch.object(httpx.AsyncHTTPTransport, "handle_async_request", handle):
        yield
