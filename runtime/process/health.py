"""The pages for monitoring, on loopback: /healthz, /readyz, /metrics.

Alive is not ready: /healthz says that the event loop runs, /readyz whether the process could do its work now,
check by check, with ages. A process that cannot even check is not ready. How pages are served is
runtime/process/http.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from keys.lifecycle import ENDING
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.tlog.policy import Policy
from protocol.tlog.shards import named_until
from runtime.api.problems import pages_of
from runtime.process.metrics import process_registry

CHECKED_WITHIN: Final = 5.0

Checks = dict[str, dict[str, object]]
"""Named checks, each with `ok` and whatever explains it."""


def health_routes(
    registry: CollectorRegistry,
    checks: Callable[[], Awaitable[Checks]],
    *,
    refresh: Callable[[], Awaitable[None]] | None = None,
) -> list[Route]:
    """The three pages. `refresh` brings gauges up to date before they are read."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        try:
            async with asyncio.timeout(CHECKED_WITHIN):
                found = await checks()
        except TimeoutError:
            # What the checks wait for stands still: the worker, the disk, a database.
            found = {"answer": {"ok": False, "within_seconds": CHECKED_WITHIN}}
        ready = all(check["ok"] for check in found.values())
        return JSONResponse({"ready": ready, "checks": found}, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        if refresh is not None:
            await refresh()
        page = generate_latest(registry) + generate_latest(process_registry())
        return Response(page, media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def health_pages(
    registry: CollectorRegistry, checks: Callable[[], Checks], *, more: Sequence[Route] = ()
) -> Starlette:
    """The same for a process whose checks wait for nothing, with more pages beside them."""

    async def found() -> Checks:
        return checks()

    return pages_of([*health_routes(registry, found), *more])


def policy_lasts(policy: Policy, moment: Millis) -> dict[str, object]:
    """When the last half-year ends that a policy names, and from 60 days before what is to be done.

    For a check of whoever has the file. Messages go on without it, so it makes nobody unready.
    """
    until = named_until(log.key.name for log in policy.logs)
    if until is None:
        return {}
    found: dict[str, object] = {"until": until, "days_left": max(0, (until - moment) // DAY)}
    if until - moment <= ENDING:
        found |= {
            "ending": True,
            "hint": "the policy file ends, get the next: docs/runbooks/half-year.md",
        }
    return found
