"""Queries of every API: what a page does not declare is refused, and no application escapes that."""

from __future__ import annotations

import ast
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from protocol.errors import Rejected
from protocol.times import Bound
from runtime.api.problems import PROBLEM, pages_of
from runtime.api.queries import bound_in_time, one_of, takes, whole
from runtime.process.health import health_pages

ROOT = Path(__file__).resolve().parents[4]


@takes(limit=whole(1, 5), state=one_of("new", "opened"))
async def page(_: Request, **query: object) -> Response:
    return PlainTextResponse(repr(query))


async def bare(_: Request) -> Response:
    return PlainTextResponse("bare")


async def get(pages, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=pages), base_url="http://x") as client:
        return await client.get(path)


PAGES = pages_of([Route("/page", page), Route("/bare", bare)])


async def test_what_is_declared_arrives():
    """Each parameter read, and only those that were given."""
    assert (await get(PAGES, "/page")).text == "{}"
    assert (await get(PAGES, "/page?limit=5&state=new")).text == "{'limit': 5, 'state': 'new'}"


@pytest.mark.parametrize(
    ("path", "detail", "hint"),
    [
        ("/page?limt=5", "no parameter 'limt'; did you mean 'limit'?", "parameters here: limit, state"),
        ("/page?limit=6", "'limit' is no such number; expected a whole number from 1 to 5", "parameters here: limit, state"),
        ("/page?state=New", "'state' is none of its values; expected one of new, opened; did you mean 'new'?", "parameters here: limit, state"),
        ("/page?limit=1&limit=1", "'limit' is said twice", "parameters here: limit, state"),
        ("/bare?limit=1", "no parameter 'limit'", "parameters here: none"),
        ("/bare?=", "no parameter ''", "parameters here: none"),
    ],
)  # fmt: skip
async def test_what_is_not_is_refused(path, detail, hint):
    """With what was found, what would be right, and what there is."""
    answer = await get(PAGES, path)

    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    assert (answer.json()["detail"], answer.json()["hint"]) == (detail, hint)


def test_a_bound_in_time_is_a_date_a_time_or_milliseconds():
    """What was written is within it: the day of a date, the second of a time, the millisecond of a number."""
    lower, upper = bound_in_time(Bound.LOWER), bound_in_time(Bound.UPPER)
    for text, begins, ends in (
        ("2026-11-22", 1_795_305_600_000, 1_795_392_000_000),
        ("2026", 1_767_225_600_000, 1_798_761_600_000),
        ("2026-11-22T08:00:00Z", 1_795_334_400_000, 1_795_334_401_000),
        ("1795334400123", 1_795_334_400_123, 1_795_334_400_124),
    ):
        assert (lower(text), upper(text)) == (begins, ends)
    for text in (
        "",
        "today",
        "-8h",
        "8h",
        "2026-13-01",
        "2026-11-22T08:00",
        "9" * 17,
        "-1",
        "1e3",
        "\u0661" * 5,
    ):
        with pytest.raises(Rejected):
            upper(text)


async def test_the_pages_for_monitoring_take_none():
    """Of every process."""
    pages = health_pages(CollectorRegistry(), dict)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await get(pages, path)).status_code == 200
        assert (await get(pages, f"{path}?verbose=1")).status_code == 400


def test_every_application_is_made_by_the_one_function():
    """Nowhere else in the program is an application of routes made: none can leave the check out."""
    made = [
        path.relative_to(ROOT).as_posix()
        for package in ("broker", "clients", "keys", "protocol", "runtime")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Starlette"
    ]
    assert made == ["runtime/api/problems.py"]
