"""The router as a process: settings to parts, parts to tasks, signals to an orderly end."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from broker.announcements import Stating, announce_start
from broker.ledger.trust import read_policy_file
from broker.renewal import renewal_of
from broker.replica import KAFKA_RECENT, OLDEST, Replica
from broker.router.holding import HoldingParts
from broker.router.key_apart import KeyApart
from broker.router.ledger_feed import LedgerFeed
from broker.router.loop import Router
from broker.router.metrics import RouterMetrics
from broker.router.outboxes import KafkaOutboxes
from broker.router.settings import RouterSettings, router_secret
from broker.router.signed_partitions import signed_partitions
from broker.statement_feed import KafkaStatements
from keys.ceremony import read_pin
from keys.lifecycle import ROUTER_LIFETIME
from keys.signer import check_signer_uri
from keys.unlock import Secret
from protocol import topics
from runtime.errors import Unavailable
from runtime.kafka.broker_time import KafkaTime, TimeFeed
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.security.access import unguarded_hint
from runtime.kafka.security.certificate_watch import CertificateWatch
from runtime.kafka.security.tls import check_access, tell_access
from runtime.process.clock import ClockCheck, now, readiness_of_clock
from runtime.process.contact import recent_contact
from runtime.process.directory_file import verified_statements
from runtime.process.health import health_pages
from runtime.process.http import bind_loopback, serve
from runtime.process.secrets import credential_to_come
from runtime.process.tasks import check_end, end_tasks, run_until_end, told_to_stop, waiting_to_stop

log = structlog.get_logger()

UNASSIGNED: Final = 30.0
"""Seconds that a router may be without a share: a rebalance takes a few."""


def build_router(settings: RouterSettings) -> tuple[Router, KafkaOutboxes]:
    """The router's parts, from its settings."""
    secret, root = router_secret(settings), read_pin(settings.root)
    replica = Replica(
        KafkaStatements(settings.access()),
        root,
        monotonic=time.monotonic,
        verified=verified_statements(settings.verified, root, secret),
        keeps=False,
    )
    metrics, times = RouterMetrics.create(), ClockCheck(now, time.monotonic)
    renewal = renewal_of(settings, replica, secret, lifetime=ROUTER_LIFETIME, times=times)
    router = Router(
        name=settings.name,
        signer=renewal.identity,
        replica=replica,
        metrics=metrics,
        clock=now,
        entropy=os.urandom,
        ledger=_ledger(settings, metrics, times),
        renewal=renewal,
        times=times,
        apart=KeyApart(renewal.identity) if is_apart(settings, secret) else None,
    )
    outboxes = KafkaOutboxes(
        HoldingParts(
            bootstrap=settings.access(),
            transactional_id=topics.ROUTER_TRANSACTIONS + os.urandom(8).hex(),
            units=lambda: [unit.unit for unit in replica.directory.units()],
            enrolled=lambda: replica.directory.head.size,
            partitions=lambda topic: signed_partitions(replica.directory, topic),
            monotonic=time.monotonic,
            fetch_wait_ms=settings.fetch_wait_ms,
            spacing=settings.spacing_ms / 1000,
        )
    )
    _follow(router, outboxes)
    return router, outboxes


def is_apart(settings: RouterSettings, secret: Secret) -> bool:
    """Whether the key is asked for each signature, in a token or in a process of its own."""
    return settings.key.startswith("signer:") or secret.kind == "token"


def _follow(router: Router, outboxes: KafkaOutboxes) -> None:
    replica, ledger, renewal, times = router.replica, router.ledger, router.renewal, router.times
    router.metrics.follow(
        claims=lambda: len(outboxes.claimed),
        statements=lambda: replica.directory.head.size,
        refused=lambda: replica.refused,
        entries=lambda: 0 if ledger is None else ledger.gossip.entries,
        key_left=lambda: 0.0 if renewal is None else renewal.left_seconds(),
        clock_off=lambda: 0 if times is None else times.ahead_seconds,
    )


def check_router(settings: RouterSettings) -> str:
    """What a start would need and can be checked without one; says what was checked."""
    check_access(settings.access())
    later = credential_to_come("router.secret", secret=settings.secret)
    if later is None:
        build_router(settings)
        return "the settings are complete and the keys open"
    check_signer_uri(settings.key)
    read_pin(settings.root)
    if settings.ledger_policy is not None:
        read_policy_file(settings.ledger_policy)
    return later


async def run_router(settings: RouterSettings) -> None:
    """Route until told to stop; what ends it before that is raised."""
    router, outboxes = build_router(settings)
    port = settings.http_port
    listener = bind_loopback(port, setting="http_port", fault=Unavailable) if port else None
    assert router.times is not None
    kafka_time = TimeFeed(KafkaTime(settings.access()), router.times)
    hint = unguarded_hint(settings.access())
    tasks = {
        asyncio.create_task(router.replica.run(), name="directory"),
        asyncio.create_task(kafka_time.run(), name="time"),
        asyncio.create_task(take_part(router, outboxes, compared=kafka_time.compared), name="outboxes"),
        waiting_to_stop(told_to_stop()),
    }
    serving: set[asyncio.Task[Any]] = set()
    if listener is not None:
        ways = CertificateWatch.at(settings.access(), now)
        ways.show(router.metrics.certificate_left, router.metrics.broker_certificate_left)
        pages = health_pages(
            router.metrics.registry, lambda: readiness(router, outboxes, hint=hint) | ways.checks()
        )
        serving.add(asyncio.create_task(serve(pages, listener), name="http"))
    if router.apart is not None:
        tasks.add(asyncio.create_task(router.apart.watch(), name="apart"))
    beside = _beside(router, KafkaTopics(settings.access()), kafka_time)
    tell_access(settings.access())
    log.info("started", router=settings.name, bootstrap=settings.kafka, pid=os.getpid())
    done = await run_until_end(tasks, serving=serving, beside=beside)
    log.info("stopped", router=settings.name)
    check_end(done, program="router")


def _beside(router: Router, bus: KafkaTopics, kafka_time: TimeFeed) -> set[asyncio.Task[Any]]:
    """Nothing waits for these: if they fail, messages are still routed."""
    stating = Stating(router.replica, router.signer, now, os.urandom)
    beside = {
        asyncio.create_task(_announce(router, stating, bus, kafka_time), name="start"),
        asyncio.create_task(_settle(router.replica), name="settle"),
    }
    if router.renewal is not None:
        beside.add(asyncio.create_task(router.renewal.run(kafka_time), name="key"))
    if router.ledger is not None:
        beside.add(asyncio.create_task(router.ledger.run(), name="ledger"))
    return beside


async def _announce(router: Router, stating: Stating, bus: KafkaTopics, kafka_time: TimeFeed) -> None:
    """State that this router started, once its clock is right: the statement bears its time."""
    await kafka_time.compared()
    await router.appointed()
    await announce_start(stating, bus, "router")


async def _settle(replica: Replica) -> None:
    """Objects of a directory that is whole stay: the garbage collector skips them from here on.

    Looking through those of thousands of units takes a tenth of a second, in which no message is decided.
    """
    await replica.usable()
    gc.collect()
    gc.freeze()


async def _at_once() -> None:
    """There is nothing to wait for."""


async def take_part(
    router: Router, outboxes: KafkaOutboxes, *, compared: Callable[[], Awaitable[None]] = _at_once
) -> None:
    """Work on a share of the outboxes while key and clock are right, and leave them to others while not.

    A router that went on would hold up every unit: what it decides nobody takes, and nobody else decides it.
    Not before the clock was `compared`, if there is somebody to ask.
    """

    async def ready() -> None:
        await compared()
        await router.appointed()

    while True:
        # A Kafka that is not reachable at all ends this at once, before there is anything to compare with.
        routing = asyncio.create_task(outboxes.run(router.work, after=ready), name="routing")
        leaving = asyncio.create_task(router.dismissed(), name="key")
        try:
            await asyncio.wait({routing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if routing.done():
                return await routing
            leaving.result()
            log.error("left_the_group")
        finally:
            await end_tasks([routing, leaving])


def readiness(
    router: Router, outboxes: KafkaOutboxes, *, hint: str | None = None
) -> dict[str, dict[str, object]]:
    """What /readyz answers."""
    age, directory, fault = router.replica.age, router.replica.directory, router.key_fault()
    wrong = router.clock_fault()
    found: dict[str, dict[str, object]] = {
        "directory": {
            "ok": age is not None and age <= OLDEST,
            "age_seconds": None if age is None else round(age, 1),
            "statements": directory.head.size,
        },
        "appointed": {"ok": True} if fault is None else {"ok": False, "code": fault.value},
        "clock": readiness_of_clock(router.times, wrong),
        # A group that was joined once says nothing about now: a member waits in silence without Kafka.
        "kafka": recent_contact(age, within=KAFKA_RECENT, hint=hint),
        "group": {
            "ok": outboxes.joined and outboxes.unassigned_for <= UNASSIGNED,
            "claims": len(outboxes.claimed),
        },
    }
    if router.renewal is not None:
        found["key"] = router.renewal.check()
    if router.apart is not None:
        found["signer"] = router.apart.check()
    if router.ledger is not None:
        gossip = router.ledger.gossip
        # Always ok: a unit that saw another head is an alarm, and no reason to take a router out of service.
        found["ledger"] = {"ok": True, "entries": gossip.entries, "accused": sorted(gossip.accused)}
    return found


def _ledger(settings: RouterSettings, metrics: RouterMetrics, times: ClockCheck) -> LedgerFeed | None:
    if settings.ledger_policy is None:
        return None
    policy = read_policy_file(settings.ledger_policy)
    return LedgerFeed(KafkaTopics(settings.access()), policy, metrics, times=times)
