"""What must hold of every page of metrics, asked of a page."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families


def check_with_promtool(page: bytes) -> None:
    """`promtool check metrics` has nothing to say; skips the test where it is missing."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; Debian has it in the package 'prometheus'")
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def check_conventions(page: bytes) -> None:
    """Prefix, help, units, and `_total` on counters alone."""
    families = list(text_string_to_metric_families(page.decode()))
    assert families
    for family in families:
        assert family.name.startswith("contrada_")
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_milliseconds", "_ms", "_count", "_sum", "_total"))
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")


def labels_of(page: bytes) -> dict[str, set[str]]:
    """Each label with all its values."""
    seen: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            for label, value in sample.labels.items():
                seen.setdefault(label, set()).add(value)
    return seen
