"""The witness over HTTP: tlog-witness for logs and monitors, and the three pages for monitoring.

    POST /add-checkpoint               200 cosignatures | 400 | 403 | 404 | 409 size | 422 | 413 | 503
    GET  /<origin hash>/checkpoint     200 the newest cosigned note, with the log's signatures | 404
    GET  /healthz, /readyz, /metrics   on a port of their own, which no proxy makes public

There is no login: a request is authenticated by the log's signature in it. So its cost is bounded here: its
bytes, its time, and how many are in hand at once. Answers of tlog-witness are plain text; what is not of that
protocol, such as another path, is answered with a problem.
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

_ORIGIN_HASH = re.compile(r"[0-9a-f]{64}")


def witness_api(queue: WitnessQueue) -> Starlette:
    """What logs and monitors use."""
    in_hand = asyncio.Semaphore(IN_HAND)

    async def add_checkpoint(request: Request) -> Response:
        if in_hand.locked():
            return _response(plain_answer(503, "too many requests at once"))
        async with in_hand:
            try:
                async with asyncio.timeout(READ_WITHIN):
                    data = await _body(request)
            except (TimeoutError, ClientDisconnect):
                return _response(plain_answer(408, "the request did not arrive in time"))
            if data is None:
                return _response(plain_answer(413, f"more than {MAX_REQUEST} bytes"))
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
