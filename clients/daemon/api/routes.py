"""The local API: JSON over HTTP on a unix socket that only this user can reach.

Owns the routes. The work is a job in the worker's thread; the form of errors is in `problems`, the end of the
API in `gate`.

    POST /v1/messages            GET /v1/outbox       GET /v1/outbox/{id}    POST /v1/outbox/{id}/again
    GET  /v1/inbox               GET /v1/inbox/{id}   POST /v1/inbox/{id}/ack
                                 GET /v1/inbox/{id}/content   POST /v1/inbox/{id}/opened
    GET  /v1/units               GET /v1/units/{id}   GET /v1/keys   POST /v1/keys/rotate
    GET  /v1/trace/{id}          GET /v1/proofs/{id}  GET /v1/receipts/{id}
    GET  /v1/alarms              POST /v1/alarms/ack  GET /v1/evidence
    GET  /v1/status              GET /healthz, /readyz, /metrics (also on loopback)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clients.daemon.api import alarm_views, directory_views, ledger_views, views
from clients.daemon.api.gate import Gate
from clients.daemon.api.idempotency import KeysInHand, key_of, no_key_of, one_key_of
from clients.daemon.api.lists import (
    INBOX_STATES,
    MAX_LIMIT,
    OUTBOX_STATES,
    ListQuery,
    inbox_page,
    outbox_page,
)
from clients.daemon.api.problems import problem_of
from clients.daemon.api.status import daemon_status, readiness_checks, refresh_gauges
from clients.daemon.daemon import Daemon
from clients.daemon.receiving import receipts
from clients.daemon.sending import acknowledgements, awaiting
from clients.daemon.sending.composing import Submitted
from clients.daemon.sending.requests import MAX_REQUEST, AckRequest, Form, SendRequest, read_api_request
from clients.daemon.store.alarms import ALARM_STATES
from clients.daemon.store.message_ids import Place, find_id
from keys.store import write_private
from protocol.errors import ContradaError
from protocol.identifiers import MessageId, UnitId, parse_unit_id, read_id_or_prefix
from protocol.limits import MAX_UINT
from protocol.times import Bound
from runtime.api.problems import pages_of
from runtime.api.queries import Reader, bound_in_time, one_of, read_wait, takes, whole
from runtime.bounded import gather_bounded
from runtime.process.health import health_routes
from runtime.process.homes import UnitHome

log = structlog.get_logger()

F = TypeVar("F", bound=Form)

MAX_WAIT = 30.0

_LIST: Final[dict[str, Reader]] = {
    "limit": whole(1, MAX_LIMIT),
    "after": whole(0, MAX_UINT),
    "before": whole(0, MAX_UINT),
    "order": one_of("oldest", "newest"),
    "since": bound_in_time(Bound.LOWER),
    "until": bound_in_time(Bound.UPPER),
}


class LocalApi:
    """The handlers, over one daemon."""

    def __init__(self, daemon: Daemon, home: UnitHome) -> None:
        self._daemon = daemon
        self._context = daemon.context
        self._home = home
        self.gate = Gate()
        self._keys_in_hand = KeysInHand()

    async def stop(self) -> None:
        """Refuse new requests, and end those that wait for messages."""
        self.gate.shut()
        await self._daemon.arrivals.advance(self._daemon.arrivals.level + 1)

    async def send(self, request: Request) -> Response:
        """Take a message in. 202: it is on disk and will be sent."""
        form = await _form(request, SendRequest)
        key = one_key_of(request, form.idempotency_key)
        with self._keys_in_hand.hold(key):
            done = await self._daemon.intake.submit(form.model_copy(update={"idempotency_key": key}))
        return _accepted(done, views.caveats_shown(form.draft))

    @takes(state=one_of(*OUTBOX_STATES), thread=read_id_or_prefix, **_LIST)
    async def outbox(self, _: Request, **query: Any) -> Response:
        """What was sent."""
        return await self._job("outbox", lambda: outbox_page(self._context, ListQuery(**query)))

    async def outbox_item(self, request: Request) -> Response:
        """One message that was sent."""
        find = self._find(request, Place.OUTBOX)
        return await self._job("outbox_item", lambda: views.outbox_item(self._context, find()))

    async def again(self, request: Request) -> Response:
        """Send an accepted message again that an addressee has not acknowledged. 202: it will be sent."""
        no_key_of(request)
        context, find = self._context, self._find(request, Place.OUTBOX)
        shown = await self._daemon.job(
            "again", lambda: views.outbox_item(context, awaiting.send_again(context, find()))
        )
        self._daemon.lanes.wake()
        await self._daemon.disk.flushed()
        return JSONResponse(shown, status_code=202)

    @takes(state=one_of(*INBOX_STATES), wait=read_wait, thread=read_id_or_prefix, **_LIST)
    async def inbox(self, _: Request, *, wait: float = 0.0, **query: Any) -> Response:
        """What was received; with `wait`, as soon as there is something behind `after`."""
        asked = ListQuery(**query)
        level = self._daemon.arrivals.level
        newest = self._daemon.newest
        # A client that follows the inbox has mostly seen all of it: no query before the wait.
        if wait <= 0 or newest is None or (asked.after or 0) < newest or asked.order != "oldest":
            page = await self._page(asked)
            if page["items"] or wait <= 0:
                return JSONResponse(page)
        await self._daemon.arrivals.reached(level + 1, within=min(wait, MAX_WAIT))
        return JSONResponse(await self._page(asked))

    @takes(sender=parse_unit_id)
    async def inbox_item(self, request: Request, *, sender: UnitId | None = None) -> Response:
        """Open a received message."""
        find = self._find(request, Place.INBOX)
        shown = await self._daemon.job("open", lambda: views.open_inbox_item(self._context, find(), sender))
        log.info("opened", message_id=shown["id"], sender=shown["sender"], unit=self._context.unit)
        return JSONResponse(shown)

    @takes(sender=parse_unit_id)
    async def inbox_content(self, request: Request, *, sender: UnitId | None = None) -> Response:
        """The same for a client that says with `opened` that it has shown it. That it left is logged."""
        find = self._find(request, Place.INBOX)
        shown = await self._daemon.job("read", lambda: views.read_inbox_item(self._context, find(), sender))
        log.info("shown", message_id=shown["id"], sender=shown["sender"], unit=self._context.unit)
        return JSONResponse(shown)

    @takes(sender=parse_unit_id)
    async def opened(self, request: Request, *, sender: UnitId | None = None) -> Response:
        """An officer has seen it: it counts as opened."""
        no_key_of(request)
        find = self._find(request, Place.INBOX)
        shown = await self._daemon.job("opened", lambda: views.count_as_opened(self._context, find(), sender))
        log.info("opened", message_id=shown["id"], sender=shown["sender"], unit=self._context.unit)
        return JSONResponse(shown)

    @takes(sender=parse_unit_id)
    async def acknowledge(self, request: Request, *, sender: UnitId | None = None) -> Response:
        """Acknowledge a received message to its sender."""
        find = self._find(request, Place.INBOX)
        key, form = key_of(request), await _form(request, AckRequest)

        def work() -> Submitted:
            row = views.find_received(self._context, find(), sender)
            return acknowledgements.acknowledge_row(self._context, row, form, key=key)

        with self._keys_in_hand.hold(key):
            done = await self._daemon.job("acknowledge", work)
            self._daemon.lanes.wake()
            await self._daemon.disk.flushed()
        return _accepted(done)

    async def units(self, _: Request) -> Response:
        """The units of the directory."""
        return await self._job("units", lambda: directory_views.unit_list(self._context))

    async def unit(self, request: Request) -> Response:
        """One unit."""
        name = parse_unit_id(request.path_params["id"])
        return await self._job("unit", lambda: directory_views.unit_item(self._context, name))

    async def keys(self, _: Request) -> Response:
        """The unit's own keys."""
        return await self._job("keys", lambda: directory_views.own_keys(self._context))

    async def rotate(self, request: Request) -> Response:
        """Make the next identity and write the request for the centre."""
        no_key_of(request)

        def work() -> dict[str, Any]:
            made = self._context.keys.rotation_request(self._context.clock())
            write_private(self._home.rotation, made, entropy=os.urandom, replace=True)
            return directory_views.rotation(self._context, str(self._home.rotation))

        return await self._job("rotate", work)

    async def trace(self, request: Request) -> Response:
        """What is known of a message."""
        find = self._find(request, Place.BOTH)
        return await self._job("trace", lambda: views.message_trace(self._context, find()))

    async def proofs(self, request: Request) -> Response:
        """The proofs that a message has in the ledger."""
        find = self._find(request, Place.BOTH)
        return await self._job("proofs", lambda: ledger_views.proofs(self._context, find()))

    async def receipts(self, request: Request) -> Response:
        """What routers signed of a message."""
        find = self._find(request, Place.BOTH)
        return await self._job("receipts", lambda: receipts.receipts_of_message(self._context, find()))

    @takes(state=one_of(*ALARM_STATES), **_LIST)
    async def alarms(self, _: Request, **query: Any) -> Response:
        """What an officer must look at, or has looked at."""
        return await self._job("alarms", lambda: alarm_views.alarm_page(self._context, ListQuery(**query)))

    async def acknowledge_alarms(self, request: Request) -> Response:
        """An officer has looked at these alarms."""
        no_key_of(request)
        form = await _form(request, alarm_views.AlarmAckRequest)
        done = await self._daemon.job("ack_alarms", lambda: alarm_views.record_alarm_ack(self._context, form))
        await self._daemon.disk.flushed()
        log.info("alarms_acknowledged", count=len(done["acknowledged"]))
        return JSONResponse(done)

    async def evidence(self, _: Request) -> Response:
        """What was kept against a log of the ledger."""
        return await self._job("evidence", lambda: ledger_views.evidence(self._context))

    async def status(self, _: Request) -> Response:
        """The daemon at a glance."""
        return JSONResponse(await daemon_status(self._daemon))

    def monitoring(self) -> list[Route]:
        """The loop turns; the unit could send and receive now; the metrics, for Prometheus."""
        daemon = self._daemon
        return health_routes(
            self._context.metrics.registry,
            lambda: readiness_checks(daemon),
            refresh=lambda: refresh_gauges(daemon),
        )

    async def _job(self, name: str, work: Callable[[], dict[str, Any]]) -> Response:
        return JSONResponse(await self._daemon.job(name, work))

    async def _page(self, asked: ListQuery) -> dict[str, Any]:
        return await self._daemon.job("inbox", lambda: inbox_page(self._context, asked))

    def _find(self, request: Request, place: Place) -> Callable[[], MessageId]:
        """Read the id, or its first digits, of the address; which message it is, the worker finds out."""
        wanted = read_id_or_prefix(request.path_params["id"])
        return lambda: find_id(self._context.store, wanted, place)


def application(api: LocalApi) -> Starlette:
    """Everything, for the unix socket."""
    routes = [
        Route("/v1/messages", api.send, methods=["POST"]),
        Route("/v1/outbox", api.outbox),
        Route("/v1/outbox/{id}", api.outbox_item),
        Route("/v1/outbox/{id}/again", api.again, methods=["POST"]),
        Route("/v1/inbox", api.inbox),
        Route("/v1/inbox/{id}", api.inbox_item),
        Route("/v1/inbox/{id}/ack", api.acknowledge, methods=["POST"]),
        Route("/v1/inbox/{id}/content", api.inbox_content),
        Route("/v1/inbox/{id}/opened", api.opened, methods=["POST"]),
        Route("/v1/units", api.units),
        Route("/v1/units/{id}", api.unit),
        Route("/v1/keys", api.keys),
        Route("/v1/keys/rotate", api.rotate, methods=["POST"]),
        Route("/v1/trace/{id}", api.trace),
        Route("/v1/proofs/{id}", api.proofs),
        Route("/v1/receipts/{id}", api.receipts),
        Route("/v1/alarms", api.alarms),
        Route("/v1/alarms/ack", api.acknowledge_alarms, methods=["POST"]),
        Route("/v1/evidence", api.evidence),
        Route("/v1/status", api.status),
        *api.monitoring(),
    ]
    return _behind(api.gate, routes)


def loopback_application(api: LocalApi) -> Starlette:
    """The three pages for loopback: nothing of any message is reachable there."""
    return _behind(api.gate, api.monitoring())


def _behind(gate: Gate, routes: list[Route]) -> Starlette:
    return pages_of(gate.before(routes), errors={ContradaError: problem_of})


async def _form(request: Request, model: type[F]) -> F:
    data = await gather_bounded(request.stream(), MAX_REQUEST, name="this one", what="a request")
    return read_api_request(data, model)


def _accepted(done: Submitted, caveats: Sequence[views.Shown] = ()) -> Response:
    answer = {"id": done.id, "thread": done.thread, "state": done.state, "caveats": list(caveats)}
    return JSONResponse(answer, status_code=202)
