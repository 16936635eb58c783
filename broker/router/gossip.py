"""Gossip at the router: compares the head that a sender saw with the heads that the ledger published.

Owns the published roots, the heads that are ahead of them, and the alarm. Reading the roots is in
broker/router/ledger_feed.py. Rules:
- A message is decided and committed before its head is looked at: no outcome stops it or makes it wait.
- A head counts as its sender's only when the signature over it was verified. The caller ensures that.
- What is remembered is bounded: a fixed number of roots of two half-years, and of each unit one head and one
  alarm.
- Heads are compared with what was published, not with each other: addressees do that as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import structlog

from broker.router.metrics import RouterMetrics
from protocol.envelope.core import Core
from protocol.errors import Code, Rejected
from protocol.identifiers import MessageId, UnitId, show_id
from protocol.parties import TreeHead
from protocol.tlog.checkpoints import Checkpoint
from protocol.tlog.shards import Shard, parse_shard

log = structlog.get_logger()

ROOTS_KEPT: Final = 4096
"""Of one half-year: a quarter of an hour of a ledger that publishes five times a second."""

ALARM: Final = "ledger_gossip"


class Outcome(StrEnum):
    """What a comparison found; the label of the metric."""

    SAME = "same"
    AHEAD = "ahead"
    """Not published yet, as far as this router has read: compared again later."""

    UNKNOWN = "unknown"
    """Older than what is remembered: not compared."""

    UNPUBLISHED = "unpublished"
    """Between two published heads, all of which were read, and not one of them: an alarm."""

    DIFFERENT = "different"
    """Of this size another root was published: an alarm."""


@dataclass(frozen=True, slots=True)
class SeenHead:
    """The head that a sender names, in a message whose signature was verified."""

    sender: UnitId
    message: MessageId
    head: TreeHead


@dataclass(slots=True)
class Roots:
    """The published heads of one half-year, from the first remembered one on, without a gap."""

    shard: Shard
    by_size: dict[int, bytes] = field(default_factory=dict)
    last: int = -1

    @property
    def first(self) -> int:
        """The smallest size that is remembered."""
        return next(iter(self.by_size))

    def put(self, checkpoint: Checkpoint) -> None:
        """The log's next head. Sizes only grow, so that the oldest entry is the smallest."""
        if checkpoint.size <= self.last:
            raise Rejected(Code.E_LOG_ROLLBACK, f"the log went from {self.last} back to {checkpoint.size}")
        self.by_size[checkpoint.size] = checkpoint.root
        self.last = checkpoint.size
        if len(self.by_size) > ROOTS_KEPT:
            del self.by_size[self.first]


class Gossip:
    """The published heads, and the units that saw others."""

    def __init__(self, metrics: RouterMetrics) -> None:
        self.accused: dict[UnitId, SeenHead] = {}
        """Who showed a head that contradicts, with the first such: said once, until the next start."""

        self._counters = {each: metrics.heads_compared.labels(each.value) for each in Outcome}
        self._logs: dict[str, Roots] = {}
        self._newest: Roots | None = None
        self._ahead: dict[UnitId, SeenHead] = {}

    @property
    def entries(self) -> int:
        """The size of the newest head that was published; 0 before the first."""
        return 0 if self._newest is None else self._newest.last

    def root(self, origin: str, size: int) -> bytes | None:
        """The root that was published of this log at this size, if it is remembered."""
        roots = self._logs.get(origin)
        return None if roots is None else roots.by_size.get(size)

    def publish(self, checkpoint: Checkpoint) -> None:
        """Take a published head, which the caller has verified."""
        roots = self._logs.get(checkpoint.origin) or Roots(parse_shard(checkpoint.origin))
        roots.put(checkpoint)
        self._logs[checkpoint.origin] = roots
        # Of the half-year before the newest, units that come back late may still have a head.
        by_age = sorted(self._logs.values(), key=lambda each: each.shard)
        self._logs = {each.shard.origin: each for each in by_age[-2:]}
        self._newest = by_age[-1]
        self._catch_up(self._newest)

    def forget(self) -> None:
        """Publications were missed: between two that are remembered there may be others from now on."""
        self._logs.clear()
        self._newest = None

    def compare(self, core: Core) -> None:
        """Compare the head in a verified header. Where they agree that is one look-up."""
        head, newest = core.ledger_head, self._newest
        if head.size == 0:
            return  # this sender follows no ledger, or the ledger has published nothing yet
        if newest is not None and newest.by_size.get(head.size) == head.root:
            self._ahead.pop(core.sender, None)
            self._counters[Outcome.SAME].inc()
        else:
            self._counters[self._judge(SeenHead(core.sender, core.message_id, head))].inc()

    def _catch_up(self, newest: Roots) -> None:
        due = [claim for claim in self._ahead.values() if claim.head.size <= newest.last]
        for claim in due:
            del self._ahead[claim.sender]
            self._counters[self._judge(claim)].inc()

    def _judge(self, claim: SeenHead) -> Outcome:
        size, root = claim.head.size, claim.head.root
        # A header does not name the half-year: at its turn some have seen the new log, and some have not.
        if any(each.by_size.get(size) == root for each in self._logs.values()):
            self._ahead.pop(claim.sender, None)
            return Outcome.SAME
        newest = self._newest
        if newest is None or size > newest.last:
            # The first one stays: a log ahead of the true one is found out when that has reached this size.
            self._ahead.setdefault(claim.sender, claim)
            return Outcome.AHEAD
        if size < newest.first:
            return Outcome.UNKNOWN
        published = newest.by_size.get(size)
        self._accuse(claim, newest.shard.origin, published)
        # An honest sender names a head that it read in the topic, which was read here without a gap.
        return Outcome.UNPUBLISHED if published is None else Outcome.DIFFERENT

    def _accuse(self, claim: SeenHead, origin: str, published: bytes | None) -> None:
        if claim.sender in self.accused:
            return
        self.accused[claim.sender] = claim
        ours = "nothing of this size" if published is None else published.hex()[:16]
        log.error(
            ALARM,
            code=Code.E_GOSSIP_LOG.value,
            sender=claim.sender,
            message_id=show_id(claim.message),
            origin=origin,
            size=claim.head.size,
            error=f"it saw {claim.head.root.hex()[:16]}, published was {ours}",
        )
