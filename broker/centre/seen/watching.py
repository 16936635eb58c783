"""`centre watch`: looks at the exchange again and again, keeps the alarm book, serves what it saw as metrics.

Owns the loop. It has no keys of its own and states nothing; what it needs of the home is what `centre status`
needs. Rules:
- A look that fails is seen: the time of the last good one stands on the page, and Kafka counts as not there.
- One look after the other, each with an end: nothing piles up behind a Kafka that answers slowly.
- A book that cannot be written (a full disk) stops no look; the page and the log say so.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from broker.centre.seen.alarm_book import AlarmBook
from broker.centre.seen.alarm_file import change_alarms, read_alarms
from broker.centre.seen.sight import with_troubles
from broker.centre.seen.troubles import troubles_in
from broker.centre.seen.watch_metrics import WatchMetrics
from broker.centre.status import read_status
from protocol.errors import ContradaError
from protocol.limits import SECOND
from runtime import default_ports
from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput, NotInTime
from runtime.cli.home import centre_home, read_settings
from runtime.errors import AlreadyRunning, Unavailable
from runtime.process import logs
from runtime.process.clock import now
from runtime.process.health import Checks, health_pages
from runtime.process.homes import CentreHome
from runtime.process.http import bind_loopback, serve
from runtime.process.notify import notify
from runtime.process.tasks import check_end, run_until_end, told_to_stop, waiting_to_stop

log = structlog.get_logger()

LOOK_WITHIN: Final = 180.0
"""Seconds for one look: twenty of them are patience with whoever seems to stand still."""

OLD: Final = 3
"""So many times the pause between looks, and no look is recent any more."""


@dataclass(slots=True)
class Watching:
    """The watch of one centre."""

    invocation: Invocation
    every: float
    metrics: WatchMetrics = field(default_factory=WatchMetrics.create)
    _looked: float | None = None

    @property
    def home(self) -> CentreHome:
        """The centre's."""
        return centre_home(self.invocation)

    async def look(self) -> dict[str, Any]:
        """Look at everything once; what was found is in the book and on the page."""
        began = time.monotonic()
        status = await look_once(self.invocation)
        book = note_look(self.home, status)
        self.metrics.show(status)
        if book is not None:
            self.metrics.show_alarms(book)
        if status["kafka"]["reachable"]:
            self._looked = time.monotonic()
            self.metrics.looked_at.set(now() / SECOND)
            self.metrics.look_seconds.set(self._looked - began)
        return status

    async def run(self) -> None:
        """Look for ever."""
        while True:
            began = time.monotonic()
            try:
                status = await self.look()
                log.info("looked", count=len(status["troubles"]))
            except ContradaError as error:
                log.warning("look_failed", code=error.code, error=type(error).__name__, hint=error.hint)
            await asyncio.sleep(max(1.0, self.every - (time.monotonic() - began)))

    def checks(self) -> Checks:
        """What /readyz answers."""
        age = None if self._looked is None else time.monotonic() - self._looked
        recent = age is not None and age <= OLD * self.every + LOOK_WITHIN
        return {"look": {"ok": recent, "age_seconds": None if age is None else round(age, 1)}}


async def look_once(invocation: Invocation) -> dict[str, Any]:
    """The status; where Kafka does not answer, one that says so and nothing else."""
    home = centre_home(invocation)
    try:
        async with asyncio.timeout(LOOK_WITHIN):
            return await read_status(invocation)
    except AlreadyRunning:
        raise
    except (Unavailable, NotInTime, TimeoutError) as error:
        why = str(error) or f"no answer in {LOOK_WITHIN:.0f} s"
        gone = {"moment": now(), "kafka": {"reachable": False, "error": why}}
        return with_troubles(gone, read_alarms(home))


def note_look(home: CentreHome, status: dict[str, Any]) -> AlarmBook | None:
    """Note what was found in the alarm book; None where the disk does not take it."""
    troubles, whole = troubles_in(status), bool(status["kafka"]["reachable"])
    try:
        # Without Kafka nothing else was looked at, and nothing is over by that.
        return change_alarms(home, lambda book: book.noted(troubles, now=now(), whole=whole))
    except OSError as error:
        log.warning("alarms_not_kept", error=type(error).__name__)
        return None


def watch_port(home: CentreHome) -> int:
    """The port of the settings, or the usual one."""
    match read_settings(home.settings).get("watch_port"):
        case None:
            return default_ports.WATCH
        case int(port) if 0 <= port <= 65_535 and not isinstance(port, bool):
            return port
        case _:
            raise BadInput(
                f"'watch_port' in {home.settings} is no port", hint="write a number from 0 to 65535; 0: none"
            )


async def run_watch(invocation: Invocation, *, port: int, every: float) -> None:
    """Watch until told to stop; what ends it before that is raised."""
    logs.configure("info")
    watching = Watching(invocation, every)
    watching.metrics.looked_at.set(now() / SECOND)  # or it would be blind before the first look
    listener = bind_loopback(port, setting="watch_port in centre.toml", fault=Unavailable) if port else None
    tasks = {asyncio.create_task(watching.run(), name="looks"), waiting_to_stop(told_to_stop())}
    serving: set[asyncio.Task[Any]] = set()
    if listener is not None:
        pages = health_pages(watching.metrics.registry, watching.checks)
        serving.add(asyncio.create_task(serve(pages, listener), name="http"))
    notify("READY=1")
    log.info("started", program="watch", port=port)
    done = await run_until_end(tasks, serving=serving)
    log.info("stopped", program="watch")
    check_end(done, program="watch")
