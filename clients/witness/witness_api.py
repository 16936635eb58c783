"""The witness over HTTP: tlog-witness for logs and monitors, and the three pages for monitoring.

    POST /add-checkpoint               200 cosignatures | 400 | 403 | 404 | 409 size | 422 | 413 | 503
    GET  /<origin hash>/checkpoint     200 the newest cosigned note, with the log's signatures | 404
    GET  /healthz, /readyz, /metrics   on a port of their own, which no proxy makes public

There is no login: a request is authenticated by the log's signature in it. So its cost is bounded here: its
bytes, its time, and how many are in hand at once. A request on its way holds no place that another one needs:
where too many come slowly, the one that has come for longest is given up. Answers of tlog-witness are plain
text; what is not of that protocol, such as another path, is answered with a problem.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from clients.witness.errors import WitnessError
from clients.witness.queue import WitnessQueue
from clients.witness.service import HttpAnswer, plain_answer
from protocol.tlog.witnessing import MAX_REQUEST
from runtime.api.problems import pages_of
from runtime.process.health import health_routes

log = structlog.get_logger()

READ_WITHIN: Final = 10.0
IN_HAND: Final = 32
READING: Final = 64
"""Requests that are on their way at once: 38 MB of them at most."""

_ORIGIN_HASH = re.compile(r"[0-9a-f]{64}")


def witness_api(queue: WitnessQueue) -> Starlette:
    """What logs and monitors use."""
    in_hand, arriving = asyncio.Semaphore(IN_HAND), Arriving()

    async def add_checkpoint(request: Request) -> Response:
        try:
            data = await arriving.read(request)
        except (TimeoutError, ClientDisconnect):
            return _response(plain_answer(408, "the request did not arrive in time"))
        if data is None:
            return _response(plain_answer(413, f"more than {MAX_REQUEST} bytes"))
        if in_hand.locked():
            return _response(plain_answer(503, "too many requests at once"))
        async with in_hand:
            return _response(await queue.add_checkpoint(data))

    async def checkpoint(request: Request) -> Response:
        origin_hash = request.path_params["origin"]
        found = await queue.newest(origin_hash) if _ORIGIN_HASH.fullmatch(origin_hash) else None
        return _response(plain_answer(404, "never cosigned") if found is None else HttpAnswer(200, found))

    routes = [
        Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
        Route("/{origin}/checkpoint", checkpoint, methods=["GET"]),
    ]
    return pages_of(routes, errors={WitnessError: _refused})


def monitoring_api(queue: WitnessQueue) -> Starlette:
    """What the operator's own monitoring uses."""
    return pages_of(health_routes(queue.witness.metrics.registry, queue.checks))


class Arriving:
    """The requests that are on their way."""

    __slots__ = ("_deadlines",)

    def __init__(self) -> None:
        self._deadlines: dict[asyncio.Timeout, None] = {}

    async def read(self, request: Request) -> bytes | None:
        """All of a request; `TimeoutError` where it does not come in time, or others need its place."""
        async with asyncio.timeout(READ_WITHIN) as deadline:
            if len(self._deadlines) >= READING:
                oldest = next(iter(self._deadlines))
                del self._deadlines[oldest]
                oldest.reschedule(0.0)  # long ago
            self._deadlines[deadline] = None
            try:
                return await _body(request)
            finally:
                self._deadlines.pop(deadline, None)


async def _body(request: Request) -> bytes | None:
    """The request's bytes; None as soon as there are more than any request has."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_REQUEST:
            return None
    return bytes(data)


def _response(answer: HttpAnswer) -> Response:
    # As it stands: given as a media type, text gets a charset added, which text/x.tlog.size must not have.
    return Response(answer.body, status_code=answer.status, headers={"content-type": answer.media_type})


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, WitnessError):
        raise error
    return _response(plain_answer(error.status, f"{error.code}: {error}"))
