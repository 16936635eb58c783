"""The console's pages: whole ones, and what an open page asks by itself with each look.

    GET  /  /lag /ledger /deadlines /decisions /directory /directory/{unit} /quarantine     pages
    GET  /part/{name}  /data/{name}  /live      parts, the points of the curves, the stream of looks

Owns what is read; coming in and forms are form_pages.py. Rules: without a session there is the way in and the
files of the pages, and nothing else; a look's parts are rendered once for all who watch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from broker.console.pages import page_views as views
from broker.console.pages.console_window import ConsoleWindow, cookie_of, framed, signed_in
from broker.console.pages.flow_picture import draw_flow
from broker.console.pages.rendering import HERE, render
from broker.console.people.sessions import BrowserSession
from broker.console.seeing.attention import attention
from broker.console.seeing.look import Look
from protocol.errors import Rejected
from protocol.identifiers import parse_unit_id
from runtime.api.queries import takes, whole

STATIC: Final = {
    path.name: path for path in sorted((HERE / "static").iterdir()) if path.suffix in (".js", ".css", ".svg")
}
LONGEST_SEARCH: Final = 64
MOST_PAGES: Final = 10_000


def _search(text: str) -> str:
    return text[:LONGEST_SEARCH]


def _flow(look: Look) -> dict[str, Any]:
    picture = draw_flow(look.trail.pairs)
    table = sorted(look.trail.pairs.items(), key=lambda item: (-item[1].total, item[0]))
    return {"picture": picture, "table": table[: views.ROWS], "pairs": len(table)}


PARTS: Final[Mapping[str, Callable[[Look], dict[str, Any]]]] = {
    "state": lambda _: {},
    "attention": lambda look: {"lines": attention(look)},
    "flow": _flow,
    "reasons": lambda look: {"reasons": views.reason_rows(look)},
    "witnesses": lambda _: {},
    "due": lambda look: {"rows": views.deadline_rows(look)[: views.DUE], "all": len(look.trail.requests)},
    "waiting": lambda look: {"sums": views.lag_sums(look)},
}
"""The parts of the first page, and what each is written from besides the look."""


def read_routes(window: ConsoleWindow) -> list[Route]:
    """Everything that is only read."""
    return [*_first_page(window), *_list_pages(window), *_directory_pages(window), *_by_itself(window)]


def _part(window: ConsoleWindow, name: str, look: Look) -> bytes:
    return window.rendered(name, look, lambda: render(f"_{name}.html", look=look, **PARTS[name](look)))


def _first_page(window: ConsoleWindow) -> list[Route]:
    @signed_in(window)
    async def overview(_: Request, session: BrowserSession) -> Response:
        look = window.look()
        # Our own template's output, escaped there, and nothing else.
        parts = {name: Markup(_part(window, name, look).decode()) for name in PARTS}  # noqa: S704
        return framed("overview.html", session, look=look, parts=parts)

    return [Route("/", overview)]


def _list_pages(window: ConsoleWindow) -> list[Route]:
    @takes(page=whole(1, MOST_PAGES), of=_search)
    @signed_in(window)
    async def lag(_: Request, session: BrowserSession, *, page: int = 1, of: str = "") -> Response:
        look = window.look()
        rows = views.page_of(views.reader_rows(look, of), page)
        return framed("lag.html", session, look=look, list=rows, of=of, sums=views.lag_sums(look))

    @signed_in(window)
    async def ledger(_: Request, session: BrowserSession) -> Response:
        return framed("ledger.html", session, look=window.look())

    @takes(page=whole(1, MOST_PAGES))
    @signed_in(window)
    async def deadlines(_: Request, session: BrowserSession, *, page: int = 1) -> Response:
        look = window.look()
        return framed(
            "deadlines.html", session, look=look, list=views.page_of(views.deadline_rows(look), page)
        )

    @takes(page=whole(1, MOST_PAGES))
    @signed_in(window)
    async def decisions(_: Request, session: BrowserSession, *, page: int = 1) -> Response:
        look = window.look()
        return framed("decisions.html", session, look=look, list=views.page_of(look.trail.recent, page))

    return [
        Route("/lag", lag),
        Route("/ledger", ledger),
        Route("/deadlines", deadlines),
        Route("/decisions", decisions),
    ]


def _directory_pages(window: ConsoleWindow) -> list[Route]:
    @takes(page=whole(1, MOST_PAGES), of=_search)
    @signed_in(window)
    async def directory(_: Request, session: BrowserSession, *, page: int = 1, of: str = "") -> Response:
        look = window.look()
        rows = views.page_of(views.directory_rows(window.directory(), look.moment, of), page)
        operators = [row for row in look.directory.keys if row["kind"] != "unit"]
        return framed("directory.html", session, look=look, list=rows, of=of, operators=operators)

    @signed_in(window)
    async def unit(request: Request, session: BrowserSession) -> Response:
        look = window.look()
        try:
            name = parse_unit_id(request.path_params["unit"])
        except Rejected:
            raise HTTPException(404, "the directory has no such unit") from None
        found = views.one_unit(window.directory(), name, look.moment)
        if found is None:
            raise HTTPException(404, "the directory has no such unit")
        return framed("unit.html", session, look=look, unit=name, **found)

    return [Route("/directory", directory), Route("/directory/{unit}", unit)]


def _by_itself(window: ConsoleWindow) -> list[Route]:
    @signed_in(window, by_itself=True)
    async def part(request: Request, _: BrowserSession) -> Response:
        name = request.path_params["name"]
        if name not in PARTS:
            raise HTTPException(404, "there is no such part")
        return Response(_part(window, name, window.look()), media_type="text/html")

    @signed_in(window, by_itself=True)
    async def rates(_: Request, __: BrowserSession) -> Response:
        curves = window.look().trail.curves
        return JSONResponse({"at": curves.at, **curves.rates})

    @signed_in(window, by_itself=True)
    async def growth(_: Request, __: BrowserSession) -> Response:
        points = window.look().ledger.growth
        return JSONResponse({"at": [t // 1000 for t, _ in points], "leaves": [size for _, size in points]})

    @signed_in(window, by_itself=True)
    async def live(request: Request, _: BrowserSession) -> Response:
        token = cookie_of(request)
        if not window.streams.has_room(token):
            raise HTTPException(503, "too many pages are open")
        stream = window.streams.follow(token, lambda: window.sessions.find(token, by_itself=True) is not None)
        return StreamingResponse(stream, media_type="text/event-stream")

    async def static(request: Request) -> Response:
        path = STATIC.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404, "there is no such file")
        return FileResponse(path, headers={"cache-control": "private, max-age=300"})

    return [
        Route("/part/{name}", part),
        Route("/data/rates", rates),
        Route("/data/growth", growth),
        Route("/live", live),
        Route("/static/{name}", static),
    ]
