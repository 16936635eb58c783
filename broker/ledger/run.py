"""One attempt to run the ledger, from opening everything to the first failure.

    hold the topic `ledger` alone -> what was published -> resume -> check -> work

and then four tasks side by side: the audit topic is sequenced, the directory is logged and announced, what is
committed is published, and all that is needed is tried again and again (pulse.py). Owns the order of an
attempt and what a batch is. Rule: after any failure all four end, and the next attempt resumes from what is
stored (app.py decides whether there is one).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from broker.announcements import Stating
from broker.ledger import checks
from broker.ledger.batching import BatchLimits, next_batch
from broker.ledger.cosigning import WitnessAhead
from broker.ledger.directory_sequencer import DirectorySequencer, announcement, check_logged_statements
from broker.ledger.metrics import LedgerMetrics
from broker.ledger.place.gaps import behind_gaps
from broker.ledger.place.same_log import SameLog
from broker.ledger.published import Published, last_published
from broker.ledger.publishing import PUBLISHER, Publisher
from broker.ledger.pulse import Pulse
from broker.ledger.record_judge import JudgedRecord, RecordJudge, hear_signers
from broker.ledger.sequencer import SequencedBatch, Sequencer
from broker.ledger.store.audit_read import AuditRead
from broker.ledger.store.lock_row import moved_by_another
from broker.ledger.store.record_store import LogState, RecordStore
from broker.ledger.store.tile_store import TileStore
from broker.ledger.trust import OwnKeys, own_policy
from broker.renewal import Renewal
from broker.replica import Replica
from protocol import topics
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.tlog.policy import Policy
from protocol.trail.records import RecordType
from runtime.errors import Misconfigured
from runtime.kafka.ports import InputRecord, LogReader, LogWriter, Topics
from runtime.process.clock import ClockCheck, ClockFault, checked_time

log = structlog.get_logger()

CLOCK_HINT: Final = "set this machine's clock; the ledger goes on by itself as soon as it is right"


@dataclass(kw_only=True)
class LedgerRun:
    """A ledger's parts."""

    name: str
    topics: Topics
    replica: Replica
    stating: Stating
    records: RecordStore
    store: TileStore
    keys: OwnKeys
    policy: Policy
    sequencer: Sequencer
    directory_log: DirectorySequencer
    publisher: Publisher
    metrics: LedgerMetrics
    clock: Callable[[], Millis]
    monotonic: Callable[[], float]
    pulse: Pulse
    renewal: Renewal | None = None
    """The upkeep of the key that states; None where somebody else keeps it."""

    limits: BatchLimits
    times: ClockCheck | None = None
    """What others say of the time; None: this clock is compared with nobody's."""

    passed: Sequence[bytes] = ()
    """The statements of gaps that have their leaf."""

    working: bool = False
    """Whether everything is open, checked, and working."""

    same_log: SameLog = field(init=False)

    def __post_init__(self) -> None:
        """Nothing was looked at yet."""
        self.same_log = SameLog(records=self.records, rewound=self.metrics.rewound, monotonic=self.monotonic)

    def clock_fault(self, now: Millis | None = None) -> ClockFault | None:
        """What is wrong with this clock, as most others say; None where nothing is, or nobody speaks."""
        return None if self.times is None else self.times.fault(self.clock() if now is None else now)

    async def attempt(self) -> None:
        """Open, check, and work until something fails."""
        await self.replica.refreshed()
        actor = self.stating.name()
        if actor is None:
            self._check_nothing_is_lost()
            raise Misconfigured(
                "the directory appoints no ledger with this key",
                hint="have the centre appoint it, or name the key that it has appointed with 'key'",
            )
        async with (
            self.topics.writing(alone=PUBLISHER) as publications,
            self.topics.writing() as announcements,
        ):
            state = await self._begin()
            async with self.topics.reading(topics.AUDIT, None) as audit:
                state = await self._placed(audit, state, actor)
                audit.seek(state.position)
                self.pulse.sequenced = state.position
                await self.pulse.beat(audit)
                self.working = True
                try:
                    await _together(
                        self._sequence(audit, actor, state),
                        self._directory(announcements, actor, state.directory_next),
                        self._publish(publications),
                        self.pulse.run(audit),
                    )
                finally:
                    self.working = False

    def _check_nothing_is_lost(self) -> None:
        """A directory without what was logged of it is no wrong setting: Kafka lost it, or is another one."""
        state = self.records.state(self.directory_log.origin)
        if state is not None:
            check_logged_statements(state, self.replica.directory)

    async def _publish(self, publications: LogWriter) -> None:
        """Publish. A witness ahead of this head, but not of the database, has seen a second ledger."""
        try:
            await self.publisher.run(publications)
        except WitnessAhead as ahead:
            state = await asyncio.to_thread(self.records.state, ahead.theirs.origin)
            if state is None or state.size < ahead.theirs.size:
                raise
            raise moved_by_another(state.origin) from ahead

    async def _placed(self, audit: LogReader, state: LogState, actor: UnitId) -> LogState:
        """Go back to where another log parts from what was read, and on behind each gap that was stated.

        Refuse to where records are gone and nobody states it.
        """
        judge = self._judge(actor)
        if (way := await self.same_log.way_back(audit, state, judge)) is not None:
            state = await self._take(judge.rewound(way.rewinding, now=self._time()), read=way.read)
        state = await behind_gaps(audit, state, parties=self.replica.directory, take=self._take)
        self.passed = await asyncio.to_thread(self.records.gaps)
        self.publisher.give_notice(await asyncio.to_thread(self.records.notices))
        return state

    def _judge(self, actor: UnitId) -> RecordJudge:
        directory, entropy = self.replica.directory, self.stating.entropy
        return RecordJudge(directory, actor, entropy, self.name, self.passed, self.records.is_way_back)

    async def _take(self, reading: JudgedRecord, read: AuditRead | None = None) -> LogState:
        """A leaf that stands for a place of the topic, and the log is there."""
        done = await asyncio.to_thread(self.sequencer.advance, [reading], now=self.clock(), read=read)
        self._tell(done)
        return done.new

    async def _begin(self) -> LogState:
        """Resume both logs and check them against what was published."""
        states = self.records.states()
        trusted = own_policy(self.keys, [state.origin for state in states], self.policy)
        for state in states:
            checks.check_state(state, trusted)
        found = await last_published(self.topics, trusted, [s.origin for s in states if s.next is None])
        state = await asyncio.to_thread(self.sequencer.resume)
        directory = await asyncio.to_thread(self.directory_log.resume, self.replica.directory)
        states = tuple({s.origin: s for s in (*states, state, directory)}.values())
        self.publisher.begin(states, await asyncio.to_thread(self._check_said, states, found, trusted))
        return state

    def _check_said(
        self, states: Sequence[LogState], found: dict[str, Published], trusted: Policy
    ) -> dict[str, Published]:
        """What was published of each log, in the topic or else in the store, checked."""
        published = {}
        for state in states:
            read = self.sequencer.reader(state.origin)
            stored = checks.stored_checkpoint(self.store, state, name=self.name, policy=trusted)
            if checks.is_checkpoint_gone(stored, state, found.get(state.origin)):
                log.error("checkpoint_gone", origin=state.origin, size=state.size)
            if stored is not None:
                checks.check_said(stored, "the tile store", state, read)
                if state.next is not None:
                    published[state.origin] = stored
            if (said := found.get(state.origin)) is not None:
                checks.check_said(said, "the topic ledger", state, read)
                published[state.origin] = said
        return published

    async def _sequence(self, audit: LogReader, actor: UnitId, state: LogState) -> None:
        """Read, judge, advance: batch after batch."""
        judge = self._judge(actor)
        while True:
            records = await next_batch(audit, self.limits, pulse=self.pulse, monotonic=self.monotonic)
            await self.same_log.check(audit, state)
            verdicts = await asyncio.to_thread(self._judged, judge, records, state.size)
            readings = await self._settled(judge, records, verdicts)
            hear_signers(self.times, readings, me=actor)
            while readings:
                with self.metrics.batch_seconds.time():
                    done = await asyncio.to_thread(
                        self.sequencer.advance, readings, now=self._time(), records=records
                    )
                readings, state = readings[len(done.taken) :], done.new
                self.pulse.sequenced = done.new.position
                self._tell(done)
                if any(row.type == RecordType.KAFKA_PUT_BACK for row in done.rows):
                    self.publisher.give_notice(await asyncio.to_thread(self.records.notices))
            _, end = await audit.span()
            self.pulse.behind = max(0, end - await audit.position())

    @staticmethod
    def _judged(
        judge: RecordJudge, records: Sequence[InputRecord], first: int
    ) -> list[JudgedRecord | Rejected]:
        verdicts: list[JudgedRecord | Rejected] = []
        for record in records:
            try:
                reading = judge.read(record, first=first)
            except Rejected as rejected:
                verdicts.append(rejected)
                continue
            verdicts.append(reading)
            first += len(reading.entries)
        return verdicts

    async def _settled(
        self, judge: RecordJudge, records: Sequence[InputRecord], verdicts: Sequence[JudgedRecord | Rejected]
    ) -> list[JudgedRecord]:
        """The verdicts, after unverified records were judged again with the newest directory."""
        if any(isinstance(verdict, Rejected) for verdict in verdicts):
            await self.replica.refreshed()
        return [
            verdict if isinstance(verdict, JudgedRecord) else self._final(judge, record)
            for record, verdict in zip(records, verdicts, strict=True)
        ]

    def _final(self, judge: RecordJudge, record: InputRecord) -> JudgedRecord:
        try:
            return judge.read(record, first=0)
        except Rejected as rejected:
            self.metrics.unverified.inc()
            log.error("audit_record_unverified", offset=record.offset, code=rejected.code)  # noqa: TRY400
            return judge.unverified(record, Code(rejected.code), first=0, now=self._time())

    def _time(self) -> Millis:
        """The time by which something is signed now; `Unavailable` while this clock is wrong."""
        return checked_time(self.clock, self.times, hint=CLOCK_HINT)

    def _tell(self, done: SequencedBatch) -> None:
        new, old = done.new, done.old
        self.publisher.tell(new)
        grown = new.size - (old.size if old.origin == new.origin else 0)
        self.metrics.sequenced(new.origin, new.size, [row.type for row in done.rows], leaves=grown)
        self.metrics.erased.inc(sum(len(each.indexes) for each in done.erasures))
        log.info("sequenced", origin=new.origin, size=new.size, entries=grown, offset=new.position)

    async def _directory(self, writer: LogWriter, actor: UnitId, announced: int) -> None:
        """Log what is new in the directory, and announce each statement, once as far as is known."""
        directory = self.replica.directory
        while True:
            logged = await asyncio.to_thread(self.directory_log.advance, directory, now=self._time())
            self.publisher.tell(logged)
            # As many as are logged: one that came meanwhile is logged first, in the next round.
            size = logged.size
            for position, data in enumerate(directory.snapshot()[announced:size], start=announced):
                make = partial(announcement, directory, position, data)
                await self.stating.valid()
                await writer.write([self.stating.record(make, actor)])
            announced = size
            await self.replica.at_least(size + 1, patience=60.0)


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, then cancel the others; the first failure is raised."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        # Twice: a cancellation may be lost where a connection fails in the same moment.
        for _ in range(2):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=10)
