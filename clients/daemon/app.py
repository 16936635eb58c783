"""The daemon as a process: a home to parts, parts to tasks, signals to an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog
import uvloop

from clients.daemon.api.routes import LocalApi, application, loopback_application
from clients.daemon.daemon import Daemon
from clients.daemon.home import check_home
from clients.daemon.metrics import UnitMetrics
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.settings import UnitSettings, unit_credential_to_come, unit_secret
from clients.daemon.state.ledger_state import Ledger, read_followed_policy
from clients.daemon.state.losses import check_state_is_there
from clients.daemon.state.stored_directory import StoredDirectory
from clients.daemon.state.stream import Stream
from clients.daemon.state.unit_clock import UnitClock
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.at_rest import Vault
from clients.daemon.store.database import Store
from clients.witness.app import check_beside, witness_beside
from keys.ceremony import read_pin
from keys.key_files import IDENTITY_FILE
from keys.store import check_private_directory, read_private
from keys.unit_keys import UnitKeys
from protocol.topics import readers_group
from runtime.errors import HomeError
from runtime.kafka.broker_time import KafkaTime, TimeFeed
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.partition_log import KafkaDirectory
from runtime.kafka.security.access import KafkaTyped, unguarded_hint
from runtime.kafka.security.certificate_watch import CertificateWatch
from runtime.kafka.security.tls import check_access, tell_access
from runtime.process import logs
from runtime.process.clock import now
from runtime.process.directory_file import VerifiedStatements
from runtime.process.homes import UnitHome
from runtime.process.http import bind_loopback, serve, unix_listener
from runtime.process.notify import keep_watchdog, notify
from runtime.process.tasks import check_end, end_tasks, told_to_stop, waiting_to_stop
from runtime.process.worker import Worker

log = structlog.get_logger()

ASK_KAFKA_EVERY: Final = 600.0
"""Seconds between two questions for Kafka's time; it comes with each batch that is sent as well."""


def check_daemon(home: Path, *, typed: KafkaTyped | None = None) -> str:
    """What a start would need and can be checked without one; says what was checked."""
    place, settings = _opened_home(home, typed)
    check_access(settings.access(place.path))
    later = unit_credential_to_come(settings, place)
    if later is None:
        opened_keys(place, settings)
    else:
        check_private_directory(place.keys)
        read_private(place.keys / IDENTITY_FILE)
    read_pin(place.root)
    read_followed_policy(place.ledger_policy)
    check_state_is_there(place)
    # Of two credentials that are to come the unit's is told.
    beside = check_beside(place.path)
    return later or beside or "the settings are complete and the keys open"


def run_daemon(home: Path, *, typed: KafkaTyped | None = None) -> None:
    """Run the daemon of this home until it is told to stop.

    What was `typed` goes before what the settings say of the way to Kafka. What keeps the daemon from
    starting is raised as a `ContradaError`: `AlreadyRunning`, `HomeError`, or an error of the keys; so is
    what ends it before its time, as `Crashed` where nothing else is known.
    """
    place, settings = _opened_home(home, typed)
    # A job that computes must not delay the event loop's connections for long.
    sys.setswitchinterval(0.001)
    held = place.hold()
    try:
        uvloop.run(_run(place, settings))
    finally:
        held.close()


async def _run(home: UnitHome, settings: UnitSettings) -> None:
    stop = told_to_stop()
    worker = Worker()
    context = await worker.do(lambda: open_context(home, settings))
    kafka = settings.access(home.path)
    outbox, marks = KafkaOutbox(kafka, settings.unit), KafkaMarks(kafka, readers_group(settings.unit))
    daemon = Daemon(
        context,
        worker,
        log_=outbox,
        feeds=KafkaFeeds(kafka),
        directory=KafkaDirectory(kafka),
        marks=marks,
    )
    daemon.kafka.hint = unguarded_hint(kafka)
    try:
        async with witness_beside(home.path) as witness:
            await _serve(home, settings, daemon, stop, witness)
    finally:
        await outbox.close()
        await marks.close()
        daemon.disk.close()
        await worker.do(lambda: _close(context))
        worker.close()
        log.info("stopped", unit=settings.unit)


async def _serve(
    home: UnitHome,
    settings: UnitSettings,
    daemon: Daemon,
    stop: asyncio.Event,
    witness: list[Coroutine[Any, Any, None]],
) -> None:
    """Run all tasks until told to stop, or until one of them ends."""
    api = LocalApi(daemon, home)
    with _listening(home, settings, api) as servers:
        serving: set[asyncio.Task[Any]] = {
            asyncio.create_task(part, name="http") for part in (*servers, *witness)
        }
        tasks = serving | {asyncio.create_task(daemon.run(), name="daemon"), waiting_to_stop(stop)}
        if (times := daemon.context.times) is not None:
            told = TimeFeed(KafkaTime(settings.access(home.path)), times.check, every=ASK_KAFKA_EVERY)
            tasks.add(asyncio.create_task(told.run(), name="time"))
        watchdog = asyncio.create_task(keep_watchdog())
        tell_access(settings.access(home.path))
        log.info("started", unit=settings.unit, bootstrap=settings.kafka, pid=os.getpid())
        notify("READY=1")
        # Objects that exist now stay: the garbage collector skips them from here on, and runs less often.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        notify("STOPPING=1")
        # Servers end before what answers their requests.
        await api.stop()
        await end_tasks(pending & serving)
        await end_tasks({*pending - serving, watchdog})
        check_end(done, program="daemon")


def opened_keys(home: UnitHome, settings: UnitSettings) -> UnitKeys:
    """The unit's keys, opened."""
    keys = UnitKeys.load(home.keys, secret=unit_secret(settings, home), entropy=os.urandom)
    if keys.unit != settings.unit:
        raise HomeError(
            f"the keys are those of {keys.unit}, and the settings name {settings.unit}",
            hint="correct 'unit' in unit.toml, or put the unit's own keys there",
        )
    return keys


def open_context(home: UnitHome, settings: UnitSettings) -> UnitContext:
    """The context of a home's unit. In the worker's thread: SQLite wants to be used where it was opened."""
    keys, root = opened_keys(home, settings), read_pin(home.root)
    check_state_is_there(home)
    verified = VerifiedStatements(home.verified, root, unit_secret(settings, home))
    store = Store(home.database)
    times, metrics = UnitClock(now, time.monotonic, store), UnitMetrics.create()
    ways = CertificateWatch.at(settings.access(home.path), times.now)
    ways.show(metrics.certificate_left, metrics.broker_certificate_left)
    return UnitContext(
        unit=settings.unit,
        store=store,
        vault=Vault(keys.storage_key, os.urandom),
        keys=keys,
        replica=StoredDirectory(home.replica, root, verified=verified),
        metrics=metrics,
        clock=times.now,
        monotonic=time.monotonic,
        entropy=os.urandom,
        stream=Stream(os.urandom),
        renews_key=settings.renew_key,
        ledger=_ledger(home),
        times=times,
        certificates=ways,
    )


def _ledger(home: UnitHome) -> Ledger | None:
    policy = read_followed_policy(home.ledger_policy)
    return None if policy is None else Ledger(policy)


def _opened_home(home: Path, typed: KafkaTyped | None) -> tuple[UnitHome, UnitSettings]:
    place = UnitHome(home.absolute())
    check_home(place)
    settings = UnitSettings.load(place.settings)
    logs.configure(settings.log_level)
    return place, settings if typed is None else settings.as_typed(typed)


@contextmanager
def _listening(
    home: UnitHome, settings: UnitSettings, api: LocalApi
) -> Iterator[list[Coroutine[Any, Any, None]]]:
    with contextlib.ExitStack() as opened:
        listeners = [(application(api), opened.enter_context(unix_listener(home.socket)))]
        if settings.http_port:
            listener = opened.enter_context(contextlib.closing(bind_loopback(settings.http_port)))
            listeners.append((loopback_application(api), listener))
        yield [serve(pages, listener) for pages, listener in listeners]


def _close(context: UnitContext) -> None:
    context.store.close()
    context.replica.close()
