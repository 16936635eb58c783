"""The lanes: sealed messages to Kafka, one task for each partition of the outbox.

The database is the queue and `Lane` is a cursor in it; the cursor is all that can be wrong, so it is pure
and small. The rule that everything rests on:

    A router treats everything up to the last number of a stream as sent before. So a sealing must not
    enter the log before every earlier undecided one is in it, or the earlier one is lost for good.

Hence: what goes out next is always the oldest undecided sealings behind the cursor, in the order of their
ids, which is the order of their numbers. The cursor moves only over what Kafka has acknowledged. After a
failure it stays; after a start, a stall, or where Kafka has lost its end, it goes back to the beginning.
Sending again in order is always safe: the router drops duplicates.

Owns the cursors and the tasks. What goes out next is read from the database, or from what was sealed just
now (`sealings.RecentSealings`) where that must say the same. One batch is on its way in a lane at a time,
and the next one is read when Kafka has acknowledged it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from clients.daemon.errors import StoreUnavailable
from clients.daemon.jobs import Jobs
from clients.daemon.sending.outbox_log import OutboxLog, OutboxRecord
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import sealings
from clients.daemon.store.disk import Disk
from runtime.errors import Unavailable
from runtime.kafka.feeds import Backoff
from runtime.process.clock import KAFKA
from runtime.process.wakeup import Throttle, Wakeup, Watermark

log = structlog.get_logger()


SPACING: Final = 0.002
"""Seconds between the starts of two batches of a lane, at the least: each costs Kafka and the router the
same, whatever it holds. While idle a message waits for nothing."""


FIRST_PATIENCE: Final = 30.0


MOST_PATIENCE: Final = 3600.0


@dataclass(slots=True)
class Lane:
    """The cursor of one partition."""

    after: int = 0
    """Every undecided sealing up to this id is in Kafka, by acknowledgements of this run."""

    patience: float = FIRST_PATIENCE
    """Seconds without a decision after which everything undecided is sent again."""

    since: float | None = None
    """When the last decision came, or the first acknowledgement after it; None while none is waited for."""

    end: int = 0
    """Behind the last record of ours, as Kafka has acknowledged it."""

    def acknowledged(self, sent: Sequence[int], *, now: float, offset: int = -1) -> bool:
        """Kafka has taken these: the first ones of the window that was read behind the cursor.

        `offset` is the place of the first one, where Kafka says it. If that is before the end of what Kafka
        had, its log came back from an older copy: then this is true, and the oldest goes first again.
        """
        if not sent:
            return False
        rewound = 0 <= offset < self.end
        self.after = 0 if rewound else sent[-1]
        self.end = offset + len(sent) if offset >= 0 else self.end
        self.since = now if self.since is None else self.since
        return rewound

    def decided(self, *, now: float) -> None:
        """The router has decided something: the lane is not stuck."""
        self.patience = FIRST_PATIENCE
        self.since = None if self.since is None else now

    def left(self, *, now: float) -> float | None:
        """Seconds of patience that are left; None while no decision is waited for.

        Nothing but a decision makes it more: a lane that is woken in between, by what is sealed or by a look
        at the clock, does not wait anew.
        """
        return None if self.since is None else max(0.0, self.since + self.patience - now)

    def whole(self) -> None:
        """Everything is decided: no decision is waited for."""
        self.since = None

    def overtaken(self) -> None:
        """The router skipped a sealing: Kafka lost it, and the oldest goes first again."""
        self.after = 0

    def stalled(self, *, now: float) -> None:
        """Nothing was decided for the whole waiting time: start again from the oldest, and wait longer.

        A router that is down looks the same, and must not find hours of repeats: hence the doubling.
        """
        self.after, self.since = 0, now
        self.patience = min(self.patience * 2, MOST_PATIENCE)


class Lanes:
    """All lanes of one unit."""

    def __init__(
        self, context: UnitContext, jobs: Jobs, disk: Disk, log_: OutboxLog, *, heard: Callable[[], None]
    ) -> None:
        self._context = context
        self._jobs = jobs
        self._disk = disk
        self._log = log_
        self._heard = heard
        self._lanes: dict[int, tuple[Lane, Wakeup]] = {}
        self.sent = Wakeup()
        """Rings when Kafka has acknowledged something."""

    async def run(self, statements: Watermark, *, look_every: float) -> None:
        """A lane for each partition that the outbox has; more of them once the registrar says so."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for partition in range(
                    await self._jobs.run("lanes", lambda: self._context.outbox_partitions, brief=True)
                ):
                    if partition not in self._lanes:
                        self._lanes[partition] = Lane(), Wakeup()
                        tasks.create_task(self._run_lane(partition))
                await statements.reached(statements.level + 1, within=look_every)

    def wake(self) -> None:
        """Something was sealed."""
        for _, wakeup in self._lanes.values():
            wakeup.wake()

    def decided(self, partitions: Collection[int], *, overtaken: Collection[int]) -> None:
        """The router decided in these partitions; in some it skipped a sealing."""
        for partition in self._lanes.keys() & set(partitions):
            lane, wakeup = self._lanes[partition]
            lane.decided(now=_now())
            if partition in overtaken:
                log.error("overtaken", partition=partition)
                lane.overtaken()
                wakeup.wake()

    async def _run_lane(self, partition: int) -> None:
        lane, wakeup = self._lanes[partition]
        backoff = Backoff()
        throttle = Throttle(SPACING)
        while True:
            await throttle.wait()
            try:
                window = await self._next(partition, lane.after)
                sent, offset = await self._send(partition, window)
                if lane.acknowledged(sent, now=_now(), offset=offset):
                    log.error("outbox_rewound", partition=partition, offset=offset)
                    await backoff.wait()
                    continue
                backoff.reset()
                # A sealing wakes the lane after it is committed: what comes during a send is not missed.
                if window.whole and len(sent) == len(window.items):
                    await wakeup.wait(lane.left(now=_now()))
                    await self._look_at_patience(partition, lane)
            except (Unavailable, StoreUnavailable) as error:
                self._context.metrics.append_failures.inc()
                log.warning("append_failed", partition=partition, error=str(error))
                await backoff.wait()

    async def _send(self, partition: int, window: sealings.Window) -> tuple[list[int], int]:
        """Append a window; the ids of what Kafka has acknowledged, and where, or -1 if it does not say."""
        if not window.items:
            return [], -1
        await self._disk.flushed()
        times = self._context.times
        asked = 0.0 if times is None else times.check.moment()
        appended = await self._log.append(
            partition, [OutboxRecord(item.thread, item.submission) for item in window.items]
        )
        self._heard()
        if times is not None and appended.t is not None:
            times.check.answered(KAFKA, appended.t, since=asked)
        self._context.metrics.appended.inc(appended.count)
        sent = [item.id for item in window.items[: appended.count]]
        if appended.offset >= 0:
            offsets = range(appended.offset, appended.offset + len(sent))
            # One atomic call; the worker takes it from there.
            self._context.sent.update(zip(sent, offsets, strict=True))
            self.sent.wake()
        return sent, appended.offset

    async def _next(self, partition: int, after: int) -> sealings.Window:
        """What goes out next: from memory if possible, else from the database."""
        window = self._context.recent_sealings.take(partition, after)
        if window is None:
            window = await self._jobs.run("window", partial(self._window, partition, after), brief=True)
        return window

    def _window(self, partition: int, after: int) -> sealings.Window:
        return sealings.undecided(
            self._context.store,
            partition=partition,
            after=after,
            most=sealings.WINDOW,
            most_bytes=sealings.WINDOW_BYTES,
        )

    async def _look_at_patience(self, partition: int, lane: Lane) -> None:
        if lane.left(now=_now()) != 0:
            return
        waiting = await self._jobs.run(
            "stalled",
            lambda: sealings.has_undecided_sealings(self._context.store, partition),
            brief=True,
        )
        if not waiting:
            lane.whole()
        elif lane.left(now=_now()) == 0:  # no decision came meanwhile
            log.warning("sent_again", partition=partition, seconds=round(lane.patience))
            lane.stalled(now=_now())


def _now() -> float:
    """Seconds that no clock change moves."""
    return asyncio.get_running_loop().time()
