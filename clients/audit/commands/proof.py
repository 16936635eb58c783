"""`contrada audit verify ...` and `contrada audit prove ...`: one thing that is handed in, or asked for."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from clients.audit.commands.arguments import (
    DIRECTORY,
    FILE,
    MessageName,
    copy_argument,
    policy_option,
    root_option,
)
from protocol.identifiers import IdPrefix
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.input_files import PathName
from runtime.cli.params import Whole
from runtime.cli.render import Column, fields_of, say, write, write_details, write_json, write_table

if TYPE_CHECKING:
    from clients.audit.questions.session import AuditSession

T = TypeVar("T")

_BEGINNING = 65_536  # bytes by which a file of another kind is known

verify = group("verify", short="verify a proof, a receipt, a checkpoint, a replica of the directory")
prove = group("prove", short="make proofs that verify without the ledger")

PROMISES = (Column("what", "what", kind=Kind.TEXT), Column("log", "log"), Column("leaf", "leaf"))
PROOFS = (
    Column("file", "file"),
    Column("log", "log"),
    Column("leaf", "leaf"),
    Column("type", "type"),
)

own_policy = click.option(
    "--policy", type=FILE, required=True, metavar="FILE", help="Keys of the log and its witnesses."
)


def _session(directory: Path | None, policy: Path | None, root: Path | None = None) -> AuditSession:
    from clients.audit.questions.session import AuditSession

    return AuditSession.open(directory, policy=policy, root=root, tell=lambda note: say(f"note: {note.what}"))


def _file(path: Path, kind: str) -> bytes:
    from protocol.limits import MAX_RECORD
    from runtime.cli.file_kinds import FileKind, read_kind

    return read_kind(path, MAX_RECORD, FileKind[kind])


def _message(path: Path) -> bytes:
    # Whatever was put into an outbox was decided: also what is no message by its form.
    from protocol.limits import MAX_RECORD
    from runtime.bounded import read_bounded

    return read_bounded(path, MAX_RECORD, what="a message")


@command(
    verify,
    "message",
    impact=Impact.READS,
    short="a proof file, with the record that it proves",
    examples=(
        "contrada audit verify message leaf-7.tlog-proof --policy policy",
        "contrada audit verify message leaf-7.tlog-proof --policy policy --submission message.cbor",
    ),
)
@click.argument("proof", metavar="PROOF", type=FILE)
@own_policy
@click.option("--record", type=FILE, metavar="FILE", help="Record and salt, if the proof has none.")
@click.option("--submission", type=FILE, metavar="FILE", help="The message itself, as it was sent.")
@pass_invocation
def audit_verify_message(
    invocation: Invocation,
    proof: Path,
    *,
    policy: Path,
    record: Path | None,
    submission: Path | None,
) -> None:
    """Verify that a record is in a log that the policy trusts. Needs no copy and no network."""
    from clients.audit.questions.proving import opening_of_proof
    from clients.audit.questions.verifying import verify_message
    from protocol.tlog.proof_file import parse_proof

    parsed = parse_proof(_file(proof, "PROOF"))
    row = verify_message(
        parsed,
        opening_of_proof(parsed, None if record is None else _file(record, "RECORD")),
        _session(None, policy).policy,
        submission=None if submission is None else _message(submission),
    )
    if invocation.json:
        write_json(row)
        return
    write(f"leaf {row['leaf']} of {row['log']}, in the tree of {row['size']} leaves, is this record:")
    write_details(row["record"], fields_of(row["record"]), as_json=False)
    say(f"witnessed by: {', '.join(row['witnesses']) or 'nobody; the policy asks for none'}")


@command(
    verify,
    "receipt",
    impact=Impact.READS,
    short="a router's receipt, and that the log keeps what it promises",
    examples=("contrada audit verify receipt receipt.cbor ./ledger-copy --policy policy --root root.cbor",),
)
@click.argument("receipt", metavar="RECEIPT", type=FILE)
@copy_argument
@policy_option
@root_option
@pass_invocation
def audit_verify_receipt(
    invocation: Invocation, receipt: Path, directory: Path, *, policy: Path | None, root: Path | None
) -> None:
    """Verify the router's signature, then find each promised leaf in the log: decision and deliveries.

    Ends in 7 if the router signed something that the log does not have.
    """
    from clients.audit.questions.verifying import keep_promises, promises_of

    session = _session(directory, policy, root)
    promises = promises_of(_file(receipt, "RECEIPT"), parties=session.directory())
    rows = keep_promises(promises, session.audit_heads())
    write_table(rows, PROMISES, as_json=invocation.json, none="nothing is promised")


@command(
    verify,
    "checkpoint",
    impact=Impact.READS,
    short="a checkpoint, alone or against another one",
    examples=(
        "contrada audit verify checkpoint checkpoint --policy policy",
        "contrada audit verify checkpoint checkpoint --policy policy --against older --ledger ./ledger-copy",
        "contrada audit verify checkpoint checkpoint --policy policy --against older --proof consistency",
    ),
)
@click.argument("checkpoint", metavar="CHECKPOINT", type=FILE)
@own_policy
@click.option("--against", type=FILE, metavar="FILE", help="Another checkpoint of the same log.")
@click.option("--ledger", type=DIRECTORY, metavar="DIR", help="A copy from which to prove it.")
@click.option("--proof", type=FILE, metavar="FILE", help="A proof that one continues the other.")
@pass_invocation
def audit_verify_checkpoint(
    invocation: Invocation,
    checkpoint: Path,
    *,
    policy: Path,
    against: Path | None,
    ledger: Path | None,
    proof: Path | None,
) -> None:
    """Verify signatures and witnesses; with --against also that both belong to one history."""
    from clients.audit.questions.verifying import verify_against, verify_checkpoint

    session = _session(ledger, policy)
    own, row = verify_checkpoint(_file(checkpoint, "CHECKPOINT"), session.policy)
    if against is not None:
        other, _ = verify_checkpoint(_file(against, "CHECKPOINT"), session.policy)
        given = None if proof is None else _file(proof, "PROOF")
        row = {**row, "against": verify_against(own, other, session, given)}
    write_details(row, fields_of(row), as_json=invocation.json)


@command(
    verify,
    "directory",
    impact=Impact.READS,
    short="a unit's replica of the key directory against its log",
    examples=("contrada audit verify directory /var/lib/contrada-unit/directory.log ./ledger-copy",),
)
@click.argument("replica", metavar="REPLICA", type=FILE)
@copy_argument
@policy_option
@pass_invocation
def audit_verify_directory(
    invocation: Invocation, replica: Path, directory: Path, *, policy: Path | None
) -> None:
    """Verify that what a unit believes of keys is what the log has, statement by statement."""
    from clients.audit.questions.verifying import verify_replica
    from runtime.cli.file_kinds import FileKind, refuse_other_kind
    from runtime.cli.input_files import as_on_disk

    session = _session(directory, policy)
    with as_on_disk(replica).open("rb") as file:
        beginning = file.read(_BEGINNING)
        if beginning:
            refuse_other_kind(beginning, FileKind.REPLICA, name=str(replica))
        file.seek(0)
        row = verify_replica(file, session.statements(), session.directory_head())
    write_details(row, fields_of(row), as_json=invocation.json)


@command(
    prove,
    "inclusion",
    impact=Impact.WRITES,
    short="write a proof file for each leaf of a message, or for one leaf",
    examples=(
        "contrada audit prove inclusion ./ledger-copy --message 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
        "contrada audit prove inclusion ./ledger-copy --log 2026h2 --leaf 7 --out ./evidence",
    ),
)
@copy_argument
@policy_option
@click.option("--message", type=MessageName(), help="All leaves of this message.")
@click.option("--log", "name", metavar="NAME", help="The log, such as 2026h2. [default: the newest]")
@click.option("--leaf", type=Whole(0), help="The leaf, counted from 0.")
@click.option(
    "--out", type=PathName(file_okay=False, path_type=Path), default=Path(), help="Where. [default: here]"
)
@click.option("--no-record", is_flag=True, help="Leave record and salt out of the file.")
@pass_invocation
def audit_prove_inclusion(
    invocation: Invocation,
    directory: Path,
    *,
    policy: Path | None,
    message: bytes | IdPrefix | None,
    name: str | None,
    leaf: int | None,
    out: Path,
    no_record: bool,
) -> None:
    """Write C2SP tlog-proof files. With the record inside, a file needs nothing but a policy to verify."""
    from clients.audit.questions.proof_writing import write_inclusion_proofs

    if (message is None) == (leaf is None):
        raise click.UsageError("say --message ID or --leaf N")
    session = _session(directory, policy)
    if message is not None:
        leaves = session.leaves_of(session.message(message))
    else:
        leaves = [(session.audit_head(name), leaf or 0)]
    rows = write_inclusion_proofs(leaves, session, out, with_record=not no_record)
    write_table(rows, PROOFS, as_json=invocation.json, none="nothing to prove")


@command(
    prove,
    "consistency",
    impact=Impact.WRITES,
    short="write a proof that a log continues an earlier checkpoint",
    examples=("contrada audit prove consistency ./ledger-copy --from older-checkpoint --out consistency",),
)
@copy_argument
@policy_option
@click.option("--from", "older", type=FILE, required=True, metavar="FILE", help="The older checkpoint.")
@click.option("--out", type=PathName(dir_okay=False, path_type=Path), required=True, help="The file.")
@pass_invocation
def audit_prove_consistency(
    invocation: Invocation, directory: Path, *, policy: Path | None, older: Path, out: Path
) -> None:
    """Write the proof in the form of C2SP tlog-witness: old size, hashes, the newer checkpoint."""
    from clients.audit.questions.proof_writing import write_consistency
    from clients.audit.questions.verifying import verify_checkpoint

    session = _session(directory, policy)
    old, _ = verify_checkpoint(_file(older, "CHECKPOINT"), session.policy)
    row = write_consistency(session.head_of(old.origin), old, out)
    if invocation.json:
        write_json(row)
    else:
        write(f"{row['log']} at size {row['to']} continues size {row['from']}: {row['file']}")
