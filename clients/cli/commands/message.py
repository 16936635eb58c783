"""`contrada message`: the way of one message, its receipts, and the proofs that the ledger has it."""

from __future__ import annotations

from pathlib import Path

import click

from clients.cli.local_api import DaemonClient, segment
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.home import chosen_home, unit_home
from runtime.cli.input_files import PathName
from runtime.cli.joined import TRACES, load_added
from runtime.cli.params import Identifier
from runtime.cli.render import Column, moment, write_json, write_table

message = group("message", short="the way of one message")

PROOFS = (
    Column("leaf", "LEAF"),
    Column("log", "LOG"),
    Column("index", "INDEX"),
    Column("size", "PROVED AT", spare=1),
    Column("proved", "PROVED", moment),
    Column("file", "FILE"),
)

RECEIPTS = (
    Column("side", "SIDE"),
    Column("leaf", "DECISION"),
    Column("decided", "DECIDED", moment),
    Column("file", "FILE"),
)

STEPS = (
    Column("t", "TIME", moment),
    Column("event", "EVENT", painted=True),
    Column("unit", "UNIT"),
    Column("detail", "DETAIL", kind=Kind.TEXT),
)


@command(
    message,
    "trace",
    impact=Impact.READS,
    short="what is known of a message, step by step",
    examples=(
        "contrada message trace 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
        "contrada --home centre message trace ID",
        "contrada message trace ID --kafka 127.0.0.1:9092 --json",
    ),
)
@click.argument("message_id", metavar="ID", type=Identifier())
@pass_invocation
def message_trace_command(invocation: Invocation, message_id: str) -> None:
    """Show the way of a message: what a unit's daemon knows of it, or what the audit trail says.

    In a centre's home, or with --kafka on the line, the verified audit trail is read; else the unit's
    daemon is asked. Never shows content.
    """
    home = chosen_home(invocation)
    if home.is_centre or invocation.kafka_was_typed:
        found = load_added(TRACES, "centre")(invocation, message_id)
    else:
        found = DaemonClient(unit_home(invocation)).get(f"/v1/trace/{segment(message_id)}")
    if invocation.json:
        write_json(found)
    else:
        write_table(found["steps"], STEPS, as_json=False, none="nothing is known of it")


@command(
    message,
    "proof",
    impact=Impact.READS,
    short="the proofs that a message's leaves are in the ledger",
    examples=(
        "contrada message proof 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
        "contrada message proof ID --out ./evidence",
    ),
)
@click.argument("message_id", metavar="ID", type=Identifier())
@click.option(
    "--out", type=PathName(path_type=Path, file_okay=False), metavar="DIR", help="Write them there."
)
@pass_invocation
def message_proof(invocation: Invocation, message_id: str, out: Path | None) -> None:
    """Show where the ledger has a message's decision and its delivery, with proofs that need nobody's word.

    With --out, each leaf becomes two files: the proof (c2sp.org/tlog-proof) and the leaf's record with its
    salt, as JSON. They can be verified offline by anybody who has the policy file.
    """
    found = DaemonClient(unit_home(invocation)).get(f"/v1/proofs/{segment(message_id)}")
    if out is not None:
        from clients.cli.proof_files import write_proof_files  # noqa: PLC0415 - only where files are wanted

        write_proof_files(found, out)
    if invocation.json:
        write_json(found)
    else:
        write_table(found["proofs"], PROOFS, as_json=False, none="nothing of it is proved yet")


@command(
    message,
    "receipt",
    impact=Impact.READS,
    short="what routers signed of a message, as files",
    examples=(
        "contrada message receipt 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
        "contrada message receipt ID --out ./evidence",
    ),
)
@click.argument("message_id", metavar="ID", type=Identifier())
@click.option(
    "--out", type=PathName(path_type=Path, file_okay=False), metavar="DIR", help="Write them there."
)
@pass_invocation
def message_receipt(invocation: Invocation, message_id: str, out: Path | None) -> None:
    """Show each decision that a router signed about a message: of what this unit sent, and of what it got.

    With --out, each becomes a file, byte for byte what the router signed. 'contrada audit verify receipt'
    holds it against a copy of the ledger, offline. A receipt says nothing of other messages, and no content.
    """
    found = DaemonClient(unit_home(invocation)).get(f"/v1/receipts/{segment(message_id)}")
    if out is not None:
        from clients.cli.receipt_files import write_receipts  # noqa: PLC0415 - only where files are wanted

        write_receipts(found, out)
    if invocation.json:
        write_json(found)
    else:
        write_table(found["receipts"], RECEIPTS, as_json=False, none="no receipt of it is kept here")
