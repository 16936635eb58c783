"""The session behind an auditor's queries: a copy, a policy, a pinned root, each read once.

Rule: no answer rests on a checkpoint that the policy does not trust.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clients.audit.checks.directory_statements import entries_of
from clients.audit.checks.pinned_root import read_root, replay_directory
from clients.audit.copy.copied_heads import CopiedHead, check_head, choose_policy
from clients.audit.copy.ledger_copy import LedgerCopy, LogFiles, open_copy
from clients.audit.copy.record_reader import RecordReader
from clients.audit.findings import Finding, Tell
from keys.directory import Directory
from protocol.identifiers import IdPrefix, show_id
from protocol.tlog.policy import Policy
from protocol.trail.ledger_leaves import Row
from runtime.errors import Ambiguous, NotFound, NotVerified


@dataclass(frozen=True, slots=True)
class AuditSession:
    """An open copy, or only a policy where no copy is needed."""

    copy: LedgerCopy | None
    policy: Policy
    tell: Tell
    root: Path | None = None

    @classmethod
    def open(
        cls, directory: Path | None, *, policy: Path | None, root: Path | None, tell: Tell
    ) -> AuditSession:
        """The copy in this directory, with policy and root."""
        copy = None if directory is None else open_copy(directory)
        return cls(copy, choose_policy(copy, policy, tell), tell, root)

    def audit_heads(self) -> list[CopiedHead]:
        """The trusted checkpoints of all half-years, oldest first."""
        return [self._head(log) for log in self._copy().shards()]

    def audit_head(self, name: str | None) -> CopiedHead:
        """One of them: by its name, or the newest."""
        if name is not None:
            return self._head(self._copy().log(name))
        shards = self._copy().shards()
        if not shards:
            raise NotFound("the copy has no audit log")
        return self._head(shards[-1])

    def head_of(self, origin: str) -> CopiedHead:
        """The trusted checkpoint of the log with this origin."""
        head = self._head(self._copy().log(origin))
        if head.checkpoint.origin != origin:
            raise NotFound(f"the copy has {head.checkpoint.origin}, not {origin}")
        return head

    def directory_head(self) -> CopiedHead:
        """The trusted checkpoint of the directory's log."""
        log = self._copy().directory_log()
        if log is None:
            raise NotFound("the copy has no log of the key directory")
        return self._head(log)

    def statements(self) -> list[bytes]:
        """The directory's statements, as the log has them."""
        head = self.directory_head()
        return entries_of(head.log, head.checkpoint.size, self.tell, origin=head.checkpoint.origin) or []

    def directory(self) -> Directory:
        """The key directory, every statement verified from the pinned root."""
        root = read_root(self._copy(), self.root, self.tell)
        return replay_directory(self.directory_head(), root, self.tell)

    def message(self, wanted: bytes | IdPrefix) -> bytes:
        """The id of the message that is meant; a whole id is taken as it is."""
        if not isinstance(wanted, IdPrefix):
            return wanted
        with RecordReader(self.records()) as reader:
            found = reader.messages(wanted.first, wanted.last, most=11)
        if not found:
            raise NotFound(
                f"no record is about a message that begins with {wanted}",
                hint="a deleted record is not found by its message",
            )
        if len(found) > 1:
            raise Ambiguous(wanted, [show_id(each) for each in found[:10]], more=len(found) > 10)
        return found[0]

    def leaves_of(self, message: bytes) -> list[tuple[CopiedHead, int]]:
        """All leaves of a message: its decision, and its deliveries."""
        leaves = [
            (self.head_of(origin), index)
            for origin, row in self._rows_of(message)
            for index in range(row.index, row.index + row.leaves)
        ]
        if not leaves:
            raise NotFound(
                f"no record is about message {show_id(message)}",
                hint="a deleted record is not found by its message",
            )
        return leaves

    def row(self, head: CopiedHead, index: int) -> Row | None:
        """The row that opens a leaf; None if the copy has none."""
        if not self._copy().records.is_file():
            return None
        with RecordReader(self._copy().records) as reader:
            return reader.row(head.checkpoint.origin, index)

    def records(self) -> Path:
        """The store of records."""
        path = self._copy().records
        if not path.is_file():
            raise NotFound("the copy has no store of records", hint="copy records.sqlite into it")
        return path

    def _rows_of(self, message: bytes) -> Iterator[tuple[str, Row]]:
        with RecordReader(self.records()) as reader:
            yield from reader.search("mid = ?", (message,))

    def _copy(self) -> LedgerCopy:
        if self.copy is None:
            raise NotFound("this needs a copy of the ledger", hint="give its directory with --ledger")
        return self.copy

    def _head(self, log: LogFiles) -> CopiedHead:
        wrong: list[Finding] = []
        head = check_head(log, self.policy, wrong.append)
        if head is None or wrong:
            what = wrong[0].what if wrong else "no checkpoint"
            raise NotVerified(
                f"the checkpoint of {log.label} cannot be trusted: {what}",
                hint=f"{wrong[0].means}" if wrong else "copy the log again",
            )
        return head
