"""What the pages share: the newest look, who is signed in, what was rendered already.

Owns the frame of a page and the check that stands before each. Rule: whoever has no session is led to nothing
but the words how to get one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broker.console.home import ConsoleHome
from broker.console.metrics import ConsoleMetrics
from broker.console.pages.live import Streams
from broker.console.pages.rendering import render
from broker.console.people.release_desk import ReleaseDesk
from broker.console.people.sessions import BrowserSession, Sessions
from broker.console.seeing.look import Look
from broker.console.seeing.looking import Looking
from broker.replica import Replica
from keys.directory import Directory
from protocol.identifiers import Millis

COOKIE: Final = "contrada_console"

SignedInPage = Callable[..., Awaitable[Response]]
"""Takes the request, the session, and the parameters of its query."""

NAVIGATION: Final = (
    ("/", "Overview"),
    ("/decisions", "Decisions"),
    ("/deadlines", "Deadlines"),
    ("/lag", "Lag"),
    ("/ledger", "Ledger"),
    ("/quarantine", "Quarantine"),
    ("/directory", "Directory"),
)


@dataclass(slots=True, kw_only=True)
class ConsoleWindow:
    """What every page looks through."""

    home: ConsoleHome
    looking: Looking
    sessions: Sessions
    streams: Streams
    desk: ReleaseDesk
    metrics: ConsoleMetrics
    clock: Callable[[], Millis]
    replica: Replica
    agreeing: int
    """How many registrars the root asks for."""

    _rendered: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def look(self) -> Look:
        """The newest look; before the first there is nothing to show."""
        if self.looking.newest is None:
            raise HTTPException(503, "the console is taking its first look: try again in a moment")
        return self.looking.newest

    def directory(self) -> Directory:
        """The directory as it is now, verified."""
        return self.replica.directory

    def rendered(self, name: str, look: Look, make: Callable[[], bytes]) -> bytes:
        """A part of this look, made once for all who watch."""
        known = self._rendered.get(name)
        if known is None or known[0] != look.number:
            known = self._rendered[name] = (look.number, make())
        return known[1]


def cookie_of(request: Request) -> str:
    """The session's token, as the browser sent it; empty where it sent none."""
    return request.cookies.get(COOKIE, "")


def signed_in(
    window: ConsoleWindow, *, by_itself: bool = False
) -> Callable[[SignedInPage], Callable[..., Awaitable[Response]]]:
    """A page that only a session sees. `by_itself`: that no person has asked for it just now."""

    def declare(page: SignedInPage) -> Callable[..., Awaitable[Response]]:
        @wraps(page)
        async def checked(request: Request, **query: Any) -> Response:
            quiet = by_itself or request.headers.get("hx-request") == "true"
            session = window.sessions.find(cookie_of(request), by_itself=quiet)
            if session is None:
                window.metrics.refused("session")
                raise HTTPException(401, "sign in with a link: contrada centre console link")
            return await page(request, session, **query)

        return checked

    return declare


def framed(template: str, session: BrowserSession | None, *, status: int = 200, **values: Any) -> Response:
    """A whole page in its frame."""
    body = render(template, session=session, navigation=NAVIGATION, **values)
    return Response(body, status_code=status, media_type="text/html")
