"""The unit's context: the parts that its jobs work on, in one place and in one thread.

Owns the composition and the transaction. The jobs are in `sending`, `receiving`, `ledger` and
`directory`; each is a function of the context that runs in the worker's thread from beginning to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from clients.daemon.metrics import UnitMetrics
from clients.daemon.state.ledger_state import Ledger
from clients.daemon.state.stored_directory import StoredDirectory
from clients.daemon.state.stream import Stream
from clients.daemon.state.unit_clock import UnitClock
from clients.daemon.store.alarms import raise_alarm
from clients.daemon.store.at_rest import Vault
from clients.daemon.store.database import Store
from clients.daemon.store.inbox import HeaderCache
from clients.daemon.store.sealings import RecentSealings
from keys.directory import Directory
from keys.errors import KeyStoreError
from keys.unit_keys import UnitKeys
from protocol.identifiers import Entropy, Millis, ThreadId, UnitId
from protocol.limits import CLOCK_TOLERANCE, SECOND
from protocol.parties import NO_HEAD, TreeHead
from protocol.topics import partition_of
from runtime.kafka.security.certificate_watch import CertificateWatch

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class UnitContext:
    """The parts. Not frozen: the stream is replaced after a failed transaction."""

    unit: UnitId
    store: Store
    vault: Vault
    keys: UnitKeys
    replica: StoredDirectory
    metrics: UnitMetrics
    clock: Callable[[], Millis]
    monotonic: Callable[[], float]
    entropy: Entropy
    stream: Stream
    sent: dict[int, int] = field(default_factory=dict)
    """Sealings that Kafka has acknowledged, with their offsets, and whose rows are not marked yet."""

    recent_sealings: RecentSealings = field(default_factory=RecentSealings)
    """What was sealed just now, for the lanes."""

    headers: HeaderCache = field(default_factory=HeaderCache)
    clock_alarms: set[str] = field(default_factory=set)
    """Alarms about clocks that were raised in this run and are not over."""

    conversation_waits: bool = True
    """Whether a message may wait for the decision on an earlier one of its conversation."""

    held: dict[int, float] = field(default_factory=dict)
    """Rows of the outbox that are not to be sealed before this moment of the monotonic clock."""

    renews_key: bool = True
    """Whether the unit's identity names its successor by itself when it is due."""

    ledger: Ledger | None = None
    """The followed logs; None where the home has no policy for them."""

    times: UnitClock | None = None
    """What others' clocks show, by which `clock` is corrected; None: it is compared with decisions alone."""

    certificates: CertificateWatch | None = None
    """Those of the way to Kafka; None where it needs none."""

    @property
    def directory(self) -> Directory:
        """The replica of the directory."""
        return self.replica.directory

    @property
    def rests_until(self) -> Millis | None:
        """When the identity begins to count that this unit signs with; None where it does not rest."""
        if not self.directory.root.cooling_off:
            return None
        known = self.directory.identity(self.unit, self.keys.signer.public.kid)
        if known is None or known.revoked or self.clock() >= known.not_before:
            return None
        return known.not_before

    @property
    def ledger_head(self) -> TreeHead:
        """The head of the ledger that this unit's headers name."""
        return NO_HEAD if self.ledger is None else self.ledger.head

    @property
    def outbox_partitions(self) -> int:
        """How many partitions the outbox has, as the registrar has stated."""
        facts = self.directory.facts(self.unit)
        return 1 if facts is None else facts.outbox_partitions

    def partition_of(self, thread: ThreadId) -> int:
        """The partition of a conversation."""
        return partition_of(thread, self.outbox_partitions)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, with its numbers, or not at all."""
        try:
            with self.store.transaction():
                yield
        except BaseException as error:
            # A number is never given twice: what came of this transaction's numbers is not known for
            # certain where even the commit has failed, so the whole stream is given up.
            self.stream = Stream(self.entropy)
            self.recent_sealings.forget()
            if not isinstance(error, KeyStoreError):
                self.metrics.store_up.set(0)
                self.metrics.store_failures.inc()
            raise
        self.recent_sealings.committed()
        self.metrics.store_up.set(1)

    def alarm(self, code: str, *, detail: str, cause: str = "") -> None:
        """Raise an alarm for an officer. Inside a transaction; ids and codes only.

        What has one cause is one alarm until somebody has acknowledged it; where nothing is named, all of the
        code has.
        """
        self.metrics.alarms.labels(code).inc()
        log.error("alarm", code=code, hint=detail)
        raise_alarm(self.store, code=code, cause=cause, detail=detail, now=self.clock())

    def clock_alarm(self, code: str, *, detail: str) -> None:
        """Raise an alarm about a clock, unless this was raised and is not over. Inside a transaction."""
        if code not in self.clock_alarms:
            self.clock_alarms.add(code)
            self.alarm(code, detail=detail)

    def wall(self) -> Millis:
        """This machine's own clock, whatever others' show."""
        return self.clock() if self.times is None else self.times.wall()

    def seen(self) -> Millis:
        """The latest time that a router's verified decision bore, of those that had come; at first 0."""
        row = self.store.row("SELECT value FROM meta WHERE key = 'seen'")
        return Millis(0 if row is None else int(row["value"]))

    def see(self, moment: Millis) -> None:
        """Remember the time of a verified decision, and hold this clock against it. Inside a transaction."""
        behind = moment - self.wall()
        if behind > CLOCK_TOLERANCE:
            self.clock_alarm("clock_behind", detail=f"{behind // SECOND} s behind a router's")
        elif moment:
            self.clock_alarms.discard("clock_behind")
        if self.times is not None and moment > self.clock() + CLOCK_TOLERANCE:
            # One router's clock alone: remembered, it would say for ever that this one is behind.
            return
        if moment > self.seen():
            self.store.write("INSERT OR REPLACE INTO meta VALUES ('seen', ?)", str(moment))
            self.metrics.last_decision.set(moment / 1000)
