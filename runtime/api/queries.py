"""The query of an HTTP request: what a page takes, each parameter read strictly, everything else refused.

    @takes(limit=whole(1, 500), state=one_of("new", "opened"))
    async def inbox(request: Request, *, limit: int | None = None, state: str | None = None) -> Response: ...

    Starlette(routes=strict([Route("/v1/inbox", inbox)]))

Rules: a page that declares nothing takes nothing. A parameter that is misspelt, or said twice, would
otherwise be passed over in silence, and the answer would look like an answer. All faults of a query are told
at once, without its values.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import MAX_UINT, SECOND
from protocol.times import DURATION_WORDS, Bound, PointInTime, read_date_or_time, read_duration
from runtime.errors import BadQuery

Page = TypeVar("Page", bound=Callable[..., Awaitable[Response]])
Reader = Callable[[str], Any]
"""Reads the text of a parameter; what it does not take is `Rejected`."""

_DECLARED: Final = "query"
_WHOLE: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_MILLIS: Final = re.compile(r"[0-9]{5,16}", re.ASCII)  # four digits are a year
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


def takes(**readers: Reader) -> Callable[[Page], Page]:
    """Declare the parameters of a page; those that are given arrive as keyword arguments."""

    def declare(page: Page) -> Page:
        setattr(page, _DECLARED, readers)
        return page

    return declare


def strict(routes: Sequence[Route]) -> list[Route]:
    """The same routes, each of which reads its query first."""
    return [Route(each.path, _checked(each.endpoint), methods=list(each.methods or ())) for each in routes]


def _checked(page: Callable[..., Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    readers: Mapping[str, Reader] = getattr(page, _DECLARED, {})

    @wraps(page)
    async def checked(request: Request) -> Response:
        return await page(request, **read_query(request.query_params.multi_items(), readers))

    return checked


def read_query(given: Iterable[tuple[str, str]], readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The parameters that were given, or `BadQuery` with every fault."""
    found: dict[str, Any] = {}
    faults: list[str] = []
    for name, text in given:
        if name not in readers:
            near = get_close_matches(name, readers, n=1)
            faults.append(f"no parameter {_shown(name)}" + (f"; did you mean '{near[0]}'?" if near else ""))
        elif name in found:
            faults.append(f"'{name}' is said twice")
        else:
            found[name] = None
            try:
                found[name] = readers[name](text)
            except Rejected as rejected:
                faults.append(f"'{name}' is {rejected.sentence}; expected {rejected.hint}")
    if faults:
        known = ", ".join(sorted(readers)) or "none"
        raise BadQuery("; ".join(dict.fromkeys(faults)), hint=f"parameters here: {known}")
    return found


def whole(least: int, most: int) -> Reader:
    """A whole number within these bounds."""
    words = f"a whole number from {least}" + (f" to {most}" if most < MAX_UINT else "")

    def read(text: str) -> int:
        if _WHOLE.fullmatch(text) is None or not least <= int(text) <= most:
            raise Rejected(Code.E_SCHEMA, "no such number", hint=words)
        return int(text)

    return read


def one_of(*names: str) -> Reader:
    """One of these words."""

    def read(text: str) -> str:
        if text not in names:
            near = get_close_matches(text.lower(), names, n=1)
            did = f"; did you mean '{near[0]}'?" if near else ""
            raise Rejected(Code.E_SCHEMA, "none of its values", hint=f"one of {', '.join(names)}{did}")
        return text

    return read


def bound_in_time(bound: Bound) -> Reader:
    """A date or a time, or Unix milliseconds as in JSON, as a bound: the number to compare with."""

    def read(text: str) -> Millis:
        if _MILLIS.fullmatch(text):
            return PointInTime(Millis(int(text)), Millis(int(text) + 1)).as_bound(bound)
        return read_date_or_time(text).as_bound(bound)

    return read


def read_wait(text: str) -> float:
    """A length of time, or a plain number of seconds, as fields of JSON have it; in seconds."""
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return read_duration(text) / SECOND
    except Rejected as rejected:
        raise Rejected(Code.E_SCHEMA, rejected.sentence, hint=f"seconds, or {DURATION_WORDS}") from None


def _shown(name: str) -> str:
    """A name that is no parameter: as it stands only if it could be one."""
    return f"'{name}'" if name.isascii() and name.isprintable() and len(name) <= 40 else "of that name"
