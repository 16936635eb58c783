"""The pinned root of the key directory, and the directory that follows from it and the copied log."""

from __future__ import annotations

from pathlib import Path

from clients.audit.checks.directory_statements import entries_of
from clients.audit.copy.copied_heads import CopiedHead
from clients.audit.copy.ledger_copy import ROOT, LedgerCopy
from clients.audit.findings import Finding, FindingKind, Tell
from keys.directory import Directory
from keys.root_of_trust import RootOfTrust
from protocol.limits import MAX_HEADER
from runtime.cli.file_kinds import FileKind, parse_kind
from runtime.errors import NotFound


def read_root(copy: LedgerCopy, chosen: Path | None, tell: Tell) -> RootOfTrust | None:
    """The auditor's root, or the one in the copy, which is reported; None if there is none."""
    path = chosen or copy.path / ROOT
    if chosen is None and not path.is_file():
        return None
    root = parse_kind(path, MAX_HEADER, FileKind.ROOT, RootOfTrust.parse)
    if chosen is None:
        what = f"the pinned root came with the copy; compare its fingerprint: {root.fingerprint()}"
        tell(Finding(FindingKind.NOT_CHECKED, ROOT, what, ROOT))
    return root


def replay_directory(head: CopiedHead, root: RootOfTrust | None, tell: Tell) -> Directory:
    """The directory that the log holds; every statement is verified."""
    if root is None:
        raise NotFound("there is no pinned root of the directory", hint="give it with --root")
    statements = entries_of(head.log, head.checkpoint.size, tell, origin=head.checkpoint.origin)
    return Directory.replay(root, statements or ())
