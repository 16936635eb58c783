"""The bench measures the program as it is now: what it builds by hand is built, and what it prints can be read."""

from __future__ import annotations

import json

import pytest

from tests.bench.figures import KINDS, Figure, table
from tests.bench.ledger import SMALL, bare_rows, grown_large
from tests.bench.machine import speed


@pytest.mark.slow
def test_a_ledger_that_was_made_large_is_one(tmp_path) -> None:
    """It resumes, takes in what a router writes, and proves its leaves; in small here."""
    cost, proof = grown_large(tmp_path, 2 * SMALL)

    assert (cost.figure, proof.figure) == ("ledger_cost_ratio_10m", "ledger_proof_ms_10m")
    assert cost.ratio > 0 and proof.ratio >= 1


def test_the_floor_of_the_ledger_is_measured() -> None:
    assert bare_rows(1_500) > 0


def test_a_figure_is_judged_by_its_ratio() -> None:
    """Twice as slow a machine is no slower program: value and floor move together."""
    quick, slow = (Figure("latency_p50_ms_idle", 9 * factor, 4 * factor) for factor in (1, 2))

    assert quick.ratio == slow.ratio and quick.met is slow.met is True
    assert Figure("drain_msgs_per_s", 100, 1000).met is False
    assert Figure("latency_p50_ms_with_ledger", 20, 10).met is None


def test_a_line_begins_with_the_ratio_and_ends_with_the_machine() -> None:
    row = json.loads(Figure("cli_help_ms", 50, 10).line(speed()))

    assert list(row) == ["figure", "ratio", "value", "unit", "floor", "machine_ms"]
    assert row["machine_ms"] > 0


def test_the_table_has_a_row_for_each_figure() -> None:
    figures = [Figure(name, 2, None if kind.unit == "ratio" else 1) for name, kind in KINDS.items()]
    head, rule, *rows = table(figures)

    assert "Ratio" in head.split(" | ")[1] and set(rule) <= set("| -")
    assert [row.split("`")[1] for row in rows] == list(KINDS)
