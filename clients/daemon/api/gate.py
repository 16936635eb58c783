"""The gate of the local API: open while the daemon works, shut as soon as it stops.

Owns the answer to a request then: 503, and what to do. Rules:
- What arrives after that is refused before it changes anything.
- Requests in hand may end. What fails meanwhile, because a part of the daemon has ended or because time is
  up, fails as the daemon's stop, and not as an internal error or a fault of the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clients.daemon.errors import Stopping, StoreUnavailable
from protocol.errors import ContradaError

Handler = Callable[..., Awaitable[Response]]


class Gate:
    """Used in the event loop only."""

    __slots__ = ("_shut",)

    def __init__(self) -> None:
        self._shut = False

    def shut(self) -> None:
        """From now on every request is refused."""
        self._shut = True

    def before(self, routes: Sequence[Route]) -> list[Route]:
        """The same routes behind this gate."""
        return [
            Route(route.path, self._guarded(route.endpoint), methods=list(route.methods or ()))
            for route in routes
        ]

    def _guarded(self, handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: Request, **query: Any) -> Response:
            if self._shut:
                raise Stopping
            try:
                return await handler(request, **query)
            except (asyncio.CancelledError, Exception) as error:
                if self._shut and _may_come_of_it(error):
                    raise Stopping from None
                raise

        return guarded


def _may_come_of_it(error: BaseException) -> bool:
    return not isinstance(error, ContradaError) or isinstance(error, StoreUnavailable)
