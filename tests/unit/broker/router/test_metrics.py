"""The router's metrics: names as Prometheus wants them, labels that stay few."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import generate_latest

from broker.router.gossip import Outcome
from broker.router.metrics import RouterMetrics
from protocol.errors import Code
from protocol.identifiers import Millis, UnitId
from protocol.trail.batches import Reason, RecordType
from tests.unit.broker.metric_pages import check_conventions, check_with_promtool, labels_of


@pytest.fixture
def page() -> bytes:
    """The page after every outcome and every reason was counted once."""
    metrics = RouterMetrics.create()
    for kind in RecordType:
        metrics.decided(kind, [Reason(code, UnitId("fr")) for code in Code])
    for outcome in Outcome:
        metrics.heads_compared.labels(outcome.value).inc()
    for code in Code:
        metrics.publications_refused.labels(code.value).inc()
    metrics.queue.waits(UnitId("fr"), 0, Millis(1_796_130_013_000), lag=3)
    metrics.queue.waits(UnitId("fr"), 1, Millis(1_796_130_011_500), lag=40)
    metrics.queue.waits(UnitId("it"), 0, Millis(1_796_130_013_000))
    metrics.queue.waits(UnitId("it"), 0, None)
    with metrics.batch_seconds.time():
        metrics.batches.inc()
    return generate_latest(metrics.registry)


@pytest.mark.parametrize("check", [check_conventions, check_with_promtool])
def test_the_page_follows_the_conventions(page: bytes, check: Callable[[bytes], None]) -> None:
    """Names, prefix, help, units, _total on counters alone: as promtool says, and without it."""
    check(page)


def test_labels_are_bounded(page: bytes) -> None:
    """Labels are outcomes and reject codes, so no message or key makes a series; a unit while something waits."""
    seen = labels_of(page)
    assert seen.pop("outcome") == {kind.name.lower() for kind in RecordType} | set(Outcome)
    assert seen.pop("reason") == {code.value for code in Code}
    seen.pop("le")
    assert seen.pop("unit") == {"fr"}
    assert not seen


def test_a_queue_is_as_old_as_its_oldest_record(page: bytes) -> None:
    """The oldest of a unit's partitions, and as long as all; nothing of a unit for whom nothing waits."""
    lines = [line for line in page.decode().splitlines() if line.startswith("contrada_router_queue")]
    assert lines == [
        'contrada_router_queue_oldest_timestamp_seconds{unit="fr"} 1.7961300115e+09',
        'contrada_router_queue_records{unit="fr"} 43.0',
    ]


def test_every_decision_is_counted_once(page: bytes) -> None:
    """An outcome counts one, each of its reasons counts one."""
    metrics = RouterMetrics.create()
    metrics.decided(RecordType.REJECTED, [Reason(Code.E_SCHEMA), Reason(Code.E_REPLAY)])
    metrics.decided(RecordType.REJECTED, [Reason(Code.E_SCHEMA)])
    value = metrics.registry.get_sample_value
    assert value("contrada_messages_routed_total", {"outcome": "rejected"}) == 2
    assert value("contrada_messages_refused_total", {"reason": "E_SCHEMA"}) == 2
    assert value("contrada_messages_refused_total", {"reason": "E_REPLAY"}) == 1


def test_two_routers_in_one_process_count_apart() -> None:
    """A registry belongs to one router."""
    first, second = RouterMetrics.create(), RouterMetrics.create()
    first.batches.inc()
    assert second.registry.get_sample_value("contrada_router_transactions_total") == 0
