"""The ledger's metrics: names as Prometheus wants them, labels that stay few."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from broker.ledger.metrics import Metrics
from protocol.records import RecordType


@pytest.fixture
def page() -> bytes:
    """The page after everything was counted once."""
    metrics = Metrics.create()
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
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; Debian has it in the package 'prometheus'")
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_names_follow_the_conventions(page: bytes) -> None:
    """What promtool would say first, for machines without it."""
    for family in text_string_to_metric_families(page.decode()):
        assert family.name.startswith("contrada_")
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_milliseconds", "_ms", "_count", "_sum", "_total"))
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")


def test_labels_are_bounded(page: bytes) -> None:
    """A label is a type of record or one of the two logs: half-years come and go without new series."""
    seen: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            for label, value in sample.labels.items():
                seen.setdefault(label, set()).add(value)
    assert seen.pop("log") == {"audit", "directory"}
    assert seen.pop("type") == {kind.name.lower() for kind in RecordType}
    seen.pop("le")
    assert not seen
