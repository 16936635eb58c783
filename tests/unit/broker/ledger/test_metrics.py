"""The ledger's metrics: names as Prometheus wants them, labels that stay few."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import generate_latest

from broker.ledger.metrics import LedgerMetrics
from protocol.trail.records import RecordType
from tests.unit.broker.metric_pages import check_conventions, check_with_promtool, labels_of


@pytest.fixture
def page() -> bytes:
    """The page after everything was counted once."""
    metrics = LedgerMetrics.create()
    for year in range(2026, 2036):
        origin = f"contrada.example/audit/{year}h1"
        metrics.sequenced(origin, 99, [int(kind) for kind in RecordType], leaves=40)
        metrics.published(origin, 99, 4)
    metrics.published("contrada.example/directory", 9, 4)
    metrics.witnesses.show(["witness.example/w1", "witness.example/w2"])
    metrics.witnesses.answered("witness.example/w1", 1_796_130_013)
    metrics.witnesses.answered("witness.example/w2", None)
    with metrics.batch_seconds.time():
        metrics.moved.inc()
    return generate_latest(metrics.registry)


@pytest.mark.parametrize("check", [check_conventions, check_with_promtool])
def test_the_page_follows_the_conventions(page: bytes, check: Callable[[bytes], None]) -> None:
    """Names, prefix, help, units, _total on counters alone: as promtool says, and without it."""
    check(page)


def test_labels_are_bounded(page: bytes) -> None:
    """A label is a type of record, one of the two logs or a witness of the policy: half-years make no series."""
    seen = labels_of(page)
    assert seen.pop("witness") == {"witness.example/w1", "witness.example/w2"}
    assert seen.pop("log") == {"audit", "directory"}
    assert seen.pop("type") == {kind.name.lower() for kind in RecordType}
    seen.pop("le")
    assert not seen
