"""The witness's answer to a request, in one transaction.

    prepare    is it a valid request, signed by a known log, and would it be signed?
    answer     decide again by what is stored at that moment, store the new head, sign

Owns the order of these steps and the alarms. The decision is protocol/tlog/witnessing.py, the state
head_store.py, the evidence evidence.py; HTTP is witness_api.py. No I/O but through them. All use is from one
thread.

Why it cannot sign a fork, whatever requests come: a cosignature is given out only after `move` has replaced
the head that the decision rested on by its checkpoint, in the same transaction, on disk. Of two forks that
race, the second is compared with the first one's head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from clients.witness.errors import StateLost
from clients.witness.evidence import EvidenceFolder, EvidenceKind, EvidencePiece, EvidenceSide
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
    SignedCheckpoint,
    seconds,
    signature_time,
)
from protocol.tlog.cosignatures import cosign, with_cosignatures
from protocol.tlog.notes import Note, format_note
from protocol.tlog.policy import Policy
from protocol.tlog.witnessing import (
    SIZE_TYPE,
    AddCheckpoint,
    Cosign,
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


RootAt = Callable[[str, int], bytes | None]
"""The root that a log had at a size, from a copy of its tree; None where there is none."""


class WitnessService:
    """One witness: a name, its keys, the logs that it knows, and what it signed."""

    __slots__ = ("_clock", "_root_at", "_signers", "behind", "folder", "heads", "metrics", "policy")

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
        self._root_at = root_at
        self._clock = clock
        self.behind = 0
        """Milliseconds that this clock is behind the log's that asked last, where that is too much."""

        self.policy = policy
        self.heads = heads
        self.folder = folder
        self.metrics = metrics
        self._show()

    def prepare(self, data: bytes) -> HttpAnswer | AddCheckpoint:
        """All that can be decided without signing: an answer, or a request to go on with."""
        try:
            request = parse_add_checkpoint(data)
        except Rejected as rejected:
            return self._counted("malformed", plain_answer(400, str(rejected)))
        head = self.heads.head(request.signed.checkpoint.origin)
        decision = decide_cosigning(request, _tree_head(head), self.policy)
        if not isinstance(decision, Cosign):
            return self._refused(request, decision, head)
        return request if self._has_come(request) else self._counted("clock", plain_answer(503, _NOT_YET))

    def answer(self, request: AddCheckpoint) -> HttpAnswer:
        """Decide, store and sign in one transaction."""
        with self.heads.transaction():
            head = self.heads.head(request.signed.checkpoint.origin)
            decision = decide_cosigning(request, _tree_head(head), self.policy)
            if isinstance(decision, Cosign):
                signed = self._move(request, head)
        # Here the head is on disk, and only now may the cosignature leave.
        if not isinstance(decision, Cosign):
            return self._refused(request, decision, head)
        self._show_log(request.signed.checkpoint.origin)
        return self._counted("cosigned", HttpAnswer(200, signed))

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
        head = self.heads.head(request.signed.checkpoint.origin)
        self._keep(EvidenceKind.INCONSISTENT, request, head)
        return self._counted("inconsistent", plain_answer(422, str(rejected)))

    def withheld(self, checkpoint: Checkpoint) -> None:
        """The log asks to be cosigned and does not show what it has signed: an alarm, and no answer to it."""
        self.metrics.alarms.labels("withheld").inc()
        log.error("alarm", code="withheld", path=checkpoint.origin, size=checkpoint.size)

    def newest(self, origin_hash: str) -> bytes | None:
        """The newest cosigned note of the log whose origin has this hash."""
        return next((head.cosigned for head in self.heads.heads() if head.origin_hash == origin_hash), None)

    def _move(self, request: AddCheckpoint, head: CosignedHead | None) -> bytes:
        offered = request.signed
        checkpoint = offered.checkpoint
        self._recall(request, head)
        now = self._clock()
        lines = [cosign(checkpoint, signer, now=seconds(now)) for signer in self._signers]
        note = self._by_its_log(offered)
        cosigned = with_cosignatures(note, lines)
        new = CosignedHead(checkpoint.origin, checkpoint.size, checkpoint.root, cosigned, now)
        self.heads.move(head, new, note=note)
        self._drop_refuted(checkpoint.origin)
        return "".join(lines).encode()

    def _by_its_log(self, offered: SignedCheckpoint) -> bytes:
        """The note with the log's own signatures only: what others add is neither needed nor bounded."""
        keys = self.policy.log_keys(offered.checkpoint.origin)
        return format_note(
            Note(offered.note.text, tuple(line for key in keys for line in offered.note.by(key)))
        )

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
        kind = self._judge(request, decision, head)
        if kind is not None:
            self._keep(kind, request, head)
        if isinstance(decision, SizeConflict):
            return self._counted("conflict", HttpAnswer(409, f"{decision.size}\n".encode(), SIZE_TYPE))
        return self._counted(
            decision.code.value.removeprefix("E_").lower(), plain_answer(decision.status, decision.code.value)
        )

    def _judge(
        self, request: AddCheckpoint, decision: SizeConflict | RefuseToCosign, head: CosignedHead | None
    ) -> EvidenceKind | None:
        """Judge the request by the newest head, and by what was signed before it."""
        if isinstance(decision, RefuseToCosign) and decision.status in (403, 404):
            return None  # not the log's own words
        if decision.evidence is not None:
            return EvidenceKind(decision.evidence.value)
        offered = request.signed.checkpoint
        if head is None or offered.size >= head.size:
            return None
        before = self.heads.signed(offered.origin, offered.size)
        if before is not None:
            return None if before[0] == offered.root else EvidenceKind.FORK
        own = None if self._root_at is None else self._root_at(offered.origin, offered.size)
        if own is not None:
            return None if own == offered.root else EvidenceKind.FORK
        oldest = self.heads.oldest(offered.origin)
        return EvidenceKind.OLDER if oldest is not None and oldest < offered.size else None

    def _keep(self, kind: EvidenceKind, request: AddCheckpoint, head: CosignedHead | None) -> None:
        note = self._by_its_log(request.signed)
        checkpoint = request.signed.checkpoint
        origin, size, root = checkpoint.origin, checkpoint.size, checkpoint.root
        before = self.heads.signed(origin, size)
        other = (
            EvidenceSide(0, b"", b"") if head is None else EvidenceSide(head.size, head.root, head.cosigned)
        )
        if before is not None:
            other = EvidenceSide(size, *before)
        shown = format_add_checkpoint(request.old, request.proof, note)
        evidence = EvidencePiece(kind, origin, EvidenceSide(size, root, note), other, shown, self._clock())
        try:
            is_new = self.folder.keep(evidence)
        except OSError as error:
            # The disk may be full; the alarm must be raised all the same.
            log.error(  # noqa: TRY400 - no words of the error
                "evidence_not_kept", code=kind.value, path=origin, size=size, error=type(error).__name__
            )
            is_new = True
        self.metrics.alarms.labels(kind.value).inc()
        if is_new:
            log.error("alarm", code=kind.value, path=origin, size=size, subject=root, check=evidence.name)
        self._show_evidence()

    def _drop_refuted(self, origin: str) -> None:
        """Whoever asked with a checkpoint of the log's own history and a wrong proof accused nobody."""
        if self.folder.count(EvidenceKind.INCONSISTENT):
            self.folder.drop_refuted(EvidenceKind.INCONSISTENT, origin, partial(self._is_genuine, origin))
            self._show_evidence()

    def _is_genuine(self, origin: str, size: int, root: bytes) -> bool:
        """Whether the log had this root, as far as this witness has signed, or follows the log itself."""
        before = self.heads.signed(origin, size)
        known = None if before is None else before[0]
        if known is None and self._root_at is not None:
            known = self._root_at(origin, size)
        return known == root

    def _counted(self, outcome: str, answer: HttpAnswer) -> HttpAnswer:
        self.metrics.requests.labels(outcome).inc()
        return answer

    def _show(self) -> None:
        self._show_evidence()
        for origin in self.policy.origins:
            self._show_log(origin)

    def _show_evidence(self) -> None:
        for kind in EvidenceKind:
            self.metrics.evidence.labels(kind.value).set(self.folder.count(kind))

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
