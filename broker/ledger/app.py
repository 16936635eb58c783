"""The ledger as a process: settings to parts, parts to tasks, attempts, signals to an orderly end.

A transient failure (Kafka, the disk, another ledger that was faster) ends an attempt, and another one
follows. A permanent one (a store that was rolled back or altered, a wrong setting) ends the process with an
exit code on which the service manager does not restart it (runtime/cli/exits.py).
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final

import httpx
import structlog

from broker.announcements import Stating, announce_start
from broker.ledger import read_api as reading
from broker.ledger.batching import BatchLimits
from broker.ledger.cosigning import Cosigner, places
from broker.ledger.directory_sequencer import DirectorySequencer
from broker.ledger.log_storage import LogStorage
from broker.ledger.metrics import LedgerMetrics
from broker.ledger.publishing import Publisher
from broker.ledger.pulse import Pulse
from broker.ledger.run import CLOCK_HINT, LedgerRun
from broker.ledger.sequencer import Sequencer
from broker.ledger.settings import LedgerSettings, own_secret
from broker.ledger.store.record_store import Moved, RecordStore
from broker.ledger.store.tile_store import TileStore
from broker.ledger.trust import OwnKeys, read_policy_file
from broker.renewal import renewal_of
from broker.replica import KAFKA_RECENT, OLDEST, Replica
from broker.statement_feed import KafkaStatements
from keys.ceremony import read_pin
from keys.errors import KeyAway
from keys.lifecycle import LEDGER_LIFETIME
from keys.note_keys import read_note_key
from keys.signer import check_signer_uri
from keys.store import read_private
from keys.unlock import Secret
from protocol.tlog.policy import Policy
from runtime.errors import Unavailable
from runtime.kafka.broker_time import KafkaTime, TimeFeed
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.security.access import unguarded_hint
from runtime.kafka.security.certificate_watch import CertificateWatch
from runtime.kafka.security.tls import check_access, tell_access
from runtime.process.clock import ClockCheck, now, readiness_of_clock
from runtime.process.contact import recent_contact
from runtime.process.directory_file import verified_statements
from runtime.process.health import policy_lasts
from runtime.process.http import bind_loopback, serve
from runtime.process.secrets import credential_to_come
from runtime.process.tasks import check_end, run_until_end, told_to_stop, waiting_to_stop

log = structlog.get_logger()

LOOK_AT_CLOCK: Final = 1.0
"""Seconds between two looks at whether this clock is right."""

STAND_BY: Final = 10.0
"""Seconds to wait after another ledger was faster, before the next attempt."""


def build_ledger(settings: LedgerSettings, client: httpx.AsyncClient) -> LedgerRun:
    """The ledger's parts, from its settings."""
    secret = own_secret(settings.secret)
    keys, policy = OwnKeys(read_note_key(settings.note_key, secret=secret)), read_policy_file(settings.policy)
    records, store = RecordStore(settings.records_url), TileStore.open(settings.store_url)
    replica, metrics = _replica(settings, secret), LedgerMetrics.create()
    times = ClockCheck(now, time.monotonic)
    renewal = renewal_of(settings, replica, secret, lifetime=LEDGER_LIFETIME, times=times)
    sequencer = Sequencer(storage := LogStorage(records, store, settings.origin), keys.signers)
    publisher = Publisher(
        name=settings.origin,
        store=store,
        policy=policy,
        cosigner=_cosigner(settings, client, policy, metrics, times),
        reader=sequencer.reader,
        metrics=metrics,
        monotonic=time.monotonic,
    )
    ledger = LedgerRun(
        name=settings.origin,
        topics=KafkaTopics(settings.access()),
        replica=replica,
        stating=Stating(replica, renewal.identity, now, os.urandom),
        records=records,
        store=store,
        keys=keys,
        policy=policy,
        sequencer=sequencer,
        directory_log=DirectorySequencer(storage, keys.signers),
        publisher=publisher,
        metrics=metrics,
        clock=now,
        monotonic=time.monotonic,
        pulse=_pulse(settings, publisher, records),
        renewal=renewal,
        limits=BatchLimits(wait=settings.batch_ms / 1000, entries=settings.batch_entries),
        times=times,
    )
    _follow(ledger)
    return ledger


def _cosigner(
    settings: LedgerSettings,
    client: httpx.AsyncClient,
    policy: Policy,
    metrics: LedgerMetrics,
    times: ClockCheck,
) -> Cosigner:
    answered = metrics.witnesses.answered
    metrics.witnesses.show(place.name for place in places(policy))
    return Cosigner(client, policy, settings.witness_ms / 1000, times=times, heard=answered)


def _replica(settings: LedgerSettings, secret: Secret) -> Replica:
    root = read_pin(settings.root)
    return Replica(
        KafkaStatements(settings.access()),
        root,
        monotonic=time.monotonic,
        verified=verified_statements(settings.verified, root, secret),
    )


def _pulse(settings: LedgerSettings, publisher: Publisher, records: RecordStore) -> Pulse:
    return Pulse(
        records=records,
        store=publisher.store,
        publisher=publisher,
        marks=KafkaMarks(settings.access()),
        clock=now,
        monotonic=time.monotonic,
    )


def _follow(ledger: LedgerRun) -> None:
    ledger.metrics.follow(
        behind=lambda: ledger.pulse.behind,
        statements=lambda: ledger.replica.directory.head.size,
        failing=lambda: len(ledger.publisher.cosigner.failures),
        key_left=lambda: 0.0 if ledger.renewal is None else ledger.renewal.left_seconds(),
        clock_off=lambda: 0 if ledger.times is None else ledger.times.ahead_seconds,
    )


def check_ledger(settings: LedgerSettings) -> str:
    """What a start would need and can be checked without one; says what was checked."""
    check_access(settings.access())
    later = credential_to_come("ledger.secret", secret=settings.secret)
    if later is None:
        asyncio.run(_check_parts(settings))
        return "the settings are complete, the keys open, and the policy is one"
    check_signer_uri(settings.key)
    read_private(settings.note_key)
    read_pin(settings.root)
    read_policy_file(settings.policy)
    return later


async def _check_parts(settings: LedgerSettings) -> None:
    async with httpx.AsyncClient() as client:
        build_ledger(settings, client)


async def run_ledger(settings: LedgerSettings) -> None:
    """Run the ledger until told to stop; what ends it before that is raised."""
    # A ledger that lags delays proofs; a router that lags delays messages.
    os.nice(settings.nice)
    async with httpx.AsyncClient(timeout=settings.witness_ms / 1000, trust_env=False) as client:
        ledger = build_ledger(settings, client)
        port = settings.http_port
        listener = bind_loopback(port, setting="http_port", fault=Unavailable) if port else None
        assert ledger.times is not None
        kafka_time = TimeFeed(KafkaTime(settings.access()), ledger.times)
        hint = unguarded_hint(settings.access())
        tasks = {
            asyncio.create_task(ledger.replica.run(), name="directory"),
            asyncio.create_task(kafka_time.run(), name="time"),
            asyncio.create_task(_work(ledger, kafka_time), name="ledger"),
            waiting_to_stop(told_to_stop()),
        }
        start = asyncio.create_task(_announce(ledger, kafka_time), name="start")
        beside = [start]
        if ledger.renewal is not None:
            beside.append(asyncio.create_task(ledger.renewal.run(kafka_time), name="key"))
        serving: set[asyncio.Task[Any]] = set()
        if listener is not None:
            ways = CertificateWatch.at(settings.access(), now)
            ways.show(ledger.metrics.certificate_left, ledger.metrics.broker_certificate_left)
            pages = reading.ledger_pages(
                ledger.store, ledger.metrics.registry, lambda: ready(ledger, hint=hint) | ways.checks()
            )
            serving.add(asyncio.create_task(serve(pages, listener), name="http"))
        tell_access(settings.access())
        log.info("started", ledger=settings.origin, bootstrap=settings.kafka, pid=os.getpid())
        done = await run_until_end(tasks, serving=serving, beside=beside)
        ledger.store.close()
        ledger.records.close()
        await ledger.pulse.marks.close()
        log.info("stopped", ledger=settings.origin)
        check_end(done, program="ledger")


async def clock_right(ledger: LedgerRun) -> None:
    """Return once this clock is right."""
    said = False
    while (wrong := ledger.clock_fault()) is not None:
        if not said:
            log.error("clock_wrong", hint=f"{wrong.sentence}: {CLOCK_HINT}")
            said = True
        await asyncio.sleep(LOOK_AT_CLOCK)


async def _work(ledger: LedgerRun, kafka_time: TimeFeed) -> None:
    """Work once the clock was compared."""
    await kafka_time.compared()
    await attempts(ledger)


async def _announce(ledger: LedgerRun, kafka_time: TimeFeed) -> None:
    """State that this ledger started, once its clock is right: the statement bears its time."""
    await kafka_time.compared()
    await clock_right(ledger)
    await announce_start(ledger.stating, ledger.topics, "ledger")


async def attempts(ledger: LedgerRun) -> None:
    """Attempt after attempt, until one fails permanently; none while the clock is wrong."""
    while True:
        await clock_right(ledger)
        try:
            await ledger.attempt()
        except Moved as moved:
            ledger.metrics.moved.inc()
            log.warning("another_ledger_was_faster", error=str(moved))
            await asyncio.sleep(STAND_BY)
        except (Unavailable, KeyAway) as error:
            # Also where the token with its identity is away: what is stated of the directory can wait.
            log.warning("ledger_waits", error=str(error))
            await asyncio.sleep(1)


def ready(ledger: LedgerRun, *, hint: str | None = None) -> dict[str, dict[str, object]]:
    """What /readyz answers."""
    age = ledger.replica.age
    shown = None if age is None else round(age, 1)
    logs = {origin: due.state.size for origin, due in ledger.publisher.due.items()}
    failing = ledger.publisher.cosigner.failures
    fault = ledger.stating.fault()
    found: dict[str, dict[str, object]] = {
        "directory": {"ok": age is not None and age <= OLDEST, "age_seconds": shown},
        "kafka": recent_contact(age, within=KAFKA_RECENT, hint=hint),
        # The logs go on without it: what it announces of the directory waits.
        "appointed": {"ok": True} if fault is None else {"ok": False, "code": fault.value},
        "clock": readiness_of_clock(ledger.times, ledger.clock_fault()),
        "ledger": {"ok": ledger.working, "sizes": logs, "behind": ledger.pulse.behind},
        **ledger.pulse.checks(),
        # A witness that fails does not stop the ledger, and so it does not make it unready.
        "witnesses": {
            "ok": True,
            "failing": sorted(failing),
            "clocks_off": dict(ledger.publisher.cosigner.clocks_off),
        },
    }
    found["policy"] = {"ok": True, **policy_lasts(ledger.policy, ledger.clock())}
    if ledger.renewal is not None:
        found["key"] = ledger.renewal.check()
    return found
