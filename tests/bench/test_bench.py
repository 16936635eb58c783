"""The bench measures the program as it is now: what it builds by hand is built, and what it prints can be read."""

from __future__ import annotations

import json

import pytest
from aiokafka.cluster import ClusterMetadata

from broker.router.outboxes import ShardAssignor
from protocol import topics
from protocol.identifiers import UnitId
from tests.bench.figures import KINDS, Figure, table
from tests.bench.ledger import SMALL, bare_rows, grown_large
from tests.bench.machine import speed
from tests.bench.stage import SENDERS, apart


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


class Shards(ClusterMetadata):
    """What the assignor sees: the topic of the shards."""

    def partitions_for_topic(self, topic):
        return set(range(topics.SHARD_COUNT)) if topic == topics.SHARDS else None


@pytest.mark.parametrize("routers", [2, 3])
def test_each_router_has_something_to_drain(routers) -> None:
    """The senders of a backlog are shared out among the routers as Kafka shares the shards out: one each."""
    senders = apart([*SENDERS, *(f"u{number:03}" for number in range(100))], routers)
    members = {f"router-{number}": ShardAssignor.metadata([topics.SHARDS]) for number in range(routers)}
    shares = ShardAssignor.assign(Shards(), members)
    held = {
        name: {sender for sender in senders if shard_of(sender) in dict(share.assignment)[topics.SHARDS]}
        for name, share in shares.items()
    }

    assert len(SENDERS) == 2 and len(senders) == routers
    assert [len(mine) for mine in held.values()] == [1] * routers


def shard_of(sender: str) -> int:
    return topics.outbox_shard(topics.outbox(UnitId(sender)), 0)
