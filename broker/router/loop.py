"""The router's loop over one claim: fetch, catch up, decide, commit.

Owns size and order of a batch. The decision is `broker.router.step.run_step`, the transaction is the claim's:
after a commit the new state replaces the old, after a failure the claim is lost and with it all that was held
in memory (broker/router/outboxes.py, rule 3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from broker.renewal import Renewal
from broker.replica import Replica
from broker.router.claims import Claim
from broker.router.ledger_feed import LedgerFeed
from broker.router.metrics import RouterMetrics
from broker.router.step import (
    Budget,
    ParsedRecord,
    StepContext,
    StepOutcome,
    claimed_directory,
    parse_input,
    run_step,
)
from protocol.envelope.replay import ReplayState
from protocol.envelope.wire import Submission
from protocol.errors import Code, Rejected
from protocol.identifiers import Entropy, Millis, show_id
from protocol.key_validity import check_signing_key
from protocol.signatures import Signer
from runtime.errors import Unavailable

log = structlog.get_logger()

CATCH_UP = 1.0
"""Seconds to wait for statements that a sender saw before this router."""


LOOK_AT_KEY = 1.0
"""Seconds between two looks at whether our own key is valid."""

KEY_HINT = "compare this machine's clock with others; a key is valid for the time that its appointment names"

FETCH_MOST = 500
"""So many records of one partition are decided together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """A router process's parts."""

    name: str
    signer: Signer
    replica: Replica
    metrics: RouterMetrics
    clock: Callable[[], Millis]
    entropy: Entropy
    budget: Budget = field(default_factory=Budget)
    ledger: LedgerFeed | None = None
    """What the ledger published; None without a policy that names its keys and witnesses."""

    renewal: Renewal | None = None
    """The upkeep of `signer`; None where somebody else keeps it."""

    def key_fault(self) -> Code | None:
        """Why nobody would take what this router signs now; None where everybody would.

        By the directory and by its own clock: one that is years off finds its key not valid yet, or any more.
        """
        now = self.clock()
        try:
            key = self.replica.directory.router_key(self.signer.public.kid)
            check_signing_key(key, signed_at=now, judged_at=now)
        except Rejected as rejected:
            return rejected.reason
        return None

    async def appointed(self) -> None:
        """Return once the directory has this router's key and it is valid now."""
        await self.replica.appointing(self.signer.public.kid)
        said: Code | None = None
        while (fault := self.key_fault()) is not None:
            if fault is not said:
                log.error("key_not_valid", code=fault.value, hint=KEY_HINT)
                said = fault
            await asyncio.sleep(LOOK_AT_KEY)

    async def dismissed(self) -> None:
        """Return once the key, valid until then, is so no more."""
        await self.appointed()
        while True:
            if self.key_fault() is not None:
                return
            await asyncio.sleep(LOOK_AT_KEY)

    async def work(self, claim: Claim) -> None:
        """Route one partition until cancelled or until anything fails."""
        state = ReplayState.from_text(claim.state)
        while True:
            records = await claim.fetch(wait_ms=None, most=FETCH_MOST)
            state = await self._route(claim, [parse_input(record) for record in records], state)

    async def _route(self, claim: Claim, records: list[ParsedRecord], state: ReplayState) -> ReplayState:
        while records:
            await self.replica.usable()
            parties = await self.replica.at_least(claimed_directory(records), patience=CATCH_UP)
            if (fault := self.key_fault()) is not None:
                raise Unavailable(
                    f"nobody would take what this router signs now ({fault.value})", hint=KEY_HINT
                )
            context = StepContext(
                owner=claim.owner,
                partition=claim.partition,
                partitions=claim.partitions,
                router=self.name,
                signer=self.signer,
                parties=parties,
                now=self.clock(),
                entropy=self.entropy,
            )
            with self.metrics.batch_seconds.time():
                outcome = run_step(records, state=state, context=context, budget=self.budget)
                await claim.commit(outcome.outputs, position=outcome.position, state=outcome.state.to_text())
            self._report(outcome)
            self._compare(records, outcome)
            state, records = outcome.state, records[len(outcome.decided) :]
        return state

    def _report(self, outcome: StepOutcome) -> None:
        self.metrics.batches.inc()
        for one in outcome.decided:
            record = one.record
            self.metrics.decided(record.type, record.reasons)
            if one.submission is None:
                log.info(
                    "decided",
                    decision=record.type.name.lower(),
                    unit=record.source.unit,
                    partition=record.source.partition,
                    offset=record.source.offset,
                    reasons=[reason.code.value for reason in record.reasons],
                    message_id=None if record.header is None else show_id(record.header[0]),
                )

    def _compare(self, records: list[ParsedRecord], outcome: StepOutcome) -> None:
        """Compare what senders saw of the ledger with what it published, after the commit."""
        if self.ledger is None:
            return
        for parsed, one in zip(records, outcome.decided, strict=False):
            # Only a verified header is in the record: with an unverified one any writer could accuse a unit.
            if one.record.header is not None and isinstance(parsed.content, Submission):
                self.ledger.gossip.compare(parsed.content.header.core)
