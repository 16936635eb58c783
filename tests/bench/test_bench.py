"""The bench measures the program as it is now: what it builds by hand is built, and what it prints can be read."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiokafka.cluster import ClusterMetadata
from nacl.exceptions import BadSignatureError

from broker.router.outboxes import ShardAssignor
from protocol import topics
from protocol.identifiers import UnitId
from tests.bench.bare import SignedRecords
from tests.bench.figures import AGAINST, KINDS, Compared, Figure, against_table, table
from tests.bench.ledger import SMALL, bare_rows, grown_large
from tests.bench.load import closed_loop
from tests.bench.machine import speed
from tests.bench.nats import server as nats
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
    assert [Figure("router_rss_mb_5000", value, 60).met for value in (600, 601)] == [True, False]


def test_a_line_begins_with_the_ratio_and_ends_with_the_machine() -> None:
    row = json.loads(Figure("cli_help_ms", 50, 10).line(speed()))

    assert list(row) == ["figure", "ratio", "value", "unit", "floor", "machine_ms"]
    assert row["machine_ms"] > 0


def test_the_table_has_a_row_for_each_figure() -> None:
    figures = [Figure(name, 2, None if kind.unit == "ratio" else 1) for name, kind in KINDS.items()]
    head, rule, *rows = table(figures)

    assert "Ratio" in head.split(" | ")[1] and set(rule) <= set("| -")
    assert [row.split("`")[1] for row in rows] == list(KINDS)


def test_two_trees_are_compared_figure_by_figure() -> None:
    """Each row has this tree's value and the older one's; the ratio is that of a usual round."""
    head, rule, *rows = against_table([Compared(name, now=(3, 9, 30), before=(2, 6, 2)) for name in AGAINST])

    assert "Before" in head and set(rule) <= set("| -")
    assert [row.split("`")[1] for row in rows] == list(AGAINST)
    assert all("| 1.50 |" in row for row in rows)
    assert AGAINST.keys() & KINDS.keys() >= {"end_to_end_msgs_per_s_w64", "total_cpu_ms_at_200"}


async def test_so_many_messages_are_in_flight_and_no_more() -> None:
    """A closed loop keeps its number on the way, and sends each message once."""
    flying, most_seen, sent = 0, 0, iter(range(100))

    async def one() -> float:
        nonlocal flying, most_seen
        flying += 1
        most_seen = max(most_seen, flying)
        number = next(sent)
        await asyncio.sleep(0)
        flying -= 1
        return float(number)

    assert sorted(await closed_loop(one, 8, 50)) == list(range(50))
    assert most_seen == 8


def test_the_floor_with_a_signature_checks_it() -> None:
    """Records have the size that is asked for, and one that was changed does not pass."""
    records = SignedRecords(2, 3_000)

    assert [len(value) for value in records.values] == [3_000, 3_000]
    assert all(records.verify(value) for value in records.values)
    with pytest.raises(BadSignatureError):
        records.verify(records.values[0][:-1] + b"x")


def test_without_go_nats_is_left_out_and_the_reason_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(nats.shutil, "which", lambda _: None)
    monkeypatch.setattr(nats, "USUAL", str(tmp_path / "go"))

    with pytest.raises(nats.Skipped, match=r"^Go .* is not here"):
        nats.build(tmp_path)
    assert nats.version().count(".") == 2


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
