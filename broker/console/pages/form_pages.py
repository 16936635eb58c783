"""Coming in and going, and the people's half of a release: the console's forms.

    GET /enter/{token}   POST /enter   POST /leave   GET /quarantine   POST /quarantine/{number}/{step}

Owns what a form may change. Rules: a form is sent by a page of the console, has the token of its session, and
is sent by somebody who may act; opening a link changes nothing, so that what previews links does not use one
up.
"""

from __future__ import annotations

from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from broker.console.pages import page_views as views
from broker.console.pages.console_window import COOKIE, ConsoleWindow, cookie_of, framed, signed_in
from broker.console.pages.guard import FormRefused, is_own_origin, read_form
from broker.console.people.links import take_link
from broker.console.people.sessions import LASTS, BrowserSession
from runtime.api.queries import takes, whole
from runtime.errors import Conflict, NotFound

log = structlog.get_logger()

SEE_OTHER: Final = 303
STEPS: Final = ("ask", "agree", "withdraw")


def form_routes(window: ConsoleWindow) -> list[Route]:
    """Everything that changes something, and the pages that have its forms."""
    return [*_entrance(window), *_quarantine(window)]


async def _own_form(window: ConsoleWindow, request: Request) -> dict[str, str]:
    """The fields of a form that a page of ours sent."""
    if not is_own_origin(request):
        window.metrics.refused("origin")
        raise FormRefused(403, "this form was not sent by a page of the console")
    return await read_form(request)


async def _form_of(window: ConsoleWindow, request: Request, session: BrowserSession) -> dict[str, str]:
    fields = await _own_form(window, request)
    if not session.made_form(fields.get("form_token", "")):
        window.metrics.refused("form_token")
        raise FormRefused(403, "this form is not one of your session: open the page again")
    return fields


def _entrance(window: ConsoleWindow) -> list[Route]:
    async def doorstep(request: Request) -> Response:
        return framed("enter.html", None, token=request.path_params["token"][:64])

    async def enter(request: Request) -> Response:
        fields = await _own_form(window, request)
        grant = take_link(window.home, fields.get("token", ""), moment=window.clock())
        if grant is None:
            window.metrics.refused("link")
            log.warning("link_refused")
            raise FormRefused(403, "this link was used already, has ended, or is none: ask for another one")
        log.info("session_began", kind=grant.role.value)
        answer = RedirectResponse("/", status_code=SEE_OTHER)
        answer.set_cookie(
            COOKIE,
            window.sessions.begin(grant),
            max_age=int(LASTS),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @signed_in(window)
    async def leave(request: Request, session: BrowserSession) -> Response:
        await _form_of(window, request, session)
        window.sessions.end(cookie_of(request))
        answer = framed("left.html", None)
        answer.delete_cookie(COOKIE)
        return answer

    return [
        Route("/enter/{token}", doorstep),
        Route("/enter", enter, methods=["POST"]),
        Route("/leave", leave, methods=["POST"]),
    ]


def _quarantine(window: ConsoleWindow) -> list[Route]:
    @takes(page=whole(1, 1000))
    @signed_in(window)
    async def quarantine(_: Request, session: BrowserSession, *, page: int = 1) -> Response:
        look = window.look()
        rows = views.page_of(views.quarantine_rows(look, window.desk), page)
        return framed("quarantine.html", session, look=look, list=rows, agreeing=window.agreeing)

    @signed_in(window)
    async def step(request: Request, session: BrowserSession) -> Response:
        await _form_of(window, request, session)
        if not session.may_act():
            window.metrics.refused("role")
            raise FormRefused(403, "this session may look and not act: ask for a link with --role act")
        _take_step(window, session, request.path_params["number"], request.path_params["step"])
        return RedirectResponse("/quarantine", status_code=SEE_OTHER)

    return [
        Route("/quarantine", quarantine),
        Route("/quarantine/{number:int}/{step}", step, methods=["POST"]),
    ]


def _take_step(window: ConsoleWindow, session: BrowserSession, number: int, step: str) -> None:
    if step not in STEPS:
        raise HTTPException(404, "there is no such step")
    if all(row["number"] != number for row in window.look().quarantine.rows):
        raise FormRefused(404, "quarantine does not show this record any more")
    try:
        match step:
            case "ask":
                window.desk.ask(number, by=session.grant.name, moment=window.clock())
            case "agree":
                window.desk.agree(number, by=session.grant.name, moment=window.clock())
            case _:
                window.desk.withdraw(number)
    except (Conflict, NotFound) as error:
        raise FormRefused(409, str(error)) from None
    log.info("release_step", step=step, offset=number)
