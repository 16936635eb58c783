"""Witnessing (C2SP tlog-witness): the add-checkpoint request, and the decision whether to sign.

    old <size that the log assumes this witness has>
    <base64(hash)>                   the consistency proof from there, up to 63 lines
    <empty line>
    <checkpoint>

Owns the request's form and the decision as a table; HTTP and the witness's state are for the edge.
Rules for the edge: what `decide_cosigning` was told as `known` must still be so when the new head is
stored, in one transaction, before the cosignature leaves; and a note with evidence is kept, signed or not.

Of a half-year that it never cosigned, a witness that cosigned an earlier one knows the first leaf: the last
head of that one (protocol/tlog/shards.py). So it holds a tree of size 1, whose root is this leaf's hash, and
the answer to `old 0` is 409 with that size, as to any log that assumes a wrong one. The proof from there is
what any client of tlog-witness makes (docs/adr/0044).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from protocol.base64_text import to_base64
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.merkle import leaf_hash, proved_root, verify_consistency
from protocol.parties import NO_HEAD, TreeHead
from protocol.tlog.checkpoints import Checkpoint, SignedCheckpoint, parse_checkpoint
from protocol.tlog.notes import parse_number
from protocol.tlog.policy import Policy
from protocol.tlog.proof_file import parse_hashes

MAX_REQUEST = 600_000
SIZE_TYPE = "text/x.tlog.size"


class LogEvidence(StrEnum):
    """A contradiction under the log's own signature."""

    FORK = "fork"
    """Two roots of one size, the second shown by a head of it or by a larger one and its proof: proved to
    anybody, with the head that was cosigned."""

    INCONSISTENT = "inconsistent"
    """A head that it could not prove to continue the cosigned one: a fork, or a request of anybody."""

    BEGINNING = "beginning"
    """A half-year that it could not prove to begin with the last cosigned head of the one before."""

    ENDED = "ended"
    """More of a half-year, or another one, behind a head that a later half-year has begun with."""


@dataclass(frozen=True, slots=True)
class HalfYearsBeside:
    """What was cosigned of the half-years around a log; nothing, for a log that is no half-year."""

    before: Checkpoint | None = None
    """The newest cosigned head of the last half-year before it, where nothing of it was cosigned yet."""

    ended: bool = False
    """Whether a later half-year was cosigned that begins where this one would go on."""


NO_HALF_YEARS = HalfYearsBeside()


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to cosign."""

    old: int
    proof: tuple[Digest, ...]
    signed: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class Cosign:
    """Sign it (200), after `head` was stored in the place of what was known."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class SizeConflict:
    """The log assumes another size (409): the answer is the size that the witness has."""

    size: int
    evidence: LogEvidence | None = None


@dataclass(frozen=True, slots=True)
class RefuseToCosign:
    """Do not sign; the status of the answer, and what the request shows."""

    status: int
    code: Code
    evidence: LogEvidence | None = None


Decision = Cosign | SizeConflict | RefuseToCosign


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """A request, checked in form (else 400)."""
    if len(data) > MAX_REQUEST:
        raise Rejected(Code.E_NOTE, f"{len(data)} bytes, at most {MAX_REQUEST} allowed")
    head, found, note = data.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Rejected(Code.E_NOTE, "not an add-checkpoint request") from None
    if not found or not first.startswith("old "):
        raise Rejected(Code.E_NOTE, "not an add-checkpoint request")
    return AddCheckpoint(parse_number(first[4:]), parse_hashes(lines), parse_checkpoint(note))


def format_add_checkpoint(old: int, proof: tuple[Digest, ...], note: bytes) -> bytes:
    """The body of a request."""
    return "\n".join([f"old {old}", *map(to_base64, proof), "", ""]).encode() + note


@dataclass(frozen=True, slots=True)
class _Case:
    """A request signed by its log, with the head that was cosigned last."""

    old: int
    proof: tuple[Digest, ...]
    new: TreeHead
    known: TreeHead
    begins: bool
    """Whether `known` was never cosigned, and follows from the half-year before."""

    ended: bool


def _forks(case: _Case) -> bool:
    """Whether the log has signed two roots of one size. The empty tree has one root for all."""
    new, signed = case.new, NO_HEAD if case.begins else case.known
    return any(new.size == head.size and new.root != head.root for head in (signed, NO_HEAD))


def _continues(case: _Case) -> bool:
    """Whether the proof leads from the known head, not from the size that the log claims."""
    new, known = case.new, case.known
    return verify_consistency(known.size, known.root, new=new.size, new_root=new.root, path=case.proof)


def _grows_on(case: _Case) -> bool:
    """Whether there is more of a log behind the head with which a later half-year has begun."""
    return case.ended and case.new.size > case.known.size


def _shown(case: _Case) -> LogEvidence | None:
    """What the log's signature shows, whatever else is wrong with the request."""
    if _grows_on(case):
        return LogEvidence.ENDED
    return LogEvidence.FORK if _forks(case) else None


def _unproved(case: _Case) -> LogEvidence:
    """What a proof shows that does not hold. Anybody can make one up, and nobody one that makes the root."""
    if case.begins:
        return LogEvidence.BEGINNING
    new, known = case.new, case.known
    shown = proved_root(known.size, new=new.size, new_root=new.root, path=case.proof)
    return LogEvidence.INCONSISTENT if shown is None else LogEvidence.FORK


# The order is that of the specification; the first line that is true decides. The last one alone prevents
# signing two histories; those before it choose the answer. A fork is evidence whatever old size the log
# names: its signature under two heads is enough. The last line is our own: no proof makes it right.
RULES: tuple[tuple[Callable[[_Case], bool], Callable[[_Case], Decision]], ...] = (
    (lambda c: c.old > c.new.size, lambda c: RefuseToCosign(400, Code.E_CHECKPOINT, _shown(c))),
    (lambda c: c.old != c.known.size, lambda c: SizeConflict(c.known.size, _shown(c))),
    (_forks, lambda _: RefuseToCosign(422, Code.E_CONSISTENCY, LogEvidence.FORK)),
    (
        lambda c: not _continues(c),
        lambda c: RefuseToCosign(422, Code.E_CONSISTENCY, _shown(c) or _unproved(c)),
    ),
    (_grows_on, lambda _: RefuseToCosign(422, Code.E_CONSISTENCY, LogEvidence.ENDED)),
)


def decide_cosigning(
    request: AddCheckpoint,
    known: TreeHead | None,
    policy: Policy,
    *,
    beside: HalfYearsBeside = NO_HALF_YEARS,
) -> Decision:
    """What to answer, given the last head of this log that this witness cosigned (None: never one)."""
    try:
        checkpoint = policy.signed_by_log(request.signed)
    except Rejected as error:
        return RefuseToCosign(404 if error.reason is Code.E_LOG_UNKNOWN else 403, error.reason)
    first = None if known is not None or beside.before is None else begun_with(beside.before)
    held = first or known or NO_HEAD
    case = _Case(request.old, request.proof, checkpoint.head, held, first is not None, beside.ended)
    for applies, decision in RULES:
        if applies(case):
            return decision(case)
    return Cosign(checkpoint)


def begun_with(before: Checkpoint) -> TreeHead:
    """The first tree of a half-year that follows another: its one leaf is the last head of that one."""
    return TreeHead(1, leaf_hash(before.body().encode()))
