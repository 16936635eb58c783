"""Errors over HTTP: RFC 9457 problems with `code` and `hint`; and what answers where no page does.

Owns the form of a problem, and the answers to a path that is not there, to a method that a path does not
take, and of a page that failed. Which of its own errors has which status, a program says itself.

Rule: a problem goes back to whoever asked. Of an unexpected error it shows nothing, and the log its type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runtime.api.queries import strict
from runtime.errors import BadQuery

PROBLEM: Final = "application/problem+json"

log = structlog.get_logger()

_SHOWN = 200


def problem_text(status: int, code: str, detail: str, hint: str, **more: Any) -> bytes:
    """A problem in JSON, with `more` members of its own (RFC 9457, 3.2)."""
    members = {
        "type": f"urn:contrada:error:{code}",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail,
        "hint": hint,
        **more,
    }
    return json.dumps(members).encode()


def problem(
    status: int, code: str, detail: str, hint: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The answer with this problem."""
    text = problem_text(status, code, detail, hint, **more)
    return Response(text, status_code=status, media_type=PROBLEM, headers=headers)


def pages_of(routes: Sequence[Route], *, errors: Mapping[Any, Any] | None = None) -> Starlette:
    """An application of these routes. What they do not answer is answered with a problem, and never moved.

    Each takes the parameters of a query that it declares (queries.py), and no other.
    """
    handlers = {HTTPException: _no_page, BadQuery: _bad_query, Exception: _failed} | dict(errors or {})
    pages = Starlette(routes=strict(routes), exception_handlers=handlers)
    # With it /metrics/ would be moved to an address that the client's own Host header names.
    pages.router.redirect_slashes = False
    return pages


async def _no_page(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    path, headers = request.url.path[:_SHOWN], error.headers
    match error.status_code:
        case 404:
            return problem(404, "E_NOT_FOUND", f"there is no {path} here", _nearest(request, path))
        case 405:
            takes = ", ".join(sorted((headers or {}).get("Allow", "").split(", ")))
            detail = f"{path} does not take {request.method[:_SHOWN]}"
            return problem(405, "E_REQUEST", detail, f"it takes {takes}", headers=headers)
        case status:
            return problem(status, "E_REQUEST", error.detail, "", headers=headers)


async def _bad_query(_: Request, error: Exception) -> Response:
    if not isinstance(error, BadQuery):
        raise error
    return problem(400, error.code, str(error), error.hint)


def _nearest(request: Request, path: str) -> str:
    known = [route.path for route in request.app.routes if isinstance(route, Route)]
    near = get_close_matches(path, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"


async def _failed(_: Request, error: Exception) -> Response:
    # The type alone: an exception's words may quote what it failed on.
    log.error("request_failed", error=type(error).__name__)
    return problem(500, "E_INTERNAL", "the program failed to answer", "see its log, and report it")
