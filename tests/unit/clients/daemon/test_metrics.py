"""The daemon's metrics: names as `promtool check metrics` wants them, and no label that names a message."""

from __future__ import annotations

import dataclasses
import re

from prometheus_client import generate_latest

from clients.daemon.metrics import UnitMetrics


def test_names_have_their_prefix_their_unit_and_their_kind():
    """One prefix; counters end in _total and nothing else does; times are in seconds; each has a help text."""
    text = generate_latest(UnitMetrics.create().registry).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    assert len(kinds) > 15
    for name, kind in kinds.items():
        assert name.startswith("contrada_unit_"), name
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), name
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|millis|milliseconds|minutes|kb|mb|info)(_|$)", name), name
        assert kind != "histogram" or name.endswith("_seconds"), name
        assert helps[name].endswith("."), name
    assert "_created" not in text


def test_labels_are_bounded():
    """Kinds, outcomes, codes, states, stages and names of work; never an id, a unit or a conversation."""
    metrics = UnitMetrics.create()
    fields = [getattr(metrics, field.name) for field in dataclasses.fields(metrics)]
    labels = {label for metric in fields for label in getattr(metric, "_labelnames", ())}
    assert labels == {"kind", "outcome", "reason", "stage", "code", "state", "work"}
