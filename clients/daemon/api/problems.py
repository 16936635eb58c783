"""Which status each error of the local API has. The form of a problem is runtime/api/problems.py.

Rule: a problem goes back to the person who asked and is never logged, because a draft's error names its
values.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from clients.daemon.errors import DaemonError
from protocol.errors import ContradaError, DraftError, Rejected
from runtime.api.problems import problem
from runtime.errors import AlreadyRunning, Ambiguous, Conflict, NotFound, TooLarge


async def problem_of(_: Request, error: Exception) -> Response:
    """The answer to a request that ended in this error."""
    if not isinstance(error, ContradaError):
        raise error
    match error:
        case DaemonError():
            code = error.status
        case NotFound():
            code = 404
        case Conflict() | AlreadyRunning() | Ambiguous():
            code = 409
        case TooLarge():
            code = 413
        case Rejected() | DraftError():
            code = 422
        case _:
            code = 500
    # The code stands beside the sentence already.
    detail = str(error).removeprefix(f"{error.code}: ")
    return problem(code, error.code, detail, error.hint)
