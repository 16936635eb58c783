"""The local API: JSON over HTTP on a unix socket that only this user can reach.

Owns the routes and how errors look (RFC 9457, with our `code` and `hint`). What is done is a job of the
office. A problem goes back to the person who asked and is never logged: a draft's error names its values.

    POST /v1/messages            GET /v1/outbox       GET /v1/outbox/{id}
    GET  /v1/inbox               GET /v1/inbox/{id}   POST /v1/inbox/{id}/ack
    GET  /v1/units               GET /v1/units/{id}   GET /v1/keys   POST /v1/keys/rotate
    GET  /v1/trace/{id}          GET /v1/status       GET /healthz, /readyz, /metrics (also on loopback)
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from clients.daemon import directory_views, submitting, views
from clients.daemon.daemon import Daemon
from clients.daemon.errors import DaemonError
from clients.daemon.home import Home
from clients.daemon.requests import AckRequest, SendRequest
from clients.daemon.status import checks, refresh_gauges, status
from keys.store import write_private
from protocol.content import show_path
from protocol.errors import ContradaError, DraftError, Rejected
from protocol.identifiers import MessageId, UnitId, parse_unit_id, read_id
from protocol.limits import MAX_RECORD

log = structlog.get_logger()

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]

MAX_REQUEST = 2 * MAX_RECORD
MAX_PAGE = 500
MAX_WAIT = 30.0


class BadRequest(DaemonError):
    """The request is not one of this API's."""

    code = "E_REQUEST"
    status = 400


class TooLarge(DaemonError):
    """The request has more bytes than any message could need."""

    code = "E_SIZE"
    status = 413


class LocalApi:
    """The handlers, over one daemon."""

    def __init__(self, daemon: Daemon, home: Home) -> None:
        self._daemon = daemon
        self._office = daemon.office
        self._home = home

    async def send(self, request: Request) -> Response:
        """Take a message in. 202: it is on disk and will be sent."""
        done = await self._daemon.submit(await _form(request, SendRequest))
        return JSONResponse({"id": done.id, "thread": done.thread, "state": done.state}, status_code=202)

    async def outbox(self, request: Request) -> Response:
        """What was sent."""
        limit, after = _limit(request), _cursor(request)
        return await self._job("outbox", lambda: views.outbox_page(self._office, limit=limit, before=after))

    async def outbox_item(self, request: Request) -> Response:
        """One message that was sent."""
        mid = _mid(request)
        return await self._job("outbox_item", lambda: views.outbox_item(self._office, mid))

    async def inbox(self, request: Request) -> Response:
        """What was received; with `wait`, as soon as there is something behind `after`."""
        limit, after = _limit(request), _cursor(request) or 0
        wait = min(_number(request, "wait", 0.0), MAX_WAIT)
        level = self._daemon.arrivals.level
        page = await self._page(limit, after)
        if not page["items"] and wait > 0:
            await self._daemon.arrivals.reach(level + 1, within=wait)
            page = await self._page(limit, after)
        return JSONResponse(page)

    async def inbox_item(self, request: Request) -> Response:
        """Open a received message."""
        mid, sender = _mid(request), _sender(request)
        shown = await self._daemon.job("open", lambda: views.open_inbox_item(self._office, mid, sender))
        log.info("opened", message_id=shown["id"], sender=shown["sender"], unit=self._office.unit)
        return JSONResponse(shown)

    async def acknowledge(self, request: Request) -> Response:
        """Acknowledge a received message to its sender."""
        mid, sender = _mid(request), _sender(request)
        form = await _form(request, AckRequest)
        done = await self._daemon.job(
            "acknowledge",
            lambda: submitting.acknowledge_row(
                self._office, views.find_received(self._office, mid, sender), form
            ),
        )
        self._daemon.lanes.wake()
        return JSONResponse({"id": done.id, "thread": done.thread, "state": done.state}, status_code=202)

    async def units(self, _: Request) -> Response:
        """The units of the directory."""
        return await self._job("units", lambda: directory_views.units(self._office))

    async def unit(self, request: Request) -> Response:
        """One unit."""
        name = parse_unit_id(request.path_params["id"])
        return await self._job("unit", lambda: directory_views.unit_item(self._office, name))

    async def keys(self, _: Request) -> Response:
        """The unit's own keys."""
        return await self._job("keys", lambda: directory_views.own_keys(self._office))

    async def rotate(self, _: Request) -> Response:
        """Make the next identity and write the request for the centre."""

        def work() -> dict[str, Any]:
            made = self._office.keys.rotation_request(self._office.clock())
            write_private(self._home.rotation, made, entropy=os.urandom, replace=True)
            return directory_views.rotation(self._office, str(self._home.rotation))

        return await self._job("rotate", work)

    async def trace(self, request: Request) -> Response:
        """What is known of a message."""
        mid = _mid(request)
        return await self._job("trace", lambda: views.trace(self._office, mid))

    async def status(self, _: Request) -> Response:
        """The daemon at a glance."""
        return JSONResponse(await status(self._daemon))

    async def healthz(self, _: Request) -> Response:
        """The loop turns."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _: Request) -> Response:
        """The unit could send and receive now."""
        found = await checks(self._daemon)
        ready = all(check["ok"] for check in found.values())
        return JSONResponse({"ready": ready, "checks": found}, status_code=200 if ready else 503)

    async def metrics(self, _: Request) -> Response:
        """The metrics, for Prometheus."""
        await refresh_gauges(self._daemon)
        return Response(generate_latest(self._office.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _job(self, name: str, work: Callable[[], dict[str, Any]]) -> Response:
        return JSONResponse(await self._daemon.job(name, work))

    async def _page(self, limit: int, after: int) -> dict[str, Any]:
        return await self._daemon.job(
            "inbox", lambda: views.inbox_page(self._office, limit=limit, after=after)
        )


def application(api: LocalApi) -> Starlette:
    """Everything, for the unix socket."""
    routes = [
        Route("/v1/messages", api.send, methods=["POST"]),
        Route("/v1/outbox", api.outbox),
        Route("/v1/outbox/{id}", api.outbox_item),
        Route("/v1/inbox", api.inbox),
        Route("/v1/inbox/{id}", api.inbox_item),
        Route("/v1/inbox/{id}/ack", api.acknowledge, methods=["POST"]),
        Route("/v1/units", api.units),
        Route("/v1/units/{id}", api.unit),
        Route("/v1/keys", api.keys),
        Route("/v1/keys/rotate", api.rotate, methods=["POST"]),
        Route("/v1/trace/{id}", api.trace),
        Route("/v1/status", api.status),
        *_monitoring(api),
    ]
    return Starlette(routes=routes, exception_handlers={ContradaError: _answer, Exception: _answer})


def monitoring(api: LocalApi) -> Starlette:
    """The three pages for loopback: nothing of any message is reachable there."""
    return Starlette(routes=_monitoring(api), exception_handlers={Exception: _answer})


def _monitoring(api: LocalApi) -> list[Route]:
    return [
        Route("/healthz", api.healthz),
        Route("/readyz", api.readyz),
        Route("/metrics", api.metrics),
    ]


async def _answer(_: Request, error: Exception) -> Response:
    if not isinstance(error, ContradaError):
        # The type alone: an exception's words may quote what it failed on.
        log.error("request_failed", error=type(error).__name__)
        return _problem(500, "E_INTERNAL", "the daemon failed to answer", "see its log, and report it")
    if isinstance(error, DaemonError):
        code = error.status
    else:
        code = 422 if isinstance(error, Rejected | DraftError) else 500
    # The code stands beside the sentence already.
    detail = str(error).removeprefix(f"{error.code}: ")
    return _problem(code, error.code, detail, error.hint)


def _problem(status_code: int, code: str, detail: str, hint: str) -> Response:
    return JSONResponse(
        {
            "type": f"urn:contrada:error:{code}",
            "title": code,
            "status": status_code,
            "code": code,
            "detail": detail,
            "hint": hint,
        },
        status_code=status_code,
        media_type="application/problem+json",
    )


async def _form(request: Request, model: type[M]) -> M:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_REQUEST:
            raise TooLarge(f"more than {MAX_REQUEST} bytes", hint="send it in several messages")
    try:
        return model.model_validate_json(data or b"{}")
    except ValidationError as error:
        lines = [
            f"{show_path(fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_context=False, include_input=False)[:12]
        ]
    raise BadRequest("; ".join(lines), hint=f"the fields are: {', '.join(_names(model))}")


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _mid(request: Request) -> MessageId:
    return MessageId(read_id(request.path_params["id"]))


def _sender(request: Request) -> UnitId | None:
    given = request.query_params.get("sender")
    return None if given is None else parse_unit_id(given)


def _limit(request: Request) -> int:
    return max(1, min(int(_number(request, "limit", 100)), MAX_PAGE))


def _cursor(request: Request) -> int | None:
    return None if "after" not in request.query_params else int(_number(request, "after", 0))


def _number(request: Request, name: str, default: float) -> float:
    given = request.query_params.get(name)
    if given is None:
        return default
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number < 2**53:
        raise BadRequest(f"{name} is not a number from 0")
    return number
