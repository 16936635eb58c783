"""The router's parts as they are put together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from broker.replica import KAFKA_RECENT
from broker.router import app
from broker.router.loop import Router
from broker.router.outboxes import KafkaOutboxes
from broker.router.settings import RouterSettings
from tests.sim.world import World
from tests.unit.broker.files import write_router


async def test_the_gauges_are_of_the_moment_in_which_they_are_asked_for(tmp_path: Path) -> None:
    """/metrics tells what the router holds and knows now, whether or not anybody asks /readyz."""
    router, outboxes = app.build_router(RouterSettings.load(write_router(tmp_path / "router")))
    outboxes._holding = SimpleNamespace(claimed={("outbox.fr", 0)})
    router.replica.refused = 2

    page = generate_latest(router.metrics.registry).decode()
    shown = {
        family.name: family.samples[0].value
        for family in text_string_to_metric_families(page)
        if family.samples
    }

    assert shown["contrada_router_claims"] == 1
    assert shown["contrada_directory_statements"] == router.replica.directory.head.size
    assert shown["contrada_directory_refused_statements"] == 2


def test_a_router_is_ready_only_while_kafka_has_answered_lately(tmp_path: Path) -> None:
    """Its place in the group is remembered without Kafka, and decides nothing; seconds of silence do."""
    router, outboxes = app.build_router(RouterSettings.load(write_router(tmp_path / "router")))
    clock, replica = [1000.0], router.replica
    read_directory(router)
    replica._monotonic = lambda: clock[0]
    outboxes._generation, outboxes._holding = 1, SimpleNamespace(claimed=set())
    outboxes._consumer = SimpleNamespace(partitions_for_topic=lambda _: {0})
    assert is_ready(router, outboxes) is False
    replica._caught_up()
    assert is_ready(router, outboxes) is True
    clock[0] += KAFKA_RECENT + 1
    assert is_ready(router, outboxes) is False
    assert app.readiness(router, outboxes)["directory"]["ok"] is True  # it may still decide by it
    replica._caught_up()
    assert is_ready(router, outboxes) is True


def test_a_router_without_a_share_is_not_ready_for_long(tmp_path: Path) -> None:
    """While the group shares out anew it is; one that the group has lost is not."""
    router, outboxes = app.build_router(RouterSettings.load(write_router(tmp_path / "router")))
    read_directory(router)
    router.replica._caught_up()
    outboxes._generation = 1
    outboxes._consumer = SimpleNamespace(partitions_for_topic=lambda _: {0})
    outboxes._let_go_at = outboxes._parts.monotonic()
    assert is_ready(router, outboxes) is True
    outboxes._let_go_at -= app.UNASSIGNED + 1
    assert is_ready(router, outboxes) is False


def read_directory(router: Router) -> None:
    """The router reads every statement of the exchange whose router it is."""
    for statement in World().directory.snapshot():
        router.replica._take(statement)


def is_ready(router: Router, outboxes: KafkaOutboxes) -> bool:
    return all(check["ok"] for check in app.readiness(router, outboxes).values())
