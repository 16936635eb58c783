"""Hostile requests to an HTTP application in this process, for the promise that none of them is an internal error.

Owns what is tried: methods, paths, queries, headers and bodies that a client can send, beginning with what a route
takes and going wrong from there. Does not know any route: a test gives the paths, and what a right request is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx
from hypothesis import strategies as st

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")

SEGMENTS = st.one_of(
    st.text(max_size=40).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="")),
    st.binary(max_size=20).map(lambda raw: quote_from_bytes(raw, safe="")),
    st.sampled_from(
        ["", ".", "..", "%00", "%2F", "%ED%A0%80", "a" * 4000, "0" * 32, "-" * 36, "%D9%A1" * 32]
    ),
)
NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e999",
    "-1",
    "-0",
    "0",
    "0.5",
    "1_0",
    " 1",
    "١",
    "9" * 400,
    "0x10",
    "",
    "2e15",
)

# Whatever JSON can hold, and a little that it cannot: NaN, numbers of any size, half a surrogate pair.
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53, -(2**53), 2**63, 2**64, 10**400, -1, 0]),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["", "\ud800", "\x00", "H1+H3", "a" * 5000, "2026-13-45", "é", "é", "data:,x", "=" * 8]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
RAW_BODIES = st.one_of(
    st.binary(max_size=64),
    st.sampled_from(
        [
            b"",
            b"null",
            b"[]",
            b"{",
            b"[" * 5000,
            b'{"a":' * 3000,
            b"\xef\xbb\xbf{}",
            b'"\\ud800"',
            b"1e999",
            b"\xff",
        ]
    ),
)


_NOTHING = object()


def _places(value: Any, path: tuple[int | str, ...] = ()) -> list[tuple[int | str, ...]]:
    inner: list[tuple[int | str, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for step, below in inner for place in _places(below, (*path, step)))]


def _replaced(value: Any, path: tuple[int | str, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    if new is _NOTHING and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = _replaced(copy[path[0]], path[1:], new)
    return copy


@st.composite
def bodies(draw: st.DrawFn, right: Sequence[dict[str, Any]]) -> bytes:
    """One of the right bodies with some values replaced or left out, and perhaps a field more; or no JSON."""
    if not right or draw(st.integers(0, 9)) == 0:
        return draw(RAW_BODIES)
    body: Any = draw(st.sampled_from(list(right)))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        place = draw(st.sampled_from(_places(body)[1:] or [()]))
        body = _replaced(body, place, draw(VALUES | st.just(_NOTHING) if place else VALUES))
    if isinstance(body, dict) and draw(st.integers(0, 9)) == 0:
        body = body | {draw(st.text(max_size=8)): draw(LEAVES)}
    return json.dumps(body).encode()


@dataclass(frozen=True)
class Surface:
    """What an application takes: path segments, query names and headers that mean something, and bodies by path."""

    segments: Sequence[str] = ()
    queries: Sequence[str] = ()
    headers: Sequence[str] = ()
    bodies: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict)


@st.composite
def requests(draw: st.DrawFn, path: str, surface: Surface) -> httpx.Request:
    """Requests that a client can send to a path, in which `{}` stands for a segment."""
    right = surface.bodies.get(path, ())
    segments = st.sampled_from(list(surface.segments) or ["0"])
    sent = path
    while "{}" in sent:
        segment = draw(segments if right else SEGMENTS | segments)
        sent = sent.replace("{}", segment, 1)
    names = st.sampled_from([*surface.queries, "unknown", ""])
    query = draw(
        st.lists(st.tuples(names, st.sampled_from(NUMBERS) | st.text(max_size=8)), max_size=0 if right else 3)
    )
    coded = "&".join("=".join(quote(part, safe="") for part in pair) for pair in query)
    method = draw(st.sampled_from([*["POST" if right else "GET"] * 12, *METHODS]))
    printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
    headers = {name: draw(printable) for name in surface.headers if draw(st.integers(0, 4)) == 0}
    body = draw(bodies(right)) if method in ("POST", "PUT", "PATCH") else b""
    url = httpx.URL("http://local").copy_with(
        raw_path=f"{sent}{'?' + coded if coded else ''}".encode("ascii")
    )
    return httpx.Request(method, url, content=body, headers=headers)


def answer_of(runner: asyncio.Runner, application: object, request: httpx.Request) -> httpx.Response:
    """The application's answer; what it raises past its own handlers counts as the 500 that a server makes of it."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.send(request)

    return runner.run(ask())
