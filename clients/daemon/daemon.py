"""The daemon's tasks: what runs concurrently, and what wakes what.

    intake      requests that arrive together become one transaction (intake.py)
    lanes       one for each partition of the outbox: sealed messages to Kafka, in order (lanes.py)
    decisions   the receipts topic: what routers decided
    deliveries  the inbox topic: what others sent
    statements  the directory topic: units and their keys
    receipts    acknowledgements of delivery, some milliseconds later and together
    catching up what was decided before this run, before anything of earlier runs goes out
    each minute accepted messages that are not acknowledged in time, and what H3 has deleted by now
    sealer      messages that had to wait for keys
    ledger      the ledger topic: the published logs (ledger/watch.py)
    marks       how far was read, told to Kafka for the centre (receiving/position_marks.py)
    log         the database's log, copied into it before it is long
    upkeep      the unit's keys: made ahead, published, destroyed in time

Owns the tasks and their waiting times. The work on a record or a request is a job, one at a time (jobs.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import structlog

from clients.daemon.directory import statements
from clients.daemon.errors import DirectoryBehind
from clients.daemon.jobs import Jobs, is_brief
from clients.daemon.ledger.watch import LedgerWatch
from clients.daemon.receiving import deciding
from clients.daemon.receiving import deliveries as receiving
from clients.daemon.receiving.catching_up import CatchingUp
from clients.daemon.receiving.position_marks import PositionMarks
from clients.daemon.receiving.unit_feeds import UnitFeeds
from clients.daemon.sending import acknowledgements, waiting
from clients.daemon.sending.awaiting import look_for_acknowledgements
from clients.daemon.sending.deletions import delete_what_is_due
from clients.daemon.sending.intake import Intake
from clients.daemon.sending.lanes import Lanes
from clients.daemon.sending.outbox_log import OutboxLog
from clients.daemon.state.losses import tell_losses
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.disk import Disk
from keys.errors import KeyStoreError
from protocol import topics
from runtime.errors import Unavailable
from runtime.kafka.feeds import Backoff
from runtime.kafka.ports import DirectoryTopic, FeedReader, Fetched, MarkTeller
from runtime.process.clock import ClockJump
from runtime.process.contact import Contact
from runtime.process.wakeup import Throttle, Wakeup, Watermark
from runtime.process.worker import Worker

log = structlog.get_logger()

T = TypeVar("T")

DECISIONS_SPACING: Final = 0.020
"""Seconds between the starts of two batches of decisions, at the least: fewer wait for them than for mail."""

DECISIONS_PAUSE: Final = 0.1
"""Seconds for which no further decisions are asked for once some have come, unless a conversation waits."""

DIRECTORY_PATIENCE: Final = 2.0
"""Seconds that records wait for statements that another party saw first."""

UPKEEP_EVERY: Final = 3600.0
QUEUED_EVERY: Final = 15.0
LOOK_EVERY: Final = 60.0
RECEIPTS_AFTER: Final = 0.25
"""Seconds until what arrived is acknowledged: messages go first, and acknowledgements are sent together."""

RECEIPTS_SPACING: Final = 1.0
"""Seconds between two times that this is done, at the least: each costs both units as much as a message."""

BRIEF_JOBS: Final = frozenset({"position", "inbox", "open", "read", "opened", "acknowledge"})
"""Those of the local API that come with each message, and those that read one row."""

MARK_AFTER: Final = 1.0
"""Seconds until a row says that Kafka has its message; most are decided by then, and say that."""


class Daemon:
    """The tasks of one unit."""

    def __init__(
        self,
        context: UnitContext,
        worker: Worker,
        *,
        log_: OutboxLog,
        feeds: FeedReader,
        directory: DirectoryTopic,
        marks: MarkTeller,
        disk: Disk | None = None,
    ) -> None:
        self.context = context
        self.worker = worker
        self.jobs = Jobs(context, worker)
        self.disk = disk or Disk(context.store)
        self.directory_read = asyncio.Event()
        self.kafka = Contact(context.monotonic)
        """When Kafka has answered last."""

        self.lanes = Lanes(context, self.jobs, self.disk, log_, heard=self.kafka.heard)
        self._marks = PositionMarks(context, self.jobs, marks, heard=self.kafka.heard)
        self.intake = Intake(
            context, self.jobs, self.disk, taken=self.lanes.wake, directory_read=self.directory_read
        )
        self.ledger = LedgerWatch(context, self.jobs, feeds, patiently=self._patiently)
        self._feeds = UnitFeeds(context, self.jobs, feeds)
        self._directory_log = directory
        self._sealer_wakeup = Wakeup()
        self._upkeep_wakeup = Wakeup()
        self._receipts_wakeup = Wakeup()
        self._decisions_throttle = Throttle(DECISIONS_SPACING)
        self._statements = Watermark()
        self._catching_up = CatchingUp(context, self.jobs, feeds)
        self.arrivals = Watermark()
        """Counts received messages; a request that waits for new ones waits for it to rise."""

        self.newest: int | None = None
        """The last row of the inbox that this run has taken in for people."""

    async def run(self) -> None:
        """Run all tasks until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in (
                self.intake.run(),
                self._follow_directory(),
                self._follow_decisions(),
                self._follow_deliveries(),
                self._seal_what_waited(),
                self._seal_receipts(),
                self._mark_sent(),
                self._shorten_log(),
                self._keep_keys(),
                self._tell_losses(),
                self.ledger.run(self.directory_read),
                self._catching_up.run(),
                self._look_each_minute(),
                self._run_lanes(),
                self._marks.run(),
            ):
                tasks.create_task(part)

    async def job(self, name: str, work: Callable[[], T]) -> T:
        """Run a job on the unit's context."""
        return await self.jobs.run(name, work, brief=name in BRIEF_JOBS)

    async def _shorten_log(self) -> None:
        while True:
            await self.jobs.log_is_long.wait()
            await self.jobs.until_stored("checkpoint", self.context.store.shorten_log)

    # -- Sealing and sending -------------------------------------------------------------------------

    async def _run_lanes(self) -> None:
        await self.directory_read.wait()
        # What is decided already must not be sent again, so decisions are read first.
        await self._catching_up.done.wait()
        await self.lanes.run(self._statements, look_every=UPKEEP_EVERY)

    async def _mark_sent(self) -> None:
        """What is decided quickly is never marked: its decision goes further."""
        while True:
            await self.lanes.sent.wait()
            await asyncio.sleep(MARK_AFTER)
            await self.jobs.until_stored("mark", partial(waiting.note_sent, self.context), brief=True)

    async def _seal_receipts(self) -> None:
        throttle = Throttle(RECEIPTS_SPACING)
        while True:
            await throttle.wait()
            while await self.jobs.until_stored(
                "receipts", partial(acknowledgements.seal_receipts, self.context), brief=True
            ):
                self.lanes.wake()
            self.lanes.wake()
            await self._receipts_wakeup.wait()
            await asyncio.sleep(RECEIPTS_AFTER)

    async def _seal_what_waited(self) -> None:
        jump = ClockJump(self.context.wall, self.context.monotonic)
        while True:
            await self._sealer_wakeup.wait(QUEUED_EVERY)
            if jump.happened():
                # Other weeks run now: the keys for them are made at once, and nothing waits for another hour.
                log.warning("clock_jumped")
                self.context.held.clear()
                self._upkeep_wakeup.wake()
            after: int | None = 0
            while after is not None:
                after = await self.jobs.until_stored(
                    "seal", partial(waiting.seal_queued, self.context, after)
                )
            self.lanes.wake()

    async def _look_each_minute(self) -> None:
        while True:
            for name, work in (("awaited", look_for_acknowledgements), ("delete", delete_what_is_due)):
                while await self.jobs.until_stored(name, partial(work, self.context)):
                    self.lanes.wake()
            late = await self.jobs.until_stored("deferred", partial(receiving.take_deferred, self.context))
            await self._tell_arrivals(late)
            await asyncio.sleep(LOOK_EVERY)

    # -- Reading -------------------------------------------------------------------------------------

    async def _follow_decisions(self) -> None:
        await self.directory_read.wait()
        await self._feeds.follow_all(
            topics.receipts(self.context.unit),
            self._on_decisions,
            read=self._catching_up.receipts_read,
            spacing=self._decisions_spacing,
        )

    def _decisions_spacing(self) -> float:
        return 0.0 if self.context.conversation_waits else DECISIONS_PAUSE

    async def _follow_deliveries(self) -> None:
        await self._catching_up.for_deliveries(self.directory_read)
        await self._feeds.follow_all(topics.inbox(self.context.unit), self._on_deliveries)

    async def _follow_directory(self) -> None:
        topic = topics.DIRECTORY
        end = await self._feeds.end(topic, 0)
        self.kafka.heard()
        at = await self.jobs.until_stored("position", lambda: statements.start_of_feed(self.context, topic))
        await self._statements.advance(self.context.directory.head.size)
        await self._feeds.follow((topic, 0), self._on_statements, start=at, end=end, read=self.directory_read)

    async def _on_statements(self, fetched: Fetched) -> None:
        learned = await self.jobs.until_stored(
            "statements", lambda: statements.take_statements(self.context, fetched)
        )
        await self._statements.advance(learned.size)
        if learned.changed:
            for waiting_for in (self._sealer_wakeup, self._upkeep_wakeup, self._receipts_wakeup):
                waiting_for.wake()

    async def _on_decisions(self, fetched: Fetched) -> None:
        await self._decisions_throttle.wait()
        self.kafka.heard()
        work = partial(deciding.take_decisions, self.context, fetched)
        decided = await self._patiently("decisions", work, brief=is_brief(fetched))
        self._catching_up.decided(decided.reached)
        self.lanes.decided(decided.reached, overtaken=decided.overtaken)
        if decided.sealed:
            self.lanes.wake()
            self._receipts_wakeup.wake()

    async def _on_deliveries(self, fetched: Fetched) -> None:
        self.kafka.heard()
        work = partial(receiving.take_deliveries, self.context, fetched)
        received = await self._patiently("deliveries", work, brief=is_brief(fetched))
        self._marks.moved()
        await self._tell_arrivals(received)

    async def _tell_arrivals(self, received: receiving.Received) -> None:
        if received.owed:
            self._receipts_wakeup.wake()
        if received.messages:
            self.newest = max(received.newest, self.newest or 0)
            await self.arrivals.advance(self.arrivals.level + received.messages)

    # -- Keys ----------------------------------------------------------------------------------------

    async def _keep_keys(self) -> None:
        await self.directory_read.wait()
        backoff = Backoff()
        while True:
            try:
                made = await self.jobs.until_stored("upkeep", lambda: statements.upkeep(self.context))
                if made:
                    await self._directory_log.publish(made)
            except (Unavailable, KeyStoreError) as error:
                log.warning("keys_not_kept", error=str(error))
                await backoff.wait()
                continue
            backoff.reset()
            await self._upkeep_wakeup.wait(statements.seconds_to_upkeep(self.context, UPKEEP_EVERY))

    async def _tell_losses(self) -> None:
        await self.directory_read.wait()
        await self.jobs.until_stored("losses", lambda: tell_losses(self.context))

    # -- Waiting -------------------------------------------------------------------------------------

    async def _patiently(self, name: str, work: Callable[..., T], *, brief: bool) -> T:
        """Run a job; if it lacks statements of the directory, wait for them shortly, or go on without."""
        try:
            return await self.jobs.until_stored(name, partial(work, patient=True), brief=brief)
        except DirectoryBehind as behind:
            await self._statements.reached(behind.size, within=DIRECTORY_PATIENCE)
            return await self.jobs.until_stored(name, partial(work, patient=False), brief=brief)
