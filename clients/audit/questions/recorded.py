"""The decisions in a copy of the ledger, each verified against its leaf: for `contrada policy test`.

Joined by an entry point. Reads only; offline.
"""

from __future__ import annotations

from collections.abc import Iterator

from clients.audit.checks.pinned_root import read_root
from clients.audit.copy.ledger_copy import open_copy
from clients.audit.questions.searching import RecordSearch, checked, refuse_altered
from clients.audit.questions.session import AuditSession
from keys.directory import Directory
from protocol.trail.acts import parse_any_record
from protocol.trail.records import Record
from runtime.cli.command import Invocation
from runtime.cli.render import say
from runtime.errors import NotFound
from runtime.policy.recorded_decisions import RecordedDecisions, RecordedSpan


def recorded_in_copy(
    _: Invocation, span: RecordedSpan
) -> tuple[RecordedDecisions, Iterator[tuple[Record, Directory]]]:
    """The newest decisions of this copy, and each with the directory by which it was made."""
    if span.ledger is None:
        raise NotFound("this needs a copy of the ledger", hint="give its directory with --ledger")
    session = AuditSession.open(span.ledger, policy=span.ledger_policy, root=span.root, tell=_note)
    root = read_root(open_copy(span.ledger), span.root, _note)
    if root is None:
        raise NotFound("there is no pinned root of the directory", hint="give it with --root")
    held = RecordedDecisions(span.most)
    altered: list[str] = []
    for origin, row, is_true in checked(session, RecordSearch(since=span.since, until=span.until)):
        if is_true is False:
            altered.append(f"leaf {row.index} of {origin}")
        elif is_true and row.record is not None:
            record = parse_any_record(row.record)
            # What the store says of a row proves nothing; the record does.
            if isinstance(record, Record) and span.has(record):
                held.take(record)
    refuse_altered(altered)
    return held, held.with_directories(root, session.statements())


def _note(finding: object) -> None:
    say(f"note: {getattr(finding, 'what', finding)}")
