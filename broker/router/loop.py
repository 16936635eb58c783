"""The router's loop over one claim: fetch, catch up, decide, commit.

Owns size and order of a batch. The decision is `broker.router.step.Step`, the transaction is the claim's:
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
from broker.router.key_apart import KeyApart
from broker.router.ledger_feed import LedgerFeed
from broker.router.metrics import RouterMetrics
from broker.router.step import (
    Budget,
    ParsedRecord,
    Step,
    StepContext,
    StepOutcome,
    claimed_directory,
    parse_input,
)
from broker.router.turns import Turn
from keys.directory import Directory
from keys.errors import KeyAway
from protocol.envelope.quotas import Quota, Use
from protocol.envelope.replay import ReplayState
from protocol.envelope.wire import Submission
from protocol.errors import Code, Rejected
from protocol.identifiers import Entropy, Millis, show_id
from protocol.key_validity import check_signing_key
from protocol.signatures import Signer
from runtime.errors import Unavailable
from runtime.kafka.ports import InputRecord
from runtime.process.clock import ClockCheck, ClockFault

log = structlog.get_logger()

CATCH_UP = 1.0
"""Seconds to wait for statements that a sender saw before this router."""


LOOK_AT_KEY = 1.0
"""Seconds between two looks at whether our own key is valid."""

KEY_HINT = "compare this machine's clock with others; a key is valid for the time that its appointment names"
CLOCK_HINT = "set this machine's clock; the router takes part again by itself as soon as it is right"

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

    times: ClockCheck | None = None
    """What others say of the time; None: this clock is compared with nobody's."""

    apart: KeyApart | None = None
    """Where `signer`'s key is not in this process."""

    def key_fault(self, now: Millis | None = None) -> Code | None:
        """Why nobody would take what this router signs now; None where everybody would.

        By the directory and by its own clock: one that is years off finds its key not valid yet, or any more.
        """
        now = self.clock() if now is None else now
        try:
            key = self.replica.directory.router_key(self.signer.public.kid)
            check_signing_key(key, signed_at=now, judged_at=now)
        except Rejected as rejected:
            return rejected.reason
        return None

    def clock_fault(self, now: Millis | None = None) -> ClockFault | None:
        """What is wrong with this clock, as most others say; None where nothing is, or nobody speaks.

        A decision bears this clock's time. A wrong one refuses good messages for good, takes keys of weeks
        that have ended, and leads the ledger into another half-year.
        """
        return None if self.times is None else self.times.fault(self.clock() if now is None else now)

    def check_fit(self, now: Millis) -> None:
        """Refuse to decide at this time: `Unavailable` where nobody should take what would be signed."""
        if (wrong := self.clock_fault(now)) is not None:
            raise Unavailable(wrong.sentence, hint=CLOCK_HINT)
        if (fault := self.key_fault(now)) is not None:
            raise Unavailable(f"nobody would take what this router signs now ({fault.value})", hint=KEY_HINT)

    async def appointed(self) -> None:
        """Return once the directory has this router's key, its clock is right, and the key is valid now."""
        await self.replica.appointing(self.signer.public.kid)
        said = ""
        while (fault := self._unfit()) is not None:
            event, code, hint = fault
            if said != (said := code or event):
                log.error(event, code=code, hint=hint)
            await asyncio.sleep(LOOK_AT_KEY)

    async def dismissed(self) -> None:
        """Return once the key, valid until then, is so no more, or the clock has become wrong."""
        await self.appointed()
        while True:
            if self._unfit() is not None:
                return
            await asyncio.sleep(LOOK_AT_KEY)

    def _unfit(self) -> tuple[str, str, str] | None:
        """Why this router must not decide now, for the log."""
        now = self.clock()
        if (wrong := self.clock_fault(now)) is not None:
            return "clock_wrong", "", f"{wrong.sentence}: {CLOCK_HINT}"
        # By a clock that is wrong a key that ends looks ended: so the clock is looked at first.
        if (fault := self.key_fault(now)) is not None:
            return "key_not_valid", fault.value, KEY_HINT
        if self.apart is not None and self.apart.is_lost and self.apart.fault is not None:
            return "key_away_for_long", self.apart.fault.code, self.apart.fault.hint
        return None

    async def work(self, claim: Claim) -> None:
        """Route one partition until cancelled or until anything fails."""
        state, use = ReplayState.from_text(claim.state), Use()
        try:
            while True:
                records = await claim.fetch(wait_ms=None, most=FETCH_MOST)
                self._tell_queue(claim, records[0] if records else None)
                turn, parsed = Turn(), []
                for record in records:
                    parsed.append(parse_input(record))
                    await turn.give_way()
                state, use = await self._route(claim, parsed, state, use)
        finally:
            self._tell_queue(claim, None)

    def _tell_queue(self, claim: Claim, oldest: InputRecord | None) -> None:
        since = None if oldest is None else Millis(oldest.timestamp)
        lag = 0 if oldest is None else max(1, claim.end - oldest.offset)
        self.metrics.queue.waits(claim.owner, claim.partition, since, lag=lag)

    async def _route(
        self, claim: Claim, records: list[ParsedRecord], state: ReplayState, use: Use
    ) -> tuple[ReplayState, Use]:
        while records:
            await self.replica.usable()
            await self._pause(claim, use)
            parties = await self.replica.at_least(claimed_directory(records), patience=CATCH_UP)
            now = self.clock()
            self.check_fit(now)
            context = StepContext(
                owner=claim.owner,
                partition=claim.partition,
                partitions=claim.partitions,
                router=self.name,
                # One key for the whole step: it may be exchanged while another thread signs with it.
                signer=self.signer if self.renewal is None else self.renewal.identity.present,
                parties=parties,
                now=now,
                entropy=self.entropy,
                quota=_quota_of(claim, parties, now),
            )
            step = Step(state=state, context=context, budget=self.budget, use=use)
            with self.metrics.batch_seconds.time():
                try:
                    outcome = await self._decide(records, step)
                except KeyAway:
                    if self.apart is None:
                        raise
                    await self.apart.back()
                    continue
                await claim.commit(outcome.outputs, position=outcome.position, state=outcome.state.to_text())
            self._report(outcome)
            self._compare(records, outcome)
            state, use, records = outcome.state, outcome.use, records[len(outcome.decided) :]
            self._tell_queue(claim, records[0].raw if records else None)
        return state, use

    async def _pause(self, claim: Claim, use: Use) -> None:
        """Leave the outbox alone where too much of it was refused: its unit waits, and nobody else does.

        What was read is still there; no request, no heartbeat and no other claim waits for this.
        """
        if not use.refusals and not use.answers:
            return
        now = self.clock()
        seconds = use.pause(now=now, quota=_quota_of(claim, self.replica.directory, now))
        if seconds > 0:
            log.warning(
                "outbox_paused", unit=claim.owner, partition=claim.partition, seconds=round(seconds, 1)
            )
            with self.metrics.paused.track_inprogress():
                await asyncio.sleep(seconds)

    async def _decide(self, records: list[ParsedRecord], step: Step) -> StepOutcome:
        turn = Turn()
        for parsed in records:
            step.decide(parsed)
            if step.is_full:
                break
            await turn.give_way()
        return step.sign() if self.apart is None else await self.apart.use(step.sign)

    def _report(self, outcome: StepOutcome) -> None:
        self.metrics.batches.inc()
        for one in outcome.decided:
            record = one.record
            self.metrics.decided(record.type, record.reasons)
            if one.over is not None:
                self.metrics.over_quota.labels(one.over.limit.label).inc()
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


def _quota_of(claim: Claim, directory: Directory, now: Millis) -> Quota:
    """This partition's part of what its unit may ask for."""
    return directory.quota(claim.owner, now).part(claim.partitions)
