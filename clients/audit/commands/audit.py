"""`contrada audit ...`: the auditor's commands. Joined to the command line by an entry point.

    fsck            check everything in a copy
    mirror          make or continue a copy
    search, report  what the records say                           read.py
    verify, prove   one thing that is handed in, or asked for      proof.py

They read a copied directory; Kafka and a network are not needed. Rule: nothing heavy is imported here.
"""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clients.audit.commands.arguments import FILE, copy_argument, policy_option, root_option
from clients.audit.commands.proof import prove, verify
from clients.audit.commands.read import audit_report, audit_search
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.errors import CommandError
from runtime.cli.exits import Exit
from runtime.cli.input_files import PathName
from runtime.cli.render import Column, say, write, write_json, write_table

if TYPE_CHECKING:
    from clients.audit.checks.fsck import Audit

audit = group("audit", short="check a copy of the ledger, without the centre")

LOGS = (
    Column("log", "log"),
    Column("leaves", "leaves"),
    Column("tree", "tree"),
    Column("trust", "trusted"),
    Column("witnesses", "witnesses", kind=Kind.TEXT),
)
COPIED = (Column("log", "log"), Column("from", "from"), Column("to", "to"), Column("files", "files"))


@command(
    audit,
    "fsck",
    impact=Impact.READS,
    short="recompute and check everything in a copy",
    examples=(
        "contrada audit fsck ./ledger-copy --policy policy --root root.cbor",
        "contrada audit fsck ./ledger-copy --policy policy --seen checkpoint-of-last-month --json",
    ),
)
@copy_argument
@policy_option
@root_option
@click.option(
    "--seen",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="A checkpoint that you have from elsewhere or from before: the copy must continue it.",
)
@click.option(
    "--live",
    is_flag=True,
    help="DIR was copied while the ledger ran: its store may be ahead of what is published.",
)
@click.option("--part", is_flag=True, help="DIR is to have only some of the logs, such as one half-year.")
@pass_invocation
def audit_fsck(
    invocation: Invocation,
    directory: Path,
    *,
    policy: Path | None,
    root: Path | None,
    seen: tuple[Path, ...],
    live: bool,
    part: bool,
) -> None:
    """Check a copied ledger: entries, hashes, checkpoints, records, deletions, the directory's log.

    Ends in 7 if anything does not verify, and says which leaf, tile or checkpoint it is and what that means.
    Without --policy nobody's signature proves anything: anybody can write a whole ledger with a policy to it.
    Then it ends in 3, if nothing is wrong.
    """
    from clients.audit.checks import fsck as work
    from clients.audit.checks.pinned_root import read_root
    from clients.audit.copy.copied_heads import choose_policy
    from clients.audit.copy.ledger_copy import open_copy
    from clients.audit.findings import Finding
    from protocol.limits import MAX_NOTE
    from runtime.cli.file_kinds import FileKind, read_kind

    copy = open_copy(directory)
    notes: list[Finding] = []
    wanted = work.AuditBasis(
        policy=choose_policy(copy, policy, notes.append),
        own_policy=policy is not None,
        root=read_root(copy, root, notes.append),
        seen=tuple((path.name, read_kind(path, MAX_NOTE, FileKind.CHECKPOINT)) for path in seen),
        live=live,
        part=part,
    )
    _report(work.audit_copy(copy, wanted, before=notes), as_json=invocation.json)


def _report(done: Audit, *, as_json: bool) -> None:
    from runtime.errors import NotVerified

    if as_json:
        write_json(done.as_report())
    else:
        _show(done)
    if done.wrong:
        raise NotVerified(
            f"{len(done.wrong)} findings: this copy is not what the log signed",
            hint="keep the copy as it is, and see docs/runbooks/audit.md",
        )
    if not done.wanted.own_policy:
        raise _NotChecked(
            "whose ledger this is was not checked: its policy came with the copy",
            hint="give the policy that you trust with --policy",
        )


class _NotChecked(CommandError):
    code = "E_NOT_CHECKED"
    exit = Exit.PARTIAL


def _show(done: Audit) -> None:
    from clients.audit.findings import FindingKind

    rows = [log.as_row() for log in done.logs]
    for row in rows:
        row["trust"] = "not checked" if row["trusted"] is None else row["trusted"]
    write_table(rows, LOGS, as_json=False, none="no log could be checked")
    for each in done.findings:
        if not each.is_notice:
            where = ", ".join(filter(None, (each.place, "" if each.index is None else f"leaf {each.index}")))
            write("")
            write(f"{each.kind.value}  {each.log}  ({where or 'the log as a whole'})")
            write(f"  {each.what}")
            write(f"  means: {each.means}")
    for each in done.findings:
        if each.is_notice:
            say(f"note: {each.log}: {each.what}")
    if not done.wrong:
        unchecked = any(each.kind is FindingKind.NOT_CHECKED for each in done.findings)
        say("what was checked verifies; the notes say what was not" if unchecked else "everything verifies")


@command(
    audit,
    "mirror",
    impact=Impact.WRITES,
    short="make or continue a copy, each file verified",
    examples=(
        "contrada audit mirror https://ledger.contrada.example ./ledger-copy --policy policy",
        "contrada audit mirror /srv/contrada/ledger ./ledger-copy",
    ),
)
@click.argument("source", metavar="URL|DIR")
@click.argument("destination", metavar="DEST", type=PathName(file_okay=False, path_type=Path))
@policy_option
@click.option("--log", "logs", multiple=True, metavar="NAME", help="Only this log, such as audit/2026h2.")
@click.option("--no-records", is_flag=True, help="Copy the logs only, not the store of records.")
@pass_invocation
def audit_mirror(
    invocation: Invocation,
    source: str,
    destination: Path,
    *,
    policy: Path | None,
    logs: tuple[str, ...],
    no_records: bool,
) -> None:
    """Copy a ledger, or go on with a copy. Files enter DEST verified, the checkpoint as the last one.

    What does not continue the copy that is there already is refused, and kept beside it as evidence. Ends
    in 7 if the source shows less than it has shown, or than it must have; what it does show is copied.
    """
    from clients.audit.copy.copying import Row, mirror_all

    rows: list[Row] = []
    try:
        mirror_all(source, destination, policy=policy, logs=logs, records=not no_records, rows=rows, note=say)
    finally:
        write_table(rows, COPIED, as_json=invocation.json, none="no log was copied")


audit.add_command(audit_search)
audit.add_command(audit_report)
audit.add_command(verify)
audit.add_command(prove)
