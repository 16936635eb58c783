"""The ledger's HTTP pages on loopback: its logs as C2SP tlog-tiles, and monitoring.

    GET /audit/2026h2/checkpoint, /audit/2026h2/tile/..., /directory/...     the files of the tile store
    GET /healthz, /readyz, /metrics                                          as every process of the centre

Behind a reverse proxy these paths are the logs' URLs. Rule: only checkpoints and tiles are served; the
records, which lie beside them, are readable with the ledger's own rights only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from broker.ledger.store.tile_store import CHECKPOINT, TileStore
from protocol.errors import Rejected
from protocol.tlog.shards import parse_shard
from protocol.tlog.tiles import parse_path
from runtime.api.problems import problem
from runtime.errors import Unavailable
from runtime.process.health import Checks, health_pages

_FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
_FOR_NOW: Final = {"cache-control": "no-cache"}


def ledger_pages(store: TileStore, registry: CollectorRegistry, checks: Callable[[], Checks]) -> Starlette:
    """All pages."""

    async def audit(request: Request) -> Response:
        shard = request.path_params["shard"]
        if not _is_shard(shard):
            return problem(404, "E_NOT_FOUND", "this is no half-year", "one such as 2026h2")
        return await _file(store, f"audit/{shard}", request.path_params["file"])

    async def directory(request: Request) -> Response:
        return await _file(store, "directory", request.path_params["file"])

    logs = [
        Route("/audit/{shard}/{file:path}", audit),
        Route("/directory/{file:path}", directory),
    ]
    return health_pages(registry, checks, more=logs)


async def _file(store: TileStore, log: str, name: str) -> Response:
    if name != CHECKPOINT and not _is_tile(name):
        return problem(404, "E_NOT_FOUND", "neither a checkpoint nor a tile", "see c2sp.org/tlog-tiles")
    try:
        data = await asyncio.to_thread(store.get, f"{log}/{name}")
    except Unavailable:
        return problem(503, "E_UNAVAILABLE", "the ledger's store does not answer", "try again")
    if data is None:
        return problem(404, "E_NOT_FOUND", f"{log} has no {name}", "the checkpoint says how far it goes")
    if name == CHECKPOINT:
        return PlainTextResponse(data, headers=_FOR_NOW)
    return Response(data, media_type="application/octet-stream", headers=_FOR_EVER)


def _is_shard(name: str) -> bool:
    """Whether this can be a shard: the store is asked for no other path, whatever a client writes there."""
    try:
        parse_shard(f"any.example/audit/{name}")
    except Rejected:
        return False
    return True


def _is_tile(name: str) -> bool:
    try:
        parse_path(name)
    except Rejected:
        return False
    return True
