"""The console as a process: a home to parts, parts to tasks, signals to an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
import uvloop
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broker.console.home import ConsoleHome, console_home
from broker.console.metrics import ConsoleMetrics
from broker.console.pages.console_pages import read_routes
from broker.console.pages.console_window import ConsoleWindow, framed
from broker.console.pages.form_pages import form_routes
from broker.console.pages.guard import FormRefused, GuardedPages, own_hosts
from broker.console.pages.live import Streams
from broker.console.people.release_desk import ReleaseDesk
from broker.console.people.sessions import Sessions
from broker.console.seeing.ledger_heads import LedgerHeads
from broker.console.seeing.looking import Looking, LookingParts
from broker.console.settings import ConsoleSettings, words_of
from broker.ledger.trust import read_policy_file
from broker.replica import KAFKA_RECENT, Replica
from broker.statement_feed import KafkaStatements
from keys.ceremony import read_pin
from runtime.api.problems import pages_of
from runtime.errors import BadQuery
from runtime.kafka.security.access import unguarded_hint
from runtime.kafka.security.certificate_watch import CertificateWatch
from runtime.kafka.security.tls import check_access, tell_access
from runtime.process import logs
from runtime.process.clock import now
from runtime.process.contact import recent_contact
from runtime.process.health import Checks, health_pages
from runtime.process.homes import CentreHome
from runtime.process.http import bind_loopback, serve
from runtime.process.notify import keep_watchdog, notify
from runtime.process.tasks import check_end, end_tasks, told_to_stop, waiting_to_stop

log = structlog.get_logger()


def check_console(path: Path) -> str:
    """What a start would need; says what was checked."""
    home, settings = _opened_home(path)
    check_access(settings.access(home.path))
    build_console(home, settings)
    return "the settings are complete; a console has no key to open"


def run_console(path: Path) -> None:
    """Run the console of this home until it is told to stop; what keeps it from that is raised."""
    home, settings = _opened_home(path)
    held = home.hold()
    with contextlib.suppress(OSError):
        os.nice(settings.nice)
    try:
        uvloop.run(_run(home, settings))
    finally:
        held.close()


def _opened_home(path: Path) -> tuple[ConsoleHome, ConsoleSettings]:
    home = console_home(path)
    home.check()
    settings = ConsoleSettings.load(home.settings)
    logs.configure(settings.log_level)
    return home, settings


def build_console(home: ConsoleHome, settings: ConsoleSettings) -> ConsoleWindow:
    """The console's parts, from its settings."""
    root, metrics = read_pin(home.path / settings.root), ConsoleMetrics.create()
    replica = Replica(
        KafkaStatements(settings.access(home.path)), root, monotonic=time.monotonic, keeps=False
    )
    looking = Looking(_looking_parts(home, settings, replica, metrics))
    window = ConsoleWindow(
        home=home,
        looking=looking,
        sessions=Sessions(monotonic=time.monotonic, entropy=os.urandom),
        streams=Streams(looking),
        desk=ReleaseDesk(),
        metrics=metrics,
        clock=now,
        replica=replica,
        agreeing=root.registrars,
    )
    metrics.follow(
        look_age=lambda: _look_age(window),
        sessions=lambda: len(window.sessions),
        streams=lambda: len(window.streams),
    )
    return window


def _looking_parts(
    home: ConsoleHome, settings: ConsoleSettings, replica: Replica, metrics: ConsoleMetrics
) -> LookingParts:
    policy = None if settings.policy is None else read_policy_file(home.path / settings.policy)
    processes = [("router", url) for url in words_of(settings.routers)]
    processes += [("ledger", url) for url in words_of(settings.ledgers)]
    return LookingParts(
        kafka=settings.access(home.path),
        replica=replica,
        heads=LedgerHeads(policy),
        clock=now,
        every=settings.look_ms / 1000,
        acts=None if settings.acts is None else CentreHome((home.path / settings.acts).parent),
        processes=tuple(processes),
        looked=metrics.looked,
    )


def console_application(window: ConsoleWindow, hosts: frozenset[str]) -> GuardedPages:
    """All pages behind their guard."""
    told = {HTTPException: _told, FormRefused: _told, BadQuery: _told, Exception: _failed}
    pages = pages_of([*read_routes(window), *form_routes(window)], errors=told)
    return GuardedPages(pages, hosts, window.metrics.refused)


async def _told(_: Request, error: Exception) -> Response:
    match error:
        case HTTPException():
            return framed(
                "problem.html", None, status=error.status_code, code=error.status_code, why=error.detail
            )
        case FormRefused():
            return framed("problem.html", None, status=error.status, code=error.status, why=str(error))
        case _:
            return framed("problem.html", None, status=400, code=400, why=str(error))


async def _failed(_: Request, error: Exception) -> Response:
    # The type alone: an exception's words may quote what it failed on.
    log.error("request_failed", error=type(error).__name__)
    return framed("problem.html", None, status=500, code=500, why="the console failed to answer: see its log")


async def _run(home: ConsoleHome, settings: ConsoleSettings) -> None:
    window = build_console(home, settings)
    access = settings.access(home.path)
    hosts = own_hosts(settings.port, words_of(settings.hosts))
    with _listening(window, settings, home, hosts) as servers:
        serving = {asyncio.create_task(each, name="http") for each in servers}
        tasks = {
            asyncio.create_task(window.replica.run(), name="directory"),
            asyncio.create_task(window.looking.run(), name="looking"),
            waiting_to_stop(told_to_stop()),
        }
        watchdog = asyncio.create_task(keep_watchdog())
        tell_access(access)
        log.info("started", program="console", port=settings.port, bootstrap=str(access), pid=os.getpid())
        notify("READY=1")
        done, pending = await asyncio.wait(tasks | serving, return_when=asyncio.FIRST_COMPLETED)
        notify("STOPPING=1")
        window.streams.stop()
        await end_tasks(pending & serving)
        await end_tasks({*(pending - serving), watchdog})
        log.info("stopped", program="console")
        check_end(done, program="console")


@contextmanager
def _listening(
    window: ConsoleWindow, settings: ConsoleSettings, home: ConsoleHome, hosts: frozenset[str]
) -> Iterator[list[Any]]:
    listener = bind_loopback(settings.port, setting="port in console.toml")
    servers: list[Any] = [serve(console_application(window, hosts), listener)]
    listeners = [listener]
    if settings.http_port:
        access = settings.access(home.path)
        ways = CertificateWatch.at(access, now)
        ways.show(window.metrics.certificate_left, window.metrics.broker_certificate_left)
        hint = unguarded_hint(access)
        pages = health_pages(
            window.metrics.registry, lambda: console_readiness(window, settings, hint=hint) | ways.checks()
        )
        listeners.append(bind_loopback(settings.http_port, setting="http_port in console.toml"))
        servers.append(serve(pages, listeners[-1]))
    try:
        yield servers
    finally:
        for each in listeners:
            each.close()


def console_readiness(window: ConsoleWindow, settings: ConsoleSettings, *, hint: str | None = None) -> Checks:
    """What /readyz answers."""
    age = _look_age(window)
    return {
        "kafka": recent_contact(window.replica.age, within=KAFKA_RECENT, hint=hint),
        "look": {"ok": 0 <= age <= 3 * settings.look_ms / 1000 + KAFKA_RECENT, "age_seconds": round(age, 1)},
    }


def _look_age(window: ConsoleWindow) -> float:
    answered = window.looking.answered
    return -1.0 if answered is None else time.monotonic() - answered
