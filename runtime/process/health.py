"""What monitoring asks of the router, on loopback: /healthz, /readyz, /metrics.

Alive is not ready: /healthz says that the loop turns, /readyz that the router could decide a message
now, check by check, with ages.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runtime.errors import Unavailable

Checks = Callable[[], dict[str, dict[str, object]]]
"""Named checks, each with `ok` and whatever explains it."""


def app(registry: CollectorRegistry, checks: Checks) -> Starlette:
    """The three pages."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        found = checks()
        ready = all(check["ok"] for check in found.values())
        return JSONResponse({"ready": ready, "checks": found}, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    )


class QuietServer(uvicorn.Server):
    """A server that leaves the signals to the process it is part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not ours to capture."""
        yield


def listen(port: int) -> socket.socket:
    """Take the port; whoever starts a process does this first, so that a port in use is told at once."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise Unavailable(
            f"port {port} on 127.0.0.1 cannot be used for health and metrics ({error.strerror})",
            hint="`ss -ltnp` names who listens there; end that program or set another http_port",
        ) from error


async def serve(application: Starlette, listener: socket.socket) -> None:
    """Serve until cancelled."""
    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off")
    with listener:
        await QuietServer(config).serve(sockets=[listener])
