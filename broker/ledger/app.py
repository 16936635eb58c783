"""The ledger as a process: settings to parts, parts to tasks, attempts, signals to an orderly end.

What passes by itself (Kafka, the disk, another ledger that was faster) ends an attempt, and another one
follows. What does not (a store that was rolled back or altered, a wrong setting) ends the process with an
exit code that the service manager does not restart (runtime/cli/exits.py).
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from typing import Any, Final

import httpx
import structlog

from broker.announcements import Stating, announce_start
from broker.ledger import http as reading
from broker.ledger.cosigning import Cosigner
from broker.ledger.directory_log import DirectoryLog
from broker.ledger.metrics import Metrics
from broker.ledger.publishing import Publisher
from broker.ledger.run import Desk, Pace
from broker.ledger.sequencer import Sequencer
from broker.ledger.settings import LedgerSettings, own_secret
from broker.ledger.store.records import Moved, RecordStore
from broker.ledger.store.tiles import TileStore
from broker.ledger.trust import OwnKeys, read_policy
from broker.replica import OLDEST, Replica
from broker.router.app import end, now
from keys.ceremony import read_pin
from keys.note_keys import read_note_key
from keys.signer import signer_from_uri
from runtime.errors import Unavailable
from runtime.kafka.partition_log import KafkaStatements, KafkaTopics
from runtime.process.http import bind_loopback, serve

log = structlog.get_logger()

STAND_BY: Final = 10.0
"""Seconds to leave to another ledger that was faster, before we look whether it still is there."""


def build(settings: LedgerSettings, client: httpx.AsyncClient) -> Desk:
    """The ledger's parts, from its settings."""
    secret = own_secret(settings.secret)
    keys = OwnKeys(read_note_key(settings.note_key, secret=secret))
    policy = read_policy(settings.policy)
    records, store = RecordStore(settings.records_url), TileStore.open(settings.store_url)
    replica = Replica(KafkaStatements(settings.kafka), read_pin(settings.root), monotonic=time.monotonic)
    stating = Stating(replica, signer_from_uri(settings.key, secret), now, os.urandom)
    metrics, cosigner = Metrics.create(), Cosigner(client, policy)
    sequencer = Sequencer(records, store, name=settings.origin, signers=keys.signers)
    desk = Desk(
        name=settings.origin,
        topics=KafkaTopics(settings.kafka),
        replica=replica,
        stating=stating,
        records=records,
        store=store,
        keys=keys,
        policy=policy,
        sequencer=sequencer,
        directory_log=DirectoryLog(records, store, name=settings.origin, signers=keys.signers),
        publisher=Publisher(
            name=settings.origin,
            store=store,
            policy=policy,
            cosigner=cosigner,
            reader=sequencer.reader,
            metrics=metrics,
            monotonic=time.monotonic,
        ),
        metrics=metrics,
        clock=now,
        monotonic=time.monotonic,
        pace=Pace(wait=settings.batch_ms / 1000, entries=settings.batch_entries),
    )
    metrics.follow(
        behind=lambda: desk.behind,
        statements=lambda: replica.directory.head.size,
        failing=lambda: len(cosigner.failures),
    )
    return desk


async def run(settings: LedgerSettings) -> None:
    """Keep the ledger until SIGTERM or SIGINT."""
    # A ledger that lags for a while promises what it promised; a router that lags holds up messages.
    os.nice(settings.nice)
    async with httpx.AsyncClient(timeout=settings.witness_ms / 1000, trust_env=False) as client:
        desk = build(settings, client)
        port = settings.http_port
        listener = bind_loopback(port, setting="http_port", fault=Unavailable) if port else None
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        tasks = {
            asyncio.create_task(desk.replica.run(), name="directory"),
            asyncio.create_task(attempts(desk), name="ledger"),
            asyncio.create_task(stop.wait(), name="stop"),
        }
        start = asyncio.create_task(announce_start(desk.stating, desk.topics, "ledger"), name="start")
        serving: set[asyncio.Task[Any]] = set()
        if listener is not None:
            pages = reading.ledger_pages(desk.store, desk.metrics.registry, lambda: ready(desk))
            serving.add(asyncio.create_task(serve(pages, listener), name="http"))
        log.info("started", ledger=settings.origin, bootstrap=settings.kafka, pid=os.getpid())
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        done, pending = await asyncio.wait(tasks | serving, return_when=asyncio.FIRST_COMPLETED)
        await end(pending & serving)
        await end((pending - serving) | {start})
        desk.store.close()
        desk.records.close()
        log.info("stopped", ledger=settings.origin)
        for task in done:
            task.result()


async def attempts(desk: Desk) -> None:
    """Attempt after attempt, until one fails for a reason that stays."""
    while True:
        try:
            await desk.attempt()
        except Moved as moved:
            desk.metrics.moved.inc()
            log.warning("another_ledger_was_faster", error=str(moved))
            await asyncio.sleep(STAND_BY)
        except Unavailable as error:
            log.warning("ledger_waits", error=str(error))
            await asyncio.sleep(1)


def ready(desk: Desk) -> dict[str, dict[str, object]]:
    """What /readyz answers."""
    age = desk.replica.age
    logs = {origin: due.state.size for origin, due in desk.publisher.due.items()}
    failing = desk.publisher.cosigner.failures
    return {
        "directory": {"ok": age is not None and age <= OLDEST, "age_seconds": age},
        "ledger": {"ok": desk.working, "sizes": logs, "behind": desk.behind},
        # A witness that fails does not stop the ledger, and so it does not make it unready.
        "witnesses": {"ok": True, "failing": sorted(failing)},
    }
