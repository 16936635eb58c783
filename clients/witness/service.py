"""The witness's answer to a request, in one transaction.

    prepare    is it a valid request, signed by a known log, and would it be signed?
    answer     decide again by what is stored at that moment, store the new head, sign

Owns the order of these steps. The decision is protocol/tlog/witnessing.py, the state head_store.py, the
half-years half_years.py; what is held against a log accuser.py; HTTP is witness_api.py. No I/O but through
them. All use is from one thread.

Why it cannot sign a fork, whatever requests come: a cosignature is given out only after `move` has replaced
the head that the decision rested on by its checkpoint, in the same transaction, on disk. Of two forks that
race, the second is compared with the first one's head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from clients.witness.accuser import Accuser, RootAt, by_its_log
from clients.witness.errors import StateLost
from clients.witness.evidence import EvidenceFolder, EvidenceKind
from clients.witness.half_years import beginning_of, half_years_beside, is_half_year
from clients.witness.head_store import CosignedHead, HeadStore
from clients.witness.metrics import WitnessMetrics
from protocol.errors import Rejected
from protocol.identifiers import Digest, Millis
from protocol.limits import CLOCK_TOLERANCE, SECOND
from protocol.parties import TreeHead
from protocol.tlog.checkpoints import (
    Checkpoint,
    CheckpointSigner,
    Seconds,
    seconds,
    signature_time,
)
from protocol.tlog.cosignatures import cosign, with_cosignatures
from protocol.tlog.policy import Policy
from protocol.tlog.witnessing import (
    SIZE_TYPE,
    AddCheckpoint,
    Cosign,
    HalfYearsBeside,
    RefuseToCosign,
    SizeConflict,
    decide_cosigning,
    format_add_checkpoint,
    parse_add_checkpoint,
)

log = structlog.get_logger()

PLAIN = "text/plain; charset=utf-8"

_NOT_YET = "E_TIME_FUTURE: signed at a time that has not come by this witness's clock: one of both is wrong"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer over HTTP."""

    status: int
    body: bytes
    media_type: str = PLAIN


class WitnessService:
    """One witness: a name, its keys, the logs that it knows, and what it signed."""

    __slots__ = ("_accuser", "_clock", "_signers", "behind", "folder", "heads", "metrics", "policy")

    def __init__(
        self,
        *,
        signers: Sequence[CheckpointSigner],
        policy: Policy,
        heads: HeadStore,
        folder: EvidenceFolder,
        metrics: WitnessMetrics,
        clock: Callable[[], Millis],
        root_at: RootAt | None = None,
    ) -> None:
        self._signers = tuple(signers)
        self._clock = clock
        self.behind = 0
        """Milliseconds that this clock is behind the log's that asked last, where that is too much."""

        self.policy = policy
        self.heads = heads
        self.folder = folder
        self.metrics = metrics
        self._accuser = Accuser(
            heads=heads, folder=folder, policy=policy, metrics=metrics, clock=clock, root_at=root_at
        )
        self._show()

    def prepare(self, data: bytes) -> HttpAnswer | AddCheckpoint:
        """All that can be decided without signing: an answer, or a request to go on with."""
        try:
            request = parse_add_checkpoint(data)
        except Rejected as rejected:
            return self._counted("malformed", plain_answer(400, str(rejected)))
        head, beside = self._held(request.signed.checkpoint.origin)
        decision = decide_cosigning(request, _tree_head(head), self.policy, beside=beside)
        if not isinstance(decision, Cosign):
            return self._refused(request, decision, head)
        return request if self._has_come(request) else self._counted("clock", plain_answer(503, _NOT_YET))

    def answer(self, request: AddCheckpoint) -> HttpAnswer:
        """Decide, store and sign in one transaction."""
        with self.heads.transaction():
            head, beside = self._held(request.signed.checkpoint.origin)
            decision = decide_cosigning(request, _tree_head(head), self.policy, beside=beside)
            if isinstance(decision, Cosign):
                signed = self._move(request, head, beside)
        # Here the head is on disk, and only now may the cosignature leave.
        if not isinstance(decision, Cosign):
            return self._refused(request, decision, head)
        self._show_log(request.signed.checkpoint.origin)
        return self._counted("cosigned", HttpAnswer(200, signed))

    def _held(self, origin: str) -> tuple[CosignedHead | None, HalfYearsBeside]:
        """What was signed of this log, and of the half-years around it."""
        return self.heads.head(origin), half_years_beside(self.heads, origin)

    def _has_come(self, request: AddCheckpoint) -> bool:
        """Whether the log signed at a time that has come: a cosignature says when the head was there at last.

        One of both clocks is wrong, and this witness cannot tell which. So it waits until they agree.
        """
        told = self.policy.times(request.signed).get("ledger", Seconds(0)) * SECOND
        behind = told - self._clock()
        before, self.behind = self.behind, behind if behind > CLOCK_TOLERANCE else 0
        if self.behind and not before:
            log.error("clock_behind", path=request.signed.checkpoint.origin, seconds=self.behind // SECOND)
        self.metrics.clock_behind.set(self.behind // SECOND)
        return not self.behind

    def contradicted(self, request: AddCheckpoint, rejected: Rejected) -> HttpAnswer:
        """The log shows other entries than it signed: the answer, and an alarm."""
        self._accuser.keep(EvidenceKind.INCONSISTENT, request)
        return self._counted("inconsistent", plain_answer(422, str(rejected)))

    def withheld(self, checkpoint: Checkpoint) -> None:
        """The log asks to be cosigned and does not show what it has signed: an alarm, and no answer to it."""
        self.metrics.alarms.labels("withheld").inc()
        log.error("alarm", code="withheld", path=checkpoint.origin, size=checkpoint.size)

    def newest(self, origin_hash: str) -> bytes | None:
        """The newest cosigned note of the log whose origin has this hash."""
        return next((head.cosigned for head in self.heads.heads() if head.origin_hash == origin_hash), None)

    def _move(self, request: AddCheckpoint, head: CosignedHead | None, beside: HalfYearsBeside) -> bytes:
        offered = request.signed
        checkpoint = offered.checkpoint
        self._recall(request, head)
        now = self._clock()
        lines = [cosign(checkpoint, signer, now=seconds(now)) for signer in self._signers]
        note = by_its_log(self.policy, offered)
        cosigned = with_cosignatures(note, lines)
        new = CosignedHead(checkpoint.origin, checkpoint.size, checkpoint.root, cosigned, now)
        self.heads.move(head, new, note=note)
        if head is None and is_half_year(checkpoint.origin):
            self._begin(beside, checkpoint, format_add_checkpoint(request.old, request.proof, note))
        self._accuser.drop_refuted(checkpoint.origin)
        return "".join(lines).encode()

    def _begin(self, beside: HalfYearsBeside, checkpoint: Checkpoint, request: bytes) -> None:
        """Remember with what a half-year begins; where nothing is known before it, say so."""
        begun = beginning_of(beside, checkpoint.origin, request)
        if begun is None:
            log.info("beginning_not_checked", path=checkpoint.origin, size=checkpoint.size)
        else:
            self.heads.begin(begun)

    def _recall(self, request: AddCheckpoint, head: CosignedHead | None) -> None:
        """Refuse what bears this witness's cosignature and is not in its state: the state was rolled back."""
        signed = request.signed
        if head is not None and signed.checkpoint.size <= head.size:
            return
        for signer in self._signers:
            for line in signed.note.by(signer.verifier):
                if signature_time(signed.checkpoint, signer.verifier, line.signature):
                    self.metrics.alarms.labels("state_lost").inc()
                    log.error(
                        "alarm", code="state_lost", path=signed.checkpoint.origin, size=signed.checkpoint.size
                    )
                    raise StateLost(
                        "this witness signed that checkpoint already and does not remember it",
                        hint="its state was restored from a copy; see docs/runbooks/witness.md",
                    )

    def _refused(
        self, request: AddCheckpoint, decision: SizeConflict | RefuseToCosign, head: CosignedHead | None
    ) -> HttpAnswer:
        kind = self._accuser.judge(request, decision, head)
        if kind is not None:
            self._accuser.keep(kind, request)
        if isinstance(decision, SizeConflict):
            return self._counted("conflict", HttpAnswer(409, f"{decision.size}\n".encode(), SIZE_TYPE))
        return self._counted(
            decision.code.value.removeprefix("E_").lower(), plain_answer(decision.status, decision.code.value)
        )

    def _counted(self, outcome: str, answer: HttpAnswer) -> HttpAnswer:
        self.metrics.requests.labels(outcome).inc()
        return answer

    def _show(self) -> None:
        self._accuser.show()
        for origin in self.policy.origins:
            self._show_log(origin)

    def _show_log(self, origin: str) -> None:
        head = self.heads.head(origin)
        if head is not None:
            self.metrics.size.labels(origin).set(head.size)
            self.metrics.cosigned_at.labels(origin).set(head.t / 1000)


def plain_answer(status: int, sentence: str) -> HttpAnswer:
    """An answer in plain text."""
    return HttpAnswer(status, f"{sentence}\n".encode())


def _tree_head(head: CosignedHead | None) -> TreeHead | None:
    return None if head is None else TreeHead(head.size, Digest(head.root))
