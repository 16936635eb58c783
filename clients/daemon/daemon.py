"""The daemon: what runs beside each other, and what wakes what.

    intake      requests that arrive together become one transaction
    lanes       one for each partition of the outbox: sealed messages to Kafka, in order (lane.py)
    decisions   the receipts topic: what routers decided
    deliveries  the inbox topic: what others sent
    statements  the directory topic: who is who
    receipts    acknowledgements of delivery, some milliseconds later and together
    sealer      messages that had to wait for keys
    upkeep      our own keys: made ahead, published, destroyed in time

Owns the tasks and their patience. What is done with a record or a request is a job of the office, in the
worker's thread. A job that the disk refuses is tried again until it holds; meanwhile nothing is lost,
because positions move only with what was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from clients.daemon import deciding, outbox, receiving, statements, submitting
from clients.daemon.deciding import DirectoryBehind
from clients.daemon.errors import StoreUnavailable
from clients.daemon.inbox import position
from clients.daemon.lane import Lane
from clients.daemon.office import Office
from clients.daemon.requests import SendRequest
from clients.daemon.submitting import Submitted
from clients.daemon.wakeup import Bell, Tide
from clients.daemon.worker import Worker
from clients.kafka import Backoff
from clients.ports import DirectoryLog, FeedReader, Fetched, OutboxLog, Outgoing, Take, Unavailable
from keys.errors import KeyStoreError
from protocol import topics
from protocol.errors import ContradaError

log = structlog.get_logger()

T = TypeVar("T")

INTAKE_AT_MOST: Final = 32
WINDOW: Final = 200
WINDOW_BYTES: Final = 480_000
DIRECTORY_PATIENCE: Final = 2.0
"""Seconds that records wait for statements which somebody else saw before us."""

CATCH_UP_PATIENCE: Final = 5.0
UPKEEP_EVERY: Final = 3600.0
QUEUED_EVERY: Final = 15.0
RECEIPTS_AFTER: Final = 0.25
"""Seconds until what arrived is acknowledged: the mail comes first, and receipts travel together."""

MARK_AFTER: Final = 1.0
"""Seconds until a row says that Kafka has its message; most are decided by then, and say that."""


class Daemon:
    """The tasks of one unit."""

    def __init__(
        self, office: Office, worker: Worker, *, log_: OutboxLog, feeds: FeedReader, directory: DirectoryLog
    ) -> None:
        self.office = office
        self.worker = worker
        self._outbox = log_
        self._feeds = feeds
        self._directory_log = directory
        self._intake: list[tuple[SendRequest, asyncio.Future[Submitted | ContradaError]]] = []
        self._intake_bell = Bell()
        self._sealer_bell = Bell()
        self._upkeep_bell = Bell()
        self._receipts_bell = Bell()
        self._sent_bell = Bell()
        self._lanes: dict[int, tuple[Lane, Bell]] = {}
        self._statements = Tide()
        self._decisions_read = asyncio.Event()
        self.directory_read = asyncio.Event()
        self.arrivals = Tide()
        """Counts what came into the inbox; whoever waits for mail waits for it to rise."""

        self.kafka_up = False

    async def run(self) -> None:
        """Everything at once, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in (
                self._take_in(),
                self._follow_directory(),
                self._follow(topics.receipts(self.office.unit), self._on_decisions, self._decisions_read),
                self._follow(topics.inbox(self.office.unit), self._on_deliveries, asyncio.Event()),
                self._seal_what_waited(),
                self._seal_receipts(),
                self._mark_sent(),
                self._keep_keys(),
                self._run_lanes(),
            ):
                tasks.create_task(part)

    async def job(self, name: str, work: Callable[[], T]) -> T:
        """Run a job of the office in the worker's thread."""
        with self.office.metrics.job_seconds.labels(name).time():
            return await self.worker.do(work)

    # -- Requests ------------------------------------------------------------------------------------

    async def submit(self, request: SendRequest) -> Submitted:
        """Put a message into the outbox: it is on disk when this returns."""
        future: asyncio.Future[Submitted | ContradaError] = asyncio.get_running_loop().create_future()
        self._intake.append((request, future))
        self._intake_bell.ring()
        result = await future
        if isinstance(result, ContradaError):
            raise result
        return result

    def wake_lanes(self) -> None:
        """Something was sealed."""
        for _, bell in self._lanes.values():
            bell.ring()

    def rotated(self) -> None:
        """Keys were changed from outside: look at them."""
        self._upkeep_bell.ring()

    async def _take_in(self) -> None:
        while True:
            await self._intake_bell.wait()
            while self._intake:
                batch = self._intake[:INTAKE_AT_MOST]
                del self._intake[:INTAKE_AT_MOST]
                await self._submit_batch(batch)

    async def _submit_batch(
        self, batch: list[tuple[SendRequest, asyncio.Future[Submitted | ContradaError]]]
    ) -> None:
        requests = [request for request, _ in batch]
        try:
            results = await self.job("submit", lambda: submitting.submit(self.office, requests))
        except ContradaError as error:
            # The disk: nobody's request was taken, and everybody is told.
            results = [error] * len(batch)
        self.wake_lanes()
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    # -- Sending -------------------------------------------------------------------------------------

    async def _run_lanes(self) -> None:
        """A lane for each partition that the outbox has; more of them once the registrar says so."""
        await self.directory_read.wait()
        # Decisions that are there already spare us from sending again what they decide.
        await _within(CATCH_UP_PATIENCE, self._decisions_read.wait())
        async with asyncio.TaskGroup() as tasks:
            while True:
                for partition in range(await self.job("lanes", lambda: self.office.outbox_partitions)):
                    if partition not in self._lanes:
                        self._lanes[partition] = Lane(), Bell()
                        tasks.create_task(self._run_lane(partition))
                await self._statements.reach(self._statements.level + 1, within=UPKEEP_EVERY)

    async def _run_lane(self, partition: int) -> None:
        lane, bell = self._lanes[partition]
        backoff = Backoff()
        while True:
            try:
                window = await self.job("window", partial(self._window, partition, lane.after))
                sent = await self._send(partition, window)
            except (Unavailable, StoreUnavailable) as error:
                self.kafka_up &= isinstance(error, StoreUnavailable)
                self.office.metrics.append_failures.inc()
                log.warning("append_failed", partition=partition, error=str(error))
                await backoff.wait()
                continue
            backoff.reset()
            lane.acknowledged(sent)
            # Whoever seals rings the bell afterwards: what comes while we send is not missed.
            idle = window.whole and len(sent) == len(window.items)
            if idle and not await bell.wait(lane.patience) and await self._is_stalled(partition):
                lane.stalled()

    async def _send(self, partition: int, window: outbox.Window) -> list[int]:
        """Append a window; the ids of what Kafka has acknowledged."""
        if not window.items:
            return []
        appended = await self._outbox.append(
            partition, [Outgoing(item.thread, item.submission) for item in window.items]
        )
        self.kafka_up = True
        self.office.metrics.appended.inc(appended.count)
        sent = [item.id for item in window.items[: appended.count]]
        if appended.offset >= 0:
            offsets = range(appended.offset, appended.offset + len(sent))
            # One call that no thread can be in the middle of; the worker takes it from there.
            self.office.sent.update(zip(sent, offsets, strict=True))
            self._sent_bell.ring()
        return sent

    def _window(self, partition: int, after: int) -> outbox.Window:
        return outbox.undecided(
            self.office.store, partition=partition, after=after, most=WINDOW, most_bytes=WINDOW_BYTES
        )

    async def _mark_sent(self) -> None:
        """What is decided quickly is never marked: its decision says more."""
        while True:
            await self._sent_bell.wait()
            await asyncio.sleep(MARK_AFTER)
            await self._until_stored("mark", partial(submitting.mark_sent, self.office))

    async def _seal_receipts(self) -> None:
        while True:
            while await self._until_stored("receipts", partial(submitting.seal_receipts, self.office)):
                self.wake_lanes()
            self.wake_lanes()
            await self._receipts_bell.wait()
            await asyncio.sleep(RECEIPTS_AFTER)

    async def _is_stalled(self, partition: int) -> bool:
        return await self.job("stalled", lambda: outbox.has_undecided(self.office.store, partition))

    async def _seal_what_waited(self) -> None:
        while True:
            await self._sealer_bell.wait(QUEUED_EVERY)
            after: int | None = 0
            while after is not None:
                after = await self._until_stored("seal", partial(submitting.seal_queued, self.office, after))
            self.wake_lanes()

    # -- Reading -------------------------------------------------------------------------------------

    async def _follow(
        self, topic: str, on_records: Callable[[Fetched], Awaitable[None]], read: asyncio.Event
    ) -> None:
        """One reader for each partition of a topic of ours."""
        await self.directory_read.wait()
        partitions = await self._once_available(lambda: self._feeds.partitions(topic))
        async with asyncio.TaskGroup() as tasks:
            for partition in range(partitions):
                tasks.create_task(self._follow_partition(topic, partition, on_records, read))

    async def _follow_partition(
        self,
        topic: str,
        partition: int,
        on_records: Callable[[Fetched], Awaitable[None]],
        read: asyncio.Event,
    ) -> None:
        end = await self._once_available(lambda: self._feeds.end(topic, partition))
        start = await self.job("position", lambda: position(self.office.store, topic, partition))
        await self._feeds.follow(
            topic, partition, start=start, take=_noting_end(on_records, start=start, end=end, read=read)
        )

    async def _follow_directory(self) -> None:
        topic = topics.DIRECTORY
        end = await self._once_available(lambda: self._feeds.end(topic, 0))
        self.kafka_up = True
        start = await self.job("position", lambda: statements.start_of_feed(self.office, topic))
        await self._statements.rise(self.office.directory.head.size)
        take = _noting_end(self._on_statements, start=start, end=end, read=self.directory_read)
        await self._feeds.follow(topic, 0, start=start, take=take)

    async def _on_statements(self, fetched: Fetched) -> None:
        learned = await self._until_stored(
            "statements", lambda: statements.take_statements(self.office, fetched)
        )
        await self._statements.rise(learned.size)
        if learned.changed:
            self._sealer_bell.ring()
            self._upkeep_bell.ring()

    async def _on_decisions(self, fetched: Fetched) -> None:
        decided = await self._patiently("decisions", partial(deciding.take_decisions, self.office, fetched))
        for partition in decided.partitions:
            if partition in self._lanes:
                lane, bell = self._lanes[partition]
                lane.decided()
                if partition in decided.overtaken:
                    log.error("overtaken", partition=partition)
                    lane.overtaken()
                    bell.ring()
        if decided.sealed:
            self.wake_lanes()

    async def _on_deliveries(self, fetched: Fetched) -> None:
        received = await self._patiently(
            "deliveries", partial(receiving.take_deliveries, self.office, fetched)
        )
        if received.messages:
            self._receipts_bell.ring()
            await self.arrivals.rise(self.arrivals.level + received.messages)

    # -- Keys ----------------------------------------------------------------------------------------

    async def _keep_keys(self) -> None:
        await self.directory_read.wait()
        backoff = Backoff()
        while True:
            try:
                made = await self._until_stored("upkeep", lambda: statements.upkeep(self.office))
                if made:
                    await self._directory_log.publish(made)
            except (Unavailable, KeyStoreError) as error:
                log.warning("keys_not_kept", error=str(error))
                await backoff.wait()
                continue
            backoff.reset()
            await self._upkeep_bell.wait(UPKEEP_EVERY)

    # -- Patience ------------------------------------------------------------------------------------

    async def _until_stored(self, name: str, work: Callable[[], T]) -> T:
        """Run a job until the disk takes it."""
        backoff = Backoff(first=0.2, most=5.0)
        while True:
            try:
                return await self.job(name, work)
            except StoreUnavailable as error:
                log.error("store_unavailable", step=name, error=str(error))  # noqa: TRY400 - no traceback in our logs
                await backoff.wait()

    async def _patiently(self, name: str, work: Callable[..., T]) -> T:
        """Run a job; if it lacks statements of the directory, wait a little for them, and then do without."""
        try:
            return await self._until_stored(name, partial(work, patient=True))
        except DirectoryBehind as behind:
            await self._statements.reach(behind.size, within=DIRECTORY_PATIENCE)
            return await self._until_stored(name, partial(work, patient=False))

    async def _once_available(self, ask: Callable[[], Awaitable[T]]) -> T:
        backoff = Backoff()
        while True:
            try:
                return await ask()
            except Unavailable as error:
                log.warning("kafka_unavailable", error=str(error))
                await backoff.wait()


def _noting_end(
    on_records: Callable[[Fetched], Awaitable[None]], *, start: int, end: int, read: asyncio.Event
) -> Take:
    """Say `read` when everything that was there at the beginning has been taken in."""
    if start >= end:
        read.set()

    async def take(fetched: Fetched) -> None:
        await on_records(fetched)
        if fetched.position >= end:
            read.set()

    return take


async def _within(seconds: float, waiting: Awaitable[Any]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        pass
