"""The full audit of a copy: heads, trees, records, the chain of half-years, the directory.

Owns the order of the checks and the report at the end; each check is in a module of its own. Findings are
reported as they are found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from clients.audit.checks import ranges
from clients.audit.checks.directory_statements import check_announcements, check_statements, entries_of
from clients.audit.checks.put_backs import check_order, find_cuts
from clients.audit.checks.record_walk import Walked
from clients.audit.checks.removals import check_removals, check_store
from clients.audit.checks.signed_leaves import check_signed
from clients.audit.checks.tree import TreeCheck
from clients.audit.copy import record_reader
from clients.audit.copy.copied_heads import (
    CopiedHead,
    check_against,
    check_chain,
    check_head,
    trusted_witnesses,
)
from clients.audit.copy.ledger_copy import LedgerCopy, ahead
from clients.audit.findings import Finding, FindingKind
from keys.root_of_trust import RootOfTrust
from protocol.errors import Rejected
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.policy import Policy
from protocol.tlog.tiles import ENTRIES, read_entries, tile_of
from protocol.trail.records import RecordType
from runtime.errors import Unavailable

_FAR = 1_000_000
"""Leaves without files that are still searched for one by one."""


@dataclass(frozen=True, slots=True)
class AuditBasis:
    """What an audit rests on."""

    policy: Policy
    own_policy: bool = True
    """Whether it is the auditor's, and not the one that came with the copy: that one proves nothing."""

    root: RootOfTrust | None = None
    seen: tuple[tuple[str, bytes], ...] = ()
    """Checkpoints from elsewhere, with the names of their files."""

    live: bool = False
    """The copy was made while the ledger ran: its store may be ahead of what it has published."""

    part: bool = False
    """The copy is to have only some of the logs: others that these rest on are noted as not checked."""


@dataclass(slots=True)
class LogReport:
    """The result for one log."""

    head: CopiedHead
    own_policy: bool
    tree_holds: bool = False
    walked: list[Walked] = field(default_factory=list)

    def as_row(self) -> dict[str, object]:
        """As it is printed."""
        checkpoint = self.head.checkpoint
        types: Counter[int] = Counter()
        for part in self.walked:
            types.update(part.types)
        return {
            "log": checkpoint.origin,
            "leaves": checkpoint.size,
            "root": checkpoint.root.hex(),
            "tree": "holds" if self.tree_holds else "does not hold",
            "trusted": self.head.trusted and (self.own_policy or None),
            "witnesses": list(self.head.witnesses),
            "types": {RecordType(kind).name.lower(): count for kind, count in sorted(types.items())},
            "without_record": sum(len(part.missing) for part in self.walked),
        }


@dataclass(slots=True)
class Audit:
    """An audit while it runs."""

    copy: LedgerCopy
    wanted: AuditBasis
    findings: list[Finding] = field(default_factory=list)
    logs: list[LogReport] = field(default_factory=list)

    @property
    def wrong(self) -> list[Finding]:
        """The findings without the notices."""
        return [finding for finding in self.findings if not finding.is_notice]

    def as_report(self) -> dict[str, object]:
        """The result as one object."""
        return {
            "ok": not self.wrong and self.wanted.own_policy,
            "logs": [log.as_row() for log in self.logs],
            "findings": [each.as_row() for each in self.findings if not each.is_notice],
            "notices": [each.as_row() for each in self.findings if each.is_notice],
        }

    def tell(self, finding: Finding) -> None:
        """Take a finding."""
        if self.wanted.part and finding.kind is FindingKind.LOG_MISSING:
            finding = replace(finding, kind=FindingKind.NOT_CHECKED)
        self.findings.append(finding)


def audit_copy(copy: LedgerCopy, wanted: AuditBasis, *, before: Iterable[Finding] = ()) -> Audit:
    """Check everything in the copy."""
    run = Audit(copy, wanted, list(before))
    shards = copy.shards()
    heads = tuple(check_head(log, wanted.policy, run.tell) for log in shards)
    known = [LogReport(head, wanted.own_policy) for head in heads if head is not None]
    records = record_reader.usable(copy.records, run.tell)
    with ranges.checking(sum(report.head.checkpoint.size for report in known)) as pool:
        cuts = {} if records is None else _cuts(records)
        for report in known:
            _check_log(report, records, cuts, pool=pool, run=run)
        run.logs = list(known)
        run.findings += check_order([part for report in known for part in report.walked])
        first = {log.label: _first_entry(head) for log, head in zip(shards, heads, strict=True)}
        check_chain(shards, heads, first, run.tell)
        if records is not None:
            check_removals(records, known, run.tell)
        statements = _check_directory(run, known)
        if records is not None:
            _check_signed(run, known, records, statements=statements, pool=pool)
    if records is not None:
        reports = [report.head for report in run.logs]
        check_store(records, reports, wanted.policy, run.tell, live=wanted.live)
    _check_seen(run)
    return run


def _check_signed(
    run: Audit,
    known: list[LogReport],
    records: Path,
    *,
    statements: list[bytes] | None,
    pool: ProcessPoolExecutor | None,
) -> None:
    """What routers and operators signed, by the keys that the directory's log gives them."""
    root = run.wanted.root
    for report in known:
        if root is None or statements is None:
            what = "what was signed of the leaves; it needs the directory's log and the pinned root (--root)"
            run.tell(Finding(FindingKind.NOT_CHECKED, report.head.checkpoint.origin, what))
        else:
            check_signed(report.head, records, (statements, root), pool=pool, tell=run.tell)


def _cuts(records: Path) -> Mapping[str, set[int]]:
    try:
        return find_cuts(records)
    except Unavailable:
        return {}  # the walk says what is wrong with the store


def _check_log(
    report: LogReport,
    records: Path | None,
    cuts: Mapping[str, set[int]],
    *,
    pool: ProcessPoolExecutor | None,
    run: Audit,
) -> None:
    head = report.head
    if head.checkpoint.size > head.log.leaves_at_most() + _FAR:
        # Before any loop over it: the size is a number in an untrusted file, and may be any number.
        what = f"{head.checkpoint.size} leaves are signed, and files are here for {head.log.leaves_at_most()}"
        run.tell(Finding(FindingKind.TILE_MISSING, head.checkpoint.origin, what, head.log.label))
        return
    tree = TreeCheck(head.log, head.checkpoint, run.tell)
    for part in _checked(_tasks(report, records, cuts), pool):
        tree.take(part.pairs, part.edge)
        if part.walked is not None:
            report.walked.append(part.walked)
            run.findings += part.walked.findings
            run.findings += _unverified(head, part.walked)
            run.findings += _gaps(head, part.walked)
        if part.unread:
            what = f"the records of {part.unread} leaves, because their entries are not at hand"
            run.tell(Finding(FindingKind.NOT_CHECKED, head.checkpoint.origin, what))
    report.tree_holds = tree.judge()
    if ahead(head.log, head.checkpoint.size):
        what = f"there are tiles of more than the {head.checkpoint.size} leaves that the checkpoint signs"
        run.tell(Finding(FindingKind.AHEAD, head.checkpoint.origin, what, f"{head.log.label}/checkpoint"))


def _checked(
    tasks: list[ranges.RangeTask], pool: ProcessPoolExecutor | None
) -> Iterator[ranges.CheckedRange]:
    return map(ranges.check_range, tasks) if pool is None else pool.map(ranges.check_range, tasks)


def _tasks(report: LogReport, records: Path | None, cuts: Mapping[str, set[int]]) -> list[ranges.RangeTask]:
    head = report.head
    origin, size, chained = head.checkpoint.origin, head.checkpoint.size, _is_chained(head)
    at = frozenset(cuts.get(origin, ()))
    return ranges.range_tasks(head.log, origin, size, records=records, chained=chained, cuts=at)


def _is_chained(head: CopiedHead) -> bool:
    """Whether the log begins with the checkpoint of the half-year before."""
    first = _first_entry(head)
    return first is not None and first[:1] != b"\x84"


def _first_entry(head: CopiedHead | None) -> bytes | None:
    if head is None or head.checkpoint.size == 0:
        return None
    try:
        return read_entries(head.log.read, tile_of(ENTRIES, 0, size=head.checkpoint.size))[0]
    except Rejected:
        return None


def _unverified(head: CopiedHead, walked: Walked) -> Iterator[Finding]:
    for index, offset, code in walked.unverified:
        what = f"the record at offset {offset} of the audit topic did not verify: {code}"
        yield Finding(FindingKind.UNVERIFIED, head.checkpoint.origin, what, "", index)


def _gaps(head: CopiedHead, walked: Walked) -> Iterator[Finding]:
    for index, gap in walked.gaps:
        what = f"two people state that the records {gap.first} to {gap.end - 1} of the audit topic are gone"
        yield Finding(FindingKind.AUDIT_GAP, head.checkpoint.origin, what, "", index)


def _check_directory(run: Audit, audited: list[LogReport]) -> list[bytes] | None:
    """Check the directory's log; its statements, if they are in the copy."""
    log = run.copy.directory_log()
    announced = [each for log in audited for part in log.walked for each in part.announced]
    if log is None:
        kind = FindingKind.LOG_MISSING if announced else FindingKind.NOT_CHECKED
        what = "the copy has no log of the key directory"
        if announced:
            what += f", and the audit log announces {len(announced)} of its statements"
        run.tell(Finding(kind, "directory", what, "directory"))
        return None
    head = check_head(log, run.wanted.policy, run.tell)
    if head is None:
        return None
    report = LogReport(head, run.wanted.own_policy)
    _check_log(report, None, {}, pool=None, run=run)
    run.logs.append(report)
    statements = entries_of(log, head.checkpoint.size, run.tell, origin=head.checkpoint.origin)
    if statements is None:
        return None
    check_statements(head, statements, run.wanted.root, run.tell)
    if any(log.walked for log in audited):
        check_announcements(head, statements, announced, run.tell)
    return statements


def _check_seen(run: Audit) -> None:
    heads = {report.head.checkpoint.origin: report.head for report in run.logs}
    for name, data in run.wanted.seen:
        signed = parse_checkpoint(data)
        if trusted_witnesses(signed, run.wanted.policy, run.tell, place=name) is None:
            continue
        head = heads.get(signed.checkpoint.origin)
        if head is None:
            what = f"{name} is a checkpoint of a log that this copy has not"
            run.tell(Finding(FindingKind.ROLLED_BACK, signed.checkpoint.origin, what, name))
        else:
            check_against(head, signed.checkpoint, run.tell, name=name)
