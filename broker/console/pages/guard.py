"""What stands before every page: whom it answers, what a browser may do with it, what of a form is read.

Owns the headers of every answer and the checks that need no session. Rules:
- Only under the console's own names: a page of somebody else whose name leads here finds nothing (DNS
  rebinding).
- A browser loads, runs, frames and sends nothing from or to anywhere else. No page is kept by it.
- What changes something comes from a page of ours: by its `Origin`, and by the token in its form (pages.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_FORM: Final = 4096
MAX_FIELDS: Final = 8
FORM_WITHIN: Final = 10.0
FORM: Final = "application/x-www-form-urlencoded"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not none: with none, a browser sends no Origin with a form.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=()",
    "x-frame-options": "DENY",
}


class FormRefused(Exception):
    """A form that is not read; its words are for the person who sent it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class GuardedPages:
    """The console's pages behind their guard."""

    def __init__(self, pages: ASGIApp, hosts: frozenset[str], refused: Callable[[str], None]) -> None:
        self._pages = pages
        self._hosts = hosts
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        if not self._is_ours(scope):
            self._refused("host")
            answer = PlainTextResponse("the console is not reached under this name\n", status_code=421)
            await answer(scope, receive, guarded)
            return
        await self._pages(scope, receive, guarded)

    def _is_ours(self, scope: Scope) -> bool:
        named = [value for name, value in scope["headers"] if name == b"host"]
        return len(named) == 1 and named[0].decode("latin-1").lower() in self._hosts


def own_hosts(port: int, more: tuple[str, ...] = ()) -> frozenset[str]:
    """The names under which the console is reached."""
    return frozenset({f"127.0.0.1:{port}", f"localhost:{port}", *(name.lower() for name in more)})


def is_own_origin(request: Request) -> bool:
    """Whether a form was sent by a page of the console. A browser always says so where it matters."""
    origin, host = request.headers.get("origin"), request.headers["host"]
    return origin is not None and origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, each once; `FormRefused` for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise FormRefused(415, "this is not a form of the console")
    data = bytearray()
    try:
        async with asyncio.timeout(FORM_WITHIN):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_FORM:
                    raise FormRefused(413, f"a form has at most {MAX_FORM} bytes")
    except TimeoutError:
        raise FormRefused(408, "the form did not arrive in time") from None
    try:
        fields = parse_qsl(
            data.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise FormRefused(400, "this is not a form of the console") from None
    if len(dict(fields)) != len(fields):
        raise FormRefused(400, "a field is said twice")
    return dict(fields)
