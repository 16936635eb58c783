"""What a witness holds against a log: judged by what it signed, kept as evidence, dropped when it is refuted.

Owns which request is evidence and of what, and the alarms. The files are evidence.py. Rules:
- Only what the log's own keys signed is held against it, whoever asks.
- Nobody but the log can fill the places of what is a proof. Anybody can ask with a genuine checkpoint and a
  proof that he made up: a checkpoint from before the head is no evidence, and what turns out to be the log's
  own history makes room. Where a kind is full that is said once, and the counter goes on.
- What is refused again and again is told once: whoever repeats a request writes nothing to the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from clients.witness.evidence import (
    EvidenceFolder,
    EvidenceKind,
    EvidencePiece,
    EvidenceSide,
    EvidenceSummary,
)
from clients.witness.half_years import begins_rightly, contradicted
from clients.witness.head_store import CosignedHead, HeadStore
from clients.witness.metrics import WitnessMetrics
from protocol.identifiers import Millis
from protocol.tlog.checkpoints import SignedCheckpoint, parse_checkpoint
from protocol.tlog.notes import Note, format_note
from protocol.tlog.policy import Policy
from protocol.tlog.witnessing import AddCheckpoint, RefuseToCosign, SizeConflict, format_add_checkpoint

log = structlog.get_logger()

RootAt = Callable[[str, int], bytes | None]
"""The root that a log had at a size, from a copy of its tree; None where there is none."""

TOLD: Final = 1024
"""Names of evidence that was told of and is not kept: so many are remembered."""


class Accuser:
    """The evidence of one witness, and what it follows from."""

    __slots__ = ("_clock", "_folder", "_heads", "_metrics", "_policy", "_root_at", "_told")

    def __init__(
        self,
        *,
        heads: HeadStore,
        folder: EvidenceFolder,
        policy: Policy,
        metrics: WitnessMetrics,
        clock: Callable[[], Millis],
        root_at: RootAt | None,
    ) -> None:
        self._heads = heads
        self._folder = folder
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._root_at = root_at
        self._told: dict[str, None] = {}

    def judge(
        self, request: AddCheckpoint, decision: SizeConflict | RefuseToCosign, head: CosignedHead | None
    ) -> EvidenceKind | None:
        """Judge a refused request by the newest head, and by what was signed before it."""
        if isinstance(decision, RefuseToCosign) and decision.status in (403, 404):
            return None  # not the log's own words
        if decision.evidence is not None:
            return EvidenceKind(decision.evidence.value)
        if head is None or request.signed.checkpoint.size >= head.size:
            return None
        return self._judge_older(request.signed, head)

    def _judge_older(self, offered: SignedCheckpoint, head: CosignedHead) -> EvidenceKind | None:
        checkpoint = offered.checkpoint
        known = self._known_root(checkpoint.origin, checkpoint.size)
        if known is not None:
            return None if known == checkpoint.root else EvidenceKind.FORK
        oldest = self._heads.oldest(checkpoint.origin)
        if oldest is None or oldest >= checkpoint.size or not self._signed_after(offered, head):
            return None
        return EvidenceKind.OLDER

    def _signed_after(self, offered: SignedCheckpoint, head: CosignedHead) -> bool:
        """Whether the log may have signed this after the head: a log that goes back has to sign anew.

        Nobody else can, however many old notes he has. A log that signs no time cannot be told from him.
        """
        then = self._policy.times(parse_checkpoint(head.cosigned)).get("ledger")
        return then is None or self._policy.times(offered).get("ledger", then) > then

    def keep(self, kind: EvidenceKind, request: AddCheckpoint) -> None:
        """Keep what the log signed, with what it is held against, and raise the alarm."""
        checkpoint = request.signed.checkpoint
        note = by_its_log(self._policy, request.signed)
        found = contradicted(self._heads, kind, request)
        evidence = EvidencePiece(
            found.kind,
            checkpoint.origin,
            EvidenceSide(checkpoint.size, checkpoint.root, note),
            found.side,
            format_add_checkpoint(request.old, request.proof, note),
            self._clock(),
            found.more,
        )
        self._metrics.alarms.labels(found.kind.value).inc()
        if self._is_kept(evidence):
            log.error(
                "alarm",
                code=found.kind.value,
                path=checkpoint.origin,
                size=checkpoint.size,
                subject=checkpoint.root,
                check=evidence.name,
            )
        self.show()

    def _is_kept(self, evidence: EvidencePiece) -> bool:
        """Keep it; whether it is new, and to be told of."""
        try:
            if self._folder.keep(evidence):
                return True
        except OSError as error:
            # The disk may be full; the alarm must be raised all the same.
            is_new = self._is_news(evidence.name)
            if is_new:
                log.error(  # noqa: TRY400 - no words of the error
                    "evidence_not_kept",
                    code=evidence.kind.value,
                    path=evidence.origin,
                    size=evidence.offered.size,
                    error=type(error).__name__,
                )
            return is_new
        if self._folder.is_full(evidence) and self._is_news(f"{evidence.kind} {evidence.origin}"):
            log.error("evidence_full", code=evidence.kind.value, path=evidence.origin)
        return False

    def _is_news(self, name: str) -> bool:
        if name in self._told:
            return False
        if len(self._told) >= TOLD:
            del self._told[next(iter(self._told))]
        self._told[name] = None
        return True

    def drop_refuted(self, origin: str) -> None:
        """Whoever asked with a checkpoint of the log's own history and a wrong proof accused nobody."""
        for kind in (EvidenceKind.INCONSISTENT, EvidenceKind.BEGINNING):
            if self._folder.count(kind):
                self._folder.drop_refuted(kind, origin, self._is_refuted)
                self.show()

    def _is_refuted(self, kept: EvidenceSummary) -> bool:
        if self._known_root(kept.origin, kept.offered_size) == bytes.fromhex(kept.offered_root):
            return True
        return kept.kind is EvidenceKind.BEGINNING and begins_rightly(self._heads, self._folder, kept)

    def _known_root(self, origin: str, size: int) -> bytes | None:
        """The root that the log had, as far as this witness has signed, or follows the log itself."""
        before = self._heads.signed(origin, size)
        if before is not None:
            return before[0]
        return None if self._root_at is None else self._root_at(origin, size)

    def show(self) -> None:
        """How much is kept, as a metric."""
        for kind in EvidenceKind:
            self._metrics.evidence.labels(kind.value).set(self._folder.count(kind))


def by_its_log(policy: Policy, offered: SignedCheckpoint) -> bytes:
    """The note with the log's own signatures only: what others add is neither needed nor bounded."""
    keys = policy.log_keys(offered.checkpoint.origin)
    return format_note(Note(offered.note.text, tuple(line for key in keys for line in offered.note.by(key))))
