"""A ledger that publishes to a router, and senders that say what they saw of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from structlog.testing import capture_logs

from broker.router.gossip import Gossip
from broker.router.ledger_feed import LedgerFeed
from broker.router.metrics import RouterMetrics
from protocol import topics
from protocol.envelope.core import Core
from protocol.parties import TreeHead
from tests.sim.one_log import DIRECTORY, SHARD, SimLog, leaves, policy
from tests.sim.world import World
from tests.unit.broker.ledger.rig import MemoryTopics

NEXT_SHARD = "contrada.example/audit/2027h1"
POLICY = policy(SHARD, NEXT_SHARD, DIRECTORY)


@dataclass
class Ledger:
    """What a router holds of a log, and that log."""

    world: World = field(default_factory=World)
    bus: MemoryTopics = field(default_factory=MemoryTopics)
    metrics: RouterMetrics = field(default_factory=RouterMetrics.create)
    log: SimLog = field(default_factory=SimLog)

    def __post_init__(self) -> None:
        self.feed = LedgerFeed(self.bus, POLICY, self.metrics)

    @property
    def gossip(self) -> Gossip:
        return self.feed.gossip

    def grow(self, *sizes: int, log: SimLog | None = None) -> TreeHead:
        """The log grows to these sizes and publishes each, which the router reads; the last head."""
        log = log or self.log
        for size in sizes:
            self.take(grown(log, size))
        return log.checkpoint().head

    def take(self, log: SimLog, **how: object) -> None:
        for value in log.publish(**how):
            self.bus.records.setdefault(topics.LEDGER, []).append(value)
            self.feed.take(value)

    def core(self, sender: str, head: TreeHead) -> Core:
        return self.world.core(sender, ["it"], ledger_head=head)

    def says(self, sender: str, head: TreeHead) -> str:
        """A message of this sender says what it saw; what the comparison came to."""
        before = self.outcomes()
        self.gossip.compare(self.core(sender, head))
        after = self.outcomes()
        return " ".join(name for name in after if after[name] != before.get(name, 0))

    def outcomes(self) -> dict[str, float]:
        return counts(self.metrics, "contrada_router_ledger_heads_compared_total", "outcome")

    def refused(self) -> dict[str, float]:
        return counts(self.metrics, "contrada_router_publications_refused_total", "reason")


def counts(metrics: RouterMetrics, name: str, label: str) -> dict[str, float]:
    """A counter's values by label, without those that are zero."""
    return {
        sample.labels[label]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name and sample.value
    }


def grown(log: SimLog, size: int) -> SimLog:
    return log.add(leaves(size - log.tree.size, first=log.tree.size))


def forked(size: int, *, origin: str = SHARD, witnesses: tuple[str, ...] | None = None) -> SimLog:
    """A log of other leaves, under the same keys."""
    log = SimLog(origin=origin) if witnesses is None else SimLog(origin=origin, witnesses=witnesses)
    return log.add(leaves(size, first=1_000_000))


@contextmanager
def alarms() -> Iterator[list[dict[str, Any]]]:
    """The errors that were logged meanwhile."""
    said: list[dict[str, Any]] = []
    with capture_logs() as lines:
        yield said
    said += [line for line in lines if line["log_level"] == "error"]
