"""Checking what was removed: missing records against ordered deletions, a log shorter than its store knows.

Nothing but a deletion that is itself a leaf removes a record. And the store of records keeps the last
checkpoint that the log signed: published files that
were rolled back without it disagree with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Protocol

from clients.audit.checks.record_walk import Walked
from clients.audit.copy.copied_heads import CopiedHead
from clients.audit.copy.record_reader import RecordReader
from clients.audit.findings import Finding, FindingKind, Tell, span
from protocol.errors import Rejected
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.policy import Policy

PLACE = "records.sqlite"


class Walks(Protocol):
    """The results for one log, after its records were walked."""

    head: CopiedHead
    walked: list[Walked]


def check_removals(records: Path, logs: Iterable[Walks], tell: Tell) -> None:
    """Check each missing record against the deletions that the logs order."""
    known = list(logs)
    ordered: dict[str, set[int]] = {}
    for log in known:
        for part in log.walked:
            for origin, indexes in part.deletions:
                ordered.setdefault(origin, set()).update(indexes)
    with RecordReader(records) as reader:
        for log in known:
            _check_log(log, ordered.get(log.head.checkpoint.origin, set()), reader, tell)


def _check_log(log: Walks, ordered: set[int], reader: RecordReader, tell: Tell) -> None:
    origin = log.head.checkpoint.origin
    missing = [pair for part in log.walked for pair in part.missing]
    # To delete a delivery is to delete the decision that it follows from: one record opens them all.
    allowed = {index for index, leaves in missing if not ordered.isdisjoint(range(index, index + leaves))}
    for first, last in runs(index for index, _ in missing if index not in allowed):
        what = f"{span(first, last)}: no record, and no deletion of it in the log"
        tell(Finding(FindingKind.RECORD_MISSING, origin, what, PLACE, first))
    for first, last in runs(reader.kept(origin, sorted(ordered))):
        what = f"{span(first, last)}: to be deleted, and still there"
        tell(Finding(FindingKind.RECORD_KEPT, origin, what, PLACE, first))
    if allowed:
        what = f"{len(allowed)} records were deleted, as the log orders"
        tell(Finding(FindingKind.DELETED, origin, what, PLACE))


def check_store(
    records: Path, heads: Iterable[CopiedHead], policy: Policy, tell: Tell, *, live: bool
) -> None:
    """Check the checkpoints in the store against the published ones."""
    published = {head.checkpoint.origin: head for head in heads}
    with RecordReader(records) as reader:
        for origin, signed_bytes in reader.checkpoints():
            _check_memory(origin, signed_bytes, published.get(origin), policy, tell, live=live)
        for origin, count, first in reader.beyond({o: h.checkpoint.size for o, h in published.items()}):
            kind = FindingKind.AHEAD if live else FindingKind.RECORD_ORPHAN
            what = f"{count} records from leaf {first} on, where the published log has no leaf"
            tell(Finding(kind, origin, what, PLACE, first))


def _check_memory(
    origin: str, data: bytes, head: CopiedHead | None, policy: Policy, tell: Tell, *, live: bool
) -> None:
    try:
        memory = policy.signed_by_log(parse_checkpoint(data))
    except Rejected as rejected:
        what = f"the checkpoint that the store of records keeps: {rejected.sentence}"
        tell(Finding(FindingKind.CHECKPOINT_SIGNATURE, origin, what, PLACE))
        return
    here = None if head is None else head.checkpoint
    if here is None or memory.size > here.size:
        size = 0 if here is None else here.size
        what = f"the log signed {memory.size} leaves, says the store of records; published are {size}"
        tell(Finding(FindingKind.AHEAD if live else FindingKind.ROLLED_BACK, origin, what, PLACE, size))
    elif memory.size == here.size and memory.root != here.root:
        what = f"the store of records keeps another signed root of {here.size} leaves than is published"
        tell(Finding(FindingKind.FORK, origin, what, PLACE, here.size))


def runs(indexes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Indexes as runs, both ends included."""
    for _, run in groupby(enumerate(sorted(indexes)), key=lambda pair: pair[1] - pair[0]):
        members = [index for _, index in run]
        yield members[0], members[-1]
