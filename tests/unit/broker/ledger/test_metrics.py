"""The ledger's metrics: names as Prometheus wants them, labels that stay few."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from broker.ledger.metrics import LedgerMetrics
from protocol.trail.records import RecordType
from tests.unit.broker.metric_pages import check_conventions, labels_of, promtool_says


@pytest.fixture
def page() -> bytes:
    """The page after everything was counted once."""
    metrics = LedgerMetrics.create()
    for year in range(2026, 2036):
        origin = f"contrada.example/audit/{year}h1"
        metrics.sequenced(origin, 99, [int(kind) for kind in RecordType], leaves=40)
        metrics.published(origin, 99, 4)
    metrics.published("contrada.example/directory", 9, 4)
    with metrics.batch_seconds.time():
        metrics.moved.inc()
    return generate_latest(metrics.registry)


def test_promtool_has_nothing_to_say(page: bytes) -> None:
    """`promtool check metrics` accepts every name, type and help text."""
    assert promtool_says(page) == (0, b"")


def test_names_follow_the_conventions(page: bytes) -> None:
    """What promtool would say first, for machines without it: prefix, help, units, _total on counters alone."""
    check_conventions(page)


def test_labels_are_bounded(page: bytes) -> None:
    """A label is a type of record or one of the two logs: half-years come and go without new series."""
    seen = labels_of(page)
    assert seen.pop("log") == {"audit", "directory"}
    assert seen.pop("type") == {kind.name.lower() for kind in RecordType}
    seen.pop("le")
    assert not seen
