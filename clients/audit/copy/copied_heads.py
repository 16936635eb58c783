"""Checks of checkpoints: their signatures, their witnesses, and whether they belong to one history.

Owns the checks that need no entry of the log. The policy says which keys count; without one no signature can
be judged, and that is reported as a notice, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from clients.audit.copy.absence import continued_log
from clients.audit.copy.ledger_copy import POLICY, LedgerCopy, LogFiles
from clients.audit.findings import Finding, FindingKind, Tell
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.limits import MAX_POLICY_TEXT
from protocol.tlog.checkpoints import Checkpoint, SignedCheckpoint, parse_checkpoint
from protocol.tlog.policy import Policy, parse_policy
from protocol.tlog.proofs import root_at
from protocol.tlog.tiles import smaller_from
from runtime.cli.file_kinds import FileKind, parse_kind
from runtime.errors import NotFound


@dataclass(frozen=True, slots=True)
class CopiedHead:
    """A log's checkpoint, and what is known of it."""

    log: LogFiles
    signed: SignedCheckpoint
    witnesses: tuple[str, ...]
    trusted: bool

    @property
    def checkpoint(self) -> Checkpoint:
        """Origin, size and root."""
        return self.signed.checkpoint


def choose_policy(copy: LedgerCopy | None, chosen: Path | None, tell: Tell) -> Policy:
    """The auditor's policy, or the one that came with the copy, which is reported."""
    path = chosen or (None if copy is None else copy.path / POLICY)
    if path is None or (chosen is None and not path.is_file()):
        raise NotFound(
            "there is no policy to verify signatures with", hint="give the file that you trust with --policy"
        )
    if chosen is None:
        tell(
            Finding(
                FindingKind.NOT_CHECKED,
                POLICY,
                "signatures are checked against the policy that came with the copy; give yours with --policy",
                str(path.name),
            )
        )
    return parse_kind(path, MAX_POLICY_TEXT, FileKind.POLICY, parse_policy)


def check_head(log: LogFiles, policy: Policy, tell: Tell) -> CopiedHead | None:
    """The checkpoint of this log. What is wrong with it is reported; None if it cannot be judged."""
    place = f"{log.label}/checkpoint"
    try:
        data = log.checkpoint()
    except Rejected as rejected:
        tell(Finding(FindingKind.CHECKPOINT_MISSING, log.label, rejected.sentence, place))
        return None
    try:
        signed = parse_checkpoint(data)
    except Rejected as rejected:
        tell(Finding(FindingKind.CHECKPOINT_FORM, log.label, rejected.sentence, place))
        return None
    origin = signed.checkpoint.origin
    if not origin.endswith(f"/{log.label}"):
        tell(Finding(FindingKind.CHECKPOINT_FORM, log.label, f"it is the checkpoint of {origin}", place))
        return None
    witnesses = trusted_witnesses(signed, policy, tell, place=place)
    return CopiedHead(log, signed, witnesses or (), trusted=witnesses is not None)


def trusted_witnesses(
    signed: SignedCheckpoint, policy: Policy, tell: Tell, *, place: str
) -> tuple[str, ...] | None:
    """The witnesses of a checkpoint that the policy trusts; else None, and the reason is reported."""
    try:
        return tuple(policy.trusted(signed).witnesses)
    except Rejected as rejected:
        unseen = rejected.reason is Code.E_QUORUM
        kind = FindingKind.QUORUM if unseen else FindingKind.CHECKPOINT_SIGNATURE
        tell(Finding(kind, signed.checkpoint.origin, rejected.sentence, place))
        return None


def check_chain(
    shards: Sequence[LogFiles],
    heads: Sequence[CopiedHead | None],
    first_entries: Mapping[str, bytes | None],
    tell: Tell,
) -> None:
    """Each half-year begins with the checkpoint at which the one before it ended, and that one is here."""
    here = {log.label for log in shards}
    for before, after in pairwise((None, *heads)):
        first = None if after is None else first_entries.get(after.log.label)
        if after is None or first is None:
            continue
        if before is not None and first == before.checkpoint.body().encode():
            continue
        named = continued_log(after.log, after.checkpoint, first)
        since = "" if before is None else before.log.label
        if named is not None and named not in here and since < named < after.log.label:
            what = f"its first entry is the last checkpoint of {named}, which is not in the copy"
            tell(Finding(FindingKind.LOG_MISSING, after.checkpoint.origin, what, named))
        elif before is not None:
            what = (
                f"its first entry is not the last checkpoint of {before.checkpoint.origin} "
                f"(size {before.checkpoint.size})"
            )
            place = f"{before.log.label}/checkpoint"
            tell(Finding(FindingKind.SHARD_CHAIN, after.checkpoint.origin, what, place, 0))


def check_against(head: CopiedHead, seen: Checkpoint, tell: Tell, *, name: str) -> bool:
    """Whether a checkpoint that was seen elsewhere belongs to this log's history; reported if it does not."""
    here = head.checkpoint
    if seen.size > here.size:
        gone = seen.size - here.size
        what = f"{name} says size {seen.size}, this copy ends at {here.size}: {gone} leaves are gone"
        tell(Finding(FindingKind.ROLLED_BACK, here.origin, what, f"{head.log.label}/checkpoint", here.size))
        return False
    try:
        root: Digest | None = here.root if seen.size == here.size else _root_at(head, seen.size)
    except Rejected as rejected:
        tell(Finding(FindingKind.NOT_CHECKED, here.origin, f"{name}: {rejected.sentence}"))
        return False
    if root != seen.root:
        what = f"{name} says another root over the first {seen.size} leaves than this copy gives"
        tell(Finding(FindingKind.FORK, here.origin, what, f"{head.log.label}/checkpoint", seen.size))
        return False
    return True


def _root_at(head: CopiedHead, size: int) -> Digest:
    """The root of a smaller tree, of which partial tiles need not be kept: they are cut from wider ones."""
    return root_at(size, smaller_from(head.log.read, size=head.checkpoint.size))
