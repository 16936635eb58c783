"""The one task that looks, at one pace, for everybody who watches.

    followed all the time   directory, audit trail, ledger, quarantine: as records come
    asked in every third    where readers stand, which they tell every 15 seconds; the health of processes
    asked every minute      which topics there are, keys, what waits

Owns the pace and what a look is made of. Rules: however many watch, there is one look, and nobody's request
makes another; nothing is written to Kafka or asked of a router but its health page; what fails is shown, and
tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

import structlog

from broker.centre.agreements import waiting_rows
from broker.centre.key_watch import key_rows
from broker.centre.progress import Reader, Standing
from broker.centre.progress_look import ProgressLook, read_places
from broker.centre.quarantine import quarantine_row
from broker.centre.seen.processes import ask_process
from broker.console.seeing.ledger_heads import LedgerHeads
from broker.console.seeing.look import DirectoryLook, LedgerLook, Look, QuarantineLook, Row, TrailLook
from broker.console.seeing.standing_watch import StandingWatch
from broker.console.seeing.trail_watch import TrailWatch
from broker.replica import Replica
from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import Millis
from runtime.errors import Unavailable
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds, once_available
from runtime.kafka.ports import Fetched, Place, Take
from runtime.kafka.security.access import KafkaAddress
from runtime.process.homes import CentreHome

log = structlog.get_logger()

READERS_EVERY: Final = 3
"""Looks: no reader tells more often how far it has come, and of thousands it costs most of a look."""

SELDOM: Final = 12
"""Looks: what hardly changes."""

LOOK_WITHIN: Final = 30.0
AUDIT_TAIL: Final = 2_000
LEDGER_TAIL: Final = 40
QUARANTINE_TAIL: Final = 400
"""Offsets at the end of each topic that are read at the start."""

QUARANTINE_ROWS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LookingParts:
    """What looking takes."""

    kafka: KafkaAddress
    replica: Replica
    heads: LedgerHeads
    clock: Callable[[], Millis]
    every: float
    acts: CentreHome | None = None
    """The home in which acts wait for another registrar, if it is here."""

    processes: tuple[tuple[str, str], ...] = ()
    """Kind and address of each process that is asked for its health."""

    looked: Callable[[Look], None] = field(default=lambda _: None)


class Looking:
    """Looks until it is cancelled."""

    def __init__(self, parts: LookingParts) -> None:
        self._parts = parts
        self._feeds = KafkaFeeds(parts.kafka)
        self.trail = TrailWatch(lambda: parts.replica.directory, parts.clock)
        self._quarantine: deque[Row] = deque(maxlen=QUARANTINE_ROWS)
        self._seen = self._unreadable = 0
        self._standing = StandingWatch()
        self._there: Collection[str] = ()
        self._seldom: tuple[tuple[Row, ...], tuple[Row, ...]] = ((), ())
        self._health: tuple[Row, ...] = ()
        self._readers: dict[Place, Reader] = {}
        self._stands: tuple[Standing, ...] = ()
        self._error: str | None = None
        self.newest: Look | None = None
        self.answered: float | None = None
        """When Kafka answered a look last, by the monotonic clock."""

        self.changed = asyncio.Event()
        """Set when the next look is there; each look has a new one."""

    async def run(self) -> None:
        """Follow and look, for ever."""
        await self._parts.replica.usable()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(topics.AUDIT, AUDIT_TAIL, self.trail.take))
            tasks.create_task(self._follow(topics.QUARANTINE, QUARANTINE_TAIL, self._take_quarantine))
            if self._parts.heads.is_followed:
                tasks.create_task(self._follow(topics.LEDGER, LEDGER_TAIL, self._parts.heads.take))
            tasks.create_task(self._look_on())

    async def _follow(self, topic: str, tail: int, take: Take) -> None:
        end = await once_available(lambda: self._feeds.end(topic, 0), topic=topic)
        await self._feeds.follow(topic, 0, start=max(0, end - tail), take=take)

    async def _take_quarantine(self, fetched: Fetched) -> None:
        for record in fetched.records:
            try:
                self._quarantine.append(quarantine_row(record))
                self._seen += 1
            except Rejected:
                self._unreadable += 1

    async def _look_on(self) -> None:
        number = 0
        async with ProgressLook.over(self._parts.kafka, self._feeds, {}) as progress:
            while True:
                began = time.monotonic()
                try:
                    async with asyncio.timeout(LOOK_WITHIN):
                        await self._ask(number, progress)
                except (Unavailable, TimeoutError) as fault:
                    self._error = str(fault) or f"Kafka gave no answer in {LOOK_WITHIN:.0f} s"
                    log.warning("look_failed", error=self._error)
                number += 1
                took = time.monotonic() - began
                self._publish(self._made(number, error=self._error, took=took))
                await asyncio.sleep(max(0.5, self._parts.every - took))

    async def _ask(self, number: int, progress: ProgressLook) -> None:
        """What is asked of Kafka in this look; after a failure, readers at once."""
        if number % READERS_EVERY == 0:
            self._health = await self._asked_processes()
        if number % SELDOM == 0 or not self._there:
            await self._look_seldom()
        if number % READERS_EVERY == 0 or self._error is not None:
            await self._look_at_readers(progress)
            self._error, self.answered = None, time.monotonic()

    async def _look_seldom(self) -> None:
        parts, moment = self._parts, self._parts.clock()
        directory = parts.replica.directory
        keys = tuple(key_rows(directory, moment=moment))
        waiting = tuple(waiting_rows(directory, parts.acts, moment))
        self._seldom = (keys, waiting)
        self._there = frozenset(await KafkaTopicAdmin(parts.kafka).list())

    async def _asked_processes(self) -> tuple[Row, ...]:
        asked = [asyncio.to_thread(ask_process, url) for _, url in self._parts.processes]
        kinds = [kind for kind, _ in self._parts.processes]
        answers = zip(kinds, await asyncio.gather(*asked), strict=True)
        return tuple({"kind": kind} | answer for kind, answer in answers)

    async def _look_at_readers(self, progress: ProgressLook) -> None:
        directory = self._parts.replica.directory
        names = read_places(directory, self._there, ledger=self._parts.heads.is_followed)
        look = ProgressLook(names, progress.feeds, progress.marks)
        self._readers = dict(await look.readers())
        self._stands = self._standing.look(self._readers, now=self._parts.clock(), monotonic=time.monotonic())

    def _made(self, number: int, *, error: str | None, took: float) -> Look:
        moment, heads = self._parts.clock(), self._parts.heads
        seen, refused = heads.look(moment), heads.refused
        return Look(
            number=number,
            moment=moment,
            error=error,
            directory=self._directory(),
            trail=self._trail(moment),
            ledger=LedgerLook(
                followed=heads.is_followed,
                heads=seen,
                growth=heads.growth(),
                refused=None if refused is None else refused.value,
            ),
            quarantine=QuarantineLook(
                rows=tuple(reversed(self._quarantine)),
                seen=self._seen,
                unreadable=self._unreadable,
                released=dict(self.trail.released),
            ),
            missing=self._missing(),
            readers=tuple(self._readers.values()),
            standing=self._stands,
            processes=self._health,
            took=took,
        )

    def _directory(self) -> DirectoryLook:
        replica = self._parts.replica
        keys, waiting = self._seldom
        units = replica.directory.units()
        return DirectoryLook(
            statements=replica.directory.head.size,
            units=len(units),
            suspended=sum(unit.suspended for unit in units),
            refused=replica.refused,
            age=replica.age,
            keys=keys,
            waiting=waiting,
        )

    def _missing(self) -> tuple[str, ...]:
        """Topics that are declared and not there; none before Kafka has told which there are."""
        wanted = {topics.AUDIT, topics.QUARANTINE, topics.DIRECTORY, topics.LEDGER}
        for unit in self._parts.replica.directory.units():
            wanted |= {topics.outbox(unit.unit), topics.inbox(unit.unit), topics.receipts(unit.unit)}
        return tuple(sorted(wanted.difference(self._there))) if self._there else ()

    def _trail(self, moment: Millis) -> TrailLook:
        trail = self.trail
        return TrailLook(
            curves=trail.window.curves(moment),
            reasons=tuple(trail.window.reasons(moment)),
            pairs=trail.window.pairs(moment),
            requests=tuple(trail.requests.by_deadline()),
            recent=tuple(reversed(trail.recent)),
            unverified=trail.unverified,
            counted=trail.window.counted,
        )

    def _publish(self, look: Look) -> None:
        self.newest = look
        self._parts.looked(look)
        done, self.changed = self.changed, asyncio.Event()
        done.set()
