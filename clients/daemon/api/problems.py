"""Which status each error of the local API has, and what it says in lists beside its sentence.

The form of a problem is runtime/api/problems.py.

Rule: a problem goes back to the person who asked and is never logged, because a draft's error names its
values.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from clients.daemon.errors import BadRequest, DaemonError, RouterWouldRefuse
from keys.errors import KeyAway
from protocol.errors import HINTS, ContradaError, DraftError, Rejected
from protocol.fault_text import fault_rows
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
        case KeyAway():
            code = 503
        case _:
            code = 500
    # The code stands beside the sentence already.
    detail = str(error).removeprefix(f"{error.code}: ")
    lists: dict[str, Any] = _lists(error)
    return problem(code, error.code, detail, error.hint, **lists)


def _lists(error: ContradaError) -> dict[str, list[dict[str, str | None]]]:
    """What a program need not take out of the sentence: the faults, or the router's reasons."""
    match error:
        case DraftError(faults=faults) | BadRequest(faults=faults) if faults:
            return {"faults": fault_rows(faults)}
        case RouterWouldRefuse(reasons=reasons):
            return {
                "reasons": [
                    {"code": one.code.value, "unit": one.unit, "found": found, "hint": HINTS[one.code]}
                    for one, found in reasons
                ]
            }
        case _:
            return {}
