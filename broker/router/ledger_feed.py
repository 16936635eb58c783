"""The router's reader of published heads: from the topic `ledger`, for gossip.py.

Owns which heads count and how far the topic was read. Rules:
- A head counts by the rule of the units: all keys of the log, and the quorum of the policy file. A writer to
  the topic without them can accuse no unit, and clear none.
- A second root of one size is a fork already when the log's keys alone signed it.
- Trees are not recomputed here: every unit does that (docs/adr/0020).
- Whatever is in the topic, or happens to it, ends in a log line. The router keeps routing.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from broker.router.gossip import Gossip
from broker.router.metrics import RouterMetrics
from protocol import topics
from protocol.errors import Code, Rejected
from protocol.limits import SECOND
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint
from protocol.tlog.policy import Policy
from protocol.tlog.publication import parse_publication
from protocol.tlog.shards import parse_shard
from protocol.trail.stated_acts import is_notice
from runtime.errors import Unavailable
from runtime.kafka.ports import LogReader, Topics
from runtime.process.clock import ClockCheck

log = structlog.get_logger()

TAIL: Final = 1024
"""Records at the topic's end that are read at the start: minutes of a busy exchange, days of a calm one."""

AT_ONCE: Final = 50
AGAIN_AFTER: Final = 1.0
"""Seconds until a topic that cannot be read is asked for again."""


class LedgerFeed:
    """Follows the published heads for ever."""

    def __init__(
        self, bus: Topics, policy: Policy, metrics: RouterMetrics, *, times: ClockCheck | None = None
    ) -> None:
        """`times` is told what the clocks of the ledger and of its witnesses have shown."""
        self.gossip = Gossip(metrics)
        self._bus = bus
        self._policy = policy
        self._metrics = metrics
        self._position: int | None = None
        self._refused: Code | None = None
        self._times = times

    async def run(self) -> None:
        """Follow the topic until cancelled; waits while it is absent."""
        while True:
            try:
                async with self._bus.reading(topics.LEDGER, None) as reader:
                    await self._follow(reader)
            except Unavailable as error:
                log.warning("ledger_unavailable", topic=topics.LEDGER, error=str(error))
            except Exception as error:  # noqa: BLE001 - a fault here must not end the comparison unheard
                log.warning("ledger_feed_failed", topic=topics.LEDGER, error=type(error).__name__)
            await asyncio.sleep(AGAIN_AFTER)

    async def _follow(self, reader: LogReader) -> None:
        first, end = await reader.span()
        if self._position is None or not first <= self._position <= end:
            # At the start, or after a gap: what lies between was not seen, so it is not judged.
            self.gossip.forget()
            self._position = max(first, end - TAIL)
        reader.seek(self._position)
        while True:
            for record in await reader.fetch(wait_ms=1_000, most=AT_ONCE):
                self.take(record.value)
                self._position = record.offset + 1
                await asyncio.sleep(0)  # a head costs two milliseconds: messages have their turn between

    def take(self, value: bytes) -> None:
        """One record of the topic. Nothing that stands in it is raised."""
        try:
            self._take(value)
        except Rejected as rejected:
            self._refuse(rejected)
        except Exception as error:  # noqa: BLE001 - a fault of ours over somebody else's bytes stops no mail
            self._refuse(Rejected(Code.E_SCHEMA, f"reading it failed ({type(error).__name__})"))

    def _take(self, value: bytes) -> None:
        if is_notice(value):
            return  # what two people state of the audit topic: for the units
        publication = parse_publication(value)
        if publication.note is None:
            return
        signed = parse_checkpoint(publication.note)
        checkpoint = signed.checkpoint
        if not _is_audit_log(checkpoint):
            return
        known = self.gossip.root(checkpoint.origin, checkpoint.size)
        if known == checkpoint.root:
            return  # published again, with more signatures or because nothing new is there
        self._policy.signed_by_log(signed)
        if known is not None:
            raise Rejected(Code.E_LOG_FORK, f"a second root at {checkpoint.size} of {checkpoint.origin}")
        self._policy.trusted(signed)
        self.gossip.publish(checkpoint)
        if self._times is not None:
            for name, time in self._policy.borne_out(signed).items():
                self._times.heard(name, time * SECOND)
        self._refused = None

    def _refuse(self, rejected: Rejected) -> None:
        self._metrics.publications_refused.labels(rejected.reason.value).inc()
        if rejected.reason is Code.E_LOG_FORK:
            log.error("ledger_fork", code=rejected.code, error=str(rejected))
        elif rejected.reason is not self._refused:
            # Logged when it begins: while a witness is slow, every head comes once without its signature.
            log.warning("publication_refused", code=rejected.code, error=str(rejected))
        self._refused = rejected.reason


def _is_audit_log(checkpoint: Checkpoint) -> bool:
    try:
        parse_shard(checkpoint.origin)
    except Rejected:
        return False  # the log of the directory, whose heads the rules compare (docs/adr/0007)
    return True
