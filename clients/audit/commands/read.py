"""`contrada audit search` and `contrada audit report`: records as rows, each verified against its leaf."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from clients.audit.commands.arguments import MessageName, copy_argument, policy_option
from protocol.identifiers import IdPrefix
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.params import OneUnit, limit_option, refuse_empty_span, since_option, until_option
from runtime.cli.render import Column, say, write_json, write_table

TYPES = (
    "accepted",
    "rejected",
    "duplicate",
    "directory_statement",
    "policy_change",
    "deletion",
    "break_glass",
    "auditor_access",
    "quarantine_release",
    "software_start",
    "unverified",
    "audit_gap",
    "audit_rewound",
    "kafka_put_back",
)
FOUND = (
    Column("log", "log", spare=3),
    Column("leaf", "leaf"),
    Column("time", "time"),
    Column("type", "type", painted=True),
    Column("unit", "unit"),
    Column("to", "to", kind=Kind.TEXT),
    Column("kind", "kind", spare=2),
    Column("reasons", "reasons", kind=Kind.TEXT),
    Column("message", "message", kind=Kind.ID),
)


@command(
    None,
    "search",
    impact=Impact.READS,
    short="find records by unit, time, decision, reason or message",
    examples=(
        "contrada audit search ./ledger-copy --message 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
        "contrada audit search ./ledger-copy --unit fr --decision rejected --since 2026-11-01",
        "contrada audit search ./ledger-copy --reason E_DATA_BASIS --json",
    ),
)
@copy_argument
@policy_option
@click.option("--unit", type=OneUnit(), help="Sent by it, addressed to it, or about it.")
@since_option
@until_option
@click.option("--decision", "kind", type=click.Choice(TYPES), help="Only these.")
@click.option("--reason", metavar="CODE", help="Decided so, among other reasons.")
@click.option("--message", type=MessageName(), help="About this message.")
@limit_option
@pass_invocation
def audit_search(  # noqa: PLR0913 - one for each thing that can be asked for
    invocation: Invocation,
    directory: Path,
    *,
    policy: Path | None,
    unit: str | None,
    since: int | None,
    until: int | None,
    kind: str | None,
    reason: str | None,
    message: bytes | IdPrefix | None,
    limit: int | None,
) -> None:
    """Find records, oldest first. Every record shown is the one that its leaf commits to.

    Ends in 7 if one that was found is not, or if records are gone; the others are shown all the same.
    """
    from clients.audit.questions.searching import RecordSearch, find_records, refuse_altered, refuse_gaps
    from clients.audit.questions.session import AuditSession

    refuse_empty_span(since, until)
    session = AuditSession.open(directory, policy=policy, root=None, tell=_note)
    code = None if reason is None else reason.upper()
    mid = None if message is None else session.message(message)
    found = find_records(session, RecordSearch(unit, since, until, kind, code, mid), limit=limit)
    write_table(found.rows, FOUND, as_json=invocation.json, none="no record answers to that")
    if code is not None and not found.rows:
        _hint_at_code(code)
    if found.cut:
        say("hint: older ones are left out: say a higher --limit, or none")
    if found.ahead:
        say(f"note: {found.ahead} left out that no checkpoint covers yet: ask again in a second")
    refuse_altered(found.altered)
    refuse_gaps(session)


@command(
    None,
    "report",
    impact=Impact.READS,
    short="count what was decided, by half-year, unit, kind and reason",
    examples=(
        "contrada audit report ./ledger-copy",
        "contrada audit report ./ledger-copy --since 2026 --until 2026 --json",
    ),
)
@copy_argument
@policy_option
@since_option
@until_option
@pass_invocation
def audit_report(
    invocation: Invocation,
    directory: Path,
    *,
    policy: Path | None,
    since: int | None,
    until: int | None,
) -> None:
    """Count messages and decisions: what the statistics of Directive (EU) 2023/977, Article 18, start from.

    Counts only records that their leaves commit to, and says how many were deleted. Ends in 7 if one is
    altered or gone.
    """
    from clients.audit.questions.reporting import COLUMNS, count_decisions, flat
    from clients.audit.questions.searching import refuse_altered, refuse_gaps
    from clients.audit.questions.session import AuditSession

    refuse_empty_span(since, until)
    session = AuditSession.open(directory, policy=policy, root=None, tell=_note)
    made, altered = count_decisions(session, since=since, until=until)
    if invocation.json:
        write_json(made)
    else:
        write_table(flat(made), COLUMNS, as_json=False, none="there is nothing to count")
        say("counted from leaves that are signed; what was deleted is counted by type only")
    refuse_altered(altered)
    refuse_gaps(session)


def _hint_at_code(code: str) -> None:
    """Say that a code that finds nothing is none that this program knows; a newer ledger may know it."""
    from difflib import get_close_matches

    from protocol.errors import Code

    if code not in Code.__members__:
        near = get_close_matches(code, list(Code.__members__), n=1)
        say(f"hint: this program knows no code {code}" + (f"; did you mean {near[0]}?" if near else ""))


def _note(finding: object) -> None:
    say(f"note: {getattr(finding, 'what', finding)}")
