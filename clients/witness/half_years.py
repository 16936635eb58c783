"""The half-years of an exchange as a witness knows them: what it signed before a log, and behind it.

Owns what follows from the heads and the beginnings that are stored; what is decided by it is
protocol/tlog/witnessing.py. Rules:
- The half-year before is the last earlier one of the same exchange that this witness signed. A name between
  may be missing: nobody sent anything then, or this witness has still to be asked about it.
- Where it knows none before, nothing can be compared: it signs, and says so. A new witness is in that place,
  and so is every witness at the first half-year of a ledger.
- What a later half-year begins with is the end of the one before: no more of it is signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from clients.witness.evidence import EvidenceFolder, EvidenceKind, EvidenceSide, EvidenceSummary
from clients.witness.head_store import Begun, CosignedHead, HeadStore
from protocol.errors import Rejected
from protocol.identifiers import Digest
from protocol.merkle import verify_consistency
from protocol.tlog.checkpoints import Checkpoint
from protocol.tlog.shards import Shard, parse_shard
from protocol.tlog.witnessing import (
    NO_HALF_YEARS,
    AddCheckpoint,
    HalfYearsBeside,
    begun_with,
    parse_add_checkpoint,
)
from runtime.errors import TooLarge

SEARCHED: Final = 256
"""Heads of the half-year before among which is looked for the one with which a refused one begins."""


@dataclass(frozen=True, slots=True)
class Contradicted:
    """What an offered checkpoint does not go together with, and what it is evidence of."""

    kind: EvidenceKind
    """A half-year that begins with an earlier head of the one before proves that its end was cut off."""

    side: EvidenceSide
    more: Mapping[str, bytes] = field(default_factory=dict)


def half_years_beside(heads: HeadStore, origin: str) -> HalfYearsBeside:
    """What was signed around this log."""
    if heads.head(origin) is not None:
        return HalfYearsBeside(ended=heads.continued(origin) is not None)
    before = signed_before(heads, origin)
    if before is None:
        return NO_HALF_YEARS
    if heads.continued(before.origin) is not None:
        return HalfYearsBeside(ended=True)  # a later one has begun there, over this one's name
    return HalfYearsBeside(_checkpoint(before))


def signed_before(heads: HeadStore, origin: str) -> CosignedHead | None:
    """The head of the last half-year before this one that was signed; None where there is none."""
    own = _shard(origin)
    if own is None:
        return None
    earlier = [
        (shard, head)
        for head in heads.heads()
        if (shard := _shard(head.origin)) is not None and shard.name == own.name and shard < own
    ]
    return max(earlier, key=lambda found: found[0])[1] if earlier else None


def is_half_year(origin: str) -> bool:
    """Whether this is the name of one."""
    return _shard(origin) is not None


def contradicted(heads: HeadStore, kind: EvidenceKind, request: AddCheckpoint) -> Contradicted:
    """What a piece of evidence is held against, and what else its proof needs."""
    offered = request.signed.checkpoint
    signed = heads.signed(offered.origin, offered.size)
    if signed is not None:
        return Contradicted(kind, EvidenceSide(offered.size, *signed))
    head = heads.head(offered.origin) or signed_before(heads, offered.origin)
    if head is None:
        return Contradicted(kind, EvidenceSide(0, b"", b""))
    side = EvidenceSide(head.size, head.root, head.cosigned)
    if kind is EvidenceKind.ENDED:
        begun = heads.continued(head.origin)
        return Contradicted(kind, side, {} if begun is None else {"beginning": begun.request})
    if kind is EvidenceKind.BEGINNING:
        for size, root in heads.signed_last(head.origin, most=SEARCHED):
            earlier = Checkpoint(head.origin, size, Digest(root))
            if _begins_with(request, earlier):
                body = earlier.body().encode()
                return Contradicted(EvidenceKind.ENDED, side, {"begins_with": body})
    return Contradicted(kind, side)


def begins_rightly(heads: HeadStore, folder: EvidenceFolder, kept: EvidenceSummary) -> bool:
    """Whether the proof that was refused leads from the head with which the half-year really began.

    This witness was not asked about the end of the half-year before yet.
    """
    begun = heads.begun(kept.origin)
    before = None if begun is None else heads.head(begun.previous)
    if before is None:
        return False
    try:
        request = parse_add_checkpoint(folder.request_of(kept))
    except (Rejected, OSError, TooLarge):
        return False
    return _begins_with(request, _checkpoint(before))


def _begins_with(request: AddCheckpoint, before: Checkpoint) -> bool:
    new, first = request.signed.checkpoint.head, begun_with(before)
    return verify_consistency(first.size, first.root, new=new.size, new_root=new.root, path=request.proof)


def beginning_of(beside: HalfYearsBeside, origin: str, request: bytes) -> Begun | None:
    """What is to be remembered of a half-year that is signed for the first time."""
    return None if beside.before is None else Begun(origin, beside.before.origin, request)


def _shard(origin: str) -> Shard | None:
    try:
        return parse_shard(origin)
    except Rejected:
        return None


def _checkpoint(head: CosignedHead) -> Checkpoint:
    return Checkpoint(head.origin, head.size, Digest(head.root))
