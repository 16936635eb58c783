"""Errors of the local API: RFC 9457 problems, with `code` and `hint`.

Rules: a problem goes back to the person who asked and is never logged, because a draft's error names its
values. Of an unexpected error the answer shows nothing, and the log its type.
"""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clients.daemon.errors import DaemonError
from protocol.errors import ContradaError, DraftError, Rejected
from runtime.errors import AlreadyRunning, Conflict, NotFound, TooLarge

log = structlog.get_logger()


async def problem_of(_: Request, error: Exception) -> Response:
    """The answer to a request that ended in this error."""
    if not isinstance(error, ContradaError):
        # The type alone: an exception's words may quote what it failed on.
        log.error("request_failed", error=type(error).__name__)
        return _problem(500, "E_INTERNAL", "the daemon failed to answer", "see its log, and report it")
    match error:
        case DaemonError():
            code = error.status
        case NotFound():
            code = 404
        case Conflict() | AlreadyRunning():
            code = 409
        case TooLarge():
            code = 413
        case Rejected() | DraftError():
            code = 422
        case _:
            code = 500
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
